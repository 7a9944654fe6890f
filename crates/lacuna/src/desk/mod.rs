//! The ledger, opened as the configuration says, and who acts on it.
//!
//! Whoever can read the ledger's keys is trusted: `--as NAME` says on whose behalf, for roles and for the audit chain, and proves
//! nothing.

mod holds;
mod keys;

pub(crate) use holds::{holds, holds_about, holds_without_ledger, unasked_holds};

use futures::TryStreamExt as _;
use lacuna_ledger::{Actor, Ledger, LedgerConfig, Role};

use crate::config::{Config, Environment, LedgerUrl, Roles};
use crate::failure::{Failure, Result};
use crate::session::environment;
use crate::stores;

/// An open ledger, and the account that acts.
#[derive(Debug)]
pub(crate) struct Desk {
    /// The ledger.
    pub ledger: Ledger,
    name: String,
    roles: Option<Roles>,
}

impl Desk {
    /// [Opens](open) the ledger of `config` for the account `name`; for the system's user when absent.
    pub(crate) async fn open(config: &Config, name: Option<&str>) -> Result<Self> {
        let name = match name {
            Some(name) if name.trim().is_empty() => return Err(Failure::usage("--as gives no name")),
            Some(name) => name.to_owned(),
            None => system_user(&environment, own_account)?,
        };
        let (ledger, roles) = open(config).await?;
        Ok(Self { ledger, name, roles })
    }

    /// The account in the first of `roles` that it has.
    pub(crate) fn actor(&self, roles: &[Role]) -> Result<Actor> {
        let has = |role: &&Role| self.roles.as_ref().is_none_or(|all| all.names(**role).contains(&self.name));
        match roles.iter().find(has) {
            Some(role) => Ok(Actor::new(&self.name, *role)),
            None => {
                let wanted = roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" or ");
                Err(Failure::refused(format!("`{}` is no {wanted} in `[ledger.roles]`", self.name))
                    .advice("Act as somebody who is, with --as NAME, or add the name to the configuration."))
            }
        }
    }
}

/// Where receipts and tombstones lie in a store.
const ERASED: [&str; 2] = ["_lacuna/receipts/", "_lacuna/tombstones/"];

/// Opens the ledger of `config`; with it, who may act. Makes the ledger where there is none, but not beside logs that were erased from
/// before: it would know no hold, and everything that is opened after it would take it for the one that was lost.
pub(crate) async fn open(config: &Config) -> Result<(Ledger, Option<Roles>)> {
    open_or_make(config, false).await
}

/// The same, making it in any case.
pub(crate) async fn make(config: &Config) -> Result<(Ledger, Option<Roles>)> {
    open_or_make(config, true).await
}

/// The ledger of `config`, where there is one already.
pub(crate) async fn find(config: &Config) -> Result<Option<Ledger>> {
    let Some(settings) = &config.ledger else { return Ok(None) };
    let url = address(&settings.url)?;
    if lacuna_ledger::sqlite_file(&url).is_some()
        && !lacuna_ledger::is_there(&url).await?
        && !was_erased_from(config).await?
    {
        return Ok(None);
    }
    open(config).await.map(|(ledger, _)| Some(ledger))
}

async fn open_or_make(config: &Config, makes: bool) -> Result<(Ledger, Option<Roles>)> {
    let Some(settings) = &config.ledger else {
        return Err(Failure::usage(format!("{} has no `[ledger]`, so no request is recorded", config.path.display()))
            .advice("Add a line `[ledger]`; everything in it has a default."));
    };
    let url = address(&settings.url)?;
    let is_missing = !lacuna_ledger::is_there(&url).await?;
    let is_lost = is_missing && was_erased_from(config).await?;
    let place = lacuna_ledger::sqlite_file(&url).map_or("its database".into(), |file| file.display().to_string());
    if is_lost && !makes {
        return Err(Failure::usage(format!("there is no ledger at {place}, and an empty one knows no hold")).advice(
            "Put it back, or say in `[ledger] url` where it is. If there never was one, `lacuna check` makes it.",
        ));
    }
    let keys = keys::read(config, settings, &url, &environment)?;
    let lost =
        if is_lost { " If there was one before, its requests and holds are lost: set the holds again." } else { "" };
    let made = is_missing.then(|| format!("Made a ledger, as there was none: {place}.{lost}"));
    let ledger = Ledger::open(&LedgerConfig { url, keys, policy: settings.policy.clone() }).await?;
    made.inspect(|made| crate::output::note(made));
    Ok((ledger, settings.roles.clone()))
}

fn address(url: &LedgerUrl) -> Result<String> {
    Ok(match url {
        LedgerUrl::Plain(url) => url.clone(),
        LedgerUrl::Secret(secret) => secret.resolve_text(&environment)?.expose().clone(),
    })
}

/// Whether anything was hidden in the store, or erased from it. Whoever has no credentials for it can only file requests, and need not know.
pub(crate) async fn was_erased_from(config: &Config) -> Result<bool> {
    let Ok(store) = stores::open(&config.store, &environment) else { return Ok(false) };
    let failed = |error| Failure::other("what was erased from the logs before cannot be listed").because(&error);
    for folder in ERASED {
        if store.list(folder).try_next().await.map_err(failed)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The name that the system knows whoever runs this by: as the environment says, which cron and containers leave empty, or the account.
fn system_user(environment: Environment<'_>, account: impl FnOnce() -> Option<String>) -> Result<String> {
    ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .filter_map(|name| environment(name)?.into_string().ok())
        .find(|name| !name.trim().is_empty())
        .or_else(account)
        .ok_or_else(|| {
            Failure::usage("the system does not say who acts")
                .advice("Say it with --as NAME, or set the variable `USER`.")
        })
}

/// The account that this process runs for, by name where the machine has one for it.
#[cfg(unix)]
fn own_account() -> Option<String> {
    let number = rustix::process::getuid().as_raw();
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    Some(named(&known, number).unwrap_or_else(|| format!("uid {number}")))
}

#[cfg(not(unix))]
fn own_account() -> Option<String> {
    None
}

/// The name of the account of this number, where these lines of `/etc/passwd` have it.
#[cfg(unix)]
fn named(passwd: &str, number: u32) -> Option<String> {
    let number = number.to_string();
    let lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut names =
        lines.filter(|fields| fields.get(2) == Some(&number.as_str())).filter_map(|fields| fields.first().copied());
    names.find(|name| !name.trim().is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn the_systems_user_is_who_the_environment_says() {
        let user = |set: &'static [(&str, &str)]| {
            let environment = |name: &str| set.iter().find(|it| it.0 == name).map(|it| OsString::from(it.1));
            move |account: Option<&str>| system_user(&environment, || account.map(str::to_owned))
        };
        assert_eq!(user(&[("LOGNAME", "ann"), ("USER", "")])(Some("root")).unwrap(), "ann");
        assert_eq!(user(&[("USER", " ")])(Some("root")).unwrap(), "root");
        assert!(user(&[])(None).unwrap_err().text().contains("--as NAME"));
    }

    #[cfg(unix)]
    #[test]
    fn an_account_is_known_by_its_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:0::/home/ann:/bin/sh\n";
        assert_eq!([0, 1000, 100].map(|number| named(passwd, number)), [Some("root".into()), Some("ann".into()), None]);
    }
}
