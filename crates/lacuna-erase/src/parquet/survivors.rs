//! The proof that the rows that stay are as they were, from the old file and the new one alone.
//!
//! Nothing of what made the new file is believed: both footers are read, both files' pages are walked, and
//! - a column chunk of a row group without a matched row has to be the same bytes, but for entries that its dictionary loses;
//! - so has a page without one; where its dictionary changed, that has the same values where the page refers to it;
//! - of every other page both versions are unpacked and decoded. Levels and values of the old one, without those of matched
//!   rows, and of the new one are hashed in their order (XXH3, 128 bits), and the hashes have to be the same.
//!
//! So all of a chunk is compared, although only what changed is decoded. Where a dictionary changed, entries of the old one are
//! paired with entries of the new one by comparing their bytes; indices are hashed behind the new dictionary, in its terms.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use lacuna_scan::Limits;
use parquet::basic::Encoding;
use parquet::schema::types::ColumnDescPtr;
use rayon::prelude::*;
use roaring::RoaringTreemap;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::codec::Codec;
use super::edit::Fate;
use super::footer::{self, Chunk, Footer, RowGroup};
use super::laid::{Entries, lay};
use super::levels::RowSpan;
use super::page::{Kind, Page, Pages, Unpacked};
use super::rewrite::fates;
use super::strike::indices;
use crate::{Change, Error, ReadAt, Result, Survivors};

/// How much is compared at a time.
const PIECE: usize = 256 << 10;

/// Proves that `after` holds the rows of `before` with `change` made to the rows `hits`, and nothing else. Somebody who compares the files as
/// well says meanwhile how many bytes they begin with are `alike`, for sure: these are not compared again.
///
/// # Errors
/// [`Error::Unfaithful`] when it does not, and says where; [`Error::Scan`] when one of them cannot be read.
pub fn survivors(
    before: &dyn ReadAt,
    after: &dyn ReadAt,
    alike: &AtomicU64,
    hits: &RoaringTreemap,
    change: Change<'_>,
    limits: &Limits,
) -> Result<Survivors> {
    let (bytes, start) = footer::read(before, limits)?;
    let old = Footer::parse(before, &bytes, start, limits)?;
    let (bytes, start) = footer::read(after, limits)?;
    let new = Footer::parse(after, &bytes, start, limits)?;
    if old.schema != new.schema {
        return Err(Error::Unfaithful("its schema would change".into()));
    }
    let fates = fates(&old, change)?;
    let deletes = matches!(change, Change::Delete);
    let pairs = pair(&old, &new, hits, deletes)?;
    let columns = old.schema.num_columns();
    let chunks: Vec<(usize, usize)> =
        (0..pairs.len()).flat_map(|at| (0..columns).map(move |leaf| (at, leaf))).collect();
    let compared: Vec<Result<Option<u128>>> = chunks
        .par_iter()
        // Columns differ in what they cost by far: each is a task of its own.
        .with_max_len(1)
        .map(|&(at, leaf)| {
            let (old_group, new_group, hits) = &pairs[at];
            let fate = fates[leaf].filter(|_| !hits.is_empty());
            let column = &old.schema.column(leaf);
            let (old, new) = (&old_group.chunks[leaf], &new_group.chunks[leaf]);
            let side = |input, chunk, rows| Side { input, chunk, rows, column, limits };
            let comparison = Comparison {
                old: side(before, old, old_group.rows),
                new: side(after, new, new_group.rows),
                alike,
                hits: if fate.is_some() { hits } else { &[] },
                deletes: fate == Some(Fate::Delete),
            };
            comparison.run().map_err(|error| match error {
                Error::Unfaithful(what) => {
                    let (first, path) = (old_group.first_row, column.path().string());
                    Error::Unfaithful(format!("row group from row {first}, column `{path}`: {what}"))
                }
                error => error,
            })
        })
        .collect();
    let mut all = Xxh3::new();
    for (&(at, leaf), hash) in chunks.iter().zip(compared) {
        if let Some(hash) = hash? {
            all.update(&(at as u64).to_le_bytes());
            all.update(&(leaf as u64).to_le_bytes());
            all.update(&hash.to_le_bytes());
        }
    }
    Ok(Survivors { rows: new.rows, hash: all.digest128() })
}

