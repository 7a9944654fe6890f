//! The search of one column chunk: pages in, hits out.

use std::collections::BTreeSet;
use std::ops::Range;

use super::few::FewPages;
use super::known::{Knowing, KnownColumn};
use super::pages::{Chunk, DataPage, Facts, Pages, Visitor};
use super::rle::{decode_hybrid, pick_from_hybrid};
use super::values::{Column, Found, Unreadable};
use crate::{Effort, FieldTest, Hit, Limits, Result, SelectorIndex};

/// Searches a chunk from its first page to its last.
pub(super) struct ChunkSearch {
    pages: Pages,
    state: State,
}

/// What was found in a chunk.
pub(super) struct Searched {
    pub(super) hits: Vec<Hit>,
    /// The values of the hits, if they were kept.
    pub(super) known: Option<KnownColumn>,
    /// Whose values rows have, where that was asked for.
    pub(super) used: BTreeSet<SelectorIndex>,
    /// Whose values the dictionary alone holds.
    pub(super) unused: BTreeSet<SelectorIndex>,
    /// How many values each row has that was asked for and has any, if they were counted.
    pub(super) counts: Option<Vec<(u64, usize)>>,
    pub(super) effort: Effort,
}

/// What was learned from the pages so far.
#[derive(Default)]
struct State {
    dictionary: Option<Dictionary>,
    /// Whether the data pages are known to hold nothing that is wanted.
    is_excluded: bool,
    /// Whether a page of dictionary indices was decoded.
    knows_indices: bool,
    /// Used again for every page.
    indices: Vec<u32>,
    def: Vec<u32>,
    found: Found,
    wanted: WantedSlots,
    hits: Vec<Hit>,
    /// The values of the hits, if they are to be kept.
    knowing: Option<Knowing>,
    /// How many values each row has that is asked for and has any, if they are to be counted.
    counts: Option<Vec<(u64, usize)>>,
    /// Pages that come before their dictionary, if they are few.
    few: Option<FewPages>,
}

/// The slots of a page that are looked at.
#[derive(Default)]
struct WantedSlots {
    slots: Vec<usize>,
    /// Of those that hold a value, its ordinal in the page, and the row.
    ordinals: Vec<usize>,
    rows: Vec<u64>,
    /// Where all of the page is looked through, the slots that hold a value, and the index of every slot.
    present: Vec<u32>,
    by_slot: Vec<u32>,
}

/// The dictionary's wanted entries.
pub(super) struct Dictionary {
    /// How many entries it has.
    entries: usize,
    wanted: Wanted,
    /// By entry.
    owners: Found,
}

/// Which entries of a dictionary are wanted.
enum Wanted {
    /// Hardly any: each index is compared with all of them.
    Few,
    /// For each entry, where its owners begin, so that no index has to be looked for; [`NOBODY`] wants the others.
    Table(Vec<u32>),
}

/// No place among the owners.
const NOBODY: u32 = u32::MAX;

/// The index of a slot without a value: no dictionary has so many entries.
const NOTHING: u32 = u32::MAX;

impl Wanted {
    /// So many pairs of entry and owner are few.
    const FEW: usize = 4;

    /// Those of `entries` that `owners` are of.
    fn new(owners: &Found, entries: usize) -> Self {
        if owners.len() <= Self::FEW {
            return Self::Few;
        }
        let mut table = vec![NOBODY; entries];
        for (at, &(entry, _)) in (0..).zip(owners) {
            let first = &mut table[entry as usize];
            *first = at.min(*first);
        }
        Self::Table(table)
    }
}

impl ChunkSearch {
    pub(super) fn new(chunk: Chunk, limits: Limits) -> Result<Self> {
        Ok(Self { pages: Pages::new(chunk, limits)?, state: State::default() })
    }

    /// The same, and keeps the values of the hits.
    pub(super) fn keeping(chunk: Chunk, limits: Limits) -> Result<Self> {
        let knowing = Knowing::new(chunk.index, &chunk.column);
        Ok(Self { pages: Pages::new(chunk, limits)?, state: State { knowing, ..State::default() } })
    }

