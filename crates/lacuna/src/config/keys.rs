//! `[keys]`: what pseudonyms were made with, and what signs manifests and receipts.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use lacuna_scan::{Epoch, Epochs, Secret};

use super::document::{Entry, Problems, Table};
use super::secret::{Environment, SecretRef};
use crate::failure::Result;

/// The keys that are configured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    /// The pseudonym keys, one for each epoch; empty when there are none.
    pub epochs: Vec<EpochKey>,
    /// The Ed25519 key that signs, as PKCS#8 PEM.
    pub signing: Option<SecretRef>,
}

/// One epoch's key.
#[derive(Clone, Debug)]
pub(crate) struct EpochKey {
    id: String,
    secret: SecretRef,
    encoding: Encoding,
}

/// How a key's bytes are written.
#[derive(Clone, Copy, Debug)]
enum Encoding {
    Text,
    Hex,
    Base64,
}

pub(super) fn read(entry: Option<Entry<'_>>, base: &Path, problems: &mut Problems<'_>) -> Keys {
    let mut keys = Keys::default();
    let Some(mut table) = entry.and_then(|entry| entry.table("a table", problems)) else { return keys };
    if let Some(mut pseudonym) = table.get("pseudonym").and_then(|entry| entry.table("a table", problems)) {
        keys.epochs = epochs(&mut pseudonym, base, problems);
        pseudonym.finish(problems);
    }
    if let Some(mut signing) = table.get("signing").and_then(|entry| entry.table("a table", problems)) {
        let secret = signing.need("secret", "where the Ed25519 key lies, as `{ file = \"PATH\" }`", problems);
        keys.signing = secret.and_then(|entry| SecretRef::read(&entry, base, problems));
        signing.finish(problems);
    }
    table.finish(problems);
    keys
}

fn epochs(table: &mut Table<'_>, base: &Path, problems: &mut Problems<'_>) -> Vec<EpochKey> {
    const WANTED: &str = "a list of `{ id = \"2026\", secret = { env = \"VARIABLE\" } }`";
    let Some(entry) = table.need("epochs", WANTED, problems) else { return Vec::new() };
    let Some(elements) = entry.list(WANTED, problems) else { return Vec::new() };
    if elements.is_empty() {
        entry.wrong("is empty; without pseudonyms, leave `[keys.pseudonym]` away", problems);
    }
    let mut epochs: Vec<EpochKey> = Vec::new();
    for element in elements {
        let Some(mut table) = element.table("`{ id = …, secret = … }`", problems) else { continue };
        let id = table.need("id", "the epoch's name", problems);
        let secret = table.need("secret", "where the key lies, as `{ env = \"VARIABLE\" }`", problems);
        let encoding = table.get("encoding");
        let choices = [("text", Encoding::Text), ("hex", Encoding::Hex), ("base64", Encoding::Base64)];
        let encoding = encoding.map_or(Some(Encoding::Text), |entry| entry.choice(&choices, problems));
        table.finish(problems);
        let name = id.as_ref().and_then(|entry| entry.words(problems));
        if let (Some(id), Some(name)) = (&id, name)
            && epochs.iter().any(|epoch| epoch.id == name)
        {
            id.wrong(format!("is `{name}` again; each epoch needs a name of its own"), problems);
        }
        let secret = secret.and_then(|entry| SecretRef::read(&entry, base, problems));
        if let (Some(id), Some(secret), Some(encoding)) = (name, secret, encoding) {
            epochs.push(EpochKey { id: id.to_owned(), secret, encoding });
        }
    }
    epochs
}

impl Keys {
    /// The pseudonym keys themselves. Fails when any is missing: a search under fewer epochs would miss records.
    pub(crate) fn epochs(&self, environment: Environment<'_>) -> Result<Epochs> {
        let epochs = self.epochs.iter().map(|epoch| epoch.resolve(environment));
        Ok(Epochs::new(epochs.collect::<Result<_>>()?))
    }
}

impl EpochKey {
    /// Reads and decodes the key.
    pub(crate) fn resolve(&self, environment: Environment<'_>) -> Result<Epoch> {
        let bytes = self.secret.resolve(environment)?;
        let key = match self.encoding {
            Encoding::Text => bytes,
            Encoding::Hex => self.decoded(&bytes, "is no hexadecimal text", hex)?,
            Encoding::Base64 => self.decoded(&bytes, "is no base64 text", base64)?,
        };
        Ok(Epoch { id: self.id.clone(), key })
    }

    fn decoded(
        &self,
        bytes: &Secret<Vec<u8>>,
        wrong: &str,
        decode: fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Secret<Vec<u8>>> {
        let text = std::str::from_utf8(bytes.expose()).ok().map(str::trim);
        let key = text.and_then(decode).filter(|key| !key.is_empty());
        key.map(Secret::new).ok_or_else(|| self.secret.wrong(wrong))
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let (pairs, rest) = digits.as_ref()?.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn base64(text: &str) -> Option<Vec<u8>> {
    [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD].iter().find_map(|alphabet| alphabet.decode(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_decode_in_every_alphabet() {
        assert_eq!(hex("00fFA0"), Some(vec![0, 255, 160]));
        assert_eq!(hex("0"), None);
        assert_eq!(hex("zz"), None);
        for text in ["+/8=", "+/8", "-_8=", "-_8"] {
            assert_eq!(base64(text), Some(vec![0xfb, 0xff]), "{text}");
        }
        assert_eq!(base64("*"), None);
    }
}
