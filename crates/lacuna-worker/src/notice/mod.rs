//! Notices: whoever is configured is told of each change of a request's state, by a signed webhook.
//!
//! A notice says which request, its states, times and counts, and never whom it is about. It is signed as
//! [Standard Webhooks](https://www.standardwebhooks.com) lays down, so receivers can check it with a library of their language.
//! It goes out over https alone, to addresses that are public unless the receiver's configuration says otherwise, and follows no
//! redirect. What a receiver does not take is tried again, ever less often, until [`TRIES_MAX`] tries or [`AGE_MAX`] have passed.
//! A notice may come twice, and out of order: its id stays the same, and it carries the time of its change.

mod address;
mod body;
mod outbox;
mod post;
mod receiver;
mod schedule;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use time::OffsetDateTime;

pub use body::{Change, Counts};
pub use outbox::Told;
pub use receiver::{Receiver, ReceiverError};
pub use schedule::{AGE_MAX, TRIES_MAX, next_try};
pub use signature::SigningSecret;

use post::Door;

/// The longest that one try may take, connection and answer included.
pub const TRY_MAX: Duration = Duration::from_secs(10);

/// Delivers notices to all receivers; to nobody, by default.
#[derive(Clone, Debug, Default)]
pub struct Notifier {
    doors: Arc<[Door]>,
}

/// What came of one try with one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The receiver has it.
    Taken,
    /// The receiver answered that it wants no more notices (410 Gone).
    Unwanted,
    /// The receiver does not have it, for all we know.
    Failed(Failure),
}

/// Why a receiver does not have a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Its name leads to private addresses alone, and the configuration does not allow these.
    Private,
    /// It cannot be reached, or is not whom its name says.
    Unreachable,
    /// It did not answer in time.
    Silent,
    /// It sent us elsewhere, which is not followed.
    Redirects,
    /// It answered with this status.
    Status(u16),
}

/// What came of one try with every receiver that lacked the notice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// The names of the receivers that need nothing more of this notice: these and those of earlier tries.
    pub settled: Vec<String>,
    /// How many took it in this try.
    pub taken: u64,
    /// How many lack it.
    pub failed: u64,
}

impl Notifier {
    /// Prepares a connection to each of `receivers`.
    pub fn new(receivers: Vec<Receiver>) -> Result<Self, ReceiverError> {
        Self::with_limit(receivers, TRY_MAX)
    }

    /// As [`new`](Self::new), with less patience.
    pub fn with_limit(receivers: Vec<Receiver>, try_max: Duration) -> Result<Self, ReceiverError> {
        let doors = receivers.into_iter().map(|receiver| Door::new(receiver, try_max));
        Ok(Self { doors: doors.collect::<Result<_, _>>()? })
    }

    /// Whether nobody is to be told.
    pub fn is_empty(&self) -> bool {
        self.doors.is_empty()
    }

    /// Tells every receiver of `change` that is not among `settled`, all of them at once. `id` is the notice's own, and the same
    /// in every try; `now` is what the signature says.
    pub async fn tell(&self, id: &str, change: &Change, settled: &[String], now: OffsetDateTime) -> Tried {
        let body = change.body();
        let lacking = self.doors.iter().filter(|door| !settled.iter().any(|name| name == door.name()));
        let tries = lacking.map(async |door| (door, door.post(id, &body, now).await));
        let mut tried = Tried { settled: settled.to_vec(), ..Tried::default() };
        for (door, delivery) in join_all(tries).await {
            match delivery {
                Delivery::Taken => tried.taken += 1,
                Delivery::Unwanted => {
                    tracing::warn!(receiver = door.name(), notice = id, "the receiver wants no more notices (410)");
                }
                Delivery::Failed(why) => {
                    tried.failed += 1;
                    tracing::warn!(receiver = door.name(), notice = id, ?why, "a notice was not taken");
                    continue;
                }
            }
            tried.settled.push(door.name().to_owned());
        }
        tried
    }
}