    /// The same of few pages of a chunk, which come before their dictionary.
    pub(super) fn of_few_pages(chunk: Chunk, few: FewPages, limits: Limits) -> Result<Self> {
        Ok(Self { pages: Pages::new(chunk, limits)?, state: State { few: Some(few), ..State::default() } })
    }

    /// The same, and counts the values of rows that may have several.
    pub(super) fn counting(chunk: Chunk, limits: Limits) -> Result<Self> {
        let counts = (chunk.column.descriptor.max_rep_level() > 0).then(Vec::new);
        Ok(Self { pages: Pages::new(chunk, limits)?, state: State { counts, ..State::default() } })
    }

    /// The same of the dictionary alone, behind which the data pages begin at `data`: they are known to hold nothing that is wanted.
    pub(super) fn of_dictionary(chunk: Chunk, data: u64, limits: Limits) -> Result<Self> {
        let chunk = Chunk { indices_from: Some(data), ..chunk };
        Ok(Self { pages: Pages::new(chunk, limits)?, state: State { is_excluded: true, ..State::default() } })
    }

    /// The next bytes to hand over, `window` of them at most. `None` when the chunk is done.
    pub(super) fn need(&self, window: u64) -> Option<Range<u64>> {
        let chunk = &self.pages.chunk;
        let stop = match chunk.indices_from {
            // The dictionary decides whether anything behind it is looked at.
            Some(data) if self.pages.next < data => data,
            Some(_) if self.state.nothing_wanted() => return None,
            _ => chunk.range.end,
        };
        self.pages.need(window, stop).or_else(|| self.state.few.as_ref()?.need(window))
    }

    /// Searches the pages that are whole once `piece`, the bytes that [`need`](Self::need) named, has come. Hits on other rows than those
    /// of `only`, when there is one, are dropped.
    pub(super) fn feed(&mut self, piece: &[u8], test: &FieldTest, only: Option<&[Hit]>) -> Result<()> {
        match &mut self.state.few {
            Some(few) if self.pages.is_done() => few.feed(piece, &mut self.pages, test, &mut self.state.hits),
            _ => self.pages.feed(piece, &mut Search { state: &mut self.state, test, only }),
        }
    }

    /// What was found; also what the dictionary alone holds, where that is asked for. Call when [`need`](Self::need) says `None`.
    ///
    /// Fails when the chunk did not end where it should.
    pub(super) fn finish(self, notes_unused: bool) -> Result<Searched> {
        let is_indices_only = self.pages.chunk.indices_from.is_some_and(|data| self.pages.next >= data);
        // Where the dictionary answered, no data page was looked at.
        if !(is_indices_only && self.state.nothing_wanted()) {
            self.pages.finish()?;
        }
        let (used, unused) = if notes_unused { self.state.used_and_not() } else { Default::default() };
        let known = self.state.knowing.and_then(Knowing::finish);
        let (hits, counts) = (self.state.hits, self.state.counts);
        Ok(Searched { hits, known, used, unused, counts, effort: self.pages.effort })
    }
}

impl State {
    fn nothing_wanted(&self) -> bool {
        self.dictionary.as_ref().is_some_and(|dictionary| self.is_excluded || dictionary.owners.is_empty())
    }

    /// Whose values rows have, and whose the dictionary alone holds.
    fn used_and_not(&self) -> (BTreeSet<SelectorIndex>, BTreeSet<SelectorIndex>) {
        let used: BTreeSet<_> = self.hits.iter().map(|hit| hit.selector).collect();
        let owners = self.dictionary.iter().flat_map(|dictionary| &dictionary.owners);
        let unused = owners.map(|&(_, selector)| selector).filter(|selector| !used.contains(selector)).collect();
        (used, unused)
    }
}

/// A look through some of the pages.
struct Search<'a> {
    state: &'a mut State,
    test: &'a FieldTest,
    only: Option<&'a [Hit]>,
}

