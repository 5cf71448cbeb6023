//! From the state of series to metrics.

use std::time::{Duration, Instant};

use super::aggregate::{Aggregate, Durations, Resource};
use super::config::{SpanMetricsConfig, TemporalityConfig};
use super::distribution::Exponential;
use super::series::{Series, Table};
use crate::otlp::identity::{Digest, Identity, IdentityMap};
use crate::otlp::metrics::{
    Data, Exemplar, ExponentialHistogram, Histogram, Metric, Number, NumberDataPoint, ResourceMetrics, Sum,
    Temporality,
};
use crate::otlp::{InstrumentationScope, build};

const SCOPE: &str = "spanmetricsconnector";

/// Makes metrics of what was counted.
pub struct Emitter {
    calls: String,
    duration: String,
    events: String,
    unit: &'static str,
    bounds: Vec<f64>,
    delta: bool,
    expiration: Duration,
    scope: InstrumentationScope,
    /// When each series of deltas was sent last: its next delta starts there.
    sent: IdentityMap<u64>,
    max_sent: usize,
}

impl Emitter {
    pub fn new(config: &SpanMetricsConfig) -> Self {
        let name = |metric: &str| match config.namespace.as_str() {
            "" => metric.to_owned(),
            namespace => format!("{namespace}.{metric}"),
        };
        Self {
            calls: name("calls"),
            duration: name("duration"),
            events: name("events"),
            unit: config.histogram.unit.name(),
            bounds: config.bounds(),
            delta: config.aggregation_temporality == TemporalityConfig::Delta,
            expiration: config.metrics_expiration,
            scope: InstrumentationScope { name: SCOPE.to_owned(), ..InstrumentationScope::default() },
            sent: IdentityMap::default(),
            max_sent: config.metric_timestamp_cache_size as usize,
        }
    }

    /// The metrics of all resources at `time`; deltas start anew then.
    pub fn of_all(
        &mut self,
        aggregate: &mut Aggregate,
        time: u64,
        now: Instant,
        metrics: &mut Vec<ResourceMetrics>,
    ) {
        for (identity, resource) in &aggregate.resources {
            metrics.extend(self.of(*identity, resource, time));
        }
        if self.delta {
            aggregate.clear();
            self.forget_oldest();
            return;
        }
        aggregate.resources.values_mut().for_each(Resource::forget_exemplars);
        if !self.expiration.is_zero() {
            let is_stale = |resource: &Resource| {
                resource.seen.is_some_and(|seen| now.saturating_duration_since(seen) >= self.expiration)
            };
            let stale: Vec<Identity> = aggregate
                .resources
                .iter()
                .filter(|(_, resource)| is_stale(resource))
                .map(|(identity, _)| *identity)
                .collect();
            stale.into_iter().for_each(|identity| _ = aggregate.forget(identity));
        }
    }

    /// The metrics of one resource, unless it has none.
    pub fn of(&mut self, identity: Identity, resource: &Resource, time: u64) -> Option<ResourceMetrics> {
        let mut metrics = Vec::new();
        let count = |value: &u64| NumberDataPoint {
            value: Some(Number::Int(i64::try_from(*value).unwrap_or(i64::MAX))),
            ..NumberDataPoint::default()
        };
        let calls = self.points(identity, 1, &resource.calls, time, count);
        let events = self.points(identity, 2, &resource.events, time, count);
        let temporality = if self.delta { Temporality::Delta } else { Temporality::Cumulative } as i32;
        let sum = |data_points| {
            Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic: true })
        };
        push(&mut metrics, &self.calls, "", calls, sum);
        match &resource.durations {
            Durations::Off => {}
            Durations::Explicit(table) => {
                let bounds = std::mem::take(&mut self.bounds);
                let points = self.points(identity, 3, table, time, |value| value.point(&bounds));
                self.bounds = bounds;
                push(&mut metrics, &self.duration, self.unit, points, |data_points| {
                    Data::Histogram(Histogram { data_points, aggregation_temporality: temporality })
                });
            }
            Durations::Exponential(table) => {
                let points = self.points(identity, 3, table, time, Exponential::point);
                push(&mut metrics, &self.duration, self.unit, points, |data_points| {
                    Data::ExponentialHistogram(ExponentialHistogram {
                        data_points,
                        aggregation_temporality: temporality,
                    })
                });
            }
        }
        push(&mut metrics, &self.events, "", events, sum);
        (!metrics.is_empty())
            .then(|| build::resource_metrics(resource.attributes.clone(), &self.scope, "", metrics))
    }

    fn points<V, P: Sample>(
        &mut self,
        resource: Identity,
        metric: u64,
        table: &Table<V>,
        time: u64,
        point: impl Fn(&V) -> P,
    ) -> Vec<P> {
        let mut points = Vec::with_capacity(table.len());
        for (identity, series) in table.iter() {
            let start = self.start(resource, metric, identity, series, time);
            let mut exemplars = series.exemplars.clone();
            exemplars.iter_mut().for_each(|exemplar| exemplar.time_unix_nano = time);
            let mut made = point(&series.value);
            made.complete(series.attributes.clone(), start, time, exemplars);
            points.push(made);
        }
        points
    }

    /// Where the point of a series starts: totals at the first span, deltas where the last one ended.
    fn start<V>(
        &mut self,
        resource: Identity,
        metric: u64,
        identity: Identity,
        series: &Series<V>,
        time: u64,
    ) -> u64 {
        if !self.delta {
            return series.start;
        }
        let mut digest = Digest::new();
        for part in [resource, identity, u128::from(metric)] {
            digest.number(part as u64);
            digest.number((part >> 64) as u64);
        }
        self.sent.insert(digest.finish(), time).unwrap_or(series.start)
    }

    /// Keeps the times of the series that were sent last.
    fn forget_oldest(&mut self) {
        let excess = self.sent.len().saturating_sub(self.max_sent);
        if excess > 0 {
            let mut times: Vec<u64> = self.sent.values().copied().collect();
            let (_, oldest, _) = times.select_nth_unstable(excess - 1);
            let (oldest, mut excess) = (*oldest, excess);
            self.sent.retain(|_, time| {
                let goes = *time <= oldest && excess > 0;
                excess -= usize::from(goes);
                !goes
            });
        }
    }
}

/// A data point that is completed with what all have.
trait Sample {
    fn complete(
        &mut self,
        attributes: Vec<crate::otlp::KeyValue>,
        start: u64,
        time: u64,
        exemplars: Vec<Exemplar>,
    );
}

macro_rules! sample {
    ($($type:ident)*) => {$(
        impl Sample for crate::otlp::metrics::$type {
            fn complete(
                &mut self,
                attributes: Vec<crate::otlp::KeyValue>,
                start: u64,
                time: u64,
                exemplars: Vec<Exemplar>,
            ) {
                self.attributes = attributes;
                self.start_time_unix_nano = start;
                self.time_unix_nano = time;
                self.exemplars = exemplars;
            }
        }
    )*};
}
sample!(NumberDataPoint HistogramDataPoint ExponentialHistogramDataPoint);

fn push<P>(
    metrics: &mut Vec<Metric>,
    name: &str,
    unit: &str,
    points: Vec<P>,
    data: impl FnOnce(Vec<P>) -> Data,
) {
    if !points.is_empty() {
        metrics.push(Metric {
            name: name.to_owned(),
            unit: unit.to_owned(),
            data: Some(data(points)),
            ..Metric::default()
        });
    }
}
