//! Where a secret lies: an environment variable or a file, never the configuration itself.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lacuna_scan::Secret;

use super::document::{Entry, Problems};
use crate::failure::{Failure, Result};

/// Looks up an environment variable.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The largest file that is taken for a secret, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Where a secret lies, and which key of the configuration says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretRef {
    place: Place,
    /// Which key, in which line: for messages.
    key: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Env(String),
    File(PathBuf),
}

impl SecretRef {
    pub(super) fn read(entry: &Entry<'_>, base: &Path, problems: &mut Problems<'_>) -> Option<Self> {
        const WANTED: &str = "`{ env = \"VARIABLE\" }` or `{ file = \"PATH\" }`";
        // Not even a value of the wrong type is repeated: it may be the secret itself.
        if !entry.is_table() {
            entry.wrong(
                format!("must say where the secret lies, as {WANTED}; the secret itself never stands here"),
                problems,
            );
            return None;
        }
        let mut table = entry.table(WANTED, problems)?;
        let env = table.get("env");
        let file = table.get("file");
        table.finish(problems);
        let place = match (env, file) {
            (Some(env), None) => {
                let name = env.words(problems)?;
                if name.contains(['=', '\0']) {
                    env.wrong("is no name of an environment variable", problems);
                    return None;
                }
                Place::Env(name.to_owned())
            }
            (None, Some(file)) => Place::File(base.join(file.words(problems)?)),
            _ => {
                entry.wrong(format!("needs one of {WANTED}"), problems);
                return None;
            }
        };
        Some(Self { place, key: format!("`{}` in line {}", entry.name, problems.line(&entry.place)) })
    }

    /// The secret's bytes, as they are; a final line break of a file is taken away.
    pub(crate) fn resolve(&self, environment: Environment<'_>) -> Result<Secret<Vec<u8>>> {
        let bytes = match &self.place {
            Place::Env(name) => environment(name).map(std::ffi::OsString::into_encoded_bytes).ok_or_else(|| {
                Failure::usage(format!("the environment variable `{name}` is not set ({})", self.key))
            })?,
            Place::File(path) => {
                let unreadable =
                    |error| Failure::usage(format!("cannot read {} ({})", path.display(), self.key)).because(&error);
                cut_line_break(read_file(path).map_err(unreadable)?)
            }
        };
        if bytes.is_empty() { Err(self.wrong("is empty")) } else { Ok(Secret::new(bytes)) }
    }

    /// The secret as text.
    pub(crate) fn resolve_text(&self, environment: Environment<'_>) -> Result<Secret<String>> {
        let bytes = self.resolve(environment)?;
        match std::str::from_utf8(bytes.expose()) {
            Ok(text) => Ok(Secret::new(text.trim().to_owned())),
            Err(_) => Err(self.wrong("is no text")),
        }
    }

    /// The failure of a secret that was read and cannot be right.
    pub(crate) fn wrong(&self, what: &str) -> Failure {
        Failure::usage(format!("{} {what} ({})", self.place_name(), self.key))
    }

    fn place_name(&self) -> String {
        match &self.place {
            Place::Env(name) => format!("the environment variable `{name}`"),
            Place::File(path) => path.display().to_string(),
        }
    }
}

fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(std::io::Error::other("is too large for a secret"));
    }
    Ok(bytes)
}

fn cut_line_break(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    bytes
}
