//! What a column chunk's or page's metadata say of the values that are in it: whether any wanted one can be among them.
//!
//! A bound is believed only where the format defines the order that it was made in: not the deprecated `min` and `max`, not
//! without a column order. A lower bound that was cut short is still a lower bound; an upper bound that was cut short may lie
//! below the values that begin with it, and those are taken to be within. No bound nor filter of floats is believed: what writers make of
//! NaN and of the two zeros differs.

use std::collections::BTreeSet;
use std::ops::Range;

use arrow::ipc;
use parquet::arrow::ARROW_SCHEMA_META_KEY;
use parquet::basic::{ColumnOrder, Encoding, Type as Physical};
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::{ColumnChunkMetaData, FileMetaData};
use parquet::file::statistics::Statistics;

use super::leaf::LeafType;
use super::writers::fills_filters;
use crate::FieldTest;
use crate::ipc::schema::{has_dictionary, has_wide_integer, kept, kept_fields};

/// More wanted values than this are not looked up in a Bloom filter one by one: looking through the column is as quick.
const BLOOM_LOOKUPS_MAX: usize = 30_000;

/// The values of one leaf column, as its metadata compare them.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) physical: Physical,
    pub(super) values: LeafType,
    pub(super) order: ColumnOrder,
    /// Whether the schema allows no nulls.
    pub(super) is_required: bool,
}

impl Bounds {
    /// Whether a chunk with these statistics may hold a value that `test` wants.
    pub(super) fn admit_chunk(self, test: &FieldTest, statistics: Option<&Statistics>, values: u64) -> bool {
        let Some(statistics) = statistics else { return true };
        if self.contradict(statistics) {
            return true;
        }
        match (statistics.min_bytes_opt(), statistics.max_bytes_opt()) {
            (Some(min), Some(max)) if !statistics.is_min_max_deprecated() => self.admit(test, min, max),
            // Nothing but nulls.
            (None, None) => statistics.null_count_opt() != Some(values),
            _ => true,
        }
    }

    /// Whether statistics count nulls where there can be none: they, and the page index of their writer, are not believed.
    pub(super) fn contradict(self, statistics: &Statistics) -> bool {
        self.is_required && statistics.null_count_opt().is_some_and(|nulls| nulls > 0)
    }

    /// Whether values between `min` and `max` may be ones that `test` wants.
    pub(super) fn admit(self, test: &FieldTest, min: &[u8], max: &[u8]) -> bool {
        if !matches!(self.order, ColumnOrder::TYPE_DEFINED_ORDER(_)) {
            return true;
        }
        match (self.values, self.physical) {
            // Bounds in the wrong order were made in another order than this.
            (LeafType::Text | LeafType::Bytes, _) if min > max => true,
            (LeafType::Text, Physical::BYTE_ARRAY) if test.is_exact() => test.texts().any_within(&(min..=max)),
            (LeafType::Bytes, Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY) if test.is_exact() => {
                test.bytes().any_within(&(min..=max))
            }
            (LeafType::Int | LeafType::UnsignedInt, _) => match (self.int(min), self.int(max)) {
                (Some(min), Some(max)) if min <= max => test.int_set().any_within(&(min..=max)),
                _ => true,
            },
            _ => true,
        }
    }

    fn int(self, bytes: &[u8]) -> Option<i128> {
        let is_unsigned = self.values == LeafType::UnsignedInt;
        if let Ok(word) = bytes.try_into() {
            let value = i32::from_le_bytes(word);
            return Some(if is_unsigned { value.cast_unsigned().into() } else { value.into() });
        }
        let value = i64::from_le_bytes(bytes.try_into().ok()?);
        Some(if is_unsigned { value.cast_unsigned().into() } else { value.into() })
    }

    /// Whether the bounds of a chunk's pages can exclude anything, beside these statistics of the chunk. parquet-go, told to skip bounds,
    /// leaves them out there, and writes zeros for those of each page.
    pub(super) fn fits_index(self, test: &FieldTest, statistics: Option<&Statistics>) -> bool {
        let has_order = matches!(self.order, ColumnOrder::TYPE_DEFINED_ORDER(_));
        has_order
            && match self.values {
                LeafType::Text | LeafType::Bytes => test.is_exact(),
                LeafType::Int | LeafType::UnsignedInt => {
                    statistics.is_some_and(|of| of.min_bytes_opt().is_some() && of.max_bytes_opt().is_some())
                }
                LeafType::Decimal { .. } | LeafType::Float => false,
            }
    }

    /// Whether it can be told from a Bloom filter what is not in a chunk.
    pub(super) fn fits_bloom(self, test: &FieldTest) -> bool {
        match self.values {
            LeafType::Text => test.is_exact() && test.texts().len() <= BLOOM_LOOKUPS_MAX,
            LeafType::Bytes => test.is_exact() && test.bytes().len() <= BLOOM_LOOKUPS_MAX,
            LeafType::Int | LeafType::UnsignedInt => test.int_set().iter().len() <= BLOOM_LOOKUPS_MAX,
            LeafType::Decimal { .. } | LeafType::Float => false,
        }
    }

