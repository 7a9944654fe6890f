//! Whose a shard is. One that two sources name is searched for both; where they would erase it in different ways, it is left as it is.

use std::collections::BTreeSet;
use std::mem::discriminant;

use lacuna_scan::ColumnPath;

use super::glob::Glob;
use crate::{Error, OnErase, Source};

/// Sources by what they name.
#[derive(Debug, Default)]
pub(crate) struct Claims(Vec<(Source, Glob)>);

impl Claims {
    /// What these sources name.
    pub(crate) fn new<'s>(sources: impl IntoIterator<Item = &'s Source>) -> Result<Self, Error> {
        let claim = |source: &Source| match Glob::new(&source.shards) {
            Ok(glob) => Ok((source.clone(), glob)),
            Err(why) => Err(Error::Configuration(format!("source `{}`: {why}", source.name))),
        };
        Ok(Self(sources.into_iter().map(claim).collect::<Result<_, _>>()?))
    }

    /// The sources besides `source` that name this shard.
    pub(crate) fn others(&self, source: &Source, shard: &str) -> impl Iterator<Item = &Source> {
        let claims = self.0.iter().filter(move |(other, glob)| other.name != source.name && glob.names(shard));
        claims.map(|(other, _)| other)
    }

    /// Why nothing may be erased in this shard for `source`: another source that names it would do something else.
    pub(crate) fn dispute(&self, source: &Source, shard: &str) -> Option<String> {
        self.others(source, shard).find_map(|other| dispute(source, other))
    }
}

/// Why nothing may be erased in a shard of both.
pub(crate) fn dispute(source: &Source, other: &Source) -> Option<String> {
    let is_alike = discriminant(&source.on_erase) == discriminant(&other.on_erase);
    let what = match &other.on_erase {
        // What one of them found is made anonymous as either of them says.
        OnErase::Anonymize if is_alike && identifying(source) != identifying(other) => {
            "whose records are anonymized in other columns".to_owned()
        }
        _ if is_alike => return None,
        OnErase::Delete => "whose records are deleted".to_owned(),
        OnErase::Anonymize => "whose records are anonymized".to_owned(),
        OnErase::Keep { reason } => format!("whose records are kept ({reason})"),
    };
    Some(format!(
        "it is also a shard of source `{}`, {what}: nothing is erased in it until `shards` of only one of them names it",
        other.name
    ))
}

/// The columns that an erasure makes anonymous.
fn identifying(source: &Source) -> BTreeSet<&ColumnPath> {
    source.mapping.fields().map(|field| &field.column).collect()
}
