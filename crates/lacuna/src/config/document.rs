//! A TOML document read strictly: every key that nobody asks for is a problem, and every problem knows its place.
//!
//! Reading goes on after a problem, so that all of them are said at once.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::nearest::hint;
use crate::units::parse_bytes;

/// One thing that is wrong, and where. Line and column count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// No choice has more letters.
const WORD_MAX: usize = 24;

/// The problems found so far in one document.
#[derive(Debug)]
pub(super) struct Problems<'t> {
    text: &'t str,
    found: Vec<Problem>,
}

impl<'t> Problems<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    pub(super) fn add(&mut self, place: &Range<usize>, message: impl Into<String>) {
        let (line, column) = self.position(place.start);
        self.found.push(Problem { line, column, message: message.into() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn line(&self, place: &Range<usize>) -> usize {
        self.position(place.start).0
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// All of them, in the document's order.
    pub(super) fn into_found(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| (problem.line, problem.column));
        self.found.dedup();
        self.found
    }
}

/// Parses `text` as far as it goes.
pub(super) fn parse<'t>(text: &'t str, problems: &mut Problems<'t>) -> Spanned<DeTable<'t>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        problems.add(&error.span().unwrap_or_default(), error.message().trim_end().to_owned());
    }
    document
}

/// A table whose keys are asked for one by one.
#[derive(Debug)]
pub(super) struct Table<'t> {
    name: String,
    place: Range<usize>,
    entries: &'t DeTable<'t>,
    known: Vec<&'static str>,
}

/// A value and what to call it.
#[derive(Clone, Debug)]
pub(super) struct Entry<'t> {
    pub(super) name: String,
    pub(super) place: Range<usize>,
    pub(super) value: &'t DeValue<'t>,
}

impl<'t> Table<'t> {
    pub(super) fn root(document: &'t Spanned<DeTable<'t>>) -> Self {
        Self { name: String::new(), place: 0..0, entries: document.get_ref(), known: Vec::new() }
    }

    pub(super) fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// The value of `key`, which is known from now on.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Entry<'t>> {
        self.known.push(key);
        let value = self.entries.get(key)?;
        let name = if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        Some(Entry { name, place: value.span(), value: value.get_ref() })
    }

    /// The value of `key`, without which the table cannot be right.
    pub(super) fn need(&mut self, key: &'static str, what: &str, problems: &mut Problems<'_>) -> Option<Entry<'t>> {
        let entry = self.get(key);
        if entry.is_none() {
            let name = if self.name.is_empty() { "the file".to_owned() } else { format!("`{}`", self.name) };
            problems.add(&self.place, format!("{name} needs `{key}`: {what}"));
        }
        entry
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self, problems: &mut Problems<'_>) {
        for (key, _) in self.entries {
            let name: &str = key.get_ref();
            if !self.known.contains(&name) {
                let within = if self.name.is_empty() { String::new() } else { format!(" in `{}`", self.name) };
                let hint = hint(name, self.known.iter().copied());
                problems.add(&key.span(), format!("unknown key `{name}`{within}; {hint}"));
            }
        }
    }
}

impl<'t> Entry<'t> {
    /// Reports what is wrong with the value.
    pub(super) fn wrong(&self, what: impl std::fmt::Display, problems: &mut Problems<'_>) {
        problems.add(&self.place, format!("`{}` {what}", self.name));
    }

