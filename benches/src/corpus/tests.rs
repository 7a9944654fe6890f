//! What callers rely on: the same seed gives the same bytes, and the known people's rows are as many as is said.
//!
//! Rows are counted by other readers than the generator's own: serde_json, csv, and Arrow's JSON writer for columns.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema},
};
use parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
    basic::Compression as Codec,
    file::reader::{FileReader, SerializedFileReader},
};
use serde_json::Value;

use super::{Format, OnErase, ParquetLayout, Role, Sample, Source, TextCodec, Written, config};

fn small() -> Sample {
    let parquet = ParquetLayout { row_group_rows: 300, ..ParquetLayout::default() };
    Sample { users: 500, shard_rows: 700, parquet, crowd: 20, ..Sample::new(6000) }
}

fn write(sample: &Sample, dir: &Path) -> Written {
    sample.write(dir, &|_| {}).unwrap()
}

/// All records of a source, as JSON.
fn records(written: &Written, source: &Source) -> Vec<Value> {
    source.paths.iter().flat_map(|path| shard_records(source, &written.dir.join(path))).collect()
}

fn shard_records(source: &Source, path: &Path) -> Vec<Value> {
    match source.format {
        Format::Parquet => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
            as_json(reader.map(Result::unwrap))
        }
        Format::Arrow if path.extension().unwrap() == "arrows" => as_json(
            arrow::ipc::reader::StreamReader::try_new(File::open(path).unwrap(), None).unwrap().map(Result::unwrap),
        ),
        Format::Arrow => as_json(
            arrow::ipc::reader::FileReader::try_new(File::open(path).unwrap(), None).unwrap().map(Result::unwrap),
        ),
        Format::Ndjson => text(path).lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        Format::Json => {
            let mut document: BTreeMap<String, Vec<Value>> = serde_json::from_str(&text(path)).unwrap();
            document.remove("Records").unwrap()
        }
        Format::Csv => {
            let text = text(path);
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            reader
                .deserialize::<BTreeMap<String, String>>()
                .map(|row| serde_json::to_value(row.unwrap()).unwrap())
                .collect()
        }
    }
}

fn as_json(batches: impl Iterator<Item = RecordBatch>) -> Vec<Value> {
    let mut writer = arrow::json::ArrayWriter::new(Vec::new());
    batches.for_each(|batch| writer.write(&without_zones(&batch)).unwrap());
    writer.finish().unwrap();
    serde_json::from_slice(&writer.into_inner()).unwrap()
}

/// `batch` with its times as integers: to write them as text takes a time zone database.
fn without_zones(batch: &RecordBatch) -> RecordBatch {
    let times = |field: &&Arc<Field>| matches!(field.data_type(), DataType::Timestamp(..));
    let mut batch = batch.clone();
    for field in batch.schema().fields().iter().filter(times) {
        let time = batch.remove_column(batch.schema().index_of(field.name()).unwrap());
        let numbers = arrow::compute::cast(&time, &DataType::Int64).unwrap();
        let columns = batch
            .schema()
            .fields()
            .iter()
            .cloned()
            .chain([Arc::new(Field::new(field.name(), DataType::Int64, true))])
            .collect::<Vec<_>>();
        batch = RecordBatch::try_new(Arc::new(Schema::new(columns)), [batch.columns(), &[numbers]].concat()).unwrap();
    }
    batch
}

fn text(path: &Path) -> String {
    let file = File::open(path).unwrap();
    let mut text = String::new();
    match path.extension().unwrap().to_str().unwrap() {
        "gz" => flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap(),
        "zst" => zstd::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap(),
        "lz4" => {
            // The decoder stops behind each frame.
            let mut decoder = lz4_flex::frame::FrameDecoder::new(file);
            while decoder.read_to_string(&mut text).unwrap() > 0 {}
            text.len()
        }
        _ => { file }.read_to_string(&mut text).unwrap(),
    };
    text
}

/// The values at a column path.
fn at<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    path.split('.').fold(vec![value], |values, step| {
        let (name, list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        let fields = values.into_iter().filter_map(|value| value.get(name));
        if list { fields.filter_map(Value::as_array).flatten().collect() } else { fields.collect() }
    })
}

