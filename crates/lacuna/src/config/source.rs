//! `[[source]]`: a named set of shards with one mapping.

use lacuna_engine::{EmptyShards, FormatChoice, OnErase, Poison, Source, TextOptions};
use lacuna_scan::{
    Case, ColumnPath, Field, IdentifierRule, JsonType, Kind, Mapping, PseudonymEncoding, PseudonymForm,
    PseudonymLength, TenantFolder, TenantId, TenantRule,
};

use time::Date;

use super::document::{Entry, Problems, Table};
use crate::units::parse_date;

/// Why a source is kept from every erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceHold {
    /// The source's name.
    pub source: String,
    /// What sort of records it has, as `audit`.
    pub class: String,
    /// Why it is kept.
    pub reason: String,
    /// The law that this rests on.
    pub legal_basis: String,
    /// When somebody must look at it again.
    pub review: Option<Date>,
}

/// The deepest folder that can name a tenant; more levels no store has.
const FOLDERS_MAX: u64 = 64;

const FORMATS: [(&str, &str); 5] =
    [("parquet", "parquet"), ("ndjson", "ndjson"), ("json", "json"), ("csv", "csv"), ("arrow", "arrow")];

/// The data type of sources that name none.
const DATA_TYPE: &str = "Records";

pub(super) fn read_all(
    entry: &Entry<'_>,
    has_keys: bool,
    problems: &mut Problems<'_>,
) -> (Vec<Source>, Vec<SourceHold>) {
    let mut sources: Vec<Source> = Vec::new();
    let mut holds = Vec::new();
    let Some(elements) = entry.list("a list of tables: write `[[source]]`, with two brackets", problems) else {
        return (sources, holds);
    };
    for element in elements {
        let Some(mut table) = element.table("a table", problems) else { continue };
        if let Some((source, hold)) = read(&mut table, &sources, has_keys, problems) {
            sources.push(source);
            holds.extend(hold);
        }
        table.finish(problems);
    }
    (sources, holds)
}

fn read(
    table: &mut Table<'_>,
    others: &[Source],
    has_keys: bool,
    problems: &mut Problems<'_>,
) -> Option<(Source, Option<SourceHold>)> {
    let name = table.need("name", "what to call the source", problems);
    let name = name.and_then(|entry| {
        let name = entry.words(problems)?;
        if others.iter().any(|other| other.name == name) {
            entry.wrong(format!("is `{name}` again; each source needs a name of its own"), problems);
        }
        if name.starts_with('-') || name.chars().any(char::is_control) {
            entry.wrong("starts with a hyphen or holds a control character", problems);
        }
        Some(name.to_owned())
    });
    let shards = table.need("shards", "which blobs it has, as `activity/**/*.parquet`", problems);
    let shards = shards.and_then(|entry| glob(&entry, problems));
    let format = format(table, problems);
    let product = table.get("product").and_then(|entry| product(&entry, problems));
    let data_type = table.get("data_type").and_then(|entry| {
        let text = entry.words(problems)?;
        if text.contains(['/', '\\']) || text.chars().any(char::is_control) || text.starts_with('.') {
            entry.wrong("names a file in the package: no slash, no dot in front", problems);
        }
        Some(text.to_owned())
    });
    let wanted = "which columns identify whom, as `[{ column = \"UserId\", kind = \"object_id\" }]`";
    let identifiers = table.need("identifiers", wanted, problems);
    let identifiers = identifiers.map(|entry| identifiers_of(&entry, has_keys, problems)).unwrap_or_default();
    let tenant = table.get("tenant").map_or(Some(TenantRule::Single), |entry| tenant(&entry, problems));
    let time = table.get("time").and_then(|entry| single(&entry, problems));
    let held = table.get("hold");
    let (on_erase, hold) = match held {
        Some(entry) => hold(&entry, table, name.as_deref(), problems).unzip(),
        None => (on_erase(table, problems), None),
    };
    let poison = [("refuse", Poison::Refuse), ("keep", Poison::Keep)];
    let poison = table.get("poison").and_then(|entry| entry.choice(&poison, problems)).unwrap_or_default();
    let empty = [("keep", EmptyShards::Keep), ("delete", EmptyShards::Delete)];
    let empty_shards = table.get("empty_shards").and_then(|entry| entry.choice(&empty, problems)).unwrap_or_default();
    let may_be_empty = table.get("may_be_empty").and_then(|entry| entry.flag(problems)).unwrap_or_default();

    let name = name?;
    let source = Source {
        shards: shards?,
        format,
        product: product.unwrap_or_else(|| name.clone()),
        data_type: data_type.unwrap_or_else(|| DATA_TYPE.to_owned()),
        mapping: Mapping { identifiers, tenant: tenant? },
        time,
        on_erase: on_erase?,
        poison,
        empty_shards,
        may_be_empty,
        name,
    };
    Some((source, hold))
}

