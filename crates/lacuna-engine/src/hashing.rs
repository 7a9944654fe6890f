//! Bytes on their way to a file, counted and hashed as they pass.

use std::io::{self, Write};

use sha2::{Digest as _, Sha256};

use crate::receipt::seal::hex;

/// Passes bytes on to `out`.
pub(crate) struct Hashing<W> {
    out: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, hasher: Sha256::new(), bytes: 0 }
    }

    /// How many bytes have passed, and their SHA-256 in hexadecimal.
    pub(crate) fn finish(mut self) -> io::Result<(u64, String)> {
        self.out.flush()?;
        Ok((self.bytes, hex(&self.hasher.finalize())))
    }

    /// The SHA-256 itself.
    pub(crate) fn seal(mut self) -> io::Result<[u8; 32]> {
        self.out.flush()?;
        Ok(self.hasher.finalize().into())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