    fn wrong_type(&self, wanted: &str, problems: &mut Problems<'_>) {
        let found = match self.value {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.wrong(format!("is {found}, and must be {wanted}"), problems);
    }

    pub(super) fn table(&self, wanted: &str, problems: &mut Problems<'_>) -> Option<Table<'t>> {
        match self.value {
            DeValue::Table(entries) => {
                Some(Table { name: self.name.clone(), place: self.place.clone(), entries, known: Vec::new() })
            }
            _ => {
                self.wrong_type(wanted, problems);
                None
            }
        }
    }

    /// The elements of a list; named by their position.
    pub(super) fn list(&self, wanted: &str, problems: &mut Problems<'_>) -> Option<Vec<Self>> {
        match self.value {
            DeValue::Array(elements) => Some(
                elements
                    .iter()
                    .enumerate()
                    .map(|(index, element)| Self {
                        name: format!("{}[{index}]", self.name),
                        place: element.span(),
                        value: element.get_ref(),
                    })
                    .collect(),
            ),
            _ => {
                self.wrong_type(wanted, problems);
                None
            }
        }
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    pub(super) fn is_integer(&self) -> bool {
        matches!(self.value, DeValue::Integer(_))
    }

    pub(super) fn text(&self, problems: &mut Problems<'_>) -> Option<&'t str> {
        match self.value {
            DeValue::String(text) => Some(text),
            _ => {
                self.wrong_type("text in quotes", problems);
                None
            }
        }
    }

    /// Text that says something.
    pub(super) fn words(&self, problems: &mut Problems<'_>) -> Option<&'t str> {
        let text = self.text(problems)?;
        if text.trim().is_empty() {
            self.wrong("is empty", problems);
            return None;
        }
        Some(text)
    }

    pub(super) fn flag(&self, problems: &mut Problems<'_>) -> Option<bool> {
        match self.value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => {
                self.wrong_type("`true` or `false`", problems);
                None
            }
        }
    }

    /// An integer within `range`.
    pub(super) fn number(&self, range: std::ops::RangeInclusive<u64>, problems: &mut Problems<'_>) -> Option<u64> {
        let wanted = match (*range.start(), *range.end()) {
            (low, u64::MAX) => format!("an integer from {low} up"),
            (low, high) => format!("an integer from {low} to {high}"),
        };
        let DeValue::Integer(digits) = self.value else {
            self.wrong_type(&wanted, problems);
            return None;
        };
        let number = u64::from_str_radix(digits.as_str(), digits.radix()).ok().filter(|it| range.contains(it));
        if number.is_none() {
            self.wrong(format!("must be {wanted}"), problems);
        }
        number
    }

    /// A share of a whole: more than 0, and at most 1.
    pub(super) fn share(&self, problems: &mut Problems<'_>) -> Option<f64> {
        let share = match self.value {
            DeValue::Float(digits) => digits.as_str().replace('_', "").parse::<f64>().ok(),
            DeValue::Integer(digits) if digits.as_str() == "1" => Some(1.0),
            DeValue::Integer(_) => None,
            _ => {
                self.wrong_type("a share, as `0.01` for a hundredth", problems);
                return None;
            }
        };
        let share = share.filter(|share| *share > 0.0 && *share <= 1.0);
        if share.is_none() {
            self.wrong("must be more than 0 and at most 1, as `0.01` for a hundredth", problems);
        }
        share
    }

    /// A number of bytes, with or without a unit, within `range`.
    pub(super) fn size(&self, range: std::ops::RangeInclusive<u64>, problems: &mut Problems<'_>) -> Option<u64> {
        let DeValue::String(text) = self.value else { return self.number(range, problems) };
        match parse_bytes(text) {
            Ok(size) if range.contains(&size) => Some(size),
            Ok(_) => {
                let low = crate::units::bytes(*range.start());
                self.wrong(format!("is out of bounds; the least is {low}"), problems);
                None
            }
            Err(what) => {
                self.wrong(what, problems);
                None
            }
        }
    }

    /// One of `choices`.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)], problems: &mut Problems<'_>) -> Option<T> {
        let names = || choices.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let DeValue::String(text) = self.value else {
            self.wrong_type(&format!("one of {}", names()), problems);
            return None;
        };
        let choice = choices.iter().find(|(name, _)| name == text).map(|choice| choice.1);
        if choice.is_none() {
            let meant = crate::nearest::nearest(text, choices.iter().map(|choice| choice.0));
            let meant = meant.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
            // Some paste a secret where its kind belongs: only what looks like a word is said again.
            let is_word = text.len() <= WORD_MAX && text.chars().all(|c| c.is_ascii_alphabetic() || "-_".contains(c));
            let is = if is_word { format!("is `{text}`, and must") } else { "must".to_owned() };
            self.wrong(format!("{is} be one of {}{meant}", names()), problems);
        }
        choice
    }

    /// Text that [`FromStr`](std::str::FromStr) takes.
    pub(super) fn parsed<T>(&self, problems: &mut Problems<'_>) -> Option<T>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        match self.text(problems)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(format!("is wrong: {error}"), problems);
                None
            }
        }
    }
}
