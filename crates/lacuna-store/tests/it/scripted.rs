//! What a real service does now and then and Azurite never: throttling, broken connections, answers that get lost. Answers are
//! written from the Blob service's REST reference.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Method, Response, StatusCode};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use lacuna_store::testing::{AZURITE_KEY, path, pattern};
use lacuna_store::{
    AzureConfig, AzureStore, Condition, Content, Credential, ErrorKind, Etag, Retries, Secret, Store, WriteOptions,
};

/// A request as the script sees it.
struct Asked {
    method: Method,
    path: String,
    query: HashMap<String, String>,
    headers: HashMap<String, String>,
    body: Bytes,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn range(&self) -> (usize, usize) {
        let (start, end) = self.header("range").strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        (start.parse().unwrap(), end.parse::<usize>().unwrap() + 1)
    }
}

/// Serves `script`, which is told how many requests came before, and answers with a store there.
async fn serve(script: impl FnMut(usize, Asked) -> Response<Body> + Send + 'static) -> AzureStore {
    AzureStore::open(&serve_config(script).await).unwrap()
}

async fn serve_config(script: impl FnMut(usize, Asked) -> Response<Body> + Send + 'static) -> AzureConfig {
    let script = Arc::new(Mutex::new((0, script)));
    let app = Router::new().fallback(move |request: Request| {
        let script = Arc::clone(&script);
        async move {
            let (parts, body) = request.into_parts();
            let query = parts.uri.query().unwrap_or_default();
            let asked = Asked {
                method: parts.method,
                path: parts.uri.path().to_owned(),
                query: query
                    .split('&')
                    .filter_map(|pair| pair.split_once('='))
                    .map(|(k, v)| (k.into(), v.into()))
                    .collect(),
                headers: parts.headers.iter().map(|(k, v)| (k.to_string(), v.to_str().unwrap().to_owned())).collect(),
                body: to_bytes(body, usize::MAX).await.unwrap(),
            };
            let mut script = script.lock().unwrap();
            let n = script.0;
            script.0 += 1;
            (script.1)(n, asked)
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/contoso", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    AzureConfig {
        endpoint: Some(endpoint),
        credential: Credential::SharedKey(Secret::new(AZURITE_KEY)),
        retries: Retries { tries_max: 4, delay: Duration::from_millis(10), ..Retries::default() },
        ..AzureConfig::new("logs")
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
    let mut answer = Response::builder().status(StatusCode::from_u16(status).unwrap());
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(body.into()).unwrap()
}

fn refuse(status: u16, code: &str) -> Response<Body> {
    answer(status, &[("x-ms-error-code", code)], "")
}

/// An answer whose connection breaks after half of the body.
fn broken_off(status: u16, headers: &[(&str, &str)], body: &Bytes) -> Response<Body> {
    let half = body.slice(..body.len() / 2);
    let pieces = stream::iter([Ok(half)]).chain(stream::once(async {
        // The first half should arrive before the break.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(std::io::Error::other("cut"))
    }));
    let mut answer = answer(status, headers, Body::from_stream(pieces));
    answer.headers_mut().insert("content-length", body.len().into());
    answer
}

fn part(bytes: &Bytes, asked: &Asked) -> Response<Body> {
    let (start, end) = asked.range();
    let range = format!("bytes {start}-{}/{}", end - 1, bytes.len());
    answer(206, &[("etag", "\"1\""), ("content-range", &range)], bytes.slice(start..end.min(bytes.len())))
}

fn blob(etag: &str, size: usize, operation: &str) -> Response<Body> {
    let size = size.to_string();
    let headers = [("etag", etag), ("content-length", &size), ("x-ms-meta-lacunaoperation", operation)];
    answer(200, &headers, "")
}

async fn write(store: &AzureStore, size: usize, condition: Condition) -> Result<Etag, ErrorKind> {
    let options = WriteOptions { operation: Some("ours".into()), ..WriteOptions::default() };
    let written = store.write(&path("a"), Content::Bytes(pattern(size)), condition, options).await;
    written.map(|blob| blob.etag).map_err(|error| error.kind)
}

#[tokio::test]
async fn the_wait_that_the_service_asks_for_is_kept() {
    for (status, header, value, wait) in
        [(503, "retry-after", "1", 1_000), (429, "retry-after", "1", 1_000), (503, "x-ms-retry-after-ms", "400", 400)]
    {
        let store = serve(move |n, _| match n {
            0 => answer(status, &[(header, value), ("x-ms-error-code", "ServerBusy")], ""),
            _ => blob("\"1\"", 3, "x"),
        })
        .await;
        let start = Instant::now();
        assert_eq!(store.head(&path("a")).await.unwrap().etag, Etag::new("1"));
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(wait), "{status} with {header}: waited {took:?} only");
    }
}

#[tokio::test]
async fn throttling_in_the_middle_of_a_range_does_not_show() {
    let bytes = pattern(30 << 20);
    let served = bytes.clone();
    let store = serve(move |n, asked| if n % 2 == 1 { refuse(503, "ServerBusy") } else { part(&served, &asked) }).await;
    let read = store.read(&path("a"), 3..bytes.len() as u64, &Etag::new("1")).await.unwrap();
    assert!(read == bytes.slice(3..));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let bytes = pattern(100_000);
    let served = bytes.clone();
    let store = serve(move |n, asked| match n {
        0 | 1 => broken_off(206, &[("etag", "\"1\""), ("content-range", "bytes 0-99999/100000")], &served),
        _ => part(&served, &asked),
    })
    .await;
    assert!(store.read(&path("a"), 0..100_000, &Etag::new("1")).await.unwrap() == bytes);

    let store = serve(|_, _| broken_off(206, &[("content-range", "bytes 0-9/10")], &pattern(10))).await;
    let error = store.read(&path("a"), 0..10, &Etag::new("1")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_range_that_is_not_what_was_asked_for_is_an_error() {
    let store = serve(|_, _| answer(206, &[("content-range", "bytes 0-9/1000")], pattern(10))).await;
    assert_eq!(store.read(&path("a"), 0..100, &Etag::new("1")).await.unwrap_err().kind, ErrorKind::Other);
    // A server that knows no ranges.
    let store = serve(|_, _| answer(200, &[], pattern(1000))).await;
    assert_eq!(store.read(&path("a"), 10..20, &Etag::new("1")).await.unwrap_err().kind, ErrorKind::Other);
}

#[tokio::test]
async fn a_service_that_stays_overloaded_is_unavailable() {
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    let store = serve(move |_, _| {
        *counted.lock().unwrap() += 1;
        refuse(503, "ServerBusy")
    })
    .await;
    let error = store.head(&path("a")).await.unwrap_err();
    assert_eq!((error.kind, *count.lock().unwrap()), (ErrorKind::Unavailable, 4), "as often as configured");
    assert!(format!("{}", error.source.unwrap()).contains("503 ServerBusy"));
}

#[tokio::test]
async fn a_service_that_says_nothing_is_unavailable() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = serve_config(|_, _| refuse(500, "never")).await;
    config.endpoint = Some(format!("http://{}/contoso", silent.local_addr().unwrap()));
    config.retries = Retries { tries_max: 2, silence_max: Duration::from_millis(200), ..config.retries };
    let start = Instant::now();
    let error = AzureStore::open(&config).unwrap().head(&path("a")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// A service where the first commit happens and its answer is lost: by an error after the fact, or with the connection.
fn losing(
    size: usize,
    by_connection: bool,
    owner: &'static str,
) -> impl FnMut(usize, Asked) -> Response<Body> + Send + 'static {
    let mut committed = false;
    move |_, asked| match (asked.method.as_str(), asked.query.get("comp").map(String::as_str)) {
        ("PUT", Some("block")) => answer(201, &[], ""),
        ("PUT", _) if committed => {
            if asked.header("if-none-match") == "*" {
                refuse(409, "BlobAlreadyExists")
            } else {
                refuse(412, "ConditionNotMet")
            }
        }
        ("PUT", _) => {
            assert_eq!(asked.header("x-ms-meta-lacunaoperation"), "ours");
            committed = true;
            if by_connection {
                broken_off(201, &[("etag", "\"2\"")], &pattern(10))
            } else {
                refuse(500, "OperationTimedOut")
            }
        }
        ("HEAD", _) if committed => blob("\"2\"", size, owner),
        ("HEAD", _) if asked.header("x-test").is_empty() => blob("\"1\"", 1, "before"),
        _ => refuse(400, "Unexpected"),
    }
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_has_succeeded() {
    let old = Condition::Matches(Etag::new("1"));
    for size in [10, 9 << 20] {
        for by_connection in [false, true] {
            let ours = serve(losing(size, by_connection, "ours")).await;
            assert_eq!(write(&ours, size, old.clone()).await, Ok(Etag::new("2")), "{size} bytes");
            let theirs = serve(losing(size, by_connection, "theirs")).await;
            assert_eq!(write(&theirs, size, old.clone()).await, Err(ErrorKind::Changed), "{size} bytes");
        }
    }
    let ours = serve(losing(10, true, "ours")).await;
    assert_eq!(write(&ours, 10, Condition::New).await, Ok(Etag::new("2")));
    let theirs = serve(losing(10, true, "theirs")).await;
    assert_eq!(write(&theirs, 10, Condition::New).await, Err(ErrorKind::AlreadyExists));
    // The same operation, but other bytes than these: not this write.
    let other = serve(losing(11, true, "ours")).await;
    assert_eq!(write(&other, 10, Condition::New).await, Err(ErrorKind::AlreadyExists));
}

#[tokio::test]
async fn blocks_that_another_commit_swept_away_are_sent_again_or_given_up() {
    let size = 9 << 20;
    let serve_sweeping = |etag: &'static str| {
        let mut commits = 0;
        serve(move |_, asked| match (asked.method.as_str(), asked.query.get("comp").map(String::as_str)) {
            ("PUT", Some("block")) => answer(201, &[], ""),
            ("PUT", Some("blocklist")) => {
                commits += 1;
                assert!(asked.body.starts_with(b"<?xml"));
                if commits == 1 { refuse(400, "InvalidBlockList") } else { answer(201, &[("etag", "\"3\"")], "") }
            }
            // Looked at before and after the commit.
            _ => blob(if commits == 0 { "\"1\"" } else { etag }, 1, "theirs"),
        })
    };
    assert_eq!(write(&serve_sweeping("\"2\"").await, size, Condition::Any).await, Ok(Etag::new("3")));
    let matches = Condition::Matches(Etag::new("1"));
    assert_eq!(write(&serve_sweeping("\"2\"").await, size, matches.clone()).await, Err(ErrorKind::Changed));
    assert_eq!(write(&serve_sweeping("\"1\"").await, size, matches).await, Err(ErrorKind::Other), "nobody came first");
}

#[tokio::test]
async fn what_a_status_means() {
    for (status, code, kind) in [
        (404, "BlobNotFound", ErrorKind::NotFound),
        (404, "ContainerNotFound", ErrorKind::NotFound),
        (401, "NoAuthenticationInformation", ErrorKind::AccessDenied),
        (403, "AuthorizationPermissionMismatch", ErrorKind::AccessDenied),
        (412, "ConditionNotMet", ErrorKind::Changed),
        (412, "LeaseIdMissing", ErrorKind::Leased),
        (403, "LeaseIdMismatchWithBlobOperation", ErrorKind::Leased),
        (409, "BlobImmutableDueToPolicy", ErrorKind::Held),
        (409, "BlobImmutableDueToLegalHold", ErrorKind::Held),
        (409, "BlobArchived", ErrorKind::Archived),
        (416, "InvalidRange", ErrorKind::OutOfRange),
        (400, "InvalidHeaderValue", ErrorKind::Other),
        (500, "InternalError", ErrorKind::Unavailable),
    ] {
        let store = serve(move |_, _| refuse(status, code)).await;
        let error = store.delete(&path("a"), &Etag::new("1")).await.unwrap_err();
        assert_eq!(error.kind, kind, "{status} {code}");
        assert!(error.source.unwrap().to_string().contains(code), "the service's own word for it is told");
        if kind == ErrorKind::Unavailable {
            continue;
        }
        let error = store.read(&path("a"), 1..2, &Etag::new("1")).await.unwrap_err();
        assert_eq!(error.kind, kind, "{status} {code}");
    }
}

fn page(items: &str, next: &str) -> Response<Body> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"logs\"><Blobs>{items}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>"
    );
    answer(200, &[("content-type", "application/xml")], xml)
}

fn item(name: &str, size: u64, metadata: &str) -> String {
    format!(
        "<Blob><Name>{name}</Name><Properties><Etag>0x{size}</Etag><Content-Length>{size}</Content-Length><BlobType>BlockBlob</BlobType></Properties><Metadata>{metadata}</Metadata></Blob>"
    )
}

#[tokio::test]
async fn what_answers_in_the_services_stead_is_no_empty_listing() {
    let store = serve(|_, _| answer(200, &[], "<html><body>Sign in</body></html>")).await;
    let listed: Result<Vec<_>, _> = store.list("_lacuna/").try_collect().await;
    assert_eq!(listed.unwrap_err().kind, ErrorKind::Other);
    assert_eq!(store.old_copies(&path("a")).await.unwrap_err().kind, ErrorKind::Other);
}

#[tokio::test]
async fn a_blob_that_its_writer_appends_to_is_not_replaced() {
    for kind in ["AppendBlob", "PageBlob"] {
        let store = serve(move |_, asked| {
            assert_eq!(asked.method, Method::HEAD);
            answer(200, &[("etag", "\"1\""), ("content-length", "3"), ("x-ms-blob-type", kind)], "")
        })
        .await;
        assert_eq!(write(&store, 10, Condition::Matches(Etag::new("1"))).await, Err(ErrorKind::NotInBlocks));
    }
}

#[tokio::test]
async fn a_listing_goes_over_all_pages_and_passes_over_what_holds_no_bytes_only() {
    let store = serve(|n, asked| {
        assert_eq!((asked.path.as_str(), asked.query["prefix"].as_str()), ("/contoso/logs", "l"));
        match (n, asked.query.get("marker").map(String::as_str)) {
            (0, None) => {
                page(&[item("l/a", 1, ""), item("l/dir", 0, "<hdi_isfolder>true</hdi_isfolder>")].concat(), "m1")
            }
            (1, Some("m1")) => broken_off(200, &[], &pattern(100)),
            // A page may be empty and not the last.
            (2, Some("m1")) => page("", "m2"),
            (3, Some("m2")) => {
                page(&[item("l/marker/", 0, ""), item("l/z &amp; y", 3, ""), item("l//x", 4, "")].concat(), "m3")
            }
            (4, Some("m3")) => page(&item("l/zz", 5, ""), ""),
            _ => refuse(400, "Unexpected"),
        }
    })
    .await;
    let listed: Vec<_> =
        store.list("l").map(|item| item.map(|blob| (blob.path.to_string(), blob.size))).collect().await;
    let names: Vec<_> =
        listed.iter().map(|item| item.as_ref().map(|(path, _)| path.as_str()).map_err(|error| error.kind)).collect();
    assert_eq!(
        names,
        [Ok("l/a"), Ok("l/z & y"), Err(ErrorKind::Other), Ok("l/zz")],
        "a name that is no path is an error"
    );

    let store =
        serve(|n, _| if n == 0 { page(&item("l/a", 1, ""), "m1") } else { refuse(403, "AuthorizationFailure") }).await;
    let error = store.list("l").try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AccessDenied, "half a listing is no listing");
}

/// Everything that is logged in this process, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_credential_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let signature = "sv=2022-11-02&sp=r&se=2099-01-01T00%3A00%3A00Z&sig=c2VjcmV0LXRoYXQ%3D";
    for credential in [Credential::Sas(Secret::new(signature)), Credential::SharedKey(Secret::new("c2VjcmV0LXRoYXQ="))]
    {
        let received = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&received);
        let mut config = serve_config(move |n, asked| {
            *seen.lock().unwrap() = format!("{:?} {}", asked.query.get("sig"), asked.header("authorization"));
            if n == 0 { refuse(503, "ServerBusy") } else { refuse(403, "AuthenticationFailed") }
        })
        .await;
        config.credential = credential;
        let store = AzureStore::open(&config).unwrap();
        assert_eq!(store.head(&path("a")).await.unwrap_err().kind, ErrorKind::AccessDenied);
        assert_eq!(store.list("").try_collect::<Vec<_>>().await.unwrap_err().kind, ErrorKind::AccessDenied);
        let sent = received.lock().unwrap().clone();
        assert!(sent.contains("c2VjcmV0") || sent.contains("SharedKey contoso:"), "the credential was used: {sent}");
        config.endpoint = Some("http://127.0.0.1:9/contoso".into());
        assert!(AzureStore::open(&config).unwrap().head(&path("a")).await.is_err());
        let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
        assert!(logged.contains("/contoso/logs"), "requests are logged");
        for secret in ["c2VjcmV0", "sig=c", sent.rsplit(':').next().unwrap()] {
            assert!(secret.is_empty() || !logged.contains(secret), "{secret} is in the log");
        }
    }
}
