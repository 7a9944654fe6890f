//! A job, the shards that it meets, and what must be so when it was finished, whatever happened before.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use futures::{FutureExt as _, TryStreamExt as _};
use lacuna_engine::{
    Action, EmptyShards, Engine, EraseMode, ExportOptions, FormatChoice, Job, NoHolds, OnErase, Outcome, Poison,
    PurgeOptions, Reporter, Request, RequestId, Settings, ShardState, Source, verify,
};
use lacuna_erase::tombstone::{self, ShardVersion, Tombstone};
use lacuna_scan::{Epochs, Field, Identifier, IdentifierRule, Kind, Limits, Mapping, Selector, TenantId, TenantRule};
use lacuna_store::testing::Gated;
use lacuna_store::{BlobPath, Condition, Content, Keeping, MemoryStore, Store, WriteOptions};
use parquet::arrow::ArrowWriter;
use roaring::RoaringTreemap;
use tokio_util::sync::CancellationToken;

use crate::faulty::{Fault, Faults, Faulty};

/// Whose rows are looked for. Nobody else has it.
const SUBJECT: &str = "canary-7f3a";

/// A shard's format.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    Parquet,
    Ndjson,
    CsvGz,
    Arrow,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Hide,
    Purge,
    Now,
    Export,
}

impl Format {
    pub(crate) const ALL: [Self; 4] = [Self::Parquet, Self::Ndjson, Self::CsvGz, Self::Arrow];

    fn shard(self, name: &str) -> String {
        let extension = match self {
            Self::Parquet => "parquet",
            Self::Ndjson => "ndjson",
            Self::CsvGz => "csv.gz",
            Self::Arrow => "arrow",
        };
        format!("logs/{name}.{extension}")
    }
}

impl Work {
    pub(crate) const ALL: [Self; 4] = [Self::Hide, Self::Purge, Self::Now, Self::Export];
}

/// One row: tenant, user, number.
type Row = (&'static str, &'static str, i64);

const SHARDS: [&str; 2] = ["a", "b"];

fn original() -> Vec<Row> {
    let users = ["u0", SUBJECT, "u2"];
    let mut rows: Vec<Row> = (0..18).map(|n: i64| ("T", users[(n % 3) as usize], n)).collect();
    // The same name in another tenant is another person.
    rows.insert(7, ("X", "u0", 100));
    rows
}

fn replacement() -> Vec<Row> {
    vec![("T", "u2", 200), ("T", SUBJECT, 201), ("X", "u2", 202)]
}

/// Rows with numbers that none of so many rows before them has.
fn addition(rows: usize) -> Vec<Row> {
    let number = 300 + i64::try_from(rows).unwrap();
    vec![("T", SUBJECT, number), ("T", "u0", number + 1)]
}

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) format: Format,
    pub(crate) work: Work,
    /// What the store keeps of old bytes, until everything is healed.
    pub(crate) keeping: Keeping,
}

/// What the shards hold as far as their writers know: by shard, `None` once it was removed.
type Truth = Arc<Mutex<BTreeMap<String, Option<Vec<Row>>>>>;

impl Scenario {
    /// Runs the job under faults, finishes it without, and checks. Says how many operations the first run had.
    pub(crate) async fn run(self, faults: Faults) -> usize {
        let truth: Truth = Arc::default();
        let (written, format, have_writer) = (truth.clone(), self.format, faults.have_writer());
        let store = Arc::new(Gated(Faulty::new(faults, self.keeping).with_writer(Box::new(move |inner, fault| {
            write_meanwhile(inner, format, fault, &written);
        }))));
        for name in SHARDS {
            let path = self.format.shard(name);
            put(&store.inner, &path, encode(self.format, &original()));
            truth.lock().unwrap().insert(path, Some(original()));
        }
        let packages: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let engine = engine(store.clone(), packages.clone());

        let first = self.attempt(&engine).await;
        let operations = store.operations();
        if let Some(outcome) = &first {
            self.check_claims(outcome, &store.inner).await;
        }
        store.heal();
        if matches!(self.keeping, Keeping::Held(_)) {
            store.inner.keep(Keeping::Versions);
        }
        if self.work == Work::Export {
            self.finish_export(&engine, &packages, &truth).await;
        } else {
            self.finish_erasure(&engine, &store.inner, &truth, have_writer).await;
            if !have_writer {
                self.check_account(&store.inner).await;
            }
        }
        operations
    }

