//! The one matcher that decides for discover, export, erase and verify: mapping and selectors made into sets of values.
//!
//! Equality is on values. Text is equal byte for byte after the normalisation that the mapping asks for; a UUID is equal in its
//! 16 bytes and in each usual form of its text, all in lower or all in upper case, however the request writes it; numbers are equal
//! as decimals, whatever their width, scale or notation, and an integer equals a float as far as it has one of its own. CSV has text only,
//! of which a whole number that is written as a float is that integer. A column that mixes the cases of a UUID's letters is one to map with
//! `case = "insensitive"`.

use std::borrow::{Borrow, Cow};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use foldhash::fast::FixedState;

use crate::floats::{Doubts, Floats};
use crate::held::HeldValue;
use crate::integers::Integers;
use crate::mapping::{Case, Field, IdentifierRule, JsonType, Mapping, TenantRule};
use crate::needles::Needles;
use crate::number::Number;
use crate::pseudonym::Epochs;
use crate::rare::Rare;
use crate::subject::{Kind, Selector};
use crate::{ColumnPath, SelectorIndex, pseudonym, uuid};

/// Values up to this length are lowered on the stack: no email address is longer.
const SHORT_BYTES: usize = 254;

/// A value of a mapped column, as its format stores it.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Text, as UTF-8.
    Text(&'a [u8]),
    /// A cell of CSV, unquoted: text, or a number without a type.
    Cell(&'a [u8]),
    /// Bytes without a text type: text or the identifier's binary form.
    Bytes(&'a [u8]),
    /// An integer of any width and sign.
    Int(i128),
    /// A floating-point number in single precision.
    Single(f32),
    /// A floating-point number in double precision.
    Double(f64),
    /// `unscaled / 10^scale`; big-endian two's complement.
    Decimal {
        /// The digits.
        unscaled: &'a [u8],
        /// How many of them stand behind the point.
        scale: i64,
    },
    /// A JSON string, unescaped.
    JsonString(&'a [u8]),
    /// A JSON number, as it is written.
    JsonNumber(&'a [u8]),
}

/// Why selectors cannot be searched in a source.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MatcherError {
    /// The source maps a tenant, and the request names none.
    #[error("the source maps a tenant, so the request must name one")]
    TenantNeeded,
    /// A column holds pseudonyms, and there are no keys.
    #[error("column `{column}` holds pseudonyms, and no key is configured (`[keys.pseudonym]`)")]
    KeysNeeded {
        /// The mapped path.
        column: ColumnPath,
    },
}

/// What to look for in one source, for any number of selectors.
#[derive(Debug)]
pub struct Matcher {
    fields: Vec<FieldTest>,
    rules: Vec<Rule>,
    /// Indices into `rules`: for each selector those that it can match by, each list once.
    asked: Vec<Vec<usize>>,
    tenant: Option<FieldTest>,
    /// By selector, the number of its tenant; of sources whose rows name one.
    tenant_of: Vec<TenantIndex>,
    selectors: usize,
}

/// The number of a tenant that a [`Matcher`]'s selectors act for; where the tenant's column is asked, such numbers are the owners.
pub type TenantIndex = SelectorIndex;

/// [`IdentifierRule`] over indices into [`Matcher::fields`].
#[derive(Debug)]
enum Rule {
    One(usize),
    AllOf(Vec<usize>),
}

/// A row that a field, or the whole matcher, gives to a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The row's ordinal in the unit that is searched.
    pub row: u64,
    /// Whose it is.
    pub selector: SelectorIndex,
}

impl Matcher {
    /// Compiles `selectors` for a source with this `mapping`.
    pub fn new(mapping: &Mapping, selectors: &[impl Borrow<Selector>], epochs: &Epochs) -> Result<Self, MatcherError> {
        let selectors: Vec<&Selector> = selectors.iter().map(Borrow::borrow).collect();
        let mut admitted: Vec<(SelectorIndex, &Selector)> = (0..).zip(selectors.iter().copied()).collect();
        match &mapping.tenant {
            TenantRule::Single => {}
            TenantRule::Column(_) | TenantRule::Fixed(_)
                if selectors.iter().any(|selector| selector.tenant.is_none()) =>
            {
                return Err(MatcherError::TenantNeeded);
            }
            TenantRule::Column(_) => {}
            TenantRule::Fixed(tenant) => {
                admitted.retain(|(_, selector)| selector.tenant.as_ref().is_some_and(|own| own.is_same(tenant)));
            }
        }
        let by_kind = identifiers_by_kind(&admitted);

        let mut fields = Vec::new();
        let mut rules = Vec::new();
        for rule in &mapping.identifiers {
            let first = fields.len();
            for field in rule.fields() {
                let wanted = by_kind.get(&field.kind).map_or(&[][..], Vec::as_slice);
                fields.push(FieldTest::new(field, wanted, epochs)?);
            }
            rules.push(match rule {
                IdentifierRule::One(_) => Rule::One(first),
                IdentifierRule::AllOf(_) => Rule::AllOf((first..fields.len()).collect()),
            });
        }
        // A composite of which one part can match nobody matches nobody: its columns need no look.
        for rule in &rules {
            if let Rule::AllOf(parts) = rule
                && parts.iter().any(|&part| !fields[part].is_wanted())
            {
                parts.iter().for_each(|&part| fields[part].forget());
            }
        }
        let (tenant, tenant_of) = match &mapping.tenant {
            TenantRule::Column(column) => {
                let field = Field::new(column.clone(), Kind::new("tenant"));
                let (tenants, tenant_of) =
                    numbered(selectors.iter().filter_map(|selector| Some(selector.tenant.as_ref()?.as_str())));
                (Some(FieldTest::new(&field, &tenants, epochs)?), tenant_of)
            }
            TenantRule::Fixed(_) | TenantRule::Single => (None, Vec::new()),
        };
        let asked = asked(&mapping.identifiers, &admitted);
        Ok(Self { fields, rules, asked, tenant, tenant_of, selectors: selectors.len() })
    }

    /// A matcher for these very values of the mapped columns, whoever's and in whatever tenant: each with the index of its field in
    /// the mapping's order. For one selector.
    pub fn of_values(mapping: &Mapping, values: &[(usize, HeldValue)]) -> Self {
        let fields: Vec<&Field> = mapping.identifiers.iter().flat_map(IdentifierRule::fields).collect();
        let tests: Vec<_> = fields
            .iter()
            .enumerate()
            .map(|(index, field)| {
                let own = values.iter().filter(|(of, _)| *of == index).map(|(_, value)| value);
                FieldTest::of_values(field, own)
            })
            .collect();
        let rules = (0..tests.len()).map(Rule::One).collect();
        let asked = (0..tests.len()).filter(|&index| tests[index].is_wanted()).collect();
        Self { fields: tests, rules, asked: vec![asked], tenant: None, tenant_of: Vec::new(), selectors: 1 }
    }

    /// The columns to look at, in the mapping's order. Those that are not [wanted](FieldTest::is_wanted) need no look.
    pub fn fields(&self) -> &[FieldTest] {
        &self.fields
    }

    /// For each selector the rules that it can match by, each list once.
    pub(crate) fn asked(&self) -> &[Vec<usize>] {
        &self.asked
    }

    /// The columns of one of these rules.
    pub(crate) fn fields_of(&self, rule: usize) -> impl Iterator<Item = &FieldTest> {
        let fields = match &self.rules[rule] {
            Rule::One(field) => std::slice::from_ref(field),
            Rule::AllOf(parts) => parts,
        };
        fields.iter().map(|&field| &self.fields[field])
    }

    /// The column that names a row's tenant. The owners of its values are numbers of tenants: however many people of one are looked for,
    /// a row's tenant is one number.
    pub fn tenant(&self) -> Option<&FieldTest> {
        self.tenant.as_ref()
    }

    /// How many selectors the matcher was made from.
    pub fn selectors(&self) -> usize {
        self.selectors
    }

    /// Whether no row of the source can match.
    pub fn is_empty(&self) -> bool {
        !self.fields.iter().any(FieldTest::is_wanted)
    }

    /// The rows whose identifiers match, from each field's hits (in any order); sorted, each once. The tenant is not looked at.
    pub fn candidates(&self, mut hits: Vec<Vec<Hit>>) -> Vec<Hit> {
        for hits in &mut hits {
            hits.sort_unstable();
            hits.dedup();
        }
        if let [Rule::One(field)] = self.rules.as_slice() {
            return std::mem::take(&mut hits[*field]);
        }
        let mut all = Vec::new();
        for rule in &self.rules {
            match rule {
                Rule::One(field) => all.extend_from_slice(&hits[*field]),
                Rule::AllOf(parts) => {
                    let mut parts = parts.iter().map(|&part| &hits[part]);
                    let first = parts.next().cloned().unwrap_or_default();
                    all.extend(parts.fold(first, |common, part| intersect(&common, part)));
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether the field at this index tells alone whose a row is.
    pub(crate) fn identifies(&self, field: usize) -> bool {
        self.rules.iter().any(|rule| matches!(rule, Rule::One(one) if *one == field))
    }

    /// The candidates, sorted by row, whose row's tenant is the selector's own, and the rows that are only nobody's because they name another
    /// tenant beside it. `tenants` are what was found for [`Matcher::tenant`], each value's; where a row may have several, `values` are how
    /// many it has, by row.
    pub fn within_tenant(
        &self,
        candidates: &[Hit],
        mut tenants: Vec<Hit>,
        values: Option<&[(u64, usize)]>,
    ) -> (Vec<Hit>, Vec<u64>) {
        tenants.sort_unstable();
        let mut tenants = &tenants[..];
        let (mut own, mut torn) = (Vec::new(), Vec::new());
        for hits in candidates.chunk_by(|a, b| a.row == b.row) {
            let Some(row) = hits.first().map(|hit| hit.row) else { continue };
            tenants = &tenants[tenants.iter().take_while(|tenant| tenant.row < row).count()..];
            let named = &tenants[..tenants.iter().take_while(|tenant| tenant.row == row).count()];
            let count = values.map(|values| values.binary_search_by_key(&row, |&(row, _)| row).map(|at| values[at].1));
            let is_whole = |one: &[Hit]| count.is_none_or(|count| count == Ok(one.len()));
            let is_one = named.chunk_by(|a, b| a.selector == b.selector).all(is_whole);
            let acts = |hit: &&Hit| named.iter().any(|tenant| self.acts_for(hit.selector, &[tenant.selector]));
            let mut mine = hits.iter().filter(acts).peekable();
            match is_one {
                true => own.extend(mine),
                false => torn.extend(mine.peek().map(|hit| hit.row)),
            }
        }
        (own, torn)
    }

    /// Whether `selector` acts for one of `tenants`.
    pub(crate) fn acts_for(&self, selector: SelectorIndex, tenants: &[TenantIndex]) -> bool {
        self.tenant_of.get(selector as usize).is_some_and(|tenant| tenants.contains(tenant))
    }
}

/// What both sorted lists hold.
fn intersect(a: &[Hit], b: &[Hit]) -> Vec<Hit> {
    let mut common = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                common.push(a[i]);
                i += 1;
                j += 1;
            }
        }
    }
    common
}

/// Each different tenant with a number, and the number of each.
fn numbered<'a>(tenants: impl Iterator<Item = &'a str>) -> (Vec<(TenantIndex, &'a str)>, Vec<TenantIndex>) {
    let (mut different, mut numbers) = (Vec::new(), HashMap::new());
    let number = |tenant| {
        *numbers.entry(tenant).or_insert_with(|| {
            let number = TenantIndex::try_from(different.len()).unwrap_or(TenantIndex::MAX);
            different.push((number, tenant));
            number
        })
    };
    let of = tenants.map(number).collect();
    (different, of)
}

/// For each set of kinds that a selector gives identifiers of, the rules that need no others.
fn asked<'a>(rules: &[IdentifierRule], selectors: &[(SelectorIndex, &'a Selector)]) -> Vec<Vec<usize>> {
    let kinds = |selector: &'a Selector| selector.identifiers.iter().map(|identifier| &identifier.kind).collect();
    let different: HashSet<BTreeSet<&Kind>> = selectors.iter().map(|(_, selector)| kinds(selector)).collect();
    let by = |kinds: &BTreeSet<&Kind>| {
        let is_of = |rule: &IdentifierRule| rule.fields().iter().all(|field| kinds.contains(&field.kind));
        (0..rules.len()).filter(|&rule| is_of(&rules[rule])).collect::<Vec<_>>()
    };
    different.iter().map(by).collect::<BTreeSet<_>>().into_iter().filter(|rules| !rules.is_empty()).collect()
}

