//! How long to wait before the next try, and the clock that waits.

use std::time::{Duration, Instant};

use crate::pipeline::Stop;

/// Time and chance, so that tests can take them in hand.
pub trait Pace: Send + Sync {
    fn now(&self) -> Instant;
    /// Waits; true when it was interrupted by a request to stop.
    fn pause(&self, duration: Duration, stop: &Stop) -> bool;
    /// A number in `0.0..1.0`.
    fn random(&self) -> f64;
}

/// The clock on the wall.
#[derive(Debug, Default)]
pub struct RealPace;

impl Pace for RealPace {
    fn now(&self) -> Instant {
        Instant::now()
    }
    fn pause(&self, duration: Duration, stop: &Stop) -> bool {
        stop.wait(duration)
    }
    fn random(&self) -> f64 {
        fastrand::f64()
    }
}

/// Waits that double from 0.8 s to 30 s, each lengthened by up to its own length, as every other
/// client of the API does; two quiet minutes start it over.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
    last: Option<Instant>,
}

const FIRST: Duration = Duration::from_millis(800);
const LONGEST: Duration = Duration::from_secs(30);
const FORGET: Duration = Duration::from_mins(2);

impl Backoff {
    /// The next wait.
    pub fn next(&mut self, pace: &dyn Pace) -> Duration {
        let now = pace.now();
        if self.last.is_some_and(|last| now.duration_since(last) > FORGET) {
            self.failures = 0;
        }
        let base = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let wait = base.mul_f64(1.0 + pace.random());
        self.last = Some(now + wait);
        wait
    }

    /// The longest wait, for what only a person can mend.
    pub fn longest(pace: &dyn Pace) -> Duration {
        LONGEST.mul_f64(1.0 + pace.random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Fixed(Mutex<Instant>, f64);
    impl Pace for Fixed {
        fn now(&self) -> Instant {
            *self.0.lock().unwrap()
        }
        fn pause(&self, _: Duration, _: &Stop) -> bool {
            false
        }
        fn random(&self) -> f64 {
            self.1
        }
    }

    #[test]
    fn waits_double_to_half_a_minute_and_start_over_after_two_quiet_ones() {
        let pace = Fixed(Mutex::new(Instant::now()), 0.5);
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.next(&pace).as_millis()).collect();
        assert_eq!(waits, [1200, 2400, 4800, 9600, 19200, 38400, 45000, 45000]);
        *pace.0.lock().unwrap() += Duration::from_secs(45 + 121);
        assert_eq!(backoff.next(&pace).as_millis(), 1200);
    }
}
