//! Log lines on standard error, when they are asked for.

use tracing_subscriber::EnvFilter;

use crate::args::{LogFormat, Logging};

/// Starts logging as the arguments say; without `-v`, warnings of Lacuna's own are shown.
pub(crate) fn start(logging: &Logging) {
    let level = match logging.verbose {
        0 => "lacuna=warn,lacuna_engine=warn,lacuna_store=warn",
        1 => "lacuna=info,lacuna_engine=info,lacuna_store=info,warn",
        2 => "lacuna=debug,lacuna_engine=debug,lacuna_store=debug,info",
        // The service's clients log requests with their headers at this level: ours alone go further.
        _ => "lacuna=trace,lacuna_engine=trace,lacuna_store=trace,lacuna_scan=trace,info",
    };
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(level)).with_writer(std::io::stderr);
    let started = match logging.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // Another subscriber is there already only in tests, and serves as well.
    drop(started);
}
