//! Counters and gauges of the agent itself, under the names dashboards know (`otelcol_…`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Taps;

/// The registry of the agent's own metrics. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    cells: Arc<Mutex<BTreeMap<Key, (Kind, Arc<AtomicU64>)>>>,
    taps: Taps,
}

type Key = (&'static str, Vec<(&'static str, String)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
}

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

/// A number that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

/// The value of one metric with one set of labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub name: &'static str,
    pub labels: Vec<(&'static str, String)>,
    pub kind: Kind,
    pub value: u64,
}

impl Telemetry {
    pub fn new() -> Self {
        Self::default()
    }

    /// The counter of that name and labels, made when it is asked for first.
    pub fn counter(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Counter {
        Counter(self.cell(Kind::Counter, name, labels))
    }

    pub fn gauge(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
        Gauge(self.cell(Kind::Gauge, name, labels))
    }

    /// Where passing data can be looked at.
    pub fn taps(&self) -> &Taps {
        &self.taps
    }

    /// All values now, sorted by name and labels.
    pub fn snapshot(&self) -> Vec<Sample> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells
            .iter()
            .map(|((name, labels), (kind, cell))| Sample {
                name,
                labels: labels.clone(),
                kind: *kind,
                value: cell.load(Ordering::Relaxed),
            })
            .collect()
    }

    /// The sum of a metric over all its labels.
    pub fn total(&self, name: &str) -> u64 {
        self.snapshot().iter().filter(|sample| sample.name == name).map(|sample| sample.value).sum()
    }

    fn cell(&self, kind: Kind, name: &'static str, labels: &[(&'static str, &str)]) -> Arc<AtomicU64> {
        let labels = labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.entry((name, labels)).or_insert_with(|| (kind, Arc::default())).1.clone()
    }
}

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
