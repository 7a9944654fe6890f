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
use std::collections::BTreeSet;

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

/// Admits lines for one matcher.
#[derive(Debug)]
pub(super) struct Prefilter {
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
        Some(Self { needles: builder.build()?, escape: memmem::Finder::new(escape).into_owned(), ignores_case })
    }

    /// Puts the records among `pieces` that must be parsed into `admitted`, and says how many others there are. `text` begins
    /// where the first piece does.
    pub(super) fn admit(&self, text: &[u8], pieces: &[Piece], room: &mut Room, admitted: &mut Vec<Piece>) -> u64 {
        self.suspect(text, room);
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
    fn suspect(&self, text: &[u8], room: &mut Room) {
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
        let next_line = |at: usize| memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| at + length);
        let mut at = 0;
        while let Some(found) = self.needles.find_in(folded, (at..folded.len()).into()) {
            suspects.push(found.start());
            at = next_line(found.start());
        }
        let needles = suspects.len();
        at = 0;
        while let Some(found) = self.escape.find(&text[at..]) {
            suspects.push(at + found);
            at = next_line(at + found);
        }
        if needles > 0 && needles < suspects.len() {
            suspects.sort_unstable();
        }
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