    fn source(self) -> Source {
        let field = |column: &str, kind| Field::new(column.parse().unwrap(), Kind::new(kind));
        Source {
            name: "logs".into(),
            shards: "logs/**".into(),
            format: FormatChoice::default(),
            product: "P".into(),
            data_type: "D".into(),
            mapping: Mapping {
                identifiers: vec![IdentifierRule::One(field("UserId", "id"))],
                tenant: TenantRule::Column("TenantId".parse().unwrap()),
            },
            time: None,
            on_erase: OnErase::Delete,
            poison: Poison::Refuse,
            empty_shards: EmptyShards::Keep,
            may_be_empty: false,
        }
    }

    /// The job once. `None` when it could not run at all.
    async fn attempt(self, engine: &Engine) -> Option<Outcome> {
        let action = match self.work {
            Work::Hide | Work::Purge => Action::Erase(EraseMode::Hide),
            Work::Now => Action::Erase(EraseMode::Now),
            Work::Export => Action::Export(ExportOptions::default()),
        };
        let outcome = self.request(engine, "r1", SUBJECT, action).await;
        if self.work == Work::Purge {
            let _ = self.purge(engine).await;
        }
        outcome
    }

    async fn request(self, engine: &Engine, id: &str, user: &str, action: Action) -> Option<Outcome> {
        let selector = Selector { tenant: Some(TenantId::new("T")), identifiers: vec![Identifier::new("id", user)] };
        let request = Request::new(RequestId::new(id).unwrap(), selector, action);
        let job = Job { sources: vec![self.source()], requests: vec![request], others: Vec::new() };
        engine.run(job, &Reporter::default(), &CancellationToken::new()).await.ok()
    }

    async fn purge(self, engine: &Engine) -> Option<lacuna_engine::PurgeOutcome> {
        let sources = [self.source()];
        engine.purge(&sources, PurgeOptions::default(), &Reporter::default(), &CancellationToken::new()).await.ok()
    }

    /// What the first run stated is so: no shard that it calls clean, in the version that it names, has a row.
    async fn check_claims(self, outcome: &Outcome, store: &MemoryStore) {
        let paths: Vec<_> = store.list("_lacuna/receipts/").try_collect::<Vec<_>>().await.unwrap();
        for info in paths {
            let jws = get(store, info.path.as_str()).await.unwrap();
            let receipt = verify::receipt(std::str::from_utf8(&jws).unwrap(), &key().verifying_key()).unwrap();
            for line in &receipt.sources[0].shards {
                if line.state == ShardState::Gone {
                    let number = |etag: &str| etag.parse::<u64>().unwrap();
                    let purge = line.etag_after.as_deref().map_or(number(&line.etag_before) + 1, number);
                    for (path, etag, bytes) in store.old_bytes() {
                        let is_older = path == line.shard && number(etag.as_str()) < purge;
                        assert!(
                            !is_older || !holds(&path, &bytes),
                            "a receipt calls {path} gone, and version {etag} is not"
                        );
                    }
                }
                let Some(now) = head(store, &line.shard).await else { continue };
                let is_named = line.etag_after.as_deref() == Some(now.as_str());
                if is_named && matches!(line.state, ShardState::Verified | ShardState::Gone) {
                    let bytes = get(store, &line.shard).await.unwrap();
                    let rows = decode(self.format, &bytes);
                    assert!(rows.iter().all(|row| row.1 != SUBJECT), "a receipt calls {} clean", line.shard);
                    assert_eq!(rows.len() as u64, line.rows_after);
                }
            }
        }
        let request = &outcome.requests[0];
        assert!(!request.complete || request.receipt.is_some() || request.package.is_some(), "complete without proof");
    }