/// A hold, and what an erasure does because of it.
fn hold(
    entry: &Entry<'_>,
    source: &mut Table<'_>,
    name: Option<&str>,
    problems: &mut Problems<'_>,
) -> Option<(OnErase, SourceHold)> {
    for key in ["on_erase", "reason"] {
        if let Some(other) = source.get(key) {
            other.wrong("is said by `hold`, which keeps the source from every erasure", problems);
        }
    }
    let mut table =
        entry.table("`{ class = \"audit\", reason = …, legal_basis = …, review = \"2027-01-31\" }`", problems)?;
    let class = table.need("class", "what sort of records the source has, as `audit`", problems);
    let reason = table.need("reason", "why it is kept: receipts tell the person", problems);
    let legal_basis = table.need("legal_basis", "the law that the hold rests on", problems);
    let review = table.get("review");
    table.finish(problems);
    let review = review.and_then(|entry| {
        let text = entry.text(problems)?;
        parse_date(text).map_err(|what| entry.wrong(what, problems)).ok()
    });
    let mut words = |entry: Option<Entry<'_>>| entry.and_then(|entry| entry.words(problems)).map(str::to_owned);
    let (class, reason, legal_basis) = (words(class), words(reason), words(legal_basis));
    let hold =
        SourceHold { source: name?.to_owned(), class: class?, reason: reason?, legal_basis: legal_basis?, review };
    Some((OnErase::Keep { reason: format!("{} ({})", hold.reason, hold.legal_basis) }, hold))
}

fn glob(entry: &Entry<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let text = entry.words(problems)?;
    if text.starts_with('/') || text.contains("://") {
        entry.wrong("is a glob over the paths within the store, such as `activity/**/*.parquet`", problems);
        return None;
    }
    if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        entry.wrong("names no path within the store: leave away `.`, `..` and empty parts between slashes", problems);
        return None;
    }
    if let Some(fault) = lacuna_engine::glob_fault(text) {
        entry.wrong(format!("is no valid glob: {fault}"), problems);
        return None;
    }
    Some(text.to_owned())
}

fn format(table: &mut Table<'_>, problems: &mut Problems<'_>) -> FormatChoice {
    let named = table.get("format");
    let name = named.and_then(|entry| entry.choice(&FORMATS, problems));
    let records = table.get("records");
    let csv = table.get("csv");
    let mut text = TextOptions::default();
    if let Some(entry) = records {
        text.records = entry.parsed::<ColumnPath>(problems);
        if text.records.as_ref().is_some_and(|path| !path.as_str().ends_with("[]")) {
            entry.wrong("must lead to a list, and so end in `[]`, as `Records[]`", problems);
        }
        if name.is_some_and(|name| name != "json") {
            entry.wrong("is for `format = \"json\"` only", problems);
        }
    }
    if let Some(entry) = csv {
        if name.is_some_and(|name| name != "csv") {
            entry.wrong("is for `format = \"csv\"` only", problems);
        }
        if let Some(mut csv) = entry.table("`{ delimiter = \";\", header = [\"Column\", …] }`", problems) {
            text.delimiter = csv.get("delimiter").and_then(|entry| delimiter(&entry, problems));
            text.quote = csv.get("quote").and_then(|entry| entry.flag(problems));
            text.header = csv.get("header").and_then(|entry| header(&entry, problems));
            csv.finish(problems);
        }
    }
    FormatChoice { name: name.map(str::to_owned), text }
}

