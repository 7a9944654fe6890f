//! JSON: one array, a record a line: `[{…},\n{…}]\n`, and `[]\n` for none.

use std::io::Write;

use super::{Lines, put};
use crate::Result;

pub(super) fn write(records: &mut Lines<'_>, out: &mut dyn Write) -> Result<()> {
    let mut before: &[u8] = b"[";
    while let Some(record) = records.next()? {
        put(out, before)?;
        put(out, record)?;
        before = b",\n";
    }
    put(out, if before == b"[" { b"[]\n" } else { b"]\n" })
}
