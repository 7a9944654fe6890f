//! From a configured credential to what requests carry.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::http::policies::Policy;
use azure_core::http::{ClientOptions, Transport, Url};
use azure_identity::{
    ClientAssertionCredentialOptions, DeveloperToolsCredential, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::config::wrong;
use super::failure::failure;
use super::shared_key::SharedKey;
use super::transport::{Http, Signature};
use super::{AzureConfig, Credential};
use crate::{ErrorKind, Result, Secret};

/// What requests carry: at most one of the three.
#[derive(Default)]
pub(super) struct Access {
    /// Signs each attempt.
    pub signer: Option<Arc<dyn Policy>>,
    /// Added to each address, on the wire only.
    pub signature: Option<Signature>,
    /// Gives bearer tokens.
    pub token: Option<Arc<dyn TokenCredential>>,
}

/// What requests to the container at `url` carry.
pub(super) fn access(config: &AzureConfig, url: &Url, client: &reqwest::Client) -> Result<Access> {
    let found;
    let credential = match &config.credential {
        Credential::Auto => {
            found = find(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
            &found
        }
        given => given,
    };
    let token: azure_core::Result<Arc<dyn TokenCredential>> = match credential {
        Credential::SharedKey(key) => {
            let signer = SharedKey::new(config.account_name(url)?, key)?;
            return Ok(Access { signer: Some(Arc::new(signer)), ..Access::default() });
        }
        Credential::Sas(token) => {
            return Ok(Access { signature: Some(Signature::new(token)?), ..Access::default() });
        }
        Credential::Anonymous => return Ok(Access::default()),
        Credential::ManagedIdentity { client_id } => {
            let options = ManagedIdentityCredentialOptions {
                user_assigned_id: client_id.clone().map(UserAssignedId::ClientId),
                client_options: identity_options(client),
            };
            ManagedIdentityCredential::new(Some(options)).map(|credential| credential as _)
        }
        Credential::WorkloadIdentity => {
            let options = WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options: identity_options(client) },
                ..WorkloadIdentityCredentialOptions::default()
            };
            WorkloadIdentityCredential::new(Some(options)).map(|credential| credential as _)
        }
        Credential::Developer | Credential::Auto => {
            DeveloperToolsCredential::new(None).map(|credential| credential as _)
        }
    };
    if url.scheme() != "https" {
        return Err(wrong(
            "an identity's token is sent over https only; over http, give an account key or a signature",
        ));
    }
    let token = token.map_err(|error| failure(error).into_error(ErrorKind::Configuration))?;
    Ok(Access { token: Some(token), ..Access::default() })
}

/// The credential that the environment holds, or else the developer's own.
fn find(variable: impl Fn(&str) -> Option<String>) -> Credential {
    let has = |name| variable(name).is_some();
    if let Some(key) = variable("AZURE_STORAGE_KEY") {
        Credential::SharedKey(Secret::new(key))
    } else if let Some(token) = variable("AZURE_STORAGE_SAS_TOKEN") {
        Credential::Sas(Secret::new(token))
    } else if has("AZURE_FEDERATED_TOKEN_FILE") && has("AZURE_TENANT_ID") && has("AZURE_CLIENT_ID") {
        Credential::WorkloadIdentity
    } else if has("IDENTITY_ENDPOINT") || has("MSI_ENDPOINT") {
        Credential::ManagedIdentity { client_id: variable("AZURE_CLIENT_ID") }
    } else {
        Credential::Developer
    }
}

/// Tokens are asked for through the same client, so that the same certificates are trusted.
fn identity_options(client: &reqwest::Client) -> ClientOptions {
    let transport = Transport::new(Arc::new(Http::new(client.clone(), None)));
    ClientOptions { transport: Some(transport), ..ClientOptions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_tells_who_asks() {
        let found = |variables: &[(&str, &str)]| {
            find(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        let workload = [("AZURE_FEDERATED_TOKEN_FILE", "/t"), ("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")];
        assert_eq!(found(&[]), Credential::Developer);
        assert_eq!(found(&workload), Credential::WorkloadIdentity);
        assert_eq!(found(&workload[..2]), Credential::Developer);
        assert_eq!(found(&[("IDENTITY_ENDPOINT", "http://x")]), Credential::ManagedIdentity { client_id: None });
        assert_eq!(
            found(&[("IDENTITY_ENDPOINT", "http://x"), ("AZURE_CLIENT_ID", "c")]),
            Credential::ManagedIdentity { client_id: Some("c".into()) }
        );
        assert_eq!(
            found(&[("AZURE_STORAGE_SAS_TOKEN", "s"), workload[0], workload[1], workload[2]]),
            Credential::Sas(Secret::new("s"))
        );
        assert_eq!(
            found(&[("AZURE_STORAGE_KEY", "k"), ("AZURE_STORAGE_SAS_TOKEN", "s")]),
            Credential::SharedKey(Secret::new("k"))
        );
    }
}
