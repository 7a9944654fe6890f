//! Counting the rare user's rows in a store where every request waits.

use std::ffi::OsString;

use anyhow::{Context, Result, ensure};
use lacuna_benches::corpus::Role;

use super::{
    bench::{Bench, Corpus, user},
    measure::{Fetched, Measured},
    tool::Tool,
};
use crate::far::{Answer, needed};

/// What each request waits for.
const DELAY_MS: u64 = 20;

impl Bench {
    /// The rare user, by Lacuna's engine: over Azurite with the delay, from this disk, or, as the floor, over Azurite without it.
    pub(super) fn find_far(&self, corpus: &Corpus, tool: Tool) -> Result<Measured> {
        let rare = corpus.person(Role::Rare)?;
        let container = &self.container.as_ref().context("there is no container")?.name;
        let place: [OsString; 2] = match tool {
            Tool::Near => ["--dir".into(), corpus.written.dir.clone().into()],
            _ => ["--container".into(), container.into()],
        };
        let delay = if tool == Tool::Lacuna { DELAY_MS } else { 0 };
        let whom = ["--user", user(rare)?, "--tenant", &rare.tenant, "--delay", &delay.to_string()].map(OsString::from);
        let (mut measured, said) = self.run(&self.own(["slow-store".into()].into_iter().chain(place).chain(whom))?)?;
        let Answer { matched, bytes, requests } = serde_json::from_str(&said)?;
        ensure!(matched == rare.rows(), "found {matched} rows of {}", rare.rows());
        measured.fetched = Some(Fetched { bytes, requests, needed: needed(&corpus.written.dir)? });
        Ok(measured)
    }
}
