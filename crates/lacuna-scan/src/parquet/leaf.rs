//! Mapped column paths in a Parquet schema: which leaf column holds the values, and how they are to be read.
//!
//! Lists and maps have several layouts in Parquet; their rules are those of the format's `LogicalTypes.md`, with the
//! backward-compatible ones.

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};

use crate::matcher::NO_TEXT;
use crate::{ColumnPath, Error, FieldTest, Result, Step};

/// A leaf column that holds identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its index among the schema's leaf columns.
    pub column: usize,
    /// What its values are.
    pub values: LeafType,
}

/// How a leaf column's values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafType {
    /// UTF-8 text.
    Text,
    /// Bytes without a text type, of varying or fixed length; UUIDs.
    Bytes,
    /// Signed integers.
    Int,
    /// Unsigned integers.
    UnsignedInt,
    /// Floating-point numbers in single or double precision.
    Float,
    /// Decimal numbers.
    Decimal {
        /// How many digits stand behind the point.
        scale: i32,
    },
}

/// Finds the leaf columns at `path`: more than one where several columns have the same name.
///
/// Fails with [`Error::MissingColumn`] when there is none, and with [`Error::ColumnType`] when what is there cannot hold an
/// identifier.
pub fn resolve(schema: &SchemaDescriptor, path: &ColumnPath) -> Result<Vec<Leaf>> {
    let root = Place { node: schema.root_schema(), leaf: 0, inside_list: true };
    let mut found = Vec::new();
    Resolver { schema, path }.follow(root, path.steps(), &mut found)?;
    Ok(found)
}

struct Resolver<'a> {
    schema: &'a SchemaDescriptor,
    path: &'a ColumnPath,
}

impl Resolver<'_> {
    fn follow(&self, place: Place<'_>, steps: &[Step], found: &mut Vec<Leaf>) -> Result<()> {
        match steps.split_first() {
            Some((Step::Field(name), rest)) => {
                let mut fields = place.fields(name, self.path)?.peekable();
                if fields.peek().is_none() {
                    return Err(Error::MissingColumn { column: self.path.to_string() });
                }
                fields.try_for_each(|field| self.follow(field, rest, found))
            }
            Some((Step::Elements, rest)) => self.follow(place.elements(self.path)?, rest, found),
            Some((Step::Values, rest)) => self.follow(place.values(self.path)?, rest, found),
            None => {
                found.push(self.leaf(place)?);
                Ok(())
            }
        }
    }

    fn leaf(&self, place: Place<'_>) -> Result<Leaf> {
        let wrong = |found| wrong_type(self.path, found);
        if place.is_bare_list() || place.is_list() {
            return Err(wrong("a list: its elements are mapped as `[]` behind its name"));
        }
        if place.is_map() {
            return Err(wrong("a map: its values are mapped as `{}` behind its name"));
        }
        if place.is_variant() {
            return Err(wrong(VARIANT));
        }
        if place.node.is_group() {
            return Err(wrong("a group of columns: the mapping must name one of them"));
        }
        let values = leaf_type(&self.schema.column(place.leaf)).map_err(wrong)?;
        Ok(Leaf { column: place.leaf, values })
    }
}

/// Whether a field with or without a path [within JSON](FieldTest::needs_text) can be looked for in a leaf.
pub(super) fn check_json(field: &FieldTest, column: &ColumnDescriptor, values: LeafType) -> Result<()> {
    let (logical, converted) = (column.logical_type_ref(), column.converted_type());
    let is_json = matches!((logical, converted), (Some(LogicalType::Json), _) | (None, ConvertedType::JSON));
    // Where no row has a value, some writers leave the type out.
    let is_text = matches!(values, LeafType::Text | LeafType::Bytes) || logical == Some(&LogicalType::Unknown);
    match field.needs_text() {
        true if !is_text => Err(wrong_type(field.column(), NO_TEXT)),
        false if is_json => Err(wrong_type(field.column(), "a JSON document: say where in it with `json`")),
        _ => Ok(()),
    }
}

/// Finds the one leaf column at `path`, as [`resolve`] does; fails with [`Error::ColumnType`] when there are more.
pub(super) fn resolve_one(schema: &SchemaDescriptor, path: &ColumnPath) -> Result<Leaf> {
    match resolve(schema, path)?.as_slice() {
        [leaf] => Ok(*leaf),
        _ => Err(wrong_type(path, "there more than once, and which one is meant cannot be told: rename the others")),
    }
}

fn wrong_type(path: &ColumnPath, found: &'static str) -> Error {
    Error::ColumnType { column: path.to_string(), found: found.into() }
}

