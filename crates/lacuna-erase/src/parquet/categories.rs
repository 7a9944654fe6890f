//! Columns that readers take as categories, in the order that their dictionary has.

use arrow::ipc;
use lacuna_scan::ipc::schema::{kept, kept_fields};

use super::footer::{Footer, file_meta};
use super::thrift::Broken;

/// By leaf, whether the order of its dictionary may mean something: Arrow's schema, which the file has in its metadata, calls the column
/// a dictionary, and ordered categories are ordered as their dictionary is. All may be where that schema cannot be read.
pub(super) fn categories(footer: &Footer<'_>) -> Result<Vec<bool>, Broken> {
    let leaves = footer.schema.columns();
    let Some(encoded) = arrow_schema(footer)? else { return Ok(vec![false; leaves.len()]) };
    let message = kept(encoded);
    let fields = message.as_deref().and_then(kept_fields).unwrap_or_default();
    let is_category = |name: Option<&String>| {
        let field = fields.iter().find(|field| field.name() == name.map(String::as_str));
        field.is_none_or(|field| has_dictionary(*field))
    };
    Ok(leaves.iter().map(|leaf| is_category(leaf.path().parts().first())).collect())
}

fn arrow_schema<'a>(footer: &'a Footer<'_>) -> Result<Option<&'a [u8]>, Broken> {
    let Some(pairs) = footer.file.source_list(file_meta::KEY_VALUE)? else { return Ok(None) };
    for pair in pairs.structs() {
        let pair = pair?;
        if pair.binary(1)? == Some(b"ARROW:schema") {
            return pair.source_binary(2);
        }
    }
    Ok(None)
}

fn has_dictionary(field: ipc::Field<'_>) -> bool {
    field.dictionary().is_some() || field.children().is_some_and(|children| children.iter().any(has_dictionary))
}
