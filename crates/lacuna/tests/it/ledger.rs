//! Requests in a ledger: recorded, decided on, held; and a record that shows when it was tampered with.

use serde_json::Value;

use crate::home::{ALICE, Home, Ran};

const FOUR_EYES: &str = "approvals = 2\nroles = { requester = [\"ann\"], approver = [\"ann\", \"ben\", \"carla\"], operator = [\"olga\"] }\n";

fn submit(home: &Home, kind: &str, more: &[&str]) -> Ran {
    let args = ["request", "submit", kind, "--tenant", "contoso", "--subjects", "-", "--json"];
    home.run_with(&[&args[..], more].concat(), &[], ALICE)
}

fn id(ran: &Ran) -> String {
    ran.ends(0).json()["request"].as_str().unwrap().to_owned()
}

fn act(home: &Home, verb: &str, id: &str, more: &[&str]) -> Ran {
    home.run(&[&["request", verb, id, "--json"][..], more].concat())
}

fn state(home: &Home, id: &str) -> Value {
    act(home, "show", id, &[]).ends(0).json()["state"].clone()
}

#[test]
fn an_erasure_waits_for_its_cancel_window_and_can_be_taken_back() {
    let home = Home::with_ledger("");
    let ran = submit(&home, "erase", &[]);
    let document = ran.ends(0).json();
    assert_eq!((&document["state"], &document["submitted"]), (&"scheduled".into(), &"new".into()));
    assert_eq!(document["requester"], "tester");
    let id = id(&ran);
    let shown = act(&home, "show", &id, &[]).ends(0).json();
    assert!(shown["not_before"].as_str() > shown["received"].as_str(), "{shown}");
    let text = home.run(&["request", "show", &id]);
    assert!(text.ends(0).stdout.contains("scheduled; runs after"), "{}", text.stdout);
    let cancelled = act(&home, "cancel", &id, &["--reason", "asked twice"]);
    assert_eq!(cancelled.ends(0).json()["state"], "cancelled");
    // What has ended is moved no more.
    let again = act(&home, "cancel", &id, &[]);
    assert!(again.ends(4).stderr.contains("the request is cancelled"), "{}", again.stderr);
}

#[test]
fn the_same_request_is_recorded_once() {
    let home = Home::with_ledger("");
    let first = submit(&home, "export", &["--idempotency-key", "k1"]);
    let again = submit(&home, "export", &["--idempotency-key", "k1"]);
    assert_eq!((id(&first), again.json()["submitted"].clone()), (id(&again), "known".into()));
    // The same wish without a key is under way.
    let duplicate = submit(&home, "export", &[]);
    assert_eq!((id(&duplicate), duplicate.json()["submitted"].clone()), (id(&first), "duplicate".into()));
    let other = submit(&home, "erase", &["--idempotency-key", "k1"]);
    assert!(other.ends(4).stderr.contains("idempotency key"), "{}", other.stderr);
    assert_eq!(home.run(&["request", "list", "--json"]).json()["requests"].as_array().unwrap().len(), 1);
}

#[test]
fn two_people_approve_and_none_their_own() {
    let home = Home::with_ledger(FOUR_EYES);
    let ran = submit(&home, "erase", &["--as", "ann"]);
    assert_eq!(ran.ends(0).json()["state"], "received");
    let id = id(&ran);
    let approve = |name| act(&home, "approve", &id, &["--force", "--as", name]);
    assert!(approve("ann").ends(4).stderr.contains("of their own"));
    let one = approve("ben").ends(0).json();
    assert_eq!((&one["state"], &one["approvers"]), (&"received".into(), &serde_json::json!(["ben"])));
    assert!(approve("ben").ends(4).stderr.contains("has approved already"));
    assert_eq!(approve("carla").ends(0).json()["state"], "scheduled");
}

