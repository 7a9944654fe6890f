//! Pseudonyms: what stands in a log in place of an identifier.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::mapping::{PseudonymEncoding, PseudonymForm, PseudonymLength};
use crate::{Kind, Secret};

/// The keys that pseudonyms were made with, one for each epoch. Every epoch is searched.
#[derive(Clone, Debug, Default)]
pub struct Epochs(Vec<Epoch>);

/// One key and the name of the time it was used in.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// The epoch's name, as the configuration gives it.
    pub id: String,
    /// The HMAC key.
    pub key: Secret<Vec<u8>>,
}

impl Epochs {
    /// These epochs; the order does not matter.
    pub fn new(epochs: Vec<Epoch>) -> Self {
        Self(epochs)
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What tells these keys from others, and does not give them away.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut keys: Vec<_> = self.0.iter().map(|epoch| hmac(epoch.key.expose(), &[b"lacuna: which keys"])).collect();
        keys.sort_unstable();
        hmac(b"lacuna: which keys", &[keys.as_flattened()])
    }

    /// The pseudonym of `value` under every epoch: HMAC-SHA-256 over `kind ‖ 0x00 ‖ value`.
    pub(crate) fn pseudonyms<'a>(&'a self, kind: &'a Kind, value: &'a [u8]) -> impl Iterator<Item = [u8; 32]> + 'a {
        self.0.iter().map(move |epoch| hmac(epoch.key.expose(), &[kind.as_str().as_bytes(), &[0], value]))
    }
}

/// HMAC-SHA-256 over the concatenated `parts`.
fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of every length, so this cannot fail.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl PseudonymForm {
    /// The texts that may stand for `pseudonym`, in a text column or in a binary one.
    pub(crate) fn texts(self, pseudonym: &[u8; 32]) -> Vec<Vec<u8>> {
        let mut texts = Vec::new();
        for bytes in self.cuts(pseudonym) {
            if matches!(self.encoding, PseudonymEncoding::Any | PseudonymEncoding::Hex) {
                texts.push(hex(bytes, b"0123456789abcdef"));
                texts.push(hex(bytes, b"0123456789ABCDEF"));
            }
            if matches!(self.encoding, PseudonymEncoding::Any | PseudonymEncoding::Base64) {
                for alphabet in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                    texts.push(alphabet.encode(bytes).into_bytes());
                }
            }
        }
        texts
    }

    /// The bytes that may stand for `pseudonym` in a binary column.
    pub(crate) fn raw(self, pseudonym: &[u8; 32]) -> Vec<&[u8]> {
        match self.encoding {
            PseudonymEncoding::Any | PseudonymEncoding::Raw => self.cuts(pseudonym),
            PseudonymEncoding::Hex | PseudonymEncoding::Base64 => Vec::new(),
        }
    }

    fn cuts(self, pseudonym: &[u8; 32]) -> Vec<&[u8]> {
        match self.length {
            PseudonymLength::Any => vec![&pseudonym[..16], &pseudonym[..]],
            PseudonymLength::Bytes16 => vec![&pseudonym[..16]],
            PseudonymLength::Bytes32 => vec![&pseudonym[..]],
        }
    }
}

/// What the texts of a pseudonym have in common whether it was cut or not, by encoding and alphabet: their beginning. Base64 writes three
/// bytes at a time, so that of the shorter cut's text only the end differs.
pub(crate) fn stem(text: &[u8]) -> &[u8] {
    &text[..text.len().min(16)]
}

fn hex(bytes: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_rfc_4231() {
        // Test case 2.
        let mac = hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&mac, b"0123456789abcdef"), b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn forms_follow_the_mapping() {
        let pseudonym = [0xfb; 32];
        let form = PseudonymForm { encoding: PseudonymEncoding::Hex, length: PseudonymLength::Bytes16 };
        assert_eq!(form.texts(&pseudonym), [b"fb".repeat(16), b"FB".repeat(16)]);
        let raw = PseudonymForm { encoding: PseudonymEncoding::Raw, length: PseudonymLength::Bytes32 };
        assert_eq!(raw.texts(&pseudonym), Vec::<Vec<u8>>::new());
        assert_eq!(raw.raw(&pseudonym), [[0xfb; 32]]);
        assert_eq!(form.raw(&pseudonym), Vec::<&[u8]>::new());
        let texts = PseudonymForm::default().texts(&pseudonym);
        assert!(texts.contains(&b"-_v7-_v7-_v7-_v7-_v7-w".to_vec()));
        let stems: std::collections::BTreeSet<&[u8]> = texts.iter().map(|text| stem(text)).collect();
        assert_eq!((texts.len(), stems.len()), (12, 4));
    }

    #[test]
    fn a_fingerprint_tells_keys_apart_in_any_order() {
        let epochs = |keys: &[&[u8]]| {
            let epoch = |key: &&[u8]| Epoch { id: "e".into(), key: Secret::new(key.to_vec()) };
            Epochs::new(keys.iter().map(epoch).collect()).fingerprint()
        };
        let (one, two): (&[u8], &[u8]) = (b"one", b"two");
        assert_eq!(epochs(&[one, two]), epochs(&[two, one]));
        let all = [epochs(&[]), epochs(&[one]), epochs(&[two]), epochs(&[one, two])];
        assert!((0..4).all(|at| (0..at).all(|other| all[at] != all[other])));
    }
}
