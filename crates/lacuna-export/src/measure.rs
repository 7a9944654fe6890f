//! A file's entry in the manifest, taken while its bytes pass.

use std::{fmt::Write as _, io};

use sha2::{Digest, Sha256};

use crate::manifest::File;

/// Counts and hashes the bytes of a file. As a [`Write`](io::Write) it keeps none of them; [`Measure::tee`] hands them on.
#[derive(Clone, Debug, Default)]
pub struct Measure {
    hash: Sha256,
    bytes: u64,
}

impl Measure {
    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len().try_into().unwrap_or(u64::MAX));
    }

    /// A writer to `out` whose bytes are measured on the way.
    pub fn tee<W: io::Write>(&mut self, out: W) -> Tee<'_, W> {
        Tee { measure: self, out }
    }

    /// The entry of the file at `path` in the package, of as many `records` as it holds when it is a data file.
    pub fn finish(self, path: impl Into<String>, records: Option<u64>) -> File {
        let mut sha256 = String::with_capacity(64);
        for byte in self.hash.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(sha256, "{byte:02x}");
        }
        File { path: path.into(), bytes: self.bytes, sha256, records }
    }
}

impl io::Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.feed(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// See [`Measure::tee`].
#[derive(Debug)]
pub struct Tee<'m, W> {
    measure: &'m mut Measure,
    out: W,
}

impl<W: io::Write> io::Write for Tee<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.measure.feed(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
