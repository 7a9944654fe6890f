//! Columns that readers take as categories, in the order that their dictionary has.

use arrow::ipc;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::footer::{Footer, file_meta};
use super::thrift::Broken;

/// By leaf, whether the order of its dictionary may mean something: Arrow's schema, which the file has in its metadata, calls the column
/// a dictionary, and ordered categories are ordered as their dictionary is. All may be where that schema cannot be read.
pub(super) fn categories(footer: &Footer<'_>) -> Result<Vec<bool>, Broken> {
    let leaves = footer.schema.columns();
    let Some(encoded) = arrow_schema(footer)? else { return Ok(vec![false; leaves.len()]) };
    let message = BASE64_STANDARD.decode(encoded).unwrap_or_default();
    let fields = fields(&message);
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

/// The fields of a schema, which stands in `message` with the marks that messages have in a stream, or without.
fn fields(message: &[u8]) -> Vec<ipc::Field<'_>> {
    const CONTINUES: [u8; 4] = [0xff; 4];
    const LENGTH: usize = 4;
    let message = match message.strip_prefix(&CONTINUES) {
        Some(behind) => behind.get(LENGTH..).unwrap_or_default(),
        None => message,
    };
    let schema = ipc::root_as_message(message).ok().and_then(|message| message.header_as_schema());
    schema.and_then(|schema| schema.fields()).map(|fields| fields.iter().collect()).unwrap_or_default()
}

fn has_dictionary(field: ipc::Field<'_>) -> bool {
    field.dictionary().is_some() || field.children().is_some_and(|children| children.iter().any(has_dictionary))
}
