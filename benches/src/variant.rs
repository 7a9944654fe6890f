//! The benchmarks' table as it may lie on disk: the same rows each time.

use lacuna_benches::corpus::{Compression, Format, ParquetLayout, Sample, TextCodec};

/// How the table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Variant {
    /// Parquet in zstd; the user column's dictionary is full after a third of each row group.
    Zstd,
    /// The same in Snappy.
    Snappy,
    /// Zstd, with room in the user column's dictionaries for all of a row group's users.
    Dictionary,
    /// Zstd, with Bloom filters on the user column.
    Bloom,
    /// Zstd, each shard sorted by user.
    Sorted,
    /// NDJSON in zstd frames of 4 MiB of text.
    NdjsonZst,
    /// NDJSON in gzip members of 4 MiB of text.
    NdjsonGz,
    /// One Parquet shard of a gigabyte: the zstd variant's row groups, over and over.
    #[value(name = "1gb")]
    OneGb,
    /// One of ten gigabytes.
    #[value(name = "10gb")]
    TenGb,
}

impl Variant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
            Self::Dictionary => "dictionary",
            Self::Bloom => "bloom",
            Self::Sorted => "sorted",
            Self::NdjsonZst => "ndjson-zst",
            Self::NdjsonGz => "ndjson-gz",
            Self::OneGb => "1gb",
            Self::TenGb => "10gb",
        }
    }

    /// Whether an index of the user column tells nearly all row groups that they lack a user.
    pub(crate) fn is_indexed(self) -> bool {
        matches!(self, Self::Bloom | Self::Sorted)
    }

    /// Bytes of the single shard that is put together from another variant's row groups.
    pub(crate) fn repeated_to(self) -> Option<u64> {
        match self {
            Self::OneGb => Some(1_000_000_000),
            Self::TenGb => Some(10_000_000_000),
            _ => None,
        }
    }

    /// What lines are compressed with; `None` for Parquet.
    pub(crate) fn text(self) -> Option<TextCodec> {
        match self {
            Self::NdjsonZst => Some(TextCodec::Zstd),
            Self::NdjsonGz => Some(TextCodec::Gzip),
            _ => None,
        }
    }

    /// `sample`, written like this.
    pub(crate) fn of(self, sample: &Sample) -> Sample {
        let zstd = &sample.parquet;
        let parquet = match self {
            Self::Snappy => ParquetLayout { compression: Compression::Snappy, ..zstd.clone() },
            // A row group's users take 5 MB at most.
            Self::Dictionary => ParquetLayout { user_dictionary_max: Some(64 << 20), ..zstd.clone() },
            Self::Bloom => ParquetLayout { bloom_filters: true, ..zstd.clone() },
            Self::Sorted => ParquetLayout { sorted_by_user: true, ..zstd.clone() },
            _ => zstd.clone(),
        };
        let mut sample = Sample { parquet, ..sample.clone() };
        if let Some(codec) = self.text() {
            sample.formats = vec![Format::Ndjson];
            sample.text_codecs = vec![codec];
        }
        sample
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use parquet::{
        basic::{Compression as Codec, Encoding},
        file::reader::{FileReader as _, SerializedFileReader},
    };

    use super::*;

    /// One row group of many users.
    fn first_shard(variant: Variant) -> (tempfile::TempDir, SerializedFileReader<File>) {
        let dir = tempfile::tempdir().unwrap();
        let sample = Sample { rows: 120_000, shard_rows: 120_000, throng: 0, ..Sample::benchmark() };
        let written = variant.of(&sample).write(dir.path(), &|_| {}).unwrap();
        let shard = File::open(dir.path().join(&written.sources[0].paths[0])).unwrap();
        (dir, SerializedFileReader::new(shard).unwrap())
    }

    fn is_dictionary_throughout(shard: &SerializedFileReader<File>) -> bool {
        let pages = shard.metadata().row_group(0).column(2).page_encoding_stats_mask();
        pages.unwrap().is_only(Encoding::RLE_DICTIONARY)
    }

    #[test]
    fn variants_lie_as_they_are_called() {
        let (_dir, zstd) = first_shard(Variant::Zstd);
        let (_dir, snappy) = first_shard(Variant::Snappy);
        let (_dir, dictionary) = first_shard(Variant::Dictionary);
        let (_dir, bloom) = first_shard(Variant::Bloom);
        let (_dir, sorted) = first_shard(Variant::Sorted);
        let user = |shard: &SerializedFileReader<File>| shard.metadata().row_group(0).column(2).clone();
        assert!(matches!(user(&zstd).compression(), Codec::ZSTD(_)));
        assert_eq!(user(&snappy).compression(), Codec::SNAPPY);
        assert!(!is_dictionary_throughout(&zstd) && is_dictionary_throughout(&dictionary));
        assert!(user(&zstd).bloom_filter_offset().is_none() && user(&bloom).bloom_filter_offset().is_some());
        assert_eq!(sorted.metadata().row_group(0).sorting_columns().unwrap()[0].column_idx, 2);
    }
}
