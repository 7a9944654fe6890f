//! Who is asked about: identifiers, tenants, and selectors that bring both together.

use std::fmt;
use std::sync::Arc;

use crate::{Secret, uuid};

/// What sort of identifier a value is: `object_id`, `email`, … as the mapping and the request name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Kind(Arc<str>);

impl From<String> for Kind {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.as_str().to_owned()
    }
}

impl Kind {
    /// A kind of this name.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(name.as_ref().into())
    }

    /// The kind's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The organisation that a request acts for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TenantId(String);

impl TenantId {
    /// A tenant of this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The tenant's id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both name one tenant: in the same words, or by one UUID.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self == other || self.uuid().is_some_and(|own| other.uuid() == Some(own))
    }

    /// The same for all ids that name one tenant.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let text = |uuid| String::from_utf8_lossy(&uuid::hyphenated(&uuid)).into_owned();
        Self(self.uuid().map_or_else(|| self.0.clone(), text))
    }

    fn uuid(&self) -> Option<uuid::Uuid> {
        uuid::parse(self.0.trim().as_bytes())
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One `kind=value` of a subject. The value never prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier {
    /// What sort of identifier it is.
    pub kind: Kind,
    /// The value, exactly as it was given. A blank one names nobody: whoever asks for a person refuses it.
    pub value: Secret<String>,
}

impl Identifier {
    /// An identifier of `kind`.
    pub fn new(kind: impl AsRef<str>, value: impl Into<String>) -> Self {
        Self { kind: Kind::new(kind), value: Secret::new(value.into()) }
    }

    /// Splits `KIND=VALUE` at the first `=`.
    pub fn parse(text: &str) -> Result<Self, NoIdentifier> {
        let (kind, value) = text.split_once('=').ok_or(NoIdentifier::Form)?;
        let identifier = Self::new(kind.trim(), value);
        match (identifier.kind.as_str().is_empty(), identifier.is_blank()) {
            (true, _) => Err(NoIdentifier::Form),
            (false, true) => Err(NoIdentifier::Blank),
            (false, false) => Ok(identifier),
        }
    }

    /// Whether the value is empty, or white space and characters that nobody sees. Records without a value would be everybody's who has
    /// none.
    pub fn is_blank(&self) -> bool {
        self.value.expose().chars().all(is_unseen)
    }
}

/// Whether a character shows nothing: white space, control characters, and all that Unicode calls default ignorable, as soft hyphens,
/// joiners, fillers, tags, and marks of direction and of byte order.
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

/// Why a text is no identifier, said of it; the text itself is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoIdentifier {
    /// There is no `=`, or nothing in front of it.
    #[error("is not KIND=VALUE")]
    Form,
    /// There is nothing behind the `=`, or nothing that can be seen.
    #[error("has no visible value: it would stand for everybody whose records have none")]
    Blank,
}

/// What one request looks for: a subject's identifiers, within a tenant.
///
/// Selectors of one scan are known by their index in the slice that the matcher was made from.
#[derive(Clone, Debug)]
pub struct Selector {
    /// Whose rows the request may touch; needed where a source maps a tenant.
    pub tenant: Option<TenantId>,
    /// A row is the subject's when any of these matches a column mapped to its kind.
    pub identifiers: Vec<Identifier>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_no_value() {
        for unseen in
            ["", " \t", "\0", "\u{a0}", "\u{ad}", "\u{200b}", "\u{200c}\u{200d} ", "\u{2060}", "\u{feff}\u{200b}"]
        {
            assert_eq!(Identifier::parse(&format!("id={unseen}")), Err(NoIdentifier::Blank), "{unseen:?}");
        }
        // What is seen beside it is a value, and stays as it was given.
        let seen = Identifier::parse("id=\u{200b}a").unwrap();
        assert_eq!(seen.value.expose(), "\u{200b}a");
    }
}
