//! Buffers as a message's body: compressed as the message was, aligned as it was.

use std::io::Write;
use std::ops::Range;

use lacuna_scan::ipc::message::{Batch, Codec};

use crate::{Error, Result};

/// A body that grows buffer by buffer.
#[derive(Debug)]
pub(super) struct Body {
    codec: Option<Codec>,
    alignment: usize,
    bytes_max: usize,
    /// The bytes so far, padded.
    pub(super) bytes: Vec<u8>,
    /// Where the buffers lie.
    pub(super) buffers: Vec<Range<usize>>,
}

impl Body {
    /// An empty body for what takes the place of `batch`, which has `length` bytes.
    pub(super) fn new(batch: &Batch, length: usize, bytes_max: usize) -> Self {
        let wide = length.is_multiple_of(64) && batch.buffers.iter().all(|buffer| buffer.start.is_multiple_of(64));
        let alignment = if wide { 64 } else { 8 };
        Self { codec: batch.codec, alignment, bytes_max, bytes: Vec::new(), buffers: Vec::new() }
    }

    /// Adds a buffer.
    pub(super) fn push(&mut self, plain: &[u8]) -> Result<()> {
        let start = self.bytes.len();
        match self.codec {
            _ if plain.is_empty() => {}
            None => self.bytes.extend_from_slice(plain),
            Some(codec) => {
                self.bytes.extend_from_slice(&(plain.len() as u64).to_le_bytes());
                self.compress(plain, codec)?;
                if self.bytes.len() - start >= plain.len() + 8 {
                    self.bytes.truncate(start);
                    self.bytes.extend_from_slice(&(-1_i64).to_le_bytes());
                    self.bytes.extend_from_slice(plain);
                }
            }
        }
        self.buffers.push(start..self.bytes.len());
        self.bytes.resize(self.bytes.len().next_multiple_of(self.alignment), 0);
        if self.bytes.len() > self.bytes_max {
            return Err(Error::Unfaithful("a message would become larger than the limits allow".into()));
        }
        Ok(())
    }

    fn compress(&mut self, plain: &[u8], codec: Codec) -> Result<()> {
        match codec {
            Codec::Zstd => {
                self.bytes.extend_from_slice(&zstd::bulk::compress(plain, zstd::DEFAULT_COMPRESSION_LEVEL)?);
            }
            Codec::Lz4 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(&mut self.bytes);
                encoder.write_all(plain)?;
                encoder.finish().map_err(std::io::Error::from)?;
            }
        }
        Ok(())
    }
}
