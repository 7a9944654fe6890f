//! Find, export, erase, verify: one person's way through the tool.

use serde_json::{Value, json};

use crate::home::{ALICE, Home};

const WHO: [&str; 4] = ["--tenant", "contoso", "--subject", ALICE];

fn with<'a>(command: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    [command, &WHO, rest].concat()
}

#[test]
fn find_counts_by_source() {
    let home = Home::with_logs();
    let ran = home.run(&with(&["find"], &["--json"]));
    ran.ends(0);
    let document = ran.json();
    assert_eq!(document["matched"], 4);
    assert_eq!(document["complete"], true);
    let activity = &document["sources"][0];
    assert_eq!(
        (&activity["source"], &activity["shards"], &activity["shards_matched"]),
        (&json!("activity"), &json!(3), &json!(2))
    );
    assert_eq!((&activity["rows_scanned"], &activity["matched"]), (&json!(7), &json!(3)));
    assert_eq!(activity["problems"], json!([]));
    assert!(activity["bytes_read"].as_u64().unwrap() > 0);

    let text = home.run(&with(&["find"], &["--source", "activity"]));
    text.ends(0);
    assert!(text.stdout.starts_with("Found 3 records in 2 shards.\n"), "{}", text.stdout);
    assert!(!text.stdout.contains("audit") && !text.stdout.contains("alice"), "{}", text.stdout);
}

#[test]
fn subjects_come_from_files_and_standard_input() {
    let home = Home::with_logs();
    home.write("who.txt", "# two people\n\nemail=alice@example.org\r\nemail=bob@example.org\n");
    let find = ["find", "--json", "--tenant", "contoso", "--subjects"];
    assert_eq!(home.run(&[&find[..], &["who.txt"]].concat()).ends(0).json()["matched"], 6);
    let ran = home.run_with(&[&find[..], &["-"]].concat(), &[], "email=bob@example.org");
    assert_eq!(ran.ends(0).json()["matched"], 2);
}

#[test]
fn people_apart_get_a_request_each_from_one_pass() {
    let home = Home::with_logs();
    home.write("who.txt", "email=bob@example.org\nemail=alice@example.org\nemail=nobody@example.org\n");
    let who = ["--tenant", "contoso", "--subjects", "who.txt", "--apart"];
    let run = |command: &[&str]| home.run(&[command, &who[..]].concat()).ends(0).json();
    let document = run(&["export", "--json", "--request-id", "r"]);
    assert_eq!(document["matched"], 6);
    assert!(document.get("package").is_none());
    let of = |document: &Value, key: &str| -> Vec<Value> {
        document["requests"].as_array().unwrap().iter().map(|request| request[key].clone()).collect()
    };
    assert_eq!(of(&document, "request"), ["r-1", "r-2", "r-3"]);
    assert_eq!(of(&document, "matched"), [2, 4, 0]);
    for (package, numbers) in of(&document, "package").iter().zip([&[2, 7][..], &[1, 4, 5], &[]]) {
        let package = package.as_str().unwrap().trim_start_matches("file://").to_owned();
        home.run(&["verify", &package]).ends(0);
        let data = home.files("exports").into_iter();
        let data = data.filter(|path| path.starts_with(&package) && path.ends_with("ProductAndServiceUsage.json"));
        let records =
            data.flat_map(|path| serde_json::from_slice::<Vec<Value>>(&std::fs::read(path).unwrap()).unwrap());
        assert_eq!(records.map(|record| record["N"].clone()).collect::<Vec<_>>(), numbers, "{package}");
    }

    let text = home.run(&[&["export"], &who[..]].concat());
    assert!(
        text.ends(0).stdout.starts_with("Found 6 records in 4 shards and wrote them to 3 packages.\n"),
        "{}",
        text.stdout
    );
    let erased = run(&["erase", "--now", "--yes", "--json"]);
    for receipt in of(&erased, "receipt") {
        home.run(&["verify", receipt.as_str().unwrap()]).ends(0);
    }
    assert_eq!(run(&["find", "--json", "--source", "activity"])["matched"], 0);
}

