//! One view of the data points of every type of metric.

use crate::otlp::KeyValue;
use crate::otlp::metrics::{
    self, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint,
};

/// What all data points have. Times are nanoseconds since the Unix epoch.
pub trait Point {
    fn attributes(&self) -> &[KeyValue];
    fn attributes_mut(&mut self) -> &mut Vec<KeyValue>;
    fn time(&self) -> u64;
    fn start(&self) -> u64;
    fn set_start(&mut self, start: u64);
    fn flags(&self) -> u32;
}

macro_rules! point {
    ($type:ty) => {
        impl Point for $type {
            fn attributes(&self) -> &[KeyValue] {
                &self.attributes
            }
            fn attributes_mut(&mut self) -> &mut Vec<KeyValue> {
                &mut self.attributes
            }
            fn time(&self) -> u64 {
                self.time_unix_nano
            }
            fn start(&self) -> u64 {
                self.start_time_unix_nano
            }
            fn set_start(&mut self, start: u64) {
                self.start_time_unix_nano = start;
            }
            fn flags(&self) -> u32 {
                self.flags
            }
        }
    };
}
point!(NumberDataPoint);
point!(HistogramDataPoint);
point!(ExponentialHistogramDataPoint);
point!(SummaryDataPoint);

/// Evaluates `$body` with `$points` bound to the points of a metric's data, whatever their type.
macro_rules! with_points {
    ($data:expr, $points:ident => $body:expr) => {
        match $data {
            $crate::otlp::metrics::Data::Gauge($crate::otlp::metrics::Gauge { data_points: $points }) => {
                $body
            }
            $crate::otlp::metrics::Data::Sum($crate::otlp::metrics::Sum { data_points: $points, .. }) => {
                $body
            }
            $crate::otlp::metrics::Data::Histogram($crate::otlp::metrics::Histogram {
                data_points: $points,
                ..
            }) => $body,
            $crate::otlp::metrics::Data::ExponentialHistogram(
                $crate::otlp::metrics::ExponentialHistogram { data_points: $points, .. },
            ) => $body,
            $crate::otlp::metrics::Data::Summary($crate::otlp::metrics::Summary { data_points: $points }) => {
                $body
            }
        }
    };
}
pub(crate) use with_points;

/// The metric without its points.
pub fn header_of(metric: &Metric) -> Metric {
    with_last_points(metric, 0)
}

/// The metric with the last of its points, at most that many.
pub fn with_last_points(metric: &Metric, most: usize) -> Metric {
    use metrics::{Data, ExponentialHistogram, Gauge, Histogram, Sum, Summary};
    fn last<P: Clone>(points: &[P], most: usize) -> Vec<P> {
        points[points.len().saturating_sub(most)..].to_vec()
    }
    let data = metric.data.as_ref().map(|data| match data {
        Data::Gauge(gauge) => Data::Gauge(Gauge { data_points: last(&gauge.data_points, most) }),
        Data::Sum(sum) => Data::Sum(Sum {
            data_points: last(&sum.data_points, most),
            aggregation_temporality: sum.aggregation_temporality,
            is_monotonic: sum.is_monotonic,
        }),
        Data::Histogram(histogram) => Data::Histogram(Histogram {
            data_points: last(&histogram.data_points, most),
            aggregation_temporality: histogram.aggregation_temporality,
        }),
        Data::ExponentialHistogram(histogram) => Data::ExponentialHistogram(ExponentialHistogram {
            data_points: last(&histogram.data_points, most),
            aggregation_temporality: histogram.aggregation_temporality,
        }),
        Data::Summary(summary) => Data::Summary(Summary { data_points: last(&summary.data_points, most) }),
    });
    Metric {
        name: metric.name.clone(),
        description: metric.description.clone(),
        unit: metric.unit.clone(),
        data,
        metadata: metric.metadata.clone(),
    }
}

/// Appends the points of `from` to `into`; false when the two are of different types.
pub fn append(into: &mut metrics::Data, from: metrics::Data) -> bool {
    use metrics::Data;
    match (into, from) {
        (Data::Gauge(into), Data::Gauge(mut from)) => into.data_points.append(&mut from.data_points),
        (Data::Sum(into), Data::Sum(mut from)) => into.data_points.append(&mut from.data_points),
        (Data::Histogram(into), Data::Histogram(mut from)) => into.data_points.append(&mut from.data_points),
        (Data::ExponentialHistogram(into), Data::ExponentialHistogram(mut from)) => {
            into.data_points.append(&mut from.data_points);
        }
        (Data::Summary(into), Data::Summary(mut from)) => into.data_points.append(&mut from.data_points),
        _ => return false,
    }
    true
}

/// Type, temporality and monotonicity of a metric: what two must share to hold one list of points.
pub fn kind_of(data: &metrics::Data) -> (u8, i32, bool) {
    use metrics::Data;
    match data {
        Data::Gauge(_) => (1, 0, false),
        Data::Sum(sum) => (2, sum.aggregation_temporality, sum.is_monotonic),
        Data::Histogram(histogram) => (3, histogram.aggregation_temporality, false),
        Data::ExponentialHistogram(histogram) => (4, histogram.aggregation_temporality, false),
        Data::Summary(_) => (5, 0, false),
    }
}
