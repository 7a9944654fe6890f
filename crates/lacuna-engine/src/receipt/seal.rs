//! Signatures: a JWS in compact form (RFC 7515) with EdDSA over Ed25519 (RFC 8037), for manifests and receipts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use lacuna_scan::Identifier;
use sha2::{Digest as _, Sha256};

/// Why a signed text is not to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is not three dots-separated parts in base64url with a header that this version makes.
    #[error("is not a JWS signed with EdDSA")]
    NotJws,
    /// It was signed with another key, or changed after it was signed.
    #[error("has a signature that this key did not make, or was changed after it was signed")]
    WrongSignature,
}

/// Signs `payload`; `kind` is the header's `typ`.
pub(crate) fn sign(key: &SigningKey, kind: &str, payload: &[u8]) -> String {
    let header = serde_json::json!({ "alg": "EdDSA", "kid": key_id(&key.verifying_key()), "typ": kind });
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload));
    let signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

/// Checks the signature of `jws`; answers with its `typ` and payload.
pub(crate) fn open(key: &VerifyingKey, jws: &str) -> Result<(String, Vec<u8>), SealError> {
    let jws = jws.trim();
    let (signed, signature) = jws.rsplit_once('.').ok_or(SealError::NotJws)?;
    let (header, payload) = signed.split_once('.').ok_or(SealError::NotJws)?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| SealError::NotJws);
    let header: serde_json::Value = serde_json::from_slice(&decode(header)?).map_err(|_| SealError::NotJws)?;
    if header["alg"] != "EdDSA" || header.get("crit").is_some() {
        return Err(SealError::NotJws);
    }
    let signature = Signature::from_slice(&decode(signature)?).map_err(|_| SealError::NotJws)?;
    key.verify_strict(signed.as_bytes(), &signature).map_err(|_| SealError::WrongSignature)?;
    Ok((header["typ"].as_str().unwrap_or_default().to_owned(), decode(payload)?))
}

/// A name for a public key: the start of its SHA-256.
pub(crate) fn key_id(key: &VerifyingKey) -> String {
    hex(&Sha256::digest(key.as_bytes())[..8])
}

/// A hash of a subject that only the key's holder can make again: it ties a receipt to a person without naming them.
pub(crate) fn subject_hash(key: &SigningKey, identifiers: &[Identifier]) -> String {
    let mut texts: Vec<String> =
        identifiers.iter().map(|identifier| format!("{}\0{}\0", identifier.kind, identifier.value.expose())).collect();
    texts.sort_unstable();
    let secret = Sha256::new().chain_update(b"lacuna subject hash\0").chain_update(key.to_bytes()).finalize();
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).expect("HMAC takes keys of every length");
    texts.iter().for_each(|text| mac.update(text.as_bytes()));
    hex(&mac.finalize().into_bytes())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    #[test]
    fn what_was_signed_opens_with_its_key_alone() {
        let jws = sign(&key(1), "test", b"{\"a\":1}");
        assert_eq!(open(&key(1).verifying_key(), &jws).unwrap(), ("test".into(), b"{\"a\":1}".to_vec()));
        assert_eq!(open(&key(2).verifying_key(), &jws), Err(SealError::WrongSignature));
        assert_eq!(open(&key(1).verifying_key(), "a.b"), Err(SealError::NotJws));
    }

    #[test]
    fn every_changed_byte_is_found() {
        let jws = sign(&key(1), "test", b"payload");
        for at in 0..jws.len() {
            let mut changed = jws.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(open(&key(1).verifying_key(), std::str::from_utf8(&changed).unwrap()).is_err(), "{at}");
        }
    }

    #[test]
    fn subjects_hash_by_key_and_not_by_order() {
        let (a, b) = (Identifier::new("email", "a@b.c"), Identifier::new("id", "7"));
        let hash = subject_hash(&key(1), &[a.clone(), b.clone()]);
        assert_eq!(hash, subject_hash(&key(1), &[b, a.clone()]));
        assert_ne!(hash, subject_hash(&key(2), std::slice::from_ref(&a)));
    }
}
