//! Which rows are hidden: the tombstones beside the shards. Reading fails closed: a tombstone that cannot be read is an error of
//! its shard, never "no tombstone".

use std::collections::HashMap;

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use lacuna_erase::tombstone::{self, ShardVersion, Tombstone};
use lacuna_store::{BlobInfo, BlobPath, Content, ErrorKind, Etag, Store};
use roaring::RoaringTreemap;

use super::journal::{Intent, Kept};
use crate::abreast::side_by_side;
use crate::commit;
use crate::problem::ShardError;

/// How often a tombstone that others change meanwhile is read again.
const ATTEMPTS_MAX: u32 = 8;

/// Where all tombstones are, as a run finds them at its start: a look for each of millions of shards would cost more than the
/// search of most.
#[derive(Debug, Default)]
pub(crate) struct Tombstones {
    known: HashMap<String, BlobInfo>,
    aside: Asides,
}

/// What was hidden in versions of shards whose tombstones made room for others', by shard. Mostly there are none.
#[derive(Debug, Default)]
pub(crate) struct Asides(HashMap<String, Vec<Aside>>);

#[derive(Debug)]
struct Aside {
    etag: Etag,
    /// Whose rows those are.
    requests: Vec<String>,
}

impl Asides {
    /// Reads what was put aside. What is damaged is for purges to tell, as it does not say of which shard it is.
    async fn read(store: &dyn Store, listed: Vec<BlobInfo>) -> Result<Self, lacuna_store::Error> {
        let mut all = Self::default();
        let mut read = std::pin::pin!(side_by_side(listed.into_iter().map(|info| read_now(store, info).boxed())));
        while let Some(held) = read.next().await {
            let held = match held {
                Ok(Some(held)) => held,
                Err(ShardError::Store(error)) => return Err(error),
                Ok(None) | Err(_) => continue,
            };
            let version = held.tombstone.version();
            let requests = held.tombstone.requests().map(|(request, _)| request.to_owned()).collect();
            let aside = Aside { etag: Etag::new(&version.etag), requests };
            all.0.entry(version.shard.clone()).or_default().push(aside);
        }
        Ok(all)
    }

    /// Those of a store.
    async fn list(store: &dyn Store) -> Result<Self, lacuna_store::Error> {
        let listed = store.list(tombstone::SUPERSEDED).try_collect().await?;
        Self::read(store, listed).await
    }

    /// Other versions of a shard, in which rows were hidden for requests that have not hidden them in `shard` yet, whose tombstone is `held`.
    fn waiting<'a>(&'a self, shard: &BlobInfo, held: Option<&'a Tombstone>) -> impl Iterator<Item = &'a Etag> {
        let held = held.filter(|held| held.version().etag == shard.etag.as_str());
        let asides = self.0.get(shard.path.as_str()).into_iter().flatten().filter(|aside| aside.etag != shard.etag);
        let waits = move |aside: &&Aside| {
            aside
                .requests
                .iter()
                .any(|request| !held.is_some_and(|held| held.requests().any(|(hidden_for, _)| hidden_for == request)))
        };
        asides.filter(waits).map(|aside| &aside.etag)
    }
}

/// What a tombstone says of a version of a shard.
#[derive(Debug)]
pub(crate) enum Hidden {
    /// There is none.
    Nothing,
    /// These rows are hidden.
    Rows(RoaringTreemap),
    /// It is of this version, which is there no more.
    Stale(Etag),
}

/// What is hidden in a shard, and versions in which rows were hidden that may show in it.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) hidden: Hidden,
    pub(crate) waiting: Vec<Etag>,
}

/// What is said of a shard whose bytes may be those of the version whose rows are hidden.
pub(crate) const UNSURE: &str = "its owner, permissions or links changed since rows of it were hidden, and whether its bytes did, too, \
     cannot be told: erase again under the same id or, with a ledger, sweep";

/// A tombstone as it was read from the store.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) tombstone: Tombstone,
    pub(crate) info: BlobInfo,
}

