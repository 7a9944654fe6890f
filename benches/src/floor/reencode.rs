//! Decoding and encoding all of a shard: what a rewrite costs that copies nothing.

use std::{fs::File, path::Path};

use anyhow::Result;
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use super::{Floor, spread::spread};

/// Decodes the shard's row groups and encodes them again into files in `out`, one for each, on all cores.
pub(crate) fn reencode(shard: &Path, out: &Path) -> Result<Floor> {
    let groups = ParquetRecordBatchReaderBuilder::try_new(File::open(shard)?)?.metadata().num_row_groups();
    let groups: Vec<usize> = (0..groups).collect();
    spread(&groups, |(), &group| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(shard)?)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_max_row_group_row_count(None)
            .build();
        let file = File::create(out.join(format!("{group}.parquet")))?;
        let mut writer = ArrowWriter::try_new(file, reader.schema().clone(), Some(properties))?;
        let mut rows = 0;
        for batch in reader.with_row_groups(vec![group]).with_batch_size(8192).build()? {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            writer.write(&batch)?;
        }
        writer.close()?;
        Ok(Floor { values: rows, ..Floor::default() })
    })
}
