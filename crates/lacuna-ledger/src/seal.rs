//! The keys of a ledger: identifiers are encrypted with one, and hashed with another.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hmac, rand};
use zeroize::Zeroizing;

use crate::{Error, RequestId, Result, Subject, forms};

/// An identifier's text. Prints as `***` and is wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself: every call is a place to check for leaks.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The keys of a ledger. They never print.
#[derive(Clone)]
pub struct Keys {
    current: String,
    sealing: BTreeMap<String, Zeroizing<[u8; 32]>>,
    hashing: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("current", &self.current).finish_non_exhaustive()
    }
}

/// A subject as the database keeps it.
pub(crate) struct Sealed {
    pub(crate) key_id: String,
    /// Nonce, ciphertext, tag.
    pub(crate) content: Vec<u8>,
}

impl Keys {
    /// Identifiers are encrypted with `key`, which the ledger knows as `id` (a short name or a reference to a vault, kept in the
    /// clear); their hashes are keyed with `hashing`, which must stay the same for the life of the ledger.
    pub fn new(id: impl Into<String>, key: [u8; 32], hashing: [u8; 32]) -> Self {
        let current = id.into();
        let sealing = BTreeMap::from([(current.clone(), Zeroizing::new(key))]);
        Self { current, sealing, hashing: Zeroizing::new(hashing) }
    }

    /// An older key, for what was encrypted with it.
    #[must_use]
    pub fn with_older(mut self, id: impl Into<String>, key: [u8; 32]) -> Self {
        self.sealing.entry(id.into()).or_insert(Zeroizing::new(key));
        self
    }

    /// Encrypts a subject for its request: AES-256-GCM-SIV with the request's id as associated data, so that it opens nowhere else.
    pub(crate) fn seal(&self, request: RequestId, subject: &Subject) -> Result<Sealed> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| unusable(&self.current))?;
        let mut content = subject.encode();
        let tag = self
            .key(&self.current)?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(request.0.as_bytes()),
                &mut content,
            )
            .map_err(|_| unusable(&self.current))?;
        Ok(Sealed { key_id: self.current.clone(), content: [&nonce, content.as_slice(), tag.as_ref()].concat() })
    }

    /// Decrypts the subject of a request.
    pub(crate) fn open(&self, request: RequestId, sealed: &Sealed) -> Result<Subject> {
        let (nonce, content) =
            sealed.content.split_at_checked(NONCE_LEN).ok_or(Error::Corrupt("encrypted identifiers"))?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Corrupt("encrypted identifiers"))?;
        let mut content = Zeroizing::new(content.to_vec());
        let opened = self
            .key(&sealed.key_id)?
            .open_in_place(nonce, Aad::from(request.0.as_bytes()), &mut content)
            .map_err(|_| unusable(&sealed.key_id))?;
        Subject::decode(opened)
    }

    fn key(&self, id: &str) -> Result<LessSafeKey> {
        let key = self.sealing.get(id).ok_or_else(|| unusable(id))?;
        let key = UnboundKey::new(&AES_256_GCM_SIV, key.as_slice()).map_err(|_| unusable(id))?;
        Ok(LessSafeKey::new(key))
    }

    /// The keyed hash of `parts`, which only equal parts for the same purpose have.
    pub(crate) fn hash<'a>(&self, purpose: &'a str, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.hashing.as_slice());
        let mut context = hmac::Context::with_key(&key);
        for part in [purpose.as_bytes()].into_iter().chain(parts) {
            // With their lengths, so that no two lists of parts read the same.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        context.sign().as_ref().to_vec()
    }

    /// What another hashing key is told by.
    pub(crate) fn check(&self) -> Vec<u8> {
        self.hash("check", [])
    }

    /// The same for the same identifiers in any order.
    pub(crate) fn subject_hash(&self, subject: &Subject) -> Vec<u8> {
        let mut identifiers: Vec<_> = subject.identifiers.iter().collect();
        identifiers.sort_by_key(|identifier| (&identifier.kind, identifier.value.expose()));
        identifiers.dedup();
        let parts = identifiers.iter().flat_map(|one| [one.kind.as_bytes(), one.value.expose().as_bytes()]);
        self.hash("subject", parts)
    }

    /// One or two for each identifier; identifiers that [may be one value](forms) share one.
    pub(crate) fn identifier_hashes(&self, subject: &Subject) -> Vec<Vec<u8>> {
        let hashes = |one: &crate::Identifier| {
            let hash = |form: &Zeroizing<String>| self.hash("identifier", [one.kind.as_bytes(), form.as_bytes()]);
            forms::shared(one.value.expose()).iter().map(hash).collect::<Vec<_>>()
        };
        let mut hashes: Vec<_> = subject.identifiers.iter().flat_map(hashes).collect();
        hashes.sort();
        hashes.dedup();
        hashes
    }
}

