//! A worker carries out what the ledger records.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use lacuna_store::testing;
use serde_json::{Value, json};

use crate::home::{ALICE, Home, wait_for_handler};

/// Works at once on what is due, all kinds of work.
const ONCE: [&str; 3] = ["worker", "--once", "--json"];

fn home(lines: &str) -> Home {
    let home = Home::with_ledger(&format!("cancel_window_hours = 0\n{lines}"));
    let config = home.read("lacuna.toml");
    home.write("lacuna.toml", config.replace("url = \"exports\"", "url = \"exports\"\nkeep_days = 30"));
    home
}

fn submit(home: &Home, kind: &str, more: &[&str]) -> String {
    let who = ["request", "submit", kind, "--json", "--as", "ann", "--tenant", "contoso", "--subject", ALICE];
    let document = home.run(&[&who[..], more].concat()).ends(0).json();
    document["request"].as_str().unwrap().to_owned()
}

fn show(home: &Home, id: &str) -> Value {
    home.run(&["request", "show", id, "--json"]).ends(0).json()
}

#[test]
fn requests_are_carried_out_and_proved() {
    let home = home("");
    let export = submit(&home, "export", &["--source", "activity"]);
    let summary = home.run(&ONCE).ends(0).json();
    assert_eq!((&summary["requests"]["complete"], &summary["passes"]), (&json!(1), &json!(1)));
    assert_eq!(show(&home, &export)["state"], "complete");
    assert!(home.path(&format!("exports/contoso/{export}/_SUCCESS")).exists());

    let erase = submit(&home, "erase", &["--now"]);
    let text = home.run(&["worker", "--once"]).ends(0).stdout.clone();
    assert!(text.contains("Requests: 1 complete, in 1 pass.") && text.contains("Sweep: searched"), "{text}");
    let shown = show(&home, &erase);
    assert_eq!(shown["state"], "complete");
    assert!(!home.read("logs/activity/1.ndjson").contains("\"contoso\",\"User\":\"alice@example.org\""));
    assert!(home.read("logs/audit/1.ndjson").contains("alice@example.org"), "audit logs are kept");
    let text = home.run(&["request", "show", &erase]).ends(0).stdout.clone();
    assert!(text.contains("records found, 1 of them kept"), "{text}");
    let receipt = shown["receipt"].as_str().unwrap();
    home.run(&["verify", receipt, "--json"]).ends(0);
    home.run(&["ledger", "verify", "--receipts", receipt]).ends(0);
    // Late records go, too.
    home.write("logs/activity/4.ndjson", "{\"TenantId\":\"contoso\",\"User\":\"alice@example.org\",\"N\":9}\n");
    let swept = home.run(&["sweep", "--json"]).ends(0).json();
    assert_eq!(swept["sweep"]["erased"], 1);
    assert_eq!(home.read("logs/activity/4.ndjson"), "");
}

#[test]
fn an_export_is_followed_to_its_end() {
    let home = home("");
    let worker = Service::start(&home);
    let args = ["export", "--json", "--as", "ann", "--on-demand", "--tenant", "contoso", "--subject", ALICE];
    let document = home.run(&args).ends(0).json();
    assert_eq!(document["state"], "complete");
    let page = worker.metrics();
    assert!(page.contains("lacuna_requests{kind=\"export\",state=\"complete\"} 1"), "{page}");
    assert!(!page.contains("alice"), "{page}");
    worker.terminates_within_seconds();
}

#[test]
fn what_is_missing_ends_with_code_3_and_is_tried_again() {
    let home = home("");
    let whole = home.read("logs/activity/2.ndjson");
    home.write("logs/activity/2.ndjson", "{\"TenantId\": \n");
    let erase = submit(&home, "erase", &["--now"]);
    let summary = home.run(&ONCE).ends(3).json();
    assert_eq!(summary["requests"]["incomplete"], 1);
    let shown = show(&home, &erase);
    assert_eq!((&shown["state"], &shown["missing"][0]["shard"]), (&json!("incomplete"), &json!("activity/2.ndjson")));
    let told = home.run(&["request", "show", &erase]);
    assert!(told.ends(0).stdout.contains("; tried again after "), "{}", told.stdout);
    home.write("logs/activity/2.ndjson", whole);
    // Not before its time: nothing is due.
    let summary = home.run(&ONCE).ends(0).json();
    assert_eq!(summary["passes"], 0);
}

#[test]
fn an_erasure_over_the_limits_says_why_it_awaits_approval() {
    let home = home("");
    let config = home.read("lacuna.toml");
    home.write("lacuna.toml", format!("[limits]\nmax_rows = 2\n{config}"));
    let erase = submit(&home, "erase", &["--now"]);
    assert_eq!(home.run(&ONCE).ends(0).json()["requests"]["awaiting_approval"], 1);
    let shown = home.run(&["request", "show", &erase]).ends(0).stdout.clone();
    assert!(shown.contains("because      it would erase more than `[limits]` allow without an approval\n"), "{shown}");
    home.run(&["request", "approve", &erase, "--as", "ada", "--json"]).ends(0);
    assert_eq!(show(&home, &erase)["reason"], Value::Null);
    home.run(&ONCE).ends(0);
    assert_eq!(show(&home, &erase)["state"], "complete");
}

#[test]
fn a_worker_that_cannot_stop_cleanly_in_time_stops_at_once() {
    // A storage account that takes every request and answers none.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let home = home("");
    home.run(&["check", "--init-keys"]).ends(0);
    let config = home.read("lacuna.toml");
    let place = format!("url = \"az://logs\"\nendpoint = \"http://{address}/account\"");
    home.write("lacuna.toml", config.replace("url = \"logs\"", &place));
    submit(&home, "erase", &["--now"]);
    let key = [("AZURE_STORAGE_KEY", testing::AZURITE_KEY)];
    let args = ["worker", "--once", "--only", "requests", "--grace", "1"];
    let mut child = home.command(&args).envs(key).spawn().unwrap();
    let _connection = silent.accept().unwrap();
    wait_for_handler(&child.id().to_string());
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_configuration_that_cannot_be_right_is_said_at_once() {
    let home = home("");
    let config = home.read("lacuna.toml");
    home.write("lacuna.toml", format!("{config}\n[worker]\npurge = \"hourly\"\nsweeps = \"never\"\n"));
    let ran = home.run(&ONCE);
    ran.ends(2);
    assert!(ran.stderr.contains("`worker.purge`") && ran.stderr.contains("*/15 * * * *"), "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean `sweep`?"), "{}", ran.stderr);
    home.write("lacuna.toml", config);
    let ran = home.run(&["worker", "--once", "--memory", "20MiB"]);
    assert!(ran.ends(2).stderr.contains("a worker needs 32 MiB of memory"), "{}", ran.stderr);
    let without = Home::with_logs();
    assert!(without.run(&ONCE).ends(2).stderr.contains("has no `[ledger]`"));
}

/// A worker that stays.
struct Service {
    child: std::process::Child,
    address: String,
}

impl Service {
    fn start(home: &Home) -> Self {
        let mut child = home.spawn(&["worker", "--metrics", "127.0.0.1:0"]);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().find_map(|line| {
            Some(line.unwrap().strip_prefix("Metrics: http://")?.strip_suffix("/metrics")?.to_owned())
        });
        // It must never wait for a reader of what it says.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.unwrap() }
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }

    fn terminates_within_seconds(mut self) {
        terminate(&self.child);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

/// Sends SIGTERM.
fn terminate(child: &std::process::Child) {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
