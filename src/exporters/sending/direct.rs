//! An exporter without a queue: the pipeline's thread exports, retries included.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::deliver::Delivery;
use super::running::Intake;
use crate::pipeline::{Batch, Consumer, Rejected};

pub(super) struct Direct {
    delivery: Delivery,
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Default)]
struct State {
    closed: bool,
    under_way: usize,
    items_under_way: usize,
    left_behind: usize,
}

impl Direct {
    pub(super) fn new(delivery: Delivery) -> Self {
        Self { delivery, state: Mutex::default(), done: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing is under way, or until `end` says so.
    fn wait_until(&self, end: impl Fn() -> bool) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        while state.under_way > 0 && !end() {
            let wait = self.done.wait_timeout(state, super::queue::STOP_CHECK);
            (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        }
        state
    }
}

impl Consumer for Direct {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        let items = batch.items();
        let mut state = self.lock();
        if state.closed || self.delivery.is_over() {
            self.delivery.account.not_enqueued(items);
            return Err(Rejected::Stopped(batch));
        }
        state.under_way += 1;
        state.items_under_way += items;
        drop(state);
        let left_behind = self.delivery.deliver(batch);
        let mut state = self.lock();
        state.under_way -= 1;
        state.items_under_way -= items;
        state.left_behind += left_behind;
        self.done.notify_all();
        Ok(())
    }

    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.consume(batch)
    }
}

impl Intake for Direct {
    fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    fn adopt(&self, batch: Batch) {
        if let Err(rejected) = self.consume(batch) {
            rejected.refuse();
        }
    }

    fn close(&self) {
        self.lock().closed = true;
    }

    fn drain(&self, until: Instant) {
        drop(self.wait_until(|| Instant::now() >= until || self.delivery.is_over()));
    }

    fn abandon(&self, grace: Instant) -> usize {
        let state = self.wait_until(|| Instant::now() >= grace);
        state.left_behind + state.items_under_way
    }
}
