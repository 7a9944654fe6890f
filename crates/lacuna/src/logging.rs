//! What is said of a run while it goes on: log lines on standard error, and traces to a collector where one is configured.

mod traces;

use std::io::IsTerminal as _;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::{LogFormat, Logging};
use crate::session::environment;
use traces::Traces;

/// What is written ends with this: traces wait for a while before they are sent.
#[derive(Debug)]
#[must_use]
pub(crate) struct Said(Option<Traces>);

/// Starts logging as the arguments say, and tracing as the environment says. Without `-v`, warnings of Lacuna's own are shown; of a
/// `service`, which nobody watches, also what it does.
pub(crate) fn start(logging: &Logging, is_service: bool) -> Said {
    let level = match logging.verbose.max(u8::from(is_service)) {
        0 => "lacuna=warn,lacuna_engine=warn,lacuna_ledger=warn,lacuna_store=warn,lacuna_worker=warn",
        1 => "lacuna=info,lacuna_engine=info,lacuna_ledger=info,lacuna_store=info,lacuna_worker=info,warn",
        2 => "lacuna=debug,lacuna_engine=debug,lacuna_ledger=debug,lacuna_store=debug,lacuna_worker=debug,info",
        // The clients of services and databases log requests with their headers at this level: ours alone go further.
        _ => {
            "lacuna=trace,lacuna_engine=trace,lacuna_ledger=trace,lacuna_store=trace,lacuna_worker=trace,\
             lacuna_scan=trace,info"
        }
    };
    let has_color = std::io::stderr().is_terminal() && environment("NO_COLOR").is_none_or(|set| set.is_empty());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(has_color);
    let lines = match logging.log_format {
        LogFormat::Pretty => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let traces = Traces::start(&environment);
    let layers = tracing_subscriber::registry()
        .with(lines.with_filter(EnvFilter::new(level)))
        .with(traces.as_ref().map(Traces::layer));
    // Another subscriber is there already only in tests, and serves as well.
    drop(layers.try_init());
    Said(traces)
}

impl Said {
    /// Sends what still waits.
    pub(crate) fn finish(self) {
        if let Some(traces) = self.0 {
            traces.finish();
        }
    }
}
