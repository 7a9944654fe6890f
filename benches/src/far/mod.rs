//! The engine itself, on a store that is as slow as one over a network: `lacuna` has no option that would make Azurite so.

use std::{
    env,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use futures::TryStreamExt as _;
use lacuna_engine::{
    Action, EmptyShards, Engine, FormatChoice, Job, NoHolds, OnErase, Poison, Reporter, Request, RequestId, Settings,
    Source,
};
use lacuna_scan::{Epochs, Field, Identifier, IdentifierRule, Kind, Limits, Mapping, Selector, TenantId, TenantRule};
use lacuna_store::{
    AzureConfig, AzureStore, BlobPath, Condition, Content, LocalStore, Store, WriteOptions,
    testing::{self, SlowStore},
};
use parquet::file::metadata::ParquetMetaDataReader;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::floor::shards;

/// Where Azurite is; `cargo xtask bench` says it.
const AZURITE: &str = "LACUNA_TEST_AZURITE_HTTP";

/// The column that identifies.
const USER: &str = "UserId";

/// What a `lacuna` uses that is told nothing.
const MEMORY: u64 = 512 << 20;
const REQUESTS: usize = 32;

/// Where to search, and how far away that is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Shards on this disk
    #[arg(long, conflicts_with = "container", required_unless_present = "container")]
    dir: Option<PathBuf>,
    /// Shards in this container of Azurite
    #[arg(long)]
    container: Option<String>,
    /// The user
    #[arg(long)]
    user: String,
    /// The user's tenant
    #[arg(long)]
    tenant: String,
    /// How long every request waits before it is made
    #[arg(long, default_value_t = 0, value_name = "MILLISECONDS")]
    delay: u64,
}

/// What was found, and what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub(crate) struct Answer {
    pub(crate) matched: u64,
    /// Bytes fetched.
    pub(crate) bytes: u64,
    /// Requests made to fetch them.
    pub(crate) requests: u64,
}

/// Finds the user.
pub(crate) fn find(args: &Args) -> Result<Answer> {
    let store: Arc<dyn Store> = match (&args.dir, &args.container) {
        (Some(dir), _) => Arc::new(LocalStore::open(dir)?),
        (None, Some(container)) => Arc::new(azurite(container)?),
        (None, None) => bail!("name a folder or a container"),
    };
    let store = Arc::new(SlowStore::new(store, Duration::from_millis(args.delay)));
    runtime()?.block_on(search(store, &args.user, &args.tenant))
}

async fn search(store: Arc<SlowStore>, user: &str, tenant: &str) -> Result<Answer> {
    let engine = Engine::new(Settings {
        store: store.clone(),
        export: None,
        epochs: Epochs::default(),
        signing_key: None,
        holds: Arc::new(NoHolds),
        limits: Limits::default(),
        memory: MEMORY,
        threads: thread::available_parallelism()?.get(),
        requests: REQUESTS,
        temp_dir: None,
    })?;
    let identifiers = vec![Identifier::new("object_id", user)];
    let selector = Selector { tenant: Some(TenantId::new(tenant)), identifiers };
    let request = Request::new(RequestId::generate(), selector, Action::Discover);
    let job = Job { sources: vec![activity()?], requests: vec![request], others: Vec::new() };
    let outcome = Box::pin(engine.run(job, &Reporter::default(), &CancellationToken::new())).await?;
    ensure!(outcome.is_complete(), "{:?}", outcome.sources);
    let (bytes, requests) = store.counted();
    Ok(Answer { matched: outcome.matched, bytes, requests })
}

/// The corpus as a source.
fn activity() -> Result<Source> {
    let user = Field::new(USER.parse()?, Kind::new("object_id"));
    Ok(Source {
        name: "activity".to_owned(),
        shards: "**/*.parquet".to_owned(),
        format: FormatChoice::default(),
        product: "Office/Activity".to_owned(),
        data_type: "ProductAndServiceUsage".to_owned(),
        mapping: Mapping {
            identifiers: vec![IdentifierRule::One(user)],
            tenant: TenantRule::Column("TenantId".parse()?),
        },
        time: None,
        on_erase: OnErase::Delete,
        poison: Poison::Refuse,
        empty_shards: EmptyShards::Keep,
        may_be_empty: false,
    })
}