fn unusable(key: &str) -> Error {
    Error::Key(key.to_owned())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identifier;

    fn keys() -> Keys {
        Keys::new("2026", [1; 32], [2; 32])
    }

    fn id(number: u128) -> RequestId {
        RequestId(uuid::Uuid::from_u128(number))
    }

    fn ann() -> Subject {
        Subject::new([Identifier::new("email", "Ann@contoso.com"), Identifier::new("user", "")])
    }

    #[test]
    fn a_subject_opens_for_its_request_and_key_only() {
        let sealed = keys().seal(id(1), &ann()).unwrap();
        assert_eq!(keys().open(id(1), &sealed).unwrap(), ann());
        assert!(matches!(keys().open(id(2), &sealed), Err(Error::Key(_))));
        assert!(matches!(Keys::new("2026", [9; 32], [2; 32]).open(id(1), &sealed), Err(Error::Key(_))));
        assert!(
            matches!(Keys::new("2027", [1; 32], [2; 32]).open(id(1), &sealed), Err(Error::Key(key)) if key == "2026")
        );
        let newer = Keys::new("2027", [3; 32], [2; 32]).with_older("2026", [1; 32]);
        assert_eq!(newer.open(id(1), &sealed).unwrap(), ann());
        let again = keys().seal(id(1), &ann()).unwrap();
        assert_ne!(sealed.content, again.content, "the same person twice must not look the same");
    }

    #[test]
    fn a_flipped_bit_opens_nothing() {
        let sealed = keys().seal(id(1), &ann()).unwrap();
        for position in 0..sealed.content.len() {
            let mut content = sealed.content.clone();
            content[position] ^= 1;
            assert!(keys().open(id(1), &Sealed { key_id: "2026".into(), content }).is_err(), "{position}");
        }
        let cut = Sealed { key_id: "2026".into(), content: sealed.content[..7].to_vec() };
        assert!(keys().open(id(1), &cut).is_err());
    }

    #[test]
    fn hashes_follow_the_person_and_the_key() {
        let hash = |identifiers: &[(&str, &str)]| {
            keys().subject_hash(&Subject::new(identifiers.iter().map(|(kind, value)| Identifier::new(*kind, *value))))
        };
        let known = hash(&[("email", "a"), ("user", "b")]);
        assert_eq!(known, hash(&[("user", "b"), ("email", "a"), ("user", "b")]));
        for other in [[("email", "a"), ("user", "B")], [("email", "b"), ("user", "a")], [("emaila", ""), ("user", "b")]]
        {
            assert_ne!(known, hash(&other));
        }
        assert_ne!(keys().subject_hash(&ann()), Keys::new("2026", [1; 32], [3; 32]).subject_hash(&ann()));
        let shouted = Subject::new([Identifier::new("email", " ANN@CONTOSO.COM ")]);
        let hashes = keys().identifier_hashes(&ann());
        assert!(keys().identifier_hashes(&shouted).iter().all(|hash| hashes.contains(hash)));
    }

    #[test]
    fn keys_and_identifiers_do_not_print() {
        let printed = format!("{:?} {:?}", keys().with_older("old", [7; 32]), ann());
        assert!(!printed.contains("contoso") && !printed.contains("[1,") && !printed.contains("[7"), "{printed}");
    }
}
