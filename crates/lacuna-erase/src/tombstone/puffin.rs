//! A Puffin file that holds one `deletion-vector-v1` blob and nothing else.
//!
//! The magic `PFA1`, the blob, and the footer: the magic, a JSON payload that says what the blob is, the payload's length (4 bytes,
//! little-endian), 4 bytes of flags, the magic.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Fault;
use crate::Result;

const MAGIC: [u8; 4] = *b"PFA1";
const BLOB_TYPE: &str = "deletion-vector-v1";

/// The field id of a row's position, which the Iceberg table specification reserves; its writer names it here.
const ROW_POSITION: i32 = i32::MAX - 2;

/// Stands for a snapshot and a sequence number that are not known yet, as the specification demands for this type.
const INHERITED: i64 = -1;

/// In the first byte of the flags.
const COMPRESSED: u8 = 1;

/// Properties of a file or a blob. Ordered, so that the same ones make the same bytes.
pub type Properties = BTreeMap<String, String>;

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Puffin<'a> {
    /// The deletion vector, undecoded.
    pub blob: &'a [u8],
    /// Its properties.
    pub blob_properties: Properties,
    /// The file's properties.
    pub properties: Properties,
}

#[derive(Deserialize, Serialize)]
struct FileMetadata {
    blobs: Vec<BlobMetadata>,
    #[serde(default)]
    properties: Properties,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
struct BlobMetadata {
    r#type: String,
    fields: Vec<i32>,
    snapshot_id: i64,
    sequence_number: i64,
    offset: usize,
    length: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compression_codec: Option<String>,
    #[serde(default)]
    properties: Properties,
}

/// The file's bytes.
pub fn write(file: &Puffin<'_>) -> Result<Vec<u8>> {
    let blob = BlobMetadata {
        r#type: BLOB_TYPE.into(),
        fields: vec![ROW_POSITION],
        snapshot_id: INHERITED,
        sequence_number: INHERITED,
        offset: MAGIC.len(),
        length: file.blob.len(),
        compression_codec: None,
        properties: file.blob_properties.clone(),
    };
    let metadata = FileMetadata { blobs: vec![blob], properties: file.properties.clone() };
    let payload = serde_json::to_vec(&metadata).map_err(Fault::Footer)?;
    let size = i32::try_from(payload.len()).map_err(|_| Fault::Puffin("has a footer that is too long"))?;
    let bytes = [&MAGIC[..], file.blob, &MAGIC, &payload, &size.to_le_bytes(), &[0; 4], &MAGIC].concat();
    Fault::check_size(bytes.len())?;
    Ok(bytes)
}

/// What is in the file.
///
/// Properties and JSON members that are not known are let pass, as is what `fields` says. Anything else that the specification
/// does not have is an error, and so is a compressed footer.
pub fn read(bytes: &[u8]) -> Result<Puffin<'_>> {
    Fault::check_size(bytes.len())?;
    let (front, payload) = split(bytes)?;
    let FileMetadata { blobs, properties } = serde_json::from_slice(payload).map_err(Fault::Footer)?;
    let Ok([blob]) = <[BlobMetadata; 1]>::try_from(blobs) else {
        return Err(Fault::Puffin("does not hold exactly one blob").into());
    };
    if blob.r#type != BLOB_TYPE {
        return Err(Fault::Puffin("holds a blob that is no deletion vector").into());
    }
    if blob.compression_codec.is_some() {
        return Err(Fault::Puffin("holds a compressed deletion vector").into());
    }
    if (blob.snapshot_id, blob.sequence_number) != (INHERITED, INHERITED) {
        return Err(Fault::Puffin("ties its deletion vector to a snapshot").into());
    }
    if (blob.offset, blob.length) != (MAGIC.len(), front.len()) {
        return Err(Fault::Puffin("has a blob that is not what lies before the footer").into());
    }
    Ok(Puffin { blob: front, blob_properties: blob.properties, properties })
}

/// What lies between the first magic and the footer, and the footer's payload.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let cut_off = || Fault::Puffin("is cut off");
    let rest = bytes.strip_prefix(&MAGIC).ok_or(Fault::Puffin("does not begin with its magic bytes"))?;
    let rest = rest.strip_suffix(&MAGIC).ok_or(Fault::Puffin("does not end with its magic bytes"))?;
    let (rest, flags) = rest.split_last_chunk::<4>().ok_or_else(cut_off)?;
    let (rest, size) = rest.split_last_chunk::<4>().ok_or_else(cut_off)?;
    if flags[0] & COMPRESSED != 0 {
        return Err(Fault::Puffin("has a compressed footer, which this version does not read"));
    }
    if *flags != [0; 4] {
        return Err(Fault::Puffin("has flags that this version does not know"));
    }
    let size = usize::try_from(i32::from_le_bytes(*size)).ok();
    let start = size.and_then(|size| rest.len().checked_sub(size));
    let (front, payload) = rest.split_at(start.ok_or(Fault::Puffin("has a footer of an impossible length"))?);
    let front =
        front.strip_suffix(&MAGIC).ok_or(Fault::Puffin("has a footer that does not begin with its magic bytes"))?;
    Ok((front, payload))
}
