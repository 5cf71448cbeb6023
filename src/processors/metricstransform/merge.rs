//! Merging points that have become the same series.

use std::str::FromStr;

use crate::otlp::buckets;
use crate::otlp::identity::{Digest, IdentityMap};
use crate::otlp::metrics::{
    Buckets, Data, ExponentialHistogramDataPoint, HistogramDataPoint, Number, NumberDataPoint, Temporality,
};
use crate::otlp::points::Point;

/// How the values of merged points become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    Sum,
    /// Of whole numbers: rounded towards zero.
    Mean,
    Min,
    Max,
    Count,
    Median,
}

impl FromStr for Aggregation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "sum" => Self::Sum,
            "mean" => Self::Mean,
            "min" => Self::Min,
            "max" => Self::Max,
            "count" => Self::Count,
            "median" => Self::Median,
            other => {
                return Err(format!("\"{other}\" is not known: use sum, mean, min, max, count or median"));
            }
        })
    }
}

/// Merges points with equal attributes and time; of deltas the start must be equal too. The first
/// keeps its place. Histograms always add up, summaries stay as they are.
pub fn merge(data: &mut Data, how: Aggregation) {
    const DELTA: i32 = Temporality::Delta as i32;
    match data {
        Data::Gauge(gauge) => merge_points(&mut gauge.data_points, false, how),
        Data::Sum(sum) => merge_points(&mut sum.data_points, sum.aggregation_temporality == DELTA, how),
        Data::Histogram(histogram) => {
            merge_points(&mut histogram.data_points, histogram.aggregation_temporality == DELTA, how);
        }
        Data::ExponentialHistogram(histogram) => {
            merge_points(&mut histogram.data_points, histogram.aggregation_temporality == DELTA, how);
        }
        Data::Summary(_) => {}
    }
}

fn merge_points<P: Mergeable>(points: &mut Vec<P>, delta: bool, how: Aggregation) {
    if points.len() < 2 {
        if how == Aggregation::Count {
            points.iter_mut().for_each(|point| point.finish(how, Tally::of(point)));
        }
        return;
    }
    let mut places: IdentityMap<usize> = IdentityMap::default();
    let mut merged: Vec<(P, Tally)> = Vec::with_capacity(points.len());
    for point in points.drain(..) {
        let mut digest = Digest::new();
        digest.attributes(point.attributes());
        digest.number(point.time());
        if delta {
            digest.number(point.start());
        }
        point.layout(&mut digest);
        let place = *places.entry(digest.finish()).or_insert(merged.len());
        match merged.get_mut(place) {
            Some((first, tally)) => {
                first.set_start(first.start().min(point.start()));
                first.absorb(point, how, tally);
            }
            None => {
                let tally = Tally::of(&point);
                merged.push((point, tally));
            }
        }
    }
    points.extend(merged.into_iter().map(|(mut point, tally)| {
        point.finish(how, tally);
        point
    }));
}

/// What is known of the points merged so far beside their aggregate.
struct Tally {
    count: i64,
    values: Vec<Number>,
}

impl Tally {
    fn of<P: Mergeable>(point: &P) -> Self {
        Self { count: 1, values: point.number().into_iter().collect() }
    }
}

trait Mergeable: Point {
    /// What must be equal to merge, beside attributes and times.
    fn layout(&self, _: &mut Digest) {}
    fn number(&self) -> Option<Number> {
        None
    }
    fn absorb(&mut self, other: Self, how: Aggregation, tally: &mut Tally);
    fn finish(&mut self, _: Aggregation, _: Tally) {}
}

impl Mergeable for NumberDataPoint {
    fn number(&self) -> Option<Number> {
        self.value
    }

    fn absorb(&mut self, mut other: Self, how: Aggregation, tally: &mut Tally) {
        tally.count += 1;
        self.exemplars.append(&mut other.exemplars);
        let (Some(a), Some(b)) = (self.value, other.value) else {
            self.value = self.value.or(other.value);
            return;
        };
        self.value = Some(match how {
            Aggregation::Sum | Aggregation::Mean => add(a, b),
            Aggregation::Min => {
                if b.as_f64() < a.as_f64() {
                    b
                } else {
                    a
                }
            }
            Aggregation::Max => {
                if b.as_f64() > a.as_f64() {
                    b
                } else {
                    a
                }
            }
            Aggregation::Count => a,
            Aggregation::Median => {
                tally.values.push(b);
                a
            }
        });
    }

