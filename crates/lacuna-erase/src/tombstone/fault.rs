//! What can be wrong with a tombstone.

/// Why bytes are no tombstone, or why one cannot be written. Never carries an identifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes are no Puffin file, or one that holds other things than a tombstone does.
    #[error("its Puffin file {0}")]
    Puffin(&'static str),
    /// The footer's payload is not the JSON that the Puffin specification describes.
    #[error("the footer of its Puffin file is no file metadata")]
    Footer(#[source] serde_json::Error),
    /// The blob contradicts the specification of `deletion-vector-v1`.
    #[error("its deletion vector {0}")]
    Vector(&'static str),
    /// The blob holds bytes that are no roaring bitmap.
    #[error("its deletion vector holds no roaring bitmap")]
    Bitmap(#[source] std::io::Error),
    /// A hidden row is behind the shard's last one.
    #[error("it hides row {row} of a shard of {rows} rows")]
    NoSuchRow {
        /// The row's ordinal.
        row: u64,
        /// How many rows there are.
        rows: u64,
    },
    /// A property is missing, cannot be read, or does not agree with the rest.
    #[error("its property `{0}` is missing or wrong")]
    Property(&'static str),
    /// Rows of one version of a shard cannot be hidden in another.
    #[error("it is of another shard, or of another version of it")]
    OtherVersion,
    /// It is larger than [`BYTES_MAX`](super::BYTES_MAX).
    #[error("its {bytes} bytes are over the limit of {limit}")]
    TooLarge {
        /// How large it is.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
}

impl Fault {
    /// Fails when `bytes` are more than a tombstone may have.
    pub(super) fn check_size(bytes: usize) -> Result<(), Self> {
        let limit = super::BYTES_MAX;
        if bytes > limit { Err(Self::TooLarge { bytes, limit }) } else { Ok(()) }
    }
}
