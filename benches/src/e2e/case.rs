//! What is compared: each case prepared, run by a tool, and its answer checked.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use lacuna_benches::corpus::{Person, Role, Written, config};
use parquet::file::{
    metadata::ParquetMetaDataReader,
    reader::{FileReader as _, SerializedFileReader},
};
use serde_json::Value;

use super::{
    measure::{Measured, Meter},
    tool::Tool,
};
use crate::cache;

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Case {
    /// Starting and ending.
    Start,
    /// Finding and exporting somebody with a handful of rows.
    ExportRare,
    /// Finding and exporting somebody with rows in every row group.
    ExportCommon,
    /// Counting the rows of many people.
    CountCrowd,
    /// Erasing somebody with one row from one shard.
    EraseOne,
}

impl Case {
    pub(crate) const ALL: [Self; 5] =
        [Self::Start, Self::ExportRare, Self::ExportCommon, Self::CountCrowd, Self::EraseOne];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Start => "start and end",
            Self::ExportRare => "find and export a rare user",
            Self::ExportCommon => "find and export a common user",
            Self::CountCrowd => "count a crowd's rows",
            Self::EraseOne => "erase one row from one shard",
        }
    }

    /// Whether the tool takes part.
    pub(crate) fn has(self, tool: Tool) -> bool {
        tool != Tool::Floor || matches!(self, Self::ExportRare)
    }
}

/// Everything that runs need.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) corpus: Written,
    lacuna: Option<PathBuf>,
    python: PathBuf,
    meter: Meter,
    work: PathBuf,
    /// The shard in which the rare user has one row, by its path in the store.
    erase_from: String,
}

impl Bench {
    pub(crate) fn new(corpus: Written, lacuna: Option<PathBuf>, python: PathBuf, work: PathBuf) -> Result<Self> {
        let meter = Meter::new(&python, &work)?;
        for tool in Tool::ALL {
            if let Some((module, script)) = tool.python() {
                fs::write(work.join(script_name(module)), script)?;
            }
        }
        fs::write(work.join("crowd.txt"), corpus.crowd.object_ids.join("\n") + "\n")?;
        let subjects: Vec<String> = corpus.crowd.object_ids.iter().map(|id| format!("object_id={id}")).collect();
        fs::write(work.join("crowd-subjects.txt"), subjects.join("\n") + "\n")?;

        let rare = corpus.person(Role::Rare).context("the corpus has no rare person")?;
        let shards = rare.counts.iter().flat_map(|count| &count.by_shard);
        let erase_from = shards.filter(|&(_, &rows)| rows == 1).map(|(path, _)| path.clone()).next();
        let erase_from = erase_from.context("the rare person has no shard with one row")?;

        let bench = Self { corpus, lacuna, python, meter, work, erase_from };
        bench.fresh_shard()?;
        for (name, store) in [("find", bench.corpus.dir.clone()), ("erase", bench.erase_store())] {
            let dir = bench.work.join(name);
            fs::create_dir_all(&dir)?;
            fs::write(dir.join("lacuna.toml"), config(&bench.corpus, &store, &dir.join("exports")))?;
            if let Some(lacuna) = &bench.lacuna {
                // Packages and receipts are signed.
                let made = Command::new(lacuna)
                    .args(["check", "--init-keys", "--json", "--config"])
                    .arg(dir.join("lacuna.toml"))
                    .output()
                    .context("cannot start lacuna")?;
                ensure!(made.status.success(), "lacuna check: {}", String::from_utf8_lossy(&made.stderr).trim_end());
            }
        }
        Ok(bench)
    }

    fn erase_store(&self) -> PathBuf {
        self.work.join("erase").join("store")
    }

    /// A store with nothing but a fresh copy of the shard to erase from; answers where it is.
    fn fresh_shard(&self) -> Result<PathBuf> {
        let store = self.erase_store();
        cache::empty(&store)?;
        let shard = store.join(&self.erase_from);
        if let Some(folder) = shard.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(self.corpus.dir.join(&self.erase_from), &shard)?;
        // Its pages would otherwise be written back while the tool runs.
        File::open(&shard)?.sync_all()?;
        Ok(shard)
    }

    /// Prepares, runs and checks.
    pub(crate) fn measure(&self, case: Case, tool: Tool) -> Result<Measured> {
        let run = match case {
            Case::Start => self.start(tool),
            Case::ExportRare | Case::ExportCommon if tool == Tool::Floor => self.floor(),
            Case::ExportRare => self.export(tool, self.person(Role::Rare)?),
            Case::ExportCommon => self.export(tool, self.person(Role::Common)?),
            Case::CountCrowd => self.count(tool),
            Case::EraseOne => self.erase(tool),
        };
        run.with_context(|| format!("{}, {}", case.title(), tool.name()))
    }

