//! The values that rows hold in mapped columns.

use std::io::Read;

use roaring::RoaringTreemap;

use super::ahead::Ahead;
use super::reader::Event;
use super::records::each_event;
use super::resolve::{Path, resolve_present};
use super::values;
use crate::{HeldValue, Limits, Mapping, Result};

/// The values that `rows` of a shard hold in the columns of `mapping`, each with the index of its field in the mapping's order. A column
/// that the shard does not have holds none. `ahead` is what must be read ahead of it.
///
/// Fails when the shard cannot be read, or a column cannot hold an identifier.
pub fn held_values(
    input: &mut dyn Read,
    ahead: Ahead,
    mapping: &Mapping,
    limits: &Limits,
    rows: &RoaringTreemap,
) -> Result<Vec<(usize, HeldValue)>> {
    let mut paths: Vec<(usize, Path)> = Vec::new();
    let (mut first, mut held) = (0_u64, Vec::new());
    each_event(input, ahead, limits, &mut |event| {
        match event {
            Event::Schema(_, table) => {
                for (index, field) in mapping.fields().enumerate() {
                    paths.extend(resolve_present(&field.column, &table)?.into_iter().map(|path| (index, path)));
                }
            }
            Event::Rows(_, batch) => {
                let end = first + batch.batch.rows as u64;
                if rows.range_cardinality(first..end) > 0 {
                    for (index, path) in &paths {
                        values::for_each(&batch.column(path.column)?, &path.steps, &mut |row, value| {
                            if rows.contains(first + row as u64) {
                                held.extend(HeldValue::of(value).map(|held| (*index, held)));
                            }
                        });
                    }
                }
                first = end;
            }
            Event::Marker(_) | Event::Dictionary(..) => {}
        }
        Ok(())
    })?;
    Ok(held)
}
