//! A request on its way into the ledger, and its way until it ends.

use std::sync::Arc;
use std::time::Duration;

use lacuna_engine::Source;
use lacuna_ledger::{Identifier, Kind, Lane, NewRequest, Request, RequestId, Role, State, Subject, Submitted};
use lacuna_scan::Selector;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::args::{Filing, Following};
use crate::config::Config;
use crate::desk::Desk;
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::output;
use crate::report::{standing, write_filed};

/// The law of requests that name none.
const REGULATION: &str = "gdpr";
/// How often a request is looked at while it is followed.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is asked of the ledger, for one person or several.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// What is wanted.
    pub kind: Kind,
    /// Which sources it is about; all, when there is none.
    pub sources: Vec<String>,
    /// The format of a package's data files.
    pub format: lacuna_export::Format,
    /// Whether erased records leave the bytes in the same pass.
    pub now: bool,
}

impl Wish {
    /// Records the wish for each of `selectors`; in their order, what became of it.
    pub(crate) async fn file(&self, desk: &Desk, filing: &Filing, selectors: &[Arc<Selector>]) -> Result<Vec<Filed>> {
        // Only an approver may skip the time in which others can still say stop.
        let roles: &[Role] =
            if filing.force { &[Role::Approver] } else { &[Role::Requester, Role::Operator, Role::Approver] };
        let actor = desk.actor(roles)?;
        let mut filed = Vec::with_capacity(selectors.len());
        for (number, selector) in selectors.iter().enumerate() {
            let new = self.request(filing, selector, (selectors.len() > 1).then_some(number + 1));
            let submitted = desk.ledger.submit(new, &actor, OffsetDateTime::now_utc()).await?;
            filed.push(match submitted {
                Submitted::New(request) => Filed { how: "new", is_due_earlier: false, request },
                Submitted::Known(request) => Filed { how: "known", is_due_earlier: false, request },
                Submitted::Duplicate { of, is_due_earlier } => {
                    Filed { how: "duplicate", is_due_earlier, request: desk.ledger.request(of).await? }
                }
            });
        }
        Ok(filed)
    }

    /// Records the wish, and waits for the end of each request unless `following` says not to.
    pub(crate) async fn file_and_follow(
        &self,
        config: &Config,
        following: &Following,
        selectors: &[Arc<Selector>],
        is_json: bool,
        cancel: &CancellationToken,
    ) -> Result<ExitCode> {
        let desk = Desk::open(config, following.name.as_deref()).await?;
        let mut filed = self.file(&desk, &following.filing, selectors).await?;
        let mut code = ExitCode::Done;
        if !following.detach {
            for filed in &mut filed {
                let (request, ended) = follow(&desk, filed.request.id, cancel).await?;
                filed.request = request;
                if code == ExitCode::Done {
                    code = ended;
                }
            }
        }
        desk.ledger.close().await;
        write_filed(&filed, is_json)?;
        Ok(code)
    }

    fn request(&self, filing: &Filing, selector: &Selector, number: Option<usize>) -> NewRequest {
        let key = filing.idempotency_key.as_ref();
        NewRequest {
            tenant: selector.tenant.as_ref().map(|tenant| tenant.as_str().to_owned()),
            subject: subject(&selector.identifiers),
            kind: self.kind,
            regulation: filing.regulation.as_deref().unwrap_or(REGULATION).to_owned(),
            received: filing.received,
            sources: self.sources.clone(),
            options: self.options(),
            lane: if filing.on_demand { Lane::OnDemand } else { Lane::Batch },
            force: filing.force,
            idempotency_key: key.map(|key| number.map_or_else(|| key.clone(), |number| format!("{key}-{number}"))),
        }
    }

    fn options(&self) -> Map<String, Value> {
        let mut options = Map::new();
        if self.kind.exports() {
            options.insert("format".to_owned(), json!(self.format.extension()));
        }
        if self.kind.erases() {
            options.insert("erase".to_owned(), json!(if self.now { "now" } else { "hide" }));
        }
        options
    }
}

/// What became of a wish.
#[derive(Clone, Debug)]
pub(crate) struct Filed {
    /// `new`, `known` under the same idempotency key, or the `duplicate` of one that is under way.
    pub how: &'static str,
    /// Whether the one that is under way is due earlier now, as this wish was received before it.
    pub is_due_earlier: bool,
    /// The request.
    pub request: Request,
}

