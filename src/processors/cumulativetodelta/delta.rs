//! From one total to the next.

use crate::otlp::buckets::{downscale, subtract};
use crate::otlp::metrics::{
    Buckets, ExponentialHistogramDataPoint, HistogramDataPoint, Number, NumberDataPoint,
};

/// What is remembered of the last point of a series.
pub enum Total {
    Number { value: Number, time: u64 },
    Histogram(Box<HistogramTotal>),
    Exponential(Box<ExponentialTotal>),
}

pub struct HistogramTotal {
    time: u64,
    count: u64,
    sum: Option<f64>,
    buckets: Vec<u64>,
    bounds: Vec<f64>,
}

pub struct ExponentialTotal {
    time: u64,
    count: u64,
    sum: Option<f64>,
    scale: i32,
    zero_count: u64,
    zero_threshold: f64,
    positive: Buckets,
    negative: Buckets,
}

/// What became of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It holds the delta now.
    Delta,
    Drop(Drop),
}

/// Why a point was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// The total went down: its source started again.
    Reset,
    /// The source says that it has no value any more.
    NoValue,
    /// The buckets are not those of the point before.
    Layout,
}

/// A point whose value is a total.
pub trait Cumulative {
    /// Totals that cannot be subtracted are left alone.
    fn is_countable(&self) -> bool;
    /// Tells series of whole numbers from series of fractions.
    fn value_kind(&self) -> u64;
    fn total(&self) -> Total;
    /// Turns the point into the delta to `previous`, which becomes the point's total.
    fn step(&mut self, previous: &mut Total) -> Step;
}

impl Cumulative for NumberDataPoint {
    fn is_countable(&self) -> bool {
        !matches!(self.value, Some(Number::Double(value)) if value.is_nan())
    }

    fn value_kind(&self) -> u64 {
        u64::from(matches!(self.value, Some(Number::Double(_))))
    }

    fn total(&self) -> Total {
        Total::Number { value: self.value.unwrap_or(Number::Int(0)), time: self.time_unix_nano }
    }

    fn step(&mut self, previous: &mut Total) -> Step {
        let Total::Number { value: before, time } = std::mem::replace(previous, self.total()) else {
            return Step::Drop(Drop::Layout);
        };
        let delta = match (self.value, before) {
            (Some(Number::Double(now)), Number::Double(before)) if now >= before => {
                Number::Double(now - before)
            }
            (Some(Number::Int(now)), Number::Int(before)) if now >= before => {
                Number::Int(now.saturating_sub(before))
            }
            (None, Number::Int(0)) => Number::Int(0),
            _ => return Step::Drop(Drop::Reset),
        };
        self.value = Some(delta);
        self.start_time_unix_nano = time;
        Step::Delta
    }
}

impl Cumulative for HistogramDataPoint {
    fn is_countable(&self) -> bool {
        true
    }

    fn value_kind(&self) -> u64 {
        0
    }

    fn total(&self) -> Total {
        Total::Histogram(Box::new(HistogramTotal {
            time: self.time_unix_nano,
            count: self.count,
            sum: self.sum,
            buckets: self.bucket_counts.clone(),
            bounds: self.explicit_bounds.clone(),
        }))
    }

    fn step(&mut self, previous: &mut Total) -> Step {
        let Total::Histogram(before) = previous else {
            *previous = self.total();
            return Step::Drop(Drop::Layout);
        };
        let same_layout =
            before.buckets.len() == self.bucket_counts.len() && before.bounds == self.explicit_bounds;
        if !same_layout {
            *previous = self.total();
            return Step::Drop(Drop::Layout);
        }
        let reset = self.count < before.count
            || self.bucket_counts.iter().zip(&before.buckets).any(|(now, before)| now < before);
        let start = std::mem::replace(&mut before.time, self.time_unix_nano);
        let count = std::mem::replace(&mut before.count, self.count);
        let sum = std::mem::replace(&mut before.sum, self.sum);
        // After a reset the source counts from zero again: its total is the delta.
        for (now, before) in self.bucket_counts.iter_mut().zip(&mut before.buckets) {
            let delta = if reset { *now } else { *now - *before };
            *before = std::mem::replace(now, delta);
        }
        if !reset {
            self.count -= count;
            self.sum = self.sum.map(|now| now - sum.unwrap_or(0.0));
        }
        self.start_time_unix_nano = start;
        // The extremes of a delta cannot be known from those of totals.
        (self.min, self.max) = (None, None);
        Step::Delta
    }
}

impl Cumulative for ExponentialHistogramDataPoint {
    fn is_countable(&self) -> bool {
        true
    }

    fn value_kind(&self) -> u64 {
        0
    }

    fn total(&self) -> Total {
        Total::Exponential(Box::new(ExponentialTotal {
            time: self.time_unix_nano,
            count: self.count,
            sum: self.sum,
            scale: self.scale,
            zero_count: self.zero_count,
            zero_threshold: self.zero_threshold,
            positive: self.positive.clone().unwrap_or_default(),
            negative: self.negative.clone().unwrap_or_default(),
        }))
    }

    fn step(&mut self, previous: &mut Total) -> Step {
        let Total::Exponential(mut before) = std::mem::replace(previous, self.total()) else {
            return Step::Drop(Drop::Layout);
        };
        if before.zero_threshold != self.zero_threshold {
            return Step::Drop(Drop::Layout);
        }
        // A source makes its scale coarser as it sees more; a finer one means that it started again.
        let coarser = before.scale.checked_sub(self.scale).and_then(|coarser| u32::try_from(coarser).ok());
        let deltas = coarser.and_then(|coarser| {
            before.positive = downscale(&before.positive, coarser);
            before.negative = downscale(&before.negative, coarser);
            let count = self.count.checked_sub(before.count)?;
            let zero_count = self.zero_count.checked_sub(before.zero_count)?;
            let positive = subtract(self.positive.as_ref(), &before.positive)?;
            let negative = subtract(self.negative.as_ref(), &before.negative)?;
            Some((count, zero_count, positive, negative))
        });
        if let Some((count, zero_count, positive, negative)) = deltas {
            (self.count, self.zero_count) = (count, zero_count);
            (self.positive, self.negative) = (positive, negative);
            self.sum = self.sum.map(|now| now - before.sum.unwrap_or(0.0));
        }
        self.start_time_unix_nano = before.time;
        (self.min, self.max) = (None, None);
        Step::Delta
    }
}