    async fn finish_erasure(self, engine: &Engine, store: &MemoryStore, truth: &Truth, have_writer: bool) {
        // What a person does who was told that it is not complete: the same again.
        let outcome = self.attempt(engine).await.unwrap_or_else(|| panic!("the second run could not run"));
        let is_emptied = truth.lock().unwrap().values().all(Option::is_none);
        assert!(is_emptied || outcome.is_complete(), "the second run is not complete: {outcome:?}");
        let found = self.request(engine, "f1", SUBJECT, Action::Discover).await.unwrap();
        assert_eq!(found.matched, 0, "rows show after the erasure");
        let purged = self.purge(engine).await.unwrap();
        assert!(purged.problems.is_empty(), "the purge is not complete: {purged:?}");

        let truth = truth.lock().unwrap().clone();
        for (path, rows) in truth {
            let bytes = get(store, &path).await;
            let Some(rows) = rows else {
                assert!(bytes.is_none(), "a removed shard is there again");
                continue;
            };
            let survivors: Vec<Row> = rows.into_iter().filter(|row| (row.0, row.1) != ("T", SUBJECT)).collect();
            let held = decode(self.format, &bytes.unwrap_or_else(|| panic!("{path} is lost")));
            let held: Vec<_> = held.iter().map(|row| (row.0.as_str(), row.1.as_str(), row.2)).collect();
            assert_eq!(held, survivors, "{path}");
        }
        for info in store.list("").try_collect::<Vec<_>>().await.unwrap() {
            let path = info.path.as_str();
            let bytes = get(store, path).await.unwrap();
            assert!(!holds(path, &bytes), "the identifier stays in {path}");
            let is_own = path.starts_with("_lacuna/") && !path.starts_with("_lacuna/receipts/");
            assert!(!is_own, "{path} is left behind");
        }
        for (path, etag, bytes) in store.old_bytes() {
            assert!(have_writer || !holds(&path, &bytes), "the identifier stays in version {etag} of {path}");
        }
        self.check_claims(&outcome, store).await;
    }

    /// The newest receipt accounts for every row, whichever run took it out.
    async fn check_account(self, store: &MemoryStore) {
        let mut newest = None;
        for number in 1.. {
            let infix = if number == 1 { String::new() } else { format!(".{number}") };
            match get(store, &format!("_lacuna/receipts/r1{infix}.jws")).await {
                Some(jws) => newest = Some(jws),
                None => break,
            }
        }
        let jws = newest.unwrap_or_else(|| panic!("there is no receipt"));
        let receipt = verify::receipt(std::str::from_utf8(&jws).unwrap(), &key().verifying_key()).unwrap();
        let matched = original().iter().filter(|row| row.1 == SUBJECT).count() as u64;
        for name in SHARDS {
            let mut lines = receipt.sources.iter().flat_map(|source| &source.shards);
            let line = lines.find(|line| line.shard == self.format.shard(name) && line.state == ShardState::Gone);
            assert_eq!(
                line.map(|line| line.matched),
                Some(matched),
                "the receipt does not account for {name}: {receipt:?}"
            );
        }
    }

    async fn finish_export(self, engine: &Engine, packages: &Arc<dyn Store>, truth: &Truth) {
        if get(packages.as_ref(), "T/r1/_SUCCESS").await.is_none() {
            let outcome = self.attempt(engine).await.unwrap();
            let is_emptied = truth.lock().unwrap().values().all(Option::is_none);
            assert!(is_emptied || outcome.is_complete(), "{outcome:?}");
            if !outcome.is_complete() {
                return;
            }
        }
        let check = verify::package(packages, "T/r1", &key().verifying_key()).await.unwrap();
        assert!(check.complete && check.mismatches.is_empty(), "{check:?}");
        let data = get(packages.as_ref(), "T/r1/P/D.json").await;
        let records: Vec<serde_json::Value> =
            data.map(|data| serde_json::from_slice(&data).unwrap()).unwrap_or_default();
        let mut numbers: Vec<i64> =
            records.iter().map(|record| record["Number"].to_string().trim_matches('"').parse().unwrap()).collect();
        assert!(records.iter().all(|record| record["UserId"] == SUBJECT));
        numbers.sort_unstable();
        let unique = numbers.len();
        // The same numbers are in both shards: each at most once from each.
        numbers.dedup();
        assert!(unique <= 2 * numbers.len(), "a record was exported twice");
    }
}

