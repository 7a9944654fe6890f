//! The person whom a request is about.

use zeroize::Zeroizing;

use crate::{Error, Result, Secret};

/// One `kind=value` of a person. The value never prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier {
    /// What sort of identifier it is.
    pub kind: String,
    /// The value, exactly as it was given. A blank one names nobody, and is recorded nowhere.
    pub value: Secret,
}

impl Identifier {
    /// An identifier of `kind`.
    pub fn new(kind: impl Into<String>, value: impl Into<String>) -> Self {
        Self { kind: kind.into(), value: Secret::new(value) }
    }

    /// Whether the value is empty, or white space and characters that nobody sees.
    pub fn is_blank(&self) -> bool {
        self.value.expose().chars().all(is_unseen)
    }
}

/// Whether a character shows nothing: white space, control characters, and all that Unicode calls default ignorable, as soft hyphens,
/// joiners, fillers, tags, and marks of direction and of byte order. The scan refuses the same.
fn is_unseen(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// A person, as the identifiers that are searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// A row is the person's when any of them matches.
    pub identifiers: Vec<Identifier>,
}

impl Subject {
    /// The person whom these identify.
    pub fn new(identifiers: impl IntoIterator<Item = Identifier>) -> Self {
        Self { identifiers: identifiers.into_iter().collect() }
    }
}

impl Subject {
    /// A JSON array of pairs; wiped by whoever encrypts it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let pairs: Vec<_> = self.identifiers.iter().map(|one| (&one.kind, one.value.expose())).collect();
        // Pairs of strings always serialise.
        serde_json::to_vec(&pairs).unwrap_or_default()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let pairs: Vec<(String, String)> =
            serde_json::from_slice(bytes).map_err(|_| Error::Corrupt("decrypted identifiers"))?;
        Ok(Self::new(pairs.into_iter().map(|(kind, value)| Identifier::new(kind, value))))
    }

    /// Whether a text that is kept holds one of the identifiers. Values that are parts of ordinary words do not count.
    pub(crate) fn is_named_in(&self, text: &str) -> bool {
        let text = Zeroizing::new(text.to_lowercase());
        self.identifiers.iter().any(|identifier| {
            let value = Zeroizing::new(identifier.value.expose().trim().to_lowercase());
            if value.chars().count() < NAMED_CHARS_MIN {
                !value.is_empty() && *value == *text
            } else {
                text.contains(value.as_str())
            }
        })
    }
}

/// A shorter value names nobody within a text.
const NAMED_CHARS_MIN: usize = 4;
