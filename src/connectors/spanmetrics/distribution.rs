//! How often durations of which size were seen.

use crate::otlp::buckets::downscale;
use crate::otlp::metrics::{Buckets, ExponentialHistogramDataPoint, HistogramDataPoint};

/// Counts of values between fixed bounds.
#[derive(Clone, Debug, Default)]
pub struct Explicit {
    /// One more than there are bounds; empty until the first value.
    counts: Vec<u64>,
    count: u64,
    sum: f64,
}

impl Explicit {
    pub fn observe(&mut self, value: f64, bounds: &[f64]) {
        if self.counts.is_empty() {
            self.counts = vec![0; bounds.len() + 1];
        }
        self.counts[bounds.partition_point(|bound| *bound < value)] += 1;
        self.count += 1;
        self.sum += value;
    }

    pub fn point(&self, bounds: &[f64]) -> HistogramDataPoint {
        HistogramDataPoint {
            count: self.count,
            sum: Some(self.sum),
            bucket_counts: self.counts.clone(),
            explicit_bounds: bounds.to_vec(),
            ..HistogramDataPoint::default()
        }
    }
}

/// Counts of values between powers of a base that gets larger as the values spread.
#[derive(Clone, Debug)]
pub struct Exponential {
    scale: i32,
    positive: Buckets,
    zeros: u64,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

/// The finest scale: values a millionth apart have buckets of their own.
const MAX_SCALE: i32 = 20;

impl Default for Exponential {
    fn default() -> Self {
        Self {
            scale: MAX_SCALE,
            positive: Buckets::default(),
            zeros: 0,
            count: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Exponential {
    /// `value` is not negative; `max_size` is the most buckets, 2 at least.
    pub fn observe(&mut self, value: f64, max_size: usize) {
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if value < f64::MIN_POSITIVE {
            self.zeros += 1;
            return;
        }
        let mut index = index_of(value, self.scale);
        let by = self.too_fine(index, max_size);
        if by > 0 {
            self.positive = downscale(&self.positive, by);
            self.scale -= by as i32;
            index >>= by;
        }
        self.count_at(index);
    }

    /// By how much the scale has to go down to hold `index` too.
    fn too_fine(&self, index: i32, max_size: usize) -> u32 {
        if self.positive.bucket_counts.is_empty() {
            return 0;
        }
        let last = self.positive.offset + (self.positive.bucket_counts.len() - 1) as i32;
        let (mut low, mut high) = (self.positive.offset.min(index), last.max(index));
        let mut by = 0;
        while (i64::from(high) - i64::from(low)) as usize >= max_size {
            low >>= 1;
            high >>= 1;
            by += 1;
        }
        by
    }

    fn count_at(&mut self, index: i32) {
        let Buckets { offset, bucket_counts } = &mut self.positive;
        if bucket_counts.is_empty() {
            *offset = index;
        }
        if index < *offset {
            bucket_counts.splice(0..0, std::iter::repeat_n(0, (*offset - index) as usize));
            *offset = index;
        }
        let place = (index - *offset) as usize;
        if bucket_counts.len() <= place {
            bucket_counts.resize(place + 1, 0);
        }
        bucket_counts[place] += 1;
    }

    pub fn point(&self) -> ExponentialHistogramDataPoint {
        ExponentialHistogramDataPoint {
            count: self.count,
            sum: Some(self.sum),
            scale: self.scale,
            zero_count: self.zeros,
            positive: Some(self.positive.clone()),
            negative: Some(Buckets::default()),
            min: (self.count > 0).then_some(self.min),
            max: (self.count > 0).then_some(self.max),
            ..ExponentialHistogramDataPoint::default()
        }
    }
}

/// The bucket of a normal positive value: `base^index < value <= base^(index + 1)` with a base of
/// `2^(2^-scale)`.
fn index_of(value: f64, scale: i32) -> i32 {
    let bits = value.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32 - 1023;
    let is_power_of_two = bits.trailing_zeros() >= 52;
    if scale <= 0 {
        return (exponent - i32::from(is_power_of_two)) >> -scale;
    }
    if is_power_of_two {
        return (exponent << scale) - 1;
    }
    // Rounding must not carry the value over the power of two next to it.
    let index = (value.log2() * f64::from(1 << scale)).ceil() as i32 - 1;
    index.clamp(exponent << scale, ((exponent + 1) << scale) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        let mut distribution = Explicit::default();
        for value in [0.0, 2.0, 2.1, 4.0, 100.0] {
            distribution.observe(value, &[2.0, 4.0]);
        }
        let point = distribution.point(&[2.0, 4.0]);
        assert_eq!((point.bucket_counts, point.count, point.sum), (vec![2, 2, 1], 5, Some(108.1)));
    }

    #[test]
    fn every_value_lies_within_its_exponential_bucket() {
        for scale in [-10, -3, -1, 0, 1, 3, 10, 20] {
            let base_log2 = 2_f64.powi(-scale);
            for value in [1e-9, 0.1, 0.25, 0.999, 1.0, 1.001, 2.0, 3.0, 1000.0, 1024.0, 1e12] {
                let index = f64::from(index_of(value, scale));
                let (low, high) = (index * base_log2, (index + 1.0) * base_log2);
                let log2 = value.log2();
                assert!(low - 1e-9 < log2 && log2 <= high + 1e-9, "{value} at {scale}: {low} {high}");
            }
        }
        // Powers of two are exact: each is the upper bound of its bucket.
        assert_eq!((index_of(1.0, 0), index_of(2.0, 0), index_of(4.0, 1)), (-1, 0, 3));
    }

    #[test]
    fn the_buckets_get_wider_as_values_spread_and_never_more_than_allowed() {
        let mut distribution = Exponential::default();
        let mut sizes = Vec::new();
        for n in 0..60_u32 {
            distribution.observe(1e-6 * 2_f64.powi(n as i32), 10);
            distribution.observe(0.0, 10);
            sizes.push(distribution.positive.bucket_counts.len());
        }
        let point = distribution.point();
        assert!(sizes.iter().all(|size| *size <= 10), "{sizes:?}");
        assert_eq!(point.positive.as_ref().unwrap().bucket_counts.iter().sum::<u64>(), 60);
        assert_eq!((point.count, point.zero_count, point.min), (120, 60, Some(0.0)));
        assert!(point.scale <= -2, "{}", point.scale);
    }
}
