//! One large Parquet shard, put together from a corpus's row groups over and over: as fast as the disk, and its counts are known.

use std::{
    fs::{self, File},
    io::BufWriter,
    path::Path,
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use lacuna_benches::corpus::{Count, Crowd, Written};
use parquet::{
    column::writer::ColumnCloseResult,
    file::{
        metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
        properties::WriterProperties,
        writer::SerializedFileWriter,
    },
};

/// Writes a single shard of `bytes` or somewhat more below `dir`: whole rounds of the row groups of `from`.
pub(crate) fn write(from: &Written, bytes: u64, dir: &Path) -> Result<Written> {
    let rounds = bytes.div_ceil(from.bytes.max(1));
    let path = from.sources.first().and_then(|source| source.paths.first()).context("the corpus has no shard")?;
    let to = dir.join(path);
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let parts: Vec<Part> = (from.sources.iter().flat_map(|source| &source.paths))
        .map(|path| Part::open(&from.dir.join(path)))
        .collect::<Result<_>>()?;
    let first = parts.first().context("the corpus has no shard")?;
    let file = first.metadata.file_metadata();
    let properties = WriterProperties::builder().set_key_value_metadata(file.key_value_metadata().cloned()).build();
    let out = BufWriter::with_capacity(1 << 20, File::create_new(&to)?);
    let mut out = SerializedFileWriter::new(out, file.schema_descr().root_schema_ptr(), Arc::new(properties))?;
    for _ in 0..rounds {
        for part in &parts {
            part.append(&mut out)?;
        }
    }
    out.close()?;
    repeated(from, rounds, dir, path, fs::metadata(&to)?.len())
}

/// What is in a shard of so many rounds.
fn repeated(from: &Written, rounds: u64, dir: &Path, path: &str, bytes: u64) -> Result<Written> {
    ensure!(from.sources.len() == 1, "one source is repeated");
    let mut written = from.clone();
    dir.clone_into(&mut written.dir);
    written.rows *= rounds;
    written.bytes = bytes;
    for source in &mut written.sources {
        source.paths = vec![path.to_owned()];
        source.rows *= rounds;
        source.bytes = bytes;
    }
    for Count { rows, elsewhere, by_shard, .. } in written.people.iter_mut().flat_map(|person| &mut person.counts) {
        *rows *= rounds;
        *elsewhere *= rounds;
        *by_shard = [(path.to_owned(), *rows)].into();
    }
    for Crowd { rows, .. } in [&mut written.crowd, &mut written.throng] {
        *rows *= rounds;
    }
    Ok(written)
}

/// A shard to copy from.
struct Part {
    file: File,
    metadata: ParquetMetaData,
}

impl Part {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
        Ok(Self { metadata: reader.parse_and_finish(&file)?, file })
    }

    /// Appends its row groups, byte for byte.
    fn append(&self, out: &mut SerializedFileWriter<BufWriter<File>>) -> Result<()> {
        let (columns, offsets) = (self.metadata.column_index(), self.metadata.offset_index());
        for (index, group) in self.metadata.row_groups().iter().enumerate() {
            let mut to = out.next_row_group()?;
            for (at, column) in group.columns().iter().enumerate() {
                let close = ColumnCloseResult {
                    bytes_written: u64::try_from(column.compressed_size())?,
                    rows_written: u64::try_from(group.num_rows())?,
                    metadata: column.clone(),
                    bloom_filter: None,
                    column_index: columns.map(|columns| columns[index][at].clone()),
                    offset_index: offsets.map(|offsets| offsets[index][at].clone()),
                };
                to.append_column(&self.file, close)?;
            }
            to.close()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lacuna_benches::corpus::{Role, Sample};

    use super::*;
    use crate::rows;

    #[test]
    fn a_repeated_shard_holds_everybody_as_often_as_it_says() {
        let dir = tempfile::tempdir().unwrap();
        let sample = Sample { users: 500, rows: 3000, shard_rows: 1000, ..Sample::benchmark() };
        let once = sample.write(&dir.path().join("once"), &|_| {}).unwrap();
        let many = write(&once, once.bytes * 2 + 1, &dir.path().join("many")).unwrap();
        assert_eq!((many.shards(), many.rows), (1, 9000));
        assert!(many.bytes > once.bytes * 2);
        let rare = many.person(Role::Rare).unwrap();
        let found = rows::of(&many.dir, "UserId", rare.identifier("object_id").unwrap()).unwrap();
        assert_eq!(found.values().map(|rows| rows.len() as u64).sum::<u64>(), rare.rows());
        assert_eq!(rare.rows(), 18);
    }
}
