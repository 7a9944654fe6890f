//! Makes receipts of what a run did, signs them and writes them beside the logs.

use std::collections::HashMap;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use lacuna_erase::tombstone;
use lacuna_scan::Selector;
use lacuna_store::{BlobPath, Content, ErrorKind, NewBlob, Store};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::engine::TOOL;
use crate::outcome::Problem;
use crate::pass::Searched;
use crate::plan::OWN_PREFIX;
use crate::problem::ShardError;
use crate::receipt::{
    RECEIPT_TYPE, RECEIPT_VERSION, Receipt, ReceiptProblem, ReceiptShard, ReceiptSource, ShardState, Share,
};
use crate::{OnErase, Request, RequestId, Source, commit, hidden, journal, seal, verify};

/// What a receipt is to a web server.
const RECEIPT_MEDIA_TYPE: &str = "application/jose";

/// When the run began and ended.
#[derive(Debug)]
pub(crate) struct Statement {
    started: OffsetDateTime,
    finished: OffsetDateTime,
}

impl Statement {
    pub(crate) fn begin() -> Self {
        let now = OffsetDateTime::now_utc();
        Self { started: now, finished: now }
    }

    pub(crate) fn end(&mut self) {
        self.finished = OffsetDateTime::now_utc();
    }

    /// The receipt of one request: for each source its shards searched and the request's index.
    pub(crate) fn receipt(
        &self,
        request: &Request,
        complete: bool,
        sources: &[(&Source, &Searched, u64, usize)],
        key: &SigningKey,
    ) -> Receipt {
        let mut kinds: Vec<String> =
            request.selector.identifiers.iter().map(|identifier| identifier.kind.to_string()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        Receipt {
            version: RECEIPT_VERSION,
            request: request.id.to_string(),
            tenant: request.selector.tenant.clone(),
            subject: seal::subject_hash(key, &request.selector.identifiers),
            identifier_kinds: kinds,
            started: rfc3339(self.started),
            finished: rfc3339(self.finished),
            tool: TOOL.into(),
            complete,
            chain_head: request.chain_head.clone(),
            sources: sources
                .iter()
                .map(|(source, searched, shards, index)| ReceiptSource {
                    source: source.name.clone(),
                    on_erase: on_erase(&source.on_erase).into(),
                    shards_searched: *shards,
                    shards: searched.receipts[*index].iter().map(Share::own).collect(),
                    problems: searched
                        .outcome
                        .problems
                        .iter()
                        .map(|problem| ReceiptProblem { shard: problem.shard.clone(), reason: problem.reason.clone() })
                        .collect(),
                })
                .collect(),
        }
    }
}

impl Receipt {
    /// Whether it, or the record of what was begun, is of this person, in this tenant, as whoever has the key that signed it can tell. One
    /// that knows no person is of whoever asks.
    pub fn is_of(&self, selector: &Selector, key: &SigningKey) -> bool {
        let subject = || seal::subject_hash(key, &selector.identifiers);
        self.subject.is_empty() || (self.tenant == selector.tenant && self.subject == subject())
    }
}

/// What is said to whoever gives an id that another erasure has.
pub(crate) fn anothers(id: &RequestId) -> String {
    format!(
        "{id} is the id of another erasure: of other identifiers, or in another tenant. Give the ones that it began with, or another id"
    )
}

/// Signs a receipt.
pub(crate) fn sign(receipt: &Receipt, key: &SigningKey) -> String {
    // Plain structs of strings and numbers always serialise.
    seal::sign(key, RECEIPT_TYPE, &serde_json::to_vec(receipt).unwrap_or_default())
}

/// A receipt that could not be written.
pub(crate) struct Unwritten {
    pub(crate) jws: String,
    pub(crate) what: &'static str,
    pub(crate) error: ShardError,
}

/// Writes a receipt behind those that the request has, with what they tell; none is ever overwritten. Answers with its path.
///
/// Written without what earlier ones tell, it would be the newest all the same, and they would be forgotten: so it is not written when they
/// cannot be read, and it is made anew when another run wrote one meanwhile.
pub(crate) async fn write(
    store: &dyn Store,
    key: &SigningKey,
    own: &Receipt,
    is_partial: bool,
) -> Result<String, Unwritten> {
    loop {
        let mut receipt = own.clone();
        let number = match carry(store, key, &mut receipt, is_partial).await {
            Ok(number) => number,
            Err(error) => {
                let jws = sign(&Receipt { complete: false, ..receipt }, key);
                return Err(Unwritten { jws, what: "an earlier receipt of the same request", error });
            }
        };
        let jws = sign(&receipt, key);
        match create(store, &own.request, number + 1, &jws).await {
            Ok(path) => return Ok(path),
            Err(error) if error.kind == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Unwritten { jws, what: "the receipt", error: ShardError::Store(error) }),
        }
    }
}