impl Tombstones {
    /// All that are in the store.
    pub(crate) async fn list(store: &dyn Store) -> Result<Self, lacuna_store::Error> {
        let listed: Vec<BlobInfo> = store.list(tombstone::PREFIX).try_collect().await?;
        let is_aside = |info: &&BlobInfo| info.path.as_str().starts_with(tombstone::SUPERSEDED);
        let aside = Asides::read(store, listed.iter().filter(is_aside).cloned().collect()).await?;
        let known = listed.into_iter().map(|info| (info.path.to_string(), info)).collect();
        Ok(Self { known, aside })
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn into_infos(self) -> Vec<BlobInfo> {
        let mut infos: Vec<_> = self.known.into_values().collect();
        infos.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        infos
    }

    /// The rows of this version of a shard that are hidden.
    pub(crate) async fn rows_of(&self, store: &dyn Store, shard: &BlobInfo) -> Result<Standing, ShardError> {
        let held = if self.is_listed(shard) { held(store, shard.path.as_str()).await? } else { None };
        let waiting = self.aside.waiting(shard, held.as_ref().map(|held| &held.tombstone)).cloned().collect();
        Ok(Standing { hidden: held.map_or(Hidden::Nothing, |held| held.says_of(shard)), waiting })
    }

    /// Fails where something is in the place of a shard's tombstone that no listing tells of, as a folder is on a disk. To be asked of
    /// shards with matches, which are few: a look for each of very many small ones costs a good part of their search.
    pub(crate) async fn check_unlisted(&self, store: &dyn Store, shard: &BlobInfo) -> Result<(), ShardError> {
        if self.is_listed(shard) || store.local_file(&shard.path).is_none() {
            return Ok(());
        }
        held(store, shard.path.as_str()).await.map(drop)
    }

    /// Whether rows of some version of a shard are hidden.
    pub(crate) fn is_listed(&self, shard: &BlobInfo) -> bool {
        self.known.contains_key(&tombstone::path(shard.path.as_str()))
    }

    /// Those of versions that made room for others'.
    pub(crate) fn superseded(self) -> Vec<BlobInfo> {
        let known = self.known.into_values();
        known.filter(|info| info.path.as_str().starts_with(tombstone::SUPERSEDED)).collect()
    }
}

/// Takes `requests` out of the tombstones of versions that are there no more: they have searched the newer ones. `stale` are those
/// that the search came across; of `superseded` ones those count whose shard was searched.
pub(crate) async fn release(
    store: &dyn Store,
    requests: &[&str],
    stale: &[(String, Etag)],
    superseded: Vec<BlobInfo>,
    is_searched: impl Fn(&str) -> bool,
) -> Result<(), ShardError> {
    for (shard, etag) in stale {
        forget(store, shard, etag, requests).await?;
    }
    for info in superseded {
        match read(store, info).await {
            Err(error) if error.is_gone() || error.is_change() => {}
            held => {
                let held = held?;
                // Where somebody is at it meanwhile, the next run looks again.
                if is_searched(&held.tombstone.version().shard) {
                    without(store, &held, requests).await?;
                }
            }
        }
    }
    Ok(())
}

/// The tombstone of this version of a shard, when it has one.
pub(crate) async fn fresh(store: &dyn Store, shard: &BlobInfo) -> Result<Option<Held>, ShardError> {
    let held = held(store, shard.path.as_str()).await?;
    Ok(held.filter(|held| held.tombstone.version().etag == shard.etag.as_str()))
}

/// What the tombstone of a shard says of this version of it, for whoever shows its rows: fails where nobody can tell.
pub(crate) async fn shown(store: &dyn Store, shard: &BlobInfo) -> Result<Standing, ShardError> {
    let held = held(store, shard.path.as_str()).await?;
    let asides = Asides::list(store).await.map_err(ShardError::Store)?;
    let waiting = asides.waiting(shard, held.as_ref().map(|held| &held.tombstone)).cloned().collect();
    Standing { hidden: held.map_or(Hidden::Nothing, |held| held.says_of(shard)), waiting }.sure(store, shard)
}

/// Fails where rows were hidden in what may be this version of a shard, and their tombstone made room for this one: with the bytes of
/// the rows that it hides, what tells of the others would go.
pub(crate) async fn check_asides(store: &dyn Store, shard: &BlobInfo, held: &Tombstone) -> Result<(), ShardError> {
    // Elsewhere, another version has other bytes.
    if !store.is_here() {
        return Ok(());
    }
    let asides = Asides::list(store).await.map_err(ShardError::Store)?;
    match asides.waiting(shard, Some(held)).any(|etag| store.may_be_same(etag, &shard.etag)) {
        true => Err(ShardError::Refused(UNSURE.into())),
        false => Ok(()),
    }
}

impl Held {
    /// What it says of this version of its shard.
    fn says_of(self, shard: &BlobInfo) -> Hidden {
        match self.tombstone.version().etag == shard.etag.as_str() {
            true => Hidden::Rows(self.tombstone.hidden().clone()),
            false => Hidden::Stale(Etag::new(&self.tombstone.version().etag)),
        }
    }
}

impl Standing {
    /// Whether it is clear what of it is of this version of a shard.
    pub(crate) fn is_sure(&self, store: &dyn Store, shard: &BlobInfo) -> bool {
        let stale = if let Hidden::Stale(etag) = &self.hidden { Some(etag) } else { None };
        !self.waiting.iter().chain(stale).any(|etag| store.may_be_same(etag, &shard.etag))
    }

