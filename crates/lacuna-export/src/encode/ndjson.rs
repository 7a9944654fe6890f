//! NDJSON: an object a line, and an empty file for none.

use std::io::Write;

use super::{Lines, put};
use crate::Result;

pub(super) fn write(records: &mut Lines<'_>, out: &mut dyn Write) -> Result<()> {
    while let Some(record) = records.next()? {
        put(out, record)?;
        put(out, b"\n")?;
    }
    Ok(())
}
