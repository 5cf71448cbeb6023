//! `retry_on_failure` and `sending_queue` as users write them.

use std::time::Duration;

use serde::Deserialize;

use crate::config::types::{duration, section};
use crate::config::{ComponentId, Issues};
use crate::pipeline::Batch;

/// Queue and retry settings of one exporter.
#[derive(Clone, Debug, Default)]
pub struct Sending {
    pub retry_on_failure: RetryOnFailure,
    /// `None`: batches are exported in the thread of the pipeline, one after another.
    pub sending_queue: Option<SendingQueue>,
}

/// How an attempt that failed is repeated.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryOnFailure {
    pub enabled: bool,
    /// Wait before the second attempt.
    #[serde(deserialize_with = "duration")]
    pub initial_interval: Duration,
    /// Every wait is this share longer or shorter, by chance: 0 to 1.
    pub randomization_factor: f64,
    /// How much longer each wait is than the one before.
    pub multiplier: f64,
    #[serde(deserialize_with = "duration")]
    pub max_interval: Duration,
    /// When to give a batch up, counted from its first attempt; 0 = never.
    #[serde(deserialize_with = "duration")]
    pub max_elapsed_time: Duration,
}

impl Default for RetryOnFailure {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: Duration::from_secs(5),
            randomization_factor: 0.5,
            multiplier: 1.5,
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::from_mins(5),
        }
    }
}

/// What the size of a queue or a batch is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sizer {
    /// Batches, as they come from the pipeline.
    Requests,
    /// Log records, data points or spans.
    Items,
    /// Bytes of the encoded export request.
    Bytes,
}

/// The queue in front of an exporter.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SendingQueue {
    pub enabled: bool,
    /// Most batches that are exported at the same time.
    pub num_consumers: usize,
    /// Capacity in units of `sizer`.
    pub queue_size: usize,
    /// `requests` when not given.
    pub sizer: Option<Sizer>,
    /// The pipeline waits until its batch is exported.
    pub wait_for_result: bool,
    /// Accepted: a full queue always makes its source wait, whatever is said here.
    pub block_on_overflow: bool,
    /// The storage extension that keeps the queue over a restart.
    #[serde(deserialize_with = "storage_id")]
    pub storage: Option<ComponentId>,
    /// Merge and split batches before they are exported.
    #[serde(deserialize_with = "section")]
    pub batch: Option<QueueBatch>,
}

impl Default for SendingQueue {
    fn default() -> Self {
        Self {
            enabled: true,
            num_consumers: 10,
            queue_size: 1000,
            sizer: None,
            wait_for_result: false,
            block_on_overflow: false,
            storage: None,
            batch: None,
        }
    }
}

/// How batches are merged and split when they leave the queue.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueBatch {
    pub enabled: bool,
    /// A batch waits no longer than this for company.
    #[serde(deserialize_with = "duration")]
    pub flush_timeout: Duration,
    /// Enough to be sent at once, in units of `sizer`.
    pub min_size: usize,
    /// Larger batches are split; 0 = never.
    pub max_size: usize,
    /// `items` or `bytes`; when not given that of the queue, if it is one of these, else `items`.
    pub sizer: Option<Sizer>,
}

impl Default for QueueBatch {
    fn default() -> Self {
        Self {
            enabled: true,
            flush_timeout: Duration::from_millis(200),
            min_size: 8192,
            max_size: 0,
            sizer: None,
        }
    }
}

fn storage_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<ComponentId>, D::Error> {
    Option::<String>::deserialize(deserializer)?
        .map(|text| text.parse().map_err(serde::de::Error::custom))
        .transpose()
}

impl Sizer {
    /// Of a batch with so many items and encoded bytes.
    pub(super) fn of_measures(self, items: usize, bytes: usize) -> usize {
        match self {
            Self::Requests => 1,
            Self::Items => items,
            Self::Bytes => bytes,
        }
    }

    /// For the sizers of batches; a request counts as its items.
    pub(super) fn of_batch(self, batch: &Batch) -> usize {
        match self {
            Self::Requests | Self::Items => batch.items(),
            Self::Bytes => batch.bytes(),
        }
    }
}

impl SendingQueue {
    pub fn sizer(&self) -> Sizer {
        self.sizer.unwrap_or(Sizer::Requests)
    }

    /// The batch settings with the sizer they work with, when batching is on.
    pub(super) fn batching(&self) -> Option<(&QueueBatch, Sizer)> {
        let batch = self.batch.as_ref().filter(|batch| batch.enabled)?;
        let inherited = self.sizer.filter(|sizer| *sizer != Sizer::Requests);
        Some((batch, batch.sizer.or(inherited).unwrap_or(Sizer::Items)))
    }

    fn validate(&self, issues: &mut Issues<'_>) {
        let mut check = |ok: bool, key: &str, message: &str| {
            if !ok {
                issues.error(&format!("sending_queue::{key}"), message);
            }
        };
        check(self.num_consumers > 0, "num_consumers", "must be greater than 0");
        check(self.queue_size > 0, "queue_size", "must be greater than 0");
        check(
            !(self.wait_for_result && self.storage.is_some()),
            "wait_for_result",
            "does not go together with \"storage\": remove one of them",
        );
        let Some((batch, sizer)) = self.batching() else { return };
        check(sizer != Sizer::Requests, "batch::sizer", "must be \"items\" or \"bytes\"");
        check(batch.flush_timeout > Duration::ZERO, "batch::flush_timeout", "must be greater than 0");
        check(
            batch.max_size == 0 || batch.max_size >= batch.min_size,
            "batch::max_size",
            "must be 0 or at least \"min_size\"",
        );
        check(
            sizer != self.sizer() || batch.min_size <= self.queue_size,
            "batch::min_size",
            "must not be greater than \"queue_size\", or no batch would ever be full",
        );
    }
}

impl RetryOnFailure {
    fn validate(&self, issues: &mut Issues<'_>) {
        let mut check = |ok: bool, key: &str, message: &str| {
            if !ok {
                issues.error(&format!("retry_on_failure::{key}"), message);
            }
        };
        check(
            (0.0..=1.0).contains(&self.randomization_factor),
            "randomization_factor",
            "must be within [0, 1]",
        );
        check(self.multiplier >= 0.0 && self.multiplier.is_finite(), "multiplier", "must not be negative");
        let limit = self.max_elapsed_time;
        if limit > Duration::ZERO {
            check(
                limit >= self.initial_interval,
                "max_elapsed_time",
                "must not be less than \"initial_interval\"",
            );
            check(limit >= self.max_interval, "max_elapsed_time", "must not be less than \"max_interval\"");
        }
    }
}

impl Sending {
    /// Checks what the types cannot; for the exporter's own `validate`.
    pub fn validate(&self, issues: &mut Issues<'_>) {
        if self.retry_on_failure.enabled {
            self.retry_on_failure.validate(issues);
        }
        if let Some(queue) = self.queue() {
            queue.validate(issues);
        }
    }

    /// The queue, when it is on.
    pub fn queue(&self) -> Option<&SendingQueue> {
        self.sending_queue.as_ref().filter(|queue| queue.enabled)
    }
}
