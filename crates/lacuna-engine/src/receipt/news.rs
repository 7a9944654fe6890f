//! What a purge has to tell of a request, put into its receipt.

use std::collections::HashMap;

use ed25519_dalek::SigningKey;
use lacuna_erase::tombstone;
use lacuna_store::{BlobPath, NewBlob, Store};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::statement::{on_erase, rfc3339, sign};
use super::stored::{RECEIPT_MEDIA_TYPE, content, newest, receipt_path};
use super::{RECEIPT_VERSION, Receipt, ReceiptShard, ReceiptSource, ShardState, Share};
use crate::Source;
use crate::engine::TOOL;
use crate::erase::journal;
use crate::outcome::Problem;
use crate::problem::ShardError;

/// What a request's receipt is to say now.
pub(crate) enum Next {
    /// What the one at this path says.
    Same {
        path: BlobPath,
        /// As of a [`Draft`].
        is_unfinished: bool,
    },
    /// What this one says, which is not written yet.
    Another(Draft),
}

/// A receipt that is to be written.
pub(crate) struct Draft {
    pub(crate) path: BlobPath,
    pub(crate) jws: String,
    /// Whether the request was begun, and no run of it has come to its end; a ledger's is for the ledger to say.
    pub(crate) is_unfinished: bool,
}

impl Draft {
    pub(crate) fn blob(&self) -> NewBlob {
        NewBlob { path: self.path.clone(), content: content(&self.jws), content_type: Some(RECEIPT_MEDIA_TYPE) }
    }
}

/// What a purge has to tell of a request.
pub(crate) struct News<'a> {
    /// How shards stand.
    pub(crate) lines: &'a [Line<'a>],
    /// Tombstones that could not be read, and why.
    pub(crate) unread: &'a [Problem],
    /// The head of the ledger's chain.
    pub(crate) chain_head: Option<&'a str>,
}

/// How a shard stands.
pub(crate) struct Line<'a> {
    pub(crate) source: &'a Source,
    pub(crate) share: Share,
    /// Whether it is another version by now, which nobody has searched.
    pub(crate) superseded: bool,
}

/// What a request's receipt says with this news. A line takes the place of the one that the newest has of the same version of the shard, if
/// that does not tell more.
pub(crate) async fn advance(
    store: &dyn Store,
    key: &SigningKey,
    request: &str,
    news: &News<'_>,
) -> Result<Next, ShardError> {
    let known = newest(store, key, request).await?;
    let begun = journal::read::<Receipt>(store, &journal::request_path(request)).await?.map(|begun| begun.record);
    let (number, before) = known.unwrap_or_else(|| (0, unknown(request)));
    let (mut receipt, mut places) = (before.clone(), Places::of(&before));
    let mut searched = true;
    for line in news.lines {
        // Where the receipt tells more already, this very request's purge made the other version.
        let is_news = places.note(&mut receipt, line.source, &line.share);
        searched &= !(is_news && line.superseded);
    }
    let all_read = doubt(&mut receipt, news.unread);
    receipt.complete &= searched && all_read;
    let is_open = begun.is_some_and(|begun| begun.chain_head.is_none() && !(number > 0 && has_ended(&begun, &before)));
    let is_unfinished = is_open && receipt.chain_head.is_none();
    receipt.complete &= !is_unfinished;
    if number > 0 && receipt == before {
        let path = receipt_path(request, number).map_err(ShardError::Store)?;
        return Ok(Next::Same { path, is_unfinished });
    }
    receipt.finished = rfc3339(OffsetDateTime::now_utc());
    receipt.chain_head = news.chain_head.map(str::to_owned).or(receipt.chain_head);
    let path = receipt_path(request, number + 1).map_err(ShardError::Store)?;
    Ok(Next::Another(Draft { path, jws: sign(&receipt, key), is_unfinished }))
}

