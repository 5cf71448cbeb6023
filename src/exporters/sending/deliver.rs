//! One batch on its way to the backend: attempts, waits, halves, and the end that its source hears.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::account::{Account, Loss};
use super::backoff::Backoff;
use super::{Clock, RetryOnFailure};
use crate::component::{ExportError, Exporter};
use crate::pipeline::{Batch, Outcome, Stop, StopSource};

/// While the agent stops no wait is longer: there are seconds left, not minutes.
const LONGEST_WHEN_CLOSING: Duration = Duration::from_secs(1);

pub(super) struct Delivery {
    pub exporter: Arc<dyn Exporter>,
    pub retry: RetryOnFailure,
    pub clock: Arc<dyn Clock>,
    pub account: Account,
    /// Raised when no more batches come: the wait under way ends for one more attempt at once.
    pub closing: StopSource,
    /// Raised when the time of this exporter is over …
    pub give_up: StopSource,
    /// … or that of the whole agent.
    pub abort: Stop,
    /// What is left behind stays in a queue on disk: it is not lost.
    pub durable: bool,
    /// Keeps what is left behind for the exporter that replaces this one; `None`: it is refused.
    pub kept: Mutex<Option<Vec<Batch>>>,
}

/// How it ended with a batch or a part of one.
enum End {
    Delivered,
    TooLarge(String),
    Lost(Loss, String),
    /// Neither delivered nor lost: the time of the exporter is over.
    LeftBehind,
}

impl Delivery {
    /// Delivers the batch and settles it. Returns how many of its items were left behind because the
    /// time of the exporter is over.
    pub(super) fn deliver(&self, batch: Batch) -> usize {
        let mut left_behind = 0;
        // Parts of the batch, the next one last.
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            let items = part.items();
            if items == 0 {
                continue;
            }
            match self.end_of(&part) {
                End::Delivered => {
                    self.account.delivered(items, self.clock.now());
                    part.ack.settle(Outcome::Delivered);
                }
                End::TooLarge(_) if items > 1 => {
                    let mut first = part;
                    let second = first.split_off(items / 2);
                    parts.extend([second, first]);
                }
                End::TooLarge(message) => {
                    self.account.lost(Loss::TooLarge, items, &message, self.clock.now());
                    part.ack.settle(Outcome::Dropped);
                }
                End::Lost(loss, message) => {
                    self.account.lost(loss, items, &message, self.clock.now());
                    // What was tried for long enough may be sent again by a source that keeps it.
                    let again = loss == Loss::GaveUp;
                    part.ack.settle(if again { Outcome::Refused } else { Outcome::Dropped });
                }
                End::LeftBehind => left_behind += self.leave(part),
            }
        }
        left_behind
    }

    /// Keeps a batch for the successor, or refuses it. Returns how many items were refused.
    pub(super) fn leave(&self, batch: Batch) -> usize {
        if self.durable {
            // It stays on the disk, for this agent's next exporter or the next agent.
            batch.ack.settle(Outcome::Refused);
            return 0;
        }
        if let Some(kept) = self.kept().as_mut() {
            kept.push(batch);
            return 0;
        }
        let items = batch.items();
        self.account.left_behind(items);
        batch.ack.settle(Outcome::Refused);
        items
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Option<Vec<Batch>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attempts until the batch is delivered or there is no sense in trying on.
    fn end_of(&self, batch: &Batch) -> End {
        let start = self.clock.now();
        let mut backoff = Backoff::new(&self.retry);
        loop {
            if self.is_over() {
                return End::LeftBehind;
            }
            let (message, after) = match self.attempt(batch) {
                Ok(()) => return End::Delivered,
                Err(ExportError::Stopped) => return End::LeftBehind,
                Err(ExportError::TooLarge { message }) => return End::TooLarge(message),
                Err(ExportError::Permanent { message }) => return End::Lost(Loss::Permanent, message),
                Err(ExportError::Retry { message, after }) => (message, after),
            };
            if self.durable && self.closing.stop().is_raised() {
                // The next start goes on; nothing is won by waiting for a backend that is down.
                self.give_up.raise();
            }
            if self.is_over() {
                return End::LeftBehind;
            }
            if !self.retry.enabled {
                return End::Lost(Loss::GaveUp, message);
            }
            let delay = backoff.next(self.clock.random()).max(after.unwrap_or_default());
            let elapsed = self.clock.now().saturating_duration_since(start);
            let limit = self.retry.max_elapsed_time;
            if limit > Duration::ZERO && elapsed.saturating_add(delay) > limit {
                return End::Lost(Loss::GaveUp, message);
            }
            self.account.will_retry(&message, delay, self.clock.now());
            self.wait(delay);
        }
    }

    fn wait(&self, delay: Duration) {
        let (closing, give_up) = (self.closing.stop(), self.give_up.stop());
        if closing.is_raised() {
            self.clock.wait(delay.min(LONGEST_WHEN_CLOSING), &[&give_up, &self.abort]);
        } else {
            self.clock.wait(delay, &[&closing, &give_up, &self.abort]);
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.abort.is_raised() || self.give_up.stop().is_raised()
    }

    /// One attempt. A panic in the exporter costs the batch that set it off, not the agent.
    fn attempt(&self, batch: &Batch) -> Result<(), ExportError> {
        self.account.attempt_begins();
        let result = catch_unwind(AssertUnwindSafe(|| self.exporter.export(batch, &self.abort)));
        self.account.attempt_ends();
        result.unwrap_or_else(|panic| {
            let text = panic
                .downcast_ref::<&str>()
                .map(ToString::to_string)
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            Err(ExportError::Permanent { message: format!("the exporter panicked: {text}") })
        })
    }
}