fn delimiter(entry: &Entry<'_>, problems: &mut Problems<'_>) -> Option<u8> {
    match entry.text(problems)?.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0) => Some(*byte),
        _ => {
            entry.wrong(
                "must be one ASCII character other than a quote or a line break, such as `;` or `\\t`",
                problems,
            );
            None
        }
    }
}

fn header(entry: &Entry<'_>, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    let elements = entry.list("the list of the columns' names", problems)?;
    if elements.is_empty() {
        entry.wrong("is empty; leave it away when the shards have a header line", problems);
    }
    let mut names: Vec<String> = Vec::with_capacity(elements.len());
    for element in elements {
        let name = element.text(problems)?;
        if names.iter().any(|other| other == name) {
            element.wrong(format!("is `{name}` again"), problems);
        }
        names.push(name.to_owned());
    }
    Some(names)
}

fn product(entry: &Entry<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let text = entry.words(problems)?;
    let wrong = |segment: &str| segment.is_empty() || segment.starts_with('.') || segment.contains('\\');
    if text.split('/').any(wrong) || text.chars().any(char::is_control) {
        entry.wrong("names folders in the package, as `Office/SharePoint`", problems);
        return None;
    }
    Some(text.to_owned())
}

fn identifiers_of(entry: &Entry<'_>, has_keys: bool, problems: &mut Problems<'_>) -> Vec<IdentifierRule> {
    let wanted = "a list, as `[{ column = \"UserId\", kind = \"object_id\" }]`";
    let elements = entry.list(wanted, problems).unwrap_or_default();
    if elements.is_empty() && matches!(entry.value, toml::de::DeValue::Array(_)) {
        entry.wrong("is empty; without one, nobody's records are ever found", problems);
    }
    elements.iter().filter_map(|element| rule(element, has_keys, problems)).collect()
}

fn rule(entry: &Entry<'_>, has_keys: bool, problems: &mut Problems<'_>) -> Option<IdentifierRule> {
    const WANTED: &str = "`{ column = \"UserId\", kind = \"object_id\" }`";
    let mut table = entry.table(WANTED, problems)?;
    let Some(parts) = table.get("all_of") else {
        let field = field(&mut table, has_keys, problems);
        table.finish(problems);
        return field.map(IdentifierRule::One);
    };
    table.finish(problems);
    let elements = parts.list("a list of columns", problems)?;
    if elements.len() < 2 {
        parts.wrong("needs two columns or more", problems);
    }
    let fields: Vec<_> = elements
        .iter()
        .filter_map(|element| {
            let mut table = element.table(WANTED, problems)?;
            let field = field(&mut table, has_keys, problems);
            table.finish(problems);
            field
        })
        .collect();
    (fields.len() == elements.len()).then_some(IdentifierRule::AllOf(fields))
}

fn field(table: &mut Table<'_>, has_keys: bool, problems: &mut Problems<'_>) -> Option<Field> {
    let column = table.need("column", "the path of the column, as `actor.emails[]`", problems);
    let column = column.and_then(|entry| entry.parsed::<ColumnPath>(problems));
    let kind = table.need("kind", "what sort of identifier it holds, as `email`", problems);
    let kind = kind.and_then(|entry| {
        let kind = entry.words(problems)?;
        if kind.contains('=') || kind.trim() != kind {
            entry.wrong("may hold no `=` and no space around it: requests say `KIND=VALUE`", problems);
        }
        Some(Kind::new(kind))
    });
    let case = [("sensitive", Case::Sensitive), ("insensitive", Case::Insensitive)];
    let case = table.get("case").and_then(|entry| entry.choice(&case, problems)).unwrap_or_default();
    let trim = table.get("trim").and_then(|entry| entry.flag(problems)).unwrap_or_default();
    let json_type = [("any", JsonType::Any), ("string", JsonType::String), ("number", JsonType::Number)];
    let json_type = table.get("json_type").and_then(|entry| entry.choice(&json_type, problems)).unwrap_or_default();

    let optional = table.get("optional").and_then(|entry| entry.flag(problems)).unwrap_or_default();
    let json = table.get("json").and_then(|entry| entry.parsed::<ColumnPath>(problems));

    let flag = table.get("pseudonym");
    let pseudonym = flag.as_ref().and_then(|entry| entry.flag(problems)).unwrap_or_default();
    let encoding = table.get("encoding");
    let length = table.get("bytes");
    if let (true, false, Some(entry)) = (pseudonym, has_keys, &flag) {
        entry.wrong("needs `[keys.pseudonym]`, the keys that the pseudonyms were made with", problems);
    }
    if !pseudonym {
        for entry in [&encoding, &length].into_iter().flatten() {
            entry.wrong("is for `pseudonym = true` only", problems);
        }
    }
    let encodings = [
        ("any", PseudonymEncoding::Any),
        ("hex", PseudonymEncoding::Hex),
        ("base64", PseudonymEncoding::Base64),
        ("raw", PseudonymEncoding::Raw),
    ];
    let encoding = encoding.and_then(|entry| entry.choice(&encodings, problems)).unwrap_or_default();
    let length = length.and_then(|entry| {
        let length = match entry.number(16..=32, problems)? {
            16 => PseudonymLength::Bytes16,
            32 => PseudonymLength::Bytes32,
            _ => {
                entry.wrong("must be 16 or 32", problems);
                return None;
            }
        };
        Some(length)
    });
    let form = PseudonymForm { encoding, length: length.unwrap_or_default() };
    let pseudonym = pseudonym.then_some(form);
    Some(Field { column: column?, kind: kind?, case, trim, json_type, optional, pseudonym, json })
}

