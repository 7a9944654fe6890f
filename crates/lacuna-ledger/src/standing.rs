//! Standing erasures: what arrives late, changes or is restored is erased, too.
//!
//! Each erasure that is complete has a sequence number. A shard's watermark is the highest one that was applied to it, under its ETag;
//! another ETag has none.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;
use time::OffsetDateTime;

use crate::change::Detail;
use crate::hold::Applying;
use crate::kept::{IDS_MAX, Kept, rows_about};
use crate::seal::hex;
use crate::sql::{Row, Tx, args, group};
use crate::{Actor, Hold, Ledger, RequestId, Result, Shard, Subject};

/// The number of a standing erasure; 0 is before all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence(pub i64);

/// An erasure that stands.
#[derive(Clone, Debug)]
pub struct StandingErasure {
    /// Its number.
    pub sequence: Sequence,
    /// The request.
    pub request: RequestId,
    /// The organisation it acts for.
    pub tenant: Option<String>,
    /// Whom it is about.
    pub subject: Subject,
    /// The sources it is about; all, when there is none.
    pub sources: Vec<String>,
    /// Until when it stands.
    pub until: OffsetDateTime,
    /// The holds that apply to it now.
    pub holds: Vec<Hold>,
}

/// What a sweep erased of a request that stands.
#[derive(Clone, Debug)]
pub struct Swept {
    /// The request.
    pub request: RequestId,
    /// The source's name.
    pub source: String,
    /// Rows that are out of the bytes now, or anonymous in them.
    pub erased: u64,
    /// Shards with rows of the request, of this sweep and of all that was done before.
    pub shards: u64,
    /// Where the receipt is that tells of it.
    pub receipt: Option<String>,
}

/// Lets those stand for longer that stand already, and those no more that have no time to; the others, which are new, are left.
pub(crate) async fn prolong(
    tx: &mut Tx,
    mut erasures: BTreeMap<RequestId, Option<OffsetDateTime>>,
) -> Result<Vec<(RequestId, OffsetDateTime)>> {
    let ids: Vec<_> = erasures.keys().copied().collect();
    let (mut longer, mut no_more) = (Vec::new(), Vec::new());
    for row in rows_about(tx, &ids, |ids| format!("SELECT request FROM standing WHERE request IN {ids}")).await? {
        let id = row.id("request")?;
        match erasures.remove(&id).flatten() {
            Some(until) => longer.push(args![id, until]),
            None => no_more.push(id),
        }
    }
    tx.update("standing", &["request", "until"], longer).await?;
    for ids in no_more.chunks(IDS_MAX) {
        let sql = format!("DELETE FROM standing WHERE request IN {}", group(0, ids.len()));
        tx.run(sql, ids.iter().flat_map(|id| args![*id]).collect()).await?;
    }
    Ok(erasures.into_iter().filter_map(|(id, until)| Some((id, until?))).collect())
}

/// Lets erasures stand, each with the next number. Numbers are given in the order of commits: the ledger's row is locked from here on, so
/// whoever has seen one has seen all before it.
pub(crate) async fn stand(tx: &mut Tx, erasures: Vec<(RequestId, OffsetDateTime)>) -> Result<()> {
    if erasures.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE ledger SET last_standing = last_standing + $1 WHERE one = 1 RETURNING last_standing";
    let count = i64::try_from(erasures.len()).unwrap_or(i64::MAX);
    let last = tx.one(sql, args![count]).await?.int("last_standing")?;
    let rows = (last - count + 1..).zip(erasures).map(|(sequence, (id, until))| args![sequence, id, until]).collect();
    tx.insert("standing (sequence, request, until)", rows, "").await
}

/// A longer path does not fit into PostgreSQL's indexes.
const PATH_BYTES_MAX: usize = 1000;

/// What a shard's watermark is found by: its path, or of a very long one the beginning and the hash.
fn key(path: &str) -> Cow<'_, str> {
    if path.len() <= PATH_BYTES_MAX {
        return path.into();
    }
    let hash = hex(digest(&SHA256, path.as_bytes()).as_ref());
    let beginning = path.get(..path.floor_char_boundary(PATH_BYTES_MAX - hash.len())).unwrap_or_default();
    format!("{beginning}{hash}").into()
}

