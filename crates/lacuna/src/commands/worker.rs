//! `lacuna worker` and `lacuna sweep`: through the ledger, once or for good.

use std::net::SocketAddr;
use std::sync::Arc;

use lacuna_worker::{Schedules, Work, Worker, metrics};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::args::{SweepArgs, WorkArgs, WorkerArgs};
use crate::config::Config;
use crate::exit::ExitCode;
use crate::failure::{Failure, Result};
use crate::report::WorkReport;
use crate::{crew, interrupt, output};

pub(super) async fn run(args: &WorkerArgs) -> Result<ExitCode> {
    let config = Config::load(&args.common.config)?;
    let kinds: Vec<Work> = match args.only.as_slice() {
        [] => Work::ALL.to_vec(),
        only => only.iter().map(|kind| (*kind).into()).collect(),
    };
    let worker = crew::hire(&config, &args.common.resources, args.name.as_deref()).await?;
    if args.once {
        return once(&worker, &kinds, &args.common).await;
    }
    let schedules = config.worker.schedules.into_iter().filter(|(work, _)| kinds.contains(work)).collect();
    let stop = interrupt::watch_service(args.common.grace());
    serve(worker, &schedules, args.metrics.or(config.worker.metrics), stop).await
}

pub(super) async fn sweep(args: &SweepArgs) -> Result<ExitCode> {
    let config = Config::load(&args.common.config)?;
    let worker = crew::hire(&config, &args.common.resources, None).await?;
    once(&worker, &[Work::Sweep], &args.common).await
}

async fn once(worker: &Worker, kinds: &[Work], args: &WorkArgs) -> Result<ExitCode> {
    let summary = Box::pin(worker.once(kinds, &interrupt::watch_service(args.grace()))).await;
    worker.close().await;
    let report = WorkReport { summary: &summary?, kinds };
    if args.json {
        output::print_json(&report.json())?
    } else {
        output::print(&report.human())?
    }
    Ok(report.code())
}

/// Works until a signal asks to stop.
async fn serve(
    worker: Worker,
    schedules: &Schedules,
    address: Option<SocketAddr>,
    stop: CancellationToken,
) -> Result<ExitCode> {
    let worker = Arc::new(worker);
    let page = match address {
        Some(address) => Some(tokio::spawn(serve_metrics(listen(address).await?, worker.clone(), stop.clone()))),
        None => None,
    };
    for (work, schedule) in schedules {
        tracing::info!(%work, %schedule, "scheduled, in UTC");
    }
    Box::pin(worker.serve(schedules, &stop)).await;
    if let Some(page) = page {
        // It ends with the same signal; a reader that holds its connection open does not keep the worker.
        page.abort();
    }
    worker.close().await;
    Ok(ExitCode::Done)
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::usage(format!("metrics cannot be served on {address}"))
            .because(&error)
            .advice("Choose another address with --metrics, or with `[worker] metrics`.")
    })?;
    if let Ok(bound) = listener.local_addr() {
        output::note(&format!("Metrics: http://{bound}/metrics"));
    }
    Ok(listener)
}

async fn serve_metrics(listener: TcpListener, worker: Arc<Worker>, stop: CancellationToken) {
    let counted = worker.metrics().clone();
    let waiting = move || {
        let worker = worker.clone();
        async move { worker.waiting().await }
    };
    if let Err(error) = metrics::serve(listener, counted, waiting, stop).await {
        tracing::error!(%error, "metrics are no longer served");
    }
}
