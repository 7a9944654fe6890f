//! What tools answered, in every form in which they do.

use std::{fs, fs::File, path::Path};

use anyhow::{Context, Result, bail};
use lacuna_benches::corpus::Written;
use parquet::file::{
    metadata::ParquetMetaDataReader,
    reader::{FileReader as _, SerializedFileReader},
};
use serde_json::Value;

/// `matched` of a JSON document that lacuna wrote.
pub(super) fn matched(said: &str) -> Result<u64> {
    let document: Value = serde_json::from_str(said).context("lacuna wrote no JSON document")?;
    document["matched"].as_u64().context("lacuna's document has no `matched`")
}

/// Records in one file: an array, or one object a line.
pub(super) fn records_in(file: &Path) -> Result<u64> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let counts = values.map(|value| Ok(value?.as_array().map_or(1, |records| records.len() as u64)));
    counts.sum::<Result<u64>>()
}

/// Records in the data files of the one package below `dir`.
pub(super) fn records_in_package(dir: &Path, corpus: &Written) -> Result<u64> {
    let mut records = 0;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            records += records_in_package(&path, corpus)?;
        } else if corpus.sources.iter().any(|source| name.starts_with(&source.data_type)) {
            records += records_in(&path)?;
        }
    }
    Ok(records)
}

pub(super) fn rows(shard: &Path) -> Result<u64> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&File::open(shard)?)?;
    Ok(u64::try_from(metadata.file_metadata().num_rows())?)
}

/// Whether any row names `user`.
pub(super) fn holds(shard: &Path, user: &str) -> Result<bool> {
    let reader = SerializedFileReader::new(File::open(shard)?)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let Some(column) = schema.columns().iter().position(|column| column.name() == "UserId") else {
        bail!("the shard has no user column");
    };
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        let mut column = parquet::column::reader::get_typed_column_reader::<parquet::data_type::ByteArrayType>(
            group.get_column_reader(column)?,
        );
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        loop {
            values.clear();
            levels.clear();
            let (read, ..) = column.read_records(16_384, Some(&mut levels), None, &mut values)?;
            if values.iter().any(|value| value.data() == user.as_bytes()) {
                return Ok(true);
            }
            if read == 0 {
                break;
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use lacuna_benches::corpus::{Role, Sample};

    use super::*;

    #[test]
    fn answers_are_counted_in_every_form_that_tools_write() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("records.json");
        for (text, records) in
            [("[]", 0), ("[\n\t{\"a\":1},\n\t{\"a\":[2]}\n]\n", 2), ("{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n", 3), ("", 0)]
        {
            fs::write(&file, text).unwrap();
            assert_eq!(records_in(&file).unwrap(), records, "{text}");
        }
        fs::write(&file, "[{\"a\":1},").unwrap();
        assert!(records_in(&file).is_err());
        assert_eq!(matched(r#"{"matched":7,"sources":[]}"#).unwrap(), 7);
        assert!(matched("{}").is_err() && matched("6 rows").is_err());
    }

    #[test]
    fn a_user_who_is_left_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let sample = Sample { users: 500, rows: 2000, shard_rows: 2000, ..Sample::benchmark() };
        let written = sample.write(dir.path(), &|_| {}).unwrap();
        let shard = dir.path().join(&written.sources[0].paths[0]);
        assert_eq!(rows(&shard).unwrap(), 2000);
        assert!(holds(&shard, written.person(Role::Rare).unwrap().identifier("object_id").unwrap()).unwrap());
        assert!(!holds(&shard, &written.tenants[0]).unwrap());
    }
}
