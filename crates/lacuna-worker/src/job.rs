//! What a pass is to do, as a job of the engine: requests with their subjects, limits and holds, over the configured sources.

use std::collections::{BTreeMap, BTreeSet};

use lacuna_engine::{
    Action, Engine, EraseLimits, EraseMode, Error, ExportOptions, Job, OnErase, Reach, Reporter, Request, RequestId,
    Source, chain,
};
use lacuna_ledger::{Counts, Hold, PassRequest, SourceCounts, Subject, Work};
use lacuna_scan::{Identifier, Selector, TenantId};
use tokio_util::sync::CancellationToken;

/// What there is to search, and how far an erasure may reach.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// The sources, in the order in which packages list them.
    pub sources: Vec<Source>,
    /// How far an erasure may reach before somebody looks at it.
    pub limits: EraseLimits,
}

/// A job, and which request of the ledger each of its own is.
#[derive(Debug)]
pub(crate) struct Composed {
    pub(crate) job: Job,
    /// The ledger's requests that are in it.
    pub(crate) placed: Vec<Placed>,
    /// Those that are not, and why.
    pub(crate) left_out: Vec<(PassRequest, LeftOut)>,
}

/// A request of the ledger in a job. One that exports and erases is two there.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) request: PassRequest,
    /// Where its package is made.
    pub(crate) export: Option<usize>,
    /// Where its rows are counted, and erased.
    pub(crate) main: usize,
}

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// To search: holds do not matter yet. They may be set and lifted until the end, and what was not searched cannot be made up for.
    Search,
    /// To write packages and erase: holds win.
    End,
}

/// Why a request is in no job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// A hold forbids its export for now.
    Held(String),
    /// It cannot be asked of these sources.
    Wrong(String),
}

impl Catalogue {
    /// The job of a pass. Requests that the engine would refuse are left out, so that no request stands in the way of others; to search,
    /// nobody asks again, for whoever planned the pass has concluded them.
    pub(crate) fn compose(&self, requests: Vec<PassRequest>, stage: Stage, head: &str, engine: &Engine) -> Composed {
        let mut composed = self.all(requests, stage, head);
        if stage == Stage::Search || composed.placed.is_empty() || is_accepted(engine, &composed.job).is_ok() {
            return composed;
        }
        let (mut fit, mut left_out) = (Vec::new(), Vec::new());
        for placed in composed.placed {
            let own = [placed.export, Some(placed.main)].into_iter().flatten().collect::<BTreeSet<_>>();
            let requests = own.into_iter().map(|at| composed.job.requests[at].clone()).collect();
            match is_accepted(engine, &Job { sources: composed.job.sources.clone(), requests, others: Vec::new() }) {
                Ok(()) => fit.push(placed.request),
                Err(error) => left_out.push((placed.request, LeftOut::Wrong(chain(&error)))),
            }
        }
        left_out.append(&mut composed.left_out);
        let mut composed = self.all(fit, stage, head);
        composed.left_out = left_out;
        composed
    }

    fn all(&self, requests: Vec<PassRequest>, stage: Stage, head: &str) -> Composed {
        let sources = self.held_by(requests.iter().flat_map(|request| &request.holds));
        let job = Job { sources, requests: Vec::new(), others: Vec::new() };
        let mut composed = Composed { job, placed: Vec::new(), left_out: Vec::new() };
        for request in requests {
            match self.parts(&request, stage, head) {
                Ok((export, main)) => {
                    let own = &mut composed.job.requests;
                    let export = export.map(|export| {
                        own.push(export);
                        own.len() - 1
                    });
                    own.extend(main);
                    let main = own.len() - 1;
                    composed.placed.push(Placed { request, export, main });
                }
                Err(why) => composed.left_out.push((request, why)),
            }
        }
        composed
    }