    fn finish(&mut self, how: Aggregation, tally: Tally) {
        self.value = match (how, self.value) {
            (Aggregation::Mean, Some(Number::Int(sum))) => Some(Number::Int(sum / tally.count)),
            (Aggregation::Mean, Some(Number::Double(sum))) => Some(Number::Double(sum / tally.count as f64)),
            (Aggregation::Count, Some(Number::Double(_))) => Some(Number::Double(tally.count as f64)),
            (Aggregation::Count, _) => Some(Number::Int(tally.count)),
            (Aggregation::Median, Some(_)) => median(tally.values),
            (_, value) => value,
        };
    }
}

fn add(a: Number, b: Number) -> Number {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => Number::Int(a.wrapping_add(b)),
        (a, b) => Number::Double(a.as_f64() + b.as_f64()),
    }
}

fn median(mut values: Vec<Number>) -> Option<Number> {
    values.sort_by(|a, b| a.as_f64().total_cmp(&b.as_f64()));
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(match (values[middle - 1], upper) {
        (Number::Int(a), Number::Int(b)) => Number::Int(i128::midpoint(i128::from(a), i128::from(b)) as i64),
        (a, b) => Number::Double(f64::midpoint(a.as_f64(), b.as_f64())),
    })
}

impl Mergeable for HistogramDataPoint {
    fn layout(&self, digest: &mut Digest) {
        digest.number(self.bucket_counts.len() as u64);
        self.explicit_bounds.iter().for_each(|bound| digest.number(bound.to_bits()));
    }

    fn absorb(&mut self, mut other: Self, _: Aggregation, _: &mut Tally) {
        if other.count == 0 {
            return;
        }
        self.count = self.count.wrapping_add(other.count);
        self.sum = merge_option(self.sum, other.sum, |a, b| a + b);
        self.min = merge_option(self.min, other.min, f64::min);
        self.max = merge_option(self.max, other.max, f64::max);
        for (count, other) in self.bucket_counts.iter_mut().zip(other.bucket_counts) {
            *count = count.wrapping_add(other);
        }
        self.exemplars.append(&mut other.exemplars);
    }
}

impl Mergeable for ExponentialHistogramDataPoint {
    fn layout(&self, digest: &mut Digest) {
        digest.number(self.zero_threshold.to_bits());
    }

    fn absorb(&mut self, mut other: Self, _: Aggregation, _: &mut Tally) {
        if other.count == 0 {
            return;
        }
        align(self, &mut other);
        self.count = self.count.wrapping_add(other.count);
        self.zero_count = self.zero_count.wrapping_add(other.zero_count);
        self.sum = merge_option(self.sum, other.sum, |a, b| a + b);
        self.min = merge_option(self.min, other.min, f64::min);
        self.max = merge_option(self.max, other.max, f64::max);
        for (own, other) in [(&mut self.positive, other.positive), (&mut self.negative, other.negative)] {
            match (own.as_mut(), other) {
                (Some(own), Some(other)) => buckets::add(own, &other),
                (None, other) => *own = other,
                (Some(_), None) => {}
            }
        }
        self.exemplars.append(&mut other.exemplars);
    }
}

fn merge_option(a: Option<f64>, b: Option<f64>, merge: fn(f64, f64) -> f64) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(merge(a, b)),
        (a, b) => a.or(b),
    }
}

/// Histograms that would need more buckets than this are made coarser first.
const MAX_BUCKETS: usize = 1024;

/// Brings two histograms to one scale at which their buckets together are few.
fn align(a: &mut ExponentialHistogramDataPoint, b: &mut ExponentialHistogramDataPoint) {
    let scale = a.scale.min(b.scale);
    downscale(a, a.scale.abs_diff(scale));
    downscale(b, b.scale.abs_diff(scale));
    let too_many = |a: &Option<Buckets>, b: &Option<Buckets>| match (a, b) {
        (Some(a), Some(b)) => {
            buckets::span(a, b) > MAX_BUCKETS.max(a.bucket_counts.len()).max(b.bucket_counts.len())
        }
        _ => false,
    };
    while too_many(&a.positive, &b.positive) || too_many(&a.negative, &b.negative) {
        downscale(a, 1);
        downscale(b, 1);
    }
}

fn downscale(point: &mut ExponentialHistogramDataPoint, by: u32) {
    if by > 0 {
        for side in [&mut point.positive, &mut point.negative].into_iter().flatten() {
            *side = buckets::downscale(side, by);
        }
        point.scale = point.scale.saturating_sub_unsigned(by);
    }
}
