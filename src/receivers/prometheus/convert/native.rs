//! Native histograms as exponential ones.

use super::group::millis_to_nanos;
use super::is_stale;
use crate::otlp::KeyValue;
use crate::otlp::metrics::{Buckets, ExponentialHistogramDataPoint, NO_RECORDED_VALUE};

/// A native histogram with absolute counts per bucket.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NativeHistogram {
    pub count: f64,
    pub sum: f64,
    /// Resolution: every bucket is `2^(2^-schema)` times as wide as the one before.
    pub schema: i32,
    pub zero_threshold: f64,
    pub zero_count: f64,
    pub positive: Vec<Run>,
    pub negative: Vec<Run>,
    /// Nanoseconds since the epoch; 0 = unknown.
    pub start: u64,
}

/// Buckets one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Index of the first bucket: from zero for the first run, else empty buckets since the last run.
    pub offset: i32,
    pub counts: Vec<f64>,
}

/// Buckets that a point may have; gaps between runs are filled, and a gap may be any number.
const MOST: usize = 20_000;

impl NativeHistogram {
    pub fn into_point(self, attributes: Vec<KeyValue>, time: i64) -> ExponentialHistogramDataPoint {
        let stale = is_stale(self.sum);
        let mut point = ExponentialHistogramDataPoint {
            attributes,
            start_time_unix_nano: self.start,
            time_unix_nano: millis_to_nanos(time),
            scale: self.schema,
            zero_threshold: self.zero_threshold,
            ..ExponentialHistogramDataPoint::default()
        };
        if stale {
            point.flags = NO_RECORDED_VALUE;
            return point;
        }
        point.count = self.count as u64;
        point.sum = Some(self.sum);
        point.zero_count = self.zero_count as u64;
        point.positive = Some(buckets(&self.positive));
        point.negative = Some(buckets(&self.negative));
        point
    }
}

fn buckets(runs: &[Run]) -> Buckets {
    let mut bucket_counts: Vec<u64> = Vec::new();
    for (n, run) in runs.iter().enumerate() {
        if n > 0 {
            let gap = usize::try_from(run.offset).unwrap_or(0);
            if bucket_counts.len() + gap > MOST {
                break;
            }
            bucket_counts.resize(bucket_counts.len() + gap, 0);
        }
        let room = MOST - bucket_counts.len();
        bucket_counts.extend(run.counts.iter().take(room).map(|count| *count as u64));
    }
    // OTLP counts buckets by their lower bound, Prometheus by their upper one.
    let offset = runs.first().map_or(0, |run| run.offset.saturating_sub(1));
    Buckets { offset, bucket_counts }
}
