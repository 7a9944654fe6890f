//! Which lines of NDJSON may hold a wanted value: told from their bytes, by SIMD, before any is parsed.
//!
//! In a JSON text, a character of a string stands as itself or as an escape. So a line that holds no needle as it is, and no escape
//! that could stand for a character of one, holds no wanted value, however it is read. All others are left to the parser, and
//! whatever cannot be told this way has no prefilter: numbers, which have many forms, and needles that are almost everywhere.
//!
//! A line that is left out is not validated either. One that is cut off, runs on or is no object at all is admitted nevertheless,
//! since it does not both begin with `{` and end with `}`; so are a shard's first lines. What may go unseen is a flaw within a
//! line that holds nothing wanted. Where each line must be readable, as for an erasure, there is no prefilter.
//!
//! `cargo xtask bench --cases find-lines` says what is left beside decompressing.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use aho_corasick::packed;
use memchr::memmem;

use super::{Piece, PieceKind};
use crate::mapping::{Case, JsonType};
use crate::{FieldTest, Matcher};

/// A shard's first lines are parsed whatever they hold: most that is wrong with a shard shows there.
const FIRST_LINES: u64 = 256;

/// A shorter needle stands in too many lines.
const NEEDLE_BYTES_MIN: usize = 4;

/// More needles than vectors tell apart.
const NEEDLES_MAX: usize = 64;

/// So many kinds of needles are looked for one after the other.
const CORES_MAX: usize = 4;

/// A core that is nowhere near one of its needles so often, once in so many bytes, is left for the search for all at once.
const BYTES_PER_MISS_MIN: usize = 1 << 8;

/// Admits lines for one matcher.
#[derive(Debug)]
pub(super) struct Prefilter {
    /// The needles, if they are of few kinds.
    cores: Option<Vec<Core>>,
    /// All at once.
    needles: packed::Searcher,
    /// The start of an escape that may stand for a character of a needle.
    escape: memmem::Finder<'static>,
    /// Whether case makes no difference. Then needles are in lower case, and what is not ASCII is left to the parser.
    ignores_case: bool,
}

/// What one call works with and the next one can use.
#[derive(Debug, Default)]
pub(super) struct Room {
    lowered: Vec<u8>,
    /// Where in the text something suspicious stands: once a line at most for each reason.
    suspects: Vec<usize>,
}

/// Text to look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether a backslash may be in it.
    pub(super) has_backslash: bool,
}

impl Prefilter {
    /// `None` where it cannot be told from the bytes of a line that it holds nothing wanted.
    pub(super) fn new(matcher: &Matcher) -> Option<Self> {
        let fields: Vec<&FieldTest> = matcher.fields().iter().filter(|field| field.is_wanted()).collect();
        if fields.iter().any(|field| field.json_type() != JsonType::String && field.has_numbers()) {
            return None;
        }
        let ignores_case = fields.iter().any(|field| field.case() == Case::Insensitive);
        let mut texts: BTreeSet<Cow<'_, [u8]>> = BTreeSet::new();
        let of_strings = fields.iter().filter(|field| field.json_type() != JsonType::Number);
        for text in of_strings.flat_map(|field| field.texts().iter().map(|text| field.stem(text))) {
            texts.insert(if ignores_case { text.to_ascii_lowercase().into() } else { text.into() });
            if texts.len() > NEEDLES_MAX {
                return None;
            }
        }
        if texts.is_empty() || texts.iter().any(|text| text.len() < NEEDLE_BYTES_MIN) {
            return None;
        }
        let mut builder = packed::Config::new().builder();
        builder.extend(&texts);
        // A quote, a backslash and control characters never stand as themselves, a slash need not.
        let has_short_escape = |byte: &u8| matches!(byte, b'"' | b'\\' | b'/' | ..b' ');
        let escape: &[u8] =
            if texts.iter().flat_map(|text| text.iter()).any(has_short_escape) { b"\\" } else { b"\\u" };
        let escape = memmem::Finder::new(escape).into_owned();
        Some(Self { cores: Core::of_all(&texts), needles: builder.build()?, escape, ignores_case })
    }

    /// Puts the records among `pieces` that must be parsed into `admitted`, and says how many others there are. `text` begins
    /// where the first piece does.
    pub(super) fn admit(&self, text: Text<'_>, pieces: &[Piece], room: &mut Room, admitted: &mut Vec<Piece>) -> u64 {
        self.suspect(text, room);
        let text = text.bytes;
        let start = pieces.first().map_or(0, |piece| piece.start);
        let mut suspects = room.suspects.iter().map(|at| start + at).peekable();
        let is_ascii = !self.ignores_case || text.is_ascii();
        let mut others = 0;
        for piece in pieces {
            let PieceKind::Record { line, .. } = piece.kind else { continue };
            let mut is_suspect = false;
            while suspects.next_if(|&at| at < piece.end).is_some() {
                is_suspect = true;
            }
            let record = text.get(piece.start - start..piece.end - start).unwrap_or_default();
            let may_match = is_suspect || !(is_ascii || record.is_ascii());
            if may_match || line <= FIRST_LINES || !is_enclosed(record) {
                admitted.push(*piece);
            } else {
                others += 1;
            }
        }
        others
    }

