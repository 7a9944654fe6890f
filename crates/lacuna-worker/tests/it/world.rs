//! Logs of two days in a store, a ledger beside them, and workers with a clock that tests move.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use futures::TryStreamExt as _;
use lacuna_engine::{
    EmptyShards, Engine, EraseLimits, FormatChoice, OnErase, Poison, Receipt, SetSize, Settings as EngineSettings,
    Source,
};
use lacuna_ledger::{
    Actor, Identifier, Keys, Kind, Ledger, LedgerConfig, NewRequest, Policy, Request, RequestId, Role, State, Subject,
    Submitted,
};
use lacuna_scan::{Epochs, Field, IdentifierRule, Kind as IdKind, Limits, Mapping, TenantRule};
use lacuna_store::testing::Gated;
use lacuna_store::{BlobPath, Condition, Content, MemoryStore, Store, WriteOptions};
use lacuna_worker::{Catalogue, Engines, LedgerHolds, Settings, Summary, Work, Worker};
use time::OffsetDateTime;
use time::macros::datetime;
use tokio_util::sync::CancellationToken;

use crate::gale::{Gale, Gust};

const START: OffsetDateTime = datetime!(2026-03-01 09:00:00 UTC);

pub(crate) struct World {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) packages: Arc<dyn Store>,
    /// What meets workers on their way to both.
    pub(crate) gust: Arc<dyn Fn() -> Option<Gust> + Send + Sync>,
    pub(crate) ledger: Ledger,
    pub(crate) limits: EraseLimits,
    pub(crate) purge_within: Option<Duration>,
    pub(crate) sources: Vec<Source>,
    pub(crate) dir: tempfile::TempDir,
    now: Arc<Mutex<OffsetDateTime>>,
}

impl World {
    /// Two sources of five shards each, where every one of `u0` to `u9` has one row in each shard; erasures wait for nothing.
    pub(crate) async fn new() -> Self {
        Self::with(Policy { cancel_window: time::Duration::ZERO, ..Policy::default() }).await
    }