/// What another writer does to the first shard.
fn write_meanwhile(store: &MemoryStore, format: Format, fault: Fault, truth: &Truth) {
    let path = format.shard(SHARDS[0]);
    let mut truth = truth.lock().unwrap();
    let now = get_now(store, &path).map(|bytes| decode(format, &bytes));
    let leak = |rows: Vec<(String, String, i64)>| -> Vec<Row> {
        rows.into_iter().map(|(tenant, user, n)| (known(&tenant), known(&user), n)).collect()
    };
    if fault == Fault::Hidden {
        if let Some(now) = &now
            && hide_meanwhile(store, &path, now)
            && let Some(Some(rows)) = truth.get_mut(&path)
        {
            rows.retain(|row| row.2 != OTHERS);
        }
        return;
    }
    let rows = match fault {
        Fault::Removed => None,
        Fault::Appended => {
            let rows = leak(now.unwrap_or_default());
            let added = addition(rows.len());
            Some([rows, added].concat())
        }
        _ => Some(replacement()),
    };
    match &rows {
        Some(rows) => put(store, &path, encode(format, rows)),
        None => {
            let blob = BlobPath::new(&path).unwrap();
            let info = store.head(&blob).now_or_never().unwrap();
            if let Ok(info) = info {
                store.delete(&blob, &info.etag).now_or_never().unwrap().unwrap();
            }
        }
    }
    truth.insert(path, rows);
}

/// The number of a row of somebody else, behind some of the subject's.
const OTHERS: i64 = 12;

/// What another run does that hides this row; whether it was there.
fn hide_meanwhile(store: &MemoryStore, path: &str, rows: &[(String, String, i64)]) -> bool {
    let Some(ordinal) = rows.iter().position(|row| row.2 == OTHERS) else { return false };
    let etag = head(store, path).now_or_never().unwrap().unwrap();
    let at = tombstone::path(path);
    let known = get_now(store, &at).map(|bytes| Tombstone::decode(&bytes).unwrap());
    let version = ShardVersion { shard: path.to_owned(), etag, rows: rows.len() as u64 };
    let mut tombstone = known.filter(|known| *known.version() == version).unwrap_or_else(|| Tombstone::new(version));
    tombstone.hide("other", &RoaringTreemap::from_iter([ordinal as u64])).unwrap();
    put(store, &at, tombstone.encode().unwrap());
    true
}

/// The constant of this text.
fn known(text: &str) -> &'static str {
    ["T", "X", "u0", "u2", SUBJECT].into_iter().find(|known| *known == text).unwrap()
}

fn key() -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[7; 32])
}

fn engine(store: Arc<dyn Store>, packages: Arc<dyn Store>) -> Engine {
    Engine::new(Settings {
        store,
        export: Some(packages),
        epochs: Epochs::default(),
        signing_key: Some(key()),
        holds: Arc::new(NoHolds),
        limits: Limits::default(),
        memory: 64 << 20,
        // With one of everything, a run has its operations in the same order each time.
        threads: 1,
        requests: 1,
        temp_dir: None,
    })
    .unwrap()
}

fn put(store: &MemoryStore, path: &str, bytes: Vec<u8>) {
    let content = Content::Bytes(bytes.into());
    let path = BlobPath::new(path).unwrap();
    store.write(&path, content, Condition::Any, WriteOptions::default()).now_or_never().unwrap().unwrap();
}

fn get_now(store: &MemoryStore, path: &str) -> Option<Vec<u8>> {
    get(store, path).now_or_never().unwrap()
}

async fn get(store: &dyn Store, path: &str) -> Option<Vec<u8>> {
    let info = store.head(&BlobPath::new(path).unwrap()).await.ok()?;
    Some(store.read(&info.path, 0..info.size, &info.etag).await.unwrap().to_vec())
}

