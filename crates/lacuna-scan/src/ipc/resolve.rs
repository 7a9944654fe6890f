//! Mapped paths into column numbers, and whether what lies there can hold an identifier.

use arrow::datatypes::DataType;

use super::schema::{Column, Table};
use crate::{ColumnPath, Error, Result, Step};

/// A [`ColumnPath`] in one schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The top-level column.
    pub column: usize,
    /// The way from there inwards.
    pub steps: Vec<Enter>,
    /// The dictionary that holds the values, when the column holds keys.
    pub dictionary: Option<i64>,
}

/// A step from an array to one within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enter {
    /// This field of a struct.
    Field(usize),
    /// All elements of a list.
    Elements,
    /// All values of a map.
    Values,
}

/// Finds `path` in `table`: more than one place where several columns have the same name.
pub fn resolve(path: &ColumnPath, table: &Table) -> Result<Vec<Path>> {
    let resolver = Resolver { path };
    let Some((Step::Field(name), rest)) = path.steps().split_first() else {
        return Err(resolver.wrong("not there: a row of a table is no list; start with a column's name"));
    };
    let mut found = Vec::new();
    for (at, column) in named(&table.columns, name) {
        resolver.follow(column, rest, Path { column: at, steps: Vec::new(), dictionary: None }, &mut found)?;
    }
    if found.is_empty() { Err(resolver.missing()) } else { Ok(found) }
}

/// The same; a column that is not there leads nowhere.
pub fn resolve_present(path: &ColumnPath, table: &Table) -> Result<Vec<Path>> {
    match resolve(path, table) {
        Err(Error::MissingColumn { .. }) => Ok(Vec::new()),
        found => found,
    }
}

/// Whether what lies there is text, or nothing.
pub fn holds_text(path: &Path, table: &Table) -> bool {
    let mut column = table.columns.get(path.column);
    for step in &path.steps {
        column = match step {
            Enter::Field(at) => column.and_then(|column| column.children.get(*at)),
            Enter::Elements => column.and_then(|column| column.children.first()),
            Enter::Values => column.and_then(|column| column.children.first()?.children.get(1)),
        };
    }
    let runs = |column: &&Column| matches!(column.field.data_type(), DataType::RunEndEncoded(..));
    while let Some(values) = column.filter(runs).and_then(|column| column.children.get(1)) {
        column = Some(values);
    }
    let field = column.map(|column| column.dictionary.as_ref().map_or(&column.field, |of| &of.values.field));
    field.is_some_and(|field| {
        matches!(
            field.data_type(),
            DataType::Null
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::FixedSizeBinary(_)
        )
    })
}

fn named<'a>(columns: &'a [Column], name: &str) -> impl Iterator<Item = (usize, &'a Column)> {
    columns.iter().enumerate().filter(move |(_, column)| column.field.name() == name)
}

struct Resolver<'a> {
    path: &'a ColumnPath,
}

