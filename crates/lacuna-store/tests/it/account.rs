//! A storage account on loopback with what Azurite lacks: versions, soft deletion, permanent deletion, immutability policies and
//! legal holds. It behaves as the Blob service's REST reference says (Delete Blob, List Blobs, Put Block List, Snapshot Blob; "Soft
//! delete for blobs" and "Blob versioning" of the storage guide). The tests of other crates include this file by its path.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, Response};
use bytes::Bytes;
use lacuna_store::{AzureConfig, Credential, Hold, Retries, Secret, testing};
use time::macros::format_description;
use time::{Duration, OffsetDateTime};

/// What an account does with old bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Protection {
    pub(crate) versions: bool,
    /// Days for which deleted bytes are kept.
    pub(crate) soft_delete: Option<i64>,
    /// Whether soft-deleted versions and snapshots may be deleted for good, by anyone at all.
    pub(crate) permanent_delete: bool,
    /// Whether whoever asks may do that.
    pub(crate) is_owner: bool,
}

/// The account. It runs as long as its runtime.
#[derive(Clone)]
pub(crate) struct Account {
    state: Arc<Mutex<State>>,
    endpoint: String,
}

struct State {
    protection: Protection,
    blobs: BTreeMap<String, Vec<Item>>,
    blocks: HashMap<(String, String), Bytes>,
    /// Ticks of 100 ns, which tell everything that happens apart, and the time that has passed.
    ticks: i64,
    passed: Duration,
    requests: Vec<String>,
    /// Whether a firewall or a policy keeps the service from reading what is to be copied.
    forbids_copies: bool,
    /// A blob that another writer replaces before the next copy.
    replaced_before_copy: Option<String>,
}

/// A blob as it is, or as it was.
#[derive(Clone)]
struct Item {
    bytes: Bytes,
    etag: String,
    version: Option<String>,
    snapshot: Option<String>,
    is_current: bool,
    deleted: Option<OffsetDateTime>,
    metadata: Vec<(String, String)>,
    hold: Option<Hold>,
    is_leased: bool,
    is_archived: bool,
}

