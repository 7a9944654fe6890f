//! A source with what to look for in it.

use super::asked::Asked;
use crate::plan::format::ShardFormat;
use crate::plan::glob::Glob;
use crate::read::search::Reading;
use crate::{Engine, Error, Job, Request, Source};

#[derive(Debug)]
pub(super) struct Prepared<'a> {
    pub(super) source: &'a Source,
    pub(super) glob: Glob,
    /// What the search looks for: every request's rows.
    pub(super) asked: Asked<'a>,
    /// Whether the source maps a kind of identifier that the request names, by request.
    pub(super) searchable: Vec<bool>,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(engine: &'a Engine, job: &'a Job, source: &'a Source) -> Result<Self, Error> {
        let wrong = |why| Error::Configuration(format!("source `{}`: {why}", source.name));
        let glob = Glob::new(&source.shards).map_err(wrong)?;
        ShardFormat::check(&source.format).map_err(wrong)?;
        let reading = if job.requests.iter().any(Request::erases) { Reading::Whole } else { Reading::Skim };
        let asked = Asked::new(engine, job, source, |_| true, Request::exports, reading)?;
        let searchable = job.requests.iter().map(|request| request.is_answerable_from(source)).collect();
        Ok(Self { source, glob, asked, searchable })
    }

    /// Whether any request can be answered here.
    pub(super) fn is_searchable(&self) -> bool {
        self.searchable.contains(&true)
    }

    /// What an erasure looks for: the rows of requests that go on to erase, by index.
    pub(super) fn erasing(
        &self,
        engine: &'a Engine,
        job: &'a Job,
        goes_on: impl Fn(usize) -> bool,
    ) -> Result<Asked<'a>, Error> {
        Asked::new(engine, job, self.source, goes_on, |_| false, Reading::Whole)
    }
}
