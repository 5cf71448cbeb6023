//! What scrapes say in the log and count.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::pool::Visited;
use crate::component::Context;
use crate::receivers::prometheus::scrape::Outcome;
use crate::telemetry::{Causes, Gauge, Telemetry};

/// Shared by the threads that scrape.
pub struct Reporting {
    receiver: String,
    telemetry: Telemetry,
    pub targets: Gauge,
    pub series: Gauge,
    /// Job and kind of the failures that were told.
    said: Causes<(usize, &'static str)>,
    /// Job and kind by target, of those that fail now.
    failing: Mutex<HashMap<u64, (usize, &'static str)>>,
}

impl Reporting {
    pub fn new(context: &Context) -> Self {
        let receiver = context.id.to_string();
        let labels = [("receiver", receiver.as_str())];
        let telemetry = context.telemetry.clone();
        Self {
            targets: telemetry.gauge("kmagent_prometheus_targets", &labels),
            series: telemetry.gauge("kmagent_prometheus_series", &labels),
            telemetry,
            receiver,
            said: Causes::new(),
            failing: Mutex::default(),
        }
    }

    /// Counts a visit, and logs what is new about it.
    pub fn report(&self, visited: &Visited, outcome: &Outcome) {
        for (reason, samples) in &outcome.lost {
            let labels = [("receiver", self.receiver.as_str()), ("reason", *reason)];
            self.telemetry.counter("kmagent_prometheus_dropped_samples", &labels).add(*samples);
            if self.said.is_new((visited.job.index, reason)) {
                log::warn!(
                    "{}: {samples} samples of {} are left out: {}; this cause is logged once",
                    self.receiver,
                    visited.target.url,
                    explain(reason)
                );
            }
        }
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failure) = &outcome.failure else {
            if let Some((job, kind)) = failing.remove(&visited.key)
                && !failing.values().any(|other| *other == (job, kind))
            {
                self.said.forget(&(job, kind));
                log::info!("{}: {} can be scraped again", self.receiver, visited.target.url);
            }
            return;
        };
        let labels = [("receiver", self.receiver.as_str()), ("reason", failure.kind)];
        self.telemetry.counter("kmagent_prometheus_failed_scrapes", &labels).add(1);
        let cause = (visited.job.index, failure.kind);
        failing.insert(visited.key, cause);
        drop(failing);
        if self.said.is_new(cause) {
            log::warn!(
                "{}: Failed to scrape Prometheus endpoint {}: {}; target_labels {}; it is tried again at every \
                 interval, and other targets of the job that fail like this are not named",
                self.receiver,
                visited.target.url,
                failure.message,
                visited.target.shown()
            );
        }
    }

    /// The target is gone, and its failures with it.
    pub fn forget(&self, key: u64) {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}

/// What a reason means to the one who reads the log.
fn explain(reason: &str) -> &str {
    match reason {
        "duplicate" => "the page has the series twice",
        "duplicate_label" => "a series has a label twice",
        "invalid_utf8" => "a line is not UTF-8",
        "inconsistent_timestamps" => "the samples of one histogram or summary are of different times",
        "no_count" => "a histogram or summary has no _count",
        "bad_buckets" => "the buckets of a histogram do not add up",
        "no_bound" => "a bucket has no le",
        "no_quantile" => "a quantile has no quantile label",
        "not_of_its_type" => "a sample does not fit the type of its metric",
        "no_name" => "metric_relabel_configs leave no name",
        "metadata" => "there are more metric families than are remembered",
        "untracked" => "there are more series than are remembered; they are sent, but get no stale marker",
        other => other,
    }
}
