//! Text shards: compressed piece by piece, as log collectors do that append.

use std::{
    fs::File,
    io::{self, Write},
};

use flate2::{Compression, write::GzEncoder};
use lz4_flex::frame::FrameEncoder;
use serde::{Deserialize, Serialize};

/// Bytes of text in a gzip member or a frame.
const PIECE_BYTES: usize = 4 << 20;

/// How text is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextCodec {
    /// Not at all.
    Plain,
    /// Gzip, in many members.
    Gzip,
    /// Zstandard, in many frames with checksums.
    Zstd,
    /// LZ4, in many frames.
    Lz4,
}

impl TextCodec {
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::Lz4 => ".lz4",
        }
    }
}

/// Gathers text and writes it out piece by piece.
#[derive(Debug)]
pub(crate) struct Writer {
    file: File,
    codec: TextCodec,
    text: String,
}

impl Writer {
    pub(crate) fn new(file: File, codec: TextCodec) -> Self {
        Self { file, codec, text: String::with_capacity(PIECE_BYTES + (PIECE_BYTES >> 6)) }
    }

    /// Where text is appended.
    pub(crate) fn text(&mut self) -> &mut String {
        &mut self.text
    }

    /// Writes a piece when there is enough for one; says whether there was.
    pub(crate) fn write_if_full(&mut self) -> io::Result<bool> {
        let full = self.text.len() >= PIECE_BYTES;
        if full {
            self.write()?;
        }
        Ok(full)
    }

    /// Writes what is left; answers how many bytes the shard has.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        if !self.text.is_empty() {
            self.write()?;
        }
        Ok(self.file.metadata()?.len())
    }

    fn write(&mut self) -> io::Result<()> {
        let text = self.text.as_bytes();
        match self.codec {
            TextCodec::Plain => self.file.write_all(text)?,
            TextCodec::Gzip => {
                let mut member = GzEncoder::new(&mut self.file, Compression::fast());
                member.write_all(text)?;
                member.finish()?;
            }
            TextCodec::Zstd => {
                let mut frame = zstd::Encoder::new(&mut self.file, 1)?;
                frame.include_checksum(true)?;
                frame.write_all(text)?;
                frame.finish()?;
            }
            TextCodec::Lz4 => {
                let mut frame = FrameEncoder::new(&mut self.file);
                frame.write_all(text)?;
                frame.finish()?;
            }
        }
        self.text.clear();
        Ok(())
    }
}
