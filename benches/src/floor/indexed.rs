//! The floor of a search where an index excludes nearly everything.

use std::{os::unix::fs::FileExt as _, path::Path};

use anyhow::Result;

use super::{
    Floor,
    parquet::{groups, open},
    spread::spread,
};
use crate::rows::Rows;

/// Bytes of a Bloom filter that one look takes: its header, and a block.
const LOOK: usize = 64;

/// Reads all footers below `dir`, and as much of every Bloom filter of `column` as it takes to ask for one value; decompresses the column in
/// the row groups that have one of `rows`: where they are sorted by it, only the pages that do.
pub(crate) fn indexed(dir: &Path, column: &str, rows: &Rows) -> Result<Floor> {
    let shards = open(dir, column, rows)?;
    spread(&groups(&shards), |unpacker, &(shard, group)| {
        let of_group = shard.metadata.row_group(group);
        let column = of_group.column(shard.column);
        if let Some(filter) = column.bloom_filter_offset() {
            shard.file.read_exact_at(&mut [0; LOOK], u64::try_from(filter)?)?;
        }
        if shard.rows_in(group).is_empty() {
            return Ok(Floor::default());
        }
        match of_group.sorting_columns() {
            Some(_) => shard.hits(group, shard.column, unpacker, |_, _| Ok(())),
            None => shard.whole(column, unpacker),
        }
    })
}

#[cfg(test)]
mod tests {
    use lacuna_benches::corpus::Sample;

    use super::*;

    #[test]
    fn only_what_an_index_leaves_is_decompressed() {
        let dir = tempfile::tempdir().unwrap();
        let mut sample = Sample { users: 500, rows: 3000, shard_rows: 1000, ..Sample::benchmark() };
        sample.parquet.row_group_rows = 400;
        sample.parquet.bloom_filters = true;
        let written = sample.write(dir.path(), &|_| {}).unwrap();
        let path = dir.path().join(&written.sources[0].paths[0]);
        let values =
            |rows: Vec<u64>| indexed(dir.path(), "UserId", &Rows::from([(path.clone(), rows)])).unwrap().values;
        assert_eq!((values(Vec::new()), values(vec![7]), values(vec![7, 900])), (0, 400, 600));

        let sorted = tempfile::tempdir().unwrap();
        sample.parquet.sorted_by_user = true;
        let written = sample.write(sorted.path(), &|_| {}).unwrap();
        let path = sorted.path().join(&written.sources[0].paths[0]);
        let floor = indexed(sorted.path(), "UserId", &Rows::from([(path, vec![7])])).unwrap();
        // A page, and its dictionary.
        assert_eq!((floor.values, floor.hit_pages), (0, 2));
    }
}