/// A row group before and after, and its matched rows, counted from its first one.
type Pair<'f> = (&'f RowGroup<'f>, &'f RowGroup<'f>, Vec<u64>);

/// The row groups that have rows left, and what became of each.
fn pair<'f>(old: &'f Footer<'f>, new: &'f Footer<'f>, hits: &RoaringTreemap, deletes: bool) -> Result<Vec<Pair<'f>>> {
    let wrong = || Error::Unfaithful("its row groups would have other numbers of rows".into());
    let mut after = new.row_groups.iter();
    let mut pairs = Vec::with_capacity(new.row_groups.len());
    for group in &old.row_groups {
        let inside = group.hits(hits);
        let gone = if deletes { inside.len() as u64 } else { 0 };
        if gone > 0 && gone == group.rows {
            continue;
        }
        let new = after.next().filter(|new| new.rows == group.rows - gone).ok_or_else(wrong)?;
        pairs.push((group, new, inside));
    }
    if after.next().is_some() { Err(wrong()) } else { Ok(pairs) }
}

/// A column chunk in one of the two files.
struct Side<'a> {
    input: &'a dyn ReadAt,
    chunk: &'a Chunk<'a>,
    rows: u64,
    column: &'a ColumnDescPtr,
    limits: &'a Limits,
}

/// A page and its rows.
struct Walked {
    page: Page,
    span: RowSpan,
}

impl Side<'_> {
    /// All pages; the dictionary, if there is one, first.
    fn walk(&self) -> Result<Vec<Walked>> {
        let mut pages = Pages::heads(self.input, self.limits, self.chunk);
        let mut walked = Vec::new();
        let (mut rows, mut entries) = (0, 0);
        while let Some(page) = pages.next_head()? {
            let mut span = RowSpan::default();
            if page.is_data() {
                let levels = match self.column.max_rep_level() {
                    0 => Vec::new(),
                    _ => self.unpack(&page)?.levels.repetition,
                };
                span = RowSpan::new(rows, page.count, &levels);
                rows += span.starts;
                entries += page.count as u64;
            }
            walked.push(Walked { page, span });
        }
        if rows != self.rows || entries != self.chunk.values {
            return Err(Error::Unfaithful(
                "it would have another number of rows or values than its metadata says".into(),
            ));
        }
        Ok(walked)
    }

    fn codec(&self) -> Codec {
        Codec::new(self.chunk.codec)
    }

    fn unpack(&self, page: &Page) -> Result<Unpacked> {
        page.unpack(&self.input.read_at(page.range())?, &mut self.codec(), self.column)
    }

    fn dictionary(&self, page: &Page) -> Result<Entries> {
        let encoded = page.unpack_dictionary(&self.input.read_at(page.range())?, &mut self.codec())?;
        let laid = lay(encoded, Encoding::PLAIN, page.count, self.column, self.limits, page.offset)?;
        Ok(Entries::new(laid))
    }
}

/// The dictionaries of both sides.
enum Dictionaries {
    None,
    /// The same bytes.
    Same,
    Changed {
        old: Entries,
        new: Entries,
        moved: Vec<u32>,
    },
}

/// The old index has no entry in the new dictionary.
const GONE: u32 = u32::MAX;

/// A column chunk before and after.
struct Comparison<'a> {
    old: Side<'a>,
    new: Side<'a>,
    alike: &'a AtomicU64,
    hits: &'a [u64],
    deletes: bool,
}

