//! Records that look like records before them, at the speed of a comparison.
//!
//! Between one scalar value and the next, the lines of a log are the same bytes over and over: `,"UserId":`, `},"x":{"y":`. Such
//! a stretch takes a parser from one stack of open containers to another, whatever stands before it. So stacks are states,
//! stretches are edges between them, and both are learned from records that the [`Walker`](super::Walker) has read. A record
//! that finds an edge at each step is valid and has its values at the mapped paths, exactly as the walker would say; one that
//! doesn't is left to the walker.
//!
//! This replaced the walk over each record's keys, and made the search of plain NDJSON as a whole 2.5 times as fast (578 bytes
//! and 17 values a line, escapes in every third). Once a record is validated, its wanted values cost a comparison of lengths. Only not
//! to validate it is cheaper: see [`prefilter`](crate::text::prefilter).

use std::collections::HashMap;
use std::ops::Range;

use super::marks::Marks;
use super::scan::{self, skip_blanks};
use super::{Paths, Visitor};
use crate::Value;

/// Edges that one state may have: beyond, keys are data, and the walker is faster.
const STATE_EDGES_MAX: usize = 256;

/// Bytes of all edges together. Beyond, all is forgotten and learned again.
const BYTES_MAX: usize = 256 << 10;

/// The longest stretch that is worth learning.
const STRETCH_BYTES_MAX: usize = 4 << 10;

/// States, by the same reason.
const STATES_MAX: usize = 4096;

/// A miss costs the walk and what was compared in vain, a hit saves most of a walk.
const MISS_COST: i32 = 3;

/// As many hits in a row as are remembered.
const CREDIT_MAX: i32 = 64;

/// So many records go straight to the walker once misses outweigh hits.
const PAUSE: i32 = 256;

/// Before the record: the state, and the edge that leads to it.
const START: usize = 0;

/// No edge.
const NONE: usize = usize::MAX;

/// The shapes of records learned so far, for one set of paths.
#[derive(Debug)]
pub(in crate::text) struct Shapes {
    edges: Vec<Edge>,
    /// The edges that leave each state.
    states: Vec<Vec<usize>>,
    /// Which state stands for these open containers, after a value.
    by_stack: HashMap<Box<[Frame]>, usize>,
    bytes: usize,
    credit: i32,
    pause: i32,
    unescaped: Vec<u8>,
}

/// A container that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Frame {
    is_object: bool,
    /// Where the paths stand: for an object, where its keys are looked up; for an array, where its elements lead.
    node: Option<usize>,
}

#[derive(Debug)]
struct Edge {
    stretch: Stretch,
    then: Then,
    /// The two edges that were taken last after this one. All keys of an object leave the same state, so the state knows too
    /// little to guess: to try them all took twice as long.
    likely: [usize; 2],
}

#[derive(Debug)]
enum Then {
    /// A scalar value, at the end of the paths with these numbers; then this state.
    Value { targets: Box<[usize]>, state: usize },
    /// The record's end.
    End,
}

impl Edge {
    /// Whether its bytes stand at `at`, followed by a scalar value or the record's end. That is so for one edge of a state at
    /// most.
    #[inline(always)]
    fn fits(&self, text: &[u8], at: usize, end: usize) -> bool {
        let next = at + self.stretch.length;
        self.stretch.is_at(text, at)
            && match self.then {
                Then::End => next == end,
                Then::Value { .. } => next < end && is_scalar(text[next]),
            }
    }
}

/// Some bytes, the first of them in a form that is compared at once, without a branch on how many they are.
#[derive(Debug)]
struct Stretch {
    head: [u128; 2],
    mask: [u128; 2],
    length: usize,
    bytes: Box<[u8]>,
}

const HEAD: usize = 32;

impl Stretch {
    fn new(bytes: &[u8]) -> Self {
        let (mut head, mut mask) = ([0; HEAD], [0; HEAD]);
        for ((head, mask), byte) in head.iter_mut().zip(&mut mask).zip(bytes) {
            (*head, *mask) = (*byte, 0xff);
        }
        Self { head: halves(&head), mask: halves(&mask), length: bytes.len(), bytes: bytes.into() }
    }

