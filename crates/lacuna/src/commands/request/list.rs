//! `lacuna request list`: a page of requests.

use lacuna_ledger::{Cursor, Due, Filter};
use time::OffsetDateTime;

use crate::args::ListArgs;
use crate::config::Config;
use crate::desk;
use crate::exit::ExitCode;
use crate::failure::Result;
use crate::output;
use crate::report::request::{page_human, page_json};

pub(super) async fn run(args: &ListArgs) -> Result<ExitCode> {
    let config = Config::load(&args.acting.config)?;
    let (ledger, _) = desk::open(&config).await?;
    let due = match (args.overdue, args.near_due) {
        (true, _) => Some(Due::Overdue),
        (_, true) => Some(Due::Near),
        _ => None,
    };
    let all =
        due.is_none() && args.tenant.is_none() && args.state.is_none() && args.kind.is_none() && args.after.is_none();
    let filter = Filter { tenant: args.tenant.clone(), state: args.state, kind: args.kind, due };
    let now = OffsetDateTime::now_utc();
    let page = ledger.list(&filter, args.after.clone().map(Cursor).as_ref(), args.limit, now).await;
    ledger.close().await;
    let page = page?;
    if args.acting.json {
        output::print_json(&page_json(&page, now))?
    } else {
        output::print(&page_human(&page, all, now))?
    }
    Ok(if args.overdue && !page.requests.is_empty() { ExitCode::Overdue } else { ExitCode::Done })
}
