//! Columns that readers take as categories, in the order that their dictionary has. Each row group says anew which there are; readers put
//! together what row groups say, so that a category leaves all of them or none.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;

use arrow::ipc;
use lacuna_scan::ipc::schema::{kept, kept_fields};
use lacuna_scan::{ColumnPath, Field, IdentifierRule, Kind, Limits, Mapping, Matcher, TenantRule};
use rayon::prelude::*;
use roaring::RoaringTreemap;

use super::chunk::Job;
use super::edit::Fate;
use super::footer::{Footer, RowGroup, file_meta};
use super::plan::{acquit, leaving};
use super::residue::held;
use super::rewrite::placed;
use super::thrift::Broken;
use crate::{ReadAt, Result};

/// By leaf, whether its dictionary's entries are categories: Arrow's schema, which the file has in its metadata, calls the column a
/// dictionary, or what pandas says there of its columns calls it categorical. Ordered categories are ordered as their dictionary is. All may
/// be categories where Arrow's schema cannot be read.
pub(super) fn categories(footer: &Footer<'_>) -> Result<Vec<bool>, Broken> {
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
    Ok(footer.schema.columns().iter().map(|leaf| is_category(leaf.path().parts().first())).collect())
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

fn has_dictionary(field: ipc::Field<'_>) -> bool {
    field.dictionary().is_some() || field.children().is_some_and(|children| children.iter().any(has_dictionary))
}

/// A file and its matched rows, of which columns of categories are looked through.
pub(super) struct Survey<'a> {
    pub(super) input: &'a dyn ReadAt,
    pub(super) limits: &'a Limits,
    pub(super) footer: &'a Footer<'a>,
    pub(super) hits: &'a RoaringTreemap,
}

impl Survey<'_> {
    /// By leaf that is one of the `categories`, the values, in plain encoding, that lose their last row in the file when its fate comes over
    /// the matched ones.
    pub(super) fn lost(&self, categories: &[bool], fates: &[Option<Fate>]) -> Result<Vec<Option<HashSet<Vec<u8>>>>> {
        let lost = |(leaf, (&is_category, fate)): (usize, (&bool, &Option<Fate>))| match fate {
            Some(fate) if is_category => self.lost_by(leaf, *fate).map(Some),
            _ => Ok(None),
        };
        categories.par_iter().zip(fates).enumerate().with_max_len(1).map(lost).collect()
    }

    fn lost_by(&self, leaf: usize, fate: Fate) -> Result<HashSet<Vec<u8>>> {
        let mut lost = HashSet::new();
        for group in self.footer.row_groups.iter().filter(|group| group.matched(self.hits) > 0) {
            self.look(group, leaf, fate, |job| {
                lost.extend(leaving(job)?);
                Ok(())
            })?;
        }
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
