//! The progress bar: on standard error, and only on a terminal.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lacuna_engine::{Phase, Progress, Reporter};

use crate::units::count;

/// Shows how far a job is until it is dropped.
#[derive(Debug)]
pub(crate) struct Display {
    bar: ProgressBar,
    ticker: tokio::task::JoinHandle<()>,
}

impl Display {
    /// Follows `reporter`. Needs a runtime to be called in.
    pub(crate) fn follow(reporter: &Arc<Reporter>, is_wanted: bool) -> Self {
        let target = if is_wanted { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = bar(target);
        let (watched, shown) = (Arc::clone(reporter), bar.clone());
        let ticker = tokio::spawn(async move {
            if shown.is_hidden() {
                return;
            }
            let mut beat = tokio::time::interval(Duration::from_millis(100));
            loop {
                beat.tick().await;
                show(&shown, watched.read());
            }
        });
        Self { bar, ticker }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.ticker.abort();
        self.bar.finish_and_clear();
    }
}

/// A bar over bytes, with rate and time left.
pub(crate) fn bar(target: ProgressDrawTarget) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let template =
        "{prefix:<9} {bar:20} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, {eta} left, {wide_msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar
}

/// A bar over records, for sample logs.
pub(crate) fn records(records: u64, is_wanted: bool) -> ProgressBar {
    let target = if is_wanted { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(records), target);
    if let Ok(style) = ProgressStyle::with_template("Writing   {bar:24} {human_pos}/{human_len} records, {eta} left") {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_prefix(match progress.phase {
        Phase::Search => "Searching",
        Phase::Package => "Packing",
        Phase::Erase => "Erasing",
    });
    // The listing may still be under way: the length grows with it.
    bar.set_length(progress.bytes_listed.max(progress.bytes_done));
    bar.set_position(progress.bytes_done);
    bar.set_message(format!(
        "{} rows, {} matched, shard {}/{}",
        count(progress.rows),
        count(progress.matched),
        count(progress.shards_done),
        count(progress.shards_listed)
    ));
}