/// The bytes that a search without an index must fetch of the shards below `dir`: the user column's chunks, and the footers.
pub(crate) fn needed(dir: &Path) -> Result<u64> {
    shards(dir, "parquet")?.iter().map(|shard| needed_of(shard).with_context(|| shard.display().to_string())).sum()
}

fn needed_of(shard: &Path) -> Result<u64> {
    let mut file = File::open(shard)?;
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file)?;
    let mut length = [0; 4];
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut length)?;
    let mut needed = u64::from(u32::from_le_bytes(length)) + 8;
    for group in metadata.row_groups() {
        let user = group.columns().iter().find(|column| column.column_path().parts() == [USER]);
        needed += u64::try_from(user.context("it has no user column")?.compressed_size())?;
    }
    Ok(needed)
}

/// Whether it is known where Azurite is.
pub(crate) fn has_azurite() -> bool {
    env::var_os(AZURITE).is_some()
}

/// A container that holds the shards of a folder. Emptied when this is dropped.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) name: String,
}

impl Container {
    /// Uploads all Parquet shards below `dir`, under the paths that they have there.
    pub(crate) fn fill(dir: &Path) -> Result<Self> {
        let this = Self { name: format!("bench-{}", std::process::id()) };
        let store = azurite(&this.name)?;
        runtime()?.block_on(async {
            store.create_container().await?;
            for shard in shards(dir, "parquet")? {
                let path = BlobPath::new(shard.strip_prefix(dir)?.to_string_lossy())?;
                // A store may move a file away.
                let content = Content::Bytes(fs::read(&shard)?.into());
                store.write(&path, content, Condition::Any, WriteOptions::default()).await?;
            }
            anyhow::Ok(())
        })?;
        Ok(this)
    }

    fn empty(&self) -> Result<()> {
        let store = azurite(&self.name)?;
        runtime()?.block_on(async {
            let blobs: Vec<_> = store.list("").try_collect().await?;
            for blob in blobs {
                store.delete(&blob.path, &blob.etag).await?;
            }
            Ok(())
        })
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // What is left goes with Azurite itself.
        let _ = self.empty();
    }
}

fn azurite(container: &str) -> Result<AzureStore> {
    ensure!(has_azurite(), "{AZURITE} does not say where Azurite is");
    Ok(AzureStore::open(&AzureConfig { container: container.to_owned(), ..testing::azurite_http() })?)
}

fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use lacuna_benches::corpus::{Role, Sample};

    use super::*;

    #[test]
    fn every_request_waits_and_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let sample = Sample { users: 500, rows: 60_000, shard_rows: 30_000, ..Sample::benchmark() };
        let written = sample.write(dir.path(), &|_| {}).unwrap();
        let rare = written.person(Role::Rare).unwrap();
        let find = |delay| {
            let args = Args {
                dir: Some(dir.path().to_owned()),
                container: None,
                user: rare.identifier("object_id").unwrap().to_owned(),
                tenant: rare.tenant.clone(),
                delay,
            };
            let start = Instant::now();
            (find(&args).unwrap(), start.elapsed())
        };
        let (near, _) = find(0);
        assert_eq!(near.matched, rare.rows());
        // Beside what is needed: the rest of the 64 KiB at each shard's end, and some pages of tenants.
        let needed = needed(dir.path()).unwrap();
        assert!((needed..needed + 2 * (80 << 10)).contains(&near.bytes), "{near:?}, {needed} needed");
        let (far, time) = find(50);
        assert_eq!(far, near);
        // The listing, a footer, a column, one after the other.
        assert!(near.requests >= 5 && time >= Duration::from_millis(150), "{far:?}, {time:?}");
    }
}