    pub(crate) async fn with(policy: Policy) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = dir.path().join("ledger.db").display().to_string();
        let keys = Keys::new("k1", [1; 32], [2; 32]);
        let ledger = Ledger::open(&LedgerConfig { url, keys, policy }).await.unwrap();
        let store = || Arc::new(MemoryStore::new()) as Arc<dyn Store>;
        let world = Self {
            store: store(),
            packages: store(),
            gust: Arc::new(|| None),
            ledger,
            limits: EraseLimits::default(),
            purge_within: None,
            sources: vec![source("a"), source("b")],
            dir,
            now: Arc::new(Mutex::new(START)),
        };
        for n in 0..5 {
            for source in ["a", "b"] {
                world.put(&format!("{source}/{n}.ndjson"), &lines(0..10)).await;
            }
        }
        world
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        *self.now.lock().unwrap()
    }

    pub(crate) fn wait(&self, span: time::Duration) {
        *self.now.lock().unwrap() += span;
    }

    pub(crate) fn worker(&self, name: &str) -> Worker {
        self.worker_on(name, self.ledger.clone())
    }

    /// A worker that has this way to the ledger.
    pub(crate) fn worker_on(&self, name: &str, ledger: Ledger) -> Worker {
        let settings = Settings {
            lease: Duration::from_secs(30),
            set_size: SetSize { shards: 2, bytes: u64::MAX },
            look_every: Duration::from_millis(20),
            purge_within: self.purge_within,
            ..Settings::default()
        };
        let through = || self.engine_on(self.way(&self.store), self.way(&self.packages), &ledger);
        let engines = Engines { batch: through(), on_demand: through() };
        let catalogue = Catalogue { sources: self.sources.clone(), limits: self.limits.clone() };
        let now = self.now.clone();
        let worker = Worker::new(name, ledger, engines, catalogue, settings);
        worker.by_clock(Arc::new(move || *now.lock().unwrap()))
    }

    fn way(&self, to: &Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Gated(Gale { inner: to.clone(), gust: self.gust.clone() }))
    }

    /// The test's own, which nothing stands in the way of.
    pub(crate) fn engine(&self) -> Engine {
        self.engine_on(self.store.clone(), self.packages.clone(), &self.ledger)
    }

    fn engine_on(&self, store: Arc<dyn Store>, packages: Arc<dyn Store>, ledger: &Ledger) -> Engine {
        Engine::new(EngineSettings {
            store,
            export: Some(packages),
            epochs: Epochs::default(),
            signing_key: Some(key()),
            holds: Arc::new(LedgerHolds::of(ledger.clone())),
            limits: Limits::default(),
            memory: 64 << 20,
            threads: 2,
            requests: 8,
            temp_dir: None,
        })
        .unwrap()
    }

    /// All kinds of work, once.
    pub(crate) async fn work(&self) -> Summary {
        self.worker("w").once(&Work::ALL, &CancellationToken::new()).await.unwrap()
    }

    pub(crate) async fn only(&self, work: Work) -> Summary {
        self.worker("w").once(&[work], &CancellationToken::new()).await.unwrap()
    }

    pub(crate) async fn submit(&self, kind: Kind, user: &str) -> RequestId {
        self.submit_new(wish(kind, user)).await
    }

    /// An erasure that leaves the bytes in the same pass.
    pub(crate) async fn erase_now(&self, user: &str) -> RequestId {
        let mut new = wish(Kind::Erase, user);
        new.options.insert("erase".into(), "now".into());
        self.submit_new(new).await
    }

    pub(crate) async fn submit_new(&self, new: NewRequest) -> RequestId {
        let requester = Actor::new("ann", Role::Requester);
        match self.ledger.submit(new, &requester, self.now()).await.unwrap() {
            Submitted::New(request) => request.id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn request(&self, id: RequestId) -> Request {
        self.ledger.request(id).await.unwrap()
    }

    pub(crate) async fn state(&self, id: RequestId) -> State {
        self.request(id).await.state
    }

    pub(crate) async fn put(&self, path: &str, content: &str) {
        put(self.store.as_ref(), path, content).await;
    }

    pub(crate) async fn remove(&self, path: &str) {
        let path = BlobPath::new(path).unwrap();
        let etag = self.store.head(&path).await.unwrap().etag;
        self.store.delete(&path, &etag).await.unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        get(self.store.as_ref(), path).await
    }

    /// The rows of a user that the logs' bytes hold, hidden or not.
    pub(crate) async fn rows_of(&self, user: &str) -> usize {
        let mut rows = 0;
        let needle = format!("\"{user}\"");
        for (path, content) in all(self.store.as_ref()).await {
            if !path.starts_with("_lacuna/") {
                rows += content.matches(&needle).count();
            }
        }
        rows
    }

    /// What Lacuna itself keeps beside the logs, by path.
    pub(crate) async fn own(&self) -> Vec<String> {
        all(self.store.as_ref()).await.into_keys().filter(|path| path.starts_with("_lacuna/")).collect()
    }

    pub(crate) async fn packaged(&self) -> BTreeMap<String, String> {
        all(self.packages.as_ref()).await
    }

    /// The newest receipt of a request.
    pub(crate) async fn receipt(&self, id: RequestId) -> Receipt {
        let id = lacuna_engine::RequestId::new(&id.to_string()).unwrap();
        self.engine().receipt(&id).await.unwrap().unwrap().1
    }
}

/// Works until the worker is polled so often, and then never again, as a process that is killed; false when it came to its end before. An
/// error is what a ledger that fails comes to, and the next round goes on.
pub(crate) async fn killed_after(worker: &Worker, polls: u64) -> bool {
    let never = CancellationToken::new();
    let mut round = Box::pin(worker.once(&Work::ALL, &never));
    let mut left = polls;
    std::future::poll_fn(|context| {
        left = left.saturating_sub(1);
        match round.as_mut().poll(context) {
            Poll::Ready(_) => Poll::Ready(false),
            Poll::Pending if left == 0 => Poll::Ready(true),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A line for each of these users.
pub(crate) fn lines(users: std::ops::Range<usize>) -> String {
    users.map(|n| format!("{{\"UserId\":\"u{n}\",\"N\":{n}}}\n")).collect()
}

pub(crate) fn wish(kind: Kind, user: &str) -> NewRequest {
    NewRequest::new(kind, subject(user), "gdpr")
}

pub(crate) fn subject(user: &str) -> Subject {
    Subject::new([Identifier::new("id", user)])
}

pub(crate) fn source(name: &str) -> Source {
    Source {
        name: name.into(),
        shards: format!("{name}/*.ndjson"),
        format: FormatChoice::default(),
        product: "Office".into(),
        data_type: name.into(),
        mapping: Mapping {
            identifiers: vec![IdentifierRule::One(Field::new("UserId".parse().unwrap(), IdKind::new("id")))],
            tenant: TenantRule::Single,
        },
        time: None,
        on_erase: OnErase::Delete,
        poison: Poison::Refuse,
        empty_shards: EmptyShards::Keep,
        may_be_empty: false,
    }
}

fn key() -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[7; 32])
}

async fn all(store: &dyn Store) -> BTreeMap<String, String> {
    let listed: Vec<_> = store.list("").try_collect().await.unwrap();
    let mut files = BTreeMap::new();
    for info in listed {
        let bytes = store.read(&info.path, 0..info.size, &info.etag).await.unwrap();
        files.insert(info.path.to_string(), String::from_utf8_lossy(&bytes).into_owned());
    }
    files
}

pub(crate) async fn put(store: &dyn Store, path: &str, content: &str) {
    let path = BlobPath::new(path).unwrap();
    let content = Content::Bytes(content.to_owned().into());
    store.write(&path, content, Condition::Any, WriteOptions::default()).await.unwrap();
}

async fn get(store: &dyn Store, path: &str) -> String {
    let info = store.head(&BlobPath::new(path).unwrap()).await.unwrap();
    String::from_utf8(store.read(&info.path, 0..info.size, &info.etag).await.unwrap().to_vec()).unwrap()
}
