//! Counting rows: of one user, of many, in columns and in lines.

use std::{ffi::OsString, path::Path};

use anyhow::{Context, Result, bail, ensure};
use lacuna_benches::corpus::Role;

use super::{
    answer::matched,
    bench::{Bench, Corpus, threads, user},
    measure::Measured,
    tool::Tool,
};
use crate::{floor::shards, variant::Variant};

impl Bench {
    pub(super) fn find_rare(&self, corpus: &Corpus, tool: Tool) -> Result<Measured> {
        let user = user(corpus.person(Role::Rare)?)?;
        match tool {
            Tool::Lacuna => self.find(corpus, &["--subject".into(), format!("object_id={user}").into()], None),
            Tool::Floor => self.floor_id(corpus, None),
            Tool::Near => {
                let args = ["floor-indexed".into(), OsString::from(&corpus.written.dir), "--rows".into()];
                let command = self.own(args.into_iter().chain([corpus.rare_rows.clone().into()]))?;
                let (measured, said) = self.run(&command)?;
                ensure!(!said.contains(" 0 bytes"), "the floor read nothing: {said}");
                Ok(measured)
            }
            rival => {
                let args = ["find".into(), corpus.shards(rival, "parquet"), user.into()];
                self.count(&self.rival(rival, args)?, corpus.person(Role::Rare)?.rows())
            }
        }
    }

    /// The rare user, by Lacuna on so many threads.
    pub(super) fn find_on(&self, corpus: &Corpus, tool: Tool, threads: usize) -> Result<Measured> {
        if tool == Tool::Floor {
            return self.floor_id(corpus, Some(threads));
        }
        let user = user(corpus.person(Role::Rare)?)?;
        let args = ["--subject", &format!("object_id={user}"), "--threads", &threads.to_string()];
        self.find(corpus, &args.map(OsString::from), None)
    }

    /// The people whose ids the files of this name hold; they have so many `rows`.
    pub(super) fn find_many(&self, corpus: &Corpus, tool: Tool, name: &str, rows: u64) -> Result<Measured> {
        if tool == Tool::Lacuna {
            let subjects = self.work.join(format!("{name}-subjects.txt"));
            return self.find(corpus, &["--subjects".into(), subjects.into()], Some(rows));
        }
        let users = self.work.join(format!("{name}.txt"));
        if tool == Tool::Floor {
            let args = ["floor-ask".into(), OsString::from(&corpus.written.dir), "--among".into(), users.into()];
            let (measured, said) = self.run(&self.own(args)?)?;
            ensure!(!said.starts_with("0 values"), "the floor asked for nothing: {said}");
            return Ok(measured);
        }
        let args = ["count".into(), corpus.shards(tool, "parquet"), users.into()];
        self.count(&self.rival(tool, args)?, rows)
    }

    pub(super) fn find_lines(&self, corpus: &Corpus, tool: Tool, variant: Variant) -> Result<Measured> {
        let rare = corpus.person(Role::Rare)?;
        let user = user(rare)?;
        let extension = if variant == Variant::NdjsonGz { "gz" } else { "zst" };
        let paths = || Ok::<_, anyhow::Error>(shards(&corpus.written.dir, extension)?.into_iter().map(OsString::from));
        let command = match tool {
            Tool::Lacuna => {
                return self.find(corpus, &["--subject".into(), format!("object_id={user}").into()], None);
            }
            Tool::Floor => return self.floor_text(corpus, extension),
            Tool::Duckdb => self.rival(tool, ["lines".into(), corpus.shards(tool, extension), user.into()])?,
            Tool::Jq => {
                let begin = [threads()?.to_string(), user.to_owned()].map(OsString::from);
                self.rival(tool, begin.into_iter().chain(paths()?))?
            }
            Tool::Rg => self.rival(tool, [user.into()].into_iter().chain(paths()?))?,
            Tool::Polars | Tool::Pyarrow | Tool::Near => bail!("it does not take part"),
        };
        self.count(&command, rare.rows())
    }

    /// Lacuna's `find`, which must find so many `rows`; the rare user's when none are given.
    fn find(&self, corpus: &Corpus, who: &[OsString], rows: Option<u64>) -> Result<Measured> {
        let rare = corpus.person(Role::Rare)?;
        let begin = ["find".into(), "--json".into(), "--config".into(), corpus.config.clone().into()];
        let tenant = ["--tenant".into(), OsString::from(&rare.tenant)];
        let command = self.lacuna(begin.into_iter().chain(tenant).chain(who.iter().cloned()))?;
        let (measured, said) = self.run(&command)?;
        let (found, wanted) = (matched(&said)?, rows.unwrap_or_else(|| rare.rows()));
        ensure!(found == wanted, "found {found} rows of {wanted}");
        Ok(measured)
    }

    /// A command that prints nothing but how many rows it found.
    fn count(&self, command: &[OsString], rows: u64) -> Result<Measured> {
        let (measured, said) = self.run(command)?;
        let found: u64 = said.trim().parse().with_context(|| format!("it said {said:?}"))?;
        ensure!(found == rows, "found {found} rows of {rows}");
        Ok(measured)
    }

    fn floor_id(&self, corpus: &Corpus, threads: Option<usize>) -> Result<Measured> {
        let threads = threads.map(|threads| format!("--threads={threads}").into());
        let args = ["floor-id".into(), OsString::from(&corpus.written.dir)].into_iter().chain(threads);
        let (measured, said) = self.run(&self.own(args)?)?;
        ensure!(said.starts_with(&format!("{} values", corpus.written.rows)), "the floor read something else: {said}");
        Ok(measured)
    }

    /// Is given the rows, which lie in a file.
    pub(super) fn floor_hit(&self, corpus: &Corpus, rows: &Path) -> Result<Measured> {
        let args = ["floor-hit".into(), OsString::from(&corpus.written.dir), "--rows".into()];
        self.floor_rows(corpus, args.into_iter().chain([rows.into()]))
    }

    /// A floor that decompresses the user column and pages with rows besides.
    pub(super) fn floor_rows(&self, corpus: &Corpus, args: impl IntoIterator<Item = OsString>) -> Result<Measured> {
        let (measured, said) = self.run(&self.own(args)?)?;
        let is_whole = said.starts_with(&format!("{} values", corpus.written.rows));
        ensure!(is_whole && !said.contains(" 0 pages"), "the floor read something else: {said}");
        Ok(measured)
    }

    fn floor_text(&self, corpus: &Corpus, extension: &str) -> Result<Measured> {
        let args = ["floor-text".into(), OsString::from(&corpus.written.dir), "--extension".into(), extension.into()];
        let (measured, said) = self.run(&self.own(args)?)?;
        let bytes: Option<u64> = said.split_whitespace().rev().nth(2).and_then(|bytes| bytes.parse().ok());
        // A line has two ids of 36 characters, and ten fields' names.
        ensure!(bytes.is_some_and(|bytes| bytes > corpus.written.rows * 150), "the floor read something else: {said}");
        Ok(measured)
    }
}
