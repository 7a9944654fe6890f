//! Who is compared.

use std::{env, path::Path, process::Command};

use anyhow::Result;

/// A program that does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Tool {
    /// Lacuna.
    Lacuna,
    /// DuckDB, from Python.
    Duckdb,
    /// Polars, from Python.
    Polars,
    /// PyArrow.
    Pyarrow,
    /// jq behind `zstd -dc` or `gzip -dc`.
    Jq,
    /// ripgrep behind `zstd -dc` or `gzip -dc`.
    Rg,
    /// What comes nearer than the floor: Lacuna itself on this disk, where the case is about shards that are elsewhere, or for one request,
    /// where it is about many; elsewhere the floor of all that the case asks for.
    Near,
    /// Decompressing what must be looked at, and nothing else.
    Floor,
}

impl Tool {
    pub(crate) const ALL: [Self; 8] =
        [Self::Lacuna, Self::Duckdb, Self::Polars, Self::Pyarrow, Self::Jq, Self::Rg, Self::Near, Self::Floor];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lacuna => "Lacuna",
            Self::Duckdb => "DuckDB",
            Self::Polars => "Polars",
            Self::Pyarrow => "PyArrow",
            Self::Jq => "jq",
            Self::Rg => "rg",
            Self::Near => "near",
            Self::Floor => "floor",
        }
    }

    /// The file name and text of the script that drives it.
    pub(crate) fn script(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Duckdb => Some(("run_duckdb.py", include_str!("../../rivals/run_duckdb.py"))),
            Self::Polars => Some(("run_polars.py", include_str!("../../rivals/run_polars.py"))),
            Self::Pyarrow => Some(("run_pyarrow.py", include_str!("../../rivals/run_pyarrow.py"))),
            Self::Jq => Some(("run_jq.sh", include_str!("../../rivals/run_jq.sh"))),
            Self::Rg => Some(("run_rg.sh", include_str!("../../rivals/run_rg.sh"))),
            Self::Lacuna | Self::Near | Self::Floor => None,
        }
    }

    /// What runs the script.
    pub(crate) fn interpreter(self, python: &Path) -> &Path {
        match self {
            Self::Jq | Self::Rg => Path::new("/bin/sh"),
            _ => python,
        }
    }

    /// Whether all of its programs are installed; what runs in the virtual environment always is.
    pub(crate) fn is_installed(self) -> bool {
        let programs: &[&str] = match self {
            Self::Jq => &["jq", "zstd", "gzip", "xargs"],
            Self::Rg => &["rg", "zstd", "gzip"],
            _ => &[],
        };
        let path = env::var_os("PATH").unwrap_or_default();
        programs.iter().all(|program| env::split_paths(&path).any(|dir| dir.join(program).is_file()))
    }

    /// Whether it is a part of Lacuna or of its benchmarks.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Lacuna | Self::Near | Self::Floor)
    }

    /// Its version; `None` for what is measured beside Lacuna.
    pub(crate) fn version(self, python: &Path, lacuna: Option<&Path>) -> Result<Option<String>> {
        let of_module = |module: &str| {
            let mut command = Command::new(python);
            command.args(["-c", &format!("import {module}; print({module}.__version__)")]);
            command
        };
        let of_program = |program: &Path| {
            let mut command = Command::new(program);
            command.arg("--version");
            command
        };
        let mut command = match (self, lacuna) {
            (Self::Duckdb, _) => of_module("duckdb"),
            (Self::Polars, _) => of_module("polars"),
            (Self::Pyarrow, _) => of_module("pyarrow"),
            (Self::Jq, _) => of_program(Path::new("jq")),
            (Self::Rg, _) => of_program(Path::new("rg")),
            (Self::Lacuna, Some(lacuna)) => of_program(lacuna),
            (Self::Lacuna, None) | (Self::Near | Self::Floor, _) => return Ok(None),
        };
        let said = String::from_utf8(command.output()?.stdout)?;
        // `lacuna 0.1.0`, `jq-1.7`, `ripgrep 14.1.0` and more behind it.
        let words = said.lines().next().unwrap_or_default().split([' ', '-']);
        Ok(words.into_iter().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(ToOwned::to_owned))
    }
}