async fn head(store: &dyn Store, path: &str) -> Option<String> {
    store.head(&BlobPath::new(path).unwrap()).await.ok().map(|info| info.etag.to_string())
}

fn batch(rows: &[Row]) -> RecordBatch {
    let column = |values: Vec<&str>| Arc::new(StringArray::from(values)) as ArrayRef;
    RecordBatch::try_from_iter([
        ("TenantId", column(rows.iter().map(|row| row.0).collect())),
        ("UserId", column(rows.iter().map(|row| row.1).collect())),
        ("Number", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))) as ArrayRef),
    ])
    .unwrap()
}

fn encode(format: Format, rows: &[Row]) -> Vec<u8> {
    match format {
        Format::Parquet => {
            let properties = parquet::file::properties::WriterProperties::builder();
            let properties = properties.set_max_row_group_row_count(Some(8)).set_data_page_row_count_limit(4);
            let mut bytes = Vec::new();
            let batch = batch(rows);
            let properties = properties.set_write_batch_size(4).build();
            let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            bytes
        }
        Format::Arrow => {
            let batch = batch(rows);
            let mut bytes = Vec::new();
            let mut writer = arrow::ipc::writer::FileWriter::try_new(&mut bytes, &batch.schema()).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            drop(writer);
            bytes
        }
        Format::Ndjson => rows
            .iter()
            .map(|row| format!("{{\"TenantId\":\"{}\",\"UserId\":\"{}\",\"Number\":{}}}\n", row.0, row.1, row.2))
            .collect::<String>()
            .into_bytes(),
        Format::CsvGz => {
            let lines = rows.iter().map(|row| format!("{},{},{}\n", row.0, row.1, row.2));
            let text = ["TenantId,UserId,Number\n".to_owned()].into_iter().chain(lines).collect::<String>();
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(text.as_bytes()).unwrap();
            gzip.finish().unwrap()
        }
    }
}

/// Whether the subject's identifier is in these bytes.
fn holds(path: &str, bytes: &[u8]) -> bool {
    let plain = if path.ends_with(".gz") { gunzip(bytes) } else { bytes.to_vec() };
    plain.windows(SUBJECT.len()).any(|part| part == SUBJECT.as_bytes())
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes), &mut text).unwrap();
    text
}

/// The rows as another reader sees them.
fn decode(format: Format, bytes: &[u8]) -> Vec<(String, String, i64)> {
    use arrow::array::AsArray as _;
    let rows = |batch: RecordBatch| -> Vec<(String, String, i64)> {
        let (tenants, users) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
        let numbers = batch.column(2).as_primitive::<arrow::datatypes::Int64Type>();
        let row = |at: usize| (tenants.value(at).to_owned(), users.value(at).to_owned(), numbers.value(at));
        (0..batch.num_rows()).map(row).collect()
    };
    match format {
        Format::Parquet => {
            let bytes = bytes::Bytes::copy_from_slice(bytes);
            let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
            reader.build().unwrap().flat_map(|batch| rows(batch.unwrap())).collect()
        }
        Format::Arrow => {
            let reader = arrow::ipc::reader::FileReader::try_new(std::io::Cursor::new(bytes), None).unwrap();
            reader.flat_map(|batch| rows(batch.unwrap())).collect()
        }
        Format::Ndjson => String::from_utf8_lossy(bytes)
            .lines()
            .map(|line| {
                let row: serde_json::Value = serde_json::from_str(line).unwrap();
                let text = |name: &str| row[name].as_str().unwrap().to_owned();
                (text("TenantId"), text("UserId"), row["Number"].as_i64().unwrap())
            })
            .collect(),
        Format::CsvGz => String::from_utf8(gunzip(bytes))
            .unwrap()
            .lines()
            .skip(1)
            .map(|line| {
                let cells: Vec<&str> = line.split(',').collect();
                (cells[0].to_owned(), cells[1].to_owned(), cells[2].parse().unwrap())
            })
            .collect(),
    }
}
