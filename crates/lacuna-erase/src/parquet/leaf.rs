//! Column paths made into leaf columns.
//!
//! `.` enters a struct, `[]` the elements of a list (in the three-level shape, in the legacy two-level shapes, and of a bare
//! repeated field), `{}` the values of a map. The rules for legacy lists are those of the Parquet format's "Lists" section:
//! <https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#lists>.

use lacuna_scan::{ColumnPath, Error, Result, Step};
use parquet::basic::{ConvertedType, LogicalType, Repetition};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

/// The indices of the leaf columns that `path` leads to: more than one where several columns have the same name.
pub(super) fn resolve(schema: &SchemaDescriptor, path: &ColumnPath) -> Result<Vec<usize>> {
    let root = Node { ty: schema.root_schema_ptr(), leaf: 0, is_element: true };
    let mut found = Vec::new();
    follow(root, path, path.steps(), &mut found)?;
    Ok(found)
}

fn follow(node: Node, path: &ColumnPath, steps: &[Step], found: &mut Vec<usize>) -> Result<()> {
    let wrong = |found: &'static str| Error::ColumnType { column: path.as_str().to_owned(), found: found.into() };
    match steps.split_first() {
        Some((Step::Field(name), rest)) => {
            if node.is_list() || node.is_map() {
                return Err(wrong("a list or map; `[]` or `{}` enters it"));
            }
            let mut fields = node.children(|child| child.name() == name.as_str()).into_iter().peekable();
            if fields.peek().is_none() {
                return Err(Error::MissingColumn { column: path.as_str().to_owned() });
            }
            fields.try_for_each(|field| follow(field, path, rest, found))
        }
        Some((Step::Elements, rest)) => {
            let elements = node.elements().ok_or_else(|| wrong("no list, so `[]` cannot enter it"))?;
            follow(elements, path, rest, found)
        }
        Some((Step::Values, rest)) => {
            let values = node.values().ok_or_else(|| wrong("no map, so `{}` cannot enter it"))?;
            follow(values, path, rest, found)
        }
        None if node.is_list() || node.is_map() => Err(wrong("a list or map; `[]` or `{}` enters it")),
        None if node.ty.is_group() => Err(wrong("a struct; name one of its fields")),
        None => {
            found.push(node.leaf);
            Ok(())
        }
    }
}

/// A place in the schema.
struct Node {
    ty: TypePtr,
    /// The index of the first leaf in it.
    leaf: usize,
    /// Whether its repetition is already dealt with: the root, and the element of a list.
    is_element: bool,
}

impl Node {
    fn children(&self, wanted: impl Fn(&Type) -> bool) -> Vec<Self> {
        let (mut leaf, mut found) = (self.leaf, Vec::new());
        let fields = if self.ty.is_group() { self.ty.get_fields() } else { &[] };
        for child in fields {
            if wanted(child) {
                found.push(Self { ty: child.clone(), leaf, is_element: false });
            }
            leaf += leaves(child);
        }
        found
    }

    fn child(&self, wanted: impl Fn(&Type) -> bool) -> Option<Self> {
        self.children(wanted).into_iter().next()
    }

    fn is_repeated(&self) -> bool {
        !self.is_element && is_repeated(&self.ty)
    }

    fn is_list(&self) -> bool {
        self.is_repeated() || is_list(&self.ty)
    }

    fn is_map(&self) -> bool {
        !self.is_repeated() && is_map(&self.ty)
    }

    fn elements(self) -> Option<Self> {
        if self.is_repeated() {
            return Some(Self { is_element: true, ..self });
        }
        if !is_list(&self.ty) {
            return None;
        }
        let repeated = self.child(is_repeated)?;
        let is_itself = !repeated.ty.is_group()
            || repeated.ty.get_fields().len() != 1
            || repeated.ty.get_fields().iter().any(|child| is_repeated(child))
            || repeated.ty.name() == "array"
            || repeated.ty.name() == format!("{}_tuple", self.ty.name());
        if is_itself { Some(Self { is_element: true, ..repeated }) } else { repeated.child(|_| true) }
    }

    fn values(self) -> Option<Self> {
        if !self.is_map() {
            return None;
        }
        let entries = self.child(is_repeated)?;
        let key = entries.ty.is_group().then(|| entries.ty.get_fields().first().cloned()).flatten()?;
        let value = entries.ty.get_fields().get(1)?.clone();
        Some(Self { ty: value, leaf: entries.leaf + leaves(&key), is_element: false })
    }
}

fn is_repeated(ty: &Type) -> bool {
    let info = ty.get_basic_info();
    info.has_repetition() && info.repetition() == Repetition::REPEATED
}

fn is_list(ty: &Type) -> bool {
    let info = ty.get_basic_info();
    ty.is_group()
        && (info.logical_type_ref() == Some(&LogicalType::List) || info.converted_type() == ConvertedType::LIST)
}

fn is_map(ty: &Type) -> bool {
    let info = ty.get_basic_info();
    ty.is_group()
        && (info.logical_type_ref() == Some(&LogicalType::Map)
            || matches!(info.converted_type(), ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE))
}

fn leaves(ty: &Type) -> usize {
    if ty.is_group() { ty.get_fields().iter().map(|child| leaves(child)).sum() } else { 1 }
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
        optional group pairs (LIST) { repeated group element { required int32 a; required int32 b; } }
        optional group map (MAP) { repeated group key_value { required binary key; optional group value { optional int64 n; } } }
        repeated group events { optional binary who; repeated int32 codes; }
        optional group nested (LIST) { repeated group list { optional group element (LIST) {
            repeated group list { optional int32 element; } } } }
    }";

    fn at(path: &str) -> Result<String> {
        let schema = SchemaDescriptor::new(Arc::new(parse_message_type(SCHEMA).unwrap()));
        let leaves = resolve(&schema, &path.parse().unwrap())?;
        let paths: Vec<String> = leaves.into_iter().map(|leaf| schema.column(leaf).path().string()).collect();
        Ok(paths.join(", "))
    }

    #[test]
    fn every_shape_of_list_and_map_is_entered() {
        for (path, leaf) in [
            ("id", "id"),
            ("actor.emails[]", "actor.emails.list.element"),
            ("actor.phones[]", "actor.phones"),
            ("two[]", "two.element"),
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
}
