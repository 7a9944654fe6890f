//! Searching Arrow IPC files and streams.

mod malformed;
mod polars;
mod random;
mod semantics;
mod tables;
mod unused;

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use lacuna_scan::ipc::{Ahead, IpcSearch};
use lacuna_scan::{
    Epochs, Field, Found, Identifier, IdentifierRule, Kind, Limits, Mapping, Matcher, Record, Result, Selector, Sink,
    StreamSearch, Summary, TenantId, TenantRule,
};

/// Keeps every record that was found.
#[derive(Default)]
struct Keep(Vec<(u64, Vec<u32>, RecordBatch)>);

impl Sink for Keep {
    fn found(&mut self, found: Found<'_>) -> std::io::Result<()> {
        let Record::Arrow { batch, row } = found.record else { return Err(std::io::Error::other("not Arrow")) };
        self.0.push((found.row, found.selectors.to_vec(), batch.slice(row, 1)));
        Ok(())
    }
}

/// What must be read ahead of `bytes`, a few of them at a time.
fn ahead(bytes: &[u8]) -> Result<Ahead> {
    let whole = Bytes::copy_from_slice(bytes);
    let read = |range: std::ops::Range<u64>| Ok(whole.slice(range.start as usize..range.end as usize));
    Ahead::read(bytes.len() as u64, 100, &Limits::default(), read)
}

/// Searches `bytes`, handed over in pieces of these sizes, then whatever is left.
fn search_pieces(bytes: &[u8], matcher: &Arc<Matcher>, pieces: &[usize]) -> Result<(Summary, Keep)> {
    let mut search = IpcSearch::new(matcher.clone(), Limits::default()).with_ahead(ahead(bytes)?);
    let mut kept = Keep::default();
    let mut rest = Bytes::copy_from_slice(bytes);
    for &piece in pieces {
        search.feed(rest.split_to(piece.min(rest.len())), &mut kept)?;
    }
    search.feed(rest, &mut kept)?;
    Ok((search.finish(&mut kept)?, kept))
}

fn search(bytes: &[u8], matcher: &Arc<Matcher>) -> Result<(Summary, Keep)> {
    search_pieces(bytes, matcher, &[])
}

/// A matcher for one subject: `(column, value)` for each identifier, each of a kind of its own.
fn matcher(identifiers: &[(&str, &str)]) -> Arc<Matcher> {
    let rules =
        identifiers.iter().map(|(path, _)| IdentifierRule::One(Field::new(path.parse().unwrap(), Kind::new(*path))));
    let mapping = Mapping { identifiers: rules.collect(), tenant: TenantRule::Single };
    let selector = Selector {
        tenant: None,
        identifiers: identifiers.iter().map(|(path, value)| Identifier::new(*path, *value)).collect(),
    };
    Arc::new(Matcher::new(&mapping, &[selector], &Epochs::default()).unwrap())
}

/// A matcher for the same value of `column` in each of these tenants, named by `tenant`.
fn tenant_matcher(column: &str, value: &str, tenant: &str, tenants: &[&str]) -> Arc<Matcher> {
    let mapping = Mapping {
        identifiers: vec![IdentifierRule::One(Field::new(column.parse().unwrap(), Kind::new("id")))],
        tenant: TenantRule::Column(tenant.parse().unwrap()),
    };
    let selectors: Vec<_> = tenants
        .iter()
        .map(|tenant| Selector {
            tenant: Some(TenantId::new(*tenant)),
            identifiers: vec![Identifier::new("id", value)],
        })
        .collect();
    Arc::new(Matcher::new(&mapping, &selectors, &Epochs::default()).unwrap())
}
