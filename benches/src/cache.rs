//! What takes long to make and stays: the corpus and the rivals' virtual environment, outside the clone.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use anyhow::{Context, Result, ensure};
use lacuna_benches::corpus::{Sample, Written};

use crate::{repeat, variant::Variant};

/// Raised when the generator writes something else for the same sample, so that older corpora are not used.
const REVISION: u32 = 3;

const REQUIREMENTS: &str = include_str!("../rivals/requirements.txt");

/// `$XDG_CACHE_HOME/lacuna/bench`, or `~/.cache/lacuna/bench`.
pub(crate) fn dir() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => env::home_dir().context("neither XDG_CACHE_HOME nor a home directory is known")?.join(".cache"),
    };
    Ok(base.join("lacuna").join("bench"))
}

/// The sample as `variant` lays it out, written before or now.
pub(crate) fn corpus(sample: &Sample, variant: Variant) -> Result<Written> {
    let dir = corpus_dir(sample, variant)?;
    let facts = dir.join("corpus.json");
    if let Ok(text) = fs::read(&facts) {
        return serde_json::from_slice(&text).with_context(|| format!("{} is broken: delete it", facts.display()));
    }
    // What is there without facts was not finished.
    empty(&dir)?;
    let shards = dir.join("shards");
    let written = match variant.repeated_to() {
        Some(bytes) => {
            let from = corpus(sample, Variant::Zstd)?;
            writeln!(io::stderr(), "writing the corpus: {}", variant.name())?;
            repeat::write(&from, bytes, &shards)?
        }
        None => write(&variant.of(sample), variant, &shards)?,
    };
    fs::write(&facts, serde_json::to_vec(&written)?)?;
    Ok(written)
}

/// Removes what [`corpus`] wrote.
pub(crate) fn remove_corpus(sample: &Sample, variant: Variant) -> Result<()> {
    let dir = corpus_dir(sample, variant)?;
    if dir.exists() { Ok(fs::remove_dir_all(dir)?) } else { Ok(()) }
}

fn corpus_dir(sample: &Sample, variant: Variant) -> Result<PathBuf> {
    let Sample { rows, shard_rows, seed, .. } = sample;
    let name = format!("corpus-{REVISION}-{rows}-rows-{shard_rows}-a-shard-seed-{seed}-{}", variant.name());
    Ok(dir()?.join(name))
}

fn write(sample: &Sample, variant: Variant, dir: &Path) -> Result<Written> {
    let done = AtomicU64::new(0);
    let written = sample.write(dir, &|rows| {
        let before = done.fetch_add(rows, Relaxed);
        let percent = |rows: u64| rows * 100 / sample.rows;
        if percent(before) < percent(before + rows) {
            let _ = write!(io::stderr(), "\rwriting the corpus: {}, {} %", variant.name(), percent(before + rows));
        }
    })?;
    writeln!(io::stderr())?;
    Ok(written)
}

/// The interpreter of a virtual environment that has the rivals in the versions of `requirements.txt`.
pub(crate) fn python() -> Result<PathBuf> {
    let versions: String = REQUIREMENTS.split_whitespace().collect::<Vec<_>>().join("-").replace("==", "-");
    let venv = dir()?.join(format!("venv-{versions}"));
    let python = venv.join("bin").join("python");
    let complete = venv.join("complete");
    if !complete.exists() {
        if venv.exists() {
            fs::remove_dir_all(&venv)?;
        }
        fs::create_dir_all(&venv)?;
        let system = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        run(Command::new(system).args(["-m", "venv"]).arg(&venv))?;
        let requirements = venv.join("requirements.txt");
        fs::write(&requirements, REQUIREMENTS)?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements))?;
        fs::write(&complete, "")?;
    }
    Ok(python)
}

/// An empty folder for what a run writes.
pub(crate) fn work() -> Result<PathBuf> {
    let work = dir()?.join("work");
    empty(&work)?;
    Ok(work)
}

/// Makes `dir` an empty folder.
pub(crate) fn empty(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    Ok(fs::create_dir_all(dir)?)
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {program}"))?;
    ensure!(status.success(), "{program} ended with {status}");
    Ok(())
}
