//! Where a package's files lie.
//!
//! A path is made of the tenant, the request, products and data types, never of what identifies a person. Each segment is
//! made safe for every store and file system, and different names stay different: what is not safe
//! becomes `%XX` as in URLs, and what is too long is cut and ends in `~` and a hash.

mod segment;

use std::collections::{HashMap, HashSet};

use crate::Format;

/// The data about the request.
pub const REQUEST_INFO: &str = "RequestInfo.json";
/// The page for the person.
pub const README: &str = "README.html";
/// What the package holds.
pub const MANIFEST: &str = "manifest.json";
/// The manifest, signed.
pub const MANIFEST_SIGNATURE: &str = "manifest.jws";
/// Written first where somebody chose the request's id, and removed in the end: whose package it is, as a keyed hash.
pub const STARTED: &str = "_STARTED";
/// Written last: the package is whole.
pub const SUCCESS: &str = "_SUCCESS";

/// How many folders a product makes at most.
const PRODUCT_DEPTH_MAX: usize = 8;

/// A package's place in its store.
///
/// Its files' paths, as manifests name them and [`data_file`] and the constants here give them, are relative to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    root: String,
}

impl Package {
    /// The package of `request`, in the folder of its tenant, or `_` without one.
    pub fn new(tenant: Option<&str>, request: &str) -> Self {
        let tenant = tenant.map_or_else(|| "_".to_owned(), segment::folder);
        Self { root: format!("{tenant}/{}", segment::folder(request)) }
    }

    /// The package's folder, without a slash at its end.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The path in the store of a file of the package.
    pub fn path(&self, file: &str) -> String {
        format!("{}/{file}", self.root)
    }
}

/// The data file that some sources share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Its path without the extension; for [`data_file`].
    pub stem: String,
    /// The sources whose records it holds, by their index, in order.
    pub sources: Vec<usize>,
}

/// Shares data files out: sources of the same product and data type write to one, in the order of sources.
///
/// Files that only the case of letters would tell apart get a number, as not every file system does.
pub fn data_files<'a>(sources: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<DataFile> {
    let mut files: Vec<DataFile> = Vec::new();
    let mut known = HashMap::new();
    let mut taken = HashSet::new();
    for (index, source) in sources.into_iter().enumerate() {
        let file = *known.entry(source).or_insert_with(|| {
            let plain = stem(source.0, source.1);
            // `~` is not in a plain stem but in front of a hash, so a numbered one is nobody else's.
            let stem = std::iter::once(plain.clone())
                .chain((2_u64..).map(|number| format!("{plain}~{number}")))
                .find(|stem| taken.insert(stem.to_lowercase()))
                .unwrap_or(plain);
            files.push(DataFile { stem, sources: Vec::new() });
            files.len() - 1
        });
        files[file].sources.push(index);
    }
    files
}

/// `Office/SharePoint` and `ProductAndServiceUsage` as a path without its extension.
fn stem(product: &str, data_type: &str) -> String {
    let mut path = String::new();
    for folder in product.splitn(PRODUCT_DEPTH_MAX, '/') {
        path.push_str(&segment::folder(folder));
        path.push('/');
    }
    path + &segment::file(data_type)
}

/// The path of a data file in its package: `Office/SharePoint/ProductAndServiceUsage.json`, with the number of the `part`
/// (`….0001.json`, from 1) when the records are split over several.
pub fn data_file(stem: &str, format: Format, part: Option<u32>) -> String {
    let extension = format.extension();
    match part {
        None => format!("{stem}.{extension}"),
        Some(part) => format!("{stem}.{part:04}.{extension}"),
    }
}

/// Whether `path` stays within a package: relative, no `..`, nothing that a file system takes for another separator.
pub fn is_within(path: &str) -> bool {
    !path.contains(['\\', ':']) && path.split('/').all(segment::is_plain)
}

#[cfg(test)]
mod tests;
