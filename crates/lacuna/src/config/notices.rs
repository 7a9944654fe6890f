//! `[[notices]]`: who is told of each change of a request's state.

use std::path::{Path, PathBuf};

use lacuna_worker::notice::{Receiver, ReceiverError, SigningSecret};

use super::document::{Entry, Problems, Table};
use super::secret::{Environment, SecretRef};
use crate::failure::{Failure, Result};

/// A receiver of notices.
#[derive(Clone, Debug)]
pub(crate) struct NoticeConfig {
    name: String,
    url: String,
    secret: SecretRef,
    allow_private: bool,
    ca_certificate: Option<PathBuf>,
}

pub(super) fn read_all(entry: &Entry<'_>, base: &Path, problems: &mut Problems<'_>) -> Vec<NoticeConfig> {
    let Some(elements) = entry.list("a list of tables: write `[[notices]]`, with two brackets", problems) else {
        return Vec::new();
    };
    let mut notices: Vec<NoticeConfig> = Vec::new();
    for element in elements {
        let Some(mut table) = element.table("a table", problems) else { continue };
        if let Some(notice) = read(&mut table, &notices, base, problems) {
            notices.push(notice);
        }
        table.finish(problems);
    }
    notices
}

fn read(
    table: &mut Table<'_>,
    others: &[NoticeConfig],
    base: &Path,
    problems: &mut Problems<'_>,
) -> Option<NoticeConfig> {
    let name = table.need("name", "what logs and the ledger call the receiver", problems);
    let name = name.and_then(|entry| {
        let name = entry.words(problems)?;
        if others.iter().any(|other| other.name == name) {
            entry.wrong(format!("is `{name}` again; each receiver needs a name of its own"), problems);
        }
        Some(name.to_owned())
    });
    let allow_private = table.get("allow_private").and_then(|entry| entry.flag(problems)).unwrap_or_default();
    let url = table.need("url", "where notices go, as `https://hooks.example.org/lacuna`", problems);
    let url = url.and_then(|entry| {
        let url = entry.words(problems)?;
        match Receiver::check(url, allow_private) {
            Ok(_) => Some(url.to_owned()),
            Err(error) => {
                entry.wrong(error, problems);
                None
            }
        }
    });
    let secret = table.need("secret", "where the key lies that notices are signed with", problems);
    let secret = secret.and_then(|entry| SecretRef::read(&entry, base, problems));
    let ca_certificate = table.get("ca_certificate").and_then(|entry| entry.words(problems));
    let ca_certificate = ca_certificate.map(|path| base.join(path));
    Some(NoticeConfig { name: name?, url: url?, secret: secret?, allow_private, ca_certificate })
}

impl NoticeConfig {
    /// The receiver, with its key read.
    pub(crate) fn receiver(&self, environment: Environment<'_>) -> Result<Receiver> {
        let text = self.secret.resolve_text(environment)?;
        let secret = SigningSecret::parse(text.expose()).ok_or_else(|| {
            self.secret
                .wrong("is no key of 24 to 64 bytes in base64, with or without `whsec_` in front")
                .advice("`openssl rand -base64 32` writes one. Give it to the receiver as well.")
        })?;
        let receiver = Receiver::new(self.name.clone(), &self.url, secret, self.allow_private);
        let broken = |error: ReceiverError| Failure::usage(format!("the receiver `{}` {error}", self.name));
        Ok(receiver.map_err(broken)?.trusting(self.ca_certificate.clone()))
    }
}
