//! The metrics page over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lacuna_worker::metrics::{Metrics, RequestCount, Waiting, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn the_page_is_as_old_as_the_look_at_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let page = format!("http://{}/metrics", listener.local_addr().unwrap());
    let metrics = Metrics::default();
    let answers = Arc::new(AtomicBool::new(true));
    let ledger = answers.clone();
    let waiting = move || {
        let answers = ledger.load(Ordering::SeqCst);
        async move {
            let requests = vec![RequestCount { kind: "erase", state: "scheduled", requests: 3 }];
            answers.then_some(Waiting { requests, oldest: Some(Duration::from_secs(60)), deadline_seconds: Some(3600) })
        }
    };
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, metrics.clone(), waiting, stop.clone()));

    let read = async || {
        let answer = reqwest::get(&page).await.unwrap();
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
        answer.text().await.unwrap()
    };
    metrics.searched("activity", 10, 20, 1);
    let text = read().await;
    for line in [
        "lacuna_ledger_up 1",
        "lacuna_requests{kind=\"erase\",state=\"scheduled\"} 3",
        "lacuna_due_oldest_seconds 60",
        "lacuna_deadline_nearest_hours 1",
        "lacuna_rows_scanned_total{source=\"activity\"} 10",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
    }
    answers.store(false, Ordering::SeqCst);
    metrics.searched("activity", 5, 20, 1);
    let text = read().await;
    for line in ["lacuna_ledger_up 0", "lacuna_rows_scanned_total{source=\"activity\"} 15"] {
        assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
    }
    stop.cancel();
    server.await.unwrap().unwrap();
}
