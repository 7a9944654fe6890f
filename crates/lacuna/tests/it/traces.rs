//! Traces reach a collector that the environment names, and name nobody.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use crate::home::{ALICE, Home};

/// What a collector was sent.
#[derive(Clone, Debug)]
struct Sent {
    request_line: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

/// A collector on this machine, and what it gets.
fn collector() -> (String, Arc<Mutex<Vec<Sent>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let got = Arc::new(Mutex::new(Vec::new()));
    let shared = got.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut lines = reader.by_ref().lines().map(Result::unwrap);
            let Some(request_line) = lines.next() else { continue };
            let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let length =
                headers.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            shared.lock().unwrap().push(Sent { request_line, headers, body });
            let _ = reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    (url, got)
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}

#[test]
fn a_collector_gets_the_commands_span_and_no_identifier() {
    let home = Home::with_logs();
    let (url, got) = collector();
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=privacy")];
    let erase = ["-vvv", "erase", "--json", "--yes", "--tenant", "contoso", "--subjects", "-"];
    let ran = home.run_with(&erase, &variables, ALICE);
    ran.ends(0).json();

    let got = got.lock().unwrap().clone();
    assert!(!got.is_empty(), "{}", ran.stderr);
    for Sent { request_line, headers, body } in &got {
        assert_eq!(request_line, "POST /v1/traces HTTP/1.1");
        assert!(
            headers.iter().any(|line| line.to_lowercase() == "content-type: application/x-protobuf"),
            "{headers:?}"
        );
        assert!(headers.iter().any(|line| line.to_lowercase() == "x-team: privacy"), "{headers:?}");
        assert!(!holds(body, "alice"), "an identifier in a trace");
    }
    let has = |text| got.iter().any(|sent| holds(&sent.body, text));
    assert!(has("lacuna erase") && has("service.name"));
    assert!(!ran.stderr.to_lowercase().contains("alice@"), "an identifier in a log line: {}", ran.stderr);
}

#[test]
fn a_collector_that_is_not_there_holds_nothing_up() {
    let home = Home::with_logs();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let find = ["find", "--json", "--tenant", "contoso", "--subject", ALICE];
    let ran = home.run_with(&find, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)], "");
    assert_eq!(ran.ends(0).json()["complete"], true);
    let ran = home.run_with(&find, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "not an address")], "");
    assert!(ran.ends(0).stderr.contains("no traces are sent"), "{}", ran.stderr);
}
