//! Time and chance, so that tests can decide about both.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crossbeam_channel::Select;

use crate::pipeline::Stop;

/// What retry asks about time and chance.
pub trait Clock: Send + Sync {
    fn now(&self) -> Instant;
    /// Sleeps for `duration`; returns true at once when one of `stops` is raised.
    fn wait(&self, duration: Duration, stops: &[&Stop]) -> bool;
    /// A random number, 0 to 1.
    fn random(&self) -> f64;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wait(&self, duration: Duration, stops: &[&Stop]) -> bool {
        let mut select = Select::new();
        for stop in stops {
            select.recv(stop.channel());
        }
        select.ready_timeout(duration).is_ok()
    }

    fn random(&self) -> f64 {
        // Every `RandomState` has new keys: enough for jitter, and no dependency.
        let bits = RandomState::new().hash_one(0_u8) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    }
}
