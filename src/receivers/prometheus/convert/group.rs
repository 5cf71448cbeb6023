//! Histograms and summaries: several samples that make one data point.

use crate::otlp::KeyValue;
use crate::otlp::metrics::{
    Exemplar, HistogramDataPoint, NO_RECORDED_VALUE, SummaryDataPoint, ValueAtQuantile,
};

use super::Part;
use super::is_stale;

/// The samples of one histogram or summary, as far as they came.
#[derive(Debug, Default)]
pub struct Group {
    pub attributes: Vec<KeyValue>,
    /// Milliseconds since the epoch.
    pub time: i64,
    /// Nanoseconds since the epoch; 0 = unknown.
    pub start: u64,
    count: Option<f64>,
    sum: Option<f64>,
    /// Upper bounds with cumulative counts, or quantiles with values.
    values: Vec<(f64, f64)>,
    pub exemplars: Vec<Exemplar>,
    /// Its samples are of different moments.
    torn: bool,
}

/// Buckets or quantiles of one point; more are not kept.
const MOST: usize = 10_000;

/// Why a group makes no point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPoint {
    Torn,
    NoCount,
    BadBuckets,
}

impl NoPoint {
    pub fn reason(self) -> &'static str {
        match self {
            Self::Torn => "inconsistent_timestamps",
            Self::NoCount => "no_count",
            Self::BadBuckets => "bad_buckets",
        }
    }
}

impl Group {
    pub fn new(attributes: Vec<KeyValue>, time: i64) -> Self {
        Self { attributes, time, ..Self::default() }
    }

    /// Adds a sample; `edge` is its bound or quantile. False when it has none or there are too many.
    pub fn add(&mut self, part: Part, edge: Option<f64>, value: f64, time: i64) -> bool {
        self.torn |= time != self.time;
        match part {
            Part::Count => self.count = Some(value),
            Part::Sum => self.sum = Some(value),
            Part::Created if !is_stale(value) => self.start = seconds_to_nanos(value),
            Part::Created => {}
            Part::Value | Part::Bucket | Part::Quantile => match edge {
                Some(edge) if self.values.len() < MOST => self.values.push((edge, value)),
                _ => return false,
            },
        }
        true
    }

    pub fn into_histogram(mut self) -> Result<HistogramDataPoint, NoPoint> {
        let count = self.counted()?;
        let stale = is_stale(count);
        // A bucket that vanished from a histogram that lives on.
        self.values.retain(|(_, value)| stale || !is_stale(*value));
        self.values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        self.values.dedup_by(|a, b| a.0 == b.0);
        if self.values.last().is_some_and(|(edge, _)| *edge == f64::INFINITY) {
            self.values.pop();
        }
        let mut bucket_counts = Vec::with_capacity(self.values.len() + 1);
        let mut before = 0.0;
        for (_, value) in &self.values {
            let value = if stale { before } else { *value };
            if value < before || value.is_nan() {
                return Err(NoPoint::BadBuckets);
            }
            bucket_counts.push((value - before) as u64);
            before = value;
        }
        if !stale && count < before {
            return Err(NoPoint::BadBuckets);
        }
        bucket_counts.push(if stale { 0 } else { (count - before) as u64 });
        Ok(HistogramDataPoint {
            start_time_unix_nano: self.start,
            time_unix_nano: millis_to_nanos(self.time),
            count: if stale { 0 } else { count as u64 },
            sum: self.sum.map(|sum| if stale { 0.0 } else { sum }),
            bucket_counts,
            explicit_bounds: self.values.iter().map(|(edge, _)| *edge).collect(),
            exemplars: self.exemplars,
            attributes: self.attributes,
            flags: if stale { NO_RECORDED_VALUE } else { 0 },
            min: None,
            max: None,
        })
    }

    pub fn into_summary(mut self) -> Result<SummaryDataPoint, NoPoint> {
        let count = self.counted()?;
        let stale = is_stale(count);
        self.values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let quantile_values = self.values.iter().map(|(quantile, value)| ValueAtQuantile {
            quantile: *quantile,
            value: if stale || is_stale(*value) { 0.0 } else { *value },
        });
        Ok(SummaryDataPoint {
            start_time_unix_nano: self.start,
            time_unix_nano: millis_to_nanos(self.time),
            count: if stale { 0 } else { count as u64 },
            sum: if stale { 0.0 } else { self.sum.unwrap_or_default() },
            quantile_values: quantile_values.collect(),
            attributes: self.attributes,
            flags: if stale { NO_RECORDED_VALUE } else { 0 },
        })
    }

    fn counted(&self) -> Result<f64, NoPoint> {
        if self.torn {
            return Err(NoPoint::Torn);
        }
        let count = self.count.ok_or(NoPoint::NoCount)?;
        if count.is_nan() && !is_stale(count) { Err(NoPoint::BadBuckets) } else { Ok(count) }
    }
}

pub fn millis_to_nanos(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or(0).saturating_mul(1_000_000)
}

pub fn seconds_to_nanos(seconds: f64) -> u64 {
    // `as` saturates, and makes NaN zero.
    (seconds * 1e9) as u64
}
