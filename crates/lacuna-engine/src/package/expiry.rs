//! The end of a package: its time is over, or nobody may have it any more.

use std::collections::BTreeSet;

use futures::TryStreamExt as _;
use lacuna_export::{Manifest, Package, package};
use lacuna_scan::TenantId;
use lacuna_store::{BlobInfo, BlobPath, ErrorKind, Store};

use crate::read::whole::read_record;
use crate::{Engine, Error, RequestId, commit};

/// What became of a package that was to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageEnd {
    /// Nothing of it is left.
    Gone,
    /// Its files are deleted, and the store keeps old bytes of so many of them for a while, or a hold keeps them.
    Retained(u64),
}

impl Engine {
    /// Removes the package of a request, with all old bytes that the store lets go of. What is there no more counts as removed, so this may
    /// be said again.
    pub async fn remove_package(&self, tenant: Option<&TenantId>, request: &RequestId) -> Result<PackageEnd, Error> {
        let Some(store) = self.settings.export.as_deref() else {
            return Err(Error::Configuration("there is no destination for exports".into()));
        };
        let package = Package::new(tenant.map(|tenant| tenant.as_str()), request.as_str());
        let failed = |source| Error::Store { what: "an expired package cannot be removed".into(), source };
        let remove = async |path: &BlobPath| {
            match store.head(path).await {
                Ok(file) => commit::drop_record(store, &file).await?,
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            commit::remove_copies(store, path).await
        };
        let manifest = blob(&package, package::MANIFEST)?;
        let mut kept = 0;
        for path in files(store, &package, &manifest).await? {
            kept += u64::from(!remove(&path).await.map_err(failed)?);
        }
        // As long as anything is kept, the manifest stays: it names what must be looked after.
        if kept == 0 {
            kept += u64::from(!remove(&manifest).await.map_err(failed)?);
        }
        Ok(if kept == 0 { PackageEnd::Gone } else { PackageEnd::Retained(kept) })
    }
}

/// The files that a package has or had, but for the manifest, which still names what an earlier removal has deleted. What makes it whole
/// comes first, for half of a package must not look like one.
async fn files(store: &dyn Store, package: &Package, manifest: &BlobPath) -> Result<Vec<BlobPath>, Error> {
    let failed = |source| Error::Store { what: "an expired package cannot be listed".into(), source };
    let success = blob(package, package::SUCCESS)?;
    let listed: Vec<BlobInfo> = store.list(&package.path("")).try_collect().await.map_err(failed)?;
    let mut files: BTreeSet<BlobPath> = listed.into_iter().map(|file| file.path).collect();
    for name in [package::README, package::REQUEST_INFO, package::MANIFEST_SIGNATURE] {
        files.insert(blob(package, name)?);
    }
    match store.head(manifest).await {
        Ok(info) => {
            let bytes = read_record(store, &info).await.map_err(failed)?;
            // One that cannot be read names nothing; what is listed goes all the same.
            let named = Manifest::from_json(&bytes).map(|manifest| manifest.files).unwrap_or_default();
            files.extend(named.iter().filter_map(|file| blob(package, &file.path).ok()));
        }
        Err(error) if error.kind == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    files.remove(&success);
    files.remove(manifest);
    Ok([success].into_iter().chain(files).collect())
}

fn blob(package: &Package, file: &str) -> Result<BlobPath, Error> {
    BlobPath::new(package.path(file)).map_err(|_| Error::Defect("a package's path"))
}