/// Values of it lie in several columns, and each may be in any of them.
const VARIANT: &str = "in a variant, which is not looked into: write what identifies into a column of its own";

/// A node of the schema tree, with the index of the first leaf below it.
#[derive(Clone, Copy)]
struct Place<'s> {
    node: &'s Type,
    leaf: usize,
    /// Whether a `repeated` node has been entered as a list's element already.
    inside_list: bool,
}

impl<'s> Place<'s> {
    fn child(self, index: usize, inside_list: bool) -> Self {
        let fields = self.node.get_fields();
        let before: usize = fields[..index].iter().map(|field| leaves(field)).sum();
        Self { node: &fields[index], leaf: self.leaf + before, inside_list }
    }

    /// The fields of this name.
    fn fields(self, name: &str, path: &ColumnPath) -> Result<impl Iterator<Item = Self>> {
        if self.is_bare_list() || self.is_list() {
            return Err(wrong_type(path, "behind a list: its elements are mapped as `[]`"));
        }
        if self.is_variant() {
            return Err(wrong_type(path, VARIANT));
        }
        let fields = if self.node.is_group() { self.node.get_fields() } else { &[] };
        let named = fields.iter().enumerate().filter(move |(_, field)| field.name() == name);
        Ok(named.map(move |(index, _)| self.child(index, false)))
    }

    /// A repeated field without a list annotation is a list of its own kind.
    fn is_bare_list(self) -> bool {
        !self.inside_list && repetition(self.node) == Some(Repetition::REPEATED)
    }

    fn is_list(self) -> bool {
        let info = self.node.get_basic_info();
        self.node.is_group()
            && (info.logical_type_ref() == Some(&LogicalType::List) || info.converted_type() == ConvertedType::LIST)
    }

    fn elements(self, path: &ColumnPath) -> Result<Self> {
        if self.is_bare_list() {
            return Ok(Self { inside_list: true, ..self });
        }
        let repeated = match self.node {
            Type::GroupType { fields, .. } if self.is_list() && fields.len() == 1 => self.child(0, true),
            _ => return Err(wrong_type(path, "not a list, and mapped with `[]`")),
        };
        if repetition(repeated.node) != Some(Repetition::REPEATED) {
            return Err(wrong_type(path, "a list of an unknown layout"));
        }
        let is_element = !repeated.node.is_group()
            || repeated.node.get_fields().len() != 1
            || repeated.node.name() == "array"
            || repeated.node.name() == format!("{}_tuple", self.node.name());
        Ok(if is_element { repeated } else { repeated.child(0, false) })
    }

    fn is_variant(self) -> bool {
        self.node.is_group() && matches!(self.node.get_basic_info().logical_type_ref(), Some(LogicalType::Variant(_)))
    }

    fn is_map(self) -> bool {
        let info = self.node.get_basic_info();
        self.node.is_group()
            && (matches!(info.logical_type_ref(), Some(LogicalType::Map))
                || matches!(info.converted_type(), ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE))
    }

    fn values(self, path: &ColumnPath) -> Result<Self> {
        if !self.is_map() || self.node.get_fields().len() != 1 {
            return Err(wrong_type(path, "not a map, and mapped with `{}`"));
        }
        let entries = self.child(0, true);
        if !entries.node.is_group() || entries.node.get_fields().len() != 2 {
            return Err(wrong_type(path, "a map without values"));
        }
        Ok(entries.child(1, false))
    }
}

fn repetition(node: &Type) -> Option<Repetition> {
    let info = node.get_basic_info();
    info.has_repetition().then(|| info.repetition())
}

fn leaves(node: &Type) -> usize {
    if node.is_group() { node.get_fields().iter().map(|field| leaves(field)).sum() } else { 1 }
}

