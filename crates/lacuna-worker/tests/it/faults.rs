//! Three workers on a ledger and a store that fail, and that are killed themselves: whatever happens, every request ends as if nothing had.
//!
//! `LACUNA_SIM_FIRST` and `LACUNA_SIM_SEEDS` say which seeds; `cargo xtask sim` sets them. A seed draws the same faults at the same
//! transactions; which worker comes to them first is the machine's.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lacuna_ledger::testing::{Fault, Faults, Moment};
use lacuna_ledger::{Kind, RequestId, State};
use lacuna_worker::Worker;
use time::Duration;

use crate::gale::Gust;
use crate::world::{World, killed_after};

/// Seeds of a run that names none.
const SEEDS: u64 = 12;
/// Rounds in which things go wrong.
const ROUNDS: usize = 6;
/// A worker is killed after fewer polls than this; a round of one that works alone takes some hundreds.
const POLLS_MAX: u64 = 700;
/// Rounds without faults after which everything must have ended.
const QUIET: usize = 12;

/// Numbers that look random and are the same for the same seed (splitmix64).
struct Dice(AtomicU64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    fn below(&self, end: u64) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// Strikes one in so many transactions of the ledger and operations on the store, as long as it is on.
struct Storm {
    dice: Dice,
    one_in: u64,
    is_on: AtomicBool,
    struck: Mutex<Vec<(Moment, Fault)>>,
    /// For the store: one in so many operations, and the dice.
    gust_in: u64,
    gusts: Dice,
}

impl Storm {
    fn gust(&self) -> Option<Gust> {
        if !self.is_on.load(Ordering::Relaxed) || self.gusts.below(self.gust_in) > 0 {
            return None;
        }
        Some(if self.gusts.below(2) == 0 { Gust::Refused } else { Gust::Lost })
    }
}

impl Faults for Storm {
    fn strike(&self, moment: Moment) -> Option<Fault> {
        if !self.is_on.load(Ordering::Relaxed) || self.dice.below(self.one_in) > 0 {
            return None;
        }
        let fault = if self.dice.below(3) == 0 { Fault::Busy } else { Fault::Lost };
        self.struck.lock().unwrap().push((moment, fault));
        Some(fault)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_workers_on_a_ledger_and_a_store_that_fail_lose_nothing_and_do_nothing_twice() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("LACUNA_SIM_FIRST").unwrap_or(0);
    for seed in first..first + number("LACUNA_SIM_SEEDS").unwrap_or(SEEDS) {
        Box::pin(storm(seed)).await;
    }
}

async fn storm(seed: u64) {
    let mut world = World::new().await;
    let dice = Dice::new(seed);
    let export = world.submit(Kind::Export, "u2").await;
    let now = world.erase_now("u3").await;
    let hide = world.submit(Kind::Erase, "u4").await;
    let both = world.submit(Kind::ExportAndErase, "u5").await;
    let erased = [(now, "u3"), (hide, "u4"), (both, "u5")];
    let storm = Arc::new(Storm {
        dice: Dice::new(!seed),
        one_in: 4 + dice.below(60),
        is_on: AtomicBool::new(true),
        struck: Mutex::default(),
        gust_in: 20 + dice.below(400),
        gusts: Dice::new(seed.rotate_left(32)),
    });
    world.gust = Arc::new({
        let storm = storm.clone();
        move || storm.gust()
    });
    let ledger = world.ledger.with_faults(storm.clone());
    for _ in 0..ROUNDS {
        let workers: Vec<Worker> =
            ["w1", "w2", "w3"].iter().map(|name| world.worker_on(name, ledger.clone())).collect();
        let rounds = workers.iter().map(|worker| killed_after(worker, dice.below(POLLS_MAX)));
        futures::future::join_all(rounds).await;
        check(&world, seed, export, &erased).await;
        world.wait(match dice.below(3) {
            0 => Duration::ZERO,
            1 => Duration::minutes(2),
            _ => Duration::HOUR,
        });
    }
    storm.is_on.store(false, Ordering::Relaxed);
    let all = [export, now, hide, both];
    for _ in 0..QUIET {
        world.wait(Duration::hours(25));
        world.work().await;
    }
    let struck = storm.struck.lock().unwrap().clone();
    for request in all {
        let request = world.request(request).await;
        assert_eq!(request.state, State::Complete, "seed {seed}: {:?} after {struck:?}", request.missing);
    }
    check(&world, seed, export, &erased).await;
    for user in ["u2", "u6"] {
        assert_eq!(world.rows_of(user).await, 10, "seed {seed}: {user}");
    }
    assert!(!world.own().await.iter().any(|path| path.contains("/passes/")), "seed {seed}");
    let chain = world.ledger.verify_chain(&[]).await.unwrap();
    assert!(chain.broken.is_none(), "seed {seed}: {chain:?}");
}

/// What must hold at any moment: nothing is called complete that is not.
async fn check(world: &World, seed: u64, export: RequestId, erased: &[(RequestId, &str)]) {
    for (request, user) in erased {
        if world.state(*request).await == State::Complete {
            assert_eq!(world.rows_of(user).await, 0, "seed {seed}: {user} is complete");
            let receipt = world.receipt(*request).await;
            assert!(receipt.complete && receipt.shards_pending() == 0, "seed {seed}: {receipt:?}");
            assert_eq!(receipt.sources.iter().map(|source| source.rows_erased()).sum::<u64>(), 10, "seed {seed}");
        }
    }
    if world.state(export).await == State::Complete {
        let packaged = world.packaged().await;
        assert!(packaged.contains_key(&format!("_/{export}/_SUCCESS")), "seed {seed}");
        for source in ["a", "b"] {
            let rows = packaged[&format!("_/{export}/Office/{source}.json")].matches("u2").count();
            assert_eq!(rows, 5, "seed {seed}: {source}");
        }
    }
}
