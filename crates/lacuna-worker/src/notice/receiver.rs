//! Who is told, and what must be right about them before anything is sent.

use std::net::IpAddr;
use std::path::PathBuf;

use reqwest::Url;

use super::address::is_public;
use super::signature::SigningSecret;

/// Somebody who is told of changes.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// What logs and the ledger call it. Its address stays out of them: some hold a token.
    pub name: String,
    pub(super) url: Url,
    pub(super) secret: SigningSecret,
    pub(super) allow_private: bool,
    pub(super) ca_certificate: Option<PathBuf>,
}

/// Why there can be no such receiver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiverError {
    /// The address is none.
    #[error("is no address such as `https://hooks.example.org/lacuna`")]
    Address,
    /// The address is not encrypted.
    #[error("must start with `https://`: notices are sent encrypted only")]
    Plain,
    /// The address holds a name and password, or a fragment.
    #[error("may hold no user name, password or fragment: the signature is what proves the sender")]
    Credentials,
    /// The address is a private one.
    #[error("is a private address; `allow_private = true` allows it")]
    Private,
    /// The connection to it cannot be prepared.
    #[error("the connection to the receiver `{name}` cannot be prepared")]
    Connection {
        /// The receiver.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Receiver {
    /// A receiver at `url`.
    pub fn new(name: String, url: &str, secret: SigningSecret, allow_private: bool) -> Result<Self, ReceiverError> {
        let url = Self::check(url, allow_private)?;
        Ok(Self { name, url, secret, allow_private, ca_certificate: None })
    }

    /// Trusts the certificates in this PEM file besides the system's.
    #[must_use]
    pub fn trusting(mut self, ca_certificate: Option<PathBuf>) -> Self {
        self.ca_certificate = ca_certificate;
        self
    }

    /// What is wrong with an address as far as it can be told without connecting. The address that a name leads to is checked
    /// with each connection.
    pub fn check(url: &str, allow_private: bool) -> Result<Url, ReceiverError> {
        let url = Url::parse(url).map_err(|_| ReceiverError::Address)?;
        if url.scheme() != "https" {
            return Err(ReceiverError::Plain);
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(ReceiverError::Credentials);
        }
        // A number is connected to without a look-up. The parser has made every spelling of one (`0x7f.1`) into the usual one.
        let host = url.host_str().unwrap_or_default();
        let number = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if !allow_private && number.is_ok_and(|address| !is_public(address)) {
            return Err(ReceiverError::Private);
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_before_anything_is_sent() {
        let check = |url| Receiver::check(url, false).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(check("https://hooks.example.org:8443/a?b=c"), Ok(()));
        assert_eq!(check("https://1.1.1.1/"), Ok(()));
        for (url, wrong) in [
            ("hooks.example.org", "is no address"),
            ("https://", "is no address"),
            ("http://hooks.example.org", "must start with `https://`"),
            ("file:///etc/passwd", "must start with `https://`"),
            ("https://user:pass@hooks.example.org", "user name"),
            ("https://127.0.0.1/", "private"),
            ("https://0x7f.1/", "private"),
            ("https://2130706433/", "private"),
            ("https://[::1]/", "private"),
            ("https://[::ffff:10.0.0.1]/", "private"),
            ("https://169.254.169.254/metadata", "private"),
        ] {
            assert!(check(url).is_err_and(|error| error.contains(wrong)), "{url}: {:?}", check(url));
        }
        assert!(Receiver::check("https://127.0.0.1/", true).is_ok());
        assert!(Receiver::check("http://127.0.0.1/", true).is_err(), "private is no reason to send in the clear");
    }
}
