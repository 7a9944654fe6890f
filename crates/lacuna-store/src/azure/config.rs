//! What a container is reached with.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use azure_core::http::Url;

use crate::{Error, ErrorKind, Result, Secret};

/// How a container is reached.
#[derive(Clone)]
pub struct AzureConfig {
    /// The container.
    pub container: String,
    /// The storage account. May be absent when `endpoint` names it.
    pub account: Option<String>,
    /// The blob service's address, when it is another than the public cloud's: `http://127.0.0.1:10000/devstoreaccount1` for
    /// Azurite, `https://ACCOUNT.blob.core.usgovcloudapi.net`, a private endpoint.
    pub endpoint: Option<String>,
    /// Who asks.
    pub credential: Credential,
    /// A file of PEM certificates that are trusted besides the system's.
    pub ca_certificate: Option<PathBuf>,
    /// What is done when the service does not answer well.
    pub retries: Retries,
    /// Blobs in a page of a listing; as many as the service likes (5,000) when absent.
    pub page_size: Option<NonZeroU32>,
}

/// Who asks the storage service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    /// The first that is there: an account key in `AZURE_STORAGE_KEY`, a shared access signature in `AZURE_STORAGE_SAS_TOKEN`,
    /// workload identity (`AZURE_FEDERATED_TOKEN_FILE`), managed identity (`IDENTITY_ENDPOINT`), the developer's own login.
    /// The managed identity of a plain virtual machine leaves no trace in the environment: name it.
    #[default]
    Auto,
    /// The storage account's key, in base64.
    SharedKey(Secret),
    /// A shared access signature: the query text, with or without `?` before it.
    Sas(Secret),
    /// The identity that Azure gives to the machine, container or function.
    ManagedIdentity {
        /// Which one, when several are assigned.
        client_id: Option<String>,
    },
    /// The identity of a Kubernetes service account, from `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_FEDERATED_TOKEN_FILE`.
    WorkloadIdentity,
    /// Who is logged in with the Azure CLI or the Azure Developer CLI.
    Developer,
    /// Nobody: for containers that anyone may read.
    Anonymous,
}

/// What is done when the service does not answer, is overloaded, or breaks off. Waits grow exponentially and are never shorter
/// than the service asks for (`Retry-After`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Attempts at each request, the first one counted.
    pub tries_max: u32,
    /// The wait before the second attempt.
    pub delay: Duration,
    /// The longest wait between two attempts, unless the service asks for more.
    pub delay_max: Duration,
    /// After this time no further attempt is made.
    pub elapsed_max: Duration,
    /// Waiting this long for a connection or for the next byte ends an attempt.
    pub silence_max: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            tries_max: 8,
            delay: Duration::from_millis(200),
            delay_max: Duration::from_secs(30),
            elapsed_max: Duration::from_mins(3),
            silence_max: Duration::from_mins(1),
        }
    }
}

impl AzureConfig {
    /// `container`, with everything else found or as usual.
    pub fn new(container: impl Into<String>) -> Self {
        Self {
            container: container.into(),
            account: None,
            endpoint: None,
            credential: Credential::Auto,
            ca_certificate: None,
            retries: Retries::default(),
            page_size: None,
        }
    }

    /// The container's address.
    pub(super) fn container_url(&self) -> Result<Url> {
        // Naming and Referencing Containers: lower-case letters, digits and hyphens; `$root`, `$web` and `$logs` are special.
        let name = self.container.strip_prefix('$').unwrap_or(&self.container);
        if name.is_empty()
            || name.len() > 63
            || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        {
            return Err(wrong("a container's name is made of lower-case letters, digits and hyphens"));
        }
        let endpoint = match (&self.endpoint, &self.account) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, Some(account)) if is_account(account) => format!("https://{account}.blob.core.windows.net/"),
            (None, Some(_)) => return Err(wrong("an account's name is made of 3 to 24 lower-case letters and digits")),
            (None, None) => return Err(wrong("neither an account nor an endpoint is given")),
        };
        // What is wrong with an endpoint is said without repeating it: it may hold a signature that was pasted with it.
        let mut url = Url::parse(&endpoint).map_err(|_| wrong("the endpoint is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(wrong("the endpoint is no http or https URL"));
        }
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "the endpoint holds more than an address; a shared access signature is given as the credential",
            ));
        }
        url.path_segments_mut()
            .map_err(|()| wrong("the endpoint is no http or https URL"))?
            .pop_if_empty()
            .push(&self.container);
        Ok(url)
    }

    /// The account that requests are signed for.
    pub(super) fn account_name(&self, url: &Url) -> Result<String> {
        if let Some(account) = &self.account {
            return Ok(account.clone());
        }
        // `http://HOST/ACCOUNT/CONTAINER`, or `https://ACCOUNT.blob.…/CONTAINER`.
        let segments: Vec<_> = url.path_segments().into_iter().flatten().collect();
        let account = match segments[..] {
            [account, _] => Some(account.to_owned()),
            _ => url.domain().and_then(|domain| domain.split('.').next()).map(str::to_owned),
        };
        account.ok_or_else(|| wrong("the endpoint does not tell the account, and none is given"))
    }
}

fn is_account(name: &str) -> bool {
    (3..=24).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

pub(super) fn wrong(what: &'static str) -> Error {
    Error::new(ErrorKind::Configuration).because(what)
}

impl fmt::Debug for AzureConfig {
    /// Without the endpoint, into which a signature may have been pasted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureConfig")
            .field("container", &self.container)
            .field("account", &self.account)
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}
