//! Trying again when others were in the way, with an end to it.

use std::time::Duration;

use crate::{Error, Result};

/// How often a transaction is tried.
const TRIES_MAX: u32 = 8;

/// The first wait; doubled each time.
const WAIT: Duration = Duration::from_millis(10);

/// How often a transaction was tried.
#[derive(Default)]
pub(crate) struct Tries(u32);

impl Tries {
    /// Waits if `error` says that the same transaction may succeed when it is run again, and has changed nothing; else hands it back.
    pub(crate) async fn again(&mut self, error: Error) -> Result<()> {
        self.0 += 1;
        match error {
            Error::Busy if self.0 < TRIES_MAX => {
                // Those who collided must not collide again, so they wait for different times.
                let mut byte = [0];
                let spread = aws_lc_rs::rand::fill(&mut byte).map_or(0, |()| u32::from(byte[0]));
                tokio::time::sleep(WAIT * (1 << (self.0 - 1)) * (256 + spread) / 512).await;
                Ok(())
            }
            error => Err(error),
        }
    }
}