#[test]
fn roles_say_who_may() {
    let home = Home::with_ledger(FOUR_EYES);
    let ran = submit(&home, "erase", &[]);
    assert!(ran.ends(4).stderr.contains("`tester` is no requester"), "{}", ran.stderr);
    let id = id(&submit(&home, "erase", &["--as", "ann"]));
    let ran = act(&home, "deny", &id, &["--reason", "no proof of who they are", "--as", "olga"]);
    assert!(ran.ends(4).stderr.contains("`olga` is no approver"), "{}", ran.stderr);
    let ran = act(&home, "deny", &id, &["--reason", "no proof of who they are", "--as", "ben"]);
    assert_eq!(ran.ends(0).json()["state"], "denied");
    assert_eq!(submit(&home, "erase", &["--force", "--as", "ben"]).ends(0).json()["requester"], "ben");
}

#[test]
fn the_clock_is_extended_paused_and_resumed() {
    let home = Home::with_ledger("");
    let ran = submit(&home, "export", &[]);
    let due = ran.ends(0).json()["due"].as_str().unwrap().to_owned();
    let id = id(&ran);
    let extended = act(&home, "extend", &id, &["--months", "2", "--reason", "ten thousand logs"]).ends(0).json();
    assert!(extended["due"].as_str().unwrap() > due.as_str());
    let again = act(&home, "extend", &id, &["--months", "1", "--reason", "more"]);
    assert!(again.ends(4).stderr.contains("once only"), "{}", again.stderr);
    let paused = act(&home, "pause", &id, &["--reason", "which account?"]).ends(0).json();
    assert!(paused["paused"].is_string());
    assert!(act(&home, "resume", &id, &[]).ends(0).json()["paused"].is_null());
    let text =
        |what: &str, more: &[&str]| home.run(&[&["request", what, id.as_str()], more].concat()).ends(0).stdout.clone();
    assert!(text("pause", &["--reason", "who is it?"]).contains("; paused"));
    assert!(text("resume", &[]).contains("; due 20"));
    // Reasons are kept: they must not name the person.
    let named = act(&home, "pause", &id, &["--reason", "is alice@example.org you?"]);
    assert!(named.ends(4).stderr.contains("names the person"), "{}", named.stderr);
    assert!(!named.stderr.contains("alice@"), "{}", named.stderr);
}