    /// Finds the first place of each line that holds a needle, and of each that holds an escape.
    fn suspect(&self, Text { bytes: text, has_backslash }: Text<'_>, room: &mut Room) {
        let Room { lowered, suspects } = room;
        let folded = if self.ignores_case {
            lowered.clear();
            lowered.extend_from_slice(text);
            lowered.make_ascii_lowercase();
            &lowered[..]
        } else {
            text
        };
        suspects.clear();
        let by_cores = self.cores.as_ref().is_some_and(|cores| cores.iter().all(|core| core.find(folded, suspects)));
        if !by_cores {
            suspects.clear();
            let mut at = 0;
            while let Some(found) = self.needles.find_in(folded, (at..folded.len()).into()) {
                suspects.push(found.start());
                at = next_line(folded, found.start());
            }
        }
        let mut at = if has_backslash { 0 } else { text.len() };
        while let Some(found) = self.escape.find(&text[at..]) {
            suspects.push(at + found);
            at = next_line(text, at + found);
        }
        suspects.sort_unstable();
    }
}

/// Where the line ends in which `at` lies.
fn next_line(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| at + length)
}

/// A needle, or several that differ in case only, by what these have in common: to look for that and then compare takes less than a look for
/// all forms at once. A search for one person went from 1.21 to 1.72 GiB/s, where one for more people, which has no part in this, went up by
/// a fifth at most in the same two runs (`cargo xtask bench micro lines/needles`).
#[derive(Debug)]
struct Core {
    finder: memmem::Finder<'static>,
    /// Where it lies in each needle.
    at: usize,
    needles: Vec<Box<[u8]>>,
}

impl Core {
    /// A shorter one stands in too many places.
    const BYTES_MIN: usize = 3;

    /// Those of all needles. `None` where they are too many.
    fn of_all(needles: &BTreeSet<Cow<'_, [u8]>>) -> Option<Vec<Self>> {
        let mut kinds: BTreeMap<Vec<u8>, Vec<&[u8]>> = BTreeMap::new();
        for needle in needles {
            kinds.entry(needle.to_ascii_lowercase()).or_default().push(needle);
        }
        let apart = |forms: &Vec<&[u8]>| forms.iter().map(|form| Self::new(&[form], 0..form.len())).collect();
        let cores: Vec<Self> =
            kinds.values().flat_map(|forms| Self::of(forms).map_or_else(|| apart(forms), |core| vec![core])).collect();
        (cores.len() <= CORES_MAX).then_some(cores)
    }

    /// The longest part that all `forms`, of one length, have at the same place.
    fn of(forms: &[&[u8]]) -> Option<Self> {
        let first = forms.first()?;
        let is_common: Vec<bool> = (0..first.len()).map(|at| forms.iter().all(|form| form[at] == first[at])).collect();
        let mut place = 0;
        let runs = is_common.chunk_by(|one, next| one == next).map(|run| {
            place += run.len();
            (run[0], place - run.len()..place)
        });
        let longest = runs.filter(|(is_common, _)| *is_common).map(|(_, range)| range).max_by_key(Range::len)?;
        (longest.len() >= Self::BYTES_MIN).then(|| Self::new(forms, longest))
    }

    fn new(forms: &[&[u8]], core: Range<usize>) -> Self {
        let finder = memmem::Finder::new(&forms[0][core.clone()]).into_owned();
        Self { finder, at: core.start, needles: forms.iter().map(|&form| form.into()).collect() }
    }

    /// Adds a place of each line that holds one of the needles. `false`: it is given up, as too much looks like one.
    fn find(&self, text: &[u8], suspects: &mut Vec<usize>) -> bool {
        let (mut at, mut misses) = (0, 0);
        while let Some(found) = self.finder.find(&text[at..]) {
            let core = at + found;
            let from = core.checked_sub(self.at).map(|start| &text[start..]);
            if from.is_some_and(|from| self.needles.iter().any(|needle| from.starts_with(needle))) {
                suspects.push(core);
                at = next_line(text, core);
            } else {
                misses += 1;
                if misses * BYTES_PER_MISS_MIN > text.len() {
                    return false;
                }
                at = core + 1;
            }
        }
        true
    }
}

/// Whether a record begins and ends as an object does.
fn is_enclosed(record: &[u8]) -> bool {
    match record {
        [b'{', .., b'}'] => true,
        _ => {
            let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r');
            let first = record.iter().find(|byte| !is_blank(byte));
            let last = record.iter().rev().find(|byte| !is_blank(byte));
            first == Some(&b'{') && last == Some(&b'}')
        }
    }
}