async fn create(store: &dyn Store, request: &str, number: u32, jws: &str) -> Result<String, lacuna_store::Error> {
    let blob = receipt_path(request, number)?;
    commit::create(store, &blob, content(jws), RECEIPT_MEDIA_TYPE).await.map(|_| blob.to_string())
}

/// A receipt's bytes in a store.
fn content(jws: &str) -> Content {
    Content::Bytes(format!("{jws}\n").into())
}

pub(crate) fn receipt_path(request: &str, number: u32) -> Result<BlobPath, lacuna_store::Error> {
    let path = match number {
        1 => format!("{OWN_PREFIX}receipts/{request}.jws"),
        number => format!("{OWN_PREFIX}receipts/{request}.{number}.jws"),
    };
    BlobPath::new(path).map_err(|error| lacuna_store::Error::new(ErrorKind::Configuration).because(error))
}

/// What is known of a request: its newest receipt with its number, or number 0 and what it began with.
pub(crate) async fn newest(
    store: &dyn Store,
    key: &SigningKey,
    request: &str,
) -> Result<Option<(u32, Receipt)>, ShardError> {
    let mut newest = None;
    for number in 1.. {
        let blob = receipt_path(request, number).map_err(ShardError::Store)?;
        match store.head(&blob).await {
            Ok(info) => newest = Some((number, info)),
            Err(error) if error.kind == ErrorKind::NotFound => break,
            Err(error) => return Err(ShardError::Store(error)),
        }
    }
    let Some((number, info)) = newest else {
        let begun = journal::read::<Receipt>(store, &journal::request_path(request)).await?;
        return Ok(begun.map(|kept| (0, kept.record)));
    };
    let jws = store.read(&info.path, 0..info.size, &info.etag).await.map_err(ShardError::Store)?;
    let receipt = verify::receipt(&String::from_utf8_lossy(&jws), &key.verifying_key());
    let receipt = receipt.map_err(|error| ShardError::Refused(format!("its newest receipt {error}")))?;
    Ok(Some((number, receipt)))
}

/// Takes over what earlier runs of the same request did: its newest receipt accounts for all of them. Where this one looked at some
/// shards only (`is_partial`), what is said of the others holds, too, and so does what is said of them all. Answers with the number of
/// the newest, or 0.
async fn carry(
    store: &dyn Store,
    key: &SigningKey,
    receipt: &mut Receipt,
    is_partial: bool,
) -> Result<u32, ShardError> {
    let Some((number, earlier)) = newest(store, key, &receipt.request).await? else { return Ok(0) };
    if earlier.subject != receipt.subject {
        return Ok(number);
    }
    // A ledger's request stays one, whoever runs it again.
    receipt.chain_head = receipt.chain_head.take().or(earlier.chain_head);
    for source in &mut receipt.sources {
        for known in earlier.sources.iter().filter(|known| known.source == source.source) {
            let told = by_shard(&known.shards);
            let mut own = Vec::with_capacity(source.shards.len());
            for line in std::mem::take(&mut source.shards) {
                let is_told = match told.get(line.shard.as_str()) {
                    Some(told) => is_told(store, &receipt.request, &line, told).await?,
                    None => false,
                };
                own.extend((!is_told).then_some(line));
            }
            let looked_at = by_shard(&own);
            let lines = known.shards.iter().filter(|line| match looked_at.get(line.shard.as_str()) {
                Some(own) => line.is_replaced() && own.iter().all(|own| own.etag_before != line.etag_before),
                None => line.is_replaced() || is_partial,
            });
            source.shards = lines.cloned().collect();
            source.shards.append(&mut own);
            if is_partial {
                source.shards_searched = source.shards_searched.max(known.shards_searched);
                source.problems.clone_from(&known.problems);
            }
        }
    }
    if is_partial {
        receipt.complete = earlier.complete;
        let others = earlier
            .sources
            .into_iter()
            .filter(|known| !receipt.sources.iter().any(|source| source.source == known.source));
        let others: Vec<_> = others.collect();
        receipt.sources.extend(others);
    }
    Ok(number)
}

