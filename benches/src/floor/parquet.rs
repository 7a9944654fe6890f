//! Floors of Parquet: the identifier column's pages, and every page of any column that holds a matched row.

use std::{fs::File, path::Path};

use anyhow::{Context, Result, ensure};
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use rayon::prelude::*;

use super::{
    Floor,
    page::Header,
    shards,
    spread::spread,
    unpack::{Pages, Unpacker},
};
use crate::rows::Rows;

/// Decompresses the top-level `column` of every Parquet file below `dir`.
pub(crate) fn id(dir: &Path, column: &str) -> Result<Floor> {
    run(dir, column, &Rows::new())
}

/// The same, and every page of every other column that holds one of `rows`, with the dictionary that it needs.
pub(crate) fn hit(dir: &Path, column: &str, rows: &Rows) -> Result<Floor> {
    run(dir, column, rows)
}

fn run(dir: &Path, column: &str, rows: &Rows) -> Result<Floor> {
    let shards = open(dir, column, rows)?;
    spread(&groups(&shards), |unpacker, &(shard, group)| shard.decompress(group, unpacker))
}

/// The Parquet files below `dir`.
pub(super) fn open<'r>(dir: &Path, column: &str, rows: &'r Rows) -> Result<Vec<Shard<'r>>> {
    let opened = shards(dir, "parquet")?.into_par_iter().map(|path| {
        let rows = rows.get(&path).map_or(&[][..], Vec::as_slice);
        Shard::open(&path, column, rows).with_context(|| path.display().to_string())
    });
    opened.collect::<Vec<_>>().into_iter().collect()
}

/// All row groups of these.
pub(super) fn groups<'s, 'r>(shards: &'s [Shard<'r>]) -> Vec<(&'s Shard<'r>, usize)> {
    shards.iter().flat_map(|shard| (0..shard.metadata.num_row_groups()).map(move |group| (shard, group))).collect()
}

/// A shard whose footer is read.
pub(super) struct Shard<'r> {
    pub(super) file: File,
    pub(super) metadata: ParquetMetaData,
    pub(super) column: usize,
    /// The matched rows, in order.
    rows: &'r [u64],
    /// The first row of each row group, and the number of rows at the end.
    starts: Vec<u64>,
}

impl<'r> Shard<'r> {
    pub(super) fn open(path: &Path, column: &str, rows: &'r [u64]) -> Result<Self> {
        let file = File::open(path)?;
        let index = if rows.is_empty() { PageIndexPolicy::Skip } else { PageIndexPolicy::Required };
        let reader = ParquetMetaDataReader::new().with_offset_index_policy(index);
        let metadata = reader.parse_and_finish(&file)?;
        let column = find(&metadata, column)?;
        let mut starts = vec![0];
        for group in metadata.row_groups() {
            starts.push(starts.last().copied().unwrap_or_default() + u64::try_from(group.num_rows())?);
        }
        Ok(Self { file, metadata, column, rows, starts })
    }

    fn decompress(&self, group: usize, unpacker: &mut Unpacker) -> Result<Floor> {
        let mut floor = self.whole(self.metadata.row_group(group).column(self.column), unpacker)?;
        for at in (0..self.metadata.row_group(group).num_columns()).filter(|&at| at != self.column) {
            floor += self.hits(group, at, unpacker, |_, _| Ok(()))?;
        }
        Ok(floor)
    }