/// Waits until the request ends, somebody must decide on it, or `cancel` asks to stop waiting. Each change is said on standard error.
async fn follow(desk: &Desk, id: RequestId, cancel: &CancellationToken) -> Result<(Request, ExitCode)> {
    let (mut before, mut was_told) = (None, false);
    loop {
        let request = desk.ledger.request(id).await?;
        if before != Some(request.state) {
            before = Some(request.state);
            output::note(&format!("{id}: {}", standing(&request, OffsetDateTime::now_utc())));
        }
        if !was_told && matches!(request.state, State::Received | State::Scheduled) {
            was_told = true;
            output::note(
                "This waits until a worker has carried it out (`lacuna worker`). Ctrl-C ends the waiting and not the request; with \
                 --detach nothing waits.",
            );
        }
        if let Some((code, advice)) = verdict(&request) {
            advice.inspect(|advice| output::note(advice));
            return Ok((request, code));
        }
        tokio::select! {
            () = cancel.cancelled() => {
                output::note(&format!("The request goes on. `lacuna request show {id}` says how it stands."));
                return Ok((request, ExitCode::Interrupted));
            }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// How the process ends on a request that stands so; `None` while it is worth waiting.
fn verdict(request: &Request) -> Option<(ExitCode, Option<String>)> {
    let id = request.id;
    match request.state {
        State::Verifying if request.pass.is_none() => {
            let advice =
                "Its records are hidden from all that reads through Lacuna; the next purge takes them out of the logs.";
            Some((ExitCode::Done, Some(advice.to_owned())))
        }
        State::Received | State::Scheduled | State::Running | State::Verifying => None,
        State::Complete => Some((ended(request), None)),
        State::AwaitingApproval => {
            let advice = format!("Somebody must look at it and decide: `lacuna request approve {id}`, or `deny`.");
            Some((ExitCode::Refused, Some(advice)))
        }
        State::Incomplete => {
            let advice =
                format!("It is tried again until its deadline. `lacuna request show {id}` names what is missing.");
            Some((ExitCode::Incomplete, Some(advice)))
        }
        State::Failed => Some((ExitCode::Failed, None)),
        State::Denied | State::Cancelled | State::Expired => Some((ExitCode::Refused, None)),
    }
}

/// An erasure that found records and was allowed to take none is refused.
fn ended(request: &Request) -> ExitCode {
    let counts = request.counts.as_ref().filter(|_| request.kind.erases());
    match counts {
        Some(counts) if counts.matched() > 0 && counts.erased() == 0 && counts.kept() > 0 => ExitCode::Refused,
        _ => ExitCode::Done,
    }
}

/// The person that these identifiers are of, as the ledger has it.
pub(crate) fn subject(identifiers: &[lacuna_scan::Identifier]) -> Subject {
    Subject::new(identifiers.iter().map(|it| Identifier::new(it.kind.as_str(), it.value.expose().as_str())))
}

/// Whether arguments and ledger fit together: `records` is whether the run goes through one.
pub(crate) fn check(records: bool, following: &Following, id: Option<&lacuna_engine::RequestId>) -> Result<()> {
    if let (true, Some(_)) = (records, id) {
        return Err(Failure::usage("--request-id is for runs without a ledger, which gives ids of its own")
            .advice("To send a request again without doing it twice, use --idempotency-key KEY."));
    }
    match following.given() {
        Some(argument) if !records => Err(Failure::usage(format!("{argument} is for requests that a ledger records"))
            .advice("Add a line `[ledger]` to the configuration; everything in it has a default.")),
        _ => Ok(()),
    }
}

/// An export needs a place for its package.
pub(crate) fn check_exportable(kind: Kind, config: &Config) -> Result<()> {
    if kind.exports() && config.export.is_none() {
        return Err(Failure::usage("nothing says where packages go").advice("Configure `[export] url`."));
    }
    Ok(())
}

/// The names of the sources that were named; none stands for all, also for those to come.
pub(crate) fn named(sources: &[Source], names: &[String]) -> Vec<String> {
    sources.iter().filter(|source| names.contains(&source.name)).map(|source| source.name.clone()).collect()
}
