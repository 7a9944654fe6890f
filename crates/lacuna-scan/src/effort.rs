//! What a search cost, step by step: cost follows what must be looked at, and these numbers show whether it does.

use std::ops::AddAssign;

/// What was decoded to answer a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Bytes that pages, buffers or text had once they were decompressed.
    pub bytes_decompressed: u64,
    /// Parquet pages that were decompressed, dictionaries among them.
    pub pages_decoded: u64,
    /// Rows that were decoded in more than the columns that a search looks at: those handed out, and the records of a text that were
    /// parsed.
    pub rows_decoded: u64,
}

impl AddAssign for Effort {
    fn add_assign(&mut self, other: Self) {
        self.bytes_decompressed += other.bytes_decompressed;
        self.pages_decoded += other.pages_decoded;
        self.rows_decoded += other.rows_decoded;
    }
}
