//! Everything that runs need, prepared once; and which run does a case's work.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context, Result, ensure};
use lacuna_benches::corpus::{Person, Role, Sample, Written, config};

use super::{
    case::{Case, Work},
    measure::{Measured, Meter},
    tool::Tool,
};
use crate::{cache, far::Container, rows, variant::Variant};

/// People whose rows leave a shard at once.
pub(super) const PEOPLE: usize = 1000;

/// What the measurements run on.
#[derive(Debug)]
pub(crate) struct Bench {
    lacuna: Option<PathBuf>,
    python: PathBuf,
    meter: Meter,
    /// Where runs write.
    pub(super) work: PathBuf,
    corpora: BTreeMap<Variant, Corpus>,
    /// The shard in which the rare user has one row, by its path in the store.
    pub(super) erase_from: String,
    /// The zstd variant in Azurite.
    pub(super) container: Option<Container>,
}

/// One variant of the table.
#[derive(Debug)]
pub(crate) struct Corpus {
    pub(crate) written: Written,
    /// Lacuna's configuration for it.
    pub(super) config: PathBuf,
    /// Where the rare user's rows lie, for the floor.
    pub(super) rare_rows: PathBuf,
    /// Where the common user's rows lie.
    pub(super) common_rows: PathBuf,
    /// Where the crowd's rows lie.
    pub(super) crowd_rows: PathBuf,
}

impl Bench {
    pub(crate) fn new(sample: &Sample, cases: &[Case], lacuna: Option<PathBuf>) -> Result<Self> {
        let (python, work) = (cache::python()?, cache::work()?);
        let meter = Meter::new(&python, &work)?;
        for (name, text) in Tool::ALL.into_iter().filter_map(Tool::script) {
            fs::write(work.join(name), text)?;
        }
        let mut variants: Vec<Variant> = cases.iter().map(|case| case.variant).collect();
        // All know who is whom from this one.
        variants.push(Variant::Zstd);
        variants.sort_unstable();
        variants.dedup();

        let (corpora, erase_from) = (BTreeMap::new(), String::new());
        let mut this = Self { lacuna, python, meter, work, corpora, erase_from, container: None };
        for variant in variants {
            let corpus = this.corpus_of(cache::corpus(sample, variant)?, variant, cases)?;
            this.corpora.insert(variant, corpus);
        }
        let zstd = &this.corpus(Variant::Zstd)?.written;
        for (name, crowd) in [("crowd", &zstd.crowd), ("throng", &zstd.throng)] {
            fs::write(this.work.join(format!("{name}.txt")), crowd.object_ids.join("\n") + "\n")?;
            let subjects: Vec<String> = crowd.object_ids.iter().map(|id| format!("object_id={id}")).collect();
            fs::write(this.work.join(format!("{name}-subjects.txt")), subjects.join("\n") + "\n")?;
        }
        let rare = zstd.person(Role::Rare).context("the corpus has no rare person")?;
        let tenant = rare.tenant.clone();
        let shards = rare.counts.iter().flat_map(|count| &count.by_shard);
        let erase_from = shards.filter(|&(_, &rows)| rows == 1).map(|(path, _)| path.clone()).next();
        this.erase_from = erase_from.context("the rare person has no shard with one row")?;
        if cases
            .iter()
            .any(|case| matches!(case.work, Work::EraseOne | Work::PurgeOne | Work::PurgeEvery | Work::PurgeMany))
        {
            let shard = this.fresh_shard()?;
            let people = rows::people(&shard, &tenant, PEOPLE)?;
            let subjects: Vec<String> = people.iter().map(|id| format!("object_id={id}")).collect();
            fs::write(this.work.join("many-subjects.txt"), subjects.join("\n") + "\n")?;
            this.configure(&this.work.join("erase"), &this.corpus(Variant::Zstd)?.written, &this.erase_store())?;
        }
        if cases.iter().any(|case| case.work == Work::SlowStore) {
            this.container = Some(Container::fill(&this.corpus(Variant::Zstd)?.written.dir)?);
        }
        Ok(this)
    }

    fn corpus_of(&self, written: Written, variant: Variant, cases: &[Case]) -> Result<Corpus> {
        let dir = self.work.join(variant.name());
        let config = self.configure(&dir, &written, &written.dir)?;
        let rare_rows = dir.join("rare-rows.json");
        if variant.is_indexed() && cases.contains(&Case { work: Work::FindRare, variant }) {
            let rare = written.person(Role::Rare).context("the corpus has no rare person")?;
            note(&rare_rows, &rows::of(&written.dir, "UserId", user(rare)?)?, rare.rows())?;
        }
        let common_rows = dir.join("common-rows.json");
        if cases.contains(&Case { work: Work::ExportCommon, variant }) {
            let common = written.person(Role::Common).context("the corpus has no common person")?;
            note(&common_rows, &rows::of(&written.dir, "UserId", user(common)?)?, common.rows())?;
        }
        let crowd_rows = dir.join("crowd-rows.json");
        if cases.contains(&Case { work: Work::ExportCrowd, variant }) {
            let crowd = written.crowd.object_ids.iter().map(String::as_str).collect();
            note(&crowd_rows, &rows::of_any(&written.dir, "UserId", &crowd)?, written.crowd.rows)?;
        }
        Ok(Corpus { written, config, rare_rows, common_rows, crowd_rows })
    }

