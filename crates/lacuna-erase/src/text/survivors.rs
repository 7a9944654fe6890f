//! The proof that the records that stay are the same bytes, from the old text and the new one alone.
//!
//! Both are unpacked and cut into records. The records of the old one, without the changed rows, and those of the new one are hashed
//! in their order with their line ends (XXH3, 128 bits), and so is what stands beside records: byte order mark, header, blank lines,
//! the document around an array.

use lacuna_scan::Limits;
use lacuna_scan::text::blocks::{Blocks, Reader};
use lacuna_scan::text::{PieceKind, TextFormat};
use roaring::RoaringTreemap;
use xxhash_rust::xxh3::Xxh3;

use super::of_scan;
use crate::{Change, Error, ReadAt, Result, Sequential, Survivors};

/// Proves that `after` holds the records of `before` with `change` made to the rows `hits`, and nothing else.
///
/// # Errors
/// [`Error::Unfaithful`] when it does not; [`Error::Scan`] when one of them cannot be read.
pub fn survivors(
    before: &dyn ReadAt,
    after: &dyn ReadAt,
    format: &TextFormat,
    hits: &RoaringTreemap,
    change: Change<'_>,
    limits: &Limits,
) -> Result<Survivors> {
    let none = RoaringTreemap::new();
    let changed = if matches!(change, Change::Delete) { &none } else { hits };
    let (old, new) =
        rayon::join(|| Records::read(before, format, hits, limits), || Records::read(after, format, changed, limits));
    let (old, new) = (old?, new?);
    let gone = if matches!(change, Change::Delete) { hits.len() } else { 0 };
    if old.all.checked_sub(gone) != Some(new.all) || old.kept != new.kept {
        return Err(Error::Unfaithful("it would hold another number of other records".into()));
    }
    if old.records != new.records {
        return Err(Error::Unfaithful("other records would change".into()));
    }
    if old.beside != new.beside {
        return Err(Error::Unfaithful("what stands beside its records would change".into()));
    }
    Ok(Survivors { rows: new.all, hash: new.records })
}

/// What a text holds.
struct Records {
    all: u64,
    /// Those that are hashed.
    kept: u64,
    records: u128,
    beside: u128,
}

impl Records {
    /// Hashes all records but those of the rows `left_out`.
    fn read(input: &dyn ReadAt, format: &TextFormat, left_out: &RoaringTreemap, limits: &Limits) -> Result<Self> {
        let mut sequential = Sequential::new(input);
        let mut reader = Reader::new(&mut sequential, Blocks::new(format, limits)?);
        let (mut records, mut beside) = (Xxh3::new(), Xxh3::new());
        let (mut all, mut kept, mut is_kept) = (0, 0, true);
        while let Some(block) = reader.next_block().map_err(of_scan)? {
            for piece in &block.pieces {
                let bytes = block.bytes(piece);
                match piece.kind {
                    PieceKind::Record { row, .. } => {
                        is_kept = !left_out.contains(row);
                        all += 1;
                        kept += u64::from(is_kept);
                        if is_kept {
                            records.update(&(bytes.len() as u64).to_le_bytes());
                            records.update(bytes);
                        }
                    }
                    PieceKind::LineEnd if is_kept => records.update(bytes),
                    PieceKind::Other => beside.update(bytes),
                    // What stands between an array's elements goes with them.
                    PieceKind::LineEnd | PieceKind::Gap => {}
                }
            }
        }
        Ok(Self { all, kept, records: records.digest128(), beside: beside.digest128() })
    }
}
