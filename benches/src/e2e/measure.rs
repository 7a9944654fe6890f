//! One command: its time, its peak memory, and what it said.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// A command's cost.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub(crate) struct Measured {
    exit_code: i32,
    /// From its start to its end.
    pub(crate) seconds: f64,
    /// Time on all cores.
    pub(crate) cpu_seconds: f64,
    /// The most memory that was resident.
    pub(crate) peak_bytes: u64,
    /// Of runs on a store that counts.
    #[serde(skip)]
    pub(crate) fetched: Option<Fetched>,
}

/// What was fetched from a store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetched {
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
    /// Bytes that no search can do without.
    pub(crate) needed: u64,
}

#[cfg(test)]
impl Measured {
    pub(crate) fn of(seconds: f64, peak_bytes: u64) -> Self {
        Self { exit_code: 0, seconds, cpu_seconds: seconds, peak_bytes, fetched: None }
    }
}

/// Runs commands through `measure.py`.
#[derive(Debug)]
pub(crate) struct Meter {
    python: PathBuf,
    script: PathBuf,
    dir: PathBuf,
}

impl Meter {
    /// A meter that keeps what it writes in `dir`.
    pub(crate) fn new(python: &Path, dir: &Path) -> Result<Self> {
        let script = dir.join("measure.py");
        fs::write(&script, include_str!("../../rivals/measure.py"))?;
        Ok(Self { python: python.to_owned(), script, dir: dir.to_owned() })
    }

    /// What the command cost, and its standard output. A command that fails fails the benchmark.
    pub(crate) fn run(&self, command: &[OsString]) -> Result<(Measured, String)> {
        let [report, stdout, stderr] = ["report.json", "stdout", "stderr"].map(|name| self.dir.join(name));
        let status = Command::new(&self.python)
            .arg(&self.script)
            .args([&report, &stdout, &stderr])
            .args(command)
            .status()
            .context("cannot start Python")?;
        ensure!(status.success(), "measure.py ended with {status}");
        let measured: Measured = serde_json::from_slice(&fs::read(&report)?)?;
        ensure!(
            measured.exit_code == 0,
            "{} ended with exit code {}: {}",
            command.first().map(|program| program.to_string_lossy()).unwrap_or_default(),
            measured.exit_code,
            String::from_utf8_lossy(&fs::read(&stderr)?).trim_end()
        );
        Ok((measured, fs::read_to_string(&stdout)?))
    }
}