fn names(record: &Value, source: &Source, kind: &str, id: &str) -> bool {
    source.identifiers.iter().filter(|identifier| identifier.kind == kind).any(|identifier| {
        at(record, &identifier.column).into_iter().filter_map(Value::as_str).any(|value| {
            // Arrow writes 16 bytes as hexadecimal.
            value == id
                || value == id.replace('-', "")
                || (identifier.case_insensitive && value.eq_ignore_ascii_case(id))
        })
    })
}

#[test]
fn counts_are_what_readers_count_by_each_kind_of_identifier() {
    let dir = tempfile::tempdir().unwrap();
    let told = AtomicU64::new(0);
    let written = small()
        .write(dir.path(), &|rows| {
            told.fetch_add(rows, Relaxed);
        })
        .unwrap();
    assert_eq!(written.sources.len(), 7);
    assert_eq!((written.rows, told.into_inner()), (6000, 6000));

    let mut crowd = 0;
    let mut other_cases = 0;
    for source in &written.sources {
        let records = records(&written, source);
        assert_eq!(records.len() as u64, source.rows, "{}", source.name);
        for person in &written.people {
            let count = person.counts.iter().find(|count| count.source == source.name).unwrap();
            assert!(count.rows > 0, "{:?} in {}", person.role, source.name);
            assert_eq!(count.rows, count.by_shard.values().sum::<u64>());
            for (kind, id) in &person.identifiers {
                let found: Vec<_> = records.iter().filter(|record| names(record, source, kind, id)).collect();
                if found.is_empty() {
                    assert!(
                        source.identifiers.iter().all(|identifier| identifier.kind != *kind),
                        "{kind} in {}",
                        source.name
                    );
                    continue;
                }
                let own = found.iter().filter(|record| at(record, &source.tenant) == [person.tenant.as_str()]).count();
                assert_eq!(own as u64, count.rows, "{:?} by {kind} in {}", person.role, source.name);
                assert_eq!(
                    (found.len() - own) as u64,
                    count.elsewhere,
                    "{:?} by {kind} in {}",
                    person.role,
                    source.name
                );
                other_cases += found.iter().filter(|record| !record.to_string().contains(id.as_str())).count();
            }
        }
        for id in &written.crowd.object_ids {
            let own = |record: &&Value| {
                names(record, source, "object_id", id) && at(record, &source.tenant) == [written.tenants[0].as_str()]
            };
            crowd += records.iter().filter(own).count() as u64;
        }
    }
    assert_eq!(crowd, written.crowd.rows);
    assert!(crowd > 0 && other_cases > 0);
    assert!(written.person(Role::Rare).unwrap().counts.iter().all(|count| count.rows <= 6 && count.elsewhere == 2));
    let (common, busiest) = (written.person(Role::Common).unwrap(), written.person(Role::Busiest).unwrap());
    assert!(common.rows() < busiest.rows());
}

#[test]
fn the_common_person_is_in_every_row_group() {
    let dir = tempfile::tempdir().unwrap();
    let mut sample = Sample { users: 500, shard_rows: 1000, rows: 2000, ..Sample::benchmark() };
    sample.parquet.row_group_rows = 300;
    let written = write(&sample, dir.path());
    let id = written.person(Role::Common).unwrap().identifier("object_id").unwrap().to_owned();
    for path in &written.sources[0].paths {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(dir.path().join(path)).unwrap()).unwrap();
        let groups = builder.metadata().num_row_groups();
        assert_eq!(groups, 4);
        for group in 0..groups {
            let file = File::open(dir.path().join(path)).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().with_row_groups(vec![group]).build();
            let records = as_json(reader.unwrap().map(Result::unwrap));
            assert!(records.iter().any(|record| record["UserId"] == id), "row group {group} of {path}");
        }
    }
}

fn bytes_below(dir: &Path, found: &mut BTreeMap<String, Vec<u8>>, root: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes_below(&path, found, root);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read(&path).unwrap());
        }
    }
}

#[test]
fn a_seed_decides_every_byte() {
    let everything = |seed| {
        let dir = tempfile::tempdir().unwrap();
        let written = write(&Sample { seed, ..small() }, dir.path());
        let mut files = BTreeMap::new();
        bytes_below(dir.path(), &mut files, dir.path());
        assert_eq!(files.len(), written.shards());
        (files, Written { dir: "".into(), ..written })
    };
    let first = everything(1);
    assert_eq!(first, everything(1));
    assert_ne!(first.0, everything(2).0);
}

