//! How long to wait before the next attempt.

use std::time::Duration;

use super::RetryOnFailure;

/// No wait is shorter, or an `initial_interval` or `multiplier` of 0 would hammer the backend.
const SHORTEST: Duration = Duration::from_millis(10);

/// The waits of one batch: they grow by `multiplier` up to `max_interval`, each made longer or
/// shorter by chance so that agents whose backend was away do not come back all at once.
#[derive(Debug)]
pub(super) struct Backoff<'a> {
    settings: &'a RetryOnFailure,
    interval: Duration,
}

impl<'a> Backoff<'a> {
    pub(super) fn new(settings: &'a RetryOnFailure) -> Self {
        Self { settings, interval: settings.initial_interval }
    }

    /// The next wait; `random` is 0 to 1.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        let settings = self.settings;
        let factor = 1.0 + settings.randomization_factor * (2.0 * random - 1.0);
        let delay = self.interval.mul_f64(factor.max(0.0));
        let grown = self.interval.as_secs_f64() * settings.multiplier;
        self.interval =
            Duration::try_from_secs_f64(grown).unwrap_or(Duration::MAX).min(settings.max_interval);
        delay.max(SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_maximum_and_vary_by_the_factor() {
        let settings = RetryOnFailure::default();
        let waits = |random: f64| {
            let mut backoff = Backoff::new(&settings);
            [(); 7].map(|()| backoff.next(random).as_secs_f64())
        };
        assert_eq!(waits(0.5), [5.0, 7.5, 11.25, 16.875, 25.3125, 30.0, 30.0]);
        assert_eq!(waits(0.0)[..2], [2.5, 3.75]);
        assert_eq!(waits(1.0)[5], 45.0);
    }

    #[test]
    fn settings_of_zero_do_not_hammer_the_backend() {
        let zero = RetryOnFailure { initial_interval: Duration::ZERO, multiplier: 0.0, ..Default::default() };
        let mut backoff = Backoff::new(&zero);
        assert_eq!([backoff.next(0.0), backoff.next(1.0)], [SHORTEST; 2]);
    }
}
