//! The floor of a purge that proves what it did.

use std::{
    fs::{self, File},
    ops::Range,
    os::unix::fs::FileExt as _,
    path::Path,
    thread,
};

use anyhow::{Result, anyhow};
use sha2::{Digest as _, Sha256};

use super::{Floor, parquet::Shard, spread::spread};
use crate::rows::{Lost, Rows};

/// Bytes that are hashed at a time.
const PIECE: u64 = 1 << 20;

/// Does to the shard what a purge of `rows` cannot do without, on all cores: hashes the old bytes, decompresses every page that holds one of
/// the rows, and the dictionaries that have `lost` an entry with them, and compresses these again; and, as proof, decompresses what that
/// gave. Meanwhile it writes as many bytes as the shard has to `out`, for good. Then it reads what is there: hashes the new bytes, as far as
/// they are others, and decompresses the whole `column`, where the value must not be any more.
pub(crate) fn edit(shard: &Path, column: &str, rows: &Rows, lost: &Lost, out: &Path) -> Result<Floor> {
    let rows = rows.get(shard).map_or(&[][..], Vec::as_slice);
    let open = Shard::open(shard, column, rows)?;
    let size = open.file.metadata()?.len();
    let groups = 0..open.metadata.num_row_groups();
    let changed: Vec<usize> = groups.clone().filter(|&group| !open.rows_in(group).is_empty()).collect();
    let first_changed = changed.iter().map(|&group| begin(&open, group)).min().unwrap_or(size);
    let tasks: Vec<Task> = std::iter::once(Task::Hash(0..size)).chain(changed.into_iter().map(Task::Change)).collect();
    let mut floor = thread::scope(|scope| {
        let writing = scope.spawn(|| {
            fs::copy(shard, out)?;
            File::open(out)?.sync_all()
        });
        let floor = run(&open, lost, &tasks);
        writing.join().map_err(|_| anyhow!("a thread panicked"))??;
        floor
    })?;
    let written = Shard::open(out, column, &[])?;
    let tasks: Vec<Task> = std::iter::once(Task::Hash(first_changed..size)).chain(groups.map(Task::Search)).collect();
    floor += run(&written, lost, &tasks)?;
    Ok(floor)
}

/// What is done to a part of the shard.
enum Task {
    /// So many of its bytes are hashed.
    Hash(Range<u64>),
    /// Pages of this row group change.
    Change(usize),
    /// The column's pages in this row group are looked at.
    Search(usize),
}

fn run(open: &Shard<'_>, lost: &Lost, tasks: &[Task]) -> Result<Floor> {
    spread(tasks, |unpacker, task| match task {
        Task::Hash(range) => hash(&open.file, range).map(|()| Floor::default()),
        Task::Search(group) => {
            let bytes = open.whole(open.metadata.row_group(*group).column(open.column), unpacker)?.bytes;
            Ok(Floor { bytes, ..Floor::default() })
        }
        Task::Change(group) => {
            let mut floor = Floor::default();
            for at in 0..open.metadata.row_group(*group).num_columns() {
                floor += open.hits(*group, at, unpacker, |header, pages| {
                    let stays = header.is_dictionary && !lost.contains(&(*group, at));
                    if stays { Ok(()) } else { pages.pack_and_check(header.uncompressed) }
                })?;
            }
            Ok(floor)
        }
    })
}

/// Where a row group begins.
fn begin(shard: &Shard<'_>, group: usize) -> u64 {
    let columns = shard.metadata.row_group(group).columns();
    columns.iter().map(|column| column.byte_range().0).min().unwrap_or_default()
}

fn hash(file: &File, range: &Range<u64>) -> Result<()> {
    let mut hasher = Sha256::new();
    let mut piece = Vec::new();
    let mut at = range.start;
    while at < range.end {
        piece.resize(usize::try_from(PIECE.min(range.end - at))?, 0);
        file.read_exact_at(&mut piece, at)?;
        hasher.update(&piece);
        at += piece.len() as u64;
    }
    std::hint::black_box(hasher.finalize());
    Ok(())
}

#[cfg(test)]
mod tests {
    use lacuna_benches::corpus::Sample;

    use super::*;

    #[test]
    fn pages_with_rows_are_edited_and_all_bytes_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let sample = Sample { users: 500, rows: 90_000, shard_rows: 90_000, ..Sample::benchmark() };
        let written = sample.write(dir.path(), &|_| {}).unwrap();
        let path = dir.path().join(&written.sources[0].paths[0]);
        let out = dir.path().join("edited");
        let edited = |rows: Vec<u64>| {
            let lost = crate::rows::lost(&path, &rows).unwrap();
            (edit(&path, "UserId", &Rows::from([(path.clone(), rows)]), &lost, &out).unwrap(), lost)
        };
        let ((none, nothing), (one, lost)) = (edited(Vec::new()), edited(vec![7]));
        assert!(nothing.is_empty() && (1..=10).contains(&lost.len()), "{lost:?}");
        assert_eq!((none.hit_pages, one.values), (0, 0));
        // Ten columns; a few of them need a dictionary.
        assert!((10..=20).contains(&one.hit_pages) && one.bytes > none.bytes, "{one:?}");
        assert_eq!(fs::metadata(&out).unwrap().len(), fs::metadata(&path).unwrap().len());
    }
}
