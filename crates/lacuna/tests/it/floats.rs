//! Integers that became floats beside missing values, in Parquet and Arrow: found, exported and erased by the integer.

use std::io::BufWriter;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::ipc::writer::FileWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::home::Home;

const CONFIG: &str = r#"
[store]
url = "logs"

[export]
url = "exports"

[[source]]
name = "activity"
shards = "*.*"
product = "Office/SharePoint"
data_type = "ProductAndServiceUsage"
identifiers = [{ column = "user_id", kind = "id" }, { column = "email", kind = "email" }]
"#;

/// A home with the same six rows in a file of each format and encoding.
fn home() -> Home {
    let home = Home::empty();
    home.write("lacuna.toml", CONFIG);
    let snowflake = 1_152_921_504_606_846_976.0;
    let ids = [12_345.0, f64::NAN, 54_321.0, -0.0, snowflake, 12_345.5];
    let emails = ["ann@x.org", "bob@x.org", "bob@x.org", "cyn@x.org", "dan@x.org", "eve@x.org"];
    let ids: ArrayRef = Arc::new(Float64Array::from_iter_values(ids));
    let emails: ArrayRef = Arc::new(StringArray::from_iter_values(emails));
    let batch = RecordBatch::try_from_iter([("user_id", ids), ("email", emails)]).unwrap();
    for (name, has_dictionary, encoding) in [
        ("plain.parquet", false, Encoding::PLAIN),
        ("split.parquet", false, Encoding::BYTE_STREAM_SPLIT),
        ("dictionary.parquet", true, Encoding::PLAIN),
    ] {
        let properties = WriterProperties::builder()
            .set_compression(Compression::UNCOMPRESSED)
            .set_dictionary_enabled(has_dictionary)
            .set_column_encoding("user_id".into(), encoding)
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_write_page_header_statistics(true)
            .set_bloom_filter_enabled(true)
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        home.write(&format!("logs/{name}"), writer.into_inner().unwrap());
    }
    let mut writer = FileWriter::try_new(BufWriter::new(Vec::new()), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    home.write("logs/file.arrow", writer.into_inner().unwrap().into_inner().unwrap());
    home.run(&["check", "--init-keys"]).ends(0);
    home
}

/// Whether any shard, or anything beside it, has these bytes.
fn holds(home: &Home, wanted: &[u8]) -> bool {
    let has = |path| std::fs::read(path).unwrap().windows(wanted.len()).any(|bytes| bytes == wanted);
    home.files("logs").into_iter().any(has)
}

#[test]
fn a_person_is_found_exported_and_erased_by_the_integer() {
    let home = home();
    let found = |subject: &str| home.run(&["find", "--json", "--subject", subject]).ends(0).json()["matched"].clone();
    assert_eq!((found("id=12345"), found("id=54321.0"), found("id=0")), (4.into(), 4.into(), 4.into()));
    assert_eq!((found("id=12346"), found("id=ann"), found("id=NaN")), (0.into(), 0.into(), 0.into()));

    home.run(&["export", "--json", "--subject", "id=12345"]).ends(0);
    let package = home.files("exports").into_iter().find(|path| path.ends_with("ProductAndServiceUsage.json")).unwrap();
    let records: serde_json::Value = serde_json::from_slice(&std::fs::read(package).unwrap()).unwrap();
    let records = records.as_array().unwrap();
    assert_eq!((records.len(), &records[0]["email"]), (4, &"ann@x.org".into()));

    let value = 12_345.0_f64.to_le_bytes();
    assert!(holds(&home, &value));
    let erased = home.run(&["erase", "--yes", "--json", "--subject", "id=12345"]).ends(0).json();
    assert_eq!(found("id=12345"), 0);
    home.run(&["purge", "--json"]).ends(0);
    assert!(!holds(&home, &value) && !holds(&home, b"ann@x.org"));
    let receipt = erased["receipt"].as_str().unwrap();
    home.run_with(&["verify", "--json", receipt, "--against", "--subjects", "-"], &[], "id=12345\n").ends(0);
    for shard in ["plain.parquet", "split.parquet", "dictionary.parquet", "file.arrow"] {
        assert_eq!(home.run(&["cat", shard]).ends(0).stdout.lines().count(), 5, "{shard}");
    }
    assert_eq!((found("id=54321"), found("id=0")), (4.into(), 4.into()));
}

#[test]
fn what_was_a_persons_float_goes_with_rows_found_by_something_else() {
    let home = home();
    let snowflake = 1_152_921_504_606_846_976.0_f64.to_le_bytes();
    assert!(holds(&home, &snowflake));
    for email in ["dan@x.org", "cyn@x.org", "bob@x.org", "eve@x.org"] {
        home.run(&["erase", "--yes", "--now", "--subject", &format!("email={email}")]).ends(0);
    }
    assert!(!holds(&home, &snowflake) && !holds(&home, &12_345.5_f64.to_le_bytes()));
    assert_eq!(home.run(&["find", "--json", "--subject", "id=12345"]).ends(0).json()["matched"], 4);
}

#[test]
fn a_float_that_may_be_the_persons_makes_the_answer_incomplete() {
    let home = home();
    let find = home.run(&["find", "--json", "--subject", "id=1152921504606846977"]);
    let problems = find.ends(3).json()["sources"][0]["problems"].clone();
    assert_eq!(problems.as_array().unwrap().len(), 4);
    let why = problems[0]["reason"].as_str().unwrap();
    assert!(why.contains("column `user_id` holds a floating-point number that may stand for"), "{why}");
    assert!(!find.stdout.contains("115292150460") && !find.stderr.contains("115292150460"));
    let shards = || {
        let files = home.files("logs").into_iter().filter(|path| !path.to_string_lossy().contains("_lacuna"));
        files.map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>()
    };
    let before = shards();
    home.run(&["erase", "--yes", "--now", "--json", "--subject", "id=1152921504606846977"]).ends(3);
    assert!(before.len() == 4 && shards() == before);
}
