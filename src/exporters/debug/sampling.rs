//! Which messages are written: the first few of each second, then every n-th.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Sampler {
    initial: u32,
    thereafter: u32,
    /// Begin of the second and messages in it.
    second: Mutex<Option<(Instant, u32)>>,
}

impl Sampler {
    pub(super) fn new(initial: u32, thereafter: u32) -> Self {
        Self { initial, thereafter, second: Mutex::new(None) }
    }

    /// Whether the message of now is to be written. A `thereafter` of 0 means none.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        let (begin, count) = second.get_or_insert((now, 0));
        if now.saturating_duration_since(*begin) >= Duration::from_secs(1) {
            (*begin, *count) = (now, 0);
        }
        *count += 1;
        *count <= self.initial
            || (self.thereafter > 0 && (*count - self.initial).is_multiple_of(self.thereafter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_second_are_written_then_every_third() {
        let sampler = Sampler::new(2, 3);
        let start = Instant::now();
        let due: Vec<bool> = (0..9).map(|_| sampler.is_due(start)).collect();
        assert_eq!(due, [true, true, false, false, true, false, false, true, false]);
        assert!(sampler.is_due(start + Duration::from_secs(1)));
        let sampler = Sampler::new(1, 0);
        assert_eq!([sampler.is_due(start), sampler.is_due(start)], [true, false]);
    }
}