fn tenant(entry: &Entry<'_>, problems: &mut Problems<'_>) -> Option<TenantRule> {
    if !entry.is_table() {
        return single(entry, problems).map(TenantRule::Column);
    }
    let mut table = entry.table("a column, `{ id = \"contoso\" }` or `{ folder = \"tenant=\" }`", problems)?;
    if let Some(entry) = table.get("folder") {
        if table.get("id").is_some() {
            entry.wrong("stands beside `id`, and the tenant is named by one of them", problems);
        }
        table.finish(problems);
        return folder(&entry, problems).map(TenantRule::Folder);
    }
    let id =
        table.need("id", "the tenant that all rows belong to (or `folder`, what names it in their paths)", problems);
    table.finish(problems);
    id.and_then(|entry| entry.words(problems)).map(|id| TenantRule::Fixed(TenantId::new(id)))
}

/// Which folder names the tenant: by what its name begins with, or by its number from the top.
fn folder(entry: &Entry<'_>, problems: &mut Problems<'_>) -> Option<TenantFolder> {
    if entry.is_integer() {
        return entry
            .number(1..=FOLDERS_MAX, problems)
            .and_then(|nth| usize::try_from(nth).ok())
            .map(TenantFolder::Nth);
    }
    let name = entry.words(problems)?;
    if name.contains('/') {
        entry.wrong("is the beginning of one folder's name, without `/`", problems);
        return None;
    }
    Some(TenantFolder::Named(name.to_owned()))
}

/// The path of a column that has one value a record.
fn single(entry: &Entry<'_>, problems: &mut Problems<'_>) -> Option<ColumnPath> {
    let path: ColumnPath = entry.parsed(problems)?;
    if path.is_repeated() {
        entry.wrong("leads to several values of one record, and must lead to one (no `[]`, no `{}`)", problems);
        return None;
    }
    Some(path)
}

fn on_erase(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<OnErase> {
    #[derive(Clone, Copy)]
    enum Choice {
        Delete,
        Anonymize,
        Keep,
    }
    let choices = [("delete", Choice::Delete), ("anonymize", Choice::Anonymize), ("keep", Choice::Keep)];
    let named = table.get("on_erase");
    let reason = table.get("reason");
    let choice = match &named {
        Some(entry) => entry.choice(&choices, problems)?,
        None => Choice::Delete,
    };
    if let (Some(reason), Choice::Delete | Choice::Anonymize) = (&reason, choice) {
        reason.wrong("is for `on_erase = \"keep\"` only", problems);
    }
    match choice {
        Choice::Delete => Some(OnErase::Delete),
        Choice::Anonymize => Some(OnErase::Anonymize),
        Choice::Keep => match reason {
            Some(reason) => Some(OnErase::Keep { reason: reason.words(problems)?.to_owned() }),
            None => {
                if let Some(named) = named {
                    named.wrong("is `keep`, which needs `reason`: receipts tell the person why", problems);
                }
                None
            }
        },
    }
}
