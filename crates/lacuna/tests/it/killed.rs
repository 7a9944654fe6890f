//! The process is killed in the middle of an erasure, again and again; the same commands do the rest.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::azure::home_in_azure;
use crate::home::{ALICE, Home};

const ERASE: [&str; 9] = ["erase", "--yes", "--json", "--tenant", "contoso", "--subject", ALICE, "--request-id", "r"];

/// How often a run is killed: `LACUNA_KILLS`, or a few times.
fn kills(few: u32) -> u32 {
    std::env::var("LACUNA_KILLS").ok().map_or(few, |text| text.parse().unwrap())
}

/// Moments that are spread over `whole`, in no order and the same each time.
fn moments(count: u32, whole: Duration) -> impl Iterator<Item = Duration> {
    // The golden ratio's multiples fill an interval evenly, however many they are.
    (1..=count).map(move |n| whole.mul_f64((f64::from(n) * 0.618_033_988_75).fract()))
}

/// Kills erasures of `home`, in one step and in two, and says how many were under way.
fn kill_erasures(home: &Home, variables: &[(&str, &str)], shards: &[&str], round: u32, after: Duration) -> bool {
    let now = round.is_multiple_of(2);
    let sources: &[&str] = if now { &["--source", "activity", "--now"] } else { &["--source", "activity"] };
    let erase = [&ERASE[..], sources].concat();
    let was_running = home.run_and_kill(&erase, variables, after);
    let purge = ["purge", "--json"];
    if !now {
        home.run_with(&erase, variables, "").ends(0);
        home.run_and_kill(&purge, variables, after);
    }
    // Locks are let go with the process that held them.
    let again = home.run_with(&erase, variables, "");
    assert_eq!(again.ends(0).json()["complete"], true);
    home.run_with(&purge, variables, "").ends(0);

    let find = ["find", "--json", "--tenant", "contoso", "--subject", ALICE, "--source", "activity"];
    assert_eq!(home.run_with(&find, variables, "").ends(0).json()["matched"], 0);
    for shard in shards {
        let cat = home.run_with(&["cat", shard], variables, "");
        let rows = cat.ends(0).stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["N"].clone());
        let expected: &[u32] = match *shard {
            "activity/2.ndjson" => &[6],
            "activity/3.ndjson" => &[7],
            _ => &[2, 3],
        };
        assert_eq!(rows.collect::<Vec<_>>(), expected, "{shard}, round {round}, {after:?}");
    }
    was_running
}

#[test]
fn on_disk() {
    let home = || {
        let home = Home::with_logs();
        for n in 10..20 {
            std::fs::copy(home.path("logs/activity/1.ndjson"), home.path(&format!("logs/activity/{n}.ndjson")))
                .unwrap();
        }
        home.run(&["check", "--init-keys"]).ends(0);
        home
    };
    let start = Instant::now();
    home().run(&[&ERASE[..], &["--now", "--source", "activity"]].concat()).ends(0);
    let whole = start.elapsed();
    let mut killed = 0;
    for (round, after) in (0..).zip(moments(kills(40), whole)) {
        let home = home();
        let shards = ["activity/1.ndjson", "activity/2.ndjson", "activity/3.ndjson", "activity/19.ndjson"];
        killed += u32::from(kill_erasures(&home, &[], &shards, round, after));
        let left = home.files("logs/_lacuna/operations").len() + home.files("logs/_lacuna/tombstones").len();
        assert_eq!(left, 0, "round {round}, {after:?}");
        let staged = home.files("logs/_lacuna/staging");
        assert_eq!(staged, <[std::path::PathBuf; 0]>::default(), "round {round}, {after:?}");
        // The newest receipt accounts for all of it, whichever run did it.
        let receipts = home.files("logs/_lacuna/receipts");
        let newest = receipts.iter().max_by_key(|path| std::fs::metadata(path).unwrap().modified().unwrap()).unwrap();
        let receipt = home.run(&["verify", "--json", &newest.display().to_string()]).ends(0).json();
        let lines = receipt["receipt"]["sources"][0]["shards"].as_array().unwrap().clone();
        let gone = lines.iter().filter(|line| line["state"] == "gone").count();
        assert_eq!(gone, 12, "round {round}, {after:?}: {lines:?}");
    }
    assert!(killed > 0, "every run was over before it was killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_azure() {
    let key = [("AZURE_STORAGE_KEY", lacuna_store::testing::AZURITE_KEY)];
    let (home, _) = home_in_azure().await;
    home.run(&["check", "--init-keys"]);
    let start = Instant::now();
    home.run_with(&[&ERASE[..], &["--now", "--source", "activity"]].concat(), &key, "").ends(0);
    let whole = start.elapsed();
    let mut killed = 0;
    for (round, after) in (0..).zip(moments(kills(10), whole)) {
        let (home, _) = home_in_azure().await;
        home.run(&["check", "--init-keys"]);
        let shards = ["activity/1.ndjson", "activity/2.ndjson", "activity/3.ndjson"];
        killed += u32::from(kill_erasures(&home, &key, &shards, round, after));
    }
    assert!(killed > 0, "every run was over before it was killed");
}
