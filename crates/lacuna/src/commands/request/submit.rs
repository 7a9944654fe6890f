//! `lacuna request submit`: a request into the ledger.

use crate::args::{SubmitArgs, Wanted};
use crate::config::Config;
use crate::desk::Desk;
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::filing::{Wish, check_exportable, named};
use crate::report::write_filed;
use crate::selection;

pub(super) async fn run(args: &SubmitArgs) -> Result<ExitCode> {
    let kind = args.kind.kind().ok_or_else(|| refused(args.kind))?;
    let config = Config::load(&args.acting.config)?;
    check_exportable(kind, &config)?;
    let sources = selection::sources(&config.sources, &args.source)?;
    let selectors = selection::selectors(&sources, &args.who)?;
    let desk = Desk::open(&config, args.acting.name.as_deref()).await?;
    let wish = Wish { kind, sources: named(&sources, &args.source), format: args.format.into(), now: args.now };
    let filed = wish.file(&desk, &args.filing, &selectors).await;
    desk.ledger.close().await;
    write_filed(&filed?, args.acting.json)?;
    Ok(ExitCode::Done)
}

fn refused(wanted: Wanted) -> Failure {
    let (what, why) = match wanted {
        Wanted::Rectify => {
            ("rectify", "a log says what was written then, and another value in it would be a false one")
        }
        _ => {
            ("restrict", "a log is a factual history that others compute on, and it has no place to set records aside")
        }
    };
    Failure::refused(format!("`{what}` is refused: {why}"))
        .advice("Answer the person so, or erase the records: `lacuna request submit erase`.")
}
