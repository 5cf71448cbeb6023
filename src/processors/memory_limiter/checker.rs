//! Whether the agent is above its memory limit: one answer for all processors with the same limits.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::{POLL, usage};

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub hard: u64,
    /// Batches wait above this.
    pub soft: u64,
}

impl Limits {
    /// A spike of 0 is a fifth of the limit.
    pub fn new(limit: u64, spike: u64) -> Self {
        let spike = if spike == 0 { limit / 5 } else { spike };
        Self { hard: limit, soft: limit.saturating_sub(spike) }
    }
}

pub struct Checker {
    limits: Limits,
    interval: Duration,
    state: Mutex<State>,
    measure: fn() -> Option<u64>,
}

struct State {
    next_check: Option<Instant>,
    above: bool,
}

/// The checkers in use.
static CHECKERS: Mutex<Vec<Weak<Checker>>> = Mutex::new(Vec::new());

/// The checker for those limits, made when it is asked for first.
pub fn shared(limits: Limits, interval: Duration) -> Arc<Checker> {
    let mut checkers = CHECKERS.lock().unwrap_or_else(PoisonError::into_inner);
    checkers.retain(|checker| checker.strong_count() > 0);
    let same = checkers
        .iter()
        .filter_map(Weak::upgrade)
        .find(|checker| checker.limits == limits && checker.interval == interval);
    same.unwrap_or_else(|| {
        log::info!("memory limit: {} MiB, batches wait above {} MiB", limits.hard >> 20, limits.soft >> 20);
        let checker = Arc::new(Checker::new(limits, interval, usage::used));
        checkers.push(Arc::downgrade(&checker));
        checker
    })
}

impl Checker {
    /// `measure` says how many bytes are in use, when that can be found out.
    pub fn new(limits: Limits, interval: Duration, measure: fn() -> Option<u64>) -> Self {
        Self { limits, interval, state: Mutex::new(State { next_check: None, above: false }), measure }
    }

    /// Measures when it is time to; one line in the log when the answer changes.
    pub fn is_above(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.next_check.is_some_and(|next| now < next) {
            return state.above;
        }
        let Some(used) = (self.measure)() else { return false };
        let above = used > self.limits.soft;
        if above != state.above {
            let (used, soft) = (used >> 20, self.limits.soft >> 20);
            if above {
                log::warn!(
                    "memory in use is {used} MiB, above {soft} MiB: data waits until it is below; \
                     raise the limit or send less"
                );
            } else {
                log::info!("memory in use is {used} MiB, below {soft} MiB: data flows again");
            }
        }
        // Above the limit somebody waits for the answer to change.
        let interval = if above { self.interval.min(POLL) } else { self.interval };
        *state = State { next_check: Some(now + interval), above };
        above
    }
}
