//! The audit chain: who did what and when, each entry bound to the one before it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::act::check_actor;
use crate::change::Detail;
use crate::kept::{Kept, json as text, whole};
use crate::seal::hex;
use crate::sql::{Row, Tx, args};
use crate::{Actor, Error, Ledger, RequestId, Result, Role};

/// Entries that are read at a time.
const READ: u32 = 2000;

/// The chain's newest entry: how many there are, and the hash over all of them. As text: `NUMBER:HEX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The number of the newest entry; 0 when there is none.
    pub sequence: u64,
    /// Its SHA-256.
    pub hash: [u8; 32],
}

/// What a check of the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainReport {
    /// Entries that were read.
    pub entries: u64,
    /// The head they lead to.
    pub head: ChainHead,
    /// The first place where it does not hold; sound, when there is none.
    pub broken: Option<Break>,
}

/// How a chain is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// An entry was changed, or moved from elsewhere.
    #[error("entry {0} is not what was written")]
    Changed(u64),
    /// An entry is missing.
    #[error("entry {0} is missing")]
    Missing(u64),
    /// The chain ends before a head that it once had.
    #[error("the chain ends before entry {0}, which once was its head")]
    Cut(u64),
    /// An entry that once was the head has another hash now: the chain was written anew.
    #[error("entry {0} once was the head with another hash")]
    Rewritten(u64),
}

/// An entry of the chain. Serialises with its members sorted and without spaces: the bytes that are hashed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Who did it.
    pub actor: String,
    /// When, as RFC 3339.
    pub at: String,
    /// What else there is to say, by name.
    pub detail: serde_json::Map<String, serde_json::Value>,
    /// The hash of the entry before, in hexadecimal; of nothing but zeros before the first.
    pub previous: String,
    /// The request it is about.
    pub request: Option<RequestId>,
    /// In which role.
    pub role: Role,
    /// Its number; the first is 1.
    pub sequence: u64,
    /// What was done.
    pub what: String,
}

impl Entry {
    /// An entry that is not in the chain yet.
    pub(crate) fn new(
        what: &str,
        request: Option<RequestId>,
        actor: &Actor,
        detail: Detail,
        now: OffsetDateTime,
    ) -> Self {
        Self {
            actor: actor.name.clone(),
            // A time that has no such text is none that a clock shows.
            at: whole(now).format(&Rfc3339).unwrap_or_default(),
            detail: detail.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            previous: String::new(),
            request,
            role: actor.role,
            sequence: 0,
            what: what.to_owned(),
        }
    }

    /// Appends entries to the chain, which is locked until the transaction ends.
    pub(crate) async fn append(tx: &mut Tx, entries: Vec<Self>) -> Result<()> {
        let mut head = ChainHead::locked(tx).await?;
        let mut rows = Vec::with_capacity(entries.len());
        for mut entry in entries {
            entry.sequence = head.sequence + 1;
            entry.previous = hex(&head.hash);
            let body = text(&entry);
            head = ChainHead { sequence: entry.sequence, hash: sha256(&body) };
            rows.push(args![head.sequence, entry.request.map(|id| id.to_string()), body, head.hash.as_slice()]);
        }
        tx.insert("entry (sequence, request, body, hash)", rows, "").await?;
        let sql = "UPDATE ledger SET chain_sequence = $1, chain_hash = $2 WHERE one = 1";
        tx.run(sql, args![head.sequence, head.hash.as_slice()]).await?;
        Ok(())
    }
}

fn sha256(body: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, body.as_bytes()).as_ref());
    hash
}

/// What of a request's result somebody saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its package.
    Package,
    /// Its receipt.
    Receipt,
    /// Its identifiers.
    Subject,
}

impl ChainHead {
    const NONE: Self = Self { sequence: 0, hash: [0; 32] };

    fn read(row: &Row) -> Result<Self> {
        let hash = row.bytes("chain_hash")?.try_into().map_err(|_| Error::Corrupt("the chain's head"))?;
        Ok(Self { sequence: row.count("chain_sequence")?, hash })
    }

    async fn locked(tx: &mut Tx) -> Result<Self> {
        let sql = format!("SELECT chain_sequence, chain_hash FROM ledger WHERE one = 1{}", tx.for_update());
        Self::read(&tx.one(sql, args![]).await?)
    }

    async fn current(tx: &mut Tx) -> Result<Self> {
        Self::read(&tx.one("SELECT chain_sequence, chain_hash FROM ledger WHERE one = 1", args![]).await?)
    }
}

impl Ledger {
    /// The chain's head, as receipts carry it.
    pub async fn chain_head(&self) -> Result<ChainHead> {
        ChainHead::current(&mut self.read().await?).await
    }

