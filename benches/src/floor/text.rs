//! The floor of text: every shard decompressed, as many at a time as there are cores.

use std::{fs::File, io::Read, path::Path};

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;

use super::{Floor, shards, spread::spread};

/// Bytes of text that are decompressed at once, at first: the generator's frames have 4 MiB and a line at most.
const FRAME_BYTES: usize = 5 << 20;

/// Decompresses every file below `dir` whose name ends in `extension`: `gz` or `zst`.
pub(crate) fn text(dir: &Path, extension: &str) -> Result<Floor> {
    spread(&shards(dir, extension)?, |buffers: &mut Buffers, path| {
        let bytes = match extension {
            "gz" => buffers.gzip(path),
            "zst" => buffers.zstd(path),
            other => bail!("the floor knows no .{other}"),
        };
        Ok(Floor { bytes: bytes.with_context(|| path.display().to_string())?, ..Floor::default() })
    })
}

/// A thread's buffers.
#[derive(Default)]
struct Buffers {
    stored: Vec<u8>,
    text: Vec<u8>,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Buffers {
    /// Member by member, in pieces that stay in a core's cache.
    fn gzip(&mut self, path: &Path) -> Result<u64> {
        self.text.resize(256 << 10, 0);
        self.load(path)?;
        let mut decoder = MultiGzDecoder::new(&*self.stored);
        let mut bytes = 0;
        loop {
            let read = decoder.read(&mut self.text)?;
            if read == 0 {
                return Ok(bytes);
            }
            bytes += read as u64;
        }
    }

    /// Frame by frame, each at once: a stream would copy everything once more.
    fn zstd(&mut self, path: &Path) -> Result<u64> {
        self.load(path)?;
        self.text.resize(self.text.len().max(FRAME_BYTES), 0);
        let decompressor = match &mut self.zstd {
            Some(decompressor) => decompressor,
            none => none.insert(zstd::bulk::Decompressor::new()?),
        };
        let mut rest = &*self.stored;
        let mut bytes = 0;
        while !rest.is_empty() {
            let Ok(length) = zstd::zstd_safe::find_frame_compressed_size(rest) else { bail!("a frame is broken") };
            let (frame, behind) = rest.split_at_checked(length).context("a frame is cut off")?;
            bytes += decompressor.decompress_to_buffer(frame, &mut self.text[..])? as u64;
            rest = behind;
        }
        Ok(bytes)
    }

    fn load(&mut self, path: &Path) -> Result<()> {
        self.stored.clear();
        File::open(path)?.read_to_end(&mut self.stored)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lacuna_benches::corpus::{Format, Sample, TextCodec};

    use super::*;

    #[test]
    fn all_text_is_decompressed() {
        let bytes = [(TextCodec::Zstd, "zst"), (TextCodec::Gzip, "gz")].map(|(codec, extension)| {
            let dir = tempfile::tempdir().unwrap();
            let sample = Sample {
                rows: 40_000,
                shard_rows: 20_000,
                formats: vec![Format::Ndjson],
                text_codecs: vec![codec],
                ..Sample::benchmark()
            };
            sample.write(dir.path(), &|_| {}).unwrap();
            text(dir.path(), extension).unwrap().bytes
        });
        assert_eq!(bytes[0], bytes[1]);
        // A line has more than its two ids.
        assert!(bytes[0] > 40_000 * 72);
        assert!(text(Path::new("."), "lz4").is_err());
    }
}
