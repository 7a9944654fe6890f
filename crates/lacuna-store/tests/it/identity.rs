//! Identities end to end: tokens from an endpoint of the test's own, used against Azurite over https.
//!
//! The client library finds identities in the environment, which belongs to the whole process, so each runs in one of its own.

use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{Form, Path, Query};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_server::tls_rustls::RustlsConfig;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use lacuna_store::{AzureConfig, AzureStore, Credential, ErrorKind, Retries, Store, testing};
use serde_json::{Value, json};

const TENANT: &str = "72f988bf-0000-4000-8000-2d7cd011db47";
const CLIENT: &str = "c0ffee00-0000-4000-8000-000000000001";

/// What the token endpoint was asked.
type Asked = Arc<Mutex<Vec<Value>>>;

/// A token as Azurite takes it: it looks at audience, issuer and times, not at a signature.
fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({
        "aud": "https://storage.azure.com",
        "iss": format!("https://sts.windows.net/{TENANT}/"),
        "iat": now - 60, "nbf": now - 60, "exp": now + 3600,
        "oid": CLIENT, "tid": TENANT,
    });
    format!("{}.{}.{}", part(json!({"alg": "none", "typ": "JWT"})), part(claims), BASE64_URL_SAFE_NO_PAD.encode("none"))
}

fn expiry() -> String {
    (SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_hours(1)).as_secs().to_string()
}

/// Set in the processes that tests start: there, the test of the same name does what the identity is for.
const WITHIN: &str = "LACUNA_TEST_WITHIN_IDENTITY";

/// Whether this is a process that [`in_process`] started.
fn within() -> bool {
    std::env::var_os(WITHIN).is_some()
}

/// Runs the test of this name in a process of its own, with only these of the variables that tell identities.
async fn in_process(test: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("identity::{test}"), "--nocapture"]).env(WITHIN, "1");
    for (name, _) in std::env::vars() {
        if name.starts_with("AZURE_") || name.starts_with("IDENTITY_") || name.starts_with("MSI_") {
            command.env_remove(name);
        }
    }
    command.envs(variables.iter().copied()).output().await.unwrap()
}

/// The contract, with the identity that the environment tells.
async fn found_identity_keeps_the_contract() {
    let store = AzureStore::open(&AzureConfig { credential: Credential::Auto, ..testing::azurite_https() }).unwrap();
    store.create_container().await.unwrap();
    testing::run(Arc::new(store)).await;
}

fn passed(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The endpoint that Azure gives to a function or a container.
async fn managed_identity_endpoint(asked: Asked) -> String {
    let app = Router::new().route(
        "/msi/token",
        get(|Query(query): Query<Value>, headers: HeaderMap| async move {
            let secret = headers.get("x-identity-header").map(|value| value.to_str().unwrap().to_owned());
            asked.lock().unwrap().push(json!({ "query": query, "secret": secret }));
            Json(json!({
                "access_token": token(), "expires_on": expiry(),
                "resource": "https://storage.azure.com", "token_type": "Bearer",
            }))
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}/msi/token")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_identity_is_found_and_keeps_the_contract() {
    if within() {
        return found_identity_keeps_the_contract().await;
    }
    let asked = Asked::default();
    let endpoint = managed_identity_endpoint(Arc::clone(&asked)).await;
    let variables =
        [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", "proof"), ("AZURE_CLIENT_ID", CLIENT)];
    passed(&in_process("a_managed_identity_is_found_and_keeps_the_contract", &variables).await);
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1, "a token is asked for once and used until it expires");
    assert_eq!(asked[0]["secret"], "proof");
    assert_eq!(asked[0]["query"]["client_id"], CLIENT);
    assert!(asked[0]["query"]["resource"].as_str().unwrap().starts_with("https://storage.azure.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_identity_is_found_and_keeps_the_contract() {
    if within() {
        return found_identity_keeps_the_contract().await;
    }
    let asked = Asked::default();
    let files = tempfile::tempdir().unwrap();
    let token_file = files.path().join("token");
    std::fs::write(&token_file, "the-clusters-word").unwrap();

    let app = Router::new().route(
        "/{tenant}/oauth2/v2.0/token",
        post({
            let asked = Arc::clone(&asked);
            |Path(tenant): Path<String>, Form(form): Form<Value>| async move {
                asked.lock().unwrap().push(json!({ "tenant": tenant, "form": form }));
                Json(json!({ "token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600, "access_token": token() }))
            }
        }),
    );
    let authority = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = authority.signing_key.serialize_pem();
    let tls = RustlsConfig::from_pem(authority.cert.pem().into_bytes(), key.into_bytes()).await.unwrap();
    let handle = axum_server::Handle::<std::net::SocketAddr>::new();
    let server = axum_server::bind_rustls("127.0.0.1:0".parse().unwrap(), tls).handle(handle.clone());
    tokio::spawn(async move { server.serve(app.into_make_service()).await.unwrap() });
    let host = format!("https://{}", handle.listening().await.unwrap());

    // Both certificates are trusted: the authority's and the storage service's.
    let storage = testing::azurite_https().ca_certificate.unwrap();
    let bundle = files.path().join("bundle.pem");
    std::fs::write(&bundle, [std::fs::read_to_string(storage).unwrap(), authority.cert.pem()].concat()).unwrap();
    let variables = [
        ("AZURE_AUTHORITY_HOST", host.as_str()),
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_FEDERATED_TOKEN_FILE", token_file.to_str().unwrap()),
        ("LACUNA_TEST_AZURITE_CA", bundle.to_str().unwrap()),
    ];
    passed(&in_process("a_workload_identity_is_found_and_keeps_the_contract", &variables).await);
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 1, "a token is asked for once and used until it expires");
    assert_eq!(asked[0]["tenant"], TENANT);
    assert_eq!(asked[0]["form"]["client_assertion"], "the-clusters-word");
    assert_eq!(asked[0]["form"]["scope"], "https://storage.azure.com/.default");
}

#[tokio::test]
async fn an_identity_that_gets_no_token_is_denied() {
    if within() {
        return identity_is_denied().await;
    }
    let app = Router::new().fallback(|| async { (axum::http::StatusCode::BAD_REQUEST, "no such identity") });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/msi/token", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    passed(
        &in_process(
            "an_identity_that_gets_no_token_is_denied",
            &[("IDENTITY_ENDPOINT", &endpoint), ("IDENTITY_HEADER", "proof-that-is-secret")],
        )
        .await,
    );
}

/// Nobody is let in without a token, and the error does not show what the token was asked for with.
async fn identity_is_denied() {
    let retries = Retries { tries_max: 1, ..Retries::default() };
    let config = AzureConfig { credential: Credential::Auto, retries, ..testing::azurite_https() };
    let error = AzureStore::open(&config).unwrap().head(&testing::path("a")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AccessDenied, "{error:?}");
    assert!(!format!("{error:?}").contains("proof-that-is-secret"));
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_refused() {
    let retries = Retries { tries_max: 1, ..Retries::default() };
    let config = AzureConfig { ca_certificate: None, retries, ..testing::azurite_https() };
    let error = AzureStore::open(&config).unwrap().head(&testing::path("a")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let source = error.source.unwrap().to_string();
    assert!(source.contains("certificate"), "the reason is told: {source}");
}
