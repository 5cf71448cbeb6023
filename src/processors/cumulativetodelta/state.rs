//! The last total of every series.

use std::time::{Duration, Instant};

use super::delta::Total;
use crate::otlp::identity::{Identity, IdentityMap};

/// More series than this are not remembered: 50 MB for sums.
const MAX_SERIES: usize = 500_000;

pub struct Series {
    totals: IdentityMap<Remembered>,
    max_series: usize,
    max_staleness: Duration,
    /// The clock of the series: seconds since this moment.
    epoch: Instant,
    now: u32,
    next_sweep: Option<Instant>,
}

struct Remembered {
    total: Total,
    /// When its last point came.
    seen: u32,
}

pub enum Entry<'a> {
    Known(&'a mut Total),
    New(Slot<'a>),
    /// There is no room for another series.
    Refused,
}

/// The place of a series that is not known yet.
pub struct Slot<'a> {
    entry: std::collections::hash_map::VacantEntry<'a, Identity, Remembered>,
    now: u32,
}

impl Slot<'_> {
    pub fn insert(self, total: Total) {
        self.entry.insert(Remembered { total, seen: self.now });
    }
}

impl Series {
    pub fn new(max_staleness: Duration, now: Instant) -> Self {
        Self {
            totals: IdentityMap::default(),
            max_series: MAX_SERIES,
            max_staleness,
            epoch: now,
            now: 0,
            next_sweep: (!max_staleness.is_zero()).then(|| now + max_staleness),
        }
    }

    #[cfg(test)]
    pub fn limit(&mut self, max_series: usize) {
        self.max_series = max_series;
    }

    /// Sets the clock, and forgets series without a point for `max_staleness` when it is time to.
    pub fn sweep(&mut self, now: Instant) {
        self.now = now.saturating_duration_since(self.epoch).as_secs() as u32;
        if self.next_sweep.is_some_and(|due| now >= due) {
            let oldest = u64::from(self.now).saturating_sub(self.max_staleness.as_secs());
            self.totals.retain(|_, remembered| u64::from(remembered.seen) >= oldest);
            self.totals.shrink_to(self.totals.len() * 2);
            self.next_sweep = Some(now + self.max_staleness);
        }
    }

    pub fn get(&mut self, identity: Identity) -> Entry<'_> {
        use std::collections::hash_map::Entry as MapEntry;
        let full = self.totals.len() >= self.max_series;
        match self.totals.entry(identity) {
            MapEntry::Occupied(known) => {
                let remembered = known.into_mut();
                remembered.seen = self.now;
                Entry::Known(&mut remembered.total)
            }
            MapEntry::Vacant(_) if full => Entry::Refused,
            MapEntry::Vacant(entry) => Entry::New(Slot { entry, now: self.now }),
        }
    }
}