impl Comparison<'_> {
    /// The hash of what had to be decoded; `None` when all was the same bytes.
    fn run(&self) -> Result<Option<u128>> {
        let lengths = [&self.old, &self.new].map(|side| side.chunk.pages.end - side.chunk.pages.start);
        if self.hits.is_empty() && !self.old.chunk.is_padded && !self.new.chunk.is_padded {
            let (old, new) = (self.old.chunk.pages.start, self.new.chunk.pages.start);
            if lengths[0] == lengths[1] && self.are_same(old, new, lengths[0])? {
                return Ok(None);
            }
        }
        let (old, new) = (self.old.walk()?, self.new.walk()?);
        // What has no entries may leave with the pages around it.
        let has_entries = |walked: &&Walked| !walked.page.is_data() || walked.page.count > 0;
        let mut new = new.iter().filter(has_entries);
        let (mut before, mut after) = (Xxh3::new(), Xxh3::new());
        let mut dictionaries = Dictionaries::None;
        let mut is_decoded = false;
        for walked in old.iter().filter(has_entries) {
            if self.is_emptied(walked)? {
                continue;
            }
            let twin = new.next().ok_or_else(|| differs("it would lose a page"))?;
            let is_same = self.is_same_page(&walked.page, &twin.page)?;
            if walked.page.kind == Kind::Dictionary || twin.page.kind == Kind::Dictionary {
                if walked.page.kind != twin.page.kind {
                    return Err(differs("it would lose or gain a dictionary"));
                }
                dictionaries = if is_same { Dictionaries::Same } else { self.changed(&walked.page, &twin.page)? };
                if let Dictionaries::Changed { new, .. } = &dictionaries {
                    let hash = xxh3_128(new.laid.bytes()).to_le_bytes();
                    before.update(&hash);
                    after.update(&hash);
                }
                continue;
            }
            let is_hit = walked.span.is_hit(self.hits);
            if is_same && is_hit && self.deletes {
                return Err(differs("a page would keep rows that have to leave"));
            }
            // What became anonymous may have the same index as before, of another entry.
            if is_same && !(is_hit && walked.page.is_dictionary_encoded()) {
                match self.means_the_same(&walked.page, &dictionaries)? {
                    true => continue,
                    false => return Err(differs("values of other rows would change")),
                }
            }
            self.decode(walked, twin, &dictionaries, &mut before, &mut after)?;
            is_decoded = true;
        }
        if new.next().is_some() {
            return Err(differs("it would gain a page"));
        }
        let (before, after) = (before.digest128(), after.digest128());
        if before != after {
            return Err(differs("values of other rows would change"));
        }
        Ok(is_decoded.then_some(after))
    }

    /// Whether `length` bytes are the same on both sides.
    fn are_same(&self, mut old: u64, mut new: u64, length: u64) -> Result<bool> {
        let end = old + length;
        if old == new && end <= self.alike.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let piece = usize::try_from(length).unwrap_or(PIECE).min(PIECE);
        let (mut before, mut after) = (vec![0; piece], vec![0; piece]);
        while old < end {
            let piece = usize::try_from(end - old).unwrap_or(PIECE).min(PIECE);
            self.old.input.read_into(old, &mut before[..piece])?;
            self.new.input.read_into(new, &mut after[..piece])?;
            if before[..piece] != after[..piece] {
                return Ok(false);
            }
            (old, new) = (old + piece as u64, new + piece as u64);
        }
        Ok(true)
    }

    fn is_same_page(&self, old: &Page, new: &Page) -> Result<bool> {
        let length = old.range().end - old.offset;
        Ok(length == new.range().end - new.offset && self.are_same(old.offset, new.offset, length)?)
    }

    /// Whether every entry of the page belongs to a row that leaves.
    fn is_emptied(&self, walked: &Walked) -> Result<bool> {
        if !self.deletes || !walked.page.is_data() || !walked.span.is_hit(self.hits) {
            return Ok(false);
        }
        let repetition = match self.old.column.max_rep_level() {
            0 => Vec::new(),
            _ => self.old.unpack(&walked.page)?.levels.repetition,
        };
        Ok(matched(walked, &repetition, self.hits).len() == walked.page.count)
    }

    /// Whether a page that has the same indices as before refers to the same values.
    fn means_the_same(&self, page: &Page, dictionaries: &Dictionaries) -> Result<bool> {
        let Dictionaries::Changed { old, new, moved } = dictionaries else { return Ok(true) };
        if !page.is_dictionary_encoded() {
            return Ok(true);
        }
        let is_same = |index: u32| {
            let at = index as usize;
            moved[at] == index || at < new.len() && old.get(at) == new.get(at)
        };
        Ok(indices(page, &self.old.unpack(page)?, old.len())?.into_iter().all(is_same))
    }

    fn changed(&self, old: &Page, new: &Page) -> Result<Dictionaries> {
        let (old, new) = (self.old.dictionary(old)?, self.new.dictionary(new)?);
        let moved = moves(&old, &new);
        Ok(Dictionaries::Changed { old, new, moved })
    }

    /// Hashes both versions of a data page.
    fn decode(
        &self,
        old: &Walked,
        new: &Walked,
        dictionaries: &Dictionaries,
        before: &mut Xxh3,
        after: &mut Xxh3,
    ) -> Result<()> {
        let (old_page, new_page) = (self.old.unpack(&old.page)?, self.new.unpack(&new.page)?);
        let max = self.old.column.max_def_level();
        // Rows that become anonymous stay where they were, and are looked at in neither version.
        let new_hits = if self.deletes { &[] } else { self.hits };
        let old_gone = hash_levels(before, old, &old_page, self.hits, max);
        let new_gone = hash_levels(after, new, &new_page, new_hits, max);
        let refers = old.page.is_dictionary_encoded();
        if refers != new.page.is_dictionary_encoded() {
            return Err(differs("a page would have another encoding"));
        }
        if !refers {
            for (side, walked, page, gone, hash) in
                [(&self.old, old, &old_page, &old_gone, before), (&self.new, new, &new_page, &new_gone, after)]
            {
                let (column, limits, page_at) = (side.column, side.limits, walked.page.offset);
                let laid = lay(page.encoded.clone(), walked.page.encoding, page.values, column, limits, page_at)?;
                match gone.as_slice() {
                    [] => hash.update(laid.bytes()),
                    gone => hash.update(laid.select(without(gone), None).bytes()),
                }
            }
            return Ok(());
        }
        let (old_entries, new_entries) = match dictionaries {
            Dictionaries::Changed { old, new, .. } => (old.len(), new.len()),
            Dictionaries::None | Dictionaries::Same => (usize::MAX, usize::MAX),
        };
        let keep = |mut indices: Vec<u32>, gone: &[usize]| -> Vec<u32> {
            if !gone.is_empty() {
                let (mut at, mut stays) = (0.., without(gone));
                indices.retain(|_| at.next().is_some_and(&mut stays));
            }
            indices
        };
        let mut old_indices = keep(indices(&old.page, &old_page, old_entries)?, &old_gone);
        let new_indices = keep(indices(&new.page, &new_page, new_entries)?, &new_gone);
        if let Dictionaries::Changed { old, new, moved } = dictionaries {
            for (at, index) in old_indices.iter_mut().enumerate() {
                let moved = moved.get(*index as usize).copied().unwrap_or(GONE);
                // A dictionary may hold a value twice.
                *index = match new_indices.get(at) {
                    Some(&twin) if twin != moved && old.get(*index as usize) == new.get(twin as usize) => twin,
                    _ => moved,
                };
            }
        }
        for (indices, hash) in [(&old_indices, before), (&new_indices, after)] {
            hash_numbers(hash, indices, |index| index.to_le_bytes());
        }
        Ok(())
    }
}

