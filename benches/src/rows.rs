//! Where a user's rows lie, found by reading the whole column with an ordinary reader: given to the floor, which does not search.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use arrow::{
    array::{Array as _, AsArray as _},
    row::{RowConverter, SortField},
};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
};
use rayon::prelude::*;

use crate::floor::shards;

/// Row ordinals in each shard, in order, by the shard's path.
pub(crate) type Rows = BTreeMap<PathBuf, Vec<u64>>;

/// Rows that were written to a file.
pub(crate) fn read(file: &Path) -> Result<Rows> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

/// The rows of the Parquet shards below `dir` whose top-level `column` is `value`; shards without any are left out.
pub(crate) fn of(dir: &Path, column: &str, value: &str) -> Result<Rows> {
    of_any(dir, column, &HashSet::from([value]))
}

/// The rows whose top-level `column` is one of `values`.
pub(crate) fn of_any(dir: &Path, column: &str, values: &HashSet<&str>) -> Result<Rows> {
    let found = shards(dir, "parquet")?.into_par_iter().map(|path| {
        let rows = in_shard(&path, column, values).with_context(|| path.display().to_string())?;
        Ok((path, rows))
    });
    Ok(found.collect::<Result<Vec<_>>>()?.into_iter().filter(|(_, rows)| !rows.is_empty()).collect())
}

/// Row groups and columns in which a value goes with rows, as no other row of the group has it.
pub(crate) type Lost = BTreeSet<(usize, usize)>;

/// Where the Parquet shard loses values with `rows`.
pub(crate) fn lost(shard: &Path, rows: &[u64]) -> Result<Lost> {
    let metadata = ArrowReaderMetadata::load(&File::open(shard)?, ArrowReaderOptions::default())?;
    let (mut lost, mut first) = (Lost::new(), 0);
    for (group, of) in metadata.metadata().row_groups().iter().enumerate() {
        let next = first + u64::try_from(of.num_rows())?;
        let gone: BTreeSet<usize> = rows
            .iter()
            .filter(|row| (first..next).contains(row))
            .map(|row| usize::try_from(row - first))
            .collect::<Result<_, _>>()?;
        first = next;
        if gone.is_empty() {
            continue;
        }
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(File::open(shard)?, metadata.clone());
        let length = usize::try_from(of.num_rows())?;
        let batch = builder.with_row_groups(vec![group]).with_batch_size(length).build()?.next();
        for (column, values) in batch.context("a row group without rows")??.columns().iter().enumerate() {
            let values = RowConverter::new(vec![SortField::new(values.data_type().clone())])?
                .convert_columns(std::slice::from_ref(values))?;
            let is_lost =
                |at: usize| (0..length).all(|other| gone.contains(&other) || values.row(other) != values.row(at));
            if gone.iter().any(|&at| is_lost(at)) {
                lost.insert((group, column));
            }
        }
    }
    Ok(lost)
}

/// So many people of the tenant with rows in the shard, taken from all over it.
pub(crate) fn people(shard: &Path, tenant: &str, many: usize) -> Result<BTreeSet<String>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(shard)?)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["UserId", "TenantId"]);
    let mut people = BTreeSet::new();
    for batch in builder.with_projection(mask).with_batch_size(512).build()? {
        let batch = batch?;
        let texts = |name| batch.column_by_name(name).and_then(|values| values.as_string_opt::<i32>());
        let (ids, tenants) =
            (texts("UserId").context("no user column")?, texts("TenantId").context("no tenant column")?);
        // The first one who was not seen before.
        let own = ids.iter().zip(tenants).filter(|&(_, whose)| whose == Some(tenant)).filter_map(|(id, _)| id);
        let new = own.into_iter().find(|&id| !people.contains(id));
        people.extend(new.map(str::to_owned));
        if people.len() == many {
            return Ok(people);
        }
    }
    bail!("the shard has rows of too few people")
}

fn in_shard(path: &Path, column: &str, wanted: &HashSet<&str>) -> Result<Vec<u64>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [column]);
    let mut found = Vec::new();
    let mut first_row = 0;
    for batch in builder.with_projection(mask).with_batch_size(8192).build()? {
        let batch = batch?;
        let values = batch.columns().first().and_then(|values| values.as_string_opt::<i32>());
        let values = values.with_context(|| format!("has no text column {column}"))?;
        let here = values
            .iter()
            .zip(first_row..)
            .filter(|(have, _)| have.is_some_and(|have| wanted.contains(have)))
            .map(|(_, row)| row);
        found.extend(here);
        first_row += values.len() as u64;
    }
    Ok(found)
}
