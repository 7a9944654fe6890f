//! The test of one mapped column: whose row does a value make it?

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use foldhash::fast::FixedState;

use super::wanted::{Sort, Wanted};
use super::{MatcherError, Value};
use crate::floats::{Doubts, Floats};
use crate::held::HeldValue;
use crate::integers::Integers;
use crate::mapping::{Case, Field, JsonType};
use crate::needles::Needles;
use crate::number::Number;
use crate::pseudonym::Epochs;
use crate::text::json::{Paths, Visitor, Walker};
use crate::{ColumnPath, Error, Result, SelectorIndex, pseudonym, uuid};

/// What a column is where a path leads into its texts, and it has none.
pub(crate) const NO_TEXT: &str = "no text, so it holds no JSON";

/// Values up to this length are lowered on the stack: no email address is longer.
const SHORT_BYTES: usize = 254;

/// The values of one column that make a row somebody's.
#[derive(Debug)]
pub struct FieldTest {
    column: ColumnPath,
    case: Case,
    trim: bool,
    json_type: JsonType,
    is_optional: bool,
    /// Where the values lie in the JSON that the column holds as text, if it does.
    within: Option<Within>,
    /// Whether the column holds pseudonyms.
    is_pseudonym: bool,
    wanted: Wanted,
    /// Made of what is wanted when a column of their sort is first met: of a crowd, each of them takes its time and its memory.
    texts: OnceLock<Needles>,
    bytes: OnceLock<Needles>,
    ints: Integers,
    /// Those that a float in a cell of CSV may be, if they are not all: `007` and `12e3` are no floats, and the cell `7` is neither.
    cells: Option<Integers>,
    floats: OnceLock<Floats>,
    doubts: OnceLock<Doubts>,
    numbers: HashMap<Number, Vec<SelectorIndex>, FixedState>,
}

impl FieldTest {
    /// A test of the field that wants nothing.
    fn nothing(field: &Field) -> Self {
        Self {
            column: field.column.clone(),
            case: field.case,
            trim: field.trim,
            json_type: field.json_type,
            is_optional: field.optional,
            within: field.json.as_ref().map(Within::new),
            is_pseudonym: field.pseudonym.is_some(),
            wanted: Wanted::default(),
            texts: OnceLock::new(),
            bytes: OnceLock::new(),
            ints: Integers::default(),
            cells: None,
            floats: OnceLock::new(),
            doubts: OnceLock::new(),
            numbers: HashMap::default(),
        }
    }

    pub(super) fn new(field: &Field, wanted: &[(SelectorIndex, &str)], epochs: &Epochs) -> Result<Self, MatcherError> {
        let mut test = Self::nothing(field);
        let mut odd = HashSet::new();
        for &(selector, value) in wanted {
            match field.pseudonym {
                None => test.add(value, selector, &mut odd),
                Some(_) if epochs.is_empty() => return Err(MatcherError::KeysNeeded { column: field.column.clone() }),
                Some(form) => {
                    for hashed in test.hashed_forms(value) {
                        for pseudonym in epochs.pseudonyms(&field.kind, &hashed) {
                            form.texts(&pseudonym).iter().for_each(|text| test.wanted.add(text, selector, Sort::Both));
                            form.raw(&pseudonym).iter().for_each(|raw| test.wanted.add(raw, selector, Sort::Bytes));
                        }
                    }
                }
            }
        }
        if field.pseudonym.is_some() {
            // Case and trimming were for the identifier; its pseudonym is compared as it is.
            test.case = Case::Sensitive;
            test.trim = false;
        }
        test.ints.seal();
        test.cells = (!odd.is_empty()).then(|| test.ints.without(&odd));
        Ok(test)
    }

