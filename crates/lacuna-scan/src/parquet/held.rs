//! The values that taken rows hold in mapped columns.

use parquet::basic::Type as Physical;
use parquet::file::metadata::ParquetMetaData;

use super::leaf::{Leaf, LeafType, resolve};
use super::taken::TakenRows;
use super::values::{DECIMAL_BYTES_MAX, DECIMAL_TOO_LONG};
use crate::{Error, HeldValue, Mapping, Result, Value};

/// The leaf columns of `mapping` in a file's schema, in the mapping's order, each behind the index of its field. A column that the file
/// does not have holds no values.
///
/// Fails when a column cannot hold an identifier.
pub fn mapped_leaves(metadata: &ParquetMetaData, mapping: &Mapping) -> Result<Vec<(usize, Leaf)>> {
    let schema = metadata.file_metadata().schema_descr();
    let mut leaves = Vec::new();
    for (index, field) in mapping.fields().enumerate() {
        let of_field = match resolve(schema, &field.column) {
            Err(Error::MissingColumn { .. }) => Vec::new(),
            found => found?,
        };
        leaves.extend(of_field.into_iter().map(|leaf| (index, leaf)));
    }
    Ok(leaves)
}

/// The values that `taken` rows hold in these leaf columns, each with the index of its field.
pub fn held_values(
    taken: &TakenRows,
    metadata: &ParquetMetaData,
    leaves: &[(usize, Leaf)],
) -> Result<Vec<(usize, HeldValue)>> {
    let schema = metadata.file_metadata().schema_descr();
    let mut held = Vec::new();
    for &(index, leaf) in leaves {
        let descriptor = schema.column(leaf.column);
        let mut bytes = &taken.columns[leaf.column].values[..];
        while !bytes.is_empty() {
            let (value, rest) = split(descriptor.physical_type(), descriptor.type_length(), bytes)
                .ok_or_else(|| Error::malformed(0, "a taken value is cut short"))?;
            if matches!(leaf.values, LeafType::Decimal { .. }) && value.len() > DECIMAL_BYTES_MAX {
                let column = descriptor.path().string();
                return Err(Error::malformed(0, format!("column {column}: {DECIMAL_TOO_LONG}")));
            }
            held.extend(value_of(leaf.values, descriptor.physical_type(), value).map(|held| (index, held)));
            bytes = rest;
        }
    }
    Ok(held)
}

/// The first of plainly encoded values, without its length; and the rest.
fn split(physical: Physical, length: i32, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let width = match physical {
        Physical::BYTE_ARRAY => {
            let (prefix, rest) = bytes.split_first_chunk::<4>()?;
            return rest.split_at_checked(usize::try_from(u32::from_le_bytes(*prefix)).ok()?);
        }
        Physical::INT32 | Physical::FLOAT => 4,
        Physical::INT64 | Physical::DOUBLE => 8,
        Physical::FIXED_LEN_BYTE_ARRAY => usize::try_from(length).ok().filter(|&length| length > 0)?,
        Physical::BOOLEAN | Physical::INT96 => return None,
    };
    bytes.split_at_checked(width)
}

fn value_of(values: LeafType, physical: Physical, plain: &[u8]) -> Option<HeldValue> {
    let int = match physical {
        Physical::INT32 => Some(i64::from(i32::from_le_bytes(plain.try_into().ok()?))),
        Physical::INT64 => Some(i64::from_le_bytes(plain.try_into().ok()?)),
        _ => None,
    };
    let value = match (values, int) {
        (LeafType::Decimal { scale }, Some(int)) => {
            return HeldValue::of(Value::Decimal { unscaled: &int.to_be_bytes(), scale: scale.into() });
        }
        (LeafType::UnsignedInt, Some(int)) if physical == Physical::INT32 => {
            Value::Int((int & i64::from(u32::MAX)).into())
        }
        (LeafType::UnsignedInt, Some(int)) => Value::Int(int.cast_unsigned().into()),
        (_, Some(int)) => Value::Int(int.into()),
        (LeafType::Float, None) if physical == Physical::FLOAT => {
            Value::Single(f32::from_le_bytes(plain.try_into().ok()?))
        }
        (LeafType::Float, None) => Value::Double(f64::from_le_bytes(plain.try_into().ok()?)),
        (LeafType::Text, None) => Value::Text(plain),
        (LeafType::Decimal { scale }, None) => Value::Decimal { unscaled: plain, scale: scale.into() },
        (LeafType::Bytes | LeafType::Int | LeafType::UnsignedInt, None) => Value::Bytes(plain),
    };
    HeldValue::of(value)
}
