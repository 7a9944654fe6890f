//! Receipts beside the logs: none is ever overwritten, and the newest tells what all before it did.

use std::collections::HashMap;

use ed25519_dalek::SigningKey;
use lacuna_store::{BlobPath, Content, ErrorKind, Store};

use super::statement::sign;
use super::{Receipt, ReceiptExcluded, ReceiptShard, ReceiptSource, ShardState, verify};
use crate::commit;
use crate::erase::{hidden, journal};
use crate::plan::OWN_PREFIX;
use crate::problem::ShardError;
use crate::read::whole::read_record;

/// What a receipt is to a web server.
pub(super) const RECEIPT_MEDIA_TYPE: &str = "application/jose";

/// How often a receipt gets another number where other runs take it: each time one of them has come to its end.
pub(crate) const ATTEMPTS_MAX: u32 = 64;

/// A receipt that could not be written.
pub(crate) struct Unwritten {
    pub(crate) jws: String,
    pub(crate) what: &'static str,
    pub(crate) error: ShardError,
}

/// Writes a receipt behind those that the request has, with what they tell; none is ever overwritten. Answers with its path, and what it
/// says.
///
/// Written without what earlier ones tell, it would be the newest all the same, and they would be forgotten: so it is not written when they
/// cannot be read, and it is made anew when another run wrote one meanwhile.
pub(crate) async fn write(
    store: &dyn Store,
    key: &SigningKey,
    own: &Receipt,
    is_partial: bool,
) -> Result<(String, Receipt), Unwritten> {
    let mut attempts = 0;
    loop {
        attempts += 1;
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
            Ok(path) => return Ok((path, receipt)),
            Err(error) if error.kind == ErrorKind::AlreadyExists && attempts < ATTEMPTS_MAX => {}
            Err(error) => return Err(Unwritten { jws, what: "the receipt", error: ShardError::Store(error) }),
        }
    }
}

async fn create(store: &dyn Store, request: &str, number: u32, jws: &str) -> Result<String, lacuna_store::Error> {
    let blob = receipt_path(request, number)?;
    commit::create(store, &blob, content(jws), RECEIPT_MEDIA_TYPE).await.map(|_| blob.to_string())
}

/// A receipt's bytes in a store.
pub(super) fn content(jws: &str) -> Content {
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
        return begun.map(|kept| Ok((0, of_request(kept.record, request, "the record of what it began")?))).transpose();
    };
    let jws = read_record(store, &info).await.map_err(ShardError::Store)?;
    let place = format!("its newest receipt, {},", info.path);
    let receipt = verify::receipt(&String::from_utf8_lossy(&jws), &key.verifying_key());
    let receipt = receipt.map_err(|error| ShardError::Refused(format!("{place} {error}")))?;
    Ok(Some((number, of_request(receipt, request, &place)?)))
}

/// Refuses what was signed of another request: a copy that lies in the place of this one's says nothing of it.
fn of_request(receipt: Receipt, request: &str, what: &str) -> Result<Receipt, ShardError> {
    match receipt.request == request {
        true => Ok(receipt),
        false => Err(ShardError::Refused(format!("{what} is of another request: put back what was there"))),
    }
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
    // A purge that found nothing else of the request knew of no subject.
    if !earlier.subject.is_empty() && earlier.subject != receipt.subject {
        return Ok(number);
    }
    receipt.began_with(&earlier);
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
    let is_other = |known: &ReceiptSource| !receipt.sources.iter().any(|source| source.source == known.source);
    let others: Vec<_> = earlier.sources.into_iter().filter(is_other).collect();
    receipt.complete = match is_partial {
        true => earlier.complete,
        // What was not asked this time stands as it stood.
        false => receipt.complete && others.iter().all(|other| other.problems.is_empty()),
    };
    receipt.sources.extend(others);
    let is_new = |known: &ReceiptExcluded| !receipt.excluded.iter().any(|excluded| excluded.source == known.source);
    let others: Vec<_> = earlier.excluded.into_iter().filter(is_new).collect();
    receipt.excluded.extend(others);
    // Once searched, a source stays one that was.
    let Receipt { sources, excluded, .. } = receipt;
    excluded.retain(|excluded| !sources.iter().any(|source| source.source == excluded.source));
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

/// Removes the record of what a request began, which its receipt tells now.
pub(crate) async fn end(store: &dyn Store, request: &str) -> Result<(), ShardError> {
    match journal::read::<Receipt>(store, &journal::request_path(request)).await? {
        Some(begun) => commit::drop_record(store, &begun.info).await.map_err(ShardError::Store),
        None => Ok(()),
    }
}