    /// A test for exactly these values, as they are stored.
    pub(super) fn of_values<'v>(field: &Field, values: impl Iterator<Item = &'v HeldValue>) -> Self {
        let mut test = Self {
            case: Case::Sensitive,
            trim: false,
            within: None,
            is_pseudonym: false,
            doubts: OnceLock::from(Doubts::default()),
            ..Self::nothing(field)
        };
        let mut floats = Vec::new();
        for value in values {
            match value {
                HeldValue::Text(text) => test.wanted.add(text, 0, Sort::Text),
                HeldValue::Bytes(bytes) => test.wanted.add(bytes, 0, Sort::Bytes),
                HeldValue::Int(int) => test.ints.insert(*int, 0),
                HeldValue::Float(bits) => floats.push(*bits),
                HeldValue::Number(number) => test.numbers.entry(number.0.clone()).or_default().push(0),
            }
        }
        test.ints.seal();
        test.floats = OnceLock::from(Floats::of_bits(floats.into_iter(), 0));
        test
    }

    /// A test for these values and for others that are the same identifiers to a search: in another case, or another form of a UUID. Numbers
    /// are wanted as numbers alone, for as text `7` is anything; and what holds pseudonyms or JSON, as it is stored.
    pub(super) fn of_held<'v>(field: &Field, values: impl Iterator<Item = &'v HeldValue> + Clone) -> Self {
        let mut test = Self::of_values(field, values.clone());
        if field.pseudonym.is_some() || field.json.is_some() {
            return test;
        }
        (test.case, test.trim) = (field.case, field.trim);
        let in_upper_case = test.case == Case::Sensitive;
        for value in values {
            let uuid = match value {
                HeldValue::Text(text) => {
                    let Ok(text) = str::from_utf8(text) else { continue };
                    let normal = test.normalise_identifier(text);
                    test.wanted.add(normal.as_bytes(), 0, Sort::Text);
                    uuid::parse(text.trim().as_bytes())
                }
                HeldValue::Bytes(bytes) => bytes.as_slice().try_into().ok(),
                HeldValue::Int(_) | HeldValue::Float(_) | HeldValue::Number(_) => None,
            };
            if let Some(uuid) = uuid {
                test.wanted.add(&uuid, 0, Sort::Uuid { in_upper_case });
            }
        }
        test
    }

    fn add(&mut self, value: &str, selector: SelectorIndex, odd: &mut HashSet<(i128, SelectorIndex)>) {
        let text = self.normalise_identifier(value);
        match uuid::parse(text.trim().as_bytes()) {
            Some(uuid) => {
                let in_upper_case = self.case == Case::Sensitive;
                self.wanted.add(&uuid, selector, Sort::Uuid { in_upper_case });
                // A column that holds just what was given is never missed.
                if text.trim() != text || !uuid::is_usual(text.as_bytes(), in_upper_case) {
                    self.wanted.add(text.as_bytes(), selector, Sort::Both);
                }
            }
            None => self.wanted.add(text.as_bytes(), selector, Sort::Both),
        }
        if let Some(number) = Number::parse(value.trim().as_bytes()) {
            if let Some(int) = number.to_i128() {
                self.ints.insert(int, selector);
                let digits = value.trim();
                if !is_written_as_float(digits.as_bytes()) && int.to_string() != digits {
                    odd.insert((int, selector));
                }
            }
            self.numbers.entry(number).or_default().push(selector);
        }
    }

    /// What may have been hashed in place of an identifier: each text that a column without pseudonyms is searched for, and of a whole
    /// number its digits, which stand for every notation of it.
    fn hashed_forms(&self, value: &str) -> BTreeSet<Vec<u8>> {
        let text = self.normalise_identifier(value);
        let mut forms = BTreeSet::from([text.as_bytes().to_vec()]);
        if self.case == Case::Insensitive {
            // As others lower it: with a sigma's form by what follows.
            let given = if self.trim { value.trim() } else { value };
            forms.insert(given.to_lowercase().into_bytes());
        }
        if let Some(uuid) = uuid::parse(text.trim().as_bytes()) {
            uuid::for_each_form(&uuid, true, &mut |form| _ = forms.insert(form.to_vec()));
        }
        let number = Number::parse(value.trim().as_bytes());
        forms.extend(number.and_then(|number| number.to_i128()).map(|int| int.to_string().into_bytes()));
        forms
    }

    pub(super) fn forget(&mut self) {
        self.wanted = Wanted::default();
        self.ints = Integers::default();
        self.cells = None;
        self.numbers.clear();
    }

    /// Where the values lie.
    pub fn column(&self) -> &ColumnPath {
        &self.column
    }

    /// Whether any value would match.
    pub fn is_wanted(&self) -> bool {
        let has_floats = self.floats.get().is_some_and(|floats| !floats.is_empty());
        !(self.wanted.is_empty() && self.ints.is_empty() && self.numbers.is_empty()) || has_floats
    }

    /// Whose identifier is a value that stands for none where a typed column holds no nulls: zero, nothing, or the UUID of zeros.
    pub fn blank_owners(&self) -> Vec<SelectorIndex> {
        let blanks = [Value::Int(0), Value::Text(b""), Value::Bytes(b""), Value::Bytes(&[0; 16])];
        blanks.into_iter().flat_map(|blank| self.owners(blank).into_owned()).collect()
    }

    /// Whether values are compared byte for byte, so that a page may be searched without making each value normal first.
    pub fn is_exact(&self) -> bool {
        self.is_bare() && self.within.is_none()
    }

    /// Whether nothing but the identifier itself is the identifier.
    fn is_bare(&self) -> bool {
        self.case == Case::Sensitive && !self.trim
    }

    /// Whether the column must be text, as it holds JSON.
    pub(crate) fn needs_text(&self) -> bool {
        self.within.is_some()
    }

    /// The path within texts of JSON, if none of those that were looked into had anything there.
    pub fn path_to_nothing(&self) -> Option<&ColumnPath> {
        self.within.as_ref().filter(|within| !within.is_met.load(Relaxed)).map(|within| &within.path)
    }

    /// Which JSON values are compared.
    pub(crate) fn json_type(&self) -> JsonType {
        self.json_type
    }

    /// Whether a shard may lack the column.
    pub(crate) fn is_optional(&self) -> bool {
        self.is_optional
    }

    /// The places that were `found` of the column: none where a shard may lack it, and does.
    pub fn places<T>(&self, found: Result<Vec<T>>) -> Result<Vec<T>> {
        match found {
            Err(Error::MissingColumn { .. }) if self.is_optional => Ok(Vec::new()),
            found => found,
        }
    }

    /// Whether case makes a difference.
    pub fn case(&self) -> Case {
        self.case
    }

    /// Whether any number is wanted.
    pub(crate) fn has_numbers(&self) -> bool {
        !self.numbers.is_empty()
    }

    /// The wanted values of a text column, normalised.
    pub fn texts(&self) -> &Needles {
        self.texts.get_or_init(|| self.wanted.needles(Sort::Text))
    }

    /// A beginning of `text`, one of the [texts](Self::texts), that its other forms share.
    pub(crate) fn stem<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        if self.is_pseudonym { pseudonym::stem(text) } else { uuid::stem(text).unwrap_or(text) }
    }

    /// The wanted values of a binary column.
    pub fn bytes(&self) -> &Needles {
        self.bytes.get_or_init(|| self.wanted.needles(Sort::Bytes))
    }

    pub(crate) fn int_set(&self) -> &Integers {
        &self.ints
    }

    /// The wanted values of an integer column.
    pub fn ints(&self) -> impl Iterator<Item = i128> {
        self.ints.iter()
    }

    /// The wanted values of a decimal column, as its digits are at this `scale`.
    pub fn unscaled(&self, scale: u32) -> impl Iterator<Item = i128> {
        self.numbers.keys().filter_map(move |number| number.unscaled(scale))
    }

    fn float_set(&self) -> &Floats {
        self.floats.get_or_init(|| Floats::of(&self.ints))
    }

    /// The wanted values of a floating-point column. Zero stands for both zeros.
    pub fn floats(&self) -> impl Iterator<Item = f64> {
        self.float_set().iter()
    }

    /// Whether `value` is a float that may stand for a wanted number, or for another one beside it: whose its row is cannot be told.
    #[inline]
    pub(crate) fn doubts(&self, value: Value<'_>) -> bool {
        let doubts = || self.doubts.get_or_init(|| Doubts::about(self.numbers.keys()));
        match value {
            Value::Single(float) => doubts().holds_single(float),
            Value::Double(float) => doubts().holds_double(float),
            _ => false,
        }
    }

    /// Whose row a `value` of the column makes its row: no selector's, mostly.
    pub fn owners(&self, value: Value<'_>) -> Cow<'_, [SelectorIndex]> {
        match &self.within {
            None => Cow::Borrowed(self.owners_of(value)),
            Some(within) => Cow::Owned(self.owners_within(within, value)),
        }
    }

    /// Whose row the values make it that lie in a text of JSON. Of one that breaks off, or goes wrong, what stands before that counts.
    fn owners_within(&self, within: &Within, value: Value<'_>) -> Vec<SelectorIndex> {
        let (Value::Text(text) | Value::Cell(text) | Value::Bytes(text) | Value::JsonString(text)) = value else {
            return Vec::new();
        };
        let mut look = Look { test: self, text, is_met: false, owners: Vec::new() };
        // It goes down a call for each step of the path, and no further for what is nested elsewhere.
        Walker::new(&within.paths, usize::MAX).walk_text(text, &mut look);
        if look.is_met && !within.is_met.load(Relaxed) {
            within.is_met.store(true, Relaxed);
        }
        look.owners.sort_unstable();
        look.owners.dedup();
        look.owners
    }

    /// Whose row a `value` would make its row in any form: also as what lies in a text of JSON.
    pub(crate) fn owners_in_any_form(&self, value: Value<'_>) -> Cow<'_, [SelectorIndex]> {
        match (&self.within, self.owners_of(value)) {
            (Some(within), []) => Cow::Owned(self.owners_within(within, value)),
            (_, owners) => Cow::Borrowed(owners),
        }
    }

    /// Whose row an identifier's own `value` makes its row.
    pub(crate) fn owners_of(&self, value: Value<'_>) -> &[SelectorIndex] {
        match value {
            Value::Text(text) => self.text_owners(text),
            Value::Cell(cell) => match self.written_float_owners(cell) {
                [] => self.text_owners(cell),
                owners => owners,
            },
            Value::JsonString(text) if self.json_type != JsonType::Number => self.text_owners(text),
            Value::Bytes(bytes) => {
                let needles = self.bytes();
                let found = self.find(needles, bytes).or_else(|| needles.find(bytes));
                found.map_or(&[], |owners| needles.owners(owners))
            }
            Value::Int(int) => self.ints.owners(int),
            Value::Single(float) => self.float_set().owners(float.into()),
            Value::Double(float) => self.float_set().owners(float),
            Value::Decimal { unscaled, scale } if !self.numbers.is_empty() => {
                self.numbers.get(&Number::from_be_bytes(unscaled, scale)).map_or(&[], Vec::as_slice)
            }
            Value::JsonNumber(text) if self.json_type != JsonType::String && !self.numbers.is_empty() => {
                Number::parse(text).and_then(|number| self.numbers.get(&number)).map_or(&[], Vec::as_slice)
            }
            Value::JsonString(_) | Value::Decimal { .. } | Value::JsonNumber(_) => &[],
        }
    }

    /// Who wants the integer that is written as a float in a cell of CSV. Writers that have no integers beside empty cells do so.
    fn written_float_owners(&self, cell: &[u8]) -> &[SelectorIndex] {
        if self.ints.is_empty() || self.json_type == JsonType::String {
            return &[];
        }
        let cell = if self.trim { cell.trim_ascii() } else { cell };
        let number = is_written_as_float(cell).then(|| Number::parse(cell)).flatten();
        let ints = self.cells.as_ref().unwrap_or(&self.ints);
        number.and_then(|number| number.to_i128()).map_or(&[], |int| ints.owners(int))
    }

    fn text_owners(&self, text: &[u8]) -> &[SelectorIndex] {
        let needles = self.texts();
        self.find(needles, text).map_or(&[], |owners| needles.owners(owners))
    }

    /// The owners of the needle that `value` is, once it is written as needles are. Bytes that are not UTF-8 stay as they are: they equal no
    /// identifier's text.
    fn find(&self, needles: &Needles, value: &[u8]) -> Option<u32> {
        if self.is_bare() {
            return needles.find(value);
        }
        let Ok(text) = std::str::from_utf8(value) else { return needles.find(value) };
        let text = if self.trim { text.trim() } else { text };
        // Nearly all values are short and ASCII, and are lowered without an allocation.
        let mut room = [0; SHORT_BYTES];
        match room.get_mut(..text.len()) {
            Some(lowered) if self.case == Case::Insensitive && text.is_ascii() => {
                lowered.copy_from_slice(text.as_bytes());
                lowered.make_ascii_lowercase();
                needles.find(lowered)
            }
            _ => needles.find(self.normalise_identifier(text).as_bytes()),
        }
    }

    fn normalise_identifier<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let text = if self.trim { text.trim() } else { text };
        match self.case {
            Case::Sensitive => Cow::Borrowed(text),
            Case::Insensitive if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) => {
                Cow::Borrowed(text)
            }
            Case::Insensitive => Cow::Owned(folded(text)),
        }
    }
}