/// Where each entry of the `old` dictionary is in the `new` one, or [`GONE`].
fn moves(old: &Entries, new: &Entries) -> Vec<u32> {
    let filled: Vec<usize> = (0..new.len()).filter(|&at| at >= old.len() || old.get(at) != new.get(at)).collect();
    // As many places are filled as entries left, and one more where a value was added.
    if filled.len() <= (old.len() + 2).saturating_sub(new.len()) {
        let places: HashMap<&[u8], usize> = filled.iter().map(|&at| (new.get(at), at)).collect();
        let mut filled = filled.iter().peekable();
        let place = |at: usize| {
            let stays = at < new.len() && filled.next_if_eq(&&at).is_none();
            if stays { Some(at) } else { places.get(old.get(at)).copied() }
        };
        return (0..old.len()).map(place).map(|at| at.and_then(|at| u32::try_from(at).ok()).unwrap_or(GONE)).collect();
    }
    // Entries have left and kept their order, so each is looked for where the one before it was found.
    let mut next = 0;
    let place = |entry| {
        let is_next = (next as usize) < new.len() && new.get(next as usize) == entry;
        let place = if is_next { next } else { GONE };
        next += u32::from(is_next);
        place
    };
    old.laid.iter().map(place).collect()
}

/// The entries of a page that belong to matched rows.
fn matched(walked: &Walked, repetition: &[i16], hits: &[u64]) -> Vec<usize> {
    if !walked.span.is_hit(hits) {
        return Vec::new();
    }
    if repetition.is_empty() {
        return walked.span.entries(hits).collect();
    }
    let mask = walked.span.mask(walked.page.count, repetition, hits);
    mask.iter().enumerate().filter(|(_, hit)| **hit).map(|(at, _)| at).collect()
}

