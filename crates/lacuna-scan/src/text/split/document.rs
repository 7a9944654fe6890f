//! JSON documents, of which an array's elements are the records: mostly one, but who joins messages or writes one a line leaves several, one
//! behind the other. What lies around the arrays is validated here, token by token; of a record only the end is looked for, as its own
//! validation follows.

use super::{MARK, Piece, PieceKind, check_beginning, check_record, marks, push};
use crate::text::json::scan::{self, Stop};
use crate::{ColumnPath, Error, Limits, Result, Step};

#[derive(Debug)]
pub(super) struct Document {
    records: ColumnPath,
    nesting_max: usize,
    record_bytes_max: usize,
    /// The containers that are open, the outermost first.
    open: Vec<Container>,
    expect: Expect,
    /// How many steps of the path lead to the value that comes next; `None` off the path.
    next: Option<usize>,
    /// An array on the path was there in this document.
    is_found: bool,
    /// Documents that ended.
    documents: u64,
    rows: u64,
}

#[derive(Clone, Copy, Debug)]
struct Container {
    is_object: bool,
    /// How many steps of the path lead to it; `None` off the path.
    steps: Option<usize>,
    /// Of an object on the path: whether it has the key that the path goes on with, and whether another key's value is a list of objects.
    has_next: bool,
    has_others: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    /// After `[`.
    ValueOrEnd,
    Key,
    /// After `{`.
    KeyOrEnd,
    Colon,
    /// After a value inside of a container.
    CommaOrEnd,
    /// After a document.
    ValueOrNothing,
}

impl Document {
    pub(super) fn new(records: &ColumnPath, limits: &Limits) -> Result<Self> {
        if records.steps().last() != Some(&Step::Elements) {
            return Err(Error::Unsupported {
                what: format!("the records' path `{records}`, which ends without `[]`").into(),
            });
        }
        Ok(Self {
            records: records.clone(),
            nesting_max: limits.nesting_max,
            record_bytes_max: limits.record_bytes_max,
            open: Vec::new(),
            expect: Expect::Value,
            next: Some(0),
            is_found: false,
            documents: 0,
            rows: 0,
        })
    }

    pub(super) fn split(
        &mut self,
        text: &[u8],
        mut at: usize,
        offset: u64,
        is_last: bool,
        pieces: &mut Vec<Piece>,
    ) -> Result<usize> {
        loop {
            let from = at;
            at += scan::blanks(&text[at..]);
            push(pieces, if self.is_among_records() { PieceKind::Gap } else { PieceKind::Other }, from, at);
            let Some(&byte) = text.get(at) else { break };
            if self.expect == Expect::ValueOrNothing {
                let marks = marks(&text[at..]);
                if marks > 0 {
                    push(pieces, PieceKind::Other, at, at + marks);
                    at += marks;
                    continue;
                }
                if MARK.starts_with(&text[at..]) && !is_last {
                    return Ok(at);
                }
                self.begin();
            }
            match self.token(text, at, byte, is_last, pieces) {
                Ok(end) => at = end,
                Err(Failure::Stop(Stop::End)) if is_last => break,
                Err(Failure::Stop(Stop::End)) => {
                    check_beginning(text.len() - at, self.record_bytes_max)?;
                    return Ok(at);
                }
                Err(Failure::Stop(Stop::At(place, what))) => return Err(Error::malformed(offset + place as u64, what)),
                Err(Failure::Lacks(place)) => return Err(self.lacks(offset + place as u64)),
                Err(Failure::Error(error)) => return Err(error),
            }
        }
        if is_last && self.expect != Expect::ValueOrNothing {
            return Err(Error::Truncated { what: "inside the JSON document".into() });
        }
        Ok(text.len())
    }

    /// A later document, which ends at this byte, is without the records' array.
    fn lacks(&self, end: u64) -> Error {
        let number = self.documents;
        let found = format!(
            "not there in document {number} of the shard, which ends at byte {end}; one without records is `{{}}`, or has an empty array there"
        );
        Error::ColumnType { column: self.records.to_string(), found: found.into() }
    }

