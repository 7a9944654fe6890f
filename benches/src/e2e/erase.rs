//! Erasing a user from one shard.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::PathBuf,
};

use anyhow::{Result, ensure};
use lacuna_benches::corpus::Role;

use super::{
    answer::{holds, matched, rows},
    bench::{Bench, Corpus, PEOPLE, user},
    measure::Measured,
    tool::Tool,
};
use crate::{
    rows::{lost, of as rows_of},
    variant::Variant,
};

impl Bench {
    pub(super) fn erase(&self, corpus: &Corpus, tool: Tool) -> Result<Measured> {
        let person = corpus.person(Role::Rare)?;
        let user = user(person)?;
        let out = self.out()?;
        let shard = self.fresh_shard()?;
        let before = rows(&shard)?;

        let (measured, after) = if tool == Tool::Lacuna {
            let config = self.work.join("erase").join("lacuna.toml").into_os_string();
            let begin = ["erase", "--now", "--yes", "--json", "--tenant", &person.tenant, "--subject"];
            let who = [format!("object_id={user}").into(), "--config".into(), config];
            let command = self.lacuna(begin.into_iter().map(OsString::from).chain(who))?;
            let (measured, said) = self.run(&command)?;
            ensure!(matched(&said)? == 1, "lacuna matched {}", matched(&said)?);
            (measured, shard)
        } else {
            let file = out.join("shard.parquet");
            let args = ["erase".into(), shard.into_os_string(), user.into(), file.clone().into()];
            (self.run(&self.rival(tool, args)?)?.0, file)
        };
        let left = rows(&after)?;
        ensure!(left == before - 1, "{left} of {before} rows are left");
        ensure!(!holds(&after, user)?, "the user is still there");
        Ok(measured)
    }

    /// Takes a user's rows out of a shard. Lacuna has hidden them before the clock starts; the others find them while they rewrite.
    pub(super) fn purge(&self, corpus: &Corpus, tool: Tool, whose: Role) -> Result<Measured> {
        let person = corpus.person(whose)?;
        let user = user(person)?;
        let out = self.out()?;
        let shard = self.fresh_shard()?;
        let before = rows(&shard)?;
        let counts = person.counts.iter().filter_map(|count| count.by_shard.get(&self.erase_from));
        let hits: u64 = counts.sum();

        let file = out.join("shard.parquet");
        let (measured, after) = match tool {
            Tool::Lacuna => {
                let config = self.work.join("erase").join("lacuna.toml").into_os_string();
                let hide = ["erase", "--yes", "--json", "--tenant", &person.tenant, "--subject"];
                let who = [format!("object_id={user}").into(), "--config".into(), config.clone()];
                let hide = self.lacuna(hide.into_iter().map(OsString::from).chain(who))?;
                let (_, said) = self.run(&hide)?;
                ensure!(matched(&said)? == hits, "lacuna hid {} rows of {hits}", matched(&said)?);
                let purge = self.lacuna(["purge".into(), "--json".into(), "--config".into(), config])?;
                (self.run(&purge)?.0, shard)
            }
            Tool::Floor => {
                // It keeps the rows: what it takes to decode and encode them all.
                let command = self.own([OsString::from("re-encode"), shard.into_os_string(), out.into_os_string()])?;
                return Ok(self.run(&command)?.0);
            }
            Tool::Near => {
                // It keeps the rows, too: what it takes to look at and to write what must change.
                let rows = rows_of(&self.erase_store(), "UserId", user)?;
                let (found, gone) = (out.join("rows.json"), out.join("lost.json"));
                fs::write(&found, serde_json::to_vec(&rows)?)?;
                fs::write(&gone, serde_json::to_vec(&lost(&shard, rows.get(&shard).map_or(&[][..], Vec::as_slice))?)?)?;
                let known = [OsString::from("--rows"), found.into(), "--lost".into(), gone.into()];
                let args = [OsString::from("floor-edit"), shard.into(), file.into()].into_iter().chain(known);
                let (measured, said) = self.run(&self.own(args)?)?;
                ensure!(!said.contains(" 0 pages"), "the floor read something else: {said}");
                return Ok(measured);
            }
            Tool::Pyarrow => {
                let args = ["forget".into(), shard.into_os_string(), user.into(), file.clone().into()];
                (self.run(&self.rival(tool, args)?)?.0, file)
            }
            rival => {
                let args = ["erase".into(), shard.into_os_string(), user.into(), file.clone().into()];
                (self.run(&self.rival(rival, args)?)?.0, file)
            }
        };
        let left = rows(&after)?;
        ensure!(left == before - hits, "{left} of {before} rows are left, without {hits}");
        ensure!(!holds(&after, user)?, "the user is still there");
        Ok(measured)
    }

    /// Takes the rows of 1,000 people out of a shard, each of a request of its own, or (`near`) of one for all.
    pub(super) fn purge_many(&self, corpus: &Corpus, tool: Tool) -> Result<Measured> {
        let shard = self.fresh_shard()?;
        if tool == Tool::Floor {
            let command =
                self.own([OsString::from("re-encode"), shard.into_os_string(), self.out()?.into_os_string()])?;
            return Ok(self.run(&command)?.0);
        }
        let before = rows(&shard)?;
        let config = self.work.join("erase").join("lacuna.toml").into_os_string();
        let subjects = self.work.join("many-subjects.txt").into_os_string();
        let begin = ["erase", "--yes", "--json", "--tenant", &corpus.person(Role::Rare)?.tenant, "--subjects"];
        let who = [subjects, "--config".into(), config.clone()];
        let apart = (tool == Tool::Lacuna).then(|| "--apart".into());
        let hide = begin.into_iter().map(OsString::from).chain(who).chain(apart);
        let (_, said) = self.run(&self.lacuna(hide)?)?;
        let hidden = matched(&said)?;
        let (measured, said) =
            self.run(&self.lacuna(["purge".into(), "--json".into(), "--config".into(), config])?)?;
        let left = rows(&shard)?;
        ensure!(
            hidden >= PEOPLE as u64 && left == before - hidden,
            "{left} of {before} rows are left, without {hidden}"
        );
        let told = serde_json::from_str::<serde_json::Value>(&said)?["requests"].as_array().map_or(0, Vec::len);
        let requests = if tool == Tool::Lacuna { PEOPLE } else { 1 };
        ensure!(told == requests, "{told} requests of {requests} were told");
        Ok(measured)
    }

    pub(super) fn erase_store(&self) -> PathBuf {
        self.work.join("erase").join("store")
    }

    /// A store with nothing but a fresh copy of the shard to erase from; answers where it is.
    pub(super) fn fresh_shard(&self) -> Result<PathBuf> {
        let store = self.erase_store();
        self.empty(&store)?;
        let shard = store.join(&self.erase_from);
        if let Some(folder) = shard.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(self.corpus(Variant::Zstd)?.written.dir.join(&self.erase_from), &shard)?;
        // Its pages would otherwise be written back while the tool runs.
        File::open(&shard)?.sync_all()?;
        Ok(shard)
    }
}