/// The lines of each shard.
fn by_shard(lines: &[ReceiptShard]) -> HashMap<&str, Vec<&ReceiptShard>> {
    let mut shards: HashMap<&str, Vec<&ReceiptShard>> = HashMap::new();
    lines.iter().for_each(|line| shards.entry(line.shard.as_str()).or_default().push(line));
    shards
}

/// Whether what a run tells of a shard is told already, or overtaken. A run that comes again to what an earlier one did finds nothing of it
/// any more, and one that is late knows less than others: `told` are their lines of the same shard.
async fn is_told(
    store: &dyn Store,
    request: &str,
    line: &ReceiptShard,
    told: &[&ReceiptShard],
) -> Result<bool, ShardError> {
    if told.iter().any(|told| told.etag_before == line.etag_before && told.progress() > line.progress()) {
        return Ok(true);
    }
    // What was hidden in one version may have gone from a later one, which hid it, too.
    if line.state == ShardState::Hidden && told.iter().any(|told| told.progress() > line.progress()) {
        return Ok(!hidden::is_hiding(store, &line.shard, &line.etag_before, request).await?);
    }
    Ok(false)
}

/// What a request's receipt is to say now.
pub(crate) enum Next {
    /// What the one at this path says.
    Same(BlobPath),
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
    let is_begun = matches!(known, Some((0, _)));
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
    if number > 0 && receipt == before {
        return receipt_path(request, number).map(Next::Same).map_err(ShardError::Store);
    }
    receipt.finished = rfc3339(OffsetDateTime::now_utc());
    receipt.chain_head = news.chain_head.map(str::to_owned).or(receipt.chain_head);
    let path = receipt_path(request, number + 1).map_err(ShardError::Store)?;
    let is_unfinished = is_begun && receipt.chain_head.is_none();
    Ok(Next::Another(Draft { path, jws: sign(&receipt, key), is_unfinished }))
}

/// Removes the record of what a request began, which its receipt tells now.
pub(crate) async fn end(store: &dyn Store, request: &str) -> Result<(), ShardError> {
    match journal::read::<Receipt>(store, &journal::request_path(request)).await? {
        Some(begun) => commit::drop_record(store, &begun.info).await.map_err(ShardError::Store),
        None => Ok(()),
    }
}

/// Where a receipt has its lines, by shard and version: a person may have rows in very many shards. Several sources may name one shard.
#[derive(Default)]
struct Places<'a>(HashMap<(&'a str, &'a str), Vec<(usize, usize)>>);