    /// Whether it stands at `at`.
    #[inline]
    fn is_at(&self, text: &[u8], at: usize) -> bool {
        match text.get(at..).and_then(<[u8]>::first_chunk) {
            Some(head) => {
                let [first, second] = halves(head);
                let differ = (first ^ self.head[0]) & self.mask[0] | (second ^ self.head[1]) & self.mask[1];
                differ == 0 && (self.length <= HEAD || text.get(at + HEAD..at + self.length) == self.bytes.get(HEAD..))
            }
            None => text[at..].starts_with(&self.bytes),
        }
    }
}

#[inline]
fn halves(bytes: &[u8; HEAD]) -> [u128; 2] {
    let (halves, _) = bytes.as_chunks::<16>();
    [u128::from_le_bytes(halves[0]), u128::from_le_bytes(halves[1])]
}

/// Whether a scalar value can start with `byte`.
#[inline]
fn is_scalar(byte: u8) -> bool {
    matches!(byte, b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
}

impl Default for Shapes {
    fn default() -> Self {
        Self {
            edges: vec![Edge {
                stretch: Stretch::new(&[]),
                then: Then::Value { targets: Box::default(), state: START },
                likely: [NONE; 2],
            }],
            states: vec![Vec::new()],
            by_stack: HashMap::new(),
            bytes: 0,
            credit: CREDIT_MAX,
            pause: 0,
            unescaped: Vec::new(),
        }
    }
}

impl Shapes {
    /// Takes the values out of the record at `record`, if its shape is known. Where it isn't, `false`: what was visited is void.
    ///
    /// `text` is UTF-8, at least as far as the record goes, and `marks` are its marks.
    pub(in crate::text) fn walk<V: Visitor>(
        &mut self,
        text: &[u8],
        marks: &Marks,
        record: Range<usize>,
        visitor: &mut V,
    ) -> bool {
        if self.pause > 0 {
            self.pause -= 1;
            return false;
        }
        let is_known = self.try_walk(text, marks, record, visitor).is_some();
        if is_known {
            self.credit = CREDIT_MAX.min(self.credit + 1);
        } else {
            self.credit -= MISS_COST;
            if self.credit < 0 {
                (self.credit, self.pause) = (0, PAUSE);
            }
        }
        is_known
    }

    #[inline]
    fn try_walk<V: Visitor>(
        &mut self,
        text: &[u8],
        marks: &Marks,
        record: Range<usize>,
        visitor: &mut V,
    ) -> Option<()> {
        let Range { start: mut at, end } = record;
        let mut edge = START;
        loop {
            edge = self.follow(edge, text, at, end)?;
            let Edge { stretch, then, .. } = &self.edges[edge];
            at += stretch.length;
            let Then::Value { targets, .. } = then else { return Some(()) };
            let start = at;
            let value = match text[at] {
                b'"' => {
                    let close = marks.next(at + 1);
                    let raw = if text.get(close) == Some(&b'"') {
                        at = close + 1;
                        &text[start + 1..close]
                    } else {
                        let raw;
                        (raw, at) = escaped(text, marks, start, close)?;
                        if targets.is_empty() {
                            raw
                        } else {
                            scan::unescape(raw, &mut self.unescaped);
                            &self.unescaped
                        }
                    };
                    Some(Value::JsonString(raw))
                }
                b'-' | b'0'..=b'9' => {
                    at = scan::number(text, at).ok()?;
                    Some(Value::JsonNumber(&text[start..at]))
                }
                _ => {
                    at = scan::literal(text, at).ok()?;
                    None
                }
            };
            if at > end {
                return None;
            }
            if !targets.is_empty() {
                visitor.value(targets, start..at, value);
            }
        }
    }

    /// The edge that stands at `at`, after this one.
    #[inline]
    fn follow(&mut self, edge: usize, text: &[u8], at: usize, end: usize) -> Option<usize> {
        let [first, second] = self.edges[edge].likely;
        if self.edges.get(first).is_some_and(|edge| edge.fits(text, at, end)) {
            return Some(first);
        }
        // Elements of a list and optional keys go two ways by turns.
        if self.edges.get(second).is_some_and(|edge| edge.fits(text, at, end)) {
            return Some(second);
        }
        self.search(edge, text, at, end)
    }

    #[inline(never)]
    fn search(&mut self, edge: usize, text: &[u8], at: usize, end: usize) -> Option<usize> {
        let Then::Value { state, .. } = self.edges[edge].then else { return None };
        let found = self.states[state].iter().copied().find(|&edge| self.edges[edge].fits(text, at, end))?;
        self.edges[edge].likely = [found, self.edges[edge].likely[0]];
        Some(found)
    }

    /// Learns the shape of a record that the walker took for valid.
    pub(in crate::text) fn learn(&mut self, paths: &Paths, record: &[u8]) {
        if self.pause > 0 {
            return;
        }
        if self.bytes > BYTES_MAX || self.states.len() > STATES_MAX {
            let (credit, pause) = (self.credit, self.pause);
            *self = Self { credit, pause, ..Self::default() };
        }
        // Valid as the record is, this gives up only where it isn't worth going on.
        let _ = self.try_learn(paths, record);
    }

    fn try_learn(&mut self, paths: &Paths, record: &[u8]) -> Option<()> {
        let mut open: Vec<Frame> = Vec::new();
        let mut node = Some(Paths::ROOT);
        let mut is_key = false;
        let (mut state, mut from, mut at) = (START, 0, 0);
        loop {
            at = skip_blanks(record, at);
            let Some(&byte) = record.get(at) else { break };
            match byte {
                b'{' | b'[' => {
                    let is_object = byte == b'{';
                    if !is_object {
                        node = node.and_then(|node| paths.node(node).elements);
                    }
                    open.push(Frame { is_object, node });
                    is_key = is_object;
                    at += 1;
                }
                b'}' | b']' => {
                    open.pop();
                    is_key = false;
                    at += 1;
                }
                b',' => {
                    let container = open.last()?;
                    is_key = container.is_object;
                    node = container.node;
                    at += 1;
                }
                b'"' if is_key => {
                    let key = scan::string(record, at).ok()?;
                    scan::unescape(&record[at + 1..key.end - 1], &mut self.unescaped);
                    node = open.last()?.node.and_then(|node| paths.node(node).key(&self.unescaped));
                    is_key = false;
                    at = key.end;
                }
                b':' => at += 1,
                _ => {
                    let targets = node.map_or(&[][..], |node| &paths.node(node).targets);
                    let next = self.state(&open);
                    self.add(state, &record[from..at], Then::Value { targets: targets.into(), state: next })?;
                    state = next;
                    at = match byte {
                        b'"' => scan::string(record, at).ok()?.end,
                        b'-' | b'0'..=b'9' => scan::number(record, at).ok()?,
                        _ => scan::literal(record, at).ok()?,
                    };
                    from = at;
                }
            }
        }
        self.add(state, &record[from..], Then::End)
    }

    /// The state after a value inside of these containers.
    fn state(&mut self, open: &[Frame]) -> usize {
        if let Some(&state) = self.by_stack.get(open) {
            return state;
        }
        let state = self.states.len();
        self.states.push(Vec::new());
        self.by_stack.insert(open.into(), state);
        state
    }

    fn add(&mut self, state: usize, bytes: &[u8], then: Then) -> Option<()> {
        let is_end = matches!(then, Then::End);
        let is_known = |&edge: &usize| {
            let edge = &self.edges[edge];
            *edge.stretch.bytes == *bytes && matches!(edge.then, Then::End) == is_end
        };
        if self.states[state].iter().any(is_known) {
            return Some(());
        }
        if self.states[state].len() >= STATE_EDGES_MAX || bytes.len() > STRETCH_BYTES_MAX {
            return None;
        }
        self.states[state].push(self.edges.len());
        self.edges.push(Edge { stretch: Stretch::new(bytes), then, likely: [NONE; 2] });
        self.bytes += bytes.len() + size_of::<Edge>();
        Some(())
    }
}

/// The string that opens at `open` and has its first mark at `mark`: what stands between its quotes, and where it ends.
/// `None` where it isn't valid.
fn escaped<'t>(text: &'t [u8], marks: &Marks, open: usize, mut mark: usize) -> Option<(&'t [u8], usize)> {
    loop {
        match text.get(mark)? {
            b'"' => return Some((&text[open + 1..mark], mark + 1)),
            b'\\' => mark = marks.next(scan::escape(text, mark).ok()?),
            _ => return None,
        }
    }
}