    /// Fails where that is not clear.
    pub(crate) fn sure(self, store: &dyn Store, shard: &BlobInfo) -> Result<Self, ShardError> {
        if self.is_sure(store, shard) { Ok(self) } else { Err(ShardError::Refused(UNSURE.into())) }
    }
}

/// The tombstone of a shard, of whatever version.
pub(crate) async fn held(store: &dyn Store, shard: &str) -> Result<Option<Held>, ShardError> {
    at(store, &blob_path(tombstone::path(shard))?).await
}

/// The tombstone at this path, if there is one.
async fn at(store: &dyn Store, path: &BlobPath) -> Result<Option<Held>, ShardError> {
    for _ in 0..ATTEMPTS_MAX {
        let read = match store.head(path).await {
            Ok(info) => read(store, info).await,
            Err(error) => Err(ShardError::Store(error)),
        };
        match read {
            Err(error) if error.is_gone() => return Ok(None),
            Err(error) if error.is_change() => {}
            read => return read.map(Some),
        }
    }
    Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX })
}

/// Reads a tombstone, which says nothing in another's place: there it may have come over the one that was there.
pub(crate) async fn read(store: &dyn Store, info: BlobInfo) -> Result<Held, ShardError> {
    let limit = tombstone::BYTES_MAX as u64;
    if info.size > limit {
        let fault = tombstone::Fault::TooLarge {
            bytes: usize::try_from(info.size).unwrap_or(usize::MAX),
            limit: tombstone::BYTES_MAX,
        };
        return Err(ShardError::Damaged(Box::new(fault.into())));
    }
    let bytes = store.read(&info.path, 0..info.size, &info.etag).await.map_err(ShardError::Store)?;
    let tombstone = Tombstone::decode(&bytes).map_err(|error| ShardError::Damaged(error.into()))?;
    let ShardVersion { shard, etag, .. } = tombstone.version();
    if !tombstone::places(shard, etag).iter().any(|place| place == info.path.as_str()) {
        return Err(ShardError::Misplaced { shard: shard.clone() });
    }
    Ok(Held { tombstone, info })
}

/// Reads a tombstone that was listed, as it is now: others may have changed it since, or have done with it.
pub(crate) async fn read_now(store: &dyn Store, listed: BlobInfo) -> Result<Option<Held>, ShardError> {
    let path = listed.path.clone();
    match read(store, listed).await {
        Err(error) if error.is_change() => at(store, &path).await,
        Err(error) if error.is_gone() => Ok(None),
        read => read.map(Some),
    }
}

