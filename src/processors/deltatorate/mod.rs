//! `deltatorate`: sums of deltas become gauges of rates per second.

use std::collections::HashSet;

use serde::Deserialize;

use crate::component::{
    BuildError, Context, Next, Processor, ProcessorConfig, ProcessorType, decode_processor,
};
use crate::config::Issues;
use crate::otlp::metrics::{self, Gauge, Metric, Number, NumberDataPoint, Sum, Temporality};
use crate::pipeline::{Batch, Data, Signal};
use crate::telemetry::Causes;

pub static TYPE: ProcessorType = ProcessorType {
    name: "deltatorate",
    aliases: &["delta_to_rate"],
    signals: &[Signal::Metrics],
    decode: decode_processor::<DeltaToRateConfig>,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeltaToRateConfig {
    /// Names of the metrics to convert; required.
    metrics: Vec<String>,
}

impl ProcessorConfig for DeltaToRateConfig {
    fn validate(&self, issues: &mut Issues) {
        if self.metrics.is_empty() {
            issues.error("metrics", "metric names are missing");
        }
    }

    fn build(&self, _: Context, _: Signal) -> Result<Box<dyn Processor>, BuildError> {
        let names = self.metrics.iter().cloned().collect();
        Ok(Box::new(DeltaToRate { names, not_deltas: Causes::new() }))
    }
}

struct DeltaToRate {
    names: HashSet<String>,
    not_deltas: Causes<String>,
}

impl Processor for DeltaToRate {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        if let Data::Metrics(all) = batch.data()
            && all.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics).any(|m| self.converts(m))
            && let Data::Metrics(all) = batch.data_mut()
        {
            let metrics = all.iter_mut().flat_map(|r| &mut r.scope_metrics).flat_map(|s| &mut s.metrics);
            metrics.filter(|metric| self.converts(metric)).for_each(to_rate);
        }
        next.send(batch);
    }
}

impl DeltaToRate {
    fn converts(&self, metric: &Metric) -> bool {
        if !self.names.contains(&metric.name) {
            return false;
        }
        let delta = matches!(
            &metric.data,
            Some(metrics::Data::Sum(sum)) if sum.aggregation_temporality == Temporality::Delta as i32
        );
        if !delta && self.not_deltas.is_new(metric.name.clone()) {
            log::info!(
                "configured metric for rate calculation {} is not a delta sum: it is left as it is",
                metric.name
            );
        }
        delta
    }
}

fn to_rate(metric: &mut Metric) {
    if let Some(metrics::Data::Sum(Sum { data_points, .. })) = &mut metric.data {
        let mut data_points = std::mem::take(data_points);
        data_points.iter_mut().for_each(|point| point.value = Some(Number::Double(rate(point))));
        metric.data = Some(metrics::Data::Gauge(Gauge { data_points }));
    }
}

/// Change per second; 0 where no time has passed.
fn rate(point: &NumberDataPoint) -> f64 {
    let nanos = point.time_unix_nano.saturating_sub(point.start_time_unix_nano);
    match point.value {
        Some(value) if nanos > 0 => value.as_f64() / (nanos as f64 / 1e9),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::testing::{build, gauge, issues, point, resource_metrics, sum};

    #[test]
    fn deltas_become_rates_and_everything_else_stays() {
        let mut bench = build::<DeltaToRateConfig>("{metrics: [io, cpu]}", Signal::Metrics);
        let seconds = |n: u64| n * 1_000_000_000;
        let attributes = [("disk", "sda".into())];
        let delta = |name: &str, start, time, value| {
            sum(name, Temporality::Delta, vec![point(&attributes, start, time, value)])
        };
        let rate =
            |start, time, value| gauge("io", vec![point(&attributes, start, time, Number::Double(value))]);
        let unchanged = [
            delta("other", seconds(1), seconds(2), Number::Int(1)),
            sum("io", Temporality::Cumulative, vec![point(&[], 0, 1, Number::Int(1))]),
            gauge("cpu", vec![point(&[], 0, 1, Number::Int(1))]),
        ];
        let mut before = vec![
            delta("io", seconds(10), seconds(14), Number::Int(6)),
            delta("io", seconds(10), seconds(12), Number::Double(1.0)),
            delta("io", seconds(10), seconds(10), Number::Int(6)),
            delta("io", seconds(11), seconds(10), Number::Int(6)),
        ];
        let mut after = vec![
            rate(seconds(10), seconds(14), 1.5),
            rate(seconds(10), seconds(12), 0.5),
            rate(seconds(10), seconds(10), 0.0),
            rate(seconds(11), seconds(10), 0.0),
        ];
        before.extend(unchanged.clone());
        after.extend(unchanged);
        let out = bench.one(Data::Metrics(vec![resource_metrics(&[], before)]));
        assert_eq!(out, Data::Metrics(vec![resource_metrics(&[], after)]));
    }

    #[test]
    fn names_are_required() {
        assert!(issues::<DeltaToRateConfig>("{}").contains("metric names are missing"));
    }
}
