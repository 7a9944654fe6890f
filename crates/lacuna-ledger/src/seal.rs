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

    /// What a request for this person in this tenant shares with the holds on them: with those in any tenant, and with those in its own. One
    /// that names no tenant may touch the rows of all, and shares one with the holds in any.
    pub(crate) fn request_hashes(&self, tenant: Option<&str>, subject: &Subject) -> Vec<Vec<u8>> {
        let mut within = Within::tenant(tenant);
        within.push(Within::All);
        self.identifier_hashes(&within, subject)
    }

    /// What a hold on this person shares with the requests that it holds: in any tenant, or in its own.
    pub(crate) fn hold_hashes(&self, tenant: Option<&str>, subject: &Subject) -> Vec<Vec<u8>> {
        let within = match tenant {
            None => vec![Within::All],
            Some(_) => [Within::tenant(tenant), vec![Within::None]].concat(),
        };
        self.identifier_hashes(&within, subject)
    }

    /// Some for each identifier; identifiers that [may be one value](forms) share them.
    fn identifier_hashes(&self, within: &[Within], subject: &Subject) -> Vec<Vec<u8>> {
        let mut hashes = Vec::new();
        for one in &subject.identifiers {
            for form in forms::shared(one.value.expose()) {
                let hash = |within: &Within| {
                    let (purpose, tenant) = within.parts();
                    self.hash(purpose, [one.kind.as_bytes(), form.as_bytes()].into_iter().chain(tenant))
                };
                hashes.extend(within.iter().map(hash));
            }
        }
        hashes.sort();
        hashes.dedup();
        hashes
    }
}

/// Where an identifier is a person's.
#[derive(Clone)]
enum Within {
    /// Whatever the tenant.
    All,
    /// In the tenant of this id, in one of its forms.
    Tenant(Zeroizing<String>),
    /// Where no tenant is named.
    None,
}

impl Within {
    /// The forms of a tenant; that none is named, when there is none.
    fn tenant(tenant: Option<&str>) -> Vec<Self> {
        tenant.map_or_else(|| vec![Self::None], |tenant| forms::shared(tenant).into_iter().map(Self::Tenant).collect())
    }

    fn parts(&self) -> (&'static str, Option<&[u8]>) {
        match self {
            Self::All => ("identifier", None),
            Self::Tenant(tenant) => ("identifier in a tenant", Some(tenant.as_bytes())),
            Self::None => ("identifier in no tenant", None),
        }
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
        let hashes = keys().request_hashes(None, &ann());
        assert!(keys().request_hashes(None, &shouted).iter().all(|hash| hashes.contains(hash)));
    }

    #[test]
    fn keys_and_identifiers_do_not_print() {
        let printed = format!("{:?} {:?}", keys().with_older("old", [7; 32]), ann());
        assert!(!printed.contains("contoso") && !printed.contains("[1,") && !printed.contains("[7"), "{printed}");
    }
}