#[test]
fn what_is_overdue_has_an_exit_code_of_its_own() {
    let home = Home::with_ledger("");
    assert_eq!(home.run(&["request", "list"]).ends(0).stdout, "There are no requests.\n");
    submit(&home, "export", &[]).ends(0);
    assert_eq!(home.run(&["request", "list", "--kind", "erase"]).ends(0).stdout, "There is no such request.\n");
    assert_eq!(home.run(&["request", "list", "--overdue", "--json"]).ends(0).json()["requests"], serde_json::json!([]));
    let late = id(&submit(&home, "discover", &["--received", "2026-01-01"]));
    let ran = home.run(&["request", "list", "--overdue", "--json"]);
    let document = ran.ends(5).json();
    assert_eq!(document["requests"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&document["requests"][0]["request"], &document["requests"][0]["overdue"]),
        (&late.into(), &true.into())
    );
    let text = home.run(&["request", "list"]);
    assert!(text.ends(0).stdout.contains("overdue"), "{}", text.stdout);
    assert_eq!(
        home.run(&["request", "list", "--kind", "export", "--json"]).json()["requests"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn pages_follow_each_other() {
    let home = Home::with_ledger("");
    for kind in ["discover", "export", "erase"] {
        submit(&home, kind, &[]).ends(0);
    }
    let mut after = Vec::new();
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let args =
            [&["request", "list", "--limit", "1", "--json"][..], &after.iter().map(String::as_str).collect::<Vec<_>>()];
        let page = home.run(&args.concat()).ends(0).json();
        kinds.push(page["requests"][0]["kind"].as_str().unwrap().to_owned());
        after = vec!["--after".to_owned(), page["next"].as_str().unwrap_or_default().to_owned()];
    }
    assert_eq!(kinds, ["erase", "export", "discover"]);
    assert_eq!(after[1], "", "the last page says so");
}

#[test]
fn to_rectify_or_restrict_is_refused_with_the_reason() {
    let home = Home::with_ledger("");
    for kind in ["rectify", "restrict"] {
        let ran = submit(&home, kind, &[]);
        assert!(ran.ends(4).stderr.contains("refused: a log"), "{}", ran.stderr);
        assert!(ran.json()["error"]["message"].as_str().unwrap().contains(kind));
    }
}

#[test]
fn holds_are_set_listed_and_lifted() {
    let home = Home::with_ledger("");
    let set = home.run_with(
        &[
            "hold",
            "set",
            "--subjects",
            "-",
            "--tenant",
            "contoso",
            "--reason",
            "A dispute.",
            "--legal-basis",
            "GDPR Art. 17(3)(e)",
            "--review",
            "2999-01-31",
            "--json",
        ],
        &[],
        ALICE,
    );
    let hold = set.ends(0).json()["hold"].as_str().unwrap().to_owned();
    let id = id(&submit(&home, "erase", &[]));
    let shown = act(&home, "show", &id, &[]).ends(0).json();
    assert_eq!(shown["holds"][0]["hold"], hold.as_str(), "{shown}");
    home.run(&["hold", "set", "--source", "activity", "--reason", "An audit.", "--legal-basis", "HGB § 257"]).ends(0);
    let listed = home.run(&["hold", "list", "--json"]).ends(0).json();
    assert_eq!(listed["holds"].as_array().unwrap().len(), 2);
    let text = home.run(&["hold", "list"]);
    assert!(text.stdout.contains("a person of contoso") && text.stdout.contains("source activity"), "{}", text.stdout);
    assert!(!text.stdout.contains("alice"), "{}", text.stdout);
    assert!(home.run(&["hold", "lift", &hold, "--reason", "It is settled."]).ends(0).stdout.contains("is lifted"));
    assert_eq!(act(&home, "show", &id, &[]).json()["holds"].as_array().unwrap().len(), 1);
    let unknown = home.run(&["hold", "set", "--source", "actvity", "--reason", "x", "--legal-basis", "y"]);
    assert!(unknown.ends(2).stderr.contains("did you mean `activity`?"), "{}", unknown.stderr);
    let over = ["hold", "set", "--source", "activity", "--reason", "x", "--legal-basis", "y", "--review", "2026-01-31"];
    assert!(home.run(&over).ends(2).stderr.contains("a day that is over"));
    let nobody = home.run(&["hold", "set", "--reason", "x", "--legal-basis", "y"]);
    assert!(nobody.ends(2).stderr.contains("nothing is held"), "{}", nobody.stderr);
    // It would hold nobody.
    let slip = ["hold", "set", "--subject", "emial=alice@example.org", "--reason", "x", "--legal-basis", "y"];
    let slip = home.run(&slip);
    assert!(slip.ends(2).stderr.contains("did you mean `email`?") && !slip.stderr.contains("alice"), "{}", slip.stderr);
}

#[test]
fn a_wish_that_was_received_earlier_makes_the_deadline_earlier() {
    let home = Home::with_ledger("");
    let first = submit(&home, "export", &[]);
    let again = submit(&home, "export", &["--received", "2026-01-01"]);
    assert_eq!((id(&again), again.json()["submitted"].clone()), (id(&first), "duplicate".into()));
    assert!(again.json()["due"].as_str() < first.json()["due"].as_str(), "{}", again.stdout);
    let in_words = |received| {
        let args = ["request", "submit", "export", "--tenant", "contoso", "--subjects", "-", "--received", received];
        home.run_with(&args, &[], ALICE).ends(0).stdout.contains("is due earlier now")
    };
    assert!(in_words("2025-12-01") && !in_words("2025-12-02"));
    let overdue = home.run(&["request", "list", "--overdue", "--json"]).json();
    assert_eq!(overdue["requests"][0]["request"].as_str(), Some(id(&first).as_str()));
}

#[test]
fn an_erasure_with_a_ledger_is_recorded_and_can_be_left_to_the_worker() {
    let home = Home::with_ledger("");
    let before = home.read("logs/activity/1.ndjson");
    let args = ["erase", "--yes", "--detach", "--tenant", "contoso", "--subject", ALICE, "--json"];
    let ran = home.run(&args);
    assert_eq!(ran.ends(0).json()["kind"], "erase");
    assert_eq!(state(&home, &id(&ran)), "scheduled");
    let export =
        ["export", "--detach", "--on-demand", "--format", "csv", "--tenant", "contoso", "--subject", ALICE, "--json"];
    let document = home.run(&export).ends(0).json();
    assert_eq!((&document["lane"], &document["options"]["format"]), (&"on_demand".into(), &"csv".into()));
    assert_eq!(home.read("logs/activity/1.ndjson"), before, "nothing is done yet");
    assert!(home.files("exports").is_empty());
    // A ledger gives ids of its own, and packages go where the configuration says.
    assert!(home.run(&[&export[..], &["--request-id", "x"]].concat()).ends(2).stderr.contains("--idempotency-key"));
    assert!(
        home.run(&[&export[..], &["--to", "elsewhere"]].concat()).ends(2).stderr.contains("--to is for runs without")
    );
    // A dry run needs no record.
    let dry = ["erase", "--dry-run", "--tenant", "contoso", "--subject", ALICE, "--json"];
    assert_eq!(home.run(&dry).ends(0).json()["dry_run"], true);
    assert!(home.run(&[&dry[..], &["--request-id", "x"]].concat()).ends(2).stderr.contains("--idempotency-key"));
}

#[test]
fn without_a_ledger_nothing_is_recorded_and_that_is_said() {
    let home = Home::with_logs();
    let ran = submit(&home, "erase", &[]);
    assert!(ran.ends(2).stderr.contains("has no `[ledger]`"), "{}", ran.stderr);
    let ran = home.run(&["erase", "--yes", "--detach", "--tenant", "contoso", "--subject", ALICE]);
    assert!(ran.ends(2).stderr.contains("--detach is for requests that a ledger records"), "{}", ran.stderr);
}

#[test]
fn the_chain_shows_a_changed_byte() {
    let home = Home::with_ledger("");
    let id = id(&submit(&home, "erase", &[]));
    act(&home, "cancel", &id, &["--reason", "not meant so"]).ends(0);
    let verified = home.run(&["ledger", "verify", "--json"]).ends(0).json();
    assert_eq!(verified["sound"], true);
    let entries = verified["entries"].as_u64().unwrap();
    assert!(entries >= 3, "{verified}");
    let exported = home.run(&["ledger", "export"]);
    let lines: Vec<Value> = exported.ends(0).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as u64, entries);
    assert_eq!(home.run(&["ledger", "export", "--from", "2"]).ends(0).stdout.lines().count() as u64, entries - 1);

    // Somebody changes what was said, in the file itself: as long as it was, so that the database still opens.
    let mut bytes = std::fs::read(home.path("lacuna-ledger.db")).unwrap();
    let places: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"not meant so")).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + 12].copy_from_slice(b"was meant so");
    }
    std::fs::write(home.path("lacuna-ledger.db"), bytes).unwrap();
    let broken = home.run(&["ledger", "verify"]);
    assert!(broken.ends(1).stdout.contains("the chain is broken: entry"), "{}", broken.stdout);
    assert_eq!(home.run(&["ledger", "verify", "--json"]).ends(1).json()["sound"], false);
}

