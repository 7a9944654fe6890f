//! Handing rows out: of one user, and of a crowd.

use std::{ffi::OsString, fs, path::Path};

use anyhow::{Result, ensure};
use lacuna_benches::corpus::{Person, Role};

use super::{
    answer::{matched, records_in, records_in_package},
    bench::{Bench, Corpus, user},
    measure::Measured,
    tool::Tool,
};

impl Bench {
    pub(super) fn export(&self, corpus: &Corpus, tool: Tool, person: &Person) -> Result<Measured> {
        let user = user(person)?;
        let out = self.out()?;
        let (measured, found) = match tool {
            Tool::Floor => return self.floor_hit(corpus, &corpus.common_rows),
            Tool::Lacuna => {
                let who = ["--subject".into(), format!("object_id={user}").into()];
                self.package(corpus, &person.tenant, who, &out)?
            }
            rival => self.file(rival, ["export".into(), corpus.shards(rival, "parquet"), user.into()], &out)?,
        };
        ensure!(found == person.rows(), "found {found} rows of {}", person.rows());
        Ok(measured)
    }

    /// Lacuna writes a package for each person; the others write all of them into one file.
    pub(super) fn export_crowd(&self, corpus: &Corpus, tool: Tool) -> Result<Measured> {
        let out = self.out()?;
        if tool == Tool::Floor {
            return self.floor_hit(corpus, &corpus.crowd_rows);
        }
        let apart = |out: &Path| {
            let who = ["--apart".into(), "--subjects".into(), self.work.join("crowd-subjects.txt").into()];
            self.package(corpus, &corpus.person(Role::Rare)?.tenant, who, out)
        };
        if tool == Tool::Near {
            let like = self.work.join("like");
            if !like.exists() {
                fs::create_dir(&like)?;
                apart(&like)?;
            }
            let args = ["floor-apart".into(), OsString::from(&corpus.written.dir), "--rows".into()];
            let where_to = [corpus.crowd_rows.clone().into(), "--like".into(), like.into(), out.into()];
            return self.floor_rows(corpus, args.into_iter().chain(where_to));
        }
        let (measured, found) = if tool == Tool::Lacuna {
            apart(&out)?
        } else {
            let users = self.work.join("crowd.txt").into();
            self.file(tool, ["export-crowd".into(), corpus.shards(tool, "parquet"), users], &out)?
        };
        let rows = corpus.written.crowd.rows;
        ensure!(found == rows, "found {found} rows of {rows}");
        Ok(measured)
    }

    /// Lacuna's package in `out`, and how many records it holds.
    fn package(
        &self,
        corpus: &Corpus,
        tenant: &str,
        who: impl IntoIterator<Item = OsString>,
        out: &Path,
    ) -> Result<(Measured, u64)> {
        let begin = ["export".into(), "--yes".into(), "--json".into(), "--config".into(), corpus.config.clone().into()];
        let whose = ["--tenant".into(), tenant.into(), "--to".into(), OsString::from(out)];
        let (measured, said) = self.run(&self.lacuna(begin.into_iter().chain(whose).chain(who))?)?;
        let found = records_in_package(out, &corpus.written)?;
        ensure!(matched(&said)? == found, "the package holds {found} records, and lacuna said {}", matched(&said)?);
        Ok((measured, found))
    }

    /// A rival's file in `out`, and how many records it holds.
    fn file(&self, tool: Tool, args: [OsString; 3], out: &Path) -> Result<(Measured, u64)> {
        let file = out.join("records.json");
        let (measured, _) = self.run(&self.rival(tool, args.into_iter().chain([file.clone().into()]))?)?;
        Ok((measured, records_in(&file)?))
    }
}
