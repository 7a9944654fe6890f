//! Small waits side by side: a job may have a thousand requests, and a store far away takes its time over each of them.

use futures::future::BoxFuture;
use futures::{Stream, StreamExt as _, stream};

/// So many are waited for at a time.
const AT_ONCE: usize = 16;

/// What `futures` answer, in their order. Each is made when it is its turn.
pub(crate) fn side_by_side<'f, T: Send + 'f>(
    futures: impl Iterator<Item = BoxFuture<'f, T>> + Send,
) -> impl Stream<Item = T> + Send {
    stream::iter(futures).buffered(AT_ONCE)
}
