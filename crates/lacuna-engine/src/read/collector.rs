//! Records that pass by while a shard is searched, rendered and kept.

use std::io;
use std::sync::Arc;

use lacuna_export::Renderer;
use lacuna_scan::{Found, SelectorIndex, Sink, Summary};
use roaring::RoaringTreemap;

use super::search::Question;
use crate::package::spool::Part;
use crate::problem::ShardError;

/// Renders the records that selectors want, and keeps them.
pub(super) struct Collector {
    collect: Arc<[bool]>,
    hidden: Option<Arc<RoaringTreemap>>,
    wanted: Vec<SelectorIndex>,
    renderer: Renderer,
    line: Vec<u8>,
    part: Part,
    /// Why a record could not be rendered: [`Sink`] can only pass I/O errors on.
    failed: Option<lacuna_export::Error>,
}

impl Collector {
    pub(super) fn new(question: &Question, hidden: Option<Arc<RoaringTreemap>>, part: Part) -> Self {
        Self {
            collect: question.collect.clone(),
            hidden,
            wanted: Vec::new(),
            renderer: Renderer::default(),
            line: Vec::new(),
            part,
            failed: None,
        }
    }

    /// Turns the error that a search passed on into the one that the sink met.
    pub(super) fn check<T>(&self, result: lacuna_scan::Result<T>) -> Result<T, ShardError> {
        match (result, &self.failed) {
            (Err(lacuna_scan::Error::Sink(_)), Some(failed)) => Err(ShardError::Refused(crate::problem::chain(failed))),
            (Err(lacuna_scan::Error::Sink(error)), None) => Err(ShardError::Temp(error)),
            (result, _) => Ok(result?),
        }
    }

    pub(super) fn finish(self, finished: lacuna_scan::Result<Summary>) -> Result<(Summary, Part), ShardError> {
        let summary = self.check(finished)?;
        Ok((summary, self.part))
    }
}

impl Sink for Collector {
    fn found(&mut self, found: Found<'_>) -> io::Result<()> {
        self.wanted.clear();
        let collect = &self.collect;
        self.wanted.extend(found.selectors.iter().filter(|&&selector| collect[selector as usize]));
        // Whoever wants records does not see hidden ones.
        if self.wanted.is_empty() || self.hidden.as_ref().is_some_and(|hidden| hidden.contains(found.row)) {
            return Ok(());
        }
        self.line.clear();
        match self.renderer.render(found.record, &mut self.line) {
            Ok(()) => self.part.push(&self.line, &self.wanted),
            Err(error) => {
                self.failed = Some(error);
                Err(io::ErrorKind::InvalidData.into())
            }
        }
    }
}
