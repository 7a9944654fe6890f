//! What is left once shards were purged: the receipts of all requests that had rows in them, and then the records that nobody needs
//! any more. A shard may hide rows of a thousand requests, so receipts are made side by side and written together.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use futures::{FutureExt as _, StreamExt as _};
use lacuna_erase::tombstone::Tombstone;
use lacuna_store::{ErrorKind, Store};

use super::PurgedRequest;
use crate::abreast::side_by_side;
use crate::engine::location;
use crate::erase::Purged;
use crate::outcome::Problem;
use crate::problem::ShardError;
use crate::receipt::news::{self, Line, News, Next};
use crate::receipt::stored::ATTEMPTS_MAX;
use crate::receipt::{ReceiptShard, ShardState, Share};
use crate::{Source, commit};

/// Receipts that are held in memory to be written together.
const RECEIPTS_AT_ONCE: usize = 256;

/// A shard that stays as it is.
#[derive(Clone, Debug)]
pub(crate) struct Blocked {
    /// The rows that stay hidden in it, and whose they are.
    pub(crate) tombstone: Tombstone,
    pub(crate) reason: String,
    /// Whether it is another version by now, which nobody has searched.
    pub(crate) superseded: bool,
}

impl Blocked {
    /// The line of a receipt, but for how many of the rows are a request's.
    fn line(&self) -> ReceiptShard {
        let version = self.tombstone.version();
        let (shard, etag) = (version.shard.as_str(), version.etag.as_str());
        ReceiptShard::unchanged(shard, etag, version.rows, ShardState::Blocked, Some(&self.reason))
    }
}

/// Where receipts go, and who signs them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settlement<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) key: &'a SigningKey,
    /// The head of the ledger's chain.
    pub(crate) chain_head: Option<&'a str>,
    /// Tombstones that could not be read, and why: whose rows they hide, and that they do, only receipts tell.
    pub(crate) unread: &'a [Problem],
}

/// What came of one request: lines for its receipt.
struct Account<'a> {
    request: &'a str,
    rows: u64,
    lines: Vec<Line<'a>>,
}

