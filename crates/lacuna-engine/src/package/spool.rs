//! Matched records on their way from the shards to the packages: rendered once, kept on disk, read back by request.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufWriter, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lacuna_scan::SelectorIndex;
use serde::{Deserialize, Serialize};
use tempfile::SpooledTempFile;

/// Below this a shard's records stay in memory.
const MEMORY_BYTES: usize = 256 << 10;

/// Records are gathered to so many bytes on their way to a file.
const WRITE_BYTES: usize = 32 << 10;

/// Consecutive records of one selector: whole lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    selector: SelectorIndex,
    start: u64,
    bytes: u64,
}

/// How long a part's records are, and where each selector's lie in them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Runs {
    length: u64,
    runs: Vec<Run>,
}

/// The records of one part of a shard, in the order of rows.
#[derive(Debug)]
pub(crate) struct Part {
    file: BufWriter<SpooledTempFile>,
    length: u64,
    runs: Vec<Run>,
}

impl Part {
    pub(crate) fn new(temp_dir: &Path) -> Self {
        let file = tempfile::spooled_tempfile_in(MEMORY_BYTES, temp_dir);
        Self { file: BufWriter::with_capacity(WRITE_BYTES, file), length: 0, runs: Vec::new() }
    }

    /// All that was written, from the first byte on.
    fn rewound(&mut self) -> io::Result<&mut SpooledTempFile> {
        self.file.flush()?;
        let file = self.file.get_mut();
        io::Seek::rewind(file)?;
        Ok(file)
    }

    /// Adds a rendered record (one line, without its end) for each of `selectors`.
    pub(crate) fn push(&mut self, record: &[u8], selectors: &[SelectorIndex]) -> io::Result<()> {
        self.file.write_all(record)?;
        self.file.write_all(b"\n")?;
        let bytes = record.len() as u64 + 1;
        for &selector in selectors {
            add_run(&mut self.runs, Run { selector, start: self.length, bytes });
        }
        self.length += bytes;
        Ok(())
    }

    /// The records' bytes, from the first one on, and whose they are: what [`restore`](Self::restore) takes.
    pub(crate) fn read(&mut self) -> io::Result<(Runs, impl Read)> {
        let runs = Runs { length: self.length, runs: self.runs.clone() };
        Ok((runs, self.rewound()?))
    }

    /// The part that was read elsewhere. Records of selectors that are `None` now are nobody's.
    pub(crate) fn restore(
        temp_dir: &Path,
        runs: Runs,
        records: &mut impl Read,
        selector: impl Fn(SelectorIndex) -> Option<SelectorIndex>,
    ) -> io::Result<Self> {
        let mut part = Self::new(temp_dir);
        part.length = io::copy(&mut records.take(runs.length), &mut part.file)?;
        let ends = runs.runs.iter().map(|run| run.start.checked_add(run.bytes));
        if part.length != runs.length || ends.into_iter().any(|end| end.is_none_or(|end| end > part.length)) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        part.runs =
            runs.runs.into_iter().filter_map(|run| Some(Run { selector: selector(run.selector)?, ..run })).collect();
        Ok(part)
    }

    /// Adds all of `other` behind this.
    pub(crate) fn append(&mut self, mut other: Self) -> io::Result<()> {
        io::copy(other.rewound()?, &mut self.file)?;
        for run in other.runs {
            add_run(&mut self.runs, Run { start: run.start + self.length, ..run });
        }
        self.length += other.length;
        Ok(())
    }
}

fn add_run(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last) if last.selector == run.selector && last.start + last.bytes == run.start => {
            last.bytes += run.bytes;
        }
        _ => runs.push(run),
    }
}

/// All records of a job, with the place of each selector's in each source.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    index: Mutex<Index>,
}

#[derive(Debug, Default)]
struct Index {
    length: u64,
    /// By source and selector: where runs start, and their bytes.
    runs: BTreeMap<(usize, SelectorIndex), Vec<(u64, u64)>>,
}

impl Spool {
    pub(crate) fn new(temp_dir: &Path) -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile_in(temp_dir)?, index: Mutex::default() })
    }

    /// Adds the records of one shard of source `source`. Shards come in their order.
    pub(crate) fn append(&self, source: usize, mut part: Part) -> io::Result<()> {
        if part.length == 0 {
            return Ok(());
        }
        let mut index = self.lock();
        let base = index.length;
        io::copy(part.rewound()?, &mut &self.file)?;
        for run in part.runs {
            let runs = index.runs.entry((source, run.selector)).or_default();
            let start = base + run.start;
            match runs.last_mut() {
                Some(last) if last.0 + last.1 == start => last.1 += run.bytes,
                _ => runs.push((start, run.bytes)),
            }
        }
        index.length += part.length;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The records of `selector` in `sources`, one a line; `None` when there are none.
    pub(crate) fn lines(self: &Arc<Self>, sources: &[usize], selector: SelectorIndex) -> Option<Lines> {
        let index = self.lock();
        let runs = sources.iter().filter_map(|&source| index.runs.get(&(source, selector)));
        let runs: Arc<[_]> = runs.flatten().copied().collect();
        (!runs.is_empty()).then(|| Lines { spool: self.clone(), runs })
    }
}

/// Some of a selector's records. Can be read any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    spool: Arc<Spool>,
    runs: Arc<[(u64, u64)]>,
}

impl Lines {
    pub(crate) fn open(&self) -> impl BufRead + Send + 'static {
        let bytes = self.runs.iter().map(|(_, bytes)| *bytes).sum::<u64>();
        let capacity = usize::try_from(bytes).unwrap_or(usize::MAX).clamp(1, 256 << 10);
        io::BufReader::with_capacity(capacity, RunReader { lines: self.clone(), run: 0, at: 0 })
    }
}

struct RunReader {
    lines: Lines,
    run: usize,
    at: u64,
}

impl Read for RunReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(&(start, bytes)) = self.lines.runs.get(self.run) {
            let left = usize::try_from(bytes - self.at).unwrap_or(usize::MAX);
            if left > 0 {
                let wanted = left.min(buffer.len());
                let read = self.lines.spool.file.read_at(&mut buffer[..wanted], start + self.at)?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.at += read as u64;
                return Ok(read);
            }
            self.run += 1;
            self.at = 0;
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_by_selector_in_order() {
        let temp = tempfile::tempdir().unwrap();
        let spool = Arc::new(Spool::new(temp.path()).unwrap());
        for (source, records) in [(0, [("a", &[0_u32][..]), ("b", &[0, 1])]), (1, [("c", &[1]), ("d", &[0])])] {
            let mut part = Part::new(temp.path());
            let mut tail = Part::new(temp.path());
            part.push(records[0].0.as_bytes(), records[0].1).unwrap();
            tail.push(records[1].0.as_bytes(), records[1].1).unwrap();
            part.append(tail).unwrap();
            spool.append(source, part).unwrap();
        }
        let read = |sources: &[usize], selector| {
            spool.lines(sources, selector).map(|lines| io::read_to_string(lines.open()).unwrap())
        };
        assert_eq!(read(&[0, 1], 0).unwrap(), "a\nb\nd\n");
        assert_eq!(read(&[0, 1], 1).unwrap(), "b\nc\n");
        assert_eq!(read(&[1, 0], 1).unwrap(), "c\nb\n");
        assert_eq!(read(&[0, 1], 7), None);
    }
}
