//! The signature of a notice, as Standard Webhooks lays it down.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use lacuna_scan::Secret;
use sha2::Sha256;

/// What a written secret starts with, by the convention of Standard Webhooks.
const PREFIX: &str = "whsec_";
/// How long a secret may be, in bytes, by the same.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The key that a receiver shares with us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningSecret(Secret<Vec<u8>>);

impl SigningSecret {
    /// Reads a secret: 24 to 64 bytes in base64, with or without `whsec_` in front. `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let key = STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text)).ok()?;
        BYTES.contains(&key.len()).then(|| Self(Secret::new(key)))
    }

    /// The value of `webhook-signature`: a version, and HMAC-SHA-256 over id, timestamp (seconds) and body.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        // The key's length never matters to HMAC, so this gives the empty text for no key at all.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose()) else { return String::new() };
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_standards() {
        // The example of the Standard Webhooks project's libraries.
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(SigningSecret::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), Some(secret));
    }

    #[test]
    fn a_weak_or_broken_secret_is_none() {
        for wrong in ["", "whsec_", "hunter2", "whsec_c2hvcnQ=", "whsec_not base64 at all, but long enough for it"] {
            assert_eq!(SigningSecret::parse(wrong), None, "{wrong}");
        }
        let text = STANDARD.encode([7; 65]);
        assert_eq!(SigningSecret::parse(&text), None);
    }
}
