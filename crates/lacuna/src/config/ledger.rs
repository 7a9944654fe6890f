//! `[ledger]`: where requests are recorded, which keys guard them, and what they are bound to.

use std::path::Path;

use lacuna_ledger::{Policy, Role};
use time::Duration;

use super::document::{Entry, Problems, Table};
use super::secret::SecretRef;

/// The ledger's file when the configuration names none, beside it.
const FILE: &str = "lacuna-ledger.db";
/// The most approvals that can be asked for.
const APPROVALS_MAX: u64 = 5;
/// The most days that anything is kept or waited for: a century.
const DAYS_MAX: u64 = 36_500;
/// The longest cancel window, in hours: beyond a week, a month's deadline is in danger.
const CANCEL_HOURS_MAX: u64 = 168;

/// The ledger.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    /// Where it is.
    pub url: LedgerUrl,
    /// What identifiers are encrypted with; a file beside the configuration when absent.
    pub subject_key: Option<SecretRef>,
    /// What older identifiers were encrypted with.
    pub older_subject_keys: Vec<SecretRef>,
    /// What the hashes of subjects are keyed with; the subject key when absent.
    pub hash_key: Option<SecretRef>,
    /// What requests are bound to; how long packages are kept is `[export]`'s.
    pub policy: Policy,
    /// Who may act in which role; absent, everybody in each.
    pub roles: Option<Roles>,
}

/// Where the ledger is.
#[derive(Clone, Debug)]
pub(crate) enum LedgerUrl {
    /// A SQLite file's path, or the address of a PostgreSQL database, without a password.
    Plain(String),
    /// The address, which may hold a password.
    Secret(SecretRef),
}

/// The names of those who may act, role by role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roles {
    /// May submit requests and take them back.
    pub requester: Vec<String>,
    /// May decide on them.
    pub approver: Vec<String>,
    /// May keep their clock and the holds.
    pub operator: Vec<String>,
}

impl Roles {
    /// Who may act in `role`. Workers are those who have the keys.
    pub(crate) fn names(&self, role: Role) -> &[String] {
        match role {
            Role::Requester => &self.requester,
            Role::Approver => &self.approver,
            Role::Operator => &self.operator,
            Role::Worker => &[],
        }
    }
}

pub(super) fn read(entry: &Entry<'_>, base: &Path, problems: &mut Problems<'_>) -> Option<Ledger> {
    let mut table = entry.table("a table", problems)?;
    let default = Policy::default();
    let url = match table.get("url") {
        Some(entry) => url(&entry, base, problems),
        None => Some(LedgerUrl::Plain(base.join(FILE).display().to_string())),
    };
    let subject_key = table.get("subject_key");
    if let (None, Some(LedgerUrl::Plain(url))) = (&subject_key, &url)
        && is_postgres(url)
    {
        let what = "where the key lies that identifiers are encrypted with; every machine needs the same one";
        problems.add(&table.place(), format!("`ledger` needs `subject_key` with PostgreSQL: {what}"));
    }
    let subject_key = subject_key.and_then(|entry| SecretRef::read(&entry, base, problems));
    let older_subject_keys = table.get("older_subject_keys").and_then(|entry| {
        let elements = entry.list("a list, as `[{ env = \"VARIABLE\" }]`", problems)?;
        Some(elements.iter().filter_map(|element| SecretRef::read(element, base, problems)).collect())
    });
    let hash_key = table.get("hash_key").and_then(|entry| SecretRef::read(&entry, base, problems));
    let approvals = table.get("approvals").and_then(|entry| entry.number(0..=APPROVALS_MAX, problems));
    let policy = Policy {
        approvals: approvals.and_then(|number| u8::try_from(number).ok()).unwrap_or(default.approvals),
        cancel_window: span(&mut table, "cancel_window_hours", CANCEL_HOURS_MAX, Duration::hours, problems)
            .unwrap_or(default.cancel_window),
        near_due: span(&mut table, "near_due_days", 30, Duration::days, problems).unwrap_or(default.near_due),
        grace: span(&mut table, "grace_days", DAYS_MAX, Duration::days, problems).unwrap_or(default.grace),
        standing: span(&mut table, "standing_days", DAYS_MAX, Duration::days, problems).unwrap_or(default.standing),
        package_keep: None,
        ..default
    };
    let roles = table.get("roles").and_then(|entry| roles(&entry, &policy, problems));
    table.finish(problems);
    let older_subject_keys = older_subject_keys.unwrap_or_default();
    Some(Ledger { url: url?, subject_key, older_subject_keys, hash_key, policy, roles })
}

/// A span of whole hours or days.
pub(super) fn span(
    table: &mut Table<'_>,
    key: &'static str,
    most: u64,
    unit: fn(i64) -> Duration,
    problems: &mut Problems<'_>,
) -> Option<Duration> {
    let number = table.get(key)?.number(0..=most, problems)?;
    i64::try_from(number).ok().map(unit)
}

/// The most days that a package is kept.
pub(super) fn keep(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Duration> {
    span(table, "keep_days", DAYS_MAX, Duration::days, problems)
}

fn url(entry: &Entry<'_>, base: &Path, problems: &mut Problems<'_>) -> Option<LedgerUrl> {
    if entry.is_table() {
        return SecretRef::read(entry, base, problems).map(LedgerUrl::Secret);
    }
    let text = entry.words(problems)?;
    if is_postgres(text) {
        let authority = text.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or(""));
        let has_password = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
        if has_password || text.contains("password=") {
            // Nothing of it is repeated.
            let where_ = "say where the address lies, as `{ env = \"VARIABLE\" }` or `{ file = \"PATH\" }`";
            entry.wrong(format!("holds a password; {where_}"), problems);
            return None;
        }
        return Some(LedgerUrl::Plain(text.to_owned()));
    }
    if text.contains("://") {
        entry.wrong("must be the path of a file, or `postgres://HOST/DATABASE`", problems);
        return None;
    }
    Some(LedgerUrl::Plain(base.join(text).display().to_string()))
}

/// Whether `url` is of a PostgreSQL database.
fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn roles(entry: &Entry<'_>, policy: &Policy, problems: &mut Problems<'_>) -> Option<Roles> {
    let mut table = entry.table("a table", problems)?;
    let mut names = |key, problems: &mut Problems<'_>| {
        let entry = table.get(key)?;
        let elements = entry.list("a list of names", problems)?;
        let names = elements.iter().filter_map(|element| element.words(problems).map(str::to_owned));
        Some(names.collect::<Vec<_>>())
    };
    let requester = names("requester", problems).unwrap_or_default();
    let approver = names("approver", problems).unwrap_or_default();
    let operator = names("operator", problems).unwrap_or_default();
    table.finish(problems);
    if approver.len() < usize::from(policy.approvals) {
        let need = policy.approvals;
        entry.wrong(
            format!("has fewer approvers than `approvals = {need}` asks for: nothing could be erased"),
            problems,
        );
    }
    Some(Roles { requester, approver, operator })
}