impl Visitor for Search<'_> {
    fn wants(&self, page: Facts) -> bool {
        if let Some(only) = self.only
            && !page.touches(only, |hit| hit.row)
        {
            return false;
        }
        // Of a row that goes on in another page, all values count.
        if self.state.counts.is_some() {
            return true;
        }
        // No entry is wanted, so no row of the page is. The first such page of a chunk is decoded all the same: a chunk that is
        // not what it says shows there.
        !(page.is_indices && self.state.nothing_wanted() && self.state.knows_indices)
    }

    fn defers_dictionary(&self) -> bool {
        false
    }

    fn reach(&self, _: Facts, slots: usize) -> usize {
        slots
    }

    fn dictionary(&mut self, column: &Column, values: &[u8], count: usize, encoding: i32) -> Result<(), Unreadable> {
        let mut owners = Found::new();
        column.search(self.test, encoding, values, count, &mut owners)?;
        if let Some(knowing) = &mut self.state.knowing {
            knowing.dictionary(column, encoding, values, count, &owners)?;
        }
        self.state.dictionary = Some(Dictionary::new(count, owners));
        Ok(())
    }

    fn data(&mut self, column: &Column, page: &DataPage<'_>) -> Result<(), Unreadable> {
        if let Some(only) = self.only
            && page.is_indices()
            && page.rep.is_empty()
        {
            return self.state.look_up(page, only);
        }
        self.state.found.clear();
        if let Some(few) = self.state.few.as_mut().filter(|_| page.is_indices() && page.present > 0) {
            return few.hold(page);
        }
        if page.present > 0 {
            if page.is_indices() {
                self.state.search_indices(page)?;
            } else {
                column.search(self.test, page.encoding, page.values, page.present, &mut self.state.found)?;
            }
        }
        let noted = self.state.hits.len();
        self.note_rows(page)?;
        self.count_values(page)?;
        let State { knowing, indices, found, hits, .. } = &mut *self.state;
        if let Some(known) = knowing.as_mut().filter(|_| !found.is_empty()) {
            known.page(column, page, indices, found, &hits[noted..])?;
            if known.is_too_much() {
                *knowing = None;
            }
        }
        Ok(())
    }
}

impl State {
    fn search_indices(&mut self, page: &DataPage<'_>) -> Result<(), Unreadable> {
        let bad = || Unreadable::Malformed("a page's dictionary indices cannot be read");
        let Some(dictionary) = &self.dictionary else {
            return Err(Unreadable::Malformed("a page needs a dictionary, and there is none"));
        };
        self.knows_indices = true;
        let (&bit_width, data) = page.values.split_first().ok_or_else(bad)?;
        decode_hybrid(data, bit_width.into(), page.present, &mut self.indices).ok_or_else(bad)?;
        if !dictionary.holds_all(&self.indices) {
            return Err(bad());
        }
        dictionary.find(&self.indices, &mut self.found);
        Ok(())
    }

    /// Looks at the rows of `only` and no others. Of a flat column.
    fn look_up(&mut self, page: &DataPage<'_>, only: &[Hit]) -> Result<(), Unreadable> {
        let Some(dictionary) = &self.dictionary else {
            return Err(Unreadable::Malformed("a page needs a dictionary, and there is none"));
        };
        self.knows_indices = true;
        let first = only.partition_point(|hit| hit.row < page.first_row);
        let after = only.partition_point(|hit| hit.row < page.first_row + page.slots as u64);
        self.wanted.slots.clear();
        let slot = |hit: &Hit| usize::try_from(hit.row - page.first_row).unwrap_or(usize::MAX);
        self.wanted.slots.extend(only[first..after].iter().map(slot));
        self.wanted.slots.dedup();
        // To decode all of a page takes less than to go to each eighth of its slots, which `cargo xtask bench --cases find-throng` shows.
        let looked = if self.wanted.slots.len() > page.slots / 8 {
            dictionary.look_through(page, &mut self.wanted, &mut self.indices, &mut self.hits)
        } else {
            dictionary.look_at(page, &mut self.wanted, &mut self.hits)
        };
        looked.ok_or(Unreadable::Malformed("a page's dictionary indices cannot be read"))
    }
}

