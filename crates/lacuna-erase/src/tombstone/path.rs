//! Where the tombstone of a shard lies.

use sha2::{Digest as _, Sha256};

use super::hex;

/// What the paths of all tombstones begin with.
pub const PREFIX: &str = "_lacuna/tombstones/";

/// What the [`superseded_path`]s begin with.
pub const SUPERSEDED: &str = "_lacuna/tombstones/superseded/";

const SUFFIX: &str = ".puffin";

/// The longest blob name on Azure, in characters; counted in bytes here, which are never fewer.
const PATH_BYTES_MAX: usize = 1024;
/// The longest name of a file or directory on a local disk.
const SEGMENT_BYTES_MAX: usize = 255;
/// Below the 63 levels that a hierarchical namespace on Azure allows.
const SEGMENTS_MAX: usize = 60;

/// The path of the tombstone of the shard at `shard`. No two shards share one.
///
/// It is `_lacuna/tombstones/by-path/SHARD.puffin`, so that people can read it and the tombstones of a source are listed by the
/// prefix that its shards have. On a disk such a path could be in the way of another: the tombstone of `a` would be a file
/// where that of `a.puffin/b` needs a directory. So a shard below a directory that ends in `.puffin` goes by the SHA-256 of its
/// path, `_lacuna/tombstones/by-hash/HASH.puffin`, and with it each whose tombstone's path would be longer or deeper than a store
/// allows. The two ways do not meet, as they lie in directories of their own; what the path does not say the tombstone does.
pub fn path(shard: &str) -> String {
    let path = format!("{PREFIX}by-path/{shard}{SUFFIX}");
    let directories = shard.rsplit_once('/').map_or("", |(directories, _)| directories);
    let fits = path.len() <= PATH_BYTES_MAX
        && path.split('/').count() <= SEGMENTS_MAX
        && path.split('/').all(|segment| segment.len() <= SEGMENT_BYTES_MAX)
        && !directories.split('/').any(|directory| directory.ends_with(SUFFIX));
    if fits { path } else { format!("{PREFIX}by-hash/{}{SUFFIX}", hex(&Sha256::digest(shard))) }
}

/// Where the tombstone of a version of a shard goes that is there no more, when another takes its place: whose rows it hid must be
/// searched for again, and this is not forgotten.
pub fn superseded_path(shard: &str, etag: &str) -> String {
    format!("{SUPERSEDED}{}{SUFFIX}", hex(&Sha256::digest(format!("{shard}\0{etag}"))))
}

/// Where the tombstone of this version of a shard may be: in the shard's place, or put aside for a newer version's.
pub fn places(shard: &str, etag: &str) -> [String; 2] {
    [path(shard), superseded_path(shard, etag)]
}
