//! Sample logs in a folder of their own, with the configuration that belongs to them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lacuna_benches::corpus::{self, Person, Sample, Written};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};
use crate::progress;

/// Sample logs on this disk.
#[derive(Debug)]
pub(crate) struct Samples {
    /// What was written.
    pub(crate) written: Written,
    /// The folder that everything is in.
    pub(crate) dir: PathBuf,
    /// The configuration.
    pub(crate) config: PathBuf,
    /// How long it took.
    pub(crate) elapsed: Duration,
}

/// Writes `sample` to `dir`: shards below `logs`, and `lacuna.toml` with packages going to `exports`. The folder is made when
/// there is none, and must be empty.
pub(crate) fn write(dir: &Path, sample: &Sample, shows_progress: bool) -> Result<Samples> {
    let dir = prepare(dir)?;
    let logs = dir.join("logs");
    let bar = progress::records(sample.rows, shows_progress);
    let start = Instant::now();
    let written = sample.write(&logs, &|records| bar.inc(records));
    bar.finish_and_clear();
    let written = written.map_err(|error| {
        Failure::other(format!("cannot write sample logs to {}", logs.display())).because(error.as_ref())
    })?;
    let config = dir.join("lacuna.toml");
    std::fs::write(&config, corpus::config(&written, &logs, &dir.join("exports")))
        .map_err(|error| Failure::other(format!("cannot write {}", config.display())).because(&error))?;
    Ok(Samples { written, dir, config, elapsed: start.elapsed() })
}

/// Makes sure that `dir` is an empty folder; its absolute path.
fn prepare(dir: &Path) -> Result<PathBuf> {
    let unusable =
        |error: std::io::Error| Failure::usage(format!("cannot use the folder {}", dir.display())).because(&error);
    std::fs::create_dir_all(dir).map_err(unusable)?;
    if std::fs::read_dir(dir).map_err(unusable)?.next().is_some() {
        return Err(Failure::usage(format!("the folder {} is not empty", dir.display()))
            .advice("Name a new folder: what is there already is never overwritten."));
    }
    dir.canonicalize().map_err(unusable)
}

impl Samples {
    /// What was written, for programs.
    pub(crate) fn json(&self) -> Value {
        let source = |source: &corpus::Source| {
            json!({
                "source": source.name, "format": source.format.name(), "shards": source.paths.len(),
                "rows": source.rows, "bytes": source.bytes,
            })
        };
        let person = |person: &Person| {
            let identifiers: serde_json::Map<String, Value> =
                person.identifiers.iter().map(|(kind, value)| (kind.clone(), json!(value))).collect();
            json!({ "role": person.role, "tenant": person.tenant, "identifiers": identifiers, "rows": person.rows() })
        };
        json!({
            "dir": self.dir,
            "config": self.config,
            "rows": self.written.rows,
            "bytes": self.written.bytes,
            "shards": self.written.shards(),
            "sources": self.written.sources.iter().map(source).collect::<Vec<_>>(),
            "people": self.written.people.iter().map(person).collect::<Vec<_>>(),
            "seconds": self.elapsed.as_secs_f64(),
        })
    }
}
