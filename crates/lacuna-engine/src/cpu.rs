//! Where tokio meets rayon: work that computes goes to the pool, and a panic in it comes back as a value.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::problem::ShardError;

/// The threads that search, render and rewrite.
#[derive(Clone, Debug)]
pub(crate) struct Cpu {
    pool: Arc<rayon::ThreadPool>,
}

/// The work panicked: a defect of a decoder, met by a shard that no test has.
#[derive(Debug)]
pub(crate) struct Panicked;

impl Cpu {
    pub(crate) fn new(threads: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("lacuna-cpu-{index}"))
            .build()?;
        Ok(Self { pool: Arc::new(pool) })
    }

    /// Runs `work` on the pool. Dropping the future lets the work end by itself.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let (answer, result) = tokio::sync::oneshot::channel();
        self.pool.spawn(move || {
            // What a panicked search leaves behind is dropped with it.
            let outcome = catch_unwind(AssertUnwindSafe(work));
            let _ = answer.send(outcome.map_err(|_| Panicked));
        });
        result.await.unwrap_or(Err(Panicked))
    }
}
/// Runs file I/O where it may wait.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ShardError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ShardError::Defect)?.map_err(ShardError::Temp)
}
