//! A small world to run jobs in: shards of two tenants in a store, and what a request does there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt as _;
use lacuna_engine::{
    Action, EmptyShards, Engine, EraseMode, Error, ExportOptions, FormatChoice, Holds, Job, NoHolds, OnErase, Outcome,
    Poison, Receipt, Reporter, Request, RequestId, Settings, Source, verify,
};
use lacuna_scan::{Epochs, Field, Identifier, IdentifierRule, Kind, Limits, Mapping, Selector, TenantId, TenantRule};
use lacuna_store::{BlobPath, Condition, Content, MemoryStore, Store, WriteOptions};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tokio_util::sync::CancellationToken;

pub struct World {
    pub store: Arc<dyn Store>,
    pub packages: Arc<dyn Store>,
    pub memory: u64,
    pub limits: Limits,
    pub holds: Arc<dyn Holds>,
    pub temp_dir: Option<PathBuf>,
}

impl World {
    pub fn new() -> Self {
        let store = || Arc::new(MemoryStore::new()) as Arc<dyn Store>;
        Self {
            store: store(),
            packages: store(),
            memory: 64 << 20,
            limits: Limits::default(),
            holds: Arc::new(NoHolds),
            temp_dir: None,
        }
    }

    pub fn engine(&self) -> Engine {
        Engine::new(Settings {
            store: self.store.clone(),
            export: Some(self.packages.clone()),
            epochs: Epochs::default(),
            signing_key: Some(key()),
            holds: self.holds.clone(),
            limits: self.limits,
            memory: self.memory,
            threads: 2,
            requests: 8,
            temp_dir: self.temp_dir.clone(),
        })
        .unwrap()
    }

    pub async fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        let content = Content::Bytes(bytes.into().into());
        self.store.write(&blob(path), content, Condition::Any, WriteOptions::default()).await.unwrap();
    }

    pub async fn get(&self, path: &str) -> Vec<u8> {
        get(self.store.as_ref(), path).await
    }

    pub async fn run(&self, sources: Vec<Source>, requests: Vec<Request>) -> Result<Outcome, Error> {
        self.engine()
            .run(Job { sources, requests, others: Vec::new() }, &Reporter::default(), &CancellationToken::new())
            .await
    }

    /// Everything in the packages' store, by path.
    pub async fn packages(&self) -> BTreeMap<String, Vec<u8>> {
        let listed: Vec<_> = self.packages.list("").try_collect().await.unwrap();
        let mut files = BTreeMap::new();
        for info in listed {
            let path = info.path.to_string();
            files.insert(path.clone(), get(self.packages.as_ref(), &path).await);
        }
        files
    }
}

pub async fn get(store: &dyn Store, path: &str) -> Vec<u8> {
    let info = store.head(&blob(path)).await.unwrap();
    store.read(&info.path, 0..info.size, &info.etag).await.unwrap().to_vec()
}

/// The receipt of the first request.
pub async fn receipt(world: &World, outcome: &Outcome) -> Receipt {
    receipt_at(world, outcome.requests[0].receipt.as_deref().unwrap()).await
}

/// The receipt at this location.
pub async fn receipt_at(world: &World, location: &str) -> Receipt {
    let path = location.split_once("_lacuna").map(|(_, rest)| format!("_lacuna{rest}")).unwrap();
    let jws = get(world.store.as_ref(), &path).await;
    verify::receipt(std::str::from_utf8(&jws).unwrap(), &key().verifying_key()).unwrap()
}

pub fn key() -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[7; 32])
}

pub fn blob(path: &str) -> BlobPath {
    BlobPath::new(path).unwrap()
}

pub fn field(column: &str, kind: &str) -> IdentifierRule {
    IdentifierRule::One(Field::new(column.parse().unwrap(), Kind::new(kind)))
}

/// A source of activity, where `UserId` identifies and `TenantId` bounds.
pub fn source(name: &str, shards: &str) -> Source {
    Source {
        name: name.into(),
        shards: shards.into(),
        format: FormatChoice::default(),
        product: "Office/SharePoint".into(),
        data_type: "ProductAndServiceUsage".into(),
        mapping: Mapping {
            identifiers: vec![field("UserId", "id")],
            tenant: TenantRule::Column("TenantId".parse().unwrap()),
        },
        time: None,
        on_erase: OnErase::Delete,
        poison: Poison::Refuse,
        empty_shards: EmptyShards::Keep,
        may_be_empty: false,
    }
}

pub fn request(id: &str, user: &str, action: Action) -> Request {
    let selector = Selector { tenant: Some(TenantId::new("T")), identifiers: vec![Identifier::new("id", user)] };
    Request::new(RequestId::new(id).unwrap(), selector, action)
}

pub fn find(user: &str) -> Request {
    // An id has few kinds of characters, unlike the users of real logs.
    let named: String = user.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    request(&format!("find-{named}"), user, Action::Discover)
}

pub fn export(id: &str, user: &str) -> Request {
    request(id, user, Action::Export(ExportOptions::default()))
}

pub fn erase(id: &str, user: &str) -> Request {
    request(id, user, Action::Erase(EraseMode::Now))
}

/// Rows as (tenant, user, number).
pub type Rows<'a> = &'a [(&'a str, &'a str, i64)];

pub fn parquet(rows: Rows<'_>) -> Vec<u8> {
    let column = |values: Vec<&str>| Arc::new(StringArray::from(values)) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("TenantId", column(rows.iter().map(|row| row.0).collect())),
        ("UserId", column(rows.iter().map(|row| row.1).collect())),
        ("Number", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))) as ArrayRef),
    ])
    .unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(10))
        .set_data_page_row_count_limit(4)
        .set_write_batch_size(4)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

pub fn ndjson(rows: Rows<'_>) -> String {
    let line = |row: &(&str, &str, i64)| {
        format!("{{\"TenantId\": \"{}\", \"UserId\": \"{}\", \"Number\": {}}}\n", row.0, row.1, row.2)
    };
    rows.iter().map(line).collect()
}

/// 30 rows of tenant `T` and 30 of `X`, by ten users in turn.
pub fn mixed() -> Vec<(&'static str, &'static str, i64)> {
    const USERS: [&str; 10] = ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9"];
    (0..60).map(|n: i64| (if n % 20 < 10 { "T" } else { "X" }, USERS[(n % 10) as usize], n)).collect()
}
