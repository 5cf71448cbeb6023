//! Exponential histograms as histograms with given bounds.

use super::{Args, Function, ParamKind, p};
use crate::otlp::AnyValue;
use crate::otlp::metrics::{Buckets, Data, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint};
use crate::ottl::EvalError;
use crate::ottl::context::{ContextKind, Item};

pub const FUNCTIONS: &[Function] = &[Function::editor(
    "convert_exponential_histogram_to_histogram",
    &[
        p("distribution", ParamKind::Choice(&["upper", "midpoint", "uniform", "random"])),
        p("explicit_bounds", ParamKind::Values),
    ],
    convert,
    "Makes an exponential histogram one with these bounds; values within a bucket count as spread so.",
)
.only(&[ContextKind::Metric])
.check(|args| match args.literal_len(1) {
    Some(0) => Err((1, "at least one bound is needed".to_owned())),
    _ => Ok(()),
})];

/// Where the values of a bucket are thought to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Distribution {
    Upper,
    Midpoint,
    Uniform,
    Random,
}

fn convert(args: &Args, item: &mut Item<'_>) -> Result<(), EvalError> {
    let distribution = match args.choice(0) {
        Some(1) => Distribution::Midpoint,
        Some(2) => Distribution::Uniform,
        Some(3) => Distribution::Random,
        _ => Distribution::Upper,
    };
    let mut bounds = Vec::new();
    args.for_each(1, &item.view(), |value| {
        bounds.push(match value.into_any()? {
            AnyValue::Double(bound) => bound,
            AnyValue::Int(bound) => bound as f64,
            _ => return Err(EvalError::fixed("a bound must be a number")),
        });
        Ok(())
    })?;
    bounds.sort_by(f64::total_cmp);
    if bounds.is_empty() {
        return Err(EvalError::fixed("at least one bound is needed"));
    }
    let Some(metric) = item.metric_mut() else { return Ok(()) };
    if let Some(Data::ExponentialHistogram(histogram)) = &mut metric.data {
        let points = std::mem::take(&mut histogram.data_points);
        metric.data = Some(Data::Histogram(Histogram {
            aggregation_temporality: histogram.aggregation_temporality,
            data_points: points
                .into_iter()
                .map(|point| convert_point(point, &bounds, distribution))
                .collect(),
        }));
    }
    Ok(())
}

fn convert_point(
    point: ExponentialHistogramDataPoint,
    bounds: &[f64],
    distribution: Distribution,
) -> HistogramDataPoint {
    let mut counts = Counts { counts: vec![0; bounds.len() + 1], bounds, distribution };
    counts.add(0.0, 0.0, point.zero_count);
    // base = 2^(2^-scale)
    let factor = (-f64::from(point.scale)).exp2() * std::f64::consts::LN_2;
    let edge = |index: i64| (index as f64 * factor).exp();
    for (buckets, sign) in [(&point.positive, 1.0), (&point.negative, -1.0)] {
        let Some(Buckets { offset, bucket_counts }) = buckets else { continue };
        for (i, count) in bucket_counts.iter().enumerate() {
            let index = i64::from(*offset) + i as i64;
            let (near, far) = (sign * edge(index), sign * edge(index + 1));
            counts.add(near.min(far), near.max(far), *count);
        }
    }
    HistogramDataPoint {
        start_time_unix_nano: point.start_time_unix_nano,
        time_unix_nano: point.time_unix_nano,
        count: point.count,
        sum: point.sum,
        bucket_counts: counts.counts,
        explicit_bounds: bounds.to_vec(),
        exemplars: point.exemplars,
        attributes: point.attributes,
        flags: point.flags,
        min: point.min,
        max: point.max,
    }
}

struct Counts<'b> {
    counts: Vec<u64>,
    bounds: &'b [f64],
    distribution: Distribution,
}

impl Counts<'_> {
    /// Counts values between `low` and `high`.
    fn add(&mut self, low: f64, high: f64, count: u64) {
        if count == 0 {
            return;
        }
        let (first, last) = (self.bucket(low), self.bucket(high));
        match self.distribution {
            Distribution::Upper => self.put(last, count),
            Distribution::Midpoint => self.put(self.bucket(low.midpoint(high)), count),
            Distribution::Uniform => self.spread(first, last, (low, high), count),
            Distribution::Random => self.scatter(first, last, count),
        }
    }

    /// The bucket of a value: the first whose bound is not below it.
    fn bucket(&self, value: f64) -> usize {
        self.bounds.partition_point(|bound| *bound < value)
    }

    fn put(&mut self, bucket: usize, count: u64) {
        self.counts[bucket] = self.counts[bucket].saturating_add(count);
    }

    /// Shares by the overlap with each bucket; what rounding leaves goes to the last.
    fn spread(&mut self, first: usize, last: usize, (low, high): (f64, f64), count: u64) {
        let mut left = count;
        for bucket in first..last {
            let from = if bucket == 0 { low } else { self.bounds[bucket - 1].max(low) };
            let share = (self.bounds[bucket] - from) / (high - low) * count as f64;
            let share = (share as u64).min(left);
            self.put(bucket, share);
            left -= share;
        }
        self.put(last, left);
    }

    fn scatter(&mut self, first: usize, last: usize, count: u64) {
        let mut left = count;
        for bucket in first..last {
            let share = fastrand::u64(0..=left);
            self.put(bucket, share);
            left -= share;
        }
        self.put(last, left);
    }
}