/// Whether the newest receipt of a request is of the run that began so, or of a later one: then only its record was left. A purge that tells
/// of a request meanwhile says that it is not complete.
pub(super) fn has_ended(begun: &Receipt, newest: &Receipt) -> bool {
    let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    newest.complete && time(&newest.finished).is_some_and(|finished| time(&begun.started) <= Some(finished))
}

/// Where a receipt has its lines, by shard and version: a person may have rows in very many shards. Several sources may name one shard.
#[derive(Default)]
pub(super) struct Places<'a>(HashMap<(&'a str, &'a str), Vec<(usize, usize)>>);

impl<'a> Places<'a> {
    pub(super) fn of(receipt: &'a Receipt) -> Self {
        let mut places = Self::default();
        for (at, source) in receipt.sources.iter().enumerate() {
            for (line_at, line) in source.shards.iter().enumerate() {
                let known = places.0.entry((line.shard.as_str(), line.etag_before.as_str())).or_default();
                // Of a version that a source tells of twice, the first line counts.
                if known.last().is_none_or(|(last, _)| *last != at) {
                    known.push((at, line_at));
                }
            }
        }
        places
    }

    /// Puts a shard's line in the place of those that the receipt has of the same version, if they do not tell more, or behind all; whether
    /// it did. Where several sources have found rows in the shard, each line keeps how many those are.
    pub(super) fn note(&mut self, receipt: &mut Receipt, source: &'a Source, share: &'a Share) -> bool {
        let sources = &mut receipt.sources;
        let known = self.0.entry((share.line.shard.as_str(), share.line.etag_before.as_str())).or_default();
        if known.is_empty() {
            let at = sources.iter().position(|known| known.source == source.name).unwrap_or_else(|| {
                receipt.excluded.retain(|excluded| excluded.source != source.name);
                sources.push(ReceiptSource {
                    source: source.name.clone(),
                    on_erase: on_erase(&source.on_erase).into(),
                    shards_searched: 0,
                    shards: Vec::new(),
                    problems: Vec::new(),
                });
                sources.len() - 1
            });
            known.push((at, sources[at].shards.len()));
            sources[at].shards.push(share.own());
            return true;
        }
        let is_shared = known.len() > 1;
        let mut is_news = false;
        for &(at, line_at) in &*known {
            let line = &mut sources[at].shards[line_at];
            if line.progress() <= share.line.progress() {
                let matched = if is_shared { line.matched } else { share.matched };
                *line = ReceiptShard { matched, ..ReceiptShard::clone(&share.line) };
                is_news = true;
            }
        }
        is_news
    }
}

/// Takes back that rows are hidden, where the tombstone that hid them cannot be read; whether all could be.
fn doubt(receipt: &mut Receipt, unread: &[Problem]) -> bool {
    let mut all_read = true;
    for line in receipt.sources.iter_mut().flat_map(|source| &mut source.shards) {
        let places = || tombstone::places(&line.shard, &line.etag_before);
        let is_hidden = line.state == ShardState::Hidden && !unread.is_empty();
        let place = is_hidden.then(places);
        if let Some(problem) = place.and_then(|places| unread.iter().find(|unread| places.contains(&unread.shard))) {
            line.state = ShardState::Blocked;
            line.reason = Some(format!("whether its rows are hidden cannot be told: {}", problem.reason));
            all_read = false;
        }
    }
    all_read
}

/// The receipt of a request of which nothing else is known than that rows were hidden for it.
pub(super) fn unknown(request: &str) -> Receipt {
    let now = rfc3339(OffsetDateTime::now_utc());
    Receipt {
        version: RECEIPT_VERSION,
        request: request.to_owned(),
        tenant: None,
        subject: String::new(),
        identifier_kinds: Vec::new(),
        started: now.clone(),
        finished: now,
        tool: TOOL.into(),
        complete: false,
        sources: Vec::new(),
        excluded: Vec::new(),
        chain_head: None,
    }
}