/// Sorted hits whose rows are asked for in order: a step ahead now and then, where each took a binary search.
struct Among<'a> {
    /// Those of the last row that was asked for, and behind it.
    hits: &'a [Hit],
}

impl Among<'_> {
    fn holds(&mut self, row: u64) -> bool {
        let passed = self.hits.iter().take_while(|known| known.row < row).count();
        self.hits = &self.hits[passed..];
        self.hits.first().is_some_and(|known| known.row == row)
    }
}

/// So many indices are looked through before it is asked whether any of them was wanted.
const LANES: usize = 64;

impl Dictionary {
    /// One of so many `entries`, of which `owners` want some.
    pub(super) fn new(entries: usize, owners: Found) -> Self {
        Self { entries, wanted: Wanted::new(&owners, entries), owners }
    }

    /// The wanted ones among `indices`.
    ///
    /// Blocks without any, which are nearly all, cost a comparison a lane and no branch.
    pub(super) fn find(&self, indices: &[u32], found: &mut Found) {
        if self.owners.is_empty() {
            return;
        }
        for (block, first) in indices.chunks(LANES).zip((0_u32..).step_by(LANES)) {
            if !self.has_any(block) {
                continue;
            }
            for (ordinal, &index) in (first..).zip(block) {
                found.extend(self.owners(index).map(|selector| (ordinal, selector)));
            }
        }
    }

    /// Whether any of a block of indices, all below the number of entries, is wanted: without a branch for each.
    #[inline]
    fn has_any(&self, block: &[u32]) -> bool {
        match &self.wanted {
            Wanted::Few => {
                let has = |wanted: u32| block.iter().fold(false, |any, &index| any | (index == wanted));
                self.owners.iter().any(|&(entry, _)| has(entry))
            }
            Wanted::Table(table) => block.iter().fold(false, |any, &index| any | (table[index as usize] != NOBODY)),
        }
    }

    /// Notes the hits among the wanted slots of a flat page, each of which is gone to by itself. `None` when the page cannot be read.
    fn look_at(&self, page: &DataPage<'_>, wanted: &mut WantedSlots, hits: &mut Vec<Hit>) -> Option<()> {
        let WantedSlots { slots, ordinals, rows, .. } = wanted;
        ordinals.clear();
        rows.clear();
        let mut slot = slots.iter();
        page.def.pick(slots, |level, before| {
            if let Some(&slot) = slot.next()
                && level == page.def.max
            {
                rows.push(page.first_row + slot as u64);
                ordinals.push(before);
            }
        })?;
        if ordinals.is_empty() {
            return Some(());
        }
        let (&bit_width, data) = page.values.split_first()?;
        let (mut rows, mut highest) = (rows.iter(), 0);
        pick_from_hybrid(data, bit_width.into(), ordinals, |index| {
            highest = highest.max(index);
            let row = rows.next().copied().unwrap_or_default();
            hits.extend(self.owners(index).map(|selector| Hit { row, selector }));
        })?;
        ((highest as usize) < self.entries).then_some(())
    }

    /// The same of a page that is decoded first.
    fn look_through(
        &self,
        page: &DataPage<'_>,
        wanted: &mut WantedSlots,
        indices: &mut Vec<u32>,
        hits: &mut Vec<Hit>,
    ) -> Option<()> {
        if page.present == 0 {
            return Some(());
        }
        let (&bit_width, data) = page.values.split_first()?;
        decode_hybrid(data, bit_width.into(), page.present, indices)?;
        self.holds_all(indices).then_some(())?;
        let WantedSlots { slots, present, by_slot, .. } = wanted;
        let by_slot = if page.present == page.slots {
            indices
        } else {
            page.def.find_max(present)?;
            by_slot.clear();
            by_slot.resize(page.slots, NOTHING);
            present.iter().zip(&*indices).for_each(|(&slot, &index)| by_slot[slot as usize] = index);
            by_slot
        };
        let sole = if let [sole] = self.owners.as_slice() { Some(sole) } else { None };
        for &slot in &*slots {
            let (row, index) = (page.first_row + slot as u64, by_slot[slot]);
            match sole {
                Some(&(entry, selector)) if index == entry => hits.push(Hit { row, selector }),
                Some(_) => {}
                None => hits.extend(self.owners(index).map(|selector| Hit { row, selector })),
            }
        }
        Some(())
    }

