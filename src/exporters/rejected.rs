//! What a backend threw away in answers of success.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::component::Context;
use crate::pipeline::Signal;
use crate::telemetry::Counter;

/// Least time between two lines about batches the backend took in part.
const WARN_INTERVAL: Duration = Duration::from_mins(1);

/// Counts the items, and tells the log now and then.
pub struct Rejections {
    name: String,
    signal: Signal,
    rejected: Counter,
    warned: Mutex<Option<Instant>>,
}

impl Rejections {
    pub fn new(context: &Context, signal: Signal) -> Self {
        let exporter = context.id.to_string();
        let labels = [("exporter", &*exporter), ("data_type", signal.name())];
        Self {
            name: format!("{exporter} ({signal})"),
            signal,
            rejected: context.telemetry.counter("kmagent_exporter_rejected_items", &labels),
            warned: Mutex::default(),
        }
    }

    /// The backend took a batch and threw `rejected` of its items away.
    pub fn note(&self, rejected: u64, message: &str) {
        self.rejected.add(rejected);
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|last| last.elapsed() >= WARN_INTERVAL) {
            *warned = Some(Instant::now());
            log::warn!(
                "{}: partial success: the backend rejected {rejected} {}: {message}",
                self.name,
                self.signal.items(),
            );
        }
    }
}
