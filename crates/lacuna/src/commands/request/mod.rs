//! `lacuna request`: requests recorded, decided on, and followed.

mod act;
mod list;
mod show;
mod submit;

use lacuna_ledger::{Act, RequestId};

use crate::args::RequestCommand;
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};

pub(super) async fn run(command: &RequestCommand) -> Result<ExitCode> {
    match command {
        RequestCommand::Submit(args) => Box::pin(submit::run(args)).await,
        RequestCommand::List(args) => list::run(args).await,
        RequestCommand::Show(args) => show::run(args).await,
        RequestCommand::Approve(args) => act::approve(args).await,
        RequestCommand::Deny(args) => {
            act::run(&args.one, act::APPROVERS, Act::Deny { reason: args.reason.clone() }).await
        }
        RequestCommand::Cancel(args) => {
            act::run(&args.one, act::ANYBODY, Act::Cancel { reason: args.reason.clone() }).await
        }
        RequestCommand::Extend(args) => {
            let act = Act::Extend { months: args.months, reason: args.reason.clone() };
            act::run(&args.one, act::KEEPERS, act).await
        }
        RequestCommand::Pause(args) => {
            act::run(&args.one, act::KEEPERS, Act::Pause { reason: args.reason.clone() }).await
        }
        RequestCommand::Resume(args) => act::run(args, act::KEEPERS, Act::Resume).await,
    }
}

fn id(text: &str) -> Result<RequestId> {
    text.parse().map_err(|_| {
        Failure::usage("the request's id is none: it looks like `0192e5c4-7d7a-7b6e-9c1a-5f0e6a1b2c3d`")
            .advice("`lacuna request list` shows the ids there are.")
    })
}
