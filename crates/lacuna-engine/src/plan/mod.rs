//! Which shards a source has.

pub(crate) mod claims;
pub(crate) mod format;
pub(crate) mod glob;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::{Stream, StreamExt as _};
use lacuna_store::{BlobInfo, BlobPath, ErrorKind, Store};

use crate::plan::format::ShardFormat;
use crate::plan::glob::Glob;

/// What Lacuna keeps beside the logs. No source ever lists it.
pub(crate) const OWN_PREFIX: &str = "_lacuna/";
/// Its folder.
pub const OWN_FOLDER: &str = "_lacuna";

/// The part of `pattern` before its first wildcard, cut at a folder: the prefix to list.
pub(crate) fn prefix(pattern: &str) -> &str {
    let literal = pattern.find(['*', '?', '[', '{', '\\']).map_or(pattern, |end| &pattern[..end]);
    match literal.len() == pattern.len() {
        true => pattern,
        false => literal.rfind('/').map_or("", |slash| &literal[..=slash]),
    }
}

/// The blobs that `pattern` names, by path, and as errors what may be such blobs and cannot be told. Streams: a source may have any
/// number of shards. An error without a gap is the end.
pub(crate) fn shards<'s>(
    store: &'s dyn Store,
    pattern: &'s str,
    glob: &'s Glob,
) -> impl Stream<Item = Result<BlobInfo, lacuna_store::Error>> + Send + 's {
    let named = async move |item: Result<BlobInfo, lacuna_store::Error>| match item {
        Ok(info) => glob.names(info.path.as_str()).then_some(Ok(info)),
        Err(error) => match &error.gap {
            Some(gap) => glob.meets(store, gap).await.then_some(Err(error)),
            None => Some(Err(error)),
        },
    };
    let until_end = |has_ended: &mut bool, item: Result<BlobInfo, lacuna_store::Error>| {
        let next = (!*has_ended).then_some(item);
        *has_ended |= matches!(&next, Some(Err(error)) if error.gap.is_none());
        std::future::ready(next)
    };
    store.list(prefix(pattern)).filter_map(named).scan(false, until_end).boxed()
}

/// What [`obstacle`] says, which is looked for once for each folder and format.
#[derive(Default)]
pub(crate) struct Obstacles(Mutex<HashMap<(String, bool), Option<String>>>);

impl Obstacles {
    pub(crate) async fn of(
        &self,
        store: &dyn Store,
        path: &str,
        format: &ShardFormat,
    ) -> Result<Option<String>, lacuna_store::Error> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let key = (folder, matches!(format, ShardFormat::Parquet));
        if let Some(why) = self.known().get(&key) {
            return Ok(why.clone());
        }
        let why = obstacle(store, path, format).await?;
        self.known().insert(key, why.clone());
        Ok(why)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(String, bool), Option<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the shard at `path` may not change, when a table's log or a summary beside it or above says what it holds: a change behind its
/// back would break it.
pub(crate) async fn obstacle(
    store: &dyn Store,
    path: &str,
    format: &ShardFormat,
) -> Result<Option<String>, lacuna_store::Error> {
    if let Some(table) = table_above(store, path).await? {
        let article = if table == "Iceberg" { "an" } else { "a" };
        let why = format!(
            "it belongs to {article} {table} table, whose own log would not know of the change: erase it through {table}"
        );
        return Ok(Some(why));
    }
    let ShardFormat::Parquet = format else { return Ok(None) };
    Ok(summary_above(store, path).await?.map(|summary| {
        format!(
            "{summary} holds its values and offsets, too, and would not know of the change: delete {summary}, which engines do \
             without or make anew"
        )
    }))
}

/// The folders above `path`, each with its slash, and the store itself, which has no name.
fn folders_above(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/').map(|(slash, _)| &path[..=slash]).chain([""])
}

/// The Parquet summary that has the footer of the shard at `path`, too.
async fn summary_above(store: &dyn Store, path: &str) -> Result<Option<BlobPath>, lacuna_store::Error> {
    for folder in folders_above(path) {
        let Ok(summary) = BlobPath::new(format!("{folder}_metadata")) else { continue };
        match store.head(&summary).await {
            Ok(info) if info.size > 0 => return Ok(Some(summary)),
            Ok(_) => {}
            Err(error) if matches!(error.kind, ErrorKind::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The table format whose log governs the blob at `path`, when there is one.
async fn table_above(store: &dyn Store, path: &str) -> Result<Option<&'static str>, lacuna_store::Error> {
    for folder in folders_above(path) {
        for (log, suffix, name) in
            [("_delta_log/", "", "Delta"), ("metadata/", ".metadata.json", "Iceberg"), (".hoodie/", "", "Hudi")]
        {
            let prefix = format!("{folder}{log}");
            let mut listing = store.list(&prefix);
            while let Some(info) = listing.next().await {
                if info?.path.as_str().ends_with(suffix) {
                    return Ok(Some(name));
                }
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_at_the_wildcard() {
        assert_eq!(prefix("activity/product=SharePoint/**/*.parquet"), "activity/product=SharePoint/");
        assert_eq!(prefix("a/b*.json"), "a/");
        assert_eq!(prefix("*.json"), "");
        assert_eq!(prefix("a/b.json"), "a/b.json");
    }
}
