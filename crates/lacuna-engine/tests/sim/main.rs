//! Fault simulation: whatever happens to the store and to the run at any point, the next run finishes the job. Nothing is lost,
//! nothing stays, nothing is stated that is not so.
//!
//! Every single fault at every operation runs with the tests; `cargo xtask sim --seeds N` draws several faults a run.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a simulation that cannot go on fails"
)]

mod faulty;
mod scenario;

use std::sync::atomic::{AtomicU64, Ordering};

use faulty::{Fault, Faults, Faulty};
use lacuna_store::testing::Gated;
use lacuna_store::{ErrorKind, Hold, Keeping};
use scenario::{Format, Scenario, Work};

/// Every kind of fault that the contract of a store allows, and some that come from outside.
const FAULTS: [Fault; 12] = [
    Fault::Refuse(ErrorKind::Unavailable),
    Fault::Refuse(ErrorKind::Changed),
    Fault::Refuse(ErrorKind::NotFound),
    Fault::Refuse(ErrorKind::AccessDenied),
    Fault::Refuse(ErrorKind::Full),
    Fault::Lost,
    Fault::Stall,
    Fault::Killed,
    Fault::KilledAfter,
    Fault::Replaced,
    Fault::Appended,
    Fault::Removed,
];

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs a scenario with these faults, and says how many operations its first run had.
fn simulate(scenario: Scenario, faults: Faults, seed: Option<u64>) -> usize {
    let name = format!("{scenario:?}, {faults:?}, seed {seed:?}");
    let ran = std::panic::catch_unwind(|| runtime().block_on(scenario.run(faults)));
    match ran {
        Ok(operations) => operations,
        Err(cause) => {
            let why = cause.downcast_ref::<String>().cloned().unwrap_or_default();
            panic!("{name}: {why}")
        }
    }
}

fn every_single_fault(format: Format, works: &[Work], keeping: Keeping) {
    for &work in works {
        let scenario = Scenario { format, work, keeping };
        let operations = simulate(scenario, Faults::none(), None);
        assert!(operations > 3, "{scenario:?} did nothing");
        for at in 0..operations {
            for fault in FAULTS {
                simulate(scenario, Faults::at(at, fault), None);
            }
            // Not among the others: a row that is hidden in a version that a writer replaces is for its own request to search again.
            simulate(scenario, Faults::at(at, Fault::Hidden), None);
        }
    }
}

#[test]
fn single_faults_on_parquet() {
    every_single_fault(Format::Parquet, &Work::ALL, Keeping::Nothing);
}

#[test]
fn single_faults_on_lines() {
    every_single_fault(Format::Ndjson, &Work::ALL, Keeping::Nothing);
}

#[test]
fn single_faults_on_compressed_csv() {
    every_single_fault(Format::CsvGz, &Work::ALL, Keeping::Nothing);
}

#[test]
fn single_faults_on_arrow() {
    every_single_fault(Format::Arrow, &Work::ALL, Keeping::Nothing);
}

/// Versions that the store keeps are removed with the same care: what is found of them does not depend on the format.
#[test]
fn single_faults_where_versions_are_kept() {
    every_single_fault(Format::Ndjson, &[Work::Purge, Work::Now], Keeping::Versions);
}

/// What is held is removed by the first purge after the hold is lifted, although no row of the shard matches then.
#[test]
fn single_faults_where_versions_are_held() {
    every_single_fault(Format::Ndjson, &[Work::Purge, Work::Now], Keeping::Held(Hold::Legal));
}

/// Several faults a run, drawn from a seed. `LACUNA_SIM_SEEDS` says how many seeds, and `LACUNA_SIM_FIRST` which is the first.
#[test]
fn several_faults() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let (first, seeds) = (number("LACUNA_SIM_FIRST").unwrap_or(1), number("LACUNA_SIM_SEEDS").unwrap_or(100));
    let next = AtomicU64::new(first);
    let simulate_next = || {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= first + seeds {
            return false;
        }
        let mut random = faulty::Random::new(seed);
        let scenario = Scenario {
            format: *random.one_of(&Format::ALL),
            work: *random.one_of(&Work::ALL),
            keeping: *random.one_of(&[Keeping::Nothing, Keeping::Versions, Keeping::Held(Hold::Legal)]),
        };
        let operations = simulate(scenario, Faults::none(), None);
        let count = 2 + random.below(4);
        // Faults make runs longer: some lie behind the end of a run without any.
        let faults = (0..count).map(|_| (random.below(operations * 2), *random.one_of(&FAULTS)));
        simulate(scenario, Faults::of(faults), Some(seed));
        true
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| while simulate_next() {});
        }
    });
}

/// What the simulation itself relies on: a store that is wrapped without faults behaves as it is.
#[test]
fn without_faults_the_store_is_as_it_is() {
    let store = Gated(Faulty::new(Faults::none(), Keeping::Nothing));
    runtime().block_on(async {
        use lacuna_store::{Condition, Content, Store as _, WriteOptions};
        let path = lacuna_store::BlobPath::new("x").unwrap();
        let content = Content::Bytes(bytes::Bytes::from_static(b"abc"));
        let info = store.write(&path, content, Condition::New, WriteOptions::default()).await.unwrap();
        assert_eq!(store.read(&path, 1..3, &info.etag).await.unwrap(), "bc");
        assert_eq!(store.operations(), 2);
    });
}
