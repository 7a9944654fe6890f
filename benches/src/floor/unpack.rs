//! A thread's decompressors and buffers.

use std::{fs::File, os::unix::fs::FileExt as _};

use anyhow::{Result, bail, ensure};
use parquet::basic::{Compression, ZstdLevel};

/// Reads and decompresses, again and again into the same memory.
#[derive(Default)]
pub(super) struct Unpacker {
    stored: Vec<u8>,
    pages: Pages,
}

/// Decompresses pages, and compresses them again.
#[derive(Default)]
pub(super) struct Pages {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    packer: Option<zstd::bulk::Compressor<'static>>,
    packed: Vec<u8>,
    snappy: snap::raw::Decoder,
    page: Vec<u8>,
}

impl Unpacker {
    /// The `length` bytes of `file` at `start`, and what decompresses them.
    pub(super) fn read(&mut self, file: &File, start: u64, length: usize) -> Result<(&[u8], &mut Pages)> {
        if self.stored.len() < length {
            self.stored.resize(length, 0);
        }
        let bytes = &mut self.stored[..length];
        // At a position: threads share the file, and must not share its cursor.
        file.read_exact_at(bytes, start)?;
        Ok((bytes, &mut self.pages))
    }
}

impl Pages {
    /// Decompresses `stored` to `length` bytes.
    pub(super) fn unpack(&mut self, codec: Compression, stored: &[u8], length: usize) -> Result<()> {
        if self.page.len() < length {
            self.page.resize(length, 0);
        }
        let page = &mut self.page[..length];
        let unpacked = match codec {
            Compression::ZSTD(_) => {
                let zstd = match &mut self.zstd {
                    Some(zstd) => zstd,
                    none => none.insert(zstd::bulk::Decompressor::new()?),
                };
                zstd.decompress_to_buffer(stored, page)?
            }
            Compression::SNAPPY => self.snappy.decompress(stored, page)?,
            Compression::UNCOMPRESSED => stored.len(),
            other => bail!("the floor knows no {other}"),
        };
        ensure!(unpacked == length, "a page has another size than its header says");
        std::hint::black_box(&self.page);
        Ok(())
    }

    /// The page of `length` bytes that was decompressed last.
    pub(super) fn page(&self, length: usize) -> &[u8] {
        &self.page[..length]
    }

    /// Compresses the page of `length` bytes that was decompressed last, as the corpus' writer did, and decompresses what that gave.
    pub(super) fn pack_and_check(&mut self, length: usize) -> Result<()> {
        let packer = match &mut self.packer {
            Some(packer) => packer,
            none => none.insert(zstd::bulk::Compressor::new(1)?),
        };
        self.packed.resize(zstd::zstd_safe::compress_bound(length), 0);
        let packed = packer.compress_to_buffer(&self.page[..length], &mut self.packed)?;
        let stored = std::mem::take(&mut self.packed);
        self.unpack(Compression::ZSTD(ZstdLevel::default()), &stored[..packed], length)?;
        self.packed = stored;
        Ok(())
    }
}
