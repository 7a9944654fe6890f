//! The ledger's keys: configured, or a file beside the configuration.
//!
//! What encrypts and what hashes is derived from the configured secrets (HMAC-SHA-256), so one secret is enough to begin with. When it is
//! exchanged, the old one moves to `older_subject_keys` and, so that hashes stay the same, to `hash_key`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lacuna_ledger::Keys;
use lacuna_scan::Secret;
use sha2::Sha256;

use crate::config::{self, Config, Environment, SecretRef};
use crate::failure::{Failure, Result};
use crate::signing;

/// The file of a key that was made, beside the configuration.
const FILE: &str = "lacuna-ledger.key";
/// The least length of a secret, in bytes.
const BYTES_MIN: usize = 32;

pub(super) fn read(
    config: &Config,
    settings: &config::Ledger,
    url: &str,
    environment: Environment<'_>,
) -> Result<Keys> {
    let current = match &settings.subject_key {
        Some(secret) => resolve(secret, environment)?,
        // A machine of its own would make a key of its own, and could not read what others wrote.
        None if url.starts_with("postgres") => {
            return Err(Failure::usage("`[ledger]` needs `subject_key` with PostgreSQL")
                .advice("Every machine needs the same one: say where it lies, as `{ env = \"VARIABLE\" }`."));
        }
        None => {
            // Looked at first: another process that begins makes its key before its ledger.
            let has_ledger = lacuna_ledger::sqlite_file(url)
                .and_then(|file| file.metadata().ok())
                .is_some_and(|found| found.len() > 0);
            let path = file_beside(&config.path);
            match find(&path)? {
                Some(key) => key,
                None if has_ledger => return Err(lost(&path, url)),
                None => make(&path)?,
            }
        }
    };
    let hashing = match &settings.hash_key {
        Some(secret) => derive(&resolve(secret, environment)?, "hash"),
        None => derive(&current, "hash"),
    };
    let mut keys = Keys::new(id(&current), derive(&current, "subject"), hashing);
    for secret in &settings.older_subject_keys {
        let older = resolve(secret, environment)?;
        keys = keys.with_older(id(&older), derive(&older, "subject"));
    }
    Ok(keys)
}

/// Where a key lies that was made.
fn file_beside(config: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(FILE)
}

fn resolve(secret: &SecretRef, environment: Environment<'_>) -> Result<Secret<Vec<u8>>> {
    let bytes = secret.resolve(environment)?;
    if bytes.expose().len() < BYTES_MIN {
        return Err(secret
            .wrong(&format!("is too short: a key has {BYTES_MIN} bytes or more"))
            .advice("`openssl rand -base64 32` writes one."));
    }
    Ok(bytes)
}

/// A new key would open nothing in the ledger that is there.
fn lost(path: &Path, ledger: &str) -> Failure {
    Failure::usage(format!("the key of the ledger {ledger} is missing: there is no {}", path.display())).advice(
        "Bring the file back from a backup, or name the key in `[ledger] subject_key`: no other one opens what the ledger holds.",
    )
}

/// The key in the file at `path`, where there is one.
fn find(path: &Path) -> Result<Option<Secret<Vec<u8>>>> {
    match std::fs::read(path).map(Secret::new) {
        Ok(text) => {
            let key = Secret::new(text.expose().trim_ascii().to_vec());
            if key.expose().len() < BYTES_MIN {
                return Err(Failure::usage(format!("{} is too short for a key", path.display())));
            }
            Ok(Some(key))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::usage(format!("cannot read {}", path.display())).because(&error)),
    }
}

/// A new key in a file at `path`, which is said on standard error.
fn make(path: &Path) -> Result<Secret<Vec<u8>>> {
    let text = Secret::new(STANDARD.encode(signing::random()?.expose()));
    if let Err(failure) = signing::write_new(path, text.expose().as_bytes(), 0o600) {
        // Another process may have been first.
        return find(path)?.ok_or(failure);
    }
    crate::output::note(&format!(
        "Made a key for the ledger: {} (keep it secret and safe: without it, no request can be run).",
        path.display()
    ));
    Ok(Secret::new(text.expose().clone().into_bytes()))
}

/// The key for one purpose.
fn derive(secret: &Secret<Vec<u8>>, purpose: &str) -> [u8; 32] {
    // The length of a key never matters to HMAC, so there is always one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose()) else { return [0; 32] };
    mac.update(b"lacuna ledger: ");
    mac.update(purpose.as_bytes());
    mac.finalize().into_bytes().into()
}

/// What the ledger calls a key, in the clear: a short fingerprint.
fn id(secret: &Secret<Vec<u8>>) -> String {
    derive(secret, "id").iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        assert!(find(&path).unwrap().is_none());
        let made = make(&path).unwrap();
        assert_eq!(make(&path).unwrap(), made);
        assert_eq!(find(&path).unwrap().unwrap(), made);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, "short").unwrap();
        assert!(find(&path).unwrap_err().text().contains("too short"));
    }

    #[test]
    fn purposes_have_keys_of_their_own() {
        let secret = Secret::new(b"0123456789abcdef0123456789abcdef".to_vec());
        assert_ne!(derive(&secret, "subject"), derive(&secret, "hash"));
        assert_eq!(id(&secret).len(), 8);
    }
}
