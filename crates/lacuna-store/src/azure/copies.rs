//! Previous versions, snapshots and soft-deleted copies of a blob: which there are, and their removal.
//!
//! Where soft deletion is on, a removal takes two requests: the first makes a version or snapshot a soft-deleted one, the second
//! deletes that for good, if the account allows it. A soft-deleted blob that is neither cannot be deleted for good (Delete Blob,
//! remarks on permanent delete). Not looked at, because no request to this blob tells of them: replicas in other accounts, and
//! soft-deleted containers.

use azure_core::http::headers::HeaderName;
use azure_core::time::OffsetDateTime;
use azure_storage_blob::models::{
    BlobClientDeleteOptions, BlobContainerClientListBlobsOptions, BlobDeleteType, BlobItem, ListBlobsIncludeItem,
};
use futures::TryStreamExt;
use time::{Date, Duration};

use super::failure::{Failure, failure};
use super::list::blobs;
use super::properties::OPERATION;
use super::{AzureStore, incomplete_answer};
use crate::{BlobPath, CopyId, Deleted, Error, ErrorKind, Etag, Hold, OldCopy, Removal, Result, Retained};

/// Whether a Delete Blob left nothing.
const IS_PERMANENT: HeaderName = HeaderName::from_static("x-ms-delete-type-permanent");

impl AzureStore {
    pub(super) async fn list_copies(&self, path: &BlobPath) -> Result<Vec<OldCopy>> {
        let options = BlobContainerClientListBlobsOptions {
            include: Some(vec![
                ListBlobsIncludeItem::Deleted,
                ListBlobsIncludeItem::ImmutabilityPolicy,
                ListBlobsIncludeItem::LegalHold,
                ListBlobsIncludeItem::Metadata,
                ListBlobsIncludeItem::Snapshots,
                ListBlobsIncludeItem::Versions,
            ]),
            maxresults: self.page_size,
            prefix: Some(path.as_str().to_owned()),
            ..BlobContainerClientListBlobsOptions::default()
        };
        let failed = |error| Error::from(failure(error)).at(path);
        let mut pages = self.container.list_blobs(Some(options)).map_err(failed)?.into_pages();
        let (mut copies, now) = (Vec::new(), OffsetDateTime::now_utc());
        'pages: while let Some(page) = pages.try_next().await.map_err(failed)? {
            for item in blobs(page).map_err(|error| error.at(path))? {
                // Of all names that begin with the blob's, its own comes first.
                if item.name.as_deref() != Some(path.as_str()) {
                    break 'pages;
                }
                copies.extend(copy(item, now).transpose().map_err(|error| error.at(path))?);
            }
        }
        copies.sort_by(|a, b| (a.id.time().is_none(), a.id.time()).cmp(&(b.id.time().is_none(), b.id.time())));
        Ok(copies)
    }

    pub(super) async fn remove_old_copy(&self, path: &BlobPath, copy: &OldCopy) -> Result<Removal> {
        if copy.id == CopyId::Deleted {
            return Ok(Removal::Retained(Retained::ByAccount));
        }
        if copy.deleted.is_none() {
            match self.delete_copy(path, &copy.id, None).await {
                Ok(Some(true)) => return Ok(Removal::Removed),
                // Soft-deleted, or the service does not say.
                Ok(Some(false) | None) => {}
                // Gone, or soft-deleted by somebody else: what comes next is right for both.
                Err(failure) if failure.code() == Some("BlobNotFound") => {}
                Err(failure) if failure.kind() == ErrorKind::Held => return Ok(Removal::Held(hold(copy, &failure))),
                Err(failure) => return Err(failure.at(path)),
            }
        }
        match self.delete_copy(path, &copy.id, Some(BlobDeleteType::Permanent)).await {
            Ok(_) => Ok(Removal::Removed),
            Err(failure) => match (failure.kind(), failure.status(), failure.code()) {
                (_, _, Some("BlobNotFound")) => Ok(Removal::Removed),
                (ErrorKind::Held, _, _) => Ok(Removal::Held(hold(copy, &failure))),
                // It was made the blob's current version again.
                (_, _, Some("OperationNotAllowedOnRootBlob")) => Err(failure.at(path)),
                (ErrorKind::AccessDenied, _, _) => Ok(Removal::Retained(Retained::NotPermitted)),
                (_, Some(409), _) => Ok(Removal::Retained(Retained::ByAccount)),
                _ => Err(failure.at(path)),
            },
        }
    }

    /// Deletes one copy; whether for good, as far as the service says.
    async fn delete_copy(
        &self,
        path: &BlobPath,
        id: &CopyId,
        how: Option<BlobDeleteType>,
    ) -> std::result::Result<Option<bool>, Failure> {
        let (version_id, snapshot) = match id {
            CopyId::Version(time) => (Some(time.clone()), None),
            CopyId::Snapshot(time) => (None, Some(time.clone())),
            CopyId::Deleted => return Err(Failure::said("a copy without a name cannot be deleted")),
        };
        let options = BlobClientDeleteOptions {
            blob_delete_type: how,
            snapshot,
            version_id,
            ..BlobClientDeleteOptions::default()
        };
        let answer = self.blob(path).delete(Some(options)).await.map_err(failure)?;
        Ok(answer.headers().get_optional_string(&IS_PERMANENT).map(|text| text.eq_ignore_ascii_case("true")))
    }
}

