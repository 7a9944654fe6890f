//! Whether a package is what its manifest says.

mod count;

use std::{
    collections::HashSet,
    fmt,
    io::{self, Read},
    path::Path,
};

use crate::{
    Error, Format, Manifest, Measure, Result,
    manifest::File,
    package::{self, is_within},
};
use count::Counter;

/// One way in which a package is not what its manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// A path in the manifest leads out of the package; it was not opened.
    Path {
        /// The path.
        path: String,
    },
    /// The manifest lists a file twice.
    Twice {
        /// Its path.
        path: String,
    },
    /// A file is not there.
    Missing {
        /// Its path.
        path: String,
    },
    /// A file has another size.
    Bytes {
        /// Its path.
        path: String,
        /// What the manifest says.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// A file has other bytes.
    Sha256 {
        /// Its path.
        path: String,
        /// What the manifest says.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A file holds another number of records.
    Records {
        /// Its path.
        path: String,
        /// What the manifest says.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// The manifest's counts contradict one another.
    Total {
        /// What is counted.
        what: &'static str,
        /// What the manifest says.
        expected: u64,
        /// What its parts add up to.
        found: u64,
    },
    /// A file lies in the package and not in the manifest.
    Extra {
        /// Its path.
        path: String,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path } => write!(f, "`{path}` is not a path within the package"),
            Self::Twice { path } => write!(f, "`{path}` is listed twice"),
            Self::Missing { path } => write!(f, "`{path}` is missing"),
            Self::Bytes { path, expected, found } => write!(f, "`{path}` has {found} bytes, not {expected}"),
            Self::Sha256 { path, expected, found } => write!(f, "`{path}` has the SHA-256 {found}, not {expected}"),
            Self::Records { path, expected, found } => write!(f, "`{path}` holds {found} records, not {expected}"),
            Self::Total { what, expected, found } => write!(f, "{what} add up to {found}, not {expected}"),
            Self::Extra { path } => write!(f, "`{path}` is not in the manifest"),
        }
    }
}

/// Compares a package to its manifest: each file's size, hash and number of records, and with a `listing` of the paths that
/// lie in the package, whether there are others. Answers with all that differs, in the manifest's order; nothing when the
/// package is what it says.
///
/// `open` starts to read a file of the package; that one is not there is known by [`io::ErrorKind::NotFound`]. Any other error
/// ends the check. The manifest's own signature is not looked at here.
pub fn check<'a>(
    manifest: &Manifest,
    open: &mut dyn FnMut(&str) -> io::Result<Box<dyn Read + 'a>>,
    listing: Option<&[String]>,
) -> Result<Vec<Mismatch>> {
    let mut mismatches = Vec::new();
    let mut known = HashSet::from([package::MANIFEST, package::MANIFEST_SIGNATURE, package::SUCCESS]);
    for file in &manifest.files {
        let path = || file.path.clone();
        if !is_within(&file.path) {
            mismatches.push(Mismatch::Path { path: path() });
        } else if !known.insert(&file.path) {
            mismatches.push(Mismatch::Twice { path: path() });
        } else {
            match open(&file.path) {
                Ok(reader) => check_file(file, manifest.format, reader, &mut mismatches)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    mismatches.push(Mismatch::Missing { path: path() });
                }
                Err(source) => return Err(Error::ReadFile { path: path(), source }),
            }
        }
    }
    for required in [package::REQUEST_INFO, package::README] {
        if !known.contains(required) {
            mismatches.push(Mismatch::Missing { path: required.to_owned() });
        }
    }
    check_totals(manifest, &mut mismatches);
    let extra = listing.unwrap_or_default().iter().filter(|path| !known.contains(path.as_str()));
    mismatches.extend(extra.map(|path| Mismatch::Extra { path: path.clone() }));
    Ok(mismatches)
}

fn check_totals(manifest: &Manifest, mismatches: &mut Vec<Mismatch>) {
    let mut compare = |what, expected, found| {
        if expected != found {
            mismatches.push(Mismatch::Total { what, expected, found });
        }
    };
    let sum = |counts: &mut dyn Iterator<Item = u64>| counts.fold(0, u64::saturating_add);
    let in_files = sum(&mut manifest.files.iter().filter_map(|file| file.records));
    compare("the records of the files", manifest.records, in_files);
    // What matched in a shard that then could not be read again is missing from the files, and the package says so.
    if manifest.complete {
        let matched = sum(&mut manifest.sources.iter().map(|source| source.matched));
        compare("the rows matched in the sources", manifest.records, matched);
        for source in &manifest.sources {
            let in_shards = sum(&mut source.shards.iter().map(|shard| shard.matched));
            compare("the rows matched in a source's shards", source.matched, in_shards);
        }
    }
}

fn check_file(file: &File, format: Format, mut reader: Box<dyn Read + '_>, found: &mut Vec<Mismatch>) -> Result<()> {
    let path = || file.path.clone();
    let extension = Path::new(&file.path).extension().and_then(|extension| extension.to_str());
    let format = extension.and_then(|extension| extension.parse().ok()).unwrap_or(format);
    let mut counter = file.records.map(|_| Counter::new(format));
    let mut measure = Measure::default();
    let mut piece = vec![0; 64 << 10];
    loop {
        let length = match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(Error::ReadFile { path: path(), source }),
        };
        let piece = &piece[..length];
        measure.feed(piece);
        if let Some(counter) = &mut counter {
            counter.feed(piece);
        }
    }
    let is = measure.finish(path(), None);
    if is.bytes != file.bytes {
        found.push(Mismatch::Bytes { path: path(), expected: file.bytes, found: is.bytes });
    }
    if is.sha256 != file.sha256 {
        found.push(Mismatch::Sha256 { path: path(), expected: file.sha256.clone(), found: is.sha256 });
    }
    if let (Some(expected), Some(counter)) = (file.records, counter) {
        let records = counter.finish();
        if records != expected {
            found.push(Mismatch::Records { path: path(), expected, found: records });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