impl Ledger {
    /// At most `limit` erasures that stand now, from the one after `after`, by number.
    pub async fn standing(&self, after: Sequence, limit: u32, now: OffsetDateTime) -> Result<Vec<StandingErasure>> {
        const STANDING: &str =
            "SELECT standing.sequence, standing.request, standing.until, request.tenant, request.sources,
            sealed.key_id, sealed.content FROM standing
            JOIN request ON request.id = standing.request JOIN sealed ON sealed.request = standing.request
            WHERE standing.sequence > $1 AND standing.until > $2 ORDER BY standing.sequence LIMIT $3";
        let mut tx = self.read().await?;
        let rows = tx.rows(STANDING, args![after.0, now, limit]).await?;
        let ids: Vec<_> = rows.iter().map(|row| row.id("request")).collect::<Result<_>>()?;
        let holds = Applying::to(&mut tx, &ids).await?;
        let erasure = |row: &Row| {
            let request = row.id("request")?;
            let sources: Vec<String> = row.json("sources")?.unwrap_or_default();
            Ok(StandingErasure {
                sequence: Sequence(row.int("sequence")?),
                request,
                tenant: Some(row.string("tenant")?).filter(|tenant| !tenant.is_empty()),
                subject: self.opened(request, row)?,
                until: row.time("until")?,
                holds: holds.on(request, &sources),
                sources,
            })
        };
        rows.iter().map(erasure).collect()
    }

    /// Says what a sweep erased, for each request once.
    pub async fn swept(&self, swept: &[Swept], worker: &Actor, now: OffsetDateTime) -> Result<()> {
        let swept: BTreeMap<_, _> = swept.iter().map(|swept| (swept.request, swept)).collect();
        let requests: Vec<_> = swept.keys().copied().collect();
        self.change(async |change| {
            for mut kept in Kept::lock_all(&mut change.tx, &requests).await? {
                let Some(Swept { source, erased, shards, receipt, .. }) = swept.get(&kept.request.id) else { continue };
                let mut detail = Detail::from([("source", json!(source)), ("erased", json!(erased))]);
                kept.request.counts.get_or_insert_default().sweep(source, *erased, *shards);
                if let Some(receipt) = receipt {
                    kept.request.receipt = Some(receipt.clone());
                    detail.insert("receipt", json!(receipt));
                }
                change.save(&kept);
                change.record("swept", Some(kept.request.id), worker, detail, now);
            }
            Ok(())
        })
        .await
    }

    /// The highest number given so far: what a sweep that starts now takes its shards to.
    pub async fn last_sequence(&self) -> Result<Sequence> {
        let row = self.read().await?.one("SELECT last_standing FROM ledger WHERE one = 1", args![]).await?;
        Ok(Sequence(row.int("last_standing")?))
    }

    /// For each of these shards of a source, the number up to which standing erasures were applied to this very version of it.
    pub async fn watermarks(&self, source: &str, shards: &[Shard]) -> Result<Vec<Sequence>> {
        let mut tx = self.read().await?;
        let mut known = BTreeMap::new();
        for chunk in shards.chunks(IDS_MAX) {
            let sql = format!(
                "SELECT path, etag, sequence FROM watermark WHERE source = $1 AND path IN {}",
                group(1, chunk.len())
            );
            let mut values = args![source];
            values.extend(chunk.iter().flat_map(|shard| args![key(&shard.path).as_ref()]));
            for row in tx.rows(sql, values).await? {
                known.insert(row.string("path")?, (row.string("etag")?, Sequence(row.int("sequence")?)));
            }
        }
        let of = |shard: &Shard| known.get(key(&shard.path).as_ref()).filter(|(etag, _)| *etag == shard.etag);
        Ok(shards.iter().map(|shard| of(shard).map_or(Sequence(0), |(_, sequence)| *sequence)).collect())
    }

    /// Says that all standing erasures up to `sequence` are applied to these versions of shards. A watermark never goes back under the
    /// same ETag.
    pub async fn advance_watermarks(&self, source: &str, shards: &[Shard], sequence: Sequence) -> Result<()> {
        const ADVANCE: &str = "ON CONFLICT (source, path) DO UPDATE SET etag = excluded.etag, sequence =
            CASE WHEN watermark.etag = excluded.etag AND watermark.sequence > excluded.sequence
            THEN watermark.sequence ELSE excluded.sequence END";
        // Each path once, and always in the same order, so that nobody waits for the other.
        let versions: BTreeMap<_, _> = shards.iter().map(|shard| (&shard.path, &shard.etag)).collect();
        self.change(async |change| {
            let row = |(path, etag): (&&String, &&String)| args![source, key(path).as_ref(), etag.as_str(), sequence.0];
            let rows = versions.iter().map(row).collect();
            change.tx.insert("watermark (source, path, etag, sequence)", rows, ADVANCE).await
        })
        .await
    }
}
