//! `lacuna request show`: one request.

use serde_json::json;
use time::OffsetDateTime;

use crate::args::OneArgs;
use crate::commands::hold;
use crate::config::Config;
use crate::desk;
use crate::exit::ExitCode;
use crate::failure::Result;
use crate::output;
use crate::report::request;

pub(super) async fn run(args: &OneArgs) -> Result<ExitCode> {
    let id = super::id(&args.id)?;
    let config = Config::load(&args.acting.config)?;
    let (ledger, _) = desk::open(&config).await?;
    let found = ledger.request(id).await?;
    let holds = ledger.holds_on(id).await?;
    ledger.close().await;
    let now = OffsetDateTime::now_utc();
    if args.acting.json {
        let mut document = request::json(&found, now);
        document["holds"] = json!(holds.iter().map(hold::json).collect::<Vec<_>>());
        output::print_json(&document)?;
    } else {
        let mut text = request::human(&found, now);
        for held in &holds {
            text.push_str(&format!("held         {}: {}\n", hold::what(held), held.reason));
        }
        output::print(&text)?;
    }
    Ok(ExitCode::Done)
}
