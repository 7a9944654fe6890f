//! What people decide on a request: approve, deny, cancel, extend, pause, resume.

use lacuna_ledger::{Act, Role, State};
use time::OffsetDateTime;

use crate::args::{ApproveArgs, OneArgs};
use crate::config::Config;
use crate::desk::Desk;
use crate::exit::ExitCode;
use crate::failure::Result;
use crate::output;
use crate::report::{request, standing};

/// Who decides.
pub(super) const APPROVERS: &[Role] = &[Role::Approver];
/// Who keeps the clock.
pub(super) const KEEPERS: &[Role] = &[Role::Operator, Role::Approver];
/// Who may take a request back.
pub(super) const ANYBODY: &[Role] = &[Role::Requester, Role::Operator, Role::Approver];

/// Approves; with `--force`, an erasure that waits for its time to be cancelled goes on without it.
pub(super) async fn approve(args: &ApproveArgs) -> Result<ExitCode> {
    let force = args.force;
    run_with(
        &args.one,
        APPROVERS,
        |state| {
            if force && state == State::Scheduled { Act::Force } else { Act::Approve { force } }
        },
    )
    .await
}

/// Does `act` to the request that `args` name, in one of `roles`.
pub(super) async fn run(args: &OneArgs, roles: &[Role], act: Act) -> Result<ExitCode> {
    run_with(args, roles, |_| act).await
}

async fn run_with(args: &OneArgs, roles: &[Role], act: impl FnOnce(State) -> Act) -> Result<ExitCode> {
    let id = super::id(&args.id)?;
    let config = Config::load(&args.acting.config)?;
    let desk = Desk::open(&config, args.acting.name.as_deref()).await?;
    let actor = desk.actor(roles)?;
    let state = desk.ledger.request(id).await?.state;
    let now = OffsetDateTime::now_utc();
    let acted = desk.ledger.act(id, act(state), &actor, now).await;
    desk.ledger.close().await;
    let acted = acted?;
    if args.acting.json {
        output::print_json(&request::json(&acted, now))?;
    } else {
        let clock = request::clock(&acted, now).map(|clock| format!("; {clock}")).unwrap_or_default();
        output::print(&format!("Request {id}: {}{clock}.\n", standing(&acted, now)))?;
    }
    Ok(ExitCode::Done)
}
