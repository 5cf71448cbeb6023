//! Merging data points that have become alike.

use std::collections::HashMap;

use prost::Message;

use crate::otlp::KeyValue;
use crate::otlp::metrics::{
    Data, ExponentialHistogramDataPoint, HistogramDataPoint, Number, NumberDataPoint, Temporality,
};

/// What the value of several points is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    Sum,
    Max,
    Min,
    Mean,
    Median,
    Count,
}

impl Aggregation {
    pub const NAMES: &[&str] = &["sum", "max", "min", "mean", "median", "count"];

    pub fn of_choice(choice: Option<usize>) -> Self {
        match choice {
            Some(1) => Self::Max,
            Some(2) => Self::Min,
            Some(3) => Self::Mean,
            Some(4) => Self::Median,
            Some(5) => Self::Count,
            _ => Self::Sum,
        }
    }
}

/// Merges points with equal attributes and time, and with equal start time when they are deltas.
/// The first point of each group stays, with the earliest start time. Summaries stay as they are.
pub fn merge_points(data: &mut Data, aggregation: Aggregation) {
    match data {
        Data::Gauge(gauge) => merge_numbers(&mut gauge.data_points, false, aggregation),
        Data::Sum(sum) => {
            merge_numbers(&mut sum.data_points, is_delta(sum.aggregation_temporality), aggregation);
        }
        Data::Histogram(histogram) => {
            let delta = is_delta(histogram.aggregation_temporality);
            for group in take_groups(&mut histogram.data_points, delta, key_of_histogram) {
                histogram.data_points.extend(fold(group, add_histogram));
            }
        }
        Data::ExponentialHistogram(histogram) => {
            let delta = is_delta(histogram.aggregation_temporality);
            for group in take_groups(&mut histogram.data_points, delta, key_of_exponential) {
                histogram.data_points.extend(fold(group, add_exponential));
            }
        }
        Data::Summary(_) => {}
    }
}

fn is_delta(temporality: i32) -> bool {
    temporality == Temporality::Delta as i32
}

/// Attributes in a canonical form, time, and start time.
type Key = (Vec<u8>, u64, u64);

fn key(attributes: &[KeyValue], time: u64, start: u64) -> Key {
    let mut sorted: Vec<&KeyValue> = attributes.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let mut encoded = Vec::new();
    for entry in sorted {
        // A vector grows without limit, so encoding does not fail.
        let _ = entry.encode_length_delimited(&mut encoded);
    }
    (encoded, time, start)
}

fn key_of_histogram(point: &HistogramDataPoint) -> Key {
    key(&point.attributes, point.time_unix_nano, point.start_time_unix_nano)
}

fn key_of_exponential(point: &ExponentialHistogramDataPoint) -> Key {
    key(&point.attributes, point.time_unix_nano, point.start_time_unix_nano)
}

/// Takes all points out, in groups that become one, in the order of their first members.
fn take_groups<P>(points: &mut Vec<P>, delta: bool, key: fn(&P) -> Key) -> Vec<Vec<P>> {
    let mut groups: Vec<Vec<P>> = Vec::new();
    let mut places: HashMap<Key, usize> = HashMap::new();
    for point in points.drain(..) {
        let mut key = key(&point);
        if !delta {
            key.2 = 0;
        }
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(point),
            None => groups.push(vec![point]),
        }
    }
    groups
}

/// Adds points to the first one; those that cannot be added stay.
fn fold<P>(group: Vec<P>, add: fn(&mut P, &P) -> bool) -> Vec<P> {
    let mut kept: Vec<P> = Vec::new();
    for point in group {
        if !kept.first_mut().is_some_and(|first| add(first, &point)) {
            kept.push(point);
        }
    }
    kept
}

fn merge_numbers(points: &mut Vec<NumberDataPoint>, delta: bool, aggregation: Aggregation) {
    let key =
        |point: &NumberDataPoint| key(&point.attributes, point.time_unix_nano, point.start_time_unix_nano);
    for group in take_groups(points, delta, key) {
        let values: Vec<Number> = group.iter().filter_map(|point| point.value).collect();
        let start = group.iter().map(|point| point.start_time_unix_nano).min().unwrap_or_default();
        let Some(mut first) = group.into_iter().next() else { continue };
        first.start_time_unix_nano = start;
        if let Some(value) = aggregate(&values, aggregation) {
            first.value = Some(value);
        }
        points.push(first);
    }
}

