//! `lacuna hold`: what must not be erased now, and why.

use lacuna_ledger::{Hold, HoldFilter, HoldOn, NewHold, Role};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::args::{HoldCommand, HoldLiftArgs, HoldListArgs, HoldSetArgs};
use crate::config::{Config, SourceHold};
use crate::desk::{self, Desk};
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::filing::subject;
use crate::report::Table;
use crate::units::rfc3339;
use crate::{output, selection, subjects};

pub(super) async fn run(command: &HoldCommand) -> Result<ExitCode> {
    match command {
        HoldCommand::Set(args) => set(args).await,
        HoldCommand::Lift(args) => lift(args).await,
        HoldCommand::List(args) => list(args).await,
    }
}

async fn set(args: &HoldSetArgs) -> Result<ExitCode> {
    let config = Config::load(&args.acting.config)?;
    let on = match &args.source {
        Some(name) => {
            selection::sources(&config.sources, std::slice::from_ref(name))?;
            HoldOn::Source { source: name.clone(), class: args.class.clone() }
        }
        None => {
            let identifiers = subjects::read(&args.who)?;
            if args.who.apart {
                return Err(Failure::usage("--apart is not for holds: all identifiers of one hold are one person's"));
            }
            if identifiers.is_empty() {
                return Err(Failure::usage("nothing is held").advice(
                    "Name a source with --source NAME, or a person with --subject KIND=VALUE or --subjects FILE.",
                ));
            }
            selection::check_kinds(&config.sources, &identifiers)?;
            HoldOn::Subject { tenant: args.who.tenant.clone(), subject: subject(&identifiers) }
        }
    };
    let now = OffsetDateTime::now_utc();
    // In the west it is still yesterday.
    let earliest = (now - Duration::DAY).date();
    if args.review.is_some_and(|review| review < earliest) {
        return Err(Failure::usage("--review names a day that is over")
            .advice("Name the day on which somebody is to look at the hold again."));
    }
    let new = NewHold {
        on,
        reason: args.reason.clone(),
        legal_basis: args.legal_basis.clone(),
        review: args.review,
        exports: args.exports,
    };
    let desk = Desk::open(&config, args.acting.name.as_deref()).await?;
    let actor = desk.actor(&[Role::Operator, Role::Approver])?;
    let hold = desk.ledger.set_hold(new, &actor, now).await;
    desk.ledger.close().await;
    write(&hold?, "is set", args.acting.json)
}

async fn lift(args: &HoldLiftArgs) -> Result<ExitCode> {
    let config = Config::load(&args.acting.config)?;
    let desk = Desk::open(&config, args.acting.name.as_deref()).await?;
    let actor = desk.actor(&[Role::Approver])?;
    let holds = desk.ledger.holds(&HoldFilter { lifted: true, review_by: None }).await?;
    let Some(id) = holds.iter().map(|hold| hold.id).find(|id| id.to_string() == args.id) else {
        return Err(Failure::usage("there is no such hold").advice("`lacuna hold list` shows the ids there are."));
    };
    let hold = desk.ledger.lift_hold(id, &args.reason, &actor, OffsetDateTime::now_utc()).await;
    desk.ledger.close().await;
    write(&hold?, "is lifted", args.acting.json)
}

async fn list(args: &HoldListArgs) -> Result<ExitCode> {
    let config = Config::load(&args.acting.config)?;
    let (ledger, _) = desk::open(&config).await?;
    let filter = HoldFilter { lifted: args.all, review_by: args.review_by };
    let holds = ledger.holds(&filter).await;
    ledger.close().await;
    let holds = holds?;
    let configured =
        config.holds.iter().filter(|hold| args.review_by.is_none_or(|by| hold.review.is_some_and(|it| it <= by)));
    if args.acting.json {
        let all: Vec<_> = holds.iter().map(json).chain(configured.map(configured_json)).collect();
        output::print_json(&json!({ "holds": all }))?;
        return Ok(ExitCode::Done);
    }
    let mut table = Table::new(&["hold", "on", "since", "review", "why"]);
    let mut rows = 0;
    for hold in &holds {
        let why = match &hold.lifted {
            Some(lift) => format!("{} (lifted by {}: {})", hold.reason, lift.by, lift.reason),
            None => hold.reason.clone(),
        };
        let review = hold.review.map(|date| date.to_string()).unwrap_or_default();
        table.row([hold.id.to_string(), what(hold), hold.set.date().to_string(), review, why]);
        rows += 1;
    }
    for hold in configured {
        let review = hold.review.map(|date| date.to_string()).unwrap_or_default();
        let on = format!("source {}", hold.source);
        table.row(["configuration".to_owned(), on, String::new(), review, hold.reason.clone()]);
        rows += 1;
    }
    output::print(&if rows == 0 { "Nothing is held.\n".to_owned() } else { table.show() })?;
    Ok(ExitCode::Done)
}

fn write(hold: &Hold, done: &str, is_json: bool) -> Result<ExitCode> {
    if is_json {
        output::print_json(&json(hold))?;
    } else {
        output::print(&format!("The hold {} on {} {done}.\n", hold.id, what(hold)))?;
    }
    Ok(ExitCode::Done)
}

/// What is held, without saying who.
pub(super) fn what(hold: &Hold) -> String {
    match (&hold.source, &hold.tenant) {
        (Some(source), _) => format!("source {source}"),
        (None, Some(tenant)) => format!("a person of {tenant}"),
        (None, None) => "a person".to_owned(),
    }
}

/// A hold for programs.
pub(super) fn json(hold: &Hold) -> Value {
    json!({
        "hold": hold.id.to_string(),
        "source": hold.source,
        "class": hold.class,
        "tenant": hold.tenant,
        "reason": hold.reason,
        "legal_basis": hold.legal_basis,
        "review": hold.review.map(|date| date.to_string()),
        "exports": hold.exports,
        "set_by": hold.set_by,
        "set": rfc3339(hold.set),
        "lifted": hold.lifted.as_ref().map(|lift| json!({ "by": lift.by, "at": rfc3339(lift.at), "reason": lift.reason })),
    })
}

fn configured_json(hold: &SourceHold) -> Value {
    json!({
        "source": hold.source,
        "class": hold.class,
        "reason": hold.reason,
        "legal_basis": hold.legal_basis,
        "review": hold.review.map(|date| date.to_string()),
        "configured": true,
    })
}
