//! Notices, sent to receivers on this machine over TLS.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header::LOCATION};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum_server::tls_rustls::RustlsConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lacuna_worker::notice::{Change, Counts, Notifier, Receiver, SigningSecret, Tried};
use sha2::Sha256;
use time::OffsetDateTime;
use time::macros::datetime;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const NOW: OffsetDateTime = datetime!(2026-03-02 10:00:00 UTC);

/// A receiver of the test's own, and what it was sent.
pub(crate) struct Hook {
    address: SocketAddr,
    pub(crate) got: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    certificate: PathBuf,
    _dir: tempfile::TempDir,
}

/// What a receiver answers, try by try; the last answer is for all that follow.
#[derive(Clone)]
pub(crate) enum Answer {
    Status(u16),
    Redirect(String),
    Silence,
}

impl Hook {
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        let key = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let certificate = dir.path().join("ca.pem");
        std::fs::write(&certificate, key.cert.pem()).unwrap();
        let tls = RustlsConfig::from_pem(key.cert.pem().into(), key.signing_key.serialize_pem().into()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let app = Router::new().route("/hook", post(answer)).with_state((Arc::new(answers), got.clone()));
        let server = axum_server::from_tcp_rustls(listener, tls).unwrap();
        tokio::spawn(server.serve(app.into_make_service()));
        Self { address, got, certificate, _dir: dir }
    }

    /// The receiver under another name and with other settings, as the configuration may have it.
    pub(crate) fn receiver(&self, name: &str, host: &str, allow_private: bool) -> Receiver {
        let url = format!("https://{host}:{}/hook", self.address.port());
        let secret = SigningSecret::parse(SECRET).unwrap();
        Receiver::new(name.into(), &url, secret, allow_private).unwrap().trusting(Some(self.certificate.clone()))
    }

    pub(crate) fn times_asked(&self) -> usize {
        self.got.lock().unwrap().len()
    }
}

type Shared = (Arc<Vec<Answer>>, Arc<Mutex<Vec<(HeaderMap, String)>>>);

async fn answer(State((answers, got)): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let asked = {
        let mut got = got.lock().unwrap();
        got.push((headers, body));
        got.len()
    };
    match &answers[asked.min(answers.len()) - 1] {
        Answer::Status(status) => StatusCode::from_u16(*status).unwrap().into_response(),
        Answer::Redirect(to) => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to.clone())]).into_response(),
        Answer::Silence => std::future::pending().await,
    }
}

fn change() -> Change {
    Change {
        request: "0192e5c4-0000-7000-8000-000000000001".into(),
        kind: "erase",
        previous: Some("verifying"),
        state: "complete",
        at: NOW,
        received: NOW - time::Duration::days(2),
        due: NOW + time::Duration::days(28),
        counts: Some(Counts { matched: 7, erased: 7, kept: 0 }),
    }
}

async fn tell(receivers: Vec<Receiver>, settled: &[String]) -> Tried {
    let notifier = Notifier::with_limit(receivers, Duration::from_millis(1500)).unwrap();
    notifier.tell("msg_1", &change(), settled, NOW).await
}

fn failed(count: u64) -> Tried {
    Tried { failed: count, ..Tried::default() }
}

#[tokio::test]
async fn a_receiver_can_check_who_sent_it_and_when() {
    let hook = Hook::start(vec![Answer::Status(204)]).await;
    let tried = tell(vec![hook.receiver("portal", "localhost", true)], &[]).await;
    assert_eq!(tried, Tried { settled: vec!["portal".into()], taken: 1, failed: 0 });

    let got = hook.got.lock().unwrap();
    let (headers, body) = &got[0];
    assert_eq!(headers["webhook-id"], "msg_1");
    assert_eq!(headers["content-type"], "application/json");
    let timestamp = headers["webhook-timestamp"].to_str().unwrap();
    assert_eq!(timestamp, NOW.unix_timestamp().to_string());
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(&SECRET[6..]).unwrap()).unwrap();
    mac.update(format!("msg_1.{timestamp}.{body}").as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(headers["webhook-signature"].to_str().unwrap(), expected);
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["type"], &body["data"]["counts"]["erased"]), (&"request.complete".into(), &7.into()));
}

#[tokio::test]
async fn a_receiver_that_fails_is_told_again_and_the_others_are_not() {
    let sound = Hook::start(vec![Answer::Status(200)]).await;
    let failing = Hook::start(vec![Answer::Status(500), Answer::Status(202)]).await;
    let receivers = || vec![sound.receiver("sound", "localhost", true), failing.receiver("failing", "localhost", true)];
    let first = tell(receivers(), &[]).await;
    assert_eq!(first, Tried { settled: vec!["sound".into()], taken: 1, failed: 1 });
    let second = tell(receivers(), &first.settled).await;
    assert_eq!(second, Tried { settled: vec!["sound".into(), "failing".into()], taken: 1, failed: 0 });
    assert_eq!((sound.times_asked(), failing.times_asked()), (1, 2));
    let got = failing.got.lock().unwrap();
    assert_eq!(got[0], got[1], "the same notice, by its id, too");
}

#[tokio::test]
async fn a_receiver_that_says_nothing_holds_nobody_up() {
    let silent = Hook::start(vec![Answer::Silence]).await;
    // It takes the connection and says nothing at all, not even for TLS.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = deaf.local_addr().unwrap().port();
    let secret = SigningSecret::parse(SECRET).unwrap();
    let deaf_receiver = Receiver::new("deaf".into(), &format!("https://127.0.0.1:{port}/"), secret, true).unwrap();
    let sound = Hook::start(vec![Answer::Status(200)]).await;
    let receivers =
        vec![silent.receiver("silent", "localhost", true), deaf_receiver, sound.receiver("sound", "localhost", true)];
    let tried = tell(receivers, &[]).await;
    assert_eq!(tried, Tried { settled: vec!["sound".into()], taken: 1, failed: 2 });
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let inside = Hook::start(vec![Answer::Status(200)]).await;
    let target = format!("https://localhost:{}/hook", inside.address.port());
    let hook = Hook::start(vec![Answer::Redirect(target)]).await;
    assert_eq!(tell(vec![hook.receiver("portal", "localhost", true)], &[]).await, failed(1));
    assert_eq!((hook.times_asked(), inside.times_asked()), (1, 0));
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_not_connected_to() {
    let hook = Hook::start(vec![Answer::Status(200)]).await;
    assert_eq!(tell(vec![hook.receiver("portal", "localhost", false)], &[]).await, failed(1));
    assert_eq!(hook.times_asked(), 0);
}

#[tokio::test]
async fn a_receiver_that_cannot_prove_its_name_is_told_nothing() {
    let hook = Hook::start(vec![Answer::Status(200)]).await;
    let untrusted = hook.receiver("portal", "localhost", true).trusting(None);
    assert_eq!(tell(vec![untrusted], &[]).await, failed(1));
    assert_eq!(hook.times_asked(), 0);
}

#[tokio::test]
async fn a_receiver_that_wants_no_more_is_settled() {
    let hook = Hook::start(vec![Answer::Status(410)]).await;
    let tried = tell(vec![hook.receiver("gone", "127.0.0.1", true)], &[]).await;
    assert_eq!(tried, Tried { settled: vec!["gone".into()], taken: 0, failed: 0 });
}