    /// The version of a tool; `None` for the floor.
    pub(crate) fn version(&self, tool: Tool) -> Result<Option<String>> {
        let mut command = match (tool.python(), &self.lacuna) {
            (Some((module, _)), _) => {
                let mut python = Command::new(&self.python);
                python.args(["-c", &format!("import {module}; print({module}.__version__)")]);
                python
            }
            (None, Some(lacuna)) if tool == Tool::Lacuna => {
                let mut command = Command::new(lacuna);
                command.arg("--version");
                command
            }
            _ => return Ok(None),
        };
        let said = String::from_utf8(command.output()?.stdout)?;
        Ok(said.split_whitespace().last().map(ToOwned::to_owned))
    }

    fn person(&self, role: Role) -> Result<&Person> {
        self.corpus.person(role).context("the corpus lacks a person")
    }

    fn start(&self, tool: Tool) -> Result<Measured> {
        let command = match tool {
            Tool::Lacuna => self.lacuna(["--version".into()])?,
            rival => self.rival(rival, ["start".into()])?,
        };
        Ok(self.meter.run(&command)?.0)
    }

    fn floor(&self) -> Result<Measured> {
        let command = [std::env::current_exe()?.into(), "floor".into(), self.corpus.dir.clone().into()];
        let (measured, said) = self.meter.run(&command)?;
        ensure!(said.starts_with(&format!("{} values", self.corpus.rows)), "the floor read something else: {said}");
        Ok(measured)
    }

    fn export(&self, tool: Tool, person: &Person) -> Result<Measured> {
        let out = self.work.join("out");
        cache::empty(&out)?;
        let user = user(person)?;
        let (measured, found) = if tool == Tool::Lacuna {
            let command = self.lacuna([
                "export".into(),
                "--config".into(),
                self.work.join("find").join("lacuna.toml").into(),
                "--tenant".into(),
                person.tenant.clone().into(),
                "--subject".into(),
                format!("object_id={user}").into(),
                "--to".into(),
                out.clone().into(),
                "--yes".into(),
                "--json".into(),
            ])?;
            let (measured, said) = self.meter.run(&command)?;
            let found = records_in_package(&out, &self.corpus)?;
            ensure!(matched(&said)? == found, "the package holds {found} records, and lacuna said {}", matched(&said)?);
            (measured, found)
        } else {
            let file = out.join("records.json");
            let command = self.rival(tool, ["export".into(), self.shards(tool), user.into(), file.clone().into()])?;
            let (measured, _) = self.meter.run(&command)?;
            (measured, records_in(&file)?)
        };
        ensure!(found == person.rows(), "found {found} rows of {}", person.rows());
        Ok(measured)
    }

    fn count(&self, tool: Tool) -> Result<Measured> {
        let (measured, said) = if tool == Tool::Lacuna {
            let command = self.lacuna([
                "find".into(),
                "--config".into(),
                self.work.join("find").join("lacuna.toml").into(),
                "--tenant".into(),
                self.person(Role::Rare)?.tenant.clone().into(),
                "--subjects".into(),
                self.work.join("crowd-subjects.txt").into(),
                "--json".into(),
            ])?;
            let (measured, said) = self.meter.run(&command)?;
            (measured, matched(&said)?)
        } else {
            let users = self.work.join("crowd.txt");
            let (measured, said) =
                self.meter.run(&self.rival(tool, ["count".into(), self.shards(tool), users.into()])?)?;
            (measured, said.trim().parse()?)
        };
        ensure!(said == self.corpus.crowd.rows, "found {said} rows of {}", self.corpus.crowd.rows);
        Ok(measured)
    }

    fn erase(&self, tool: Tool) -> Result<Measured> {
        let person = self.person(Role::Rare)?;
        let user = user(person)?;
        let out = self.work.join("out");
        cache::empty(&out)?;
        let shard = self.fresh_shard()?;
        let before = rows(&shard)?;

        let (measured, after) = if tool == Tool::Lacuna {
            let command = self.lacuna([
                "erase".into(),
                "--now".into(),
                "--config".into(),
                self.work.join("erase").join("lacuna.toml").into(),
                "--tenant".into(),
                person.tenant.clone().into(),
                "--subject".into(),
                format!("object_id={user}").into(),
                "--yes".into(),
                "--json".into(),
            ])?;
            let (measured, said) = self.meter.run(&command)?;
            ensure!(matched(&said)? == 1, "lacuna matched {}", matched(&said)?);
            (measured, &shard)
        } else {
            let file = out.join("shard.parquet");
            let command = self.rival(tool, ["erase".into(), shard.clone().into(), user.into(), file.clone().into()])?;
            (self.meter.run(&command)?.0, &out.join("shard.parquet"))
        };
        let left = rows(after)?;
        ensure!(left == before - 1, "{left} of {before} rows are left");
        ensure!(!holds(after, user)?, "the user is still there");
        Ok(measured)
    }

