//! The floor of a search for very many people.

use std::{collections::HashSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use foldhash::fast::FixedState;
use parquet::file::metadata::ColumnChunkMetaData;

use super::{
    Floor,
    page::Header,
    parquet::{Shard, find, groups, open},
    spread::spread,
    unpack::Unpacker,
};
use crate::rows::Rows;

/// Bytes of a UUID as text: what the corpus' ids are.
const ID: usize = 36;

/// Ids.
type Ids = HashSet<[u8; ID], FixedState>;

/// Decompresses `column` and `beside` of every Parquet file below `dir`, and asks a hash set of the ids in the file `among`, one a line, for
/// every id that `column` holds: once for each that stands in a dictionary, and once for each row whose id does not. It notes of no row that
/// its id is there. `values` of what it returns are those that it asked for.
pub(crate) fn ask(dir: &Path, column: &str, beside: &str, among: &Path) -> Result<Floor> {
    let among = fs::read(among)?;
    let lines = among.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let ids: Ids = lines.map(|line| line.try_into().context("an id is no UUID")).collect::<Result<_>>()?;
    let rows = Rows::new();
    let shards = open(dir, column, &rows)?;
    spread(&groups(&shards), |unpacker, &(shard, group)| {
        let group = shard.metadata.row_group(group);
        let mut floor = asked(shard, group.column(shard.column), &ids, unpacker)?;
        floor.bytes += shard.whole(group.column(find(&shard.metadata, beside)?), unpacker)?.bytes;
        Ok(floor)
    })
}

fn asked(shard: &Shard<'_>, column: &ColumnChunkMetaData, ids: &Ids, unpacker: &mut Unpacker) -> Result<Floor> {
    let has_levels = column.column_descr().max_def_level() > 0;
    let (mut asked, mut found) = (0, 0_u64);
    let floor = shard.each(column, unpacker, |header: &Header, pages| {
        if header.is_indices {
            return Ok(());
        }
        let mut values = pages.page(header.uncompressed);
        if has_levels && !header.is_dictionary {
            let (length, rest) = values.split_first_chunk().context("a page has no levels")?;
            values = rest.get(u32::from_le_bytes(*length) as usize..).context("a page ends in its levels")?;
        }
        // A length, and the id.
        let values = values.chunks_exact(4 + ID);
        ensure!(values.remainder().is_empty(), "an id has another length");
        for value in values {
            asked += 1;
            found += u64::from(<&[u8; ID]>::try_from(&value[4..]).is_ok_and(|id| ids.contains(id)));
        }
        Ok(())
    })?;
    std::hint::black_box(found);
    Ok(Floor { values: asked, ..floor })
}

#[cfg(test)]
mod tests {
    use lacuna_benches::corpus::{Compression, Sample};

    use super::*;

    #[test]
    fn every_id_is_asked_for() {
        for compression in [Compression::Zstd, Compression::Snappy] {
            let dir = tempfile::tempdir().unwrap();
            let mut sample = Sample { users: 500, rows: 3000, shard_rows: 1000, ..Sample::benchmark() };
            sample.parquet.compression = compression;
            let written = sample.write(dir.path(), &|_| {}).unwrap();
            let among = dir.path().join("ids.txt");
            fs::write(&among, written.crowd.object_ids.join("\n")).unwrap();
            let floor = ask(dir.path(), "UserId", "TenantId", &among).unwrap();
            // All stand in dictionaries, of which each shard has its own.
            assert!((100..=1500).contains(&floor.values), "{floor:?}");
            fs::write(&among, "nobody").unwrap();
            assert!(ask(dir.path(), "UserId", "TenantId", &among).is_err());
        }
    }
}