    /// Reads the whole chain and checks each entry, and that it leads through every head in `known` (those of receipts) to its own.
    pub async fn verify_chain(&self, known: &[ChainHead]) -> Result<ChainReport> {
        let mut tx = self.read().await?;
        let recorded = ChainHead::current(&mut tx).await?;
        let mut head = ChainHead::NONE;
        loop {
            let rows = page(&mut tx, head.sequence + 1).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                match follow(&head, row)? {
                    Ok(next) => head = next,
                    Err(broken) => return Ok(ChainReport { entries: head.sequence, head, broken: Some(broken) }),
                }
                let other = known.iter().find(|known| known.sequence == head.sequence && known.hash != head.hash);
                if let Some(known) = other {
                    let broken = Some(Break::Rewritten(known.sequence));
                    return Ok(ChainReport { entries: head.sequence, head, broken });
                }
            }
        }
        let last = known.iter().chain([&recorded]).map(|known| known.sequence).max().unwrap_or_default();
        let broken = if last > head.sequence {
            Some(Break::Cut(last))
        } else if recorded != head {
            // The entries hold, and the head that the ledger keeps beside them does not: one of both was replaced.
            Some(Break::Rewritten(recorded.sequence))
        } else {
            None
        };
        Ok(ChainReport { entries: head.sequence, head, broken })
    }

    /// The chain as NDJSON, one entry an item with its line's end, from the entry numbered `from` on. Each line is the entry's canonical
    /// JSON with its own hash as a last member: the SHA-256 of the line without that member.
    pub fn export_chain(&self, from: u64) -> BoxStream<'_, Result<String>> {
        stream::try_unfold(from.max(1), async move |from| {
            let rows = page(&mut self.read().await?, from).await?;
            let next = rows.last().map(|row| row.count("sequence")).transpose()?;
            let lines: Vec<_> = rows.iter().map(line).collect();
            Ok::<_, Error>(next.map(|next| (stream::iter(lines), next + 1)))
        })
        .try_flatten()
        .boxed()
    }

    /// What the chain says of a request, the oldest first.
    pub async fn history(&self, request: RequestId) -> Result<Vec<Entry>> {
        let mut tx = self.read().await?;
        let rows = tx.rows("SELECT body FROM entry WHERE request = $1 ORDER BY sequence", args![request]).await?;
        let entry = |row: &Row| row.json("body")?.ok_or(Error::Corrupt("an entry of the chain"));
        rows.iter().map(entry).collect()
    }

    /// Records that somebody saw a request's result.
    pub async fn record_access(
        &self,
        request: RequestId,
        access: Access,
        actor: &Actor,
        now: OffsetDateTime,
    ) -> Result<()> {
        check_actor(actor)?;
        let what = match access {
            Access::Package => "package",
            Access::Receipt => "receipt",
            Access::Subject => "subject",
        };
        self.change(async |change| {
            let kept = Kept::load(&mut change.tx, request).await?;
            let detail = Detail::from([("result", json!(what)), ("state", json!(kept.request.state))]);
            change.record("accessed", Some(request), actor, detail, now);
            Ok(())
        })
        .await
    }
}

/// The entries from `from` on, a page of them.
async fn page(tx: &mut Tx, from: u64) -> Result<Vec<Row>> {
    let sql = "SELECT sequence, request, body, hash FROM entry WHERE sequence >= $1 ORDER BY sequence LIMIT $2";
    tx.rows(sql, args![from, READ]).await
}

/// The head after an entry, if it is the one that follows.
fn follow(head: &ChainHead, row: &Row) -> Result<Result<ChainHead, Break>> {
    let (expected, sequence) = (head.sequence + 1, row.count("sequence")?);
    if sequence != expected {
        return Ok(Err(Break::Missing(expected)));
    }
    let body = row.text("body")?;
    let hash = sha256(body);
    let entry: Option<Entry> = serde_json::from_str(body).ok();
    let request = row.maybe_string("request")?;
    let is_sound = entry.is_some_and(|entry| {
        entry.sequence == sequence
            && entry.previous == hex(&head.hash)
            && entry.request.map(|id| id.to_string()) == request
            && text(&entry) == body
    });
    if !is_sound || row.bytes("hash")? != hash {
        return Ok(Err(Break::Changed(sequence)));
    }
    Ok(Ok(ChainHead { sequence, hash }))
}

fn line(row: &Row) -> Result<String> {
    let body = row.text("body")?.strip_suffix('}').ok_or(Error::Corrupt("an entry of the chain"))?;
    Ok(format!("{body},\"hash\":\"{}\"}}\n", hex(row.bytes("hash")?)))
}

impl fmt::Display for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.sequence)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ChainHead {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (sequence, hash) = text.split_once(':')?;
            let mut head = Self { sequence: sequence.parse().ok()?, hash: [0; 32] };
            if hash.len() != 64 || !hash.is_ascii() {
                return None;
            }
            for (index, byte) in head.hash.iter_mut().enumerate() {
                *byte = u8::from_str_radix(hash.get(index * 2..index * 2 + 2)?, 16).ok()?;
            }
            Some(head)
        };
        parse().ok_or_else(|| Error::Configuration("a chain's head is NUMBER:HEX".into()))
    }
}
