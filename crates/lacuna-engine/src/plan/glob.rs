//! A source's glob: which paths it names, and which folders it may name paths in.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::OnceLock;

use futures::StreamExt as _;
use globset::{GlobBuilder, GlobMatcher};
use lacuna_store::{Extent, Gap, Store};

use super::OWN_PREFIX;

/// A glob over the paths within a store: `*` stays within a folder, `**` crosses folders. Its matchers are made when they are needed: many
/// are not, and to make them takes longer than to search a small shard.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    pattern: globset::Glob,
    paths: OnceLock<GlobMatcher>,
    /// Match the folders on the way to any path; none, when the glob cannot be cut at its slashes.
    folders: OnceLock<Option<Vec<GlobMatcher>>>,
}

/// What is wrong with a glob over the paths within a store, if anything is.
pub fn glob_fault(pattern: &str) -> Option<String> {
    parsed(pattern).err().map(|error| error.kind().to_string())
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        let pattern = parsed(pattern).map_err(|error| format!("`{pattern}` is no glob: {}", error.kind()))?;
        Ok(Self { pattern, paths: OnceLock::new(), folders: OnceLock::new() })
    }

    /// Whether it names this path. It names nothing that is Lacuna's own.
    pub(crate) fn names(&self, path: &str) -> bool {
        self.names_bytes(path.as_bytes())
    }

    fn names_bytes(&self, path: &[u8]) -> bool {
        let paths = || self.paths.get_or_init(|| self.pattern.compile_matcher());
        !is_own(path) && paths().is_match(OsStr::from_bytes(path))
    }

    /// Whether it may name a path below `folder`, which has no slash at its end. It may be said to where it does not.
    pub(crate) fn reaches_into(&self, folder: &[u8]) -> bool {
        let is_reached =
            |folders: &Vec<GlobMatcher>| folders.iter().any(|glob| glob.is_match(OsStr::from_bytes(folder)));
        let folders = || self.folders.get_or_init(|| folders(self.pattern.glob()));
        !is_own(folder) && (folder.is_empty() || folders().as_ref().is_none_or(is_reached))
    }

    /// Whether what a listing of `store` cannot tell of may be a path that it names. A symbolic link is none where all that
    /// the glob names behind it is named, and so listed, at the link's target, too.
    pub(crate) async fn meets(&self, store: &dyn Store, gap: &Gap) -> bool {
        match (&gap.target, gap.extent) {
            (Some(target), Extent::Blob) => self.names_bytes(&gap.name) && !self.names(target),
            (Some(target), Extent::Folder) if self.reaches_into(&gap.name) => {
                self.names_more(store, &gap.name, target).await
            }
            _ => self.covers(&gap.name, gap.extent),
        }
    }

    fn covers(&self, name: &[u8], extent: Extent) -> bool {
        let (one, below) = (self.names_bytes(name), self.reaches_into(name));
        match extent {
            Extent::Blob => one,
            Extent::Folder => below,
            Extent::Unknown => one || below,
        }
    }

    /// Whether it names anything in the folder `target` only as it is called when `target` is called `name`.
    async fn names_more(&self, store: &dyn Store, name: &[u8], target: &str) -> bool {
        let prefix = if target.is_empty() { String::new() } else { format!("{target}/") };
        let renamed = |path: &[u8]| Some([name, b"/", path.strip_prefix(prefix.as_bytes())?].concat());
        let mut listing = store.list(&prefix);
        while let Some(item) = listing.next().await {
            let (path, extent) = match item {
                Ok(info) => (info.path.as_str().as_bytes().to_owned(), Extent::Blob),
                Err(error) => match error.gap {
                    Some(gap) => (gap.name, gap.extent),
                    None => return true,
                },
            };
            let is_more = |renamed: Vec<u8>| self.covers(&renamed, extent) && !self.covers(&path, extent);
            if !is_own(&path) && renamed(&path).is_none_or(is_more) {
                return true;
            }
        }
        false
    }
}

/// Whether a path is one of those that Lacuna keeps beside the logs.
fn is_own(path: &[u8]) -> bool {
    path.starts_with(OWN_PREFIX.as_bytes()) || path == OWN_PREFIX.trim_end_matches('/').as_bytes()
}

fn parsed(pattern: &str) -> Result<globset::Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build()
}

/// What matches the folders above the paths that `pattern` names; none when a slash stands within braces or brackets.
fn folders(pattern: &str) -> Option<Vec<GlobMatcher>> {
    let ends = pattern.match_indices('/').map(|(slash, _)| slash);
    let all = (pattern == "**" || pattern.ends_with("/**")).then_some(pattern.len());
    ends.chain(all).map(|end| parsed(&pattern[..end]).ok().map(|folder| folder.compile_matcher())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_within_a_folder() {
        let one = Glob::new("a/*.json").unwrap();
        assert!(one.names("a/b.json") && !one.names("a/b/c.json"));
        let all = Glob::new("a/**/*.json").unwrap();
        assert!(all.names("a/b.json") && all.names("a/b/c.json") && !all.names("b/b.json"));
        assert!(Glob::new("a/[").is_err());
    }

    #[test]
    fn what_lacuna_keeps_is_never_named() {
        let all = Glob::new("**").unwrap();
        assert!(all.names("a") && all.names("a/_lacuna/b") && all.reaches_into(b"a"));
        assert!(!all.names("_lacuna/receipts/r.jws") && !all.reaches_into(b"_lacuna"));
    }

    #[test]
    fn folders_are_reached_where_a_path_may_be_named_in_them() {
        let cases: [(&str, &[&str], &[&str]); 6] = [
            ("*.json", &[""], &["a"]),
            ("a/*.json", &["", "a"], &["b", "a/b"]),
            ("a*/b/*.json", &["a1", "a1/b"], &["b", "a1/c", "a1/b/c"]),
            ("a/**/b/*.json", &["a", "a/x", "a/x/y", "a/x/b"], &["b", "x/a"]),
            ("a/**", &["a", "a/x", "a/x/y"], &["b"]),
            // Not taken apart: rather too many than one too few.
            ("{a/b,c}/*.json", &["a", "a/b", "c", "d"], &[]),
        ];
        for (pattern, reached, others) in cases {
            let glob = Glob::new(pattern).unwrap();
            let not: Vec<_> = reached.iter().filter(|folder| !glob.reaches_into(folder.as_bytes())).collect();
            assert!(not.is_empty(), "{pattern} does not reach {not:?}");
            let too: Vec<_> = others.iter().filter(|folder| glob.reaches_into(folder.as_bytes())).collect();
            assert!(too.is_empty(), "{pattern} reaches {too:?}");
        }
    }
}
