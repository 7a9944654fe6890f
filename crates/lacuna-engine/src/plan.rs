//! Which shards a source has.

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use globset::{GlobBuilder, GlobMatcher};
use lacuna_store::{BlobInfo, Store};

/// What Lacuna keeps beside the logs. No source ever lists it.
pub(crate) const OWN_PREFIX: &str = "_lacuna/";

/// Compiles a source's glob: `*` stays within a folder, `**` crosses folders.
pub(crate) fn glob(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| format!("`{pattern}` is no glob: {}", error.kind()))
}

/// The part of `pattern` before its first wildcard, cut at a folder: the prefix to list.
pub(crate) fn prefix(pattern: &str) -> &str {
    let literal = pattern.find(['*', '?', '[', '{', '\\']).map_or(pattern, |end| &pattern[..end]);
    match literal.len() == pattern.len() {
        true => pattern,
        false => literal.rfind('/').map_or("", |slash| &literal[..=slash]),
    }
}

/// The blobs that `pattern` names, by path. Streams: a source may have any number of shards.
pub(crate) fn shards<'s>(
    store: &'s dyn Store,
    pattern: &'s str,
    glob: GlobMatcher,
) -> impl Stream<Item = Result<BlobInfo, lacuna_store::Error>> + 's {
    let matching = move |info: &BlobInfo| {
        let path = info.path.as_str();
        !path.starts_with(OWN_PREFIX) && glob.is_match(path)
    };
    store.list(prefix(pattern)).try_filter(move |info| std::future::ready(matching(info))).boxed()
}

/// The table format whose log governs the blob at `path`, when there is one: a rewrite behind the log's back would break it.
pub(crate) async fn table_above(store: &dyn Store, path: &str) -> Result<Option<&'static str>, lacuna_store::Error> {
    for (slash, _) in path.match_indices('/').chain([(0, "")]).collect::<Vec<_>>().into_iter().rev() {
        let folder = if slash == 0 { "" } else { &path[..=slash] };
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

    #[test]
    fn stars_stay_within_a_folder() {
        let one = glob("a/*.json").unwrap();
        assert!(one.is_match("a/b.json") && !one.is_match("a/b/c.json"));
        let all = glob("a/**/*.json").unwrap();
        assert!(all.is_match("a/b.json") && all.is_match("a/b/c.json") && !all.is_match("b/b.json"));
        assert!(glob("a/[").is_err());
    }
}
