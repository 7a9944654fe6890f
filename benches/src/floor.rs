//! The least that a search can do without an index: read one column and decompress its pages, on all cores.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use bytes::{Buf as _, Bytes, buf::Reader};
use parquet::{
    column::page::PageReader as _,
    errors::Result as ParquetResult,
    file::{
        metadata::{ParquetMetaData, ParquetMetaDataReader},
        reader::{ChunkReader, Length},
        serialized_reader::SerializedPageReader,
    },
};
use rayon::prelude::*;

/// What was decompressed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Floor {
    /// Values, nulls among them.
    pub(crate) values: u64,
    /// Bytes of the pages, decompressed.
    pub(crate) bytes: u64,
}

/// Decompresses the top-level `column` of every Parquet file below `dir`.
pub(crate) fn measure(dir: &Path, column: &str) -> Result<Floor> {
    let mut paths = Vec::new();
    parquet_files(dir, &mut paths)?;
    ensure!(!paths.is_empty(), "no Parquet file below {}", dir.display());
    let chunks: Vec<Chunk> = paths
        .par_iter()
        .map(|path| chunks(path, column).with_context(|| path.display().to_string()))
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    let floors = chunks.par_iter().with_max_len(1).map(Chunk::decompress);
    floors.try_reduce(Floor::default, |a, b| Ok(Floor { values: a.values + b.values, bytes: a.bytes + b.bytes }))
}

fn parquet_files(dir: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            parquet_files(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            into.push(path);
        }
    }
    Ok(())
}

/// One column in one row group.
struct Chunk {
    file: Arc<File>,
    metadata: Arc<ParquetMetaData>,
    row_group: usize,
    column: usize,
}

fn chunks(path: &Path, column: &str) -> Result<Vec<Chunk>> {
    let file = File::open(path)?;
    let metadata = Arc::new(ParquetMetaDataReader::new().parse_and_finish(&file)?);
    let columns = metadata.file_metadata().schema_descr().columns();
    let found = columns.iter().position(|have| have.path().parts() == [column]);
    let column = found.with_context(|| format!("has no column {column}"))?;
    let file = Arc::new(file);
    let groups = 0..metadata.num_row_groups();
    Ok(groups.map(|row_group| Chunk { file: file.clone(), metadata: metadata.clone(), row_group, column }).collect())
}

impl Chunk {
    fn decompress(&self) -> Result<Floor> {
        let group = self.metadata.row_group(self.row_group);
        let column = group.column(self.column);
        let (start, len) = column.byte_range();
        let mut bytes = vec![0; usize::try_from(len)?];
        // At a position: threads share the file, and must not share its cursor.
        self.file.read_exact_at(&mut bytes, start)?;
        let loaded = Arc::new(Loaded { start, bytes: bytes.into() });
        let mut pages = SerializedPageReader::new(loaded, column, usize::try_from(group.num_rows())?, None)?;
        let mut floor = Floor::default();
        while let Some(page) = pages.get_next_page()? {
            floor.bytes += page.buffer().len() as u64;
            if page.is_data_page() {
                floor.values += u64::from(page.num_values());
            }
        }
        Ok(floor)
    }
}

/// A stretch of a file.
struct Loaded {
    start: u64,
    bytes: Bytes,
}

impl Loaded {
    fn at(&self, start: u64) -> ParquetResult<usize> {
        let at = start.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        at.filter(|&at| at <= self.bytes.len())
            .ok_or_else(|| parquet::errors::ParquetError::EOF("a page lies outside its column chunk".to_owned()))
    }
}

impl Length for Loaded {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Loaded {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(self.bytes.slice(self.at(start)?..).reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let at = self.at(start)?;
        if length > self.bytes.len() - at {
            return Err(parquet::errors::ParquetError::EOF("a page ends outside its column chunk".to_owned()));
        }
        Ok(self.bytes.slice(at..at + length))
    }
}

#[cfg(test)]
mod tests {
    use lacuna_benches::corpus::Sample;

    use super::*;

    #[test]
    fn every_value_is_decompressed_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut sample = Sample { users: 500, rows: 3000, shard_rows: 1000, ..Sample::benchmark() };
        sample.parquet.row_group_rows = 400;
        sample.write(dir.path(), &|_| {}).unwrap();
        let floor = measure(dir.path(), "UserId").unwrap();
        assert_eq!(floor.values, 3000);
        // Each row group holds each of its users' 36 characters once at least.
        assert!(floor.bytes > 36 * 500);
        assert!(measure(dir.path(), "Nobody").is_err());
        assert!(measure(&dir.path().join("activity/date=2026-10-01/none"), "UserId").is_err());
    }
}