    /// The sources, where those that are held keep their rows.
    pub fn held_by<'h>(&self, holds: impl Iterator<Item = &'h Hold>) -> Vec<Source> {
        let held: BTreeMap<&str, &Hold> = holds.filter_map(|hold| Some((hold.source.as_deref()?, hold))).collect();
        let mut sources = self.sources.clone();
        for source in &mut sources {
            if let Some(hold) = held.get(source.name.as_str()) {
                source.on_erase = OnErase::Keep { reason: reason(hold) };
            }
        }
        sources
    }

    /// What a request is in a job: a package, and a count or an erasure.
    fn parts(
        &self,
        request: &PassRequest,
        stage: Stage,
        head: &str,
    ) -> Result<(Option<Request>, Option<Request>), LeftOut> {
        let PassRequest { request: kept, subject, work, holds } = request;
        let new = |action| {
            let id =
                RequestId::new(&kept.id.to_string()).ok_or_else(|| LeftOut::Wrong("its id is malformed".into()))?;
            let request = Request::new(id, selector(kept.tenant.as_deref(), subject), action);
            Ok(Request { sources: kept.sources.clone(), chain_head: Some(head.to_owned()), ..request })
        };
        if *work == Work::Count {
            return Ok((None, Some(new(Action::Erase(EraseMode::DryRun))?)));
        }
        let export = match kept.kind.exports() {
            true => {
                let format = kept.options.get("format").and_then(serde_json::Value::as_str);
                let format = match format.map(str::parse).transpose() {
                    Ok(format) => format.unwrap_or_default(),
                    Err(_) => return Err(LeftOut::Wrong("its package's format is unknown".into())),
                };
                let export = new(Action::Export(ExportOptions { format }))?;
                Some(match stage {
                    Stage::Search => export,
                    Stage::End => Request { withheld: self.withheld(&kept.sources, holds)?, ..export },
                })
            }
            false => None,
        };
        let main = match kept.kind.erases() {
            true => {
                let now = kept.options.get("erase").and_then(serde_json::Value::as_str) == Some("now");
                let erase = new(Action::Erase(if now { EraseMode::Now } else { EraseMode::Hide }))?;
                let approved = kept.approved.as_ref().map(reach);
                let held = holds.iter().find(|hold| hold.source.is_none()).map(reason);
                Some(Request { limits: EraseLimits { approved, ..self.limits.clone() }, held, ..erase })
            }
            false if export.is_some() => None,
            false => Some(new(Action::Discover)?),
        };
        Ok((export, main))
    }

    /// The sources that the request is about and no package may be made from, and why; a hold of them all leaves it out.
    fn withheld(&self, about: &[String], holds: &[Hold]) -> Result<BTreeMap<String, String>, LeftOut> {
        let forbidden: Vec<&Hold> = holds.iter().filter(|hold| hold.exports).collect();
        if let Some(hold) = forbidden.iter().find(|hold| hold.source.is_none()) {
            return Err(LeftOut::Held(reason(hold)));
        }
        let all = self.sources.iter().map(|source| &source.name);
        let named: Vec<&String> = all.filter(|name| about.is_empty() || about.contains(name)).collect();
        let held_by = |name: &String| forbidden.iter().find(|hold| hold.source.as_ref() == Some(name));
        let withheld: BTreeMap<_, _> =
            named.iter().filter_map(|name| Some(((*name).clone(), reason(held_by(name)?)))).collect();
        match forbidden.first() {
            Some(first) if withheld.len() == named.len() => Err(LeftOut::Held(reason(first))),
            _ => Ok(withheld),
        }
    }
}

/// What an approver saw that would go.
fn reach(counts: &Counts) -> BTreeMap<String, Reach> {
    let of = |seen: &SourceCounts| Reach { rows: seen.matched.saturating_sub(seen.kept), shards: seen.shards };
    counts.sources.iter().map(|seen| (seen.source.clone(), of(seen))).collect()
}

/// Whom a request is about, as the scan knows it. Older ledgers may have blank identifiers: those name nobody.
pub(crate) fn selector(tenant: Option<&str>, subject: &Subject) -> Selector {
    let identifiers = subject.identifiers.iter().map(|one| Identifier::new(one.kind.as_str(), one.value.expose()));
    let identifiers = identifiers.filter(|identifier| !identifier.is_blank());
    Selector { tenant: tenant.map(TenantId::new), identifiers: identifiers.collect() }
}

/// Why rows stay, in words for the receipt.
pub fn reason(hold: &Hold) -> String {
    format!("{} ({})", hold.reason, hold.legal_basis)
}

/// Whether the engine would take up a job.
fn is_accepted(engine: &Engine, job: &Job) -> Result<(), Error> {
    engine.pass(job, &Reporter::default(), &CancellationToken::new()).map(drop)
}