/// Packages and receipts are written together: as many as there are, on a machine that lets a process open few files.
#[test]
fn many_people_need_few_open_files() {
    const PEOPLE: usize = 150;
    let home = Home::with_logs();
    let each = |line: &dyn Fn(usize) -> String| (0..PEOPLE).map(line).collect::<String>();
    home.write("who.txt", each(&|n| format!("email=p{n}@example.org\n")));
    for shard in 0..40 {
        let records = each(&|n| format!("{{\"TenantId\":\"contoso\",\"User\":\"p{n}@example.org\",\"N\":{shard}}}\n"));
        home.write(&format!("logs/activity/p{shard}.ndjson"), records);
    }
    let who = ["--tenant", "contoso", "--subjects", "who.txt", "--apart", "--json"];
    let run = |command: &[&str]| home.run_with_open_files(100, &[command, &who[..]].concat()).ends(0).json();
    assert_eq!(run(&["export"])["matched"], 40 * PEOPLE);
    let packages = home.files("exports");
    assert_eq!(packages.iter().filter(|path| path.ends_with("_SUCCESS")).count(), PEOPLE);
    assert_eq!(run(&["erase", "--yes"])["matched"], 40 * PEOPLE);
    let purged = home.run_with_open_files(100, &["purge", "--json"]).ends(0).json();
    assert_eq!(purged["requests"].as_array().unwrap().len(), PEOPLE);
    assert_eq!(run(&["find", "--source", "activity"])["matched"], 0);
}

/// What can be read must not hang on how many processors a machine has.
#[test]
fn many_threads_read_as_large_records_as_few() {
    let home = Home::with_logs();
    let long = "x".repeat(8 << 20);
    let record = format!("{{\"TenantId\":\"contoso\",\"User\":\"alice@example.org\",\"N\":9,\"Text\":\"{long}\"}}\n");
    home.write("logs/activity/4.ndjson", record);
    let find = ["--json", "--source", "activity"];
    for threads in ["1", "128"] {
        let found = home.run(&with(&["find"], &[&find[..], &["--threads", threads]].concat()));
        assert_eq!(found.ends(0).json()["matched"], 4, "{threads} threads");
    }
    let small = home.run(&with(&["find"], &[&find[..], &["--memory", "16MiB"]].concat()));
    let document = small.ends(3).json();
    let reason = document["sources"][0]["problems"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("`limits.record_bytes_max`") && reason.contains("`--memory`"), "{reason}");
}

#[test]
fn a_glob_that_lists_nothing_is_incomplete() {
    let home = Home::with_logs();
    let config = home.read("lacuna.toml").replace("audit/*.ndjson", "adit/*.ndjson");
    home.write("lacuna.toml", config);
    let ran = home.run(&with(&["find"], &["--json"]));
    let document = ran.ends(3).json();
    assert_eq!(document["complete"], false);
    assert_eq!(document["sources"][1]["problems"][0]["shard"], "adit/*.ndjson");
    let text = home.run(&with(&["find"], &[]));
    assert!(text.ends(3).stdout.contains("Incomplete"), "{}", text.stdout);
}

#[test]
fn an_export_can_be_verified_until_it_is_changed() {
    let home = Home::with_logs();
    let ran = home.run(&with(&["export"], &["--json", "--request-id", "r-1"]));
    ran.ends(0);
    assert!(ran.stderr.contains("Made a signing key"), "{}", ran.stderr);
    let package = ran.json()["package"].as_str().unwrap().to_owned();
    let verified = home.run(&["verify", "--json", &package]);
    assert_eq!(verified.ends(0).json()["valid"], true);
    // Whoever has the public key needs nothing else.
    let public = home.path("lacuna-signing.pub.pem").display().to_string();
    Home::empty().run(&["verify", &package, "--key", &public]).ends(0);
    // It says whose it is, and takes nothing that only a receipt can answer.
    assert_eq!(verified.json()["package"]["tenant"], "contoso");
    assert!(home.run(&["verify", &package]).ends(0).stdout.contains("of tenant contoso"));
    for args in [&["--against"][..], &WHO] {
        let ran = home.run(&[&["verify", &package], args].concat());
        assert!(ran.ends(2).stderr.contains("is a package"), "{}", ran.stderr);
    }

    let success = home.files("exports").into_iter().find(|path| path.ends_with("_SUCCESS")).unwrap();
    std::fs::remove_file(&success).unwrap();
    let unfinished = home.run(&["verify", &package]);
    assert!(unfinished.ends(3).stdout.contains("not complete: its `_SUCCESS`"), "{}", unfinished.stdout);
    let document = home.run(&["verify", "--json", &package]).ends(3).json();
    assert_eq!((&document["valid"], &document["package"]["complete"]), (&true.into(), &false.into()));
    std::fs::write(&success, "").unwrap();

    let data = home.files("exports").into_iter().find(|path| path.ends_with("ProductAndServiceUsage.json")).unwrap();
    let records: Vec<Value> = serde_json::from_slice(&std::fs::read(&data).unwrap()).unwrap();
    assert_eq!(records.iter().map(|record| &record["N"]).collect::<Vec<_>>(), [1, 4, 5]);
    std::fs::write(&data, "[]").unwrap();
    let broken = home.run(&["verify", &package]);
    assert!(broken.ends(1).stdout.contains("ProductAndServiceUsage.json"), "{}", broken.stdout);
}