impl Account {
    pub(crate) async fn start(protection: Protection) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/contoso", listener.local_addr().unwrap());
        let state = State {
            protection,
            blobs: BTreeMap::new(),
            blocks: HashMap::new(),
            ticks: 0,
            passed: Duration::ZERO,
            requests: Vec::new(),
            forbids_copies: false,
            replaced_before_copy: None,
        };
        let account = Self { state: Arc::new(Mutex::new(state)), endpoint };
        let served = account.clone();
        let app = Router::new().fallback(move |request: Request| {
            let account = served.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let asked = Asked::new(&parts.method, &parts.uri, parts.headers, body);
                account.state().answer(&asked)
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        account
    }

    pub(crate) fn config(&self) -> AzureConfig {
        AzureConfig {
            endpoint: Some(self.endpoint.clone()),
            credential: Credential::SharedKey(Secret::new(testing::AZURITE_KEY)),
            retries: Retries { tries_max: 2, delay: std::time::Duration::from_millis(5), ..Retries::default() },
            ..AzureConfig::new("logs")
        }
    }

    /// The same, with a shared access signature.
    pub(crate) fn config_with_signature(&self) -> AzureConfig {
        let signature = "sv=2022-11-02&sp=rwdxylacup&sr=c&se=2099-01-01&sig=c2lnbmF0dXJl";
        AzureConfig { credential: Credential::Sas(Secret::new(signature)), ..self.config() }
    }

    /// Another writer replaces the blob just before the next stretch of it is copied.
    pub(crate) fn replace_before_copy(&self, name: &str) {
        self.state().replaced_before_copy = Some(name.to_owned());
    }

    pub(crate) fn forbid_copies(&self) {
        self.state().forbids_copies = true;
    }

    /// Requests so far, as `METHOD NAME?QUERY`; those that copy say from where.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// Makes a snapshot of a blob, as somebody who backs it up does.
    pub(crate) fn snapshot(&self, name: &str) {
        self.state().snapshot(name);
    }

    /// Puts a hold on the blob as it is now, or lifts it from all that there is of it.
    pub(crate) fn hold(&self, name: &str, hold: Option<Hold>) {
        let mut state = self.state();
        let items = state.blobs.get_mut(name).unwrap();
        items.iter_mut().filter(|item| hold.is_none() || item.is_current).for_each(|item| item.hold = hold);
    }

    pub(crate) fn lease(&self, name: &str, is_leased: bool) {
        self.state().current(name).unwrap().is_leased = is_leased;
    }

    pub(crate) fn archive(&self, name: &str) {
        self.state().current(name).unwrap().is_archived = true;
    }

    /// Lets so many days pass.
    pub(crate) fn pass_days(&self, days: i64) {
        self.state().passed += Duration::days(days);
    }

    /// All bytes that the account has of a blob, whether anybody can read them or not.
    pub(crate) fn bytes_of(&self, name: &str) -> Vec<Bytes> {
        let mut state = self.state();
        state.expire();
        state.blobs.get(name).into_iter().flatten().map(|item| item.bytes.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// A request.
struct Asked {
    method: Method,
    /// The blob; empty for the container.
    name: String,
    query: HashMap<String, String>,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    fn new(method: &Method, uri: &axum::http::Uri, headers: HeaderMap, body: Bytes) -> Self {
        let path = unescape(uri.path());
        let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        Self {
            method: method.clone(),
            name: path.splitn(4, '/').nth(3).unwrap_or_default().to_owned(),
            query: pairs.map(|(name, value)| (name.to_ascii_lowercase(), unescape(&value.replace('+', " ")))).collect(),
            headers,
            body,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn query(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }
}

type Answer = Result<Response<Body>, (u16, &'static str)>;

impl State {
    fn answer(&mut self, asked: &Asked) -> Response<Body> {
        self.expire();
        let mut query: Vec<_> = asked.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        query.extend(asked.header("x-ms-source-range").map(|range| format!("from={range}")));
        query.sort();
        self.requests.push(format!("{} {}?{}", asked.method, asked.name, query.join("&")));
        let answer = match (asked.method.as_str(), asked.query("comp"), asked.name.as_str()) {
            ("PUT", "", "") => Ok(respond(201, &[])),
            ("GET", "list", "") => Ok(self.list(asked)),
            ("PUT", "block", _) if asked.header("x-ms-copy-source").is_some() => self.copy_block(asked),
            ("PUT", "block", _) => {
                let id = asked.query("blockid").to_owned();
                self.blocks.insert((asked.name.clone(), id), asked.body.clone());
                Ok(respond(201, &[]))
            }
            ("PUT", "blocklist", name) => {
                let list = String::from_utf8(asked.body.to_vec()).unwrap();
                let ids = list.split("<Latest>").skip(1).map(|rest| rest.split('<').next().unwrap());
                let blocks = ids.map(|id| self.blocks.get(&(name.to_owned(), id.to_owned())).cloned());
                let blocks: Option<Vec<_>> = blocks.collect();
                blocks.ok_or((400, "InvalidBlockList")).and_then(|blocks| self.write(asked, blocks.concat().into()))
            }
            ("PUT", "", _) => self.write(asked, asked.body.clone()),
            ("HEAD", "", name) => self.found(name).map(|item| describe(item, 200, item.bytes.len())),
            ("GET", "", _) => self.read(asked),
            ("DELETE", "", _) => self.delete(asked),
            _ => Err((400, "UnsupportedRequest")),
        };
        answer.unwrap_or_else(|(status, code)| respond(status, &[("x-ms-error-code", code)]))
    }

    /// Put Block From URL.
    fn copy_block(&mut self, asked: &Asked) -> Answer {
        let source = asked.header("x-ms-copy-source").unwrap();
        if self.forbids_copies || !source.contains("sig=") {
            return Err((403, "CannotVerifyCopySource"));
        }
        let path = source.split('?').next().unwrap().splitn(6, '/').nth(5).unwrap();
        if let Some(name) = self.replaced_before_copy.take() {
            let item = self.found(&name)?;
            (item.bytes, item.etag) = (Bytes::from_static(b"another writer's"), "\"0xother\"".to_owned());
        }
        let item = self.found(&unescape(path))?;
        if asked.header("x-ms-source-if-match").is_some_and(|etag| etag != item.etag) {
            return Err((412, "SourceConditionNotMet"));
        }
        let range = asked.header("x-ms-source-range").unwrap().strip_prefix("bytes=").unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
        let bytes = item.bytes.slice(start..=end);
        self.blocks.insert((asked.name.clone(), asked.query("blockid").to_owned()), bytes);
        Ok(respond(201, &[]))
    }

    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + self.passed
    }

    /// A time that no other event has, as versions and snapshots are named by.
    fn stamp(&mut self) -> String {
        self.ticks += 1;
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
        format!("{}.{:07}Z", self.now().format(format).unwrap(), self.ticks)
    }

    /// Drops what was kept for long enough.
    fn expire(&mut self) {
        let (now, days) = (self.now(), self.protection.soft_delete.unwrap_or(0));
        for items in self.blobs.values_mut() {
            items.retain(|item| item.deleted.is_none_or(|deleted| now < deleted + Duration::days(days)));
        }
    }

    fn current(&mut self, name: &str) -> Option<&mut Item> {
        self.blobs.get_mut(name)?.iter_mut().find(|item| item.is_current)
    }

    fn found(&mut self, name: &str) -> Result<&mut Item, (u16, &'static str)> {
        self.current(name).ok_or((404, "BlobNotFound"))
    }

    fn snapshot(&mut self, name: &str) {
        let stamp = self.stamp();
        let mut copy = self.current(name).unwrap().clone();
        (copy.snapshot, copy.version, copy.is_current, copy.is_leased) = (Some(stamp), None, false, false);
        self.blobs.get_mut(name).unwrap().push(copy);
    }

    fn read(&mut self, asked: &Asked) -> Answer {
        let item = self.found(&asked.name)?;
        if asked.header("if-match").is_some_and(|etag| etag != item.etag) {
            return Err((412, "ConditionNotMet"));
        }
        if item.is_archived {
            return Err((409, "BlobArchived"));
        }
        let size = item.bytes.len();
        let Some(range) = asked.header("range").or(asked.header("x-ms-range")) else {
            let mut answer = describe(item, 200, size);
            *answer.body_mut() = item.bytes.clone().into();
            return Ok(answer);
        };
        let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let (start, end) =
            (start.parse::<usize>().unwrap(), end.parse::<usize>().map_or(size, |end| size.min(end + 1)));
        if start >= size {
            return Err((416, "InvalidRange"));
        }
        let mut answer = describe(item, 206, end - start);
        let range = format!("bytes {start}-{}/{size}", end - 1);
        answer.headers_mut().insert("content-range", range.parse().unwrap());
        *answer.body_mut() = item.bytes.slice(start..end).into();
        Ok(answer)
    }

    fn write(&mut self, asked: &Asked, bytes: Bytes) -> Answer {
        let Protection { versions, soft_delete, .. } = self.protection;
        let (stamp, now) = (self.stamp(), self.now());
        let items = self.blobs.entry(asked.name.clone()).or_default();
        let current = items.iter().position(|item| item.is_current);
        match (asked.header("if-match"), current.map(|at| &items[at])) {
            (Some(etag), current) if current.is_none_or(|item| item.etag != etag) => {
                return Err((412, "ConditionNotMet"));
            }
            _ if asked.header("if-none-match") == Some("*") && current.is_some() => {
                return Err((409, "BlobAlreadyExists"));
            }
            (_, Some(item)) if item.is_leased => return Err((412, "LeaseIdMissing")),
            (_, Some(item)) if item.is_archived => return Err((409, "BlobArchived")),
            // Where versions are kept, a held one becomes a previous one.
            (_, Some(Item { hold: Some(hold), .. })) if !versions => return Err(refusal(*hold)),
            _ => {}
        }
        // A blob that was soft-deleted at the same place becomes a snapshot.
        if let Some(deleted) = items.iter_mut().find(|item| item.version.is_none() && item.snapshot.is_none())
            && deleted.deleted.is_some()
        {
            deleted.snapshot = Some(stamp.clone());
        }
        if let Some(at) = current {
            items[at].is_current = false;
            match (versions && items[at].version.is_some(), soft_delete) {
                (true, _) => {}
                (false, Some(_)) => {
                    items[at].snapshot = Some(stamp.clone());
                    items[at].deleted = Some(now);
                }
                (false, None) => drop(items.remove(at)),
            }
        }
        let metadata = asked.headers.iter().filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("x-ms-meta-")?;
            Some((name.to_owned(), value.to_str().unwrap().to_owned()))
        });
        let item = Item {
            bytes,
            etag: format!("\"0x{}\"", self.ticks),
            version: versions.then_some(stamp),
            snapshot: None,
            is_current: true,
            deleted: None,
            metadata: metadata.collect(),
            hold: None,
            is_leased: false,
            is_archived: false,
        };
        let answer = describe(&item, 201, 0);
        items.push(item);
        // A commit drops the blocks that it does not name.
        self.blocks.retain(|(name, _), _| *name != asked.name);
        Ok(answer)
    }

    fn delete(&mut self, asked: &Asked) -> Answer {
        let (version, snapshot) = (asked.query("versionid"), asked.query("snapshot"));
        let for_good = asked.query("deletetype").eq_ignore_ascii_case("permanent");
        if version.is_empty() && snapshot.is_empty() {
            return if for_good { Err((409, "OperationNotAllowedOnRootBlob")) } else { self.delete_blob(asked) };
        }
        let (protection, now) = (self.protection, self.now());
        let items = self.blobs.entry(asked.name.clone()).or_default();
        let is_it = |item: &Item| match snapshot {
            "" => item.version.as_deref() == Some(version),
            _ => item.snapshot.as_deref() == Some(snapshot),
        };
        let at = items.iter().position(is_it).ok_or((404, "BlobNotFound"))?;
        let item = &mut items[at];
        match (item, for_good) {
            (Item { is_current: true, .. }, _) => Err((403, "OperationNotAllowedOnRootBlob")),
            // Whatever is asked of something soft-deleted but to undelete it or to delete it for good.
            (Item { deleted: Some(_), .. }, false) => Err((404, "BlobNotFound")),
            (Item { hold: Some(hold), .. }, _) => Err(refusal(*hold)),
            (item, false) if protection.soft_delete.is_some() => {
                item.deleted = Some(now);
                Ok(respond(202, &[("x-ms-delete-type-permanent", "false")]))
            }
            (_, true) if !protection.permanent_delete => Err((409, "FeatureNotEnabled")),
            (Item { deleted: None, .. }, true) => Err((409, "BlobSnapshotNotSoftDeleted")),
            (_, true) if !protection.is_owner => Err((403, "AuthorizationPermissionMismatch")),
            _ => {
                items.remove(at);
                Ok(respond(202, &[("x-ms-delete-type-permanent", "true")]))
            }
        }
    }

    fn delete_blob(&mut self, asked: &Asked) -> Answer {
        let (Protection { versions, soft_delete, .. }, now) = (self.protection, self.now());
        let item = self.found(&asked.name)?;
        if asked.header("if-match").is_some_and(|etag| etag != item.etag) {
            return Err((412, "ConditionNotMet"));
        }
        if item.is_leased {
            return Err((412, "LeaseIdMissing"));
        }
        if let Some(hold) = item.hold
            && !versions
        {
            return Err(refusal(hold));
        }
        let items = self.blobs.entry(asked.name.clone()).or_default();
        let has_snapshots = items.iter().any(|item| item.snapshot.is_some() && item.deleted.is_none());
        if has_snapshots && asked.header("x-ms-delete-snapshots").is_none() {
            return Err((409, "SnapshotsPresent"));
        }
        for item in items.iter_mut().filter(|item| item.deleted.is_none()) {
            let is_kept_as_version = versions && item.version.is_some();
            if (item.is_current || item.snapshot.is_some()) && !is_kept_as_version {
                item.deleted = Some(now);
            }
            item.is_current = false;
        }
        if soft_delete.is_none() {
            items.retain(|item| item.deleted.is_none());
        }
        let is_permanent = if soft_delete.is_none() && !versions { "true" } else { "false" };
        Ok(respond(202, &[("x-ms-delete-type-permanent", is_permanent)]))
    }

    fn list(&mut self, asked: &Asked) -> Response<Body> {
        let (now, days) = (self.now(), self.protection.soft_delete.unwrap_or(0));
        let includes = |what: &str| asked.query("include").split(',').any(|included| included == what);
        let is_listed = |item: &&Item| {
            (item.deleted.is_none() || includes("deleted"))
                && (item.snapshot.is_none() || includes("snapshots"))
                && (item.version.is_none() || item.is_current || includes("versions"))
        };
        let named = self.blobs.iter().filter(|(name, _)| name.starts_with(asked.query("prefix")));
        let all: Vec<_> =
            named.flat_map(|(name, items)| items.iter().filter(is_listed).map(move |item| (name, item))).collect();
        let size = asked.query("maxresults").parse().unwrap_or(5_000_usize);
        let start = asked.query("marker").parse().unwrap_or(0_usize);
        let mut xml =
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"logs\"><Blobs>".to_owned();
        for (name, item) in all.iter().skip(start).take(size) {
            let mut add = |text: String| xml.push_str(&text);
            add(format!("<Blob><Name>{}</Name>", name.replace('&', "&amp;").replace('<', "&lt;")));
            item.snapshot.iter().for_each(|time| add(format!("<Snapshot>{time}</Snapshot>")));
            item.version.iter().for_each(|time| add(format!("<VersionId>{time}</VersionId>")));
            if item.is_current && item.version.is_some() {
                add("<IsCurrentVersion>true</IsCurrentVersion>".into());
            }
            if item.deleted.is_some() {
                add("<Deleted>true</Deleted>".into());
            }
            let (etag, length) = (item.etag.trim_matches('"'), item.bytes.len());
            add(format!("<Properties><Etag>{etag}</Etag><Content-Length>{length}</Content-Length>"));
            add("<BlobType>BlockBlob</BlobType>".into());
            if let Some(deleted) = item.deleted {
                let left = (deleted + Duration::days(days) - now).whole_days();
                add(format!("<DeletedTime>{}</DeletedTime>", http_date(deleted)));
                add(format!("<RemainingRetentionDays>{left}</RemainingRetentionDays>"));
            }
            match item.hold {
                Some(Hold::Legal) if includes("legalhold") => add("<LegalHold>true</LegalHold>".into()),
                Some(Hold::Policy(Some(until))) if includes("immutabilitypolicy") => {
                    let until = http_date(until.midnight().assume_utc());
                    add(format!("<ImmutabilityPolicyUntilDate>{until}</ImmutabilityPolicyUntilDate>"));
                    add("<ImmutabilityPolicyMode>locked</ImmutabilityPolicyMode>".into());
                }
                // A container's own policy shows in no listing.
                _ => {}
            }
            add("</Properties><Metadata>".into());
            item.metadata.iter().for_each(|(key, value)| add(format!("<{key}>{value}</{key}>")));
            add("</Metadata></Blob>".into());
        }
        let next = if start + size < all.len() { (start + size).to_string() } else { String::new() };
        xml.push_str(&format!("</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>"));
        let mut answer = respond(200, &[("content-type", "application/xml")]);
        *answer.body_mut() = xml.into();
        answer
    }
}

fn refusal(hold: Hold) -> (u16, &'static str) {
    match hold {
        Hold::Legal => (409, "BlobImmutableDueToLegalHold"),
        Hold::Policy(_) => (409, "BlobImmutableDueToPolicy"),
    }
}

fn respond(status: u16, headers: &[(&str, &str)]) -> Response<Body> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(Body::empty()).unwrap()
}

fn describe(item: &Item, status: u16, length: usize) -> Response<Body> {
    let length = length.to_string();
    let lease = if item.is_leased { "locked" } else { "unlocked" };
    let mut headers = vec![("etag", item.etag.as_str()), ("x-ms-blob-type", "BlockBlob"), ("x-ms-lease-status", lease)];
    if status != 201 {
        headers.push(("content-length", &length));
    }
    if item.is_leased {
        headers.extend([("x-ms-lease-state", "leased"), ("x-ms-lease-duration", "infinite")]);
    }
    if item.is_archived {
        headers.push(("x-ms-access-tier", "Archive"));
    }
    let mut answer = respond(status, &headers);
    for (key, value) in &item.metadata {
        let name: axum::http::HeaderName = format!("x-ms-meta-{key}").parse().unwrap();
        answer.headers_mut().insert(name, value.parse().unwrap());
    }
    answer
}

fn http_date(time: OffsetDateTime) -> String {
    let format =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    time.format(format).unwrap()
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