/// Whole numbers stay whole: their mean is rounded towards zero.
fn aggregate(values: &[Number], aggregation: Aggregation) -> Option<Number> {
    if aggregation == Aggregation::Count {
        return Some(Number::Int(values.len() as i64));
    }
    let ints: Option<Vec<i64>> = values
        .iter()
        .map(|value| match value {
            Number::Int(value) => Some(*value),
            Number::Double(_) => None,
        })
        .collect();
    if let Some(mut ints) = ints {
        ints.sort_unstable();
        let sum = || ints.iter().fold(0_i64, |sum, value| sum.wrapping_add(*value));
        let (first, last) = (*ints.first()?, *ints.last()?);
        return Some(Number::Int(match aggregation {
            Aggregation::Sum | Aggregation::Count => sum(),
            Aggregation::Min => first,
            Aggregation::Max => last,
            Aggregation::Mean => sum() / ints.len() as i64,
            Aggregation::Median => {
                let (low, high) = middle(&ints);
                low.midpoint(high)
            }
        }));
    }
    let mut doubles: Vec<f64> = values.iter().map(|value| value.as_f64()).collect();
    doubles.sort_by(f64::total_cmp);
    let sum: f64 = doubles.iter().sum();
    let (first, last) = (*doubles.first()?, *doubles.last()?);
    Some(Number::Double(match aggregation {
        Aggregation::Sum | Aggregation::Count => sum,
        Aggregation::Min => first,
        Aggregation::Max => last,
        Aggregation::Mean => sum / doubles.len() as f64,
        Aggregation::Median => {
            let (low, high) = middle(&doubles);
            low.midpoint(high)
        }
    }))
}

/// The two values in the middle of a sorted list, the same one twice when it is odd.
fn middle<T: Copy>(sorted: &[T]) -> (T, T) {
    (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}

fn add_histogram(first: &mut HistogramDataPoint, other: &HistogramDataPoint) -> bool {
    if first.explicit_bounds != other.explicit_bounds
        || first.bucket_counts.len() != other.bucket_counts.len()
    {
        return false;
    }
    for (count, added) in first.bucket_counts.iter_mut().zip(&other.bucket_counts) {
        *count = count.saturating_add(*added);
    }
    first.count = first.count.saturating_add(other.count);
    first.sum = both(first.sum, other.sum, |a, b| a + b);
    first.min = both(first.min, other.min, f64::min);
    first.max = both(first.max, other.max, f64::max);
    first.start_time_unix_nano = first.start_time_unix_nano.min(other.start_time_unix_nano);
    first.exemplars.extend_from_slice(&other.exemplars);
    true
}

fn add_exponential(first: &mut ExponentialHistogramDataPoint, other: &ExponentialHistogramDataPoint) -> bool {
    let alike = |a: &Option<_>, b: &Option<_>| match (a, b) {
        (Some(a), Some(b)) => same_shape(a, b),
        (None, None) => true,
        _ => false,
    };
    if first.scale != other.scale
        || first.zero_threshold != other.zero_threshold
        || !alike(&first.positive, &other.positive)
        || !alike(&first.negative, &other.negative)
    {
        return false;
    }
    for (mine, theirs) in [(&mut first.positive, &other.positive), (&mut first.negative, &other.negative)] {
        if let (Some(mine), Some(theirs)) = (mine, theirs) {
            for (count, added) in mine.bucket_counts.iter_mut().zip(&theirs.bucket_counts) {
                *count = count.saturating_add(*added);
            }
        }
    }
    first.count = first.count.saturating_add(other.count);
    first.zero_count = first.zero_count.saturating_add(other.zero_count);
    first.sum = both(first.sum, other.sum, |a, b| a + b);
    first.min = both(first.min, other.min, f64::min);
    first.max = both(first.max, other.max, f64::max);
    first.start_time_unix_nano = first.start_time_unix_nano.min(other.start_time_unix_nano);
    first.exemplars.extend_from_slice(&other.exemplars);
    true
}

fn same_shape(a: &crate::otlp::metrics::Buckets, b: &crate::otlp::metrics::Buckets) -> bool {
    a.offset == b.offset && a.bucket_counts.len() == b.bucket_counts.len()
}

fn both(a: Option<f64>, b: Option<f64>, join: fn(f64, f64) -> f64) -> Option<f64> {
    Some(join(a?, b?))
}