    fn lacuna<const N: usize>(&self, args: [OsString; N]) -> Result<Vec<OsString>> {
        let lacuna = self.lacuna.clone().context("no lacuna is named")?;
        Ok([lacuna.into_os_string()].into_iter().chain(args).collect())
    }

    fn rival<const N: usize>(&self, tool: Tool, args: [OsString; N]) -> Result<Vec<OsString>> {
        let (module, _) = tool.python().context("not a Python module")?;
        let script = self.work.join(script_name(module));
        Ok([self.python.clone().into(), script.into()].into_iter().chain(args).collect())
    }

    /// All shards, as the tool wants them named.
    fn shards(&self, tool: Tool) -> OsString {
        if tool == Tool::Pyarrow {
            self.corpus.dir.clone().into()
        } else {
            self.corpus.dir.join("**").join("*.parquet").into()
        }
    }
}

/// The script's file; not the module's own name, which would hide the module.
fn script_name(module: &str) -> String {
    format!("run_{module}.py")
}

fn user(person: &Person) -> Result<&str> {
    person.identifier("object_id").context("the person has no object id")
}

/// `matched` of a JSON document that lacuna wrote.
fn matched(said: &str) -> Result<u64> {
    let document: Value = serde_json::from_str(said).context("lacuna wrote no JSON document")?;
    document["matched"].as_u64().context("lacuna's document has no `matched`")
}

/// Records in one file: an array, or one object a line.
fn records_in(file: &Path) -> Result<u64> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let counts = values.map(|value| Ok(value?.as_array().map_or(1, |records| records.len() as u64)));
    counts.sum::<Result<u64>>()
}

/// Records in the data files of the one package below `dir`.
fn records_in_package(dir: &Path, corpus: &Written) -> Result<u64> {
    let mut records = 0;
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            records += records_in_package(&path, corpus)?;
        } else if corpus.sources.iter().any(|source| name.starts_with(&source.data_type)) {
            records += records_in(&path)?;
        }
    }
    Ok(records)
}

fn rows(shard: &Path) -> Result<u64> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&File::open(shard)?)?;
    Ok(u64::try_from(metadata.file_metadata().num_rows())?)
}

/// Whether any row names `user`.
fn holds(shard: &Path, user: &str) -> Result<bool> {
    let reader = SerializedFileReader::new(File::open(shard)?)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let Some(column) = schema.columns().iter().position(|column| column.name() == "UserId") else {
        bail!("the shard has no user column");
    };
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        let mut column = parquet::column::reader::get_typed_column_reader::<parquet::data_type::ByteArrayType>(
            group.get_column_reader(column)?,
        );
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        loop {
            values.clear();
            levels.clear();
            let (read, ..) = column.read_records(16_384, Some(&mut levels), None, &mut values)?;
            if values.iter().any(|value| value.data() == user.as_bytes()) {
                return Ok(true);
            }
            if read == 0 {
                break;
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use lacuna_benches::corpus::Sample;

    use super::*;

    #[test]
    fn answers_are_counted_in_every_form_that_tools_write() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("records.json");
        for (text, records) in
            [("[]", 0), ("[\n\t{\"a\":1},\n\t{\"a\":[2]}\n]\n", 2), ("{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n", 3), ("", 0)]
        {
            fs::write(&file, text).unwrap();
            assert_eq!(records_in(&file).unwrap(), records, "{text}");
        }
        fs::write(&file, "[{\"a\":1},").unwrap();
        assert!(records_in(&file).is_err());
        assert_eq!(matched(r#"{"matched":7,"sources":[]}"#).unwrap(), 7);
        assert!(matched("{}").is_err() && matched("6 rows").is_err());
    }

    #[test]
    fn a_user_who_is_left_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let sample = Sample { users: 500, rows: 2000, shard_rows: 2000, ..Sample::benchmark() };
        let written = sample.write(dir.path(), &|_| {}).unwrap();
        let shard = dir.path().join(&written.sources[0].paths[0]);
        assert_eq!(rows(&shard).unwrap(), 2000);
        assert!(holds(&shard, user(written.person(Role::Rare).unwrap()).unwrap()).unwrap());
        assert!(!holds(&shard, &written.tenants[0]).unwrap());
    }
}