/// The copy that an item of a listing is; nothing for the blob as it is now.
fn copy(item: BlobItem, now: OffsetDateTime) -> Option<Result<OldCopy>> {
    let is_deleted = item.deleted == Some(true);
    let id = match (item.snapshot, item.version_id) {
        (Some(time), _) => CopyId::Snapshot(time),
        (None, Some(_)) if item.is_current_version == Some(true) && !is_deleted => return None,
        (None, Some(time)) => CopyId::Version(time),
        (None, None) if is_deleted => CopyId::Deleted,
        (None, None) => return None,
    };
    let properties = item.properties.unwrap_or_default();
    let Some(etag) = properties.etag else { return Some(Err(incomplete_answer())) };
    let deleted = is_deleted.then(|| Deleted {
        gone_by: properties
            .deleted_time
            .zip(properties.remaining_retention_days)
            .and_then(|(deleted, left)| gone_by(deleted, left, now)),
    });
    let hold = match (properties.legal_hold, properties.immutability_policy_expires_on) {
        (Some(true), _) => Some(Hold::Legal),
        (_, Some(until)) if until > now => Some(Hold::Policy(Some(until.date()))),
        _ => None,
    };
    let metadata = item.metadata.and_then(|metadata| metadata.values).unwrap_or_default();
    let operation = metadata.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(OPERATION)).map(|(_, value)| value);
    Some(Ok(OldCopy { id, etag: Etag::new(etag.as_ref()), operation, deleted, hold }))
}

/// The day on which the retention of what was deleted ends. The service counts the whole days that are left, rounded down, of a
/// retention of whole days: so the day that runs is added.
fn gone_by(deleted: OffsetDateTime, days_left: i32, now: OffsetDateTime) -> Option<Date> {
    let past = (now - deleted).max(Duration::ZERO).whole_days();
    let retention = Duration::days(past.checked_add(1)?.checked_add(days_left.into())?);
    deleted.checked_add(retention).map(OffsetDateTime::date)
}

/// What forbids the removal: what the listing told, or else what the refusal tells.
fn hold(copy: &OldCopy, refusal: &Failure) -> Hold {
    match copy.hold {
        Some(hold) => hold,
        None if refusal.code() == Some("BlobImmutableDueToLegalHold") => Hold::Legal,
        None => Hold::Policy(None),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::{date, datetime};

    use super::*;

    #[test]
    fn the_end_of_a_retention_is_the_same_day_whenever_it_is_asked_for() {
        let deleted = datetime!(2026-11-22 10:00 UTC);
        for (now, left) in [
            (datetime!(2026-11-22 10:00:01 UTC), 6),
            (datetime!(2026-11-23 9:59 UTC), 6),
            (datetime!(2026-11-23 10:01 UTC), 5),
            (datetime!(2026-11-29 9:00 UTC), 0),
        ] {
            assert_eq!(gone_by(deleted, left, now), Some(date!(2026 - 11 - 29)), "{now}");
        }
        // A clock that is behind the service's.
        assert_eq!(gone_by(deleted, 6, datetime!(2026-11-22 9:59 UTC)), Some(date!(2026 - 11 - 29)));
        assert_eq!(gone_by(deleted, i32::MAX, deleted), None, "a time that no calendar has");
    }
}