    /// A document begins.
    fn begin(&mut self) {
        (self.expect, self.next, self.is_found) = (Expect::Value, Some(0), false);
    }

    /// Whether the innermost container is the records' array.
    fn is_among_records(&self) -> bool {
        self.open.last().is_some_and(|array| array.steps == Some(self.records.steps().len() - 1) && !array.is_object)
    }

    /// Takes the token at `at`, or the whole record; says where it ends.
    fn token(
        &mut self,
        text: &[u8],
        at: usize,
        byte: u8,
        is_last: bool,
        pieces: &mut Vec<Piece>,
    ) -> std::result::Result<usize, Failure> {
        let is_among_records = self.is_among_records();
        let mut kind = PieceKind::Other;
        let end = match (self.expect, byte) {
            (Expect::ValueOrEnd, b']') | (Expect::KeyOrEnd, b'}') => self.close(at)?,
            (Expect::CommaOrEnd, b',') => {
                let is_object = self.open.last().is_some_and(|container| container.is_object);
                self.expect = if is_object { Expect::Key } else { Expect::Value };
                if is_among_records {
                    kind = PieceKind::Gap;
                }
                at + 1
            }
            (Expect::CommaOrEnd, b'}' | b']') => {
                if self.open.last().is_some_and(|container| container.is_object) != (byte == b'}') {
                    return Err(Stop::At(at, "a closing bracket is of the wrong kind").into());
                }
                self.close(at)?
            }
            (Expect::KeyOrEnd | Expect::Key, b'"') => self.key(text, at)?,
            (Expect::Colon, b':') => {
                self.expect = Expect::Value;
                at + 1
            }
            (Expect::Value | Expect::ValueOrEnd | Expect::ValueOrNothing, _) => {
                if let Some(array) = self.open.last().filter(|container| !container.is_object) {
                    self.next =
                        array.steps.filter(|&steps| self.records.steps()[steps] == Step::Elements).map(|n| n + 1);
                }
                if is_among_records {
                    kind = PieceKind::Record { row: self.rows, line: 0 };
                    self.record(text, at, is_last)?
                } else {
                    self.value(text, at, byte, is_last)?
                }
            }
            (Expect::Key | Expect::KeyOrEnd, _) => return Err(Stop::At(at, "a key is missing").into()),
            (Expect::Colon, _) => return Err(Stop::At(at, "a colon is missing").into()),
            (Expect::CommaOrEnd, _) => return Err(Stop::At(at, "a comma or closing bracket is missing").into()),
        };
        push(pieces, kind, at, end);
        Ok(end)
    }

    fn close(&mut self, at: usize) -> std::result::Result<usize, Failure> {
        // `{}` has no room for records under another name: an empty message.
        self.is_found |= self.open.len() == 1 && self.expect == Expect::KeyOrEnd;
        // Records, most likely, under another name.
        if self.open.pop().is_some_and(|closed| closed.has_others && !closed.has_next) && !self.open.is_empty() {
            let what = "an object lacks the next key of the path of the records, and has another list of objects";
            return Err(Stop::At(at, what).into());
        }
        self.value_ended(at)?;
        Ok(at + 1)
    }

    /// Fails where that was a document without the records' array: its records, if it has any, are somewhere else.
    fn value_ended(&mut self, at: usize) -> std::result::Result<(), Failure> {
        self.expect = Expect::CommaOrEnd;
        if self.open.is_empty() {
            self.expect = Expect::ValueOrNothing;
            self.documents += 1;
            match (self.is_found, self.documents) {
                (true, _) => {}
                (false, 1) => return Err(Failure::Error(Error::MissingColumn { column: self.records.to_string() })),
                (false, _) => return Err(Failure::Lacks(at)),
            }
        }
        Ok(())
    }

