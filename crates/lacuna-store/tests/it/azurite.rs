//! The store in Azure Blob Storage, against Azurite.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lacuna_store::testing::{self, AZURITE_ACCOUNT, AZURITE_KEY, path};
use lacuna_store::{
    AzureConfig, AzureStore, Condition, Content, Credential, ErrorKind, Etag, Retries, Secret, Store, WriteOptions,
};

/// A signature for everything in the account, as a portal would make it.
/// <https://learn.microsoft.com/rest/api/storageservices/create-account-sas>
pub(crate) fn account_sas() -> Secret {
    let (version, expiry, permissions) = ("2022-11-02", "2099-01-01T00:00:00Z", "rwdxylacuptfi");
    let text = format!("{AZURITE_ACCOUNT}\n{permissions}\nb\nsco\n\n{expiry}\n\nhttps,http\n{version}\n\n");
    let key = azure_core::credentials::Secret::new(AZURITE_KEY.to_owned());
    let signature = azure_core::hmac::hmac_sha256(&text, &key).unwrap();
    let escaped = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    Secret::new(format!(
        "?sv={version}&ss=b&srt=sco&sp={permissions}&se={}&spr=https,http&sig={escaped}",
        expiry.replace(':', "%3A")
    ))
}

/// A store in a new container.
async fn created(config: &AzureConfig) -> Arc<AzureStore> {
    let store = AzureStore::open(config).unwrap();
    store.create_container().await.unwrap();
    Arc::new(store)
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_keeps_the_contract_with_the_accounts_key() {
    let config = AzureConfig { page_size: NonZeroU32::new(250), ..testing::azurite_http() };
    testing::run(created(&config).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_keeps_the_contract_with_a_shared_access_signature() {
    let config = AzureConfig { credential: Credential::Sas(account_sas()), ..testing::azurite_http() };
    testing::run(created(&config).await).await;
}

#[tokio::test]
async fn a_write_that_is_repeated_by_its_operation_has_been_done() {
    let store = created(&testing::azurite_http()).await;
    for size in [5, 9 << 20] {
        let blob = path(&format!("repeated/{size}"));
        let write = |operation: &str, condition| {
            let options = WriteOptions { operation: Some(operation.into()), ..WriteOptions::default() };
            store.write(&blob, Content::Bytes(testing::pattern(size)), condition, options)
        };
        let first = write("first", Condition::New).await.unwrap();
        assert_eq!(write("first", Condition::New).await.unwrap(), first, "the answer was lost, the write was not");
        assert_eq!(write("other", Condition::New).await.unwrap_err().kind, ErrorKind::AlreadyExists);
        let second = write("second", Condition::Matches(first.etag.clone())).await.unwrap();
        assert_eq!(write("second", Condition::Matches(first.etag.clone())).await.unwrap(), second);
        assert_eq!(write("first", Condition::Matches(first.etag)).await.unwrap_err().kind, ErrorKind::Changed);
    }
    let options = WriteOptions { operation: Some("not a header\n".into()), ..WriteOptions::default() };
    let refused = store.write(&path("x"), Content::Bytes(Bytes::new()), Condition::Any, options).await;
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Configuration);
}

#[tokio::test]
async fn what_is_wrong_with_access_is_told_without_the_credential() {
    let config = testing::azurite_http();
    let blob = path("logs/a");
    // No such container.
    let store = AzureStore::open(&config).unwrap();
    assert_eq!(store.head(&blob).await.unwrap_err().kind, ErrorKind::NotFound);
    let refused = store.write(&blob, Content::Bytes(Bytes::new()), Condition::New, WriteOptions::default()).await;
    assert_eq!(refused.unwrap_err().kind, ErrorKind::NotFound);
    created(&config).await;

    let key = "c2VjcmV0LXRoYXQtbXVzdC1ub3Qtc2hvdw==";
    let signature = "sv=2022-11-02&ss=b&srt=sco&sp=r&se=2099-01-01T00%3A00%3A00Z&sig=c2VjcmV0LXRoYXQ%3D";
    let quick = Retries { tries_max: 1, ..Retries::default() };
    let closed = Some("http://127.0.0.1:9/devstoreaccount1".to_owned());
    for credential in [Credential::SharedKey(Secret::new(key)), Credential::Sas(Secret::new(signature))] {
        for (endpoint, expected) in
            [(config.endpoint.clone(), ErrorKind::AccessDenied), (closed.clone(), ErrorKind::Unavailable)]
        {
            let config =
                AzureConfig { endpoint, credential: credential.clone(), retries: quick.clone(), ..config.clone() };
            let store = AzureStore::open(&config).unwrap();
            let written = Content::Bytes(Bytes::from_static(b"x"));
            let errors = [
                store.head(&blob).await.unwrap_err(),
                store.read(&blob, 0..1, &Etag::new("x")).await.unwrap_err(),
                store.write(&blob, written, Condition::New, WriteOptions::default()).await.unwrap_err(),
                store.delete(&blob, &Etag::new("x")).await.unwrap_err(),
                futures::TryStreamExt::try_collect::<Vec<_>>(store.list("")).await.unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.kind, expected, "{error:?}");
                assert!(error.source.is_some(), "the reason is told");
                let shown = format!("{error} {error:?} {:?} {config:?} {store:?} {}", error.source, store.url());
                assert!(!shown.contains("c2VjcmV0") && !shown.contains("sig="), "{shown}");
            }
        }
    }
    assert_eq!(AzureStore::open(&config).unwrap().url(), format!("az://{}", config.container));
}

#[test]
fn a_configuration_that_cannot_be_right_is_refused_at_once() {
    let right = AzureConfig {
        account: Some("contoso".into()),
        credential: Credential::SharedKey(Secret::new(AZURITE_KEY)),
        ..AzureConfig::new("logs")
    };
    AzureStore::open(&right).unwrap();
    let wrong = [
        AzureConfig { container: "Logs".into(), ..right.clone() },
        AzureConfig { container: "a/b".into(), ..right.clone() },
        AzureConfig { account: None, ..right.clone() },
        AzureConfig { account: Some("evil.example/".into()), ..right.clone() },
        AzureConfig { endpoint: Some("contoso".into()), ..right.clone() },
        AzureConfig { endpoint: Some("ftp://contoso".into()), ..right.clone() },
        AzureConfig { endpoint: Some("https://h/?sv=1&sig=c2VjcmV0".into()), ..right.clone() },
        AzureConfig { credential: Credential::SharedKey(Secret::new("c2VjcmV0!")), ..right.clone() },
        AzureConfig { credential: Credential::Sas(Secret::new("c2VjcmV0")), ..right.clone() },
        AzureConfig { ca_certificate: Some("/nowhere/ca.pem".into()), ..right.clone() },
        AzureConfig { ca_certificate: Some("/dev/null".into()), ..right.clone() },
        AzureConfig {
            endpoint: Some("http://127.0.0.1:10000/devstoreaccount1".into()),
            credential: Credential::ManagedIdentity { client_id: None },
            ..right.clone()
        },
    ];
    for config in wrong {
        let error = AzureStore::open(&config).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Configuration, "{config:?}");
        let shown = format!("{error:?} {config:?}");
        assert!(error.source.is_some() && !shown.contains("c2VjcmV0"), "{shown}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_given_up_in_time() {
    let retries = Retries {
        tries_max: 100,
        delay: Duration::from_millis(10),
        delay_max: Duration::from_millis(50),
        elapsed_max: Duration::from_millis(500),
        ..Retries::default()
    };
    let endpoint = Some("http://127.0.0.1:9/devstoreaccount1".to_owned());
    let config = AzureConfig {
        endpoint,
        credential: Credential::SharedKey(Secret::new(AZURITE_KEY)),
        retries,
        ..AzureConfig::new("logs")
    };
    let start = Instant::now();
    let error = AzureStore::open(&config).unwrap().head(&path("a")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