/// Where values lie in texts of JSON.
#[derive(Debug)]
struct Within {
    path: ColumnPath,
    paths: Paths,
    /// Whether any text had anything there.
    is_met: AtomicBool,
}

impl Within {
    fn new(path: &ColumnPath) -> Self {
        Self { path: path.clone(), paths: Paths::new([(0, path)]), is_met: AtomicBool::new(false) }
    }
}

/// A look into one such text: gathers whose its values are.
struct Look<'t> {
    test: &'t FieldTest,
    text: &'t [u8],
    is_met: bool,
    owners: Vec<SelectorIndex>,
}

impl Visitor for Look<'_> {
    fn value(&mut self, _: &[usize], span: Range<usize>, value: Option<Value<'_>>) {
        self.is_met = true;
        // Of a number that the text breaks off behind, more digits may have followed.
        let is_ended = matches!(self.text.get(span.end), Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n'));
        if matches!(value, Some(Value::JsonNumber(_))) && !is_ended {
            return;
        }
        self.owners.extend(value.iter().flat_map(|&value| self.test.owners_of(value)));
    }
}

/// Whether a cell of CSV is a number as floats are written: not `12e3`, which is hexadecimal in many a column, nor `007`.
fn is_written_as_float(cell: &[u8]) -> bool {
    matches!(cell.first(), Some(b'-' | b'0'..=b'9')) && memchr::memchr2(b'.', b'+', cell).is_some()
}

/// `text` in lower case, letter by letter: which of its two lower cases a Greek sigma takes depends on what follows it, so that they count as
/// one.
pub fn folded(text: &str) -> String {
    let lower = text.to_lowercase();
    if lower.contains('ς') { lower.replace('ς', "σ") } else { lower }
}