    fn key(&mut self, text: &[u8], at: usize) -> std::result::Result<usize, Failure> {
        let string = scan::string(text, at)?;
        check_utf8(text, at, string.end)?;
        let steps = self.open.last().and_then(|object| object.steps);
        self.next = steps.and_then(|steps| match &self.records.steps()[steps] {
            Step::Field(name) => scan::equals(text, at, string, name).then_some(steps + 1),
            Step::Values => Some(steps + 1),
            Step::Elements => None,
        });
        if let Some(object) = self.open.last_mut() {
            object.has_next |= self.next.is_some();
        }
        self.expect = Expect::Colon;
        Ok(string.end)
    }

    fn record(&mut self, text: &[u8], at: usize, is_last: bool) -> std::result::Result<usize, Failure> {
        let end = scan::extent(text, at)?;
        if end == text.len() && !is_last && !matches!(text[at], b'{' | b'[' | b'"') {
            return Err(Stop::End.into());
        }
        check_record(end - at, self.record_bytes_max).map_err(Failure::Error)?;
        self.rows += 1;
        self.value_ended(end)?;
        Ok(end)
    }

    /// A value around or before the records: a container is entered, a scalar is taken whole.
    fn value(&mut self, text: &[u8], at: usize, byte: u8, is_last: bool) -> std::result::Result<usize, Failure> {
        let steps = self.next.take();
        let wanted = steps.map(|steps| &self.records.steps()[steps]);
        let (found, fits) = match byte {
            b'{' => ("an object", matches!(wanted, Some(Step::Field(_) | Step::Values))),
            b'[' => ("an array", matches!(wanted, Some(Step::Elements))),
            b'"' => ("a string", false),
            b'n' => ("null", true),
            b't' | b'f' => ("a boolean", false),
            b'-' | b'0'..=b'9' => ("a number", false),
            _ => return Err(Stop::At(at, scan::no_value(byte)).into()),
        };
        // Some writers have `null` for an empty array.
        self.is_found |= fits && matches!(byte, b'[' | b'n') && wanted == Some(&Step::Elements);
        if matches!(byte, b'{' | b'[') {
            if self.open.len() >= self.nesting_max {
                let (value, limit) = (self.open.len() as u64 + 1, self.nesting_max as u64);
                return Err(Failure::Error(Error::Limit { what: "the nesting", value, limit, setting: "nesting_max" }));
            }
            if let [.., object, list] = self.open.as_mut_slice()
                && byte == b'{'
                && !list.is_object
                && list.steps.is_none()
            {
                object.has_others |= object.is_object && object.steps.is_some();
            }
            self.open.push(Container { is_object: byte == b'{', steps, has_next: false, has_others: false });
            self.expect = if byte == b'{' { Expect::KeyOrEnd } else { Expect::ValueOrEnd };
        }
        // Null stands for an absent array.
        if wanted.is_some() && !fits {
            let column = self.records.to_string();
            let found = if byte == b'[' && self.open.len() == 1 {
                "not there: the document itself is an array, which is `records = \"[]\"`".into()
            } else {
                format!("{found}, so it holds no records").into()
            };
            return Err(Failure::Error(Error::ColumnType { column, found }));
        }
        if matches!(byte, b'{' | b'[') {
            return Ok(at + 1);
        }
        let end = match byte {
            b'"' => {
                let end = scan::string(text, at)?.end;
                check_utf8(text, at, end)?;
                end
            }
            b'-' | b'0'..=b'9' => {
                let end = scan::number(text, at)?;
                if end == text.len() && !is_last {
                    return Err(Stop::End.into());
                }
                end
            }
            _ => scan::literal(text, at)?,
        };
        self.value_ended(end)?;
        Ok(end)
    }
}

fn check_utf8(text: &[u8], start: usize, end: usize) -> std::result::Result<(), Stop> {
    match simdutf8::basic::from_utf8(&text[start..end]) {
        Ok(_) => Ok(()),
        Err(_) => Err(Stop::At(start, "a string is not UTF-8")),
    }
}

/// Why a token cannot be taken.
enum Failure {
    Stop(Stop),
    /// The document that ends here has not got the records' array.
    Lacks(usize),
    Error(Error),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}