#[test]
fn an_export_goes_where_it_is_told() {
    let home = Home::with_logs();
    let elsewhere = Home::empty();
    let target = format!("file://{}", elsewhere.path("new/folder").display());
    home.run(&with(&["export"], &["--to", &target, "--format", "csv"])).ends(0);
    assert!(elsewhere.files("new/folder").iter().any(|path| path.ends_with("ProductAndServiceUsage.csv")));
    assert!(!home.path("exports").exists());
}

#[test]
fn an_export_says_where_it_could_not_write() {
    let home = Home::with_logs();
    home.write("taken", "a file where a folder should be");
    let ran = home.run(&with(&["export"], &["--to", "taken", "--yes"]));
    ran.ends(1);
    assert!(ran.stderr.contains("taken"), "{}", ran.stderr);
    assert_eq!(home.read("taken"), "a file where a folder should be");
}

#[test]
fn an_erasure_takes_the_tenants_rows_and_proves_it() {
    let home = Home::with_logs();
    let untouched = home.read("logs/activity/3.ndjson");
    let erased = home.run(&with(&["erase", "--now", "--yes", "--json"], &[]));
    let document = erased.ends(0).json();
    assert_eq!((&document["matched"], &document["erased"]), (&json!(4), &json!(3)));
    assert_eq!(document["sources"][1]["kept"][0]["reason"], "Needed to prove who did what.");

    let kept = "{\"TenantId\":\"contoso\",\"User\":\"bob@example.org\",\"N\":2}\n\
                {\"TenantId\":\"fabrikam\",\"User\":\"alice@example.org\",\"N\":3}\n";
    assert_eq!(home.read("logs/activity/1.ndjson"), kept);
    assert_eq!(
        home.read("logs/activity/2.ndjson"),
        "{\"TenantId\":\"contoso\",\"User\":\"malice@example.org\",\"N\":6}\n"
    );
    assert_eq!(home.read("logs/activity/3.ndjson"), untouched);

    let receipt = document["receipt"].as_str().unwrap();
    let verified = home.run(&["verify", "--json", receipt]);
    let verified = verified.ends(0).json();
    assert_eq!(verified["valid"], true);
    assert_eq!(verified["receipt"]["request"], document["request"]);
    assert!(!std::fs::read_to_string(receipt).unwrap().contains("alice"));
    let find = home.run(&with(&["find"], &["--json", "--source", "activity"]));
    assert_eq!(find.ends(0).json()["matched"], 0);
}