/// How the values of `column` compare, or why they cannot be identifiers.
fn leaf_type(column: &ColumnDescriptor) -> Result<LeafType, &'static str> {
    const TIME: &str = "a date or time, which identifies nobody";
    let logical = column.logical_type_ref();
    let converted = column.converted_type();
    if let Some(LogicalType::Decimal(decimal)) = logical {
        return Ok(LeafType::Decimal { scale: decimal.scale });
    }
    if converted == ConvertedType::DECIMAL {
        return Ok(LeafType::Decimal { scale: column.type_scale() });
    }
    match column.physical_type() {
        Physical::BYTE_ARRAY => match (logical, converted) {
            (Some(LogicalType::Bson), _) | (None, ConvertedType::BSON) => {
                Err("a document of BSON, which is not looked into")
            }
            (Some(LogicalType::String | LogicalType::Enum | LogicalType::Json), _)
            | (None, ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON) => Ok(LeafType::Text),
            _ => Ok(LeafType::Bytes),
        },
        Physical::FIXED_LEN_BYTE_ARRAY => match (logical, converted) {
            (Some(LogicalType::Float16), _) => Err("a floating-point number of 16 bits, too few for an identifier"),
            (_, ConvertedType::INTERVAL) => Err(TIME),
            _ => Ok(LeafType::Bytes),
        },
        Physical::INT32 | Physical::INT64 => match (logical, converted) {
            (Some(LogicalType::Date | LogicalType::Time(_) | LogicalType::Timestamp(_)), _) => Err(TIME),
            (
                None,
                ConvertedType::DATE
                | ConvertedType::TIME_MILLIS
                | ConvertedType::TIME_MICROS
                | ConvertedType::TIMESTAMP_MILLIS
                | ConvertedType::TIMESTAMP_MICROS,
            ) => Err(TIME),
            (Some(LogicalType::Integer(integer)), _) if !integer.is_signed => Ok(LeafType::UnsignedInt),
            (
                None,
                ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64,
            ) => Ok(LeafType::UnsignedInt),
            _ => Ok(LeafType::Int),
        },
        Physical::INT96 => Err(TIME),
        Physical::FLOAT | Physical::DOUBLE => Ok(LeafType::Float),
        Physical::BOOLEAN => Err("a truth value, which identifies nobody"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::schema::parser::parse_message_type;

    use super::*;

    const SCHEMA: &str = "message m {
        required binary id (STRING);
        optional group actor {
            optional group emails (LIST) { repeated group list { optional binary element (STRING); } }
            repeated binary phones;
        }
        optional group two (LIST) { repeated int32 element; }
        optional group tuple (LIST) { repeated group tuple_tuple { optional int32 only; } }
        optional group twice (LIST) { repeated group list { repeated int32 element; } }
        optional group pairs (LIST) { repeated group element { required int32 a; required int32 b; } }
        optional group map (MAP) { repeated group key_value { required binary key; optional group value { optional int64 n; } } }
        repeated group events { optional binary who; repeated int32 codes; }
        optional group nested (LIST) { repeated group list { optional group element (LIST) {
            repeated group list { optional int32 element; } } } }
    }";

    fn at(path: &str) -> Result<String> {
        let schema = SchemaDescriptor::new(Arc::new(parse_message_type(SCHEMA).unwrap()));
        let leaves = resolve(&schema, &path.parse().unwrap())?;
        let paths: Vec<String> = leaves.into_iter().map(|leaf| schema.column(leaf.column).path().string()).collect();
        Ok(paths.join(", "))
    }

    #[test]
    fn every_shape_of_list_and_map_is_entered() {
        for (path, leaf) in [
            ("id", "id"),
            ("actor.emails[]", "actor.emails.list.element"),
            ("actor.phones[]", "actor.phones"),
            ("two[]", "two.element"),
            ("twice[][]", "twice.list.element"),
            ("tuple[].only", "tuple.tuple_tuple.only"),
            ("pairs[].b", "pairs.element.b"),
            ("map{}.n", "map.key_value.value.n"),
            ("events[].who", "events.who"),
            ("events[].codes[]", "events.codes"),
            ("nested[][]", "nested.list.element.list.element"),
        ] {
            assert_eq!(at(path).unwrap(), leaf, "{path}");
        }
    }

    #[test]
    fn what_does_not_fit_the_schema_is_named() {
        for path in ["nobody", "actor.nobody", "id.x"] {
            assert!(matches!(at(path), Err(Error::MissingColumn { .. })), "{path}");
        }
        for path in ["actor", "actor.emails", "actor.emails.list", "id[]", "map[]", "two{}", "events.who", "nested[]"] {
            assert!(matches!(at(path), Err(Error::ColumnType { .. })), "{path}");
        }
    }

    #[test]
    fn documents_of_bson_are_no_text() {
        for (of, is_text) in [("UTF8", true), ("ENUM", true), ("STRING", true), ("JSON", true), ("BSON", false)] {
            let schema = parse_message_type(&format!("message m {{ optional binary u ({of}); }}")).unwrap();
            let column = SchemaDescriptor::new(Arc::new(schema)).column(0);
            assert_eq!(leaf_type(&column) == Ok(LeafType::Text), is_text, "{of}");
            assert_eq!(leaf_type(&column).is_err(), !is_text, "{of}");
        }
    }
}
