//! Where shards live: Azure Blob Storage, a local disk, memory. The crate knows paths, bytes and versions, and no formats.
//!
//! A [`Store`] reads ranges of one version of a blob, and replaces a blob only when it still is the version that the caller
//! has seen. Everything that can be read from a store names the version it belongs to by its [`Etag`].

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop where it stands"))]

mod azure;
mod copies;
mod error;
mod gap;
mod local;
mod memory;
mod path;
mod secret;
mod store;
#[doc(hidden)]
pub mod testing;

pub use azure::{AzureConfig, AzureStore, Credential, Retries};
pub use copies::{CopyId, Deleted, Hold, OldCopy, Removal, Retained};
pub use error::{Error, ErrorKind, Result};
pub use gap::{Extent, Gap};
pub use local::{LocalStore, LocalVersion, Scratch};
pub use memory::{Keeping, MemoryStore};
pub use path::{BlobPath, PathError};
pub use secret::Secret;
pub use store::{BlobInfo, Condition, Content, Etag, NewBlob, Store, Unchanged, WriteOptions};