/// Hides further rows of a version of a shard with `rows` rows, for the requests that they belong to. What is hidden already stays
/// so, also what was put aside. A tombstone of an older version says nothing of this one, and makes room; what it says of other requests
/// is kept. Fails with a change where the tombstone may be of a newer version.
pub(crate) async fn hide(
    store: &dyn Store,
    shard: &BlobInfo,
    rows: u64,
    requests: &[(&str, &RoaringTreemap)],
) -> Result<Held, ShardError> {
    let version = ShardVersion { shard: shard.path.to_string(), etag: shard.etag.to_string(), rows };
    let [path, aside] = places(&version.shard, &version.etag)?;
    for _ in 0..ATTEMPTS_MAX {
        let held = held(store, shard.path.as_str()).await?;
        let mut tombstone = match &held {
            Some(held) if held.tombstone.version() == &version => held.tombstone.clone(),
            Some(held) if held.tombstone.version().etag == version.etag => {
                return Err(ShardError::Refused("its tombstone counts other rows in the same version".into()));
            }
            Some(stale) => {
                // In this order: one of a newer version was read when that was in place, and one written since is not written over.
                check_there(store, shard).await?;
                supersede(store, &stale.tombstone, requests).await?;
                Tombstone::new(version.clone())
            }
            None => Tombstone::new(version.clone()),
        };
        let put_aside = at(store, &aside).await?;
        if let Some(put_aside) = &put_aside {
            tombstone.merge(&put_aside.tombstone)?;
        }
        requests.iter().try_for_each(|(request, rows)| tombstone.hide(request, rows))?;
        let written = match held {
            Some(held) if held.tombstone == tombstone => Ok(held.info),
            held => {
                let content = Content::Bytes(tombstone.encode()?.into());
                commit::keep(store, &path, held.as_ref().map(|held| &held.info), content).await
            }
        };
        match written {
            Ok(info) => {
                if let Some(put_aside) = put_aside {
                    commit::drop_record(store, &put_aside.info).await.map_err(ShardError::Store)?;
                }
                return Ok(Held { tombstone, info });
            }
            Err(error) if matches!(error.kind, ErrorKind::Changed | ErrorKind::AlreadyExists | ErrorKind::NotFound) => {
            }
            Err(error) => return Err(ShardError::Store(error)),
        }
    }
    Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX })
}

/// Fails with a change where a shard is another version by now.
pub(crate) async fn check_there(store: &dyn Store, shard: &BlobInfo) -> Result<(), ShardError> {
    let now = store.head(&shard.path).await.map_err(ShardError::Store)?;
    match now.etag == shard.etag {
        true => Ok(()),
        false => Err(ShardError::Store(lacuna_store::Error::new(ErrorKind::Changed).at(&shard.path))),
    }
}

/// Takes `requests` out of what hid rows for them in a version of a shard that is there no more: they are hidden in the newer one.
pub(crate) async fn forget(store: &dyn Store, shard: &str, etag: &Etag, requests: &[&str]) -> Result<(), ShardError> {
    for path in places(shard, etag.as_str())? {
        // Where somebody is at it all the time, the next run looks again.
        take_out(store, &path, requests, |tombstone| tombstone.version().etag == etag.as_str()).await?;
    }
    Ok(())
}

/// Takes `requests` out of a tombstone: their rows show again.
pub(crate) async fn unhide(store: &dyn Store, path: &BlobPath, requests: &[&str]) -> Result<(), ShardError> {
    match take_out(store, path, requests, |_| true).await? {
        true => Ok(()),
        false => Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX }),
    }
}

