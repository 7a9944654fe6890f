//! A store in memory that numbers every operation, and lets faults happen at some of them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::StreamExt as _;
use futures::stream;
use lacuna_store::testing::{Gate, Listed};
use lacuna_store::{BlobPath, Error, ErrorKind, Keeping, MemoryStore, Result, Store};

/// What happens at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails, and nothing happens.
    Refuse(ErrorKind),
    /// It happens, and its answer is lost.
    Lost,
    /// It happens, a while later.
    Stall,
    /// The run is killed before it.
    Killed,
    /// The run is killed when it has happened.
    KilledAfter,
    /// Another writer puts other rows in the shard's place first.
    Replaced,
    /// Another writer adds rows to the shard first.
    Appended,
    /// Another writer removes the shard first.
    Removed,
    /// Another run hides somebody else's row in the shard first.
    Hidden,
}

/// Which faults happen at which operations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    at: BTreeMap<usize, Fault>,
}

impl Faults {
    pub(crate) fn none() -> Self {
        Self::default()
    }

    pub(crate) fn at(operation: usize, fault: Fault) -> Self {
        Self { at: BTreeMap::from([(operation, fault)]) }
    }

    pub(crate) fn of(faults: impl IntoIterator<Item = (usize, Fault)>) -> Self {
        Self { at: faults.into_iter().collect() }
    }

    /// Whether another writer is among them.
    pub(crate) fn have_writer(&self) -> bool {
        self.at.values().any(|fault| matches!(fault, Fault::Replaced | Fault::Appended | Fault::Removed))
    }
}

/// What another writer does to the shards.
pub(crate) type Writer = Box<dyn Fn(&MemoryStore, Fault) + Send + Sync>;

/// The store.
pub(crate) struct Faulty {
    pub(crate) inner: MemoryStore,
    faults: Mutex<BTreeMap<usize, Fault>>,
    next: AtomicUsize,
    dead: AtomicBool,
    writer: Mutex<Option<Writer>>,
}

impl std::fmt::Debug for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faulty").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Faulty {
    pub(crate) fn new(faults: Faults, keeping: Keeping) -> Self {
        Self {
            inner: MemoryStore::keeping(keeping),
            faults: Mutex::new(faults.at),
            next: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
            writer: Mutex::new(None),
        }
    }

    pub(crate) fn with_writer(self, writer: Writer) -> Self {
        *self.writer.lock().unwrap() = Some(writer);
        self
    }

    /// How many operations there were.
    pub(crate) fn operations(&self) -> usize {
        self.next.load(Ordering::SeqCst)
    }

    /// From here on nothing fails.
    pub(crate) fn heal(&self) {
        self.faults.lock().unwrap().clear();
        self.dead.store(false, Ordering::SeqCst);
    }

    /// What happens at the next operation.
    fn fault(&self) -> Option<Fault> {
        let at = self.next.fetch_add(1, Ordering::SeqCst);
        if self.dead.load(Ordering::SeqCst) {
            return Some(Fault::Killed);
        }
        let fault = self.faults.lock().unwrap().remove(&at);
        if matches!(fault, Some(Fault::Replaced | Fault::Appended | Fault::Removed | Fault::Hidden))
            && let (Some(writer), Some(fault)) = (&*self.writer.lock().unwrap(), fault)
        {
            writer(&self.inner, fault);
        }
        fault
    }
}

impl Gate for Faulty {
    fn inner(&self) -> &dyn Store {
        &self.inner
    }

    async fn pass<T: Send>(&self, path: &BlobPath, operation: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let fail = |kind| Err(Error::new(kind).at(path));
        match self.fault() {
            None | Some(Fault::Replaced | Fault::Appended | Fault::Removed | Fault::Hidden) => operation.await,
            Some(Fault::Refuse(kind)) => fail(kind),
            Some(Fault::Lost) => {
                operation.await?;
                fail(ErrorKind::Unavailable)
            }
            Some(Fault::Stall) => {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                operation.await
            }
            Some(Fault::Killed) => {
                self.dead.store(true, Ordering::SeqCst);
                fail(ErrorKind::Other)
            }
            Some(Fault::KilledAfter) => {
                let _ = operation.await;
                self.dead.store(true, Ordering::SeqCst);
                fail(ErrorKind::Other)
            }
        }
    }

    fn pass_list<'s>(&'s self, list: impl FnOnce() -> Listed<'s>) -> Listed<'s> {
        let broken = |kind| stream::once(std::future::ready(Err(Error::new(kind)))).boxed();
        match self.fault() {
            Some(Fault::Refuse(kind)) => broken(kind),
            Some(Fault::Lost) => list().take(1).chain(broken(ErrorKind::Unavailable)).boxed(),
            Some(Fault::Killed | Fault::KilledAfter) => {
                self.dead.store(true, Ordering::SeqCst);
                broken(ErrorKind::Other)
            }
            None | Some(_) => list(),
        }
    }
}

/// Numbers from a seed (SplitMix64, Steele, Lea and Flood 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
