//! The walk over one record: the hot path of lines. Along mapped paths it goes down a call for each step; all else is skipped
//! in a loop, and validated just the same.

use std::ops::Range;

use super::Paths;
use super::paths::Node;
use super::scan::{self, Stop, skip_blanks};
use crate::Value;
use crate::text::Fault;
use crate::text::fault::CUT_OFF;

/// Takes the values at the mapped paths.
pub trait Visitor {
    /// Takes one value: the numbers of the paths that lead to it, where it stands in the record, and what it is. `None` is
    /// what no identifier can be: null, a boolean, an object, an array.
    fn value(&mut self, targets: &[usize], span: Range<usize>, value: Option<Value<'_>>);
}

/// Wants no values: validates only.
impl Visitor for () {
    fn value(&mut self, _: &[usize], _: Range<usize>, _: Option<Value<'_>>) {}
}

/// Walks records. Made once, used for many.
#[derive(Debug)]
pub struct Walker<'p> {
    paths: &'p Paths,
    nesting_max: usize,
    /// Whether each container open in a skipped value is an object.
    open: Vec<bool>,
    /// A string's value, or a key's, where it is not its text.
    unescaped: Vec<u8>,
}

/// Why a walk ended early.
enum End {
    Stop(Stop),
    Nesting,
}

impl From<Stop> for End {
    #[inline]
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

type Walk = Result<usize, End>;

fn wrong(at: usize, what: &'static str) -> End {
    End::Stop(Stop::At(at, what))
}

impl<'p> Walker<'p> {
    /// Walks along `paths`, into records that nest at most `nesting_max` deep.
    pub fn new(paths: &'p Paths, nesting_max: usize) -> Self {
        Self { paths, nesting_max, open: Vec::new(), unescaped: Vec::new() }
    }

    /// Walks one record, with white space around it or not. What was visited before a fault is void.
    pub fn walk<V: Visitor>(&mut self, record: &str, visitor: &mut V) -> Result<(), Fault> {
        let text = record.as_bytes();
        let start = skip_blanks(text, 0);
        let is_object = text.get(start) == Some(&b'{');
        let end = if is_object {
            self.object(text, start, 1, self.paths.node(Paths::ROOT), visitor)
        } else {
            self.skip(text, start, 0)
        };
        match end.map(|end| skip_blanks(text, end)) {
            Ok(end) if end < text.len() => Err(Fault::Syntax { at: end, what: "something follows the record" }),
            Ok(_) if is_object => Ok(()),
            Ok(_) => Err(Fault::NotObject),
            Err(End::Stop(Stop::At(at, what))) => Err(Fault::Syntax { at, what }),
            Err(End::Stop(Stop::End)) => Err(Fault::Syntax { at: text.len(), what: CUT_OFF }),
            Err(End::Nesting) => Err(Fault::Nesting { limit: self.nesting_max }),
        }
    }

    /// Walks a JSON text of any kind, be it UTF-8 or not, as far as it can be read: what was visited before it goes wrong counts.
    pub fn walk_text<V: Visitor>(&mut self, text: &[u8], visitor: &mut V) {
        // Whoever wants to know whether it is whole walks it as a record.
        let _ = self.value(text, skip_blanks(text, 0), 0, self.paths.node(Paths::ROOT), visitor);
    }

    /// Only validates one record.
    pub fn check(&mut self, record: &str) -> Result<(), Fault> {
        self.walk(record, &mut ())
    }

    /// The object that opens at `open`, itself `depth` deep.
    fn object<V: Visitor>(&mut self, text: &[u8], open: usize, depth: usize, node: &Node, visitor: &mut V) -> Walk {
        if depth > self.nesting_max {
            return Err(End::Nesting);
        }
        let mut at = skip_blanks(text, open + 1);
        if text.get(at) == Some(&b'}') {
            return Ok(at + 1);
        }
        loop {
            let (child, value) = self.key(text, at, node)?;
            let end = match child {
                Some(child) => self.value(text, value, depth, child, visitor)?,
                None => self.skip(text, value, depth)?,
            };
            at = skip_blanks(text, end);
            match text.get(at) {
                Some(b',') => at = skip_blanks(text, at + 1),
                Some(b'}') => return Ok(at + 1),
                Some(_) => return Err(wrong(at, "a comma or closing brace is missing")),
                None => return Err(Stop::End.into()),
            }
        }
    }

