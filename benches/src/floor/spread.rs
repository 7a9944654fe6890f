//! Work spread over all cores.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

use anyhow::{Result, anyhow};

use super::Floor;

/// Does `work` on every item, on as many threads as rayon has, which are the cores unless it was told otherwise, each with a `State` of
/// its own; adds up what was done.
pub(super) fn spread<T: Sync, State: Default>(
    items: &[T],
    work: impl Fn(&mut State, &T) -> Result<Floor> + Sync,
) -> Result<Floor> {
    let next = AtomicUsize::new(0);
    let threads = rayon::current_num_threads().min(items.len().max(1));
    let one = || {
        let mut state = State::default();
        let mut done = Floor::default();
        while let Some(item) = items.get(next.fetch_add(1, Relaxed)) {
            done += work(&mut state, item)?;
        }
        Ok(done)
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(one)).collect();
        let mut done = one();
        for other in others {
            let other = other.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked")));
            if let (Ok(done), Ok(other)) = (&mut done, &other) {
                *done += *other;
            } else if done.is_ok() {
                done = other;
            }
        }
        done
    })
}