    /// Writes a configuration for `store` into the folder, with keys: packages and receipts are signed.
    pub(super) fn configure(&self, dir: &Path, written: &Written, store: &Path) -> Result<PathBuf> {
        fs::create_dir_all(dir)?;
        let path = dir.join("lacuna.toml");
        fs::write(&path, config(written, store, &dir.join("exports")))?;
        if let Some(lacuna) = &self.lacuna {
            let mut check = Command::new(lacuna);
            check.args(["check", "--init-keys", "--json", "--config"]).arg(&path);
            let made = check.output().context("cannot start lacuna")?;
            ensure!(made.status.success(), "lacuna check: {}", String::from_utf8_lossy(&made.stderr).trim_end());
        }
        Ok(path)
    }

    /// Prepares, runs and checks.
    pub(crate) fn measure(&self, case: Case, tool: Tool) -> Result<Measured> {
        let corpus = self.corpus(case.variant)?;
        let run = match case.work {
            Work::Start => self.start(tool),
            Work::FindRare => self.find_rare(corpus, tool),
            Work::FindCrowd => self.find_many(corpus, tool, "crowd", corpus.written.crowd.rows),
            Work::FindThrong => self.find_many(corpus, tool, "throng", corpus.written.throng.rows),
            Work::OneThread => self.find_on(corpus, tool, 1),
            Work::TwoThreads => self.find_on(corpus, tool, 2),
            Work::SlowStore => self.find_far(corpus, tool),
            Work::FindLines => self.find_lines(corpus, tool, case.variant),
            Work::ExportRare => self.export(corpus, tool, corpus.person(Role::Rare)?),
            Work::ExportCommon | Work::Memory => self.export(corpus, tool, corpus.person(Role::Common)?),
            Work::ExportCrowd => self.export_crowd(corpus, tool),
            Work::EraseOne => self.erase(corpus, tool),
            Work::PurgeOne => self.purge(corpus, tool, Role::Rare),
            Work::PurgeEvery => self.purge(corpus, tool, Role::Common),
            Work::RequestOne => self.request_one(corpus),
            Work::RequestCrowd => self.request_crowd(corpus),
            Work::PurgeMany => self.purge_many(corpus, tool),
        };
        run.with_context(|| format!("{case}, {}", tool.name()))
    }

    pub(crate) fn version(&self, tool: Tool) -> Result<Option<String>> {
        tool.version(&self.python, self.lacuna.as_deref())
    }

    pub(crate) fn corpus(&self, variant: Variant) -> Result<&Corpus> {
        self.corpora.get(&variant).with_context(|| format!("the corpus lacks {}", variant.name()))
    }

    /// The variants that are there.
    pub(crate) fn corpora(&self) -> impl Iterator<Item = (Variant, &Corpus)> {
        self.corpora.iter().map(|(&variant, corpus)| (variant, corpus))
    }

    fn start(&self, tool: Tool) -> Result<Measured> {
        let command = match tool {
            Tool::Lacuna => self.lacuna(["--version"])?,
            rival => self.rival(rival, ["start"])?,
        };
        Ok(self.run(&command)?.0)
    }

    /// What the command cost, and what it said.
    pub(super) fn run(&self, command: &[OsString]) -> Result<(Measured, String)> {
        self.meter.run(command)
    }

    pub(super) fn lacuna<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> Result<Vec<OsString>> {
        let lacuna = self.lacuna.clone().context("no lacuna is named")?;
        Ok([lacuna.into_os_string()].into_iter().chain(args.into_iter().map(Into::into)).collect())
    }

    pub(super) fn rival<A: Into<OsString>>(
        &self,
        tool: Tool,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<OsString>> {
        let (script, _) = tool.script().context("it has no script")?;
        let begin = [tool.interpreter(&self.python).into(), self.work.join(script).into_os_string()];
        Ok(begin.into_iter().chain(args.into_iter().map(Into::into)).collect())
    }

    /// This program's own commands.
    pub(super) fn own<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> Result<Vec<OsString>> {
        let own = std::env::current_exe()?.into_os_string();
        Ok([own].into_iter().chain(args.into_iter().map(Into::into)).collect())
    }

    /// An empty folder for what a tool writes.
    pub(super) fn out(&self) -> Result<PathBuf> {
        let out = self.work.join("out");
        self.empty(&out)?;
        Ok(out)
    }

    /// Makes `dir` an empty folder. What was in it is deleted when all has been measured: for a minute after thousands of files were deleted,
    /// ext4 takes many times as long to make one.
    pub(super) fn empty(&self, dir: &Path) -> Result<()> {
        if dir.exists() {
            let bygone = self.work.join("bygone");
            fs::create_dir_all(&bygone)?;
            let number = fs::read_dir(&bygone)?.count();
            fs::rename(dir, bygone.join(number.to_string()))?;
        }
        Ok(fs::create_dir_all(dir)?)
    }
}

impl Corpus {
    pub(super) fn person(&self, role: Role) -> Result<&Person> {
        self.written.person(role).context("the corpus lacks a person")
    }

    /// All shards, as the tool wants them named: a folder or a glob.
    pub(super) fn shards(&self, tool: Tool, extension: &str) -> OsString {
        if tool == Tool::Pyarrow {
            self.written.dir.clone().into()
        } else {
            self.written.dir.join("**").join(format!("*.{extension}")).into()
        }
    }
}

pub(super) fn user(person: &Person) -> Result<&str> {
    person.identifier("object_id").context("the person has no object id")
}

/// As many as there are cores.
pub(super) fn threads() -> Result<usize> {
    Ok(thread::available_parallelism()?.get())
}

/// Writes down where rows lie, of which there must be so many.
fn note(file: &Path, rows: &rows::Rows, many: u64) -> Result<()> {
    ensure!(rows.values().map(|rows| rows.len() as u64).sum::<u64>() == many, "rows are missing");
    Ok(fs::write(file, serde_json::to_vec(rows)?)?)
}
