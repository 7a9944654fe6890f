//! The blob `deletion-vector-v1` of the Puffin specification: a set of rows.
//!
//! The length of magic and vector (4 bytes, big-endian), the magic `D1 D3 39 64`, the vector, and the CRC-32 of magic and vector
//! (big-endian). The vector is the "portable" form of a 64-bit roaring bitmap: how many 32-bit bitmaps (8 bytes, little-endian),
//! then for each, by ascending key, the upper half of its rows (4 bytes, little-endian) and the bitmap.

use roaring::{RoaringBitmap, RoaringTreemap};

use super::Fault;
use crate::Result;

const MAGIC: [u8; 4] = [0xD1, 0xD3, 0x39, 0x64];

/// The most rows that a shard may have: the top bit of a position is 0.
const ROWS_MAX: u64 = 1 << 63;

/// The blob for these rows. Containers are stored in whichever of their three forms is the smallest, as other writers do.
pub fn encode(rows: &RoaringTreemap) -> Result<Vec<u8>> {
    check(rows, ROWS_MAX)?;
    let mut rows = rows.clone();
    rows.optimize();
    let length = MAGIC.len() + rows.serialized_size();
    Fault::check_size(length)?;
    let prefix = u32::try_from(length).map_err(|_| Fault::Vector("is too long for its own length"))?;
    let mut blob = Vec::with_capacity(length + 8);
    blob.extend(prefix.to_be_bytes());
    blob.extend(MAGIC);
    rows.serialize_into(&mut blob)?;
    let crc = crc32fast::hash(&blob[4..]);
    blob.extend(crc.to_be_bytes());
    Ok(blob)
}

/// The rows that the blob holds, all of them among the `rows` that the shard has.
///
/// Empty 32-bit bitmaps are allowed, as Iceberg's own writer fills gaps between keys with them. Memory stays within a few times
/// the blob's length.
pub fn decode(blob: &[u8], rows: u64) -> Result<RoaringTreemap> {
    let mut rest = vector(blob)?;
    let count = u64::from_le_bytes(take(&mut rest)?);
    let mut bitmaps: Vec<(u32, RoaringBitmap)> = Vec::new();
    let mut last = None;
    for _ in 0..count {
        let key = u32::from_le_bytes(take(&mut rest)?);
        if last.replace(key).is_some_and(|last| last >= key) {
            return Err(Fault::Vector("has keys out of order").into());
        }
        let bitmap = bitmap(&mut rest)?;
        if !bitmap.is_empty() {
            bitmaps.push((key, bitmap));
        }
    }
    if !rest.is_empty() {
        return Err(Fault::Vector("goes on behind its last bitmap").into());
    }
    let hidden = RoaringTreemap::from_bitmaps(bitmaps);
    check(&hidden, rows.min(ROWS_MAX))?;
    Ok(hidden)
}

/// Fails when the last of `hidden` is not among the shard's `rows`.
pub(super) fn check(hidden: &RoaringTreemap, rows: u64) -> Result<(), Fault> {
    match hidden.max() {
        Some(row) if row >= rows => Err(Fault::NoSuchRow { row, rows }),
        _ => Ok(()),
    }
}

/// What lies between the magic and the checksum.
fn vector(blob: &[u8]) -> Result<&[u8], Fault> {
    let mut rest = blob;
    let length = u32::from_be_bytes(take(&mut rest)?);
    let (covered, crc) = rest.split_last_chunk().ok_or(Fault::Vector("is cut off"))?;
    if u32::try_from(covered.len()) != Ok(length) {
        return Err(Fault::Vector("has another length than it says"));
    }
    let vector = covered.strip_prefix(&MAGIC).ok_or(Fault::Vector("does not begin with its magic bytes"))?;
    if crc32fast::hash(covered) != u32::from_be_bytes(*crc) {
        return Err(Fault::Vector("does not have the checksum that it says"));
    }
    Ok(vector)
}

/// The 32-bit bitmap at the front of `rest`.
fn bitmap(rest: &mut &[u8]) -> Result<RoaringBitmap> {
    let all = *rest;
    let bitmap = RoaringBitmap::deserialize_from(&mut *rest).map_err(Fault::Bitmap)?;
    // The decoder passes over the offsets and some of the cardinalities, which another reader may go by.
    let read = &all[..all.len() - rest.len()];
    let mut again = Vec::with_capacity(bitmap.serialized_size());
    bitmap.serialize_into(&mut again)?;
    if again != read {
        return Err(Fault::Vector("holds a bitmap that contradicts its own header").into());
    }
    Ok(bitmap)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Fault> {
    let (taken, behind) = rest.split_first_chunk().ok_or(Fault::Vector("is cut off"))?;
    *rest = behind;
    Ok(*taken)
}
