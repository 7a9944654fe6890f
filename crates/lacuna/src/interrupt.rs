//! Ctrl-C: the first asks the run to stop cleanly, the second stops at once.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::exit::ExitCode;

/// A token that is cancelled by the first Ctrl-C or termination signal. Needs a runtime to be called in.
pub(crate) fn watch() -> CancellationToken {
    watch_for(None)
}

/// The same for a worker, whose supervisor does not wait for ever: it stops at once when it has not stopped cleanly in this time.
pub(crate) fn watch_service(grace: Duration) -> CancellationToken {
    watch_for(Some(grace))
}

fn watch_for(grace: Option<Duration>) -> CancellationToken {
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        if signal().await.is_none() {
            return;
        }
        cancel.cancel();
        crate::output::note(
            "Stopping cleanly: what was begun is finished or left as it was. Ctrl-C again stops at once.",
        );
        let late = async {
            match grace {
                Some(grace) => tokio::time::sleep(grace).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            again = signal() => if again.is_some() { leave() },
            () = late => leave(),
        }
    });
    token
}

#[expect(
    clippy::exit,
    reason = "the second Ctrl-C asks for exactly this, and time that is up for no less; every step may be killed"
)]
fn leave() {
    std::process::exit(i32::from(ExitCode::Interrupted as u8));
}

/// Waits for a signal; `None` when there are none to wait for.
async fn signal() -> Option<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok()?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result.ok(),
            result = terminate.recv() => result,
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.ok()
}