    /// The key at `at` and its colon: where its value leads, and where that starts.
    #[inline]
    fn key(&mut self, text: &[u8], at: usize, node: &Node) -> Result<(Option<&'p Node>, usize), End> {
        let (key, value) = key(text, at)?;
        let raw = &text[at + 1..key.end - 1];
        let child = if key.is_escaped {
            scan::unescape(raw, &mut self.unescaped);
            node.key(&self.unescaped)
        } else {
            node.key(raw)
        };
        Ok((child.map(|child| self.paths.node(child)), value))
    }

    /// The array that opens at `open`, itself `depth` deep.
    fn array<V: Visitor>(&mut self, text: &[u8], open: usize, depth: usize, node: &Node, visitor: &mut V) -> Walk {
        if depth > self.nesting_max {
            return Err(End::Nesting);
        }
        let mut at = skip_blanks(text, open + 1);
        if text.get(at) == Some(&b']') {
            return Ok(at + 1);
        }
        loop {
            at = skip_blanks(text, self.value(text, at, depth, node, visitor)?);
            match text.get(at) {
                Some(b',') => at = skip_blanks(text, at + 1),
                Some(b']') => return Ok(at + 1),
                Some(_) => return Err(wrong(at, "a comma or closing bracket is missing")),
                None => return Err(Stop::End.into()),
            }
        }
    }

    /// The value at `start`, which a path leads to or through; `depth` containers are open.
    fn value<V: Visitor>(&mut self, text: &[u8], start: usize, depth: usize, node: &Node, visitor: &mut V) -> Walk {
        let mut value = None;
        let end = match text.get(start) {
            Some(b'"') => {
                let string = scan::string(text, start)?;
                if !node.targets.is_empty() {
                    let raw = &text[start + 1..string.end - 1];
                    value = Some(Value::JsonString(if string.is_escaped {
                        scan::unescape(raw, &mut self.unescaped);
                        &self.unescaped
                    } else {
                        raw
                    }));
                }
                string.end
            }
            Some(b'{') if node.enters_objects() => self.object(text, start, depth + 1, node, visitor)?,
            Some(b'[') if let Some(elements) = node.elements => {
                self.array(text, start, depth + 1, self.paths.node(elements), visitor)?
            }
            Some(b'-' | b'0'..=b'9') => {
                let end = scan::number(text, start)?;
                value = Some(Value::JsonNumber(&text[start..end]));
                end
            }
            _ => self.skip(text, start, depth)?,
        };
        if !node.targets.is_empty() {
            visitor.value(&node.targets, start..end, value);
        }
        Ok(end)
    }

    /// Validates the value at `at` and steps over it; `depth` containers are open.
    fn skip(&mut self, text: &[u8], mut at: usize, depth: usize) -> Walk {
        self.open.clear();
        loop {
            match text.get(at) {
                Some(b'"') => at = scan::string(text, at)?.end,
                Some(b'-' | b'0'..=b'9') => at = scan::number(text, at)?,
                Some(&byte @ (b'{' | b'[')) => {
                    if depth + self.open.len() >= self.nesting_max {
                        return Err(End::Nesting);
                    }
                    let is_object = byte == b'{';
                    at = skip_blanks(text, at + 1);
                    if text.get(at) == Some(if is_object { &b'}' } else { &b']' }) {
                        at += 1;
                    } else {
                        self.open.push(is_object);
                        if is_object {
                            at = key(text, at)?.1;
                        }
                        continue;
                    }
                }
                Some(_) => at = scan::literal(text, at)?,
                None => return Err(Stop::End.into()),
            }
            // A value has ended: what it stands in goes on, or ends too.
            loop {
                let Some(&is_object) = self.open.last() else { return Ok(at) };
                at = skip_blanks(text, at);
                match (text.get(at), is_object) {
                    (Some(b','), true) => {
                        at = key(text, skip_blanks(text, at + 1))?.1;
                        break;
                    }
                    (Some(b','), false) => {
                        at = skip_blanks(text, at + 1);
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.open.pop();
                        at += 1;
                    }
                    (Some(_), _) => return Err(wrong(at, "a comma or closing bracket is missing")),
                    (None, _) => return Err(Stop::End.into()),
                }
            }
        }
    }
}

/// The key at `at` and its colon; also where its value starts.
#[inline]
fn key(text: &[u8], at: usize) -> Result<(scan::Text, usize), End> {
    match text.get(at) {
        Some(b'"') => {}
        Some(_) => return Err(wrong(at, "a key is missing")),
        None => return Err(Stop::End.into()),
    }
    let key = scan::string(text, at)?;
    let colon = skip_blanks(text, key.end);
    match text.get(colon) {
        Some(b':') => Ok((key, skip_blanks(text, colon + 1))),
        Some(_) => Err(wrong(colon, "a colon is missing")),
        None => Err(Stop::End.into()),
    }
}
