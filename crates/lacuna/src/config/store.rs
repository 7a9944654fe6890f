//! `[store]` and `[export]`: where shards are, and where packages go.

use std::path::{Component, Path, PathBuf};

use super::document::{Entry, Problems, Table};
use super::secret::SecretRef;

/// A place that holds blobs, and how to get at it.
#[derive(Clone, Debug)]
pub(crate) enum StoreConfig {
    /// A folder on this machine.
    Local {
        /// The folder.
        root: PathBuf,
    },
    /// A container of Azure Blob Storage.
    Azure {
        /// The container's name.
        container: String,
        /// The account, and how to get in.
        connection: Box<Connection>,
    },
}

/// The storage account, and how to get in. Paths are absolute or relative to the working directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    /// The account's name; part of the endpoint for `https://ACCOUNT.blob.core.windows.net`.
    pub account: Option<String>,
    /// The service's address where it is another, such as Azurite's.
    pub endpoint: Option<String>,
    /// Which credential to use.
    pub credential: Credential,
    /// The account's key.
    pub key: Option<SecretRef>,
    /// A shared access signature.
    pub sas: Option<SecretRef>,
    /// Which managed identity, where several are assigned.
    pub client_id: Option<String>,
    /// A file of PEM certificates that are trusted besides the system's.
    pub ca_certificate: Option<PathBuf>,
}

/// Which credential to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A key or SAS where there is one, then the identity that the environment offers.
    #[default]
    Auto,
    /// The account's key.
    SharedKey,
    /// A shared access signature.
    Sas,
    /// The identity of the machine.
    ManagedIdentity,
    /// The identity of the Kubernetes workload.
    WorkloadIdentity,
    /// Whoever is signed in with the Azure CLI or its kin.
    Developer,
}

impl StoreConfig {
    /// The folder of `outer` that this is, if it lies there; without a name when it is the same place.
    pub(crate) fn folder_in(&self, outer: &Self) -> Option<String> {
        match (self, outer) {
            (Self::Local { root }, Self::Local { root: outer }) => {
                let (root, outer) = (resolved(root), resolved(outer));
                root.strip_prefix(outer).ok().map(|folder| folder.to_string_lossy().into_owned())
            }
            (Self::Azure { container, connection }, Self::Azure { container: outer, connection: theirs }) => {
                let is_same = container == outer
                    && (&connection.account, &connection.endpoint) == (&theirs.account, &theirs.endpoint);
                is_same.then(String::new)
            }
            _ => None,
        }
    }

    /// Whether a folder of this name is this place, or leads to it.
    pub(crate) fn is_within(&self, folder: &str) -> bool {
        match self {
            Self::Local { root } => resolved(root).components().any(|part| part.as_os_str() == folder),
            // A container is a whole store.
            Self::Azure { .. } => false,
        }
    }
}

/// Where a path leads: through links as far as it is there, and from then on by its words alone, as folders that will be made.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut leads = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = leads.pop(),
            part => leads.push(part),
        }
        leads = leads.canonicalize().unwrap_or(leads);
    }
    leads
}

const CREDENTIALS: [(&str, Credential); 6] = [
    ("auto", Credential::Auto),
    ("shared_key", Credential::SharedKey),
    ("sas", Credential::Sas),
    ("managed_identity", Credential::ManagedIdentity),
    ("workload_identity", Credential::WorkloadIdentity),
    ("developer", Credential::Developer),
];

/// What a store's address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A path on this machine.
    Local(PathBuf),
    /// A container, and a path within it, which may be empty.
    Azure {
        /// The container.
        container: String,
        /// The path within it.
        path: String,
    },
}