    /// Whether there is an entry for each of the indices.
    fn holds_all(&self, indices: &[u32]) -> bool {
        (indices.iter().fold(0, |max, &index| max.max(index)) as usize) < self.entries
    }

    /// Who wants entry `index`.
    #[inline]
    fn owners(&self, index: u32) -> impl Iterator<Item = SelectorIndex> {
        let from = match &self.wanted {
            Wanted::Few => self.owners.iter().position(|&(entry, _)| entry == index),
            Wanted::Table(table) => table.get(index as usize).filter(|&&at| at != NOBODY).map(|&at| at as usize),
        };
        let owners = from.and_then(|from| self.owners.get(from..)).unwrap_or_default();
        owners.iter().take_while(move |&&(entry, _)| entry == index).map(|&(_, selector)| selector)
    }
}

impl Search<'_> {
    /// Turns the page's found values into hits on rows.
    fn note_rows(&mut self, page: &DataPage<'_>) -> Result<(), Unreadable> {
        const LEVELS: Unreadable = Unreadable::Malformed("a page's levels cannot be read");
        let State { found, hits, def, wanted, .. } = &mut *self.state;
        if found.is_empty() {
            return Ok(());
        }
        let mut among = self.only.map(|hits| Among { hits });
        let mut keep = |row: u64, selector| {
            if among.as_mut().is_none_or(|among| among.holds(row)) {
                hits.push(Hit { row, selector });
            }
        };
        if page.rep.is_empty() && page.present == page.slots {
            found.iter().for_each(|&(ordinal, selector)| keep(page.first_row + u64::from(ordinal), selector));
            return Ok(());
        }
        if page.rep.is_empty() {
            page.def.find_max(&mut wanted.present).ok_or(LEVELS)?;
            for &(ordinal, selector) in &*found {
                keep(page.first_row + u64::from(*wanted.present.get(ordinal as usize).ok_or(LEVELS)?), selector);
            }
            return Ok(());
        }
        let mut found = found.iter().peekable();
        page.def.decode(def).ok_or(LEVELS)?;
        // Walk the page's levels once: `ordinal` counts values that are there, `begun` counts rows.
        let (mut ordinal, mut begun) = (0_u32, page.first_row);
        for slot in 0..page.slots {
            if page.rep[slot] == 0 {
                begun += 1;
            }
            if def.is_empty() || def[slot] == page.def.max {
                while let Some(&(_, selector)) = found.next_if(|&&(at, _)| at == ordinal) {
                    keep(begun.saturating_sub(1), selector);
                }
                ordinal += 1;
            }
            if found.peek().is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Counts the values of the rows that are asked for, if that is wanted.
    fn count_values(&mut self, page: &DataPage<'_>) -> Result<(), Unreadable> {
        let State { counts: Some(counts), def, .. } = &mut *self.state else { return Ok(()) };
        page.def.decode(def).ok_or(Unreadable::Malformed("a page's levels cannot be read"))?;
        let (mut among, mut begun) = (Among { hits: self.only.unwrap_or_default() }, page.first_row);
        for slot in 0..page.slots {
            begun += u64::from(page.rep.get(slot).is_none_or(|&level| level == 0));
            let row = begun.saturating_sub(1);
            if (def.is_empty() || def[slot] == page.def.max) && among.holds(row) {
                match counts.last_mut() {
                    Some((last, count)) if *last == row => *count += 1,
                    _ => counts.push((row, 1)),
                }
            }
        }
        Ok(())
    }
}
