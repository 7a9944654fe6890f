//! The unit of work that workers share: some shards of one source.

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use lacuna_store::BlobInfo;

use super::Pass;
use super::found::SetFound;
use super::prepared::Prepared;
use crate::outcome::Problem;

/// Some shards of one source, each with the version that was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardSet {
    /// The source's name.
    pub source: String,
    /// The shards, by path.
    pub shards: Vec<BlobInfo>,
}

/// How large a set is cut: it ends with the shard that reaches either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetSize {
    /// Shards in a set.
    pub shards: usize,
    /// Bytes in a set.
    pub bytes: u64,
}

impl Default for SetSize {
    /// Enough to keep a machine busy for a while, and little enough to do again when it dies.
    fn default() -> Self {
        Self { shards: 256, bytes: 8 << 30 }
    }
}

impl<'a> Pass<'a> {
    /// The shards of the sources that any request can be answered from, cut into sets: source after source, by path. What cannot be
    /// listed of a source comes as an error behind the sets of what could: it is what a search of the rest would have found.
    pub fn plan(&self, size: SetSize) -> impl Stream<Item = Result<ShardSet, SetFound>> + Send {
        let sources = self.sources.iter().filter(|prepared| prepared.is_searchable());
        futures::stream::iter(sources).flat_map(move |prepared| self.cut(prepared, size))
    }

    fn cut<'s>(&'s self, prepared: &'s Prepared<'a>, size: SetSize) -> BoxStream<'s, Result<ShardSet, SetFound>> {
        let cutter = Cutter { prepared, size, listing: self.list(prepared).boxed(), unlisted: None, is_done: false };
        futures::stream::unfold(cutter, async |mut cutter| cutter.next().await.map(|set| (set, cutter))).boxed()
    }
}

/// Cuts the listing of one source.
struct Cutter<'s, 'a> {
    prepared: &'s Prepared<'a>,
    size: SetSize,
    listing: BoxStream<'s, Result<BlobInfo, lacuna_store::Error>>,
    /// What could not be listed so far.
    unlisted: Option<SetFound>,
    is_done: bool,
}

impl Cutter<'_, '_> {
    async fn next(&mut self) -> Option<Result<ShardSet, SetFound>> {
        let source = self.prepared.source;
        let mut set = ShardSet { source: source.name.clone(), shards: Vec::new() };
        let mut bytes = 0;
        while !self.is_done && set.shards.len() < self.size.shards.max(1) && bytes < self.size.bytes.max(1) {
            match self.listing.next().await {
                Some(Ok(info)) => {
                    bytes += info.size;
                    set.shards.push(info);
                }
                Some(Err(error)) => {
                    let unlisted = self.unlisted.get_or_insert_with(|| SetFound::new(&source.name));
                    unlisted.problems.push(Problem::unlisted(&source.shards, error));
                }
                None => self.is_done = true,
            }
        }
        match set.shards.is_empty() {
            false => Some(Ok(set)),
            true => self.unlisted.take().map(Err),
        }
    }
}