/// Takes `requests` out of the tombstone at this path, if there is one that `is_meant`; false, where others change it all the time.
async fn take_out(
    store: &dyn Store,
    path: &BlobPath,
    requests: &[&str],
    is_meant: impl Fn(&Tombstone) -> bool,
) -> Result<bool, ShardError> {
    for _ in 0..ATTEMPTS_MAX {
        let Some(held) = at(store, path).await?.filter(|held| is_meant(&held.tombstone)) else { return Ok(true) };
        if without(store, &held, requests).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether rows of this version of a shard, or of one that took its place, are hidden for a request.
pub(crate) async fn is_hiding(store: &dyn Store, shard: &str, etag: &str, request: &str) -> Result<bool, ShardError> {
    for path in places(shard, etag)? {
        let held = at(store, &path).await?;
        if held.is_some_and(|held| held.tombstone.requests().any(|(hidden_for, _)| hidden_for == request)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes `requests` out of a tombstone, and it away when that were all; whether it still was as it was read.
async fn without(store: &dyn Store, held: &Held, requests: &[&str]) -> Result<bool, ShardError> {
    let mut tombstone = held.tombstone.clone();
    tombstone.retain(|request| !requests.contains(&request));
    if tombstone == held.tombstone {
        return Ok(true);
    }
    let done = match tombstone.hidden().is_empty() {
        true => commit::delete(store, &held.info).await,
        false => {
            let content = Content::Bytes(tombstone.encode()?.into());
            commit::keep(store, &held.info.path, Some(&held.info), content).await.map(drop)
        }
    };
    match done {
        Err(error) if matches!(error.kind, ErrorKind::Changed | ErrorKind::NotFound) => Ok(false),
        done => done.map(|()| true).map_err(ShardError::Store),
    }
}

/// Keeps what a tombstone says of other requests than these, which search again.
async fn supersede(
    store: &dyn Store,
    stale: &Tombstone,
    searching: &[(&str, &RoaringTreemap)],
) -> Result<(), ShardError> {
    let mut others = stale.clone();
    others.retain(|request| searching.iter().all(|(searching, _)| *searching != request));
    if others.hidden().is_empty() {
        return Ok(());
    }
    let path = blob_path(tombstone::superseded_path(&stale.version().shard, &stale.version().etag))?;
    for _ in 0..ATTEMPTS_MAX {
        let there = at(store, &path).await?;
        if let Some(there) = &there {
            others.merge(&there.tombstone)?;
        }
        let content = Content::Bytes(others.encode()?.into());
        match commit::keep(store, &path, there.as_ref().map(|there| &there.info), content).await {
            Err(error) if matches!(error.kind, ErrorKind::Changed | ErrorKind::AlreadyExists | ErrorKind::NotFound) => {
            }
            result => return result.map(drop).map_err(ShardError::Store),
        }
    }
    Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX })
}

/// After the rows of `purged` are out of the bytes: rows of the same version that were hidden since then stay hidden in the version
/// that took its place, where they may have other ordinals. Answers with the tombstone when all of its rows are gone. An `intent` that
/// no receipt tells of yet is marked before: whoever finds the newer tombstone goes on from there.
pub(crate) async fn carry(
    store: &dyn Store,
    purged: &Tombstone,
    after: Option<ShardVersion>,
    keeps_rows: bool,
    mut intent: Option<&mut Kept<Intent>>,
) -> Result<Option<BlobInfo>, ShardError> {
    let shard = purged.version().shard.as_str();
    for _ in 0..ATTEMPTS_MAX {
        let Some(held) = held(store, shard).await? else { return Ok(None) };
        if held.tombstone.version() != purged.version() {
            return Ok(None);
        }
        let left = held.tombstone.requests().map(|(request, rows)| (request, rows - purged.hidden()));
        let left: Vec<_> = left.filter(|(_, rows)| !rows.is_empty()).collect();
        let (Some(after), false) = (&after, left.is_empty()) else { return Ok(Some(held.info)) };
        let mut tombstone = Tombstone::new(after.clone());
        for (request, rows) in left {
            let rows = match keeps_rows {
                true => rows,
                false => rows.iter().map(|row| row - purged.hidden().rank(row)).collect(),
            };
            tombstone.hide(request, &rows)?;
        }
        if let Some(intent) = &mut intent {
            intent.mark_committed(store, &Etag::new(&after.etag)).await?;
        }
        let content = Content::Bytes(tombstone.encode()?.into());
        match commit::keep(store, &held.info.path, Some(&held.info), content).await {
            Err(error) if matches!(error.kind, ErrorKind::Changed | ErrorKind::NotFound) => {}
            result => return result.map(|_| None).map_err(ShardError::Store),
        }
    }
    Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX })
}

/// Takes away the tombstone whose rows are out of the bytes, as [`carry`] answered with it; what others hid in the same version since then
/// is carried over first.
pub(crate) async fn retire(
    store: &dyn Store,
    purged: &Tombstone,
    served: &BlobInfo,
    after: Option<ShardVersion>,
    keeps_rows: bool,
) -> Result<(), ShardError> {
    let mut served = served.clone();
    for _ in 0..ATTEMPTS_MAX {
        match commit::delete(store, &served).await {
            Err(error) if error.kind == ErrorKind::Changed => {}
            Err(error) if error.kind != ErrorKind::NotFound => return Err(ShardError::Store(error)),
            _ => return Ok(()),
        }
        match carry(store, purged, after.clone(), keeps_rows, None).await? {
            Some(info) => served = info,
            None => return Ok(()),
        }
    }
    Err(ShardError::KeepsChanging { attempts: ATTEMPTS_MAX })
}

/// The [places](tombstone::places) of the tombstone of this version of a shard.
fn places(shard: &str, etag: &str) -> Result<[BlobPath; 2], ShardError> {
    let [own, aside] = tombstone::places(shard, etag);
    Ok([blob_path(own)?, blob_path(aside)?])
}

fn blob_path(path: String) -> Result<BlobPath, ShardError> {
    BlobPath::new(path).map_err(|error| ShardError::Refused(format!("its tombstone's path {error}")))
}