#[test]
fn an_erasure_hides_and_a_purge_takes_out() {
    let home = Home::with_logs();
    let before = home.read("logs/activity/1.ndjson");
    let hidden = home.run(&with(&["erase", "--yes", "--json", "--request-id", "r"], &[]));
    let document = hidden.ends(0).json();
    assert_eq!((&document["matched"], &document["hidden"], &document["erased"]), (&json!(4), &json!(3), &json!(0)));
    assert_eq!(home.read("logs/activity/1.ndjson"), before);
    let find = || home.run(&with(&["find"], &["--json", "--source", "activity"])).ends(0).json()["matched"].clone();
    assert_eq!(find(), 0);
    let cat = home.run(&["cat", "activity/1.ndjson"]);
    assert_eq!(cat.ends(0).stdout.lines().count(), 2);

    let due = home.run(&["purge", "--due", "--json"]).ends(0).json();
    assert_eq!((&due["shards_purged"], &due["shards_not_due"]), (&json!(0), &json!(2)));
    let purged = home.run(&["purge", "--json"]).ends(0).json();
    assert_eq!(
        (&purged["shards_purged"], &purged["rows_purged"], &purged["complete"]),
        (&json!(2), &json!(3), &json!(true))
    );
    let kept = "{\"TenantId\":\"contoso\",\"User\":\"bob@example.org\",\"N\":2}\n\
                {\"TenantId\":\"fabrikam\",\"User\":\"alice@example.org\",\"N\":3}\n";
    assert_eq!(home.read("logs/activity/1.ndjson"), kept);
    let receipt = purged["requests"][0]["receipt"].as_str().unwrap();
    assert!(receipt.ends_with("r.2.jws"), "{receipt}");
    let verified = home.run(&["verify", "--json", receipt]).ends(0).json();
    let states = |source: usize| verified["receipt"]["sources"][source]["shards"][0]["state"].clone();
    assert_eq!((states(0), states(1)), (json!("gone"), json!("kept")));
    assert_eq!(home.run(&["purge"]).ends(0).stdout, "Nothing is hidden.\n");
}

#[test]
fn a_receipt_with_a_blocked_shard_is_no_success() {
    let home = Home::with_logs();
    let hidden = home.run(&with(&["erase", "--yes", "--json", "--request-id", "r"], &[])).ends(0).json();
    home.run(&["verify", hidden["receipt"].as_str().unwrap()]).ends(0);
    // A table's log names the shards by now.
    home.write("logs/activity/_delta_log/0.json", "{}");
    let purged = home.run(&["purge", "--json"]).ends(3).json();
    let receipt = purged["requests"][0]["receipt"].as_str().unwrap();
    let verified = home.run(&["verify", receipt]);
    verified.ends(3);
    assert!(verified.stdout.contains("2 shards are blocked"), "{}", verified.stdout);
    home.run(&with(&["verify", receipt], &["--against"])).ends(3);
    std::fs::remove_dir_all(home.path("logs/activity/_delta_log")).unwrap();
    let purged = home.run(&["purge", "--json"]).ends(0).json();
    home.run(&["verify", purged["requests"][0]["receipt"].as_str().unwrap()]).ends(0);
}