impl Address {
    /// Reads `az://CONTAINER/PATH`, `file:///PATH` or a plain path; relative paths start at `base`.
    pub(crate) fn parse(url: &str, base: &Path) -> Result<Self, String> {
        const WANTED: &str = "must be `az://CONTAINER`, `file:///PATH` or a path";
        if let Some(rest) = url.strip_prefix("az://") {
            if rest.contains('?') {
                return Err("has a query, which no address has: a SAS is given in the configuration".to_owned());
            }
            let (container, path) = rest.split_once('/').unwrap_or((rest, ""));
            let valid = (1..=63).contains(&container.len())
                && container.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'$'));
            if !valid {
                return Err("names no container: they have 3 to 63 lower case letters, digits and hyphens".to_owned());
            }
            return Ok(Self::Azure { container: container.to_owned(), path: path.trim_end_matches('/').to_owned() });
        }
        let path = match url.strip_prefix("file:") {
            // file:///PATH has an empty host; `file:PATH` is a relative path.
            Some(rest) => match rest.strip_prefix("//") {
                Some(rest) => {
                    let path = rest.strip_prefix("localhost").unwrap_or(rest);
                    let path = if path.starts_with('/') { path } else { return Err(WANTED.to_owned()) };
                    percent_decoded(path)
                        .ok_or("has a `%` without two hexadecimal digits that make UTF-8; `%25` is a `%`")?
                }
                None => rest.to_owned(),
            },
            None if url.contains("://") => return Err(WANTED.to_owned()),
            None => url.to_owned(),
        };
        if path.is_empty() { Err(WANTED.to_owned()) } else { Ok(Self::Local(base.join(path))) }
    }
}

/// What `%20` and the like stand for.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { digit(rest.next())? << 4 | digit(rest.next())? } else { byte });
    }
    String::from_utf8(bytes).ok()
}

/// Reads the keys of one of the two tables. What an `az://` export does not say of its account is as in the store.
pub(super) fn read(
    table: &mut Table<'_>,
    base: &Path,
    inherited: Option<&StoreConfig>,
    problems: &mut Problems<'_>,
) -> Option<StoreConfig> {
    let place = table.place();
    let url = table.need("url", "`az://CONTAINER` or `file:///PATH`", problems);
    let account = table.get("account");
    let endpoint = table.get("endpoint");
    let credential = table.get("credential");
    let key = table.get("key");
    let sas = table.get("sas");
    let client_id = table.get("client_id");
    let ca_certificate = table.get("ca_certificate");

    let address = url.as_ref().and_then(|entry| {
        let address = Address::parse(entry.words(problems)?, base);
        address.map_err(|what| entry.wrong(what, problems)).ok()
    });
    let container = match address {
        Some(Address::Azure { container, path }) if path.is_empty() => Some(container),
        Some(Address::Azure { .. }) => {
            if let Some(entry) = &url {
                entry.wrong("names a path within the container, and must name the container alone", problems);
            }
            None
        }
        Some(Address::Local(root)) => {
            let azure_only = [&account, &endpoint, &credential, &key, &sas, &client_id, &ca_certificate];
            for entry in azure_only.into_iter().flatten() {
                entry.wrong("is for `az://` addresses only", problems);
            }
            return Some(StoreConfig::Local { root });
        }
        None => None,
    };

    let own = Connection {
        account: account.as_ref().and_then(|entry| entry.words(problems)).map(str::to_owned),
        endpoint: endpoint.as_ref().and_then(|entry| self::endpoint(entry, problems)),
        credential: credential.as_ref().and_then(|entry| entry.choice(&CREDENTIALS, problems)).unwrap_or_default(),
        key: key.as_ref().and_then(|entry| SecretRef::read(entry, base, problems)),
        sas: sas.as_ref().and_then(|entry| SecretRef::read(entry, base, problems)),
        client_id: client_id.as_ref().and_then(|entry| entry.words(problems)).map(str::to_owned),
        ca_certificate: ca_certificate.as_ref().and_then(|entry| entry.words(problems)).map(|path| base.join(path)),
    };
    if let (Some(_), Some(sas)) = (&key, &sas) {
        sas.wrong("and `key` are both given; one of them is enough", problems);
    }
    let uses = |entry: &Option<Entry<'_>>, allowed: &[Credential], problems: &mut Problems<'_>| {
        if let Some(entry) = entry
            && !allowed.contains(&own.credential)
        {
            let name = CREDENTIALS.iter().find(|choice| choice.1 == own.credential).map_or("", |choice| choice.0);
            entry.wrong(format!("is not used with `credential = \"{name}\"`"), problems);
        }
    };
    uses(&key, &[Credential::Auto, Credential::SharedKey], problems);
    uses(&sas, &[Credential::Auto, Credential::Sas], problems);
    uses(&client_id, &[Credential::ManagedIdentity], problems);

    let connection = match inherited {
        Some(StoreConfig::Azure { connection, .. }) if account.is_none() && endpoint.is_none() => {
            own.or(connection, credential.is_some())
        }
        _ => {
            if container.is_some() && account.is_none() && endpoint.is_none() {
                problems
                    .add(&place, "`az://` needs `account`, the storage account's name (or `endpoint`, its address)");
            }
            own
        }
    };
    Some(StoreConfig::Azure { container: container?, connection: Box::new(connection) })
}

