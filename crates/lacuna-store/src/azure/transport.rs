//! HTTP for the client library: one connection pool, whole answers, and errors that never show an address's query.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use azure_core::error::ErrorKind as SdkKind;
use azure_core::http::headers::{AUTHORIZATION, HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Method, Request};
use bytes::{Bytes, BytesMut};

use super::AzureConfig;
use super::config::wrong;
use crate::{Error, ErrorKind, Result, Secret};

/// The longest answer that is taken: far more than a page of a listing or a part of a range can be.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(20);

/// The connection pool for `config`.
pub(super) fn client(config: &AzureConfig) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(config.retries.silence_max.min(CONNECT_MAX))
        .read_timeout(config.retries.silence_max)
        .redirect(reqwest::redirect::Policy::none())
        // A blob with a content encoding is read as it is stored.
        .no_gzip()
        .no_deflate()
        .no_brotli()
        .no_zstd();
    if let Some(path) = &config.ca_certificate {
        let unreadable = |cause: &dyn std::error::Error| {
            Error::new(ErrorKind::Configuration).because(format!("certificates in {}: {cause}", path.display()))
        };
        let pem = std::fs::read(path).map_err(|error| unreadable(&error))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unreadable(&error))?;
        if certificates.is_empty() {
            return Err(wrong("the file of trusted certificates holds none"));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|error| Error::new(ErrorKind::Configuration).because(error.without_url()))
}

/// A shared access signature, as the pairs that it adds to an address.
#[derive(Clone)]
pub(super) struct Signature(Vec<(Secret, Secret)>);

impl Signature {
    /// Takes apart `token`, a query text.
    pub(super) fn new(token: &Secret) -> Result<Self> {
        let unusable = || wrong("the shared access signature is not of the form `sv=…&sig=…`");
        let text = token.expose().trim();
        let url =
            azure_core::http::Url::parse(&format!("http://localhost/?{}", text.strip_prefix('?').unwrap_or(text)))
                .map_err(|_| unusable())?;
        let pairs: Vec<_> = url.query_pairs().map(|(name, value)| (Secret::new(name), Secret::new(value))).collect();
        if pairs.iter().any(|(name, _)| name.expose() == "sig") { Ok(Self(pairs)) } else { Err(unusable()) }
    }
}

/// Sends requests. The signature joins the address here, after everything that logs or reports it.
pub(super) struct Http {
    client: reqwest::Client,
    signature: Option<Signature>,
}

impl Http {
    pub(super) fn new(client: reqwest::Client, signature: Option<Signature>) -> Self {
        Self { client, signature }
    }
}

/// What is copied from (Put Block From URL).
const COPY_SOURCE: &str = "x-ms-copy-source";
const COPY_SOURCE_AUTHORIZATION: &str = "x-ms-copy-source-authorization";

impl Http {
    /// The address of a copy's source, with the signature.
    fn source(&self, address: &str) -> azure_core::Result<String> {
        let mut url = azure_core::http::Url::parse(address)
            .map_err(|_| azure_core::Error::with_message(SdkKind::Other, "a copy's source has no address"))?;
        if let Some(Signature(pairs)) = &self.signature {
            url.query_pairs_mut().extend_pairs(pairs.iter().map(|(name, value)| (name.expose(), value.expose())));
        }
        Ok(url.into())
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

#[async_trait::async_trait]
impl HttpClient for Http {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut url = request.url().clone();
        if let Some(Signature(pairs)) = &self.signature {
            url.query_pairs_mut().extend_pairs(pairs.iter().map(|(name, value)| (name.expose(), value.expose())));
        }
        let method = match request.method() {
            Method::Delete => reqwest::Method::DELETE,
            Method::Get => reqwest::Method::GET,
            Method::Head => reqwest::Method::HEAD,
            Method::Patch => reqwest::Method::PATCH,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            _ => return Err(azure_core::Error::with_message(SdkKind::Other, "a request's method is not known")),
        };
        let mut outgoing = self.client.request(method, url);
        for (name, value) in request.headers().iter() {
            if name.as_str() == COPY_SOURCE {
                outgoing = outgoing.header(COPY_SOURCE, self.source(value.as_str())?);
                // Whoever may write may read what is copied: it is the same blob.
                let token = request.headers().get_optional_str(&AUTHORIZATION);
                if let Some(token) = token.filter(|token| token.starts_with("Bearer ")) {
                    outgoing = outgoing.header(COPY_SOURCE_AUTHORIZATION, token);
                }
                continue;
            }
            outgoing = outgoing.header(name.as_str(), value.as_str());
        }
        let Body::Bytes(body) = request.body() else {
            return Err(azure_core::Error::with_message(SdkKind::Other, "a request's body is not in memory"));
        };
        let mut answer = outgoing.body(body.clone()).send().await.map_err(broken)?;
        let (status, headers) = (answer.status().as_u16(), headers(answer.headers())?);
        // Taken in whole, so that an answer that breaks off is asked for again like one that never came.
        let body = collect(&mut answer).await?;
        Ok(AsyncRawResponse::from_bytes(status.into(), headers, body))
    }
}

async fn collect(answer: &mut reqwest::Response) -> azure_core::Result<Bytes> {
    let Some(first) = answer.chunk().await.map_err(broken)? else { return Ok(Bytes::new()) };
    let Some(second) = answer.chunk().await.map_err(broken)? else { return Ok(first) };
    let expected = answer.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    let mut body = BytesMut::with_capacity(expected.min(ANSWER_BYTES_MAX));
    body.extend_from_slice(&first);
    body.extend_from_slice(&second);
    while let Some(chunk) = answer.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(azure_core::Error::with_message(
                SdkKind::Other,
                "the service's answer is longer than asked for",
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn headers(given: &reqwest::header::HeaderMap) -> azure_core::Result<Headers> {
    let mut headers = Headers::new();
    for (name, value) in given {
        match value.to_str().map(|value| bounded(name.as_str(), value)) {
            Ok(value) => {
                headers.insert(HeaderName::from(name.as_str().to_owned()), HeaderValue::from(value.into_owned()));
            }
            // Metadata that cannot be read would be lost when the blob is written again.
            Err(_) if name.as_str().starts_with("x-ms-meta-") => {
                return Err(azure_core::Error::with_message(SdkKind::Other, "the blob's metadata is not ASCII"));
            }
            Err(_) => {}
        }
    }
    Ok(headers)
}

/// The longest wait in seconds that the service may ask for. A run that is told to wait for an hour would seem to hang, and is better asked
/// to try again later.
const WAIT_MAX: u64 = 60;

/// A header's value, but for waits that are too long.
fn bounded<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    let max = match name {
        "retry-after" => WAIT_MAX,
        "retry-after-ms" | "x-ms-retry-after-ms" => WAIT_MAX * 1000,
        _ => return value.into(),
    };
    match value.trim().parse::<u64>() {
        Ok(wait) if wait > max => max.to_string().into(),
        _ => value.into(),
    }
}

/// A failed request or a broken answer, without the address.
fn broken(error: reqwest::Error) -> azure_core::Error {
    let kind = if error.is_builder() {
        SdkKind::Other
    } else if error.is_connect() {
        SdkKind::Connection
    } else {
        SdkKind::Io
    };
    azure_core::Error::with_error(kind, error.without_url(), "the request failed")
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn no_wait_is_longer_than_a_minute() {
        let waits =
            [("retry-after", "3600"), ("retry-after", "20"), ("x-ms-retry-after-ms", "90000"), ("etag", "3600")];
        assert_eq!(waits.map(|(name, value)| bounded(name, value)), ["60", "20", "60000", "3600"]);
    }
}
