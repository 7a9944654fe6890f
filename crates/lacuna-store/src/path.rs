//! Paths of blobs within a store.

use std::fmt;

/// A `/`-separated path within a store: no empty, `.` or `..` segment, no control characters, no leading slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobPath(String);

/// Why a text is no blob path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a path within a store: {0}")]
pub struct PathError(&'static str);

impl BlobPath {
    /// Checks `path`.
    pub fn new(path: impl Into<String>) -> Result<Self, PathError> {
        let path = path.into();
        if path.is_empty() {
            return Err(PathError("it is empty"));
        }
        for segment in path.split('/') {
            match segment {
                "" => return Err(PathError("a segment is empty")),
                "." | ".." => return Err(PathError("a segment is `.` or `..`")),
                _ if segment.chars().any(char::is_control) => return Err(PathError("it holds a control character")),
                _ => {}
            }
        }
        Ok(Self(path))
    }

    /// The path's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for BlobPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
