//! Columns that readers take as categories, in the order that their dictionary has. Each row group says anew which there are; readers put
//! together what row groups say, so that a category leaves all of them or none.
//!
//! Arrow gives each row group all categories of a column also where it leaves out its schema, which would tell that they are some. To
//! readers they are values then: those of matched rows leave the row groups that have them without a row, and the others as any value does.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;

use lacuna_scan::ipc::schema::{has_dictionary, kept, kept_fields};
use lacuna_scan::{ColumnPath, Field, IdentifierRule, Kind, Limits, Mapping, Matcher, TenantRule};
use parquet::basic::Type;
use rayon::prelude::*;
use roaring::RoaringTreemap;

use super::chunk::Job;
use super::edit::Fate;
use super::footer::{Footer, RowGroup, file_meta};
use super::plan::{acquit, leaving, listed};
use super::residue::held;
use super::rewrite::placed;
use super::thrift::Broken;
use crate::{ReadAt, Result};

/// What the entries of a column's dictionaries are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entries {
    /// Values that rows of the row group have.
    Values,
    /// Categories, in their order.
    Categories,
    /// Categories, maybe, and values to every reader.
    Unnamed,
}

/// By leaf, what its dictionary's entries are. They are categories if Arrow's schema, which the file has in its metadata, calls the column a
/// dictionary, or what pandas says there of its columns calls it categorical. Ordered categories are ordered as their dictionary is. All may
/// be categories where Arrow's schema cannot be read.
pub(super) fn categories(footer: &Footer<'_>) -> Result<Vec<Entries>, Broken> {
    let pandas = metadata(footer, b"pandas")?.map(categorical).unwrap_or_default();
    let schema = metadata(footer, b"ARROW:schema")?;
    let message = schema.and_then(kept);
    let fields = message.as_deref().and_then(kept_fields).unwrap_or_default();
    let is_category = |name: Option<&String>| {
        let name = name.map(String::as_str);
        let field = fields.iter().find(|field| field.name() == name);
        name.is_some_and(|name| pandas.contains(name))
            || schema.is_some() && field.is_none_or(|field| has_dictionary(*field))
    };
    let is_silent = schema.is_none() && footer.row_groups.len() > 1 && is_of_arrow(footer)?;
    let columns = footer.schema.columns().iter().enumerate();
    let entries = columns.map(|(at, leaf)| match is_category(leaf.path().parts().first()) {
        true => Entries::Categories,
        // Arrow writes no other dictionaries as they are.
        false if is_silent && leaf.physical_type() == Type::BYTE_ARRAY && has_entries(footer, at) => Entries::Unnamed,
        false => Entries::Values,
    });
    Ok(entries.collect())
}

/// Whether Arrow's C++ library wrote the file, through whatever language; up to its version 3 it gave a shorter name.
fn is_of_arrow(footer: &Footer<'_>) -> Result<bool, Broken> {
    Ok(footer.file.binary(file_meta::CREATED_BY)?.is_some_and(|writer| writer.starts_with(b"parquet-cpp")))
}

fn has_entries(footer: &Footer<'_>, leaf: usize) -> bool {
    footer.row_groups.iter().any(|group| group.chunks[leaf].has_dictionary)
}

/// What the file's metadata says under `key`.
fn metadata<'a>(footer: &'a Footer<'_>, key: &[u8]) -> Result<Option<&'a [u8]>, Broken> {
    let Some(pairs) = footer.file.source_list(file_meta::KEY_VALUE)? else { return Ok(None) };
    for pair in pairs.structs() {
        let pair = pair?;
        if pair.binary(1)? == Some(key) {
            return pair.source_binary(2);
        }
    }
    Ok(None)
}

/// The names of the columns that pandas' metadata calls categorical.
fn categorical(metadata: &[u8]) -> HashSet<String> {
    let metadata: serde_json::Value = serde_json::from_slice(metadata).unwrap_or_default();
    let columns = metadata["columns"].as_array().into_iter().flatten();
    let categorical = columns.filter(|column| column["pandas_type"] == "categorical");
    categorical
        .filter_map(|column| column["field_name"].as_str().or(column["name"].as_str()).map(str::to_owned))
        .collect()
}

/// A file and its matched rows, of which columns of categories are looked through.
pub(super) struct Survey<'a> {
    pub(super) input: &'a dyn ReadAt,
    pub(super) limits: &'a Limits,
    pub(super) footer: &'a Footer<'a>,
    pub(super) hits: &'a RoaringTreemap,
}

