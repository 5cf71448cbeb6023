//! From readings to OTLP metrics: what is known about a metric before it is read stands in one
//! table ([`metric_table!`](crate::metric_table)), and a [`Recorder`] turns readings into messages.

use std::marker::PhantomData;

use super::metrics::{Data, Gauge, Metric, Number, NumberDataPoint, Sum, Temporality};
use super::{InstrumentationScope, KeyValue, Resource, metrics};

/// What is known about a metric before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricInfo {
    pub name: &'static str,
    pub description: &'static str,
    /// UCUM, as the semantic conventions write it.
    pub unit: &'static str,
    pub shape: Shape,
    pub value: ValueType,
    /// Whether it is on when the user says nothing.
    pub enabled: bool,
    pub attributes: &'static [&'static str],
}

/// How the points of a metric relate to each other. Sums are cumulative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Gauge,
    /// A sum that only grows.
    Counter,
    /// A sum that goes up and down.
    UpDown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    Int,
    Double,
}

/// The metrics of one source, as an enum whose variants index [`Table::INFOS`].
pub trait Table: Copy {
    const INFOS: &'static [MetricInfo];
    fn index(self) -> usize;
}

/// Declares the metrics of one source: an enum that implements [`Table`].
///
/// ```
/// kmagent::metric_table! {
///     /// What a thermometer tells.
///     pub enum Thermometer {
///         Heat: Gauge Double on "heat" "Cel" ["room"] "Temperature of the air.";
///         Readings: Counter Int off "readings" "{reading}" [] "How often it was looked at.";
///     }
/// }
/// ```
#[macro_export]
macro_rules! metric_table {
    (
        $(#[$meta:meta])*
        $vis:vis enum $table:ident {
            $($metric:ident: $shape:ident $value:ident $switch:ident
                $name:literal $unit:literal [$($attribute:literal),*] $description:literal;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $table { $(#[doc = $description] $metric,)+ }

        impl $crate::otlp::build::Table for $table {
            const INFOS: &'static [$crate::otlp::build::MetricInfo] = &[
                $($crate::otlp::build::MetricInfo {
                    name: $name,
                    description: $description,
                    unit: $unit,
                    shape: $crate::otlp::build::Shape::$shape,
                    value: $crate::otlp::build::ValueType::$value,
                    enabled: $crate::metric_table!(@$switch),
                    attributes: &[$($attribute),*],
                },)+
            ];
            fn index(self) -> usize {
                self as usize
            }
        }
    };
    (@on) => { true };
    (@off) => { false };
}

/// Collects the points of one source's metrics, those that are switched on.
#[derive(Debug)]
pub struct Recorder<T> {
    slots: Vec<Slot>,
    start: u64,
    time: u64,
    table: PhantomData<T>,
}

#[derive(Debug)]
struct Slot {
    enabled: bool,
    points: Vec<NumberDataPoint>,
    /// How many points came last time: what to make room for.
    expected: usize,
}

impl<T: Table> Recorder<T> {
    /// `enabled` has one entry per metric of the table.
    pub fn new(enabled: &[bool]) -> Self {
        debug_assert_eq!(enabled.len(), T::INFOS.len());
        let slots =
            enabled.iter().map(|&enabled| Slot { enabled, points: Vec::new(), expected: 0 }).collect();
        Self { slots, start: 0, time: 0, table: PhantomData }
    }

    /// Points from now on are of `time`, sums count from `start`; nanoseconds since the Unix epoch.
    pub fn at(&mut self, start: u64, time: u64) {
        (self.start, self.time) = (start, time);
    }

    pub fn is_on(&self, metric: T) -> bool {
        self.slots[metric.index()].enabled
    }

    pub fn any_on(&self, metrics: &[T]) -> bool {
        metrics.iter().any(|metric| self.is_on(*metric))
    }

    /// Records an integer, or nothing when the metric is off.
    pub fn int<const N: usize>(&mut self, metric: T, attributes: [KeyValue; N], value: u64) {
        debug_assert_eq!(T::INFOS[metric.index()].value, ValueType::Int);
        self.record(metric, attributes, Number::Int(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    /// Records an integer that may be negative, or nothing when the metric is off.
    pub fn signed<const N: usize>(&mut self, metric: T, attributes: [KeyValue; N], value: i64) {
        debug_assert_eq!(T::INFOS[metric.index()].value, ValueType::Int);
        self.record(metric, attributes, Number::Int(value));
    }

    /// Records a floating-point number, or nothing when the metric is off.
    pub fn double<const N: usize>(&mut self, metric: T, attributes: [KeyValue; N], value: f64) {
        debug_assert_eq!(T::INFOS[metric.index()].value, ValueType::Double);
        self.record(metric, attributes, Number::Double(value));
    }

    fn record<const N: usize>(&mut self, metric: T, attributes: [KeyValue; N], value: Number) {
        let slot = &mut self.slots[metric.index()];
        if !slot.enabled {
            return;
        }
        if slot.points.capacity() == 0 {
            slot.points.reserve_exact(slot.expected.max(1));
        }
        let start = if T::INFOS[metric.index()].shape == Shape::Gauge { 0 } else { self.start };
        slot.points.push(NumberDataPoint {
            start_time_unix_nano: start,
            time_unix_nano: self.time,
            value: Some(value),
            attributes: attributes.into(),
            ..NumberDataPoint::default()
        });
    }

    /// Takes what was recorded: one message per metric that has points.
    pub fn take(&mut self) -> Vec<Metric> {
        let count = self.slots.iter().filter(|slot| !slot.points.is_empty()).count();
        let mut metrics = Vec::with_capacity(count);
        for (slot, info) in self.slots.iter_mut().zip(T::INFOS) {
            if !slot.points.is_empty() {
                slot.expected = slot.points.len();
                metrics.push(info.message(std::mem::take(&mut slot.points)));
            }
        }
        metrics
    }
}

impl MetricInfo {
    fn message(&self, data_points: Vec<NumberDataPoint>) -> Metric {
        let data = match self.shape {
            Shape::Gauge => Data::Gauge(Gauge { data_points }),
            Shape::Counter | Shape::UpDown => Data::Sum(Sum {
                data_points,
                aggregation_temporality: Temporality::Cumulative as i32,
                is_monotonic: self.shape == Shape::Counter,
            }),
        };
        Metric {
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            unit: self.unit.to_owned(),
            data: Some(data),
            metadata: Vec::new(),
        }
    }
}

/// Wraps the metrics of one resource and one scope.
pub fn resource_metrics(
    resource: Vec<KeyValue>,
    scope: &InstrumentationScope,
    schema_url: &str,
    metrics: Vec<Metric>,
) -> metrics::ResourceMetrics {
    metrics::ResourceMetrics {
        resource: Some(Resource { attributes: resource, dropped_attributes_count: 0 }),
        scope_metrics: vec![metrics::ScopeMetrics {
            scope: Some(scope.clone()),
            metrics,
            schema_url: String::new(),
        }],
        schema_url: schema_url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    metric_table! {
        enum Thermometer {
            Heat: Gauge Double on "heat" "Cel" ["room"] "Temperature of the air.";
            Readings: Counter Int on "readings" "{reading}" [] "How often it was looked at.";
            Batteries: UpDown Int off "batteries" "{battery}" [] "Batteries in it.";
        }
    }

    #[test]
    fn a_metric_that_is_off_or_has_no_points_is_not_sent() {
        let mut recorder = Recorder::<Thermometer>::new(&[true, true, false]);
        recorder.at(5, 9);
        recorder.double(Thermometer::Heat, [KeyValue::fixed("room", "hall")], 20.5);
        recorder.int(Thermometer::Batteries, [], 2);
        let metrics = recorder.take();
        assert_eq!(metrics.len(), 1);
        let Some(Data::Gauge(gauge)) = &metrics[0].data else { panic!("{metrics:?}") };
        assert_eq!((gauge.data_points[0].start_time_unix_nano, gauge.data_points[0].time_unix_nano), (0, 9));
        assert!(recorder.take().is_empty());
    }

    #[test]
    fn a_counter_starts_where_it_was_told_and_never_turns_negative() {
        let mut recorder = Recorder::<Thermometer>::new(&[true, true, false]);
        recorder.at(5, 9);
        recorder.int(Thermometer::Readings, [], u64::MAX);
        let metrics = recorder.take();
        let Some(Data::Sum(sum)) = &metrics[0].data else { panic!("{metrics:?}") };
        assert!(sum.is_monotonic);
        assert_eq!(sum.data_points[0].start_time_unix_nano, 5);
        assert_eq!(sum.data_points[0].value, Some(Number::Int(i64::MAX)));
    }
}
