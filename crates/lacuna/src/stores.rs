//! Configured places made into stores.

use std::path::Path;
use std::sync::Arc;

use lacuna_store::{AzureConfig, AzureStore, Credential as AzureCredential, LocalStore, Store};

use crate::config::{Address, Config, Connection, Credential, Environment, SecretRef, StoreConfig};
use crate::failure::{Failure, Result};

/// Where an account's key is found when the configuration names none.
const KEY_VARIABLE: &str = "AZURE_STORAGE_KEY";
/// Where a shared access signature is found when the configuration names none.
const SAS_VARIABLE: &str = "AZURE_STORAGE_SAS_TOKEN";

/// Opens the place where the shards are.
pub(crate) fn open(config: &StoreConfig, environment: Environment<'_>) -> Result<Arc<dyn Store>> {
    match config {
        StoreConfig::Local { root } => open_local(root),
        StoreConfig::Azure { container, connection } => open_azure(container, connection, environment),
    }
}

/// Opens the place where packages go. A folder that is not there is made.
pub(crate) fn create(config: &StoreConfig, environment: Environment<'_>) -> Result<Arc<dyn Store>> {
    if let StoreConfig::Local { root } = config {
        std::fs::create_dir_all(root)
            .map_err(|error| Failure::other(format!("cannot make the folder {}", root.display())).because(&error))?;
    }
    open(config, environment)
}

/// The place that `url` names, with the path within it. Relative paths start at the working directory; what an `az://`
/// address does not say of its account is as in the configuration.
pub(crate) fn named(url: &str, config: Option<&Config>) -> Result<(StoreConfig, String)> {
    let wrong = |what| Failure::usage(format!("`{}` {what}", without_query(url)));
    let address = Address::parse(url, Path::new("")).map_err(wrong)?;
    match address {
        Address::Local(root) => Ok((StoreConfig::Local { root }, String::new())),
        Address::Azure { container, path } => {
            let configured = config.into_iter().flat_map(|config| config.export.iter().chain([&config.store]));
            let connection = configured
                .filter_map(|store| match store {
                    StoreConfig::Azure { connection, container: known } => Some((known != &container, connection)),
                    StoreConfig::Local { .. } => None,
                })
                // The container's own settings come before those of another one.
                .min_by_key(|(is_other, _)| *is_other);
            match connection {
                Some((_, connection)) => Ok((StoreConfig::Azure { container, connection: connection.clone() }, path)),
                None => Err(Failure::usage(format!("nothing says which account `{url}` is in"))
                    .advice("Give `account` and credential in `[store]` or `[export]` of the configuration.")),
            }
        }
    }
}

/// An address as errors show it: what follows a question mark may be a secret.
pub(crate) fn without_query(url: &str) -> &str {
    url.split_once('?').map_or(url, |(address, _)| address)
}

fn open_local(root: &Path) -> Result<Arc<dyn Store>> {
    match LocalStore::open(root) {
        Ok(store) => Ok(Arc::new(store)),
        Err(error) => Err(Failure::usage(format!("cannot open the folder {}", root.display())).because(&error)),
    }
}

fn open_azure(container: &str, connection: &Connection, environment: Environment<'_>) -> Result<Arc<dyn Store>> {
    let mut config = AzureConfig::new(container);
    config.account = connection.account.clone();
    config.endpoint = connection.endpoint.clone();
    config.credential = credential(connection, environment)?;
    config.ca_certificate = connection.ca_certificate.clone();
    match AzureStore::open(&config) {
        Ok(store) => Ok(Arc::new(store)),
        Err(error) => Err(Failure::usage(format!("cannot open the container az://{container}")).because(&error)),
    }
}

fn credential(connection: &Connection, environment: Environment<'_>) -> Result<AzureCredential> {
    let text = |secret: &SecretRef| {
        secret.resolve_text(environment).map(|text| lacuna_store::Secret::new(text.expose().as_str()))
    };
    // What the configuration does not name, the environment may hold.
    let found = |name: &str, what: &str| {
        let value = environment(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty());
        value.map(lacuna_store::Secret::new).ok_or_else(|| {
            Failure::usage(format!("`credential = \"{what}\"` has no secret"))
                .advice(format!("Name where it lies in the configuration, or set the environment variable `{name}`."))
        })
    };
    Ok(match (connection.credential, &connection.key, &connection.sas) {
        (Credential::Auto | Credential::SharedKey, Some(key), _) => AzureCredential::SharedKey(text(key)?),
        (Credential::Auto | Credential::Sas, _, Some(sas)) => AzureCredential::Sas(text(sas)?),
        (Credential::Auto, None, None) => AzureCredential::Auto,
        (Credential::SharedKey, None, _) => AzureCredential::SharedKey(found(KEY_VARIABLE, "shared_key")?),
        (Credential::Sas, _, None) => AzureCredential::Sas(found(SAS_VARIABLE, "sas")?),
        (Credential::ManagedIdentity, ..) => {
            AzureCredential::ManagedIdentity { client_id: connection.client_id.clone() }
        }
        (Credential::WorkloadIdentity, ..) => AzureCredential::WorkloadIdentity,
        (Credential::Developer, ..) => AzureCredential::Developer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn credentials_come_from_the_configuration_then_from_the_environment() {
        let of = |credential, variables: &'static [(&str, &str)]| {
            let connection = Connection { credential, ..Connection::default() };
            let environment = |name: &str| {
                variables.iter().find(|variable| variable.0 == name).map(|variable| OsString::from(variable.1))
            };
            super::credential(&connection, &environment)
        };
        let expected = AzureCredential::SharedKey(lacuna_store::Secret::new("a2V5"));
        assert_eq!(of(Credential::SharedKey, &[(KEY_VARIABLE, "a2V5")]).unwrap(), expected);
        // The store finds it by itself.
        assert_eq!(of(Credential::Auto, &[(KEY_VARIABLE, "a2V5")]).unwrap(), AzureCredential::Auto);
        assert!(of(Credential::Sas, &[(KEY_VARIABLE, "a2V5")]).unwrap_err().text().contains(SAS_VARIABLE));
        assert!(of(Credential::SharedKey, &[(KEY_VARIABLE, "")]).unwrap_err().text().contains(KEY_VARIABLE));
        assert_eq!(of(Credential::Developer, &[]).unwrap(), AzureCredential::Developer);
    }
}