impl Settlement<'_> {
    /// Brings the records and receipts of the requests that are `wanted` up to what was purged and what is blocked; then what hid the
    /// purged rows has served.
    pub(crate) async fn settle<'p>(
        &self,
        purged: &'p [(&Source, Purged)],
        blocked: &'p [(&Source, Blocked)],
        wanted: impl Fn(&str) -> bool,
    ) -> (Vec<PurgedRequest>, Vec<Problem>) {
        let mut accounts: BTreeMap<&str, Account<'p>> = BTreeMap::new();
        let mut tell = |request, rows: u64, line: Line<'p>| {
            let account = accounts.entry(request).or_insert(Account { request, rows: 0, lines: Vec::new() });
            account.rows += rows;
            account.lines.push(line);
        };
        for &(source, ref purged) in purged {
            let line = Arc::new(purged.line());
            for (request, rows) in purged.tombstone.requests().filter(|(request, _)| wanted(request)) {
                let share = Share { line: line.clone(), matched: rows.len() };
                tell(request, purged.took(rows), Line { source, share, superseded: purged.has_moved });
            }
        }
        for &(source, ref blocked) in blocked {
            let (line, superseded) = (Arc::new(blocked.line()), blocked.superseded);
            for (request, rows) in blocked.tombstone.requests().filter(|(request, _)| wanted(request)) {
                let share = Share { line: line.clone(), matched: rows.len() };
                tell(request, 0, Line { source, share, superseded });
            }
        }
        let accounts: Vec<Account<'_>> = accounts.into_values().collect();
        let (requests, mut problems) = self.state_all(&accounts).await;
        // What a receipt does not say yet is said by the next run.
        let unsaid: HashSet<&str> =
            requests.iter().filter(|done| done.receipt.is_none()).map(|done| done.request.as_str()).collect();
        let served = purged
            .iter()
            .filter(|(_, purged)| !purged.tombstone.requests().any(|(request, _)| unsaid.contains(request)));
        let retire =
            |(source, purged): &'p (&Source, Purged)| purged.retire(self.store, source.on_erase.keeps_rows()).boxed();
        for retired in side_by_side(served.map(retire)).collect::<Vec<_>>().await {
            problems.extend(retired.map_err(|(place, error)| error.into_problem(&place)).err());
        }
        (requests, problems)
    }

    /// Has receipts tell that these requests were begun, which so far only records do.
    pub(crate) async fn settle_begun(&self, requests: &[String]) -> (Vec<PurgedRequest>, Vec<Problem>) {
        let account = |request| Account { request, rows: 0, lines: Vec::new() };
        let accounts: Vec<Account<'_>> = requests.iter().map(|request| account(request.as_str())).collect();
        self.state_all(&accounts).await
    }

    /// Writes a receipt for each of `accounts`, so many at a time.
    async fn state_all(&self, accounts: &[Account<'_>]) -> (Vec<PurgedRequest>, Vec<Problem>) {
        let (mut requests, mut problems) = (Vec::with_capacity(accounts.len()), Vec::new());
        for accounts in accounts.chunks(RECEIPTS_AT_ONCE) {
            self.state(accounts, &mut requests, &mut problems).await;
        }
        (requests, problems)
    }

    async fn draft(&self, account: &Account<'_>) -> Result<Next, ShardError> {
        let Account { request, lines, .. } = account;
        let news = News { lines, unread: self.unread, chain_head: self.chain_head };
        news::advance(self.store, self.key, request, &news).await
    }

    /// Writes a receipt for each of `accounts`.
    async fn state(&self, accounts: &[Account<'_>], requests: &mut Vec<PurgedRequest>, problems: &mut Vec<Problem>) {
        let mut left: Vec<&Account<'_>> = accounts.iter().collect();
        let mut attempts = 0;
        while !left.is_empty() {
            let drafts = side_by_side(left.iter().map(|account| self.draft(account).boxed())).collect::<Vec<_>>().await;
            let (mut told, mut writing, mut blobs) = (Vec::new(), Vec::new(), Vec::new());
            for (account, draft) in left.into_iter().zip(drafts) {
                match draft {
                    Ok(Next::Same { path, is_unfinished }) => told.push((account, path, is_unfinished)),
                    Ok(Next::Another(receipt)) => {
                        blobs.push(receipt.blob());
                        writing.push((account, receipt));
                    }
                    Err(error) => {
                        requests.push(account.done(None, None));
                        problems.push(error.into_problem("the record of a request"));
                    }
                }
            }
            left = Vec::new();
            attempts += 1;
            let written = commit::create_all(self.store, blobs).await;
            for ((account, receipt), written) in writing.into_iter().zip(written) {
                match written {
                    Ok(()) => told.push((account, receipt.path, receipt.is_unfinished)),
                    // Another run wrote one: this one must say that, too.
                    Err(error) if error.kind == ErrorKind::AlreadyExists && attempts < ATTEMPTS_MAX => {
                        left.push(account);
                    }
                    Err(error) => {
                        requests.push(account.done(None, Some(receipt.jws)));
                        problems.push(ShardError::Store(error).into_problem("the receipt"));
                    }
                }
            }
            requests.extend(told.into_iter().map(|(account, path, unfinished)| {
                let done = account.done(Some(location(self.store, path.as_str())), None);
                PurgedRequest { unfinished, ..done }
            }));
        }
        requests.sort_by(|a, b| a.request.cmp(&b.request));
    }
}

impl Account<'_> {
    fn done(&self, receipt: Option<String>, receipt_jws: Option<String>) -> PurgedRequest {
        PurgedRequest { request: self.request.to_owned(), rows: self.rows, receipt, receipt_jws, unfinished: false }
    }
}