#[test]
fn no_identifier_stands_in_the_ledgers_files() {
    let home = Home::with_ledger("");
    let ran = submit(&home, "erase", &[]);
    home.run_with(&["hold", "set", "--subjects", "-", "--reason", "A dispute.", "--legal-basis", "law"], &[], ALICE)
        .ends(0);
    act(&home, "cancel", &id(&ran), &[]).ends(0);
    let files =
        home.files("").into_iter().filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("lacuna-"));
    let mut looked = 0;
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(6).any(|window| window.eq_ignore_ascii_case(b"alice@"));
        assert!(!found, "an identifier in {}", path.display());
        looked += 1;
    }
    assert!(looked >= 2, "the ledger and its key");
    let exported = home.run(&["ledger", "export"]);
    assert!(!exported.stdout.contains("alice"), "{}", exported.stdout);
    assert!(!ran.stdout.contains("alice") && !ran.stderr.contains("alice"));
}

#[test]
fn a_key_that_is_lost_is_not_replaced() {
    let home = Home::with_ledger("");
    submit(&home, "export", &[]).ends(0);
    let key = home.read("lacuna-ledger.key");
    std::fs::remove_file(home.path("lacuna-ledger.key")).unwrap();
    for command in [&["request", "list"][..], &["check"], &["worker", "--once"]] {
        let ran = home.run(command);
        ran.ends(2);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("is missing: there is no lacuna-ledger.key") && said.contains("backup"), "{said}");
        assert!(!home.path("lacuna-ledger.key").exists());
    }
    home.write("lacuna-ledger.key", key);
    home.run(&["request", "list"]).ends(0);
    // An empty file is no ledger: what it needs is made.
    let home = Home::with_ledger("");
    home.write("lacuna-ledger.db", "");
    home.run(&["request", "list"]).ends(0);
    assert!(home.path("lacuna-ledger.key").exists());
}