impl<'a> Places<'a> {
    fn of(receipt: &'a Receipt) -> Self {
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
    fn note(&mut self, receipt: &mut Receipt, source: &'a Source, share: &'a Share) -> bool {
        let sources = &mut receipt.sources;
        let known = self.0.entry((share.line.shard.as_str(), share.line.etag_before.as_str())).or_default();
        if known.is_empty() {
            let at = sources.iter().position(|known| known.source == source.name).unwrap_or_else(|| {
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
fn unknown(request: &str) -> Receipt {
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
        chain_head: None,
    }
}

/// Whether so many days after `started`, in RFC 3339, are over `within` this time. What is no time is due.
pub(crate) fn is_due(started: &str, days: i64, within: Duration) -> bool {
    let due = OffsetDateTime::parse(started, &Rfc3339).map(|started| started + time::Duration::days(days));
    due.map_or(true, |due| due <= OffsetDateTime::now_utc() + within)
}

fn on_erase(on_erase: &OnErase) -> &'static str {
    match on_erase {
        OnErase::Delete => "delete",
        OnErase::Anonymize => "anonymize",
        OnErase::Keep { .. } => "keep",
    }
}

fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use lacuna_scan::{Mapping, TenantRule};
    use lacuna_store::{BlobInfo, Etag, MemoryStore};
    use roaring::RoaringTreemap;

    use super::*;
    use crate::receipt::OldVersions;
    use crate::{EmptyShards, FormatChoice, Poison};

    const SHARD: &str = "a/0.ndjson";

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    fn hidden_in(etag: &str) -> ReceiptShard {
        ReceiptShard { matched: 1, ..ReceiptShard::unchanged(SHARD, etag, 10, ShardState::Hidden, None) }
    }

    fn share(line: ReceiptShard) -> Share {
        Share { matched: line.matched, line: line.into() }
    }

    fn purged(etag: &str, state: ShardState, old_versions: OldVersions) -> ReceiptShard {
        let hash = || Some("00".to_owned());
        ReceiptShard { state, old_versions, sha256_before: hash(), sha256_after: hash(), ..hidden_in(etag) }
    }

    /// The lines of the newest receipt after runs that told these, one after the other.
    async fn told(store: &MemoryStore, lines: &[ReceiptShard]) -> Vec<ReceiptShard> {
        for line in lines {
            let source = ReceiptSource {
                source: "a".into(),
                on_erase: "delete".into(),
                shards_searched: 1,
                shards: vec![line.clone()],
                problems: Vec::new(),
            };
            let receipt = Receipt { complete: true, sources: vec![source], ..unknown("r") };
            assert!(write(store, &key(), &receipt, false).await.is_ok());
        }
        newest(store, &key(), "r").await.unwrap().unwrap().1.sources.remove(0).shards
    }

    async fn hide(store: &MemoryStore, etag: &str) {
        let info = BlobInfo { path: BlobPath::new(SHARD).unwrap(), size: 1, etag: Etag::new(etag) };
        hidden::hide(store, &info, 10, &[("r", &RoaringTreemap::from_iter([3]))]).await.unwrap();
    }

    #[tokio::test]
    async fn of_two_lines_of_one_version_the_further_one_holds() {
        let gone = purged("1", ShardState::Gone, OldVersions::Removed);
        let left = purged("1", ShardState::Verified, OldVersions::Left);
        for line in [&left, &hidden_in("1")] {
            let (early, late) = (MemoryStore::new(), MemoryStore::new());
            assert_eq!(told(&early, &[line.clone(), gone.clone()]).await, from_ref(&gone));
            assert_eq!(told(&late, &[gone.clone(), line.clone()]).await, from_ref(&gone));
        }
    }

    #[test]
    fn old_bytes_are_all_that_is_left_where_rows_are_out_of_the_bytes() {
        let receipt = |line: ReceiptShard| {
            let source = source();
            let mut receipt = Receipt { complete: true, ..unknown("r") };
            Places::default().note(&mut receipt, &source, &share(line));
            receipt
        };
        let left = receipt(purged("1", ShardState::Verified, OldVersions::Left));
        let held = receipt(purged("1", ShardState::Blocked, OldVersions::Held));
        assert!([&left, &held].iter().all(|receipt| !receipt.is_done() && receipt.waits_for_old_bytes()));
        let gone = receipt(purged("1", ShardState::Gone, OldVersions::Removed));
        assert!(gone.is_done() && !gone.waits_for_old_bytes());
        let hidden = receipt(hidden_in("1"));
        assert!(!hidden.is_done() && !hidden.waits_for_old_bytes());
        assert!(!Receipt { complete: false, ..left }.waits_for_old_bytes(), "not all was searched");
    }

    #[tokio::test]
    async fn what_went_from_a_later_version_is_not_told_as_hidden_in_an_earlier_one() {
        let gone = purged("2", ShardState::Gone, OldVersions::None);
        let store = MemoryStore::new();
        assert_eq!(told(&store, &[gone.clone(), hidden_in("1")]).await, from_ref(&gone));
        // Rows that came after a purge are hidden all the same.
        hide(&store, "3").await;
        assert_eq!(told(&store, &[hidden_in("3")]).await, [gone, hidden_in("3")]);
    }

    #[tokio::test]
    async fn a_purge_that_is_late_takes_nothing_back() {
        let (store, source) = (MemoryStore::new(), source());
        told(&store, &[purged("1", ShardState::Gone, OldVersions::None)]).await;
        let left = purged("1", ShardState::Verified, OldVersions::Left);
        let news = News {
            lines: &[Line { source: &source, share: share(left), superseded: false }],
            unread: &[],
            chain_head: None,
        };
        let next = advance(&store, &key(), "r", &news).await.unwrap();
        assert!(matches!(next, Next::Same(_)), "nothing new is said");
        // Its own version looked like somebody else's to a run that came between.
        let replaced = ReceiptShard { state: ShardState::Blocked, ..hidden_in("1") };
        let news = News {
            lines: &[Line { source: &source, share: share(replaced), superseded: true }],
            unread: &[],
            chain_head: None,
        };
        let next = advance(&store, &key(), "r", &news).await.unwrap();
        assert!(matches!(next, Next::Same(_)), "the receipt stays complete");
    }

    fn source() -> Source {
        let mapping = Mapping { identifiers: Vec::new(), tenant: TenantRule::Single };
        Source {
            name: "a".into(),
            shards: "a/*".into(),
            format: FormatChoice::default(),
            product: String::new(),
            data_type: String::new(),
            mapping,
            time: None,
            on_erase: OnErase::Delete,
            poison: Poison::Refuse,
            empty_shards: EmptyShards::Keep,
        }
    }
}
