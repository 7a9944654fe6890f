//! Small waits side by side: a job may have a thousand requests, and a store far away takes its time over each of them.

use futures::future::BoxFuture;
use futures::{StreamExt as _, TryStreamExt as _, stream};

/// So many are waited for at a time.
const AT_ONCE: usize = 16;

/// What `futures` answer, in their order.
pub(crate) async fn side_by_side<T>(futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    stream::iter(futures).buffered(AT_ONCE).collect().await
}

/// The same until one of them fails.
pub(crate) async fn try_side_by_side<T, E>(futures: Vec<BoxFuture<'_, Result<T, E>>>) -> Result<Vec<T>, E> {
    stream::iter(futures).buffered(AT_ONCE).try_collect().await
}