impl Resolver<'_> {
    fn missing(&self) -> Error {
        Error::MissingColumn { column: self.path.as_str().to_owned() }
    }

    fn wrong(&self, found: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        Error::ColumnType { column: self.path.as_str().to_owned(), found: found.into() }
    }

    fn follow(&self, column: &Column, steps: &[Step], so_far: Path, found: &mut Vec<Path>) -> Result<()> {
        let data_type = column.field.data_type();
        let Some((step, rest)) = steps.split_first() else {
            return self.leaf(column, so_far, found);
        };
        let enter = |enter| Path { steps: [&so_far.steps[..], &[enter]].concat(), ..so_far.clone() };
        match (step, data_type) {
            (Step::Field(name), DataType::Struct(_)) => {
                let before = found.len();
                for (at, child) in named(&column.children, name) {
                    self.follow(child, rest, enter(Enter::Field(at)), found)?;
                }
                if found.len() == before { Err(self.missing()) } else { Ok(()) }
            }
            (
                Step::Elements,
                DataType::List(_)
                | DataType::LargeList(_)
                | DataType::ListView(_)
                | DataType::LargeListView(_)
                | DataType::FixedSizeList(..),
            ) => match column.children.as_slice() {
                [elements] => self.follow(elements, rest, enter(Enter::Elements), found),
                _ => Err(self.missing()),
            },
            (Step::Values, DataType::Map(..)) => match column.children.first().map(|entries| &entries.children[..]) {
                Some([_, values]) => self.follow(values, rest, enter(Enter::Values), found),
                _ => Err(self.missing()),
            },
            (Step::Field(_), _) => Err(self.mismatch(column, "has no fields")),
            (Step::Elements, _) => Err(self.mismatch(column, "is no list")),
            (Step::Values, _) => Err(self.mismatch(column, "is no map")),
        }
    }

    fn leaf(&self, column: &Column, so_far: Path, found: &mut Vec<Path>) -> Result<()> {
        if let Some(dictionary) = &column.dictionary {
            return match kind(dictionary.values.field.data_type()) {
                Kind::Identifier => {
                    found.push(Path { dictionary: Some(dictionary.id), ..so_far });
                    Ok(())
                }
                _ => Err(self.wrong("a dictionary whose values cannot hold an identifier")),
            };
        }
        match (kind(column.field.data_type()), column.field.data_type()) {
            (Kind::Identifier, _) => {
                found.push(so_far);
                Ok(())
            }
            (_, DataType::RunEndEncoded(..)) => match column.children.as_slice() {
                [_, values] => self.leaf(values, so_far, found),
                _ => Err(self.missing()),
            },
            (kind, _) => Err(self.cannot_hold(column, kind)),
        }
    }

    fn cannot_hold(&self, column: &Column, kind: Kind) -> Error {
        let path = self.path.as_str();
        match kind {
            Kind::List => self.wrong(format!("a list: write `{path}[]`")),
            Kind::Map => self.wrong(format!("a map: write `{path}{{}}`")),
            Kind::Struct => self.wrong(format!("a struct: name one of its fields, as `{path}.FIELD`")),
            _ => self.wrong(format!("{}, which cannot hold an identifier", noun(column.field.data_type()))),
        }
    }

    fn mismatch(&self, column: &Column, problem: &str) -> Error {
        let name = column.field.name();
        let hint = match kind(column.field.data_type()) {
            Kind::List => "; its elements are entered by `[]`",
            Kind::Map => "; its values are entered by `{}`",
            _ => "",
        };
        self.wrong(format!("not there: `{name}` is {} and {problem}{hint}", noun(column.field.data_type())))
    }
}

enum Kind {
    Identifier,
    List,
    Map,
    Struct,
    Other,
}

fn kind(data_type: &DataType) -> Kind {
    match data_type {
        // A column without any value, as writers make of one that they saw only nulls in, holds nobody's identifier.
        DataType::Null => Kind::Identifier,
        _ if data_type.is_integer() => Kind::Identifier,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Identifier,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Kind::Identifier
        }
        DataType::Float32 | DataType::Float64 => Kind::Identifier,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            Kind::Identifier
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(..) => Kind::List,
        DataType::Map(..) => Kind::Map,
        DataType::Struct(_) => Kind::Struct,
        _ => Kind::Other,
    }
}

fn noun(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "a boolean",
        _ if data_type.is_integer() => "an integer",
        DataType::Float16 => "a floating-point number of 16 bits",
        _ if data_type.is_floating() => "a floating-point number",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Date32 | DataType::Date64 => "a date",
        DataType::Time32(_) | DataType::Time64(_) => "a time of day",
        DataType::Timestamp(..) => "a timestamp",
        DataType::Duration(_) | DataType::Interval(_) => "a span of time",
        DataType::Union(..) => "a union",
        DataType::Dictionary(..) => "dictionary-encoded",
        DataType::RunEndEncoded(..) => "run-end encoded",
        _ => match kind(data_type) {
            Kind::List => "a list",
            Kind::Map => "a map",
            Kind::Struct => "a struct",
            Kind::Identifier | Kind::Other => "of another type",
        },
    }
}
