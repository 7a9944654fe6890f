//! Requests that ride on one pass, through the ledger.

use std::{ffi::OsString, fs};

use anyhow::{Context, Result, ensure};
use lacuna_benches::corpus::Role;

use super::{
    bench::{Bench, Corpus, user},
    measure::Measured,
};

impl Bench {
    /// One request for the rare user.
    pub(super) fn request_one(&self, corpus: &Corpus) -> Result<Measured> {
        let subject = format!("object_id={}", user(corpus.person(Role::Rare)?)?);
        self.work_through(corpus, ["--subject".into(), subject.into()], 1)
    }

    /// A request for each of 1,000 people.
    pub(super) fn request_crowd(&self, corpus: &Corpus) -> Result<Measured> {
        let subjects = self.work.join("crowd-subjects.txt").into_os_string();
        let requests = corpus.written.crowd.object_ids.len();
        self.work_through(corpus, ["--apart".into(), "--subjects".into(), subjects], requests)
    }

    /// Records requests that count, outside the clock; then a worker does all of them.
    fn work_through<const N: usize>(&self, corpus: &Corpus, who: [OsString; N], requests: usize) -> Result<Measured> {
        let dir = self.work.join("ledger");
        self.empty(&dir)?;
        let config = self.configure(&dir, &corpus.written, &corpus.written.dir)?;
        let text = fs::read_to_string(&config)?;
        fs::write(&config, format!("[ledger]\n\n{text}"))?;
        let config = [OsString::from("--config"), config.into()];
        let tenant = ["--tenant".into(), OsString::from(&corpus.person(Role::Rare)?.tenant)];
        let submit = ["request", "submit", "discover", "--json"].map(OsString::from);
        self.run(&self.lacuna(submit.into_iter().chain(config.clone()).chain(tenant).chain(who))?)?;
        let once = ["worker", "--once", "--only", "requests", "--json"].map(OsString::from);
        let (measured, said) = self.run(&self.lacuna(once.into_iter().chain(config))?)?;
        let said: serde_json::Value = serde_json::from_str(&said).context("what lacuna said is no JSON")?;
        let (complete, passes) = (said["requests"]["complete"].as_u64(), said["passes"].as_u64());
        ensure!(complete == Some(requests as u64) && passes == Some(1), "lacuna said {said}");
        Ok(measured)
    }
}
