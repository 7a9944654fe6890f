//! The page's own port.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Metrics, Waiting};

/// The text format that is written.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves `GET /metrics` on `listener` until `stop` is cancelled. `waiting` asks the ledger, with each look at the page, so the
/// page is never older than its reader; `None` says that the ledger does not answer.
pub async fn serve<F>(
    listener: TcpListener,
    metrics: Metrics,
    waiting: impl Fn() -> F + Send + Sync + 'static,
    stop: CancellationToken,
) -> std::io::Result<()>
where
    F: Future<Output = Option<Waiting>> + Send + 'static,
{
    let page = async |State(shared): State<Arc<(Metrics, _)>>| page(shared).await;
    let app = Router::new().route("/metrics", get(page)).with_state(Arc::new((metrics, waiting)));
    axum::serve(listener, app).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

async fn page<F: Future<Output = Option<Waiting>>>(shared: Arc<(Metrics, impl Fn() -> F)>) -> impl IntoResponse {
    let (metrics, waiting) = &*shared;
    let waiting = waiting().await;
    metrics.ledger(waiting.is_some());
    if let Some(waiting) = waiting {
        metrics.waiting(&waiting);
    }
    ([(CONTENT_TYPE, TEXT_FORMAT)], metrics.render())
}