    /// The rows that are in a row group.
    pub(super) fn rows_in(&self, group: usize) -> &'r [u64] {
        let from = self.rows.partition_point(|&row| row < self.starts[group]);
        &self.rows[from..self.rows.partition_point(|&row| row < self.starts[group + 1])]
    }

    /// Every page of a chunk.
    pub(super) fn whole(&self, column: &ColumnChunkMetaData, unpacker: &mut Unpacker) -> Result<Floor> {
        self.each(column, unpacker, |_, _| Ok(()))
    }

    /// The same, with what `then` does to each.
    pub(super) fn each(
        &self,
        column: &ColumnChunkMetaData,
        unpacker: &mut Unpacker,
        mut then: impl FnMut(&Header, &mut Pages) -> Result<()>,
    ) -> Result<Floor> {
        let (start, length) = column.byte_range();
        let (mut stored, pages) = unpacker.read(&self.file, start, usize::try_from(length)?)?;
        let mut floor = Floor::default();
        while !stored.is_empty() {
            let (header, used) = page(column, stored, pages)?;
            then(&header, pages)?;
            floor.values += header.values;
            floor.bytes += header.uncompressed as u64;
            stored = &stored[used..];
        }
        Ok(floor)
    }

    /// The pages of a chunk that hold rows, and the dictionary, if one of them needs it; with what `then` does to each.
    pub(super) fn hits(
        &self,
        group: usize,
        at: usize,
        unpacker: &mut Unpacker,
        mut then: impl FnMut(&Header, &mut Pages) -> Result<()>,
    ) -> Result<Floor> {
        let (first, rows) = (self.starts[group], self.rows_in(group));
        let Some(index) = self.metadata.offset_index().filter(|_| !rows.is_empty()) else {
            return Ok(Floor::default());
        };
        let (column, locations) = (self.metadata.row_group(group).column(at), index[group][at].page_locations());
        let mut floor = Floor::default();
        let mut needs_dictionary = false;
        let mut last = None;
        for &row in rows {
            let row = i64::try_from(row - first)?;
            let at = locations.partition_point(|page| page.first_row_index <= row).checked_sub(1);
            let at = at.context("no page holds the column's first row")?;
            if last.replace(at) == Some(at) {
                continue;
            }
            let place = &locations[at];
            let (start, length) = (u64::try_from(place.offset)?, usize::try_from(place.compressed_page_size)?);
            let (stored, pages) = unpacker.read(&self.file, start, length)?;
            let (header, used) = page(column, stored, pages)?;
            ensure!(used == length, "the offset index has another page");
            then(&header, pages)?;
            needs_dictionary |= header.is_indices;
            floor.hit_pages += 1;
            floor.bytes += header.uncompressed as u64;
        }
        if needs_dictionary {
            let (start, _) = column.byte_range();
            let data = locations.first().map_or(start, |page| page.offset.unsigned_abs());
            let (stored, pages) = unpacker.read(&self.file, start, usize::try_from(data - start)?)?;
            let (header, _) = page(column, stored, pages)?;
            ensure!(header.is_dictionary, "the chunk does not begin with its dictionary");
            then(&header, pages)?;
            floor.hit_pages += 1;
            floor.bytes += header.uncompressed as u64;
        }
        Ok(floor)
    }
}

/// Which of the file's columns is the top-level `column`.
pub(super) fn find(metadata: &ParquetMetaData, column: &str) -> Result<usize> {
    let columns = metadata.file_metadata().schema_descr().columns();
    let found = columns.iter().position(|have| have.path().parts() == [column]);
    found.with_context(|| format!("has no column {column}"))
}

/// Decompresses the page that `stored` starts with; how many bytes it took.
fn page(column: &ColumnChunkMetaData, stored: &[u8], pages: &mut Pages) -> Result<(Header, usize)> {
    let header = Header::read(stored)?;
    let used = header.length + header.compressed;
    let body = stored.get(header.length..used).context("a page ends outside its column chunk")?;
    pages.unpack(column.compression(), body, header.uncompressed)?;
    Ok((header, used))
}

#[cfg(test)]
mod tests {
    use lacuna_benches::corpus::{Compression, Role, Sample};

    use super::*;
    use crate::rows;

    #[test]
    fn every_value_is_decompressed_once() {
        for compression in [Compression::Zstd, Compression::Snappy, Compression::None] {
            let dir = tempfile::tempdir().unwrap();
            let mut sample = Sample { users: 500, rows: 3000, shard_rows: 1000, ..Sample::benchmark() };
            sample.parquet.row_group_rows = 400;
            sample.parquet.compression = compression;
            sample.write(dir.path(), &|_| {}).unwrap();
            let floor = id(dir.path(), "UserId").unwrap();
            assert_eq!((floor.values, floor.hit_pages), (3000, 0));
            // Each row group holds each of its users' 36 characters once at least.
            assert!(floor.bytes > 36 * 500);
            assert!(id(dir.path(), "Nobody").is_err());
            assert!(id(&dir.path().join("activity/date=2026-10-01/none"), "UserId").is_err());
        }
    }

    #[test]
    fn only_pages_that_hold_a_row_are_decompressed_besides() {
        let dir = tempfile::tempdir().unwrap();
        // Pages end after 20,000 rows.
        let sample = Sample { users: 500, rows: 90_000, shard_rows: 90_000, ..Sample::benchmark() };
        let written = sample.write(dir.path(), &|_| {}).unwrap();
        let least = id(dir.path(), "UserId").unwrap();
        let path = dir.path().join(&written.sources[0].paths[0]);
        let pages = |rows: Vec<u64>| {
            let floor = hit(dir.path(), "UserId", &Rows::from([(path.clone(), rows)])).unwrap();
            assert_eq!(floor.values, 90_000);
            assert!(floor.bytes > least.bytes);
            floor.hit_pages
        };
        // Nine columns; a few of them need a dictionary.
        let one = pages(vec![7]);
        assert!((9..=18).contains(&one), "{one}");
        assert_eq!(pages(vec![7, 8, 9]), one);
        let two = pages(vec![7, 50_000]);
        assert!((one + 5..=one + 11).contains(&two), "{one} {two}");

        let rare = written.person(Role::Rare).unwrap();
        let rows = rows::of(dir.path(), "UserId", rare.identifier("object_id").unwrap()).unwrap();
        assert_eq!(rows[&path].len() as u64, rare.rows());
    }
}
