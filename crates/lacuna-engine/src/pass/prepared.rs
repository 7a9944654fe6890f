//! A source with what to look for in it.

use std::borrow::Cow;
use std::sync::Arc;

use lacuna_scan::{Matcher, Selector};

use crate::plan::format::ShardFormat;
use crate::plan::glob::Glob;
use crate::read::search::{Question, Reading};
use crate::{Engine, Error, Job, Request, Source};

#[derive(Debug)]
pub(super) struct Prepared<'a> {
    pub(super) source: &'a Source,
    pub(super) glob: Glob,
    /// What the search looks for: every request's rows.
    pub(super) question: Question,
    /// Whether the source maps a kind of identifier that the request names, by request.
    pub(super) searchable: Vec<bool>,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(engine: &Engine, job: &Job, source: &'a Source) -> Result<Self, Error> {
        let wrong = |why| Error::Configuration(format!("source `{}`: {why}", source.name));
        let glob = Glob::new(&source.shards).map_err(wrong)?;
        ShardFormat::check(&source.format).map_err(wrong)?;
        let question = Question {
            matcher: matcher(engine, job, source, |_| true)?,
            collect: job.requests.iter().map(Request::exports).collect(),
            sees_hidden: sees_hidden(job),
            reading: if job.requests.iter().any(Request::erases) { Reading::Whole } else { Reading::Skim },
        };
        let searchable = job.requests.iter().map(|request| request.is_answerable_from(source)).collect();
        Ok(Self { source, glob, question, searchable })
    }

    /// Whether any request can be answered here.
    pub(super) fn is_searchable(&self) -> bool {
        self.searchable.contains(&true)
    }

    /// What an erasure looks for: the rows of requests that go on to erase, by index.
    pub(super) fn erasing(
        &self,
        engine: &Engine,
        job: &Job,
        goes_on: impl Fn(usize) -> bool,
    ) -> Result<Question, Error> {
        Ok(Question {
            matcher: matcher(engine, job, self.source, goes_on)?,
            collect: job.requests.iter().map(|_| false).collect(),
            sees_hidden: sees_hidden(job),
            reading: Reading::Whole,
        })
    }
}

/// A matcher for the requests that are `wanted`, by index. The others have no identifiers in it, and all keep their indices.
fn matcher<'j>(
    engine: &Engine,
    job: &'j Job,
    source: &Source,
    wanted: impl Fn(usize) -> bool,
) -> Result<Arc<Matcher>, Error> {
    let selector = |(index, request): (usize, &'j Request)| match wanted(index) && request.is_about(source) {
        true => Cow::Borrowed(&*request.selector),
        false => Cow::Owned(Selector { tenant: request.selector.tenant.clone(), identifiers: Vec::new() }),
    };
    let selectors: Vec<Cow<'_, Selector>> = job.requests.iter().enumerate().map(selector).collect();
    let matcher = Matcher::new(&source.mapping, &selectors, &engine.settings.epochs);
    matcher.map(Arc::new).map_err(|why| Error::Source { name: source.name.clone(), source: why })
}

fn sees_hidden(job: &Job) -> Arc<[bool]> {
    job.requests.iter().map(Request::erases).collect()
}
