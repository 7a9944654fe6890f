//! Byte arrays of which a page tells the lengths first: what they take, told before they are decoded.
//!
//! The decoder believes the lengths' own count, and copies what a value shares with the one before it: a page of a few bytes may ask
//! for any memory.

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::data_type::Int32Type;
use parquet::decoding::{Decoder, DeltaBitPackDecoder};
use parquet::errors::{ParquetError, Result};

/// The four numbers in front of lengths take no more.
const HEADER_MAX: usize = 40;
/// So many lengths are looked at together.
const BATCH: usize = 1024;

/// How many bytes the values of a page and their lengths take once they are decoded. Counting ends above `most`. 0 for encodings that
/// have no lengths in front.
///
/// # Errors
/// When the lengths cannot be read.
pub fn decoded_bytes(encoding: Encoding, encoded: &[u8], most: u64) -> Result<u64> {
    match encoding {
        // The values themselves lie in the page.
        Encoding::DELTA_LENGTH_BYTE_ARRAY => {
            let header = &encoded[..encoded.len().min(HEADER_MAX)];
            Ok(size(&lengths(Bytes::copy_from_slice(header))?))
        }
        Encoding::DELTA_BYTE_ARRAY => {
            let encoded = Bytes::copy_from_slice(encoded);
            let (shared, end) = sum(encoded.clone(), most)?;
            if shared > most {
                return Ok(shared);
            }
            if end > encoded.len() {
                return Err(ParquetError::EOF("a page ends within its lengths".into()));
            }
            Ok(shared.saturating_add(sum(encoded.slice(end..), most)?.0))
        }
        _ => Ok(0),
    }
}

/// The lengths that `encoded` begins with.
fn lengths(encoded: Bytes) -> Result<DeltaBitPackDecoder<Int32Type>> {
    let mut lengths = DeltaBitPackDecoder::new();
    // They tell their count themselves.
    lengths.set_data(encoded, 0)?;
    Ok(lengths)
}

/// What the lengths themselves take.
fn size(lengths: &DeltaBitPackDecoder<Int32Type>) -> u64 {
    (lengths.values_left() as u64).saturating_mul(size_of::<i32>() as u64)
}

/// The sum of the lengths that `encoded` begins with and of what they take themselves, and where they end.
fn sum(encoded: Bytes, most: u64) -> Result<(u64, usize)> {
    let mut lengths = lengths(encoded)?;
    let mut sum = size(&lengths);
    let mut batch = [0; BATCH];
    while lengths.values_left() > 0 && sum <= most {
        let read = lengths.get(&mut batch)?;
        // The decoder refuses what is below zero.
        let known = batch[..read].iter().filter_map(|&length| u64::try_from(length).ok());
        sum = known.fold(sum, u64::saturating_add);
    }
    Ok((sum, lengths.get_offset()))
}

#[cfg(test)]
mod tests {
    use parquet::data_type::{ByteArray, ByteArrayType};
    use parquet::encoding::get_encoder;
    use parquet::schema::types::{ColumnDescriptor, ColumnPath, Type};

    use super::*;

    fn encoded(values: &[&str], encoding: Encoding) -> Bytes {
        let of = Type::primitive_type_builder("word", parquet::basic::Type::BYTE_ARRAY).build().unwrap();
        let column = ColumnDescriptor::new(of.into(), 0, 0, ColumnPath::from("word"));
        let mut encoder = get_encoder::<ByteArrayType>(encoding, &column.into()).unwrap();
        encoder.put(&values.iter().map(|&value| ByteArray::from(value)).collect::<Vec<_>>()).unwrap();
        encoder.flush_buffer().unwrap()
    }

    #[test]
    fn what_values_share_counts_for_each() {
        let word = "x".repeat(1000);
        let values = vec![word.as_str(); 3000];
        let page = encoded(&values, Encoding::DELTA_BYTE_ARRAY);
        assert!(page.len() < 10_000);
        assert_eq!(decoded_bytes(Encoding::DELTA_BYTE_ARRAY, &page, u64::MAX).unwrap(), 3000 * (1000 + 2 * 4));
        assert!(decoded_bytes(Encoding::DELTA_BYTE_ARRAY, &page, 1 << 20).unwrap() > 1 << 20);
        let page = encoded(&values, Encoding::DELTA_LENGTH_BYTE_ARRAY);
        assert_eq!(decoded_bytes(Encoding::DELTA_LENGTH_BYTE_ARRAY, &page, u64::MAX).unwrap(), 3000 * 4);
    }

    #[test]
    fn a_forged_count_is_seen() {
        // Blocks of 128 in 4 parts, 2^40 lengths, the first of which is 0.
        let page = [0x80, 1, 4, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0];
        for encoding in [Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
            assert_eq!(decoded_bytes(encoding, &page, 1 << 20).unwrap(), 1 << 42);
            assert!(decoded_bytes(encoding, &page[..5], 1 << 20).is_err());
        }
    }
}
