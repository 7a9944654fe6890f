//! `lacuna erase`: the records hidden, or gone from the bytes; and a receipt.

use lacuna_engine::{Action, EraseMode, RequestId};
use lacuna_ledger::Kind;
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::args::EraseArgs;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::filing::Wish;
use crate::report::{Asked, Report};
use crate::session::{Session, Signs, request_id};
use crate::units::counted;
use crate::{desk, filing, interrupt, output, subjects};

pub(super) async fn run(args: &EraseArgs, context: Context) -> Result<ExitCode> {
    let run = &args.run;
    if !args.dry_run && !run.yes {
        let advice = "Give --yes to erase without being asked, or see what would happen with --dry-run.";
        if !output::can_ask() {
            return Err(Failure::usage("there is no terminal to ask for confirmation on").advice(advice));
        }
        if run.json || subjects::uses_standard_input(&run.who) {
            let why = if run.json { "--json asks no questions" } else { "standard input is read for subjects" };
            return Err(Failure::usage(format!("{why}, so nobody can be asked for confirmation")).advice(advice));
        }
    }
    let config = Config::load(&run.scope.config)?;
    let request = request_id(args.request_id.as_deref())?;
    filing::check(config.ledger.is_some(), &args.following, request.as_ref())?;
    // A dry run changes nothing, and so needs no record.
    let records = config.ledger.is_some() && !args.dry_run;
    let signs = match (args.dry_run, &request) {
        // Whose the id is, only the key tells.
        (true, Some(_)) => Signs::LooksUp,
        (true, None) => Signs::No,
        (false, _) if records => Signs::No,
        (false, _) => Signs::Yes,
    };
    let mut session = Session::open(run, &config, || Ok(None), signs).await?.quiet(context.logs);
    if args.dry_run || !run.yes {
        let held = session.heed(&desk::holds_about(&config, &session.selectors).await?);
        if held > 0 {
            output::note(&format!("{} of these persons are on hold: what follows counts their records as well.", held));
        }
    }
    let cancel = interrupt::watch();
    if !args.dry_run && !run.yes {
        match confirm(&session, request.as_ref(), &cancel).await? {
            Answer::Yes => {}
            Answer::No => {
                output::note("Nothing was erased.");
                return Ok(ExitCode::Failed);
            }
            Answer::Interrupted => return Ok(ExitCode::Interrupted),
        }
    }
    if records {
        let sources = filing::named(&session.sources, &run.scope.source);
        let wish = Wish { kind: Kind::Erase, sources, format: lacuna_export::Format::default(), now: args.now };
        return wish.file_and_follow(&config, &args.following, &session.selectors, run.json, &cancel).await;
    }
    let (mode, asked) = match (args.dry_run, args.now) {
        (true, _) => (EraseMode::DryRun, Asked::EraseDryRun),
        (false, true) => (EraseMode::Now, Asked::Erase),
        (false, false) => (EraseMode::Hide, Asked::Hide),
    };
    let ran = session.run(request.as_ref(), Action::Erase(mode), &cancel).await?;
    Report { asked, ran: &ran, sources: &session.sources }.write(run.json)
}

enum Answer {
    Yes,
    No,
    Interrupted,
}

/// Shows what a search finds, and asks whether to go on.
async fn confirm(session: &Session, request: Option<&RequestId>, cancel: &CancellationToken) -> Result<Answer> {
    let ran = session.run(request, Action::Erase(EraseMode::DryRun), cancel).await?;
    if ran.outcome.interrupted {
        return Ok(Answer::Interrupted);
    }
    let report = Report { asked: Asked::EraseAhead, ran: &ran, sources: &session.sources };
    output::note(&report.human());
    let question = match ran.outcome.matched {
        0 => "There is nothing to erase. Go on, and have a receipt that says so?".to_owned(),
        matched => format!("Erase {} for good?", counted(matched, "record")),
    };
    output::note(&format!("{question} Type `yes` to go on:"));
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    tokio::select! {
        () = cancel.cancelled() => Ok(Answer::Interrupted),
        line = line => match line {
            Ok(Ok(line)) if line.trim() == "yes" => Ok(Answer::Yes),
            _ => Ok(Answer::No),
        },
    }
}