#[test]
fn another_key_is_told_from_the_one_that_was() {
    let home = Home::with_ledger("");
    submit(&home, "export", &[]).ends(0);
    home.write("lacuna-ledger.key", "another key that is long enough to be one");
    let ran = home.run(&["request", "list"]);
    assert!(ran.ends(2).stderr.contains("key"), "{}", ran.stderr);
    home.write("lacuna-ledger.key", "short");
    assert!(home.run(&["request", "list"]).ends(2).stderr.contains("too short"));
}

#[test]
fn check_opens_the_ledger_and_reads_the_keys_of_receivers() {
    let home = Home::with_ledger("");
    let config = home.read("lacuna.toml");
    let notice =
        "[[notices]]\nname = \"portal\"\nurl = \"https://hooks.example.org\"\nsecret = { file = \"hook.key\" }\n";
    home.write("lacuna.toml", format!("{config}\n{notice}"));
    assert!(home.run(&["check"]).ends(2).stdout.contains("hook.key"));
    home.write("hook.key", "hunter2");
    let ran = home.run(&["check"]);
    assert!(ran.ends(2).stdout.contains("base64") && !ran.stdout.contains("hunter2"), "{}", ran.stdout);
    home.write("hook.key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
    let ran = home.run(&["check"]);
    assert!(ran.ends(0).stdout.contains("the key of the receiver `portal` is there"), "{}", ran.stdout);
    assert!(ran.stdout.contains("the ledger opens"), "{}", ran.stdout);
}

#[test]
fn a_purge_leaves_what_is_held_since_it_was_hidden() {
    let home = Home::with_ledger("cancel_window_hours = 0\n");
    let before = home.read("logs/activity/2.ndjson");
    id(&submit(&home, "erase", &[]));
    home.run(&["worker", "--once", "--only", "requests"]).ends(0);
    let held = ["--reason", "a lawsuit", "--legal-basis", "law 1", "--json"];
    let on_source = [&["hold", "set", "--source", "activity"][..], &held].concat();
    let on_person = [&["hold", "set", "--subjects", "-"][..], &held].concat();
    for (set, input) in [(on_source, ""), (on_person, ALICE)] {
        let hold = home.run_with(&set, &[], input).ends(0).json()["hold"].as_str().unwrap().to_owned();
        let ran = home.run(&["purge"]);
        assert!(ran.ends(0).stdout.contains("activity/1.ndjson: a lawsuit (law 1)"), "{}", ran.stdout);
        let document = home.run(&["purge", "--json"]).ends(0).json();
        assert_eq!((&document["shards_held"], &document["rows_purged"]), (&2.into(), &0.into()));
        assert_eq!(home.read("logs/activity/2.ndjson"), before);
        let dry = ["erase", "--dry-run", "--tenant", "contoso", "--subject"];
        let would = |who: &str| home.run(&[&dry[..], &[who]].concat()).ends(0).stdout.contains("would stay: a lawsuit");
        assert_eq!((would(ALICE), would("email=bob@example.org")), (true, input.is_empty()));
        home.run(&["hold", "lift", &hold, "--reason", "it is settled"]).ends(0);
    }
    assert_eq!(home.run(&["purge", "--json"]).ends(0).json()["rows_purged"], 3);
}

#[test]
fn nothing_that_a_ledger_hid_leaves_the_bytes_where_the_ledger_is_not_asked() {
    let home = Home::with_ledger("cancel_window_hours = 0\n");
    id(&submit(&home, "erase", &[]));
    home.run(&["worker", "--once", "--only", "requests"]).ends(0);
    let before = [home.read("logs/activity/1.ndjson"), home.read("logs/activity/2.ndjson")];
    let config = home.read("lacuna.toml");
    home.write("lacuna.toml", config.replace("[ledger]\ncancel_window_hours = 0\n", ""));
    let purged = home.run(&["purge"]);
    let held = "activity/1.ndjson: requests of a ledger are in it, and no ledger is configured";
    assert!(purged.ends(0).stdout.contains(held), "{}", purged.stdout);
    // What somebody else has in the same shard stays with it; elsewhere it goes.
    let bob = ["erase", "--now", "--yes", "--json", "--tenant", "contoso", "--subject", "email=bob@example.org"];
    home.run(&bob).ends(0);
    assert!(!home.read("logs/activity/3.ndjson").contains("bob@"));
    let document = home.run(&["purge", "--json"]).ends(0).json();
    assert_eq!((&document["shards_held"], &document["rows_purged"]), (&2.into(), &0.into()));
    assert_eq!([home.read("logs/activity/1.ndjson"), home.read("logs/activity/2.ndjson")], before);

    home.write("lacuna.toml", &config);
    assert_eq!(home.run(&["purge", "--json"]).ends(0).json()["rows_purged"], 4);
}

#[test]
fn what_is_hidden_tells_of_a_lost_ledger_before_there_is_a_receipt() {
    let home = Home::with_ledger("cancel_window_hours = 0\n");
    id(&submit(&home, "erase", &[]));
    home.run(&["worker", "--once", "--only", "requests"]).ends(0);
    std::fs::remove_dir_all(home.path("logs/_lacuna/receipts")).unwrap();
    std::fs::remove_file(home.path("lacuna-ledger.db")).unwrap();
    let ran = home.run(&["worker", "--once"]);
    assert!(ran.ends(2).stderr.contains("an empty one knows no hold"), "{}", ran.stderr);
    assert!(home.run(&["request", "list"]).ends(2).stderr.contains("an empty one knows no hold"));
}

#[test]
fn a_ledger_that_is_lost_is_not_taken_for_one_without_holds() {
    let home = Home::with_ledger("cancel_window_hours = 0\n");
    let erase = ["erase", "--yes", "--detach", "--tenant", "contoso", "--subject", ALICE];
    let first = home.run(&erase);
    assert!(first.ends(0).stderr.contains("Made a ledger, as there was none"), "{}", first.stderr);
    home.run(&["worker", "--once"]).ends(0);
    std::fs::remove_file(home.path("lacuna-ledger.db")).unwrap();
    let hold = ["hold", "set", "--source", "activity", "--reason", "r", "--legal-basis", "b"];
    let [worker, sweep] = [["worker", "--once"], ["sweep", "--json"]];
    let looks = [["request", "list"], ["hold", "list"], ["ledger", "verify"]];
    let commands = [&["purge"][..], &erase, &hold, &worker, &sweep, &looks[0], &looks[1], &looks[2]];
    // Nor is a file without anything in it, which is what some restores leave.
    for is_empty in [false, true] {
        for args in commands {
            let ran = home.run(args);
            assert!(ran.ends(2).stderr.contains("lacuna-ledger.db, and an empty one knows no hold"), "{}", ran.stderr);
            let length = home.path("lacuna-ledger.db").metadata().ok().map(|file| file.len());
            assert_eq!(length, is_empty.then_some(0), "{args:?}");
        }
        home.write("lacuna-ledger.db", "");
    }
    let made = home.run(&["check"]);
    assert!(made.ends(0).stderr.contains("its requests and holds are lost"), "{}", made.stderr);
    let purged = home.run(&["purge"]);
    assert_eq!(
        (purged.ends(0).stdout.as_str(), purged.stderr.contains("Made a ledger")),
        ("Nothing is hidden.\n", false)
    );
}