fn identifiers_by_kind<'a>(
    selectors: &[(SelectorIndex, &'a Selector)],
) -> HashMap<&'a Kind, Vec<(SelectorIndex, &'a str)>> {
    let mut by_kind: HashMap<_, Vec<_>> = HashMap::new();
    for (index, selector) in selectors {
        for identifier in &selector.identifiers {
            by_kind.entry(&identifier.kind).or_default().push((*index, identifier.value.expose().as_str()));
        }
    }
    by_kind
}

/// The values of one column that make a row somebody's.
#[derive(Debug)]
pub struct FieldTest {
    column: ColumnPath,
    case: Case,
    trim: bool,
    json_type: JsonType,
    is_optional: bool,
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

    fn new(field: &Field, wanted: &[(SelectorIndex, &str)], epochs: &Epochs) -> Result<Self, MatcherError> {
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
    fn of_values<'v>(field: &Field, values: impl Iterator<Item = &'v HeldValue>) -> Self {
        let mut test = Self {
            case: Case::Sensitive,
            trim: false,
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

    fn forget(&mut self) {
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

    /// Whether values are compared byte for byte, so that a page may be searched without making each value normal first.
    pub fn is_exact(&self) -> bool {
        self.case == Case::Sensitive && !self.trim
    }

    /// Which JSON values are compared.
    pub(crate) fn json_type(&self) -> JsonType {
        self.json_type
    }

    /// Whether a text shard may lack the column.
    pub(crate) fn is_optional(&self) -> bool {
        self.is_optional
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

    /// The wanted values of an integer column.
    pub(crate) fn ints(&self) -> &Integers {
        &self.ints
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

    /// Whose row a `value` makes its row: no selector's, mostly.
    pub fn owners(&self, value: Value<'_>) -> &[SelectorIndex] {
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
        if self.is_exact() {
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

/// Byte strings that are looked for, one behind the other.
#[derive(Debug, Default)]
struct Wanted {
    bytes: Vec<u8>,
    values: Vec<(usize, SelectorIndex, Sort)>,
}

/// The sort of columns that a value may stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Text,
    Bytes,
    Both,
    /// The bytes of a UUID: they stand in binary columns, and the forms of its text in both. Written out only where they are looked for,
    /// as a crowd's forms take ten times the room.
    Uuid {
        /// Also in upper case.
        in_upper_case: bool,
    },
}

impl Wanted {
    fn add(&mut self, value: &[u8], selector: SelectorIndex, sort: Sort) {
        self.bytes.extend_from_slice(value);
        self.values.push((self.bytes.len(), selector, sort));
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Those that may stand in columns of this sort.
    fn needles(&self, sort: Sort) -> Needles {
        let count = |of: Sort| match of {
            Sort::Uuid { .. } => 1 + usize::from(sort == Sort::Bytes),
            _ => usize::from(of == sort || of == Sort::Both),
        };
        let total = self.values.iter().map(|(.., of)| count(*of)).sum();
        let (mut uuids, mut any_in_upper_case) = (Vec::new(), false);
        let needles = Needles::new(total, |add| {
            let mut start = 0;
            for &(end, selector, of) in &self.values {
                let value = &self.bytes[start..end];
                start = end;
                if let (Sort::Uuid { in_upper_case }, Ok(uuid)) = (of, value.try_into()) {
                    add(&uuid::hyphenated(uuid), selector);
                    uuids.push((*uuid, selector));
                    any_in_upper_case |= in_upper_case;
                    if sort == Sort::Bytes {
                        add(value, selector);
                    }
                } else if count(of) > 0 {
                    add(value, selector);
                }
            }
        });
        let uuids: Arc<[_]> = uuids.into();
        let upper = Rare::upper(if any_in_upper_case { uuids.clone() } else { Arc::default() });
        needles.and_rare(upper, Rare::others(uuids, any_in_upper_case))
    }
}

/// Gathers one record's values, field by field in any order, and says whose record it is. Made once, used for many records.
#[derive(Debug)]
pub struct Verdict<'m> {
    matcher: &'m Matcher,
    hits: Vec<Vec<SelectorIndex>>,
    /// Whether there are any. Most records have none.
    has_hits: bool,
    tenant: SeenTenant<'m>,
    /// All tenants of a record that names several.
    tenants: Vec<TenantIndex>,
    selectors: Vec<SelectorIndex>,
    is_torn: bool,
    /// A field that would have had a hit, if its values lay otherwise; the tenant's number is behind those of the fields.
    astray: Option<usize>,
}

#[derive(Debug)]
enum SeenTenant<'m> {
    None,
    Of(&'m [TenantIndex]),
    Conflict,
}

impl<'m> Verdict<'m> {
    /// A verdict on records of `matcher`'s source.
    pub fn new(matcher: &'m Matcher) -> Self {
        let hits = matcher.fields.iter().map(|_| Vec::new()).collect();
        Self {
            matcher,
            hits,
            has_hits: false,
            tenant: SeenTenant::None,
            tenants: Vec::new(),
            selectors: Vec::new(),
            is_torn: false,
            astray: None,
        }
    }

    /// Starts the next record.
    pub fn reset(&mut self) {
        if self.has_hits {
            self.hits.iter_mut().for_each(Vec::clear);
            self.has_hits = false;
        }
        self.tenant = SeenTenant::None;
        self.tenants.clear();
        self.is_torn = false;
        self.astray = None;
    }

    /// Whether no field had a wanted value, where it belongs or elsewhere: most records are nobody's.
    pub fn is_blank(&self) -> bool {
        !self.has_hits
    }

    /// Notes a value that lies where field `field` is looked for, in a form that its path does not take: in an array, say. The
    /// tenant's number is behind those of the fields.
    pub fn astray(&mut self, field: usize, value: Value<'_>) {
        let fields = &self.matcher.fields;
        let of_field = fields.get(field);
        if of_field.or(self.matcher.tenant.as_ref()).is_some_and(|test| !test.owners(value).is_empty()) {
            self.has_hits |= of_field.is_some();
            self.astray.get_or_insert(field);
        }
    }

    /// The first field with such a value that is wanted.
    pub fn first_astray(&self) -> Option<usize> {
        self.astray
    }

    /// Notes a value at the path of field `field` of [`Matcher::fields`]. Called once for each value.
    pub fn field(&mut self, field: usize, value: Value<'_>) {
        let owners = self.matcher.fields[field].owners(value);
        if !owners.is_empty() {
            self.hits[field].extend_from_slice(owners);
            self.has_hits = true;
        }
    }

    /// Notes a value at the tenant's path. A record that names two different tenants is nobody's.
    pub fn tenant(&mut self, value: Value<'_>) {
        let tenants = self.matcher.tenant.as_ref().map_or(&[][..], |tenant| tenant.owners(value));
        self.tenant = match self.tenant {
            SeenTenant::None => SeenTenant::Of(tenants),
            SeenTenant::Of(before) if before == tenants => SeenTenant::Of(tenants),
            SeenTenant::Of(before) => {
                self.tenants.extend(before.iter().chain(tenants));
                SeenTenant::Conflict
            }
            SeenTenant::Conflict => {
                self.tenants.extend(tenants);
                SeenTenant::Conflict
            }
        };
    }

    /// Whether the record is only nobody's because it names another tenant beside a selector's own. Known once the
    /// [selectors](Self::selectors) are.
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// Whose record it is: sorted, each selector once.
    pub fn selectors(&mut self) -> &[SelectorIndex] {
        if !self.has_hits {
            return &[];
        }
        self.selectors.clear();
        for rule in &self.matcher.rules {
            match rule {
                Rule::One(field) => self.selectors.extend_from_slice(&self.hits[*field]),
                Rule::AllOf(parts) => {
                    let (first, rest) = match parts.split_first() {
                        Some((first, rest)) => (&self.hits[*first], rest),
                        None => continue,
                    };
                    let common =
                        first.iter().filter(|selector| rest.iter().all(|&part| self.hits[part].contains(selector)));
                    self.selectors.extend(common);
                }
            }
        }
        if self.selectors.is_empty() {
            return &[];
        }
        if self.matcher.tenant.is_some() {
            match self.tenant {
                SeenTenant::Of(tenants) => {
                    self.selectors.retain(|&selector| self.matcher.acts_for(selector, tenants));
                }
                SeenTenant::None => self.selectors.clear(),
                SeenTenant::Conflict => {
                    let is_own = |&selector: &SelectorIndex| self.matcher.acts_for(selector, &self.tenants);
                    self.is_torn = self.selectors.iter().any(is_own);
                    self.selectors.clear();
                }
            }
        }
        self.selectors.sort_unstable();
        self.selectors.dedup();
        &self.selectors
    }
}

#[cfg(test)]
mod tests;