/// Hashes the levels of all entries but those of matched rows. Which of the values, by their ordinals, are those rows'.
fn hash_levels(hash: &mut Xxh3, walked: &Walked, page: &Unpacked, hits: &[u64], max: i16) -> Vec<usize> {
    let matched = matched(walked, &page.levels.repetition, hits);
    for levels in [&page.levels.repetition, &page.levels.definition] {
        let mut kept = Vec::with_capacity(levels.len());
        let mut copied = 0;
        for &at in matched.iter().filter(|&&at| at < levels.len()) {
            kept.extend_from_slice(&levels[copied..at]);
            copied = at + 1;
        }
        kept.extend_from_slice(&levels[copied..]);
        hash_numbers(hash, &kept, |level| level.to_le_bytes());
    }
    let entries = (walked.page.count - matched.len()) as u64;
    hash.update(&entries.to_le_bytes());
    let definition = page.levels.definition.as_slice();
    if definition.is_empty() {
        return matched;
    }
    let (mut values, mut counted) = (0, 0);
    let mut gone = Vec::with_capacity(matched.len());
    for at in matched {
        values += definition[counted..at].iter().filter(|&&level| level == max).count();
        if definition[at] == max {
            gone.push(values);
        }
        counted = at;
    }
    gone
}

/// Hashes numbers of `N` bytes, the lowest first.
fn hash_numbers<T: Copy, const N: usize>(hash: &mut Xxh3, numbers: &[T], bytes_of: impl Fn(T) -> [u8; N]) {
    const AT_ONCE: usize = 512;
    for numbers in numbers.chunks(AT_ONCE) {
        let mut bytes = [[0; N]; AT_ONCE];
        bytes.iter_mut().zip(numbers).for_each(|(to, &number)| *to = bytes_of(number));
        hash.update(bytes[..numbers.len()].as_flattened());
    }
}

/// Whether an ordinal, asked for in ascending order, is none of `gone`.
fn without(gone: &[usize]) -> impl FnMut(usize) -> bool {
    let mut gone = gone.iter().peekable();
    move |at| gone.next_if(|&&next| next == at).is_none()
}

fn differs(what: &str) -> Error {
    Error::Unfaithful(what.to_owned())
}
