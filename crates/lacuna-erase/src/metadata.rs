//! Key-value metadata, as far as it may hold somebody's values.

use std::borrow::Cow;

use arrow::ipc;
use lacuna_scan::ipc::schema::kept;

use crate::escapes::readings;
use crate::pandas;

/// What `key` and `value` may say, but for what tells of a table's structure.
pub(crate) fn texts<'t>(key: &'t [u8], value: &'t [u8]) -> Vec<Cow<'t, [u8]>> {
    let rest = match key {
        pandas::KEY => pandas::without_structure(value).map(|rest| owned(readings(&rest))),
        b"ARROW:schema" => kept(value).and_then(|message| of_schema(&message)),
        _ => None,
    };
    rest.unwrap_or_else(|| [key, value].into_iter().flat_map(readings).collect())
}

fn owned(texts: Vec<Cow<'_, [u8]>>) -> Vec<Cow<'static, [u8]>> {
    texts.into_iter().map(|text| text.into_owned().into()).collect()
}

/// The texts of a schema's metadata and of its columns', and all of its message without those and without what the shard's own schema says
/// too: the columns' names, and time zones. `None` when it is no schema.
fn of_schema(message: &[u8]) -> Option<Vec<Cow<'static, [u8]>>> {
    let schema = ipc::root_as_message(message).ok()?.header_as_schema()?;
    let mut parts = Parts { texts: Vec::new(), seen: Vec::new() };
    parts.pairs(schema.custom_metadata());
    schema.fields().into_iter().flatten().for_each(|field| parts.field(field));
    let mut rest = message.to_vec();
    for part in parts.seen {
        let at = part.as_ptr() as usize - message.as_ptr() as usize;
        rest[at..at + part.len()].fill(0);
    }
    parts.texts.extend(owned(readings(&rest)));
    Some(parts.texts)
}

/// What was found in a schema.
struct Parts<'m> {
    texts: Vec<Cow<'static, [u8]>>,
    seen: Vec<&'m str>,
}

impl<'m> Parts<'m> {
    fn pairs(&mut self, pairs: Option<impl IntoIterator<Item = ipc::KeyValue<'m>>>) {
        for pair in pairs.into_iter().flatten() {
            let (key, value) = (pair.key().unwrap_or_default(), pair.value().unwrap_or_default());
            self.texts.extend(owned(texts(key.as_bytes(), value.as_bytes())));
            self.seen.extend([pair.key(), pair.value()].into_iter().flatten());
        }
    }

    fn field(&mut self, field: ipc::Field<'m>) {
        self.seen.extend(field.name());
        self.seen.extend(field.type_as_timestamp().and_then(|timestamp| timestamp.timezone()));
        self.pairs(field.custom_metadata());
        field.children().into_iter().flatten().for_each(|child| self.field(child));
    }
}