    /// Whether a chunk with this Bloom filter may hold a value that `test` wants. Ask only where it [fits](Self::fits_bloom).
    pub(super) fn admit_bloom(self, test: &FieldTest, filter: &Sbbf) -> bool {
        match (self.values, self.physical) {
            (LeafType::Text, _) => test.texts().iter().any(|text| filter.check(text)),
            (LeafType::Bytes, _) => test.bytes().iter().any(|bytes| filter.check(bytes)),
            // The filter holds the bytes as they are stored, whatever their sign.
            (_, Physical::INT32) => test.int_set().iter().any(|int| {
                let stored = i32::try_from(int).ok().or_else(|| Some(u32::try_from(int).ok()?.cast_signed()));
                stored.is_some_and(|stored| filter.check(&stored))
            }),
            (_, Physical::INT64) => test.int_set().iter().any(|int| {
                let stored = i64::try_from(int).ok().or_else(|| Some(u64::try_from(int).ok()?.cast_signed()));
                stored.is_some_and(|stored| filter.check(&stored))
            }),
            _ => true,
        }
    }
}

/// Data pages that take less than this are read with their dictionary: a second request costs more than they do.
const INDICES_BYTES_MIN: i64 = 4 << 10;

/// Where the data pages of a chunk begin, if all of them hold indices into the dictionary before them, as far as the footer says,
/// and it is worth while to look into that first.
pub(super) fn data_pages_of_indices(column: &ColumnChunkMetaData) -> Option<u64> {
    let only = |encoding| column.page_encoding_stats_mask().is_some_and(|mask| mask.is_only(encoding));
    let is_all_dictionary = only(Encoding::RLE_DICTIONARY) || only(Encoding::PLAIN_DICTIONARY);
    let Range { start: dictionary, end: data } = dictionary_range(column).filter(|_| is_all_dictionary)?;
    let indices = column.compressed_size().saturating_sub(data - dictionary);
    u64::try_from(data).ok().filter(|_| indices >= INDICES_BYTES_MIN)
}

/// Where the pages of a chunk's dictionary lie, if the footer says so and they are in front of the data pages.
fn dictionary_range(column: &ColumnChunkMetaData) -> Option<Range<i64>> {
    let dictionary = column.dictionary_page_offset().filter(|&offset| offset > 0)?;
    Some(dictionary..column.data_page_offset()).filter(|range| !range.is_empty())
}

/// Where the data pages of a chunk begin that has a dictionary in front of them.
pub(super) fn behind_dictionary(column: &ColumnChunkMetaData) -> Option<u64> {
    u64::try_from(dictionary_range(column)?.end).ok()
}

/// The leaves whose dictionaries may hold what no row has, and no bound nor filter tells of: Arrow's schema, which the file has in its
/// metadata, calls the column a dictionary, and Arrow writes all entries of such.
pub(super) fn categories(file: &FileMetaData) -> BTreeSet<usize> {
    leaves_of(file, has_dictionary)
}

/// Whether a leaf is of a column in which Arrow's schema has integers of 128 bits, as Polars writes them: to Parquet these are 16 bytes without a
/// meaning, in an order that is the writer's own.
pub(super) fn is_wide_integer(file: &FileMetaData, leaf: usize) -> bool {
    let column = file.schema_descr().column(leaf);
    column.physical_type() == Physical::FIXED_LEN_BYTE_ARRAY
        && column.type_length() == 16
        && column.logical_type_ref().is_none()
        && leaves_of(file, has_wide_integer).contains(&leaf)
}

/// The leaves of the top-level columns of which Arrow's schema, if the file has it in its metadata, says this.
fn leaves_of(file: &FileMetaData, says: impl Fn(ipc::Field<'_>) -> bool) -> BTreeSet<usize> {
    let mut pairs = file.key_value_metadata().into_iter().flatten();
    let stored = pairs.find(|pair| pair.key == ARROW_SCHEMA_META_KEY).and_then(|pair| pair.value.as_deref());
    let message = stored.and_then(|stored| kept(stored.as_bytes()));
    let fields = message.as_deref().and_then(kept_fields).unwrap_or_default();
    let named: BTreeSet<&str> =
        fields.into_iter().filter(|field| says(*field)).filter_map(|field| field.name()).collect();
    let leaves = file.schema_descr().columns().iter().enumerate();
    let leaves =
        leaves.filter(|(_, leaf)| leaf.path().parts().first().is_some_and(|name| named.contains(name.as_str())));
    leaves.map(|(leaf, _)| leaf).collect()
}

/// Where a chunk's Bloom filter lies, if the footer says where it begins and ends, and its writer is known to put all values into it.
pub(super) fn bloom_range(
    column: &ColumnChunkMetaData,
    created_by: Option<&str>,
    file_size: u64,
) -> Option<Range<u64>> {
    let encodings = column.encodings_mask();
    let has_dictionary = column.dictionary_page_offset().is_some()
        || encodings.is_set(Encoding::RLE_DICTIONARY)
        || encodings.is_set(Encoding::PLAIN_DICTIONARY);
    let range = part_range(column.bloom_filter_offset(), column.bloom_filter_length(), file_size);
    range.filter(|_| !has_dictionary || fills_filters(created_by))
}

/// Where a part lies that the footer says the place of; `None` when it does not, or the file ends before.
pub(super) fn part_range(offset: Option<i64>, length: Option<i32>, file_size: u64) -> Option<Range<u64>> {
    let start = u64::try_from(offset?).ok()?;
    let length = u64::try_from(length?).ok().filter(|&length| length > 0)?;
    Some(start..start.checked_add(length).filter(|&end| end <= file_size)?)
}
