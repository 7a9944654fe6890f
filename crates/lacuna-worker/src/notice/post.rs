//! One try with one receiver.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, StatusCode};
use time::OffsetDateTime;

use super::address::is_public;
use super::{Delivery, Failure, Receiver, ReceiverError};

/// A receiver, and the connections to it.
#[derive(Clone, Debug)]
pub(super) struct Door {
    receiver: Receiver,
    client: Client,
}

impl Door {
    pub(super) fn new(receiver: Receiver, try_max: Duration) -> Result<Self, ReceiverError> {
        let broken = |source| ReceiverError::Connection { name: receiver.name.clone(), source };
        let mut builder = Client::builder()
            .user_agent(concat!("lacuna/", env!("CARGO_PKG_VERSION")))
            .https_only(true)
            .redirect(Policy::none())
            .referer(false)
            // A proxy would look names up itself, and hide which address is connected to.
            .no_proxy()
            .retry(reqwest::retry::never())
            .connect_timeout(try_max)
            .timeout(try_max)
            .dns_resolver(Resolver { allow_private: receiver.allow_private });
        if let Some(path) = &receiver.ca_certificate {
            let pem = std::fs::read(path).map_err(|error| broken(error.into()))?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| broken(error.into()))?;
            if certificates.is_empty() {
                return Err(broken("the file of trusted certificates holds none".into()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|error| broken(error.without_url().into()))?;
        Ok(Self { receiver, client })
    }

    pub(super) fn name(&self) -> &str {
        &self.receiver.name
    }

    /// Sends `body`. Whatever the answer's body holds is not read.
    pub(super) async fn post(&self, id: &str, body: &str, now: OffsetDateTime) -> Delivery {
        let timestamp = now.unix_timestamp();
        let sent = self
            .client
            .post(self.receiver.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp.to_string())
            .header("webhook-signature", self.receiver.secret.sign(id, timestamp, body))
            .body(body.to_owned())
            .send()
            .await;
        match sent.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Delivery::Taken,
            Ok(StatusCode::GONE) => Delivery::Unwanted,
            Ok(status) if status.is_redirection() => Delivery::Failed(Failure::Redirects),
            Ok(status) => Delivery::Failed(Failure::Status(status.as_u16())),
            Err(error) if has_private(&error) => Delivery::Failed(Failure::Private),
            Err(error) if error.is_timeout() => Delivery::Failed(Failure::Silent),
            Err(_) => Delivery::Failed(Failure::Unreachable),
        }
    }
}

/// Looks names up, and gives the connection only addresses that may be connected to: what is checked is what is used.
struct Resolver {
    allow_private: bool,
}

/// A name leads to private addresses alone.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to private addresses only")]
struct Private;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(permitted(found, allow_private)?)
        })
    }
}

fn permitted(found: Vec<SocketAddr>, allow_private: bool) -> Result<Addrs, Private> {
    let is_empty = found.is_empty();
    let kept: Vec<_> = found.into_iter().filter(|address| allow_private || is_public(address.ip())).collect();
    if kept.is_empty() && !is_empty { Err(Private) } else { Ok(Box::new(kept.into_iter())) }
}

fn has_private(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<Private>() {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_names_addresses_only_the_public_ones_are_connected_to() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
        let kept = |texts: &[&str], allow| {
            permitted(addresses(texts), allow).ok().map(|kept| kept.map(|it| it.ip().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(kept(&["10.0.0.1", "1.1.1.1", "::1"], false), Some(vec!["1.1.1.1".to_owned()]));
        assert_eq!(kept(&["10.0.0.1", "::1"], false), None);
        assert_eq!(kept(&["10.0.0.1"], true), Some(vec!["10.0.0.1".to_owned()]));
    }
}