#[test]
fn a_receipt_is_held_against_the_shards_of_today() {
    let home = Home::with_logs();
    let receipt = home.run(&with(&["erase", "--yes", "--json"], &[])).ends(0).json()["receipt"].clone();
    let receipt = receipt.as_str().unwrap();
    let against = |args: &[&str]| home.run(&[&["verify", receipt, "--json", "--against"], args].concat());
    let standing = |document: &Value| {
        let shards = document["shards"].as_array().unwrap().clone();
        shards.iter().map(|shard| shard["now"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(standing(&against(&[]).ends(0).json()), ["as-stated"; 3], "two hidden, one kept");

    let purged = home.run(&["purge", "--json"]).ends(0).json();
    let receipt = purged["requests"][0]["receipt"].as_str().unwrap();
    let against = |args: &[&str]| home.run(&[&["verify", receipt, "--json", "--against"], args].concat());
    assert_eq!(standing(&against(&[]).ends(0).json()), ["as-stated"; 3]);
    assert_eq!(against(&WHO).ends(0).json()["matched"], 0);
    // What cannot be searched is named.
    home.write("logs/activity/9.ndjson", "{\"User\": ");
    let document = against(&WHO).ends(3).json();
    assert_eq!(
        (&document["complete"], &document["problems"][0]["shard"]),
        (&json!(false), &json!("activity/9.ndjson"))
    );
    std::fs::remove_file(home.path("logs/activity/9.ndjson")).unwrap();

    // By another name or in another tenant it would vouch for somebody else. Whose it is, only the key that signed it tells.
    assert_eq!(against(&WHO).ends(0).json()["subject_checked"], true);
    let misspelt = ["--tenant", "contoso", "--subject", "email=alise@example.org"];
    let elsewhere = ["--tenant", "fabrikam", "--subject", ALICE];
    for (other, what) in [(misspelt, "a person with other identifiers"), (elsewhere, "another tenant")] {
        let ran = home.run(&[&["verify", receipt, "--against"], &other[..]].concat());
        assert!(ran.ends(2).stderr.contains(&format!("the receipt is of {what}")), "{}", ran.stderr);
    }
    let (private, aside) = (home.path("lacuna-signing.pem"), home.path("aside.pem"));
    std::fs::rename(&private, &aside).unwrap();
    assert_eq!(against(&misspelt).ends(0).json()["subject_checked"], false);
    assert!(
        home.run(&[&["verify", receipt, "--against"], &WHO[..]].concat()).ends(0).stdout.contains("was not checked")
    );
    assert!(home.run(&[&["verify", receipt, "--against"], &elsewhere[..]].concat()).ends(2).stderr.contains("tenant"));
    std::fs::rename(&aside, &private).unwrap();
    // Another writer brings a record back, and removes a shard.
    let line = "{\"TenantId\":\"contoso\",\"User\":\"alice@example.org\",\"N\":9}\n";
    home.write("logs/activity/1.ndjson", line);
    std::fs::remove_file(home.path("logs/activity/2.ndjson")).unwrap();
    assert_eq!(standing(&against(&[]).ends(3).json()), ["changed", "removed", "as-stated"]);
    assert_eq!(against(&WHO).ends(1).json()["matched"], 1);
    let text = home.run(&["verify", receipt, "--against"]);
    assert!(text.ends(3).stdout.contains("activity/2.ndjson: is not there any more"), "{}", text.stdout);
}

#[test]
fn a_receipt_that_says_of_itself_that_it_is_incomplete_does_not_pass_for_done() {
    let home = Home::with_logs();
    home.write("logs/activity/4.ndjson", "no JSON\n");
    let receipt = home.run(&with(&["erase", "--yes", "--json"], &[])).ends(3).json()["receipt"].clone();
    let receipt = receipt.as_str().unwrap();
    let said = home.run(&["verify", receipt]);
    assert!(said.ends(3).stdout.contains("\nThe receipt itself says that it is incomplete.\n"), "{}", said.stdout);
    home.run(&["verify", receipt, "--against"]).ends(3);
    // What a search finds today counts, whatever could not be looked at then.
    std::fs::remove_file(home.path("logs/activity/4.ndjson")).unwrap();
    home.run(&with(&["verify", receipt], &["--against"])).ends(0);
}

#[test]
fn a_search_against_a_receipt_says_what_was_searched_and_what_is_kept() {
    let home = Home::with_logs();
    let erase = |sources: &[&str]| {
        let document = home.run(&with(&["erase", "--yes", "--json"], sources)).code;
        assert!(matches!(document, Some(0 | 4)), "{document:?}");
        let mut receipts = home.files("logs/_lacuna/receipts");
        receipts.sort_by_key(|path| std::fs::metadata(path).unwrap().modified().unwrap());
        receipts.pop().unwrap().display().to_string()
    };
    let both = erase(&[]);
    let against =
        |receipt: &str, args: &[&str]| home.run(&with(&[&["verify", receipt], args].concat(), &["--against"]));
    let ran = against(&both, &[]);
    let said = ran.ends(0).stdout.rsplit("\n\n").next().unwrap();
    assert_eq!(
        said,
        "Searched for the person: source `activity`.\n\
         The person is in no record that shows there.\n\
         Not searched, as all is kept there: source `audit`.\n\
         Hidden when the receipt was written, and in the bytes until a purge: 3 records.\n\
         Kept on purpose, as the receipt says:\n  \
           audit/1.ndjson, of source `audit`: 1 record (Needed to prove who did what.)\n"
    );
    let document = against(&both, &["--json"]).ends(0).json();
    assert_eq!((&document["matched"], &document["searched"]), (&json!(0), &json!(["activity"])));
    assert_eq!(document["kept"][0]["shard"], "audit/1.ndjson");
    // Where all is kept, no other source is searched instead.
    home.write("logs/activity/1.ndjson", "{\"TenantId\":\"contoso\",\"User\":\"alice@example.org\",\"N\":9}\n");
    let ran = against(&erase(&["--source", "audit"]), &[]);
    assert!(ran.ends(0).stdout.contains("\nNothing was searched for the person.\n"), "{}", ran.stdout);
    assert!(against(&both, &[]).ends(1).stdout.contains("\nThe person is in 1 record there again.\n"));
    // The place that is named is the one that is searched.
    std::fs::rename(home.path("logs"), home.path("moved")).unwrap();
    home.write("logs/activity/1.ndjson", "");
    let receipt = both.replace("/logs/", "/moved/");
    let ran = home.run(&with(&["verify", &receipt], &["--against", "moved", "--json"]));
    assert_eq!(ran.ends(1).json()["matched"], 1);
}

#[test]
fn a_receipt_of_another_key_is_not_believed() {
    let home = Home::with_logs();
    let receipt = home.run(&with(&["erase", "--now", "--yes", "--json"], &[])).ends(0).json()["receipt"].clone();
    let other = Home::empty();
    other.run(&["check", "--init-keys"]);
    let public = other.path("lacuna-signing.pub.pem").display().to_string();
    let ran = home.run(&["verify", receipt.as_str().unwrap(), "--key", &public, "--json"]);
    assert!(ran.ends(1).json()["error"]["message"].as_str().unwrap().contains("no valid receipt"));
}

#[test]
fn a_dry_run_refuses_the_id_of_another_erasure() {
    let home = Home::with_logs();
    let dry = ["erase", "--dry-run", "--tenant", "contoso", "--request-id", "r", "--subject"];
    // Without a key nothing was signed, and none is made.
    home.run(&[&dry[..], &[ALICE]].concat()).ends(0);
    assert!(!home.path("lacuna-signing.pem").exists());
    home.run(&with(&["erase", "--yes", "--request-id", "r"], &[])).ends(0);
    home.run(&[&dry[..], &[ALICE]].concat()).ends(0);
    let refused = home.run(&[&dry[..], &["email=bob@example.org"]].concat());
    assert!(refused.ends(2).stderr.contains("r is the id of another erasure"), "{}", refused.stderr);
}

#[test]
fn a_dry_run_changes_nothing() {
    let home = Home::with_logs();
    let before = home.read("logs/activity/1.ndjson");
    let ran = home.run(&with(&["erase", "--dry-run"], &[]));
    ran.ends(0);
    assert!(ran.stdout.contains("would be deleted") && ran.stdout.contains("would stay"), "{}", ran.stdout);
    let json = home.run(&with(&["erase", "--now", "--dry-run", "--json"], &[])).ends(0).json();
    assert_eq!((&json["dry_run"], &json["matched"]), (&json!(true), &json!(4)));
    assert_eq!(home.read("logs/activity/1.ndjson"), before);
    assert!(!home.path("lacuna-signing.pem").exists(), "nothing is signed, so no key is made");
}

#[test]
fn what_is_kept_alone_is_refused() {
    let home = Home::with_logs();
    let before = home.read("logs/audit/1.ndjson");
    let ran = home.run(&with(&["erase", "--now", "--yes"], &["--source", "audit"]));
    assert!(ran.ends(4).stdout.contains("Needed to prove who did what."), "{}", ran.stdout);
    assert_eq!(home.read("logs/audit/1.ndjson"), before);
}

#[test]
fn cat_shows_a_shard() {
    let home = Home::with_logs();
    let ran = home.run(&["cat", "activity/3.ndjson"]);
    let record: Value = serde_json::from_str(ran.ends(0).stdout.trim_end()).unwrap();
    assert_eq!(record["N"], 7);
    let none = home.run(&["cat", "activity/none.ndjson"]);
    assert_eq!(none.ends(1).stderr.matches("activity/none.ndjson").count(), 1, "{}", none.stderr);
}

#[test]
fn check_looks_at_the_sources() {
    let home = Home::with_logs();
    let ran = home.run(&["check", "--json"]);
    let document = ran.ends(0).json();
    assert_eq!((&document["ok"], document["sources"].as_array().unwrap().len()), (&json!(true), 2));
    let cannot_write =
        |document: &Value| document["warnings"].to_string().contains("`erase`, `purge` and `sweep` will not");
    assert!(!cannot_write(&document), "{document}");
    // Where nothing of Lacuna's own can be written, erasures will fail.
    std::fs::remove_dir_all(home.path("logs/_lacuna")).unwrap();
    home.write("logs/_lacuna", "in the way");
    let warned = home.run(&["check", "--json"]).ends(0).json();
    assert!(cannot_write(&warned), "{warned}");
    std::fs::remove_file(home.path("logs/_lacuna")).unwrap();
    let config = home.read("lacuna.toml").replace("tenant = \"TenantId\"\n", "").replace("audit/*", "adit/*");
    home.write("lacuna.toml", config);
    let ran = home.run(&["check"]);
    ran.ends(3);
    assert!(ran.stdout.contains("maps no tenant") && ran.stdout.contains("adit/*.ndjson"), "{}", ran.stdout);
}

#[test]
fn cat_stops_when_its_reader_has_seen_enough() {
    let home = Home::with_logs();
    let line = format!("{{\"TenantId\":\"contoso\",\"User\":\"{}\"}}\n", "x".repeat(1000));
    home.write("logs/activity/long.ndjson", line.repeat(20_000));
    let ran = home.run_and_hang_up(&["cat", "activity/long.ndjson"]);
    assert!(ran.ends(0).stderr.is_empty(), "{}", ran.stderr);
}

#[test]
fn an_erasure_that_reaches_further_than_the_limits_changes_nothing() {
    let home = Home::with_logs();
    let config = home.read("lacuna.toml");
    home.write("lacuna.toml", format!("[limits]\nmax_rows = 2\n{config}"));
    let before = home.read("logs/activity/1.ndjson");
    let erase = ["erase", "--now", "--yes", "--tenant", "contoso", "--subject", ALICE, "--source", "activity"];
    let ran = home.run(&erase);
    assert!(ran.ends(4).stdout.contains("3 records match, and at most 2 may"), "{}", ran.stdout);
    assert!(ran.stdout.starts_with("Found 3 records in 2 shards. Nothing was erased.\n"), "{}", ran.stdout);
    let hide: Vec<_> = erase.into_iter().filter(|arg| *arg != "--now").collect();
    let ran = home.run(&hide);
    assert!(ran.ends(4).stdout.starts_with("Found 3 records in 2 shards. Nothing was hidden.\n"), "{}", ran.stdout);
    let document = home.run(&[&erase[..], &["--json"]].concat()).ends(4).json();
    assert_eq!(document["requests"][0]["stopped"], serde_json::json!({ "by": "max-rows", "matched": 3, "max": 2 }));
    assert_eq!(home.read("logs/activity/1.ndjson"), before);
    home.write("lacuna.toml", format!("[limits]\nmax_rows = 3\n{config}"));
    home.run(&erase).ends(0);
}

#[test]
fn a_shard_that_others_changed_never_shows_hidden_records_silently() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::with_logs();
    let hide = with(&["erase", "--yes"], &["--request-id", "r1", "--json"]);
    assert_eq!(home.run(&hide).ends(0).json()["hidden"], 3);
    let (touched, replaced) = (home.path("logs/activity/1.ndjson"), "logs/activity/2.ndjson");
    let find = || home.run(&with(&["find"], &[]));
    std::fs::set_permissions(&touched, std::fs::Permissions::from_mode(0o600)).unwrap();
    let ran = find();
    assert!(ran.ends(3).stdout.contains("permissions or links changed since rows of it were hidden"), "{}", ran.stdout);
    let cat = home.run(&["cat", "activity/1.ndjson"]);
    assert!(cat.ends(1).stdout.is_empty() && cat.stderr.contains("cannot be told"), "{}", cat.stderr);
    let check = home.run(&["check"]);
    assert!(
        check.ends(3).stdout.contains("activity/1.ndjson: ") && check.stdout.contains("cannot be told"),
        "{}",
        check.stdout
    );
    let purge = home.run(&["purge"]);
    assert!(
        purge.ends(3).stdout.contains("Nothing hides rows in the new versions of 1 replaced shard"),
        "{}",
        purge.stdout
    );

    home.write(replaced, home.read(replaced) + "{\"TenantId\":\"contoso\",\"User\":\"alice@example.org\",\"N\":9}\n");
    home.run(&hide).ends(0);
    assert!(find().ends(0).stdout.starts_with("Found 1 record in 1 shard."), "the audit log keeps it");
    home.write(replaced, home.read(replaced));
    let ran = find();
    assert!(ran.ends(0).stdout.contains("which nothing hides now"), "{}", ran.stdout);
    let cat = home.run(&["cat", "activity/2.ndjson"]);
    assert!(cat.ends(0).stderr.contains("they may be shown here"), "{}", cat.stderr);
    home.run(&hide).ends(0);
    home.run(&["purge"]).ends(0);
    assert!(!home.read(replaced).contains("\"alice"));
}

#[test]
fn another_erasure_in_a_changed_shard_shows_nothing_that_was_hidden_before() {
    use std::os::unix::fs::PermissionsExt as _;
    const BOB: [&str; 4] = ["--tenant", "contoso", "--subject", "email=bob@example.org"];
    let erase = |home: &Home, who: &[&str], id: &str, now: &[&str]| {
        home.run(&[&["erase", "--yes", "--json", "--request-id", id], who, now].concat())
    };
    let find = |home: &Home| home.run(&with(&["find"], &["--source", "activity", "--json"]));
    for now in [&[][..], &["--now"]] {
        let home = Home::with_logs();
        erase(&home, &WHO, "r1", &[]).ends(0);
        let shard = home.path("logs/activity/1.ndjson");
        std::fs::set_permissions(&shard, std::fs::Permissions::from_mode(0o600)).unwrap();
        find(&home).ends(3);
        // Its tombstone makes room; whether the rows that it hides are here is not clear all the same.
        erase(&home, &BOB, "r2", now).ends(if now.is_empty() { 0 } else { 3 });
        find(&home).ends(3);
        assert!(home.run(&["cat", "activity/1.ndjson"]).ends(1).stdout.is_empty());
        home.run(&["purge"]).ends(3);
        assert!(home.read("logs/activity/1.ndjson").contains("bob"));
        erase(&home, &WHO, "r1", now).ends(0);
        assert_eq!(find(&home).ends(0).json()["matched"], 0);
        home.run(&["purge"]).ends(0);
        let left = home.read("logs/activity/1.ndjson");
        assert!(!left.contains("contoso") && left.contains("fabrikam"), "{left}");
    }

    let home = Home::with_logs();
    erase(&home, &WHO, "r1", &[]).ends(0);
    let shard = "logs/activity/1.ndjson";
    home.write(shard, home.read(shard) + "\n");
    erase(&home, &BOB, "r2", &[]).ends(0);
    // Nothing hides them, and that is said for as long as it is so.
    let document = find(&home).ends(0).json();
    assert_eq!(
        (&document["matched"], &document["sources"][0]["superseded"]),
        (&json!(2), &json!(["activity/1.ndjson"]))
    );
    assert!(home.run(&["cat", "activity/1.ndjson"]).ends(0).stderr.contains("they may be shown here"));
    erase(&home, &WHO, "r1", &[]).ends(0);
    let document = find(&home).ends(0).json();
    assert_eq!((&document["matched"], document["sources"][0].get("superseded")), (&json!(0), None));
}

#[test]
fn a_log_tells_what_is_done_and_names_nobody() {
    let home = Home::with_logs();
    for (command, said) in [
        (with(&["find", "-vv"], &[]), r#""message":"searched","shard":"activity/1.ndjson","rows":4,"matched":2"#),
        (with(&["erase", "-vv", "--yes"], &[]), r#""message":"hidden","shard":"activity/1.ndjson","matched":2"#),
        (vec!["purge", "-v"], r#""rows_purged":3"#),
    ] {
        let log = home.run(&[&command[..], &["--log-format", "json"]].concat()).ends(0).stderr.clone();
        assert!(log.contains(said) && !log.contains("alice"), "{log}");
    }
}