#[test]
fn shards_are_laid_out_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let written = write(&small(), dir.path());
    let open = |source: &str| {
        let source = written.sources.iter().find(|have| have.name == source).unwrap();
        SerializedFileReader::new(File::open(dir.path().join(&source.paths[0])).unwrap()).unwrap().metadata().clone()
    };
    let sharepoint = open("sharepoint-activity");
    assert!(sharepoint.num_row_groups() > 1 && sharepoint.row_group(0).num_rows() == 300);
    assert!(matches!(sharepoint.row_group(0).column(0).compression(), Codec::ZSTD(_)));
    assert_eq!(sharepoint.file_metadata().schema_descr().root_schema().get_fields()[2].get_basic_info().id(), 3);
    let teams = open("teams-calls");
    assert_eq!(teams.row_group(0).column(0).compression(), Codec::SNAPPY);
    assert!(teams.row_group(0).column(3).bloom_filter_offset().is_some());
    assert_eq!(teams.row_group(0).sorting_columns().unwrap()[0].column_idx, 3);

    let mut suffixes: Vec<&str> = (written.sources.iter().filter(|source| source.format == Format::Ndjson))
        .flat_map(|source| &source.paths)
        .map(|path| path.rsplit_once('.').unwrap().1)
        .collect();
    suffixes.sort_unstable();
    suffixes.dedup();
    assert_eq!(suffixes, ["gz", "lz4", "ndjson", "zst"]);
}

#[test]
fn only_chosen_formats_are_written_and_nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let sample = Sample { formats: vec![Format::Ndjson], text_codecs: vec![TextCodec::Plain], ..small() };
    let written = write(&sample, dir.path());
    assert!(written.rows == 6000 && written.sources.iter().all(|source| source.format == Format::Ndjson));
    let again = sample.write(dir.path(), &|_| {}).unwrap_err();
    assert!(format!("{again:#}").starts_with("writing activity/product=Exchange/"), "{again:#}");
    assert!(Sample { rows: 0, ..small() }.write(dir.path(), &|_| {}).is_err());
}

#[test]
fn the_configuration_says_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let written = write(&small(), dir.path());
    let text = config(&written, Path::new("/data/my logs"), Path::new("/data/exports"));
    let parsed: toml::Table = text.parse().unwrap();
    assert_eq!(parsed["store"]["url"].as_str(), Some("file:///data/my%20logs"));
    let sources = parsed["source"].as_array().unwrap();
    assert_eq!(sources.len(), written.sources.len());
    for (parsed, source) in sources.iter().zip(&written.sources) {
        assert_eq!(parsed["name"].as_str().unwrap(), source.name);
        assert_eq!(parsed["identifiers"].as_array().unwrap().len(), source.identifiers.len());
        assert_eq!(parsed["on_erase"].as_str() == Some("keep"), matches!(source.on_erase, OnErase::Keep { .. }));
        assert_eq!(parsed.get("reason").is_some(), matches!(source.on_erase, OnErase::Keep { .. }));
    }
}

#[test]
fn the_table_has_the_same_rows_in_columns_and_in_lines() {
    let dir = tempfile::tempdir().unwrap();
    let columns = Sample { users: 500, shard_rows: 1000, rows: 2000, throng: 50, ..Sample::benchmark() };
    let lines = Sample { formats: vec![Format::Ndjson], text_codecs: vec![TextCodec::Zstd], ..columns.clone() };
    let [columns, lines] =
        [("columns", columns), ("lines", lines)].map(|(name, sample)| write(&sample, &dir.path().join(name)));
    let rows = [&columns, &lines].map(|written| {
        let mut rows = records(written, &written.sources[0]);
        // Columns hold it as a number.
        rows.iter_mut().for_each(|row| drop(row.as_object_mut().unwrap().remove("DateTime")));
        // A null is left out of rows of columns.
        rows.iter_mut().for_each(|row| row.as_object_mut().unwrap().retain(|_, value| !value.is_null()));
        rows
    });
    assert_eq!(rows[0], rows[1]);
    assert_eq!(records(&lines, &lines.sources[0])[0]["DateTime"].as_str().map(str::len), Some(24));
    for id in [&columns, &lines].map(|written| &written.throng) {
        assert_eq!(id.object_ids.len(), 50);
        let is_one = |row: &&Value| id.object_ids.iter().any(|id| row["UserId"] == id.as_str());
        assert_eq!(rows[0].iter().filter(is_one).count() as u64, id.rows);
    }
    assert_eq!(columns.person(Role::Rare).unwrap().rows(), lines.person(Role::Rare).unwrap().rows());
}
