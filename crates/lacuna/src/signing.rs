//! The key that signs manifests and receipts: configured, or a file beside the configuration.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::spki::{DecodePublicKey as _, EncodePublicKey as _};
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{SigningKey, VerifyingKey};
use lacuna_scan::Secret;

use crate::config::{Config, Environment};
use crate::desk;
use crate::failure::{Failure, Result};

/// The private key's file, beside the configuration.
const PRIVATE: &str = "lacuna-signing.pem";
/// The public key's file, beside the configuration.
const PUBLIC: &str = "lacuna-signing.pub.pem";

/// Where a made key lies.
#[derive(Clone, Debug)]
pub(crate) struct KeyFiles {
    /// The private key, readable by its owner alone.
    pub private: PathBuf,
    /// The public key: for whoever verifies.
    pub public: PathBuf,
}

impl KeyFiles {
    /// The files beside a configuration.
    pub(crate) fn beside(config: &Path) -> Self {
        let base = config.parent().unwrap_or(Path::new(""));
        Self { private: base.join(PRIVATE), public: base.join(PUBLIC) }
    }

    /// An error where the public key is there, and the private one is not: a new pair would not fit what is signed.
    pub(crate) fn check_pair(&self) -> Result<()> {
        if self.private.exists() || !self.public.exists() {
            return Ok(());
        }
        let (public, private) = (self.public.display(), self.private.display());
        Err(Failure::usage(format!("{public} is there, and its private key, {private}, is not")).advice(
            "Put the private key back, or name it in `[keys.signing]`: what is hidden can be purged with it alone. Only where it is \
             lost, and nothing is hidden, move the public key away, keep it to verify what it signed, and make a new pair with \
             `lacuna check --init-keys`.",
        ))
    }

    /// Makes a new key. Never overwrites a file.
    pub(crate) fn make(&self) -> Result<SigningKey> {
        if self.private.exists() {
            return Err(Failure::usage(format!("{} exists already, and is left as it is", self.private.display())));
        }
        self.check_pair()?;
        let seed = random()?;
        let key = SigningKey::from_bytes(seed.expose());
        // Without the public half, which not every reader of the format takes.
        let pair = KeypairBytes { secret_key: *seed.expose(), public_key: None };
        let broken = |_| Failure::other("the new key cannot be written as PEM");
        let private = pair.to_pkcs8_pem(LineEnding::LF).map_err(broken)?;
        let public = key.verifying_key().to_public_key_pem(LineEnding::LF);
        let public = public.map_err(|_| Failure::other("the new key cannot be written as PEM"))?;
        write_new(&self.private, private.as_bytes(), 0o600)?;
        write_new(&self.public, public.as_bytes(), 0o644)?;
        Ok(key)
    }
}

/// 32 random bytes.
pub(crate) fn random() -> Result<Secret<[u8; 32]>> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| Failure::other("the system has no random numbers").because(&error))?;
    Ok(Secret::new(bytes))
}

/// Writes a file in one step, and only where there is none.
pub(crate) fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
        let mut file = builder.prefix(".lacuna-").tempfile_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        Ok(())
    };
    let _ = mode;
    write().map_err(|error| Failure::other(format!("cannot write {}", path.display())).because(&error))
}

/// The key that is configured, or lies beside the configuration; `None` when there is neither.
pub(crate) fn find(config: &Config, environment: Environment<'_>) -> Result<Option<SigningKey>> {
    if let Some(secret) = &config.keys.signing {
        let pem = secret.resolve_text(environment)?;
        let key = SigningKey::from_pkcs8_pem(pem.expose());
        return key.map(Some).map_err(|_| secret.wrong("is no Ed25519 key in PKCS#8 PEM"));
    }
    let path = KeyFiles::beside(&config.path).private;
    match std::fs::read_to_string(&path).map(Secret::new) {
        Ok(pem) => SigningKey::from_pkcs8_pem(pem.expose())
            .map(Some)
            .map_err(|_| Failure::usage(format!("{} is no Ed25519 key in PKCS#8 PEM", path.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::usage(format!("cannot read {}", path.display())).because(&error)),
    }
}

/// The key that signs; made on first need, which is said on standard error. Not where records were hidden or erased before: then there was
/// one, and what is hidden is purged with that alone.
pub(crate) async fn find_or_make(config: &Config, environment: Environment<'_>) -> Result<SigningKey> {
    if let Some(key) = find(config, environment)? {
        return Ok(key);
    }
    let files = KeyFiles::beside(&config.path);
    check_first(config).await?;
    let key = files.make()?;
    crate::output::note(&format!(
        "Made a signing key: {} (keep it secret), {} (for whoever verifies).",
        files.private.display(),
        files.public.display()
    ));
    Ok(key)
}

/// An error where a key signed before that is not there.
pub(crate) async fn check_first(config: &Config) -> Result<()> {
    KeyFiles::beside(&config.path).check_pair()?;
    match desk::was_erased_from(config).await? {
        true => Err(Failure::usage("there is no signing key, and records were hidden in the logs or erased from them with one before").advice(
            "Put the key back, or name it in `[keys.signing]`: what is hidden can be purged with it alone. Only where it is lost, and nothing is \
             hidden, make a new one with `lacuna check --init-keys`.",
        )),
        false => Ok(()),
    }
}

/// The public key that receipts and packages are checked with.
pub(crate) fn verifying(given: Option<&Path>, config: &Path, environment: Environment<'_>) -> Result<VerifyingKey> {
    if let Some(path) = given {
        return read_public(path);
    }
    let files = KeyFiles::beside(config);
    let config = if config.exists() { Some(Config::load(config)?) } else { None };
    let is_configured = config.as_ref().is_some_and(|config| config.keys.signing.is_some());
    // The public half alone is enough, and others than the signer may read it.
    if !is_configured && files.public.exists() {
        return read_public(&files.public);
    }
    if let Some(config) = config
        && let Some(key) = find(&config, environment)?
    {
        return Ok(key.verifying_key());
    }
    Err(Failure::usage("there is no public key to verify with")
        .advice(format!("Name one with --key FILE; `{PUBLIC}` beside the configuration is found by itself.")))
}

fn read_public(path: &Path) -> Result<VerifyingKey> {
    let pem = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the public key {}", path.display())).because(&error))?;
    VerifyingKey::from_public_key_pem(&pem)
        .map_err(|_| Failure::usage(format!("{} is no Ed25519 public key in PEM", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let files = KeyFiles::beside(&dir.path().join("lacuna.toml"));
        let key = files.make().unwrap();
        let pem = std::fs::read_to_string(&files.private).unwrap();
        assert_eq!(SigningKey::from_pkcs8_pem(&pem).unwrap(), key);
        assert_eq!(read_public(&files.public).unwrap(), key.verifying_key());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(files.private.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }

        assert!(files.make().unwrap_err().text().contains("exists already"));
        std::fs::remove_file(&files.private).unwrap();
        assert!(files.make().is_err(), "a public key without its private one is somebody's, and stays");
        assert!(!files.private.exists());
    }
}