fn endpoint(entry: &Entry<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let url = entry.words(problems)?;
    if !(url.starts_with("https://") || url.starts_with("http://")) || url.contains(['?', '#', '@']) {
        entry.wrong("must be an address such as `https://contoso.blob.core.windows.net`, without a query", problems);
        return None;
    }
    Some(url.trim_end_matches('/').to_owned())
}

impl Connection {
    /// These settings, with what is not said as in `other`. A credential of its own stands without the other's secrets.
    fn or(self, other: &Self, own_credential: bool) -> Self {
        let own = own_credential || self.key.is_some() || self.sas.is_some();
        Self {
            account: other.account.clone(),
            endpoint: other.endpoint.clone(),
            credential: if own { self.credential } else { other.credential },
            key: if own { self.key } else { other.key.clone() },
            sas: if own { self.sas } else { other.sas.clone() },
            client_id: self.client_id.or_else(|| other.client_id.clone().filter(|_| !own)),
            ca_certificate: self.ca_certificate.or_else(|| other.ca_certificate.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_within_another_is_known_whatever_it_is_called() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("logs/a")).unwrap();
        std::os::unix::fs::symlink("logs/a", home.path().join("link")).unwrap();
        let local = |path: &str| StoreConfig::Local { root: home.path().join(path) };
        for (path, folder) in [
            ("logs", Some("")),
            ("logs/./b//c", Some("b/c")),
            ("link/b", Some("a/b")),
            ("link/../b", Some("b")),
            ("new/../logs/b", Some("b")),
            ("logs/new/../../b", None),
            ("link/../../b", None),
        ] {
            assert_eq!(local(path).folder_in(&local("logs")).as_deref(), folder, "{path}");
        }
    }

    #[test]
    fn addresses() {
        let base = Path::new("/etc/lacuna");
        let local = |path: &str| Ok(Address::Local(PathBuf::from(path)));
        assert_eq!(Address::parse("file:///var/logs", base), local("/var/logs"));
        assert_eq!(Address::parse("file://localhost/var/logs", base), local("/var/logs"));
        assert_eq!(Address::parse("file:///var/my%20logs/%C3%A9", base), local("/var/my logs/\u{e9}"));
        assert_eq!(Address::parse("file:100%", base), local("/etc/lacuna/100%"));
        assert!(Address::parse("file:///100%", base).is_err());
        assert_eq!(Address::parse("file:logs", base), local("/etc/lacuna/logs"));
        assert_eq!(Address::parse("logs", base), local("/etc/lacuna/logs"));
        let azure = |path: &str| Ok(Address::Azure { container: "logs".into(), path: path.into() });
        assert_eq!(Address::parse("az://logs", base), azure(""));
        assert_eq!(Address::parse("az://logs/a/b/", base), azure("a/b"));
        assert!(Address::parse("az://logs/a?sig=secret", base).unwrap_err().contains("SAS"));
        for broken in
            ["", "file:", "file://host/path", "s3://logs", "https://x.blob.core.windows.net/c", "az://", "az://Lo_gs"]
        {
            assert!(Address::parse(broken, base).is_err(), "{broken}");
        }
    }
}