impl Survey<'_> {
    /// By leaf whose dictionaries may have `entries` without rows, the values, in plain encoding, that lose their last row in the file when
    /// its fate comes over the matched ones.
    pub(super) fn lost(&self, entries: &[Entries], fates: &[Option<Fate>]) -> Result<Vec<Option<HashSet<Vec<u8>>>>> {
        let lost = |(leaf, (&entries, fate)): (usize, (&Entries, &Option<Fate>))| match (entries, fate) {
            (Entries::Values, _) | (_, None) => Ok(None),
            (Entries::Categories, Some(fate)) => self.without_rows(self.leaving(leaf, *fate)?, leaf, *fate).map(Some),
            (Entries::Unnamed, Some(fate)) => self.without_rows(self.shared(leaf, *fate)?, leaf, *fate).map(Some),
        };
        entries.par_iter().zip(fates).enumerate().with_max_len(1).map(lost).collect()
    }

    /// The values of matched rows.
    fn leaving(&self, leaf: usize, fate: Fate) -> Result<HashSet<Vec<u8>>> {
        let mut left = HashSet::new();
        for group in self.footer.row_groups.iter().filter(|group| group.matched(self.hits) > 0) {
            self.look(group, leaf, fate, |job| {
                left.extend(leaving(job)?);
                Ok(())
            })?;
        }
        Ok(left)
    }

    /// Those values of matched rows that the dictionary of another row group has, too: few in a column that has no categories.
    fn shared(&self, leaf: usize, fate: Fate) -> Result<HashSet<Vec<u8>>> {
        let (mut shared, mut left, mut bytes) = (HashSet::new(), HashMap::new(), 0);
        let groups = self.footer.row_groups.iter().enumerate();
        for (at, group) in groups.filter(|(_, group)| group.matched(self.hits) > 0) {
            self.look(group, leaf, fate, |job| {
                for value in leaving(job)?.into_iter().filter(|value| !shared.contains(value)) {
                    bytes += value.len();
                    left.entry(value).or_insert(at);
                }
                Ok(())
            })?;
            if bytes > self.limits.page_bytes_max {
                self.share(std::mem::take(&mut left), leaf, fate, &mut shared)?;
                bytes = 0;
            }
        }
        self.share(left, leaf, fate, &mut shared)?;
        Ok(shared)
    }

    /// Moves those of the values that `left` a row group to `shared` that the dictionary of another one has.
    fn share(
        &self,
        mut left: HashMap<Vec<u8>, usize>,
        leaf: usize,
        fate: Fate,
        shared: &mut HashSet<Vec<u8>>,
    ) -> Result<()> {
        for (at, group) in self.footer.row_groups.iter().enumerate().filter(|(_, group)| group.rows > 0) {
            if left.is_empty() {
                break;
            }
            self.look(group, leaf, fate, |job| {
                let Some(entries) = listed(job)? else { return Ok(()) };
                for entry in entries.iter() {
                    if left.get(entry).is_some_and(|&from| from != at) {
                        shared.extend(left.remove_entry(entry).map(|(value, _)| value));
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Those of the values that `left` that no row has any more.
    fn without_rows(&self, left: HashSet<Vec<u8>>, leaf: usize, fate: Fate) -> Result<HashSet<Vec<u8>>> {
        let mut lost = left;
        for group in self.footer.row_groups.iter().filter(|group| group.rows > 0) {
            if lost.is_empty() {
                break;
            }
            self.look(group, leaf, fate, |job| acquit(job, &mut lost))?;
        }
        Ok(lost)
    }

    fn look(
        &self,
        group: &RowGroup<'_>,
        leaf: usize,
        fate: Fate,
        look: impl FnOnce(Job<'_>) -> Result<()>,
    ) -> Result<()> {
        let column = self.footer.schema.column(leaf);
        let job = Job {
            input: self.input,
            limits: self.limits,
            column: &column,
            chunk: &group.chunks[leaf],
            rows: group.rows,
            hits: &group.hits(self.hits),
            fate,
            unwanted: &[],
            lost: None,
            ahead: &AtomicU64::new(0),
        };
        look(job).map_err(|error| placed(error, group, leaf, &column))
    }

    /// A matcher for values of a leaf column, in plain encoding, as far as there can be one.
    pub(super) fn matcher(&self, leaf: usize, values: &HashSet<Vec<u8>>) -> Matcher {
        let column = self.footer.schema.column(leaf);
        let field = Field::new(ColumnPath::of_name(column.name()), Kind::new("category"));
        let mapping = Mapping { identifiers: vec![IdentifierRule::One(field)], tenant: TenantRule::Single };
        let values: Vec<_> = values.iter().filter_map(|value| Some((0, held(&column, value)?))).collect();
        Matcher::of_values(&mapping, &values)
    }
}
