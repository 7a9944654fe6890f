//! Bytes that stay in memory until they are too many for it.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Takes bytes up to a number in memory, more in a temporary file.
pub(crate) struct Outgrown<'d> {
    most: usize,
    temp_dir: &'d Path,
    bytes: Vec<u8>,
    file: Option<BufWriter<NamedTempFile>>,
}

/// Where the bytes are.
#[derive(Debug)]
pub(crate) enum Written {
    Memory(Vec<u8>),
    File(NamedTempFile),
}

impl<'d> Outgrown<'d> {
    /// For up to `most` bytes in memory.
    pub(crate) fn new(most: usize, temp_dir: &'d Path) -> Self {
        Self { most, temp_dir, bytes: Vec::new(), file: None }
    }

    /// All that was written.
    pub(crate) fn finish(self) -> io::Result<Written> {
        match self.file {
            Some(file) => Ok(Written::File(file.into_inner().map_err(io::IntoInnerError::into_error)?)),
            None => Ok(Written::Memory(self.bytes)),
        }
    }
}

impl Write for Outgrown<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if let Some(file) = &mut self.file {
            return file.write(buffer);
        }
        if self.bytes.len() + buffer.len() > self.most {
            let file = self.file.insert(BufWriter::with_capacity(256 << 10, NamedTempFile::new_in(self.temp_dir)?));
            file.write_all(&std::mem::take(&mut self.bytes))?;
            return file.write(buffer);
        }
        self.bytes.extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_for_memory_goes_to_a_file_whole() {
        let temp = tempfile::tempdir().unwrap();
        let mut small = Outgrown::new(8, temp.path());
        small.write_all(b"eight by").unwrap();
        assert!(matches!(small.finish().unwrap(), Written::Memory(bytes) if bytes == b"eight by"));
        let mut large = Outgrown::new(8, temp.path());
        for piece in [&b"eight"[..], b" byt", b"es", b" and more"] {
            large.write_all(piece).unwrap();
        }
        let Written::File(file) = large.finish().unwrap() else { unreachable!("it is in memory") };
        assert_eq!(std::fs::read(file.path()).unwrap(), b"eight bytes and more");
    }
}
