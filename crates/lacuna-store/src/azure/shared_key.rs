//! Signs requests with the account's key.
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use azure_core::credentials::Secret as SdkSecret;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request, Url};
use azure_core::time::{OffsetDateTime, to_rfc7231};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::config::wrong;
use crate::{Result, Secret};

/// The headers whose values are signed one a line, in this order, after the method.
const SIGNED: [&str; 11] = [
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// Signs each attempt at a request, as the signature covers the time.
pub(super) struct SharedKey {
    account: String,
    key: SdkSecret,
}

impl SharedKey {
    pub(super) fn new(account: String, key: &Secret) -> Result<Self> {
        let key = key.expose().trim();
        if BASE64_STANDARD.decode(key).is_err() {
            return Err(wrong("the account key is not base64"));
        }
        Ok(Self { account, key: SdkSecret::new(key.to_owned()) })
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedKey").field("account", &self.account).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Policy for SharedKey {
    async fn send(&self, ctx: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        request.insert_header("x-ms-date", to_rfc7231(&OffsetDateTime::now_utc()));
        let text = text_to_sign(&self.account, request);
        let signature = azure_core::hmac::hmac_sha256(&text, &self.key)?;
        request.insert_header("authorization", format!("SharedKey {}:{signature}", self.account));
        match next {
            [first, rest @ ..] => first.send(ctx, request, rest).await,
            [] => Err(azure_core::Error::with_message(azure_core::error::ErrorKind::Other, "nothing sends requests")),
        }
    }
}

fn text_to_sign(account: &str, request: &Request) -> String {
    let mut text = format!("{}\n", request.method().as_ref());
    let length = request.body().len().filter(|length| *length > 0).map(|length| length.to_string());
    for name in SIGNED {
        match name {
            // The transport sets it; an empty body's is left out.
            "content-length" => text.push_str(length.as_deref().unwrap_or_default()),
            _ => text.push_str(&request.headers().get_optional_string(&name.into()).unwrap_or_default()),
        }
        text.push('\n');
    }
    let headers: BTreeMap<_, _> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_ascii_lowercase(), value.as_str()))
        .filter(|(name, _)| name.starts_with("x-ms-"))
        .collect();
    for (name, value) in headers {
        text.push_str(&format!("{name}:{}\n", value.trim()));
    }
    text.push_str(&resource(account, request.url()));
    text
}

/// The account and path as they are sent, then the query's pairs decoded, in the order of their names.
fn resource(account: &str, url: &Url) -> String {
    let mut pairs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in url.query_pairs() {
        pairs.entry(name.to_ascii_lowercase()).or_default().push(value.into_owned());
    }
    let mut text = format!("/{account}{}", url.path());
    for (name, mut values) in pairs {
        values.sort();
        text.push_str(&format!("\n{name}:{}", values.join(",")));
    }
    text
}
