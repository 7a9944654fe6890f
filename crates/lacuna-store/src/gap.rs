//! What a listing cannot tell of.

use std::fmt::{self, Write as _};

/// An entry of a listing under whose name blobs may be that are not listed. The listing goes on behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The path within the store, as its bytes are: it may be no [`BlobPath`](crate::BlobPath).
    pub name: Vec<u8>,
    /// Where the blobs would be.
    pub extent: Extent,
    /// The path within the store that a symbolic link leads to, which is listed there; empty for the store itself.
    pub target: Option<String>,
}

/// Where blobs may be that are not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// At the name.
    Blob,
    /// Below the name.
    Folder,
    /// Either.
    Unknown,
}

impl Gap {
    /// A gap where nothing is listed in another place either.
    pub fn new(name: impl Into<Vec<u8>>, extent: Extent) -> Self {
        Self { name: name.into(), extent, target: None }
    }
}

impl fmt::Display for Gap {
    /// The name; what cannot be printed is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.name.utf8_chunks() {
            for char in chunk.valid().chars() {
                if char.is_control() { write!(f, "{}", char.escape_default())? } else { f.write_char(char)? }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_always_be_printed() {
        let gap = Gap::new(*b"m/\xc3\xa4 bad\xff\n.tmp", Extent::Blob);
        assert_eq!(gap.to_string(), "m/ä bad\\xff\\n.tmp");
    }
}
