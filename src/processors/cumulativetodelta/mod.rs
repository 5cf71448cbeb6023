//! `cumulativetodelta`: cumulative sums and histograms become deltas.

mod delta;
mod select;
mod state;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::component::{
    BuildError, Context, Next, Processor, ProcessorConfig, ProcessorType, decode_processor,
};
use crate::config::{Issues, types};
use crate::otlp::identity::Digest;
use crate::otlp::metrics::{self, Metric, ResourceMetrics, Temporality};
use crate::otlp::points::{Point, kind_of};
use crate::pipeline::{Batch, Data, Signal};
use crate::telemetry::{Counter, Telemetry};

use delta::{Cumulative, Drop, Step};
use select::{Selection, Selector};
use state::Series;

pub static TYPE: ProcessorType = ProcessorType {
    name: "cumulativetodelta",
    aliases: &["cumulative_to_delta"],
    signals: &[Signal::Metrics],
    decode: decode_processor::<CumulativeToDeltaConfig>,
};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CumulativeToDeltaConfig {
    /// Only these metrics are converted.
    include: Selection,
    /// These metrics are not converted; looked at after `include`.
    exclude: Selection,
    /// How long a series is remembered after its last point; 0 = for ever.
    #[serde(deserialize_with = "types::duration")]
    max_staleness: Duration,
    /// What to do with the first point of a series.
    initial_value: InitialValue,
}

/// The first point of a series is a delta only if its count began when we began to watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum InitialValue {
    /// Hands it on if the series began after this processor did.
    #[default]
    Auto,
    /// Hands it on, with a start time of 0.
    Keep,
    Drop,
}

impl Default for CumulativeToDeltaConfig {
    fn default() -> Self {
        Self {
            include: Selection::default(),
            exclude: Selection::default(),
            max_staleness: Duration::from_secs(3600),
            initial_value: InitialValue::Auto,
        }
    }
}

impl ProcessorConfig for CumulativeToDeltaConfig {
    fn validate(&self, issues: &mut Issues) {
        for (name, selection) in [("include", &self.include), ("exclude", &self.exclude)] {
            if let Err((key, message)) = Selector::new(selection) {
                issues.error(&format!("{name}::{key}"), message);
            }
        }
    }

    fn build(&self, context: Context, _: Signal) -> Result<Box<dyn Processor>, BuildError> {
        let selector = |selection| Selector::new(selection).map_err(|(_, message)| BuildError(message));
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Box::new(CumulativeToDelta {
            include: selector(&self.include)?,
            exclude: selector(&self.exclude)?,
            initial_value: self.initial_value,
            began: began.as_nanos() as u64,
            series: Series::new(self.max_staleness, Instant::now()),
            dropped: Dropped::new(&context.telemetry, &context.id.to_string()),
        }))
    }
}

struct CumulativeToDelta {
    include: Option<Selector>,
    exclude: Option<Selector>,
    initial_value: InitialValue,
    /// Nanoseconds since the Unix epoch.
    began: u64,
    series: Series,
    dropped: Dropped,
}

/// Points that were left out, by reason.
struct Dropped {
    first: Counter,
    reset: Counter,
    no_value: Counter,
    layout: Counter,
    too_many: Counter,
}

impl Dropped {
    fn new(telemetry: &Telemetry, id: &str) -> Self {
        let counter = |reason| {
            telemetry.counter(
                "otelcol_processor_cumulativetodelta_dropped_datapoints",
                &[("processor", id), ("reason", reason)],
            )
        };
        Self {
            first: counter("initial_value"),
            reset: counter("reset"),
            no_value: counter("no_recorded_value"),
            layout: counter("buckets_changed"),
            too_many: counter("too_many_series"),
        }
    }

    fn count(&self, reason: Drop) {
        match reason {
            Drop::Reset => &self.reset,
            Drop::NoValue => &self.no_value,
            Drop::Layout => &self.layout,
        }
        .add(1);
    }
}

impl Processor for CumulativeToDelta {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        self.series.sweep(Instant::now());
        if let Data::Metrics(all) = batch.data()
            && all.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics).any(|m| self.converts(m))
            && let Data::Metrics(all) = batch.data_mut()
        {
            self.convert(all);
            if all.is_empty() {
                return;
            }
        }
        next.send(batch);
    }
}

impl CumulativeToDelta {
    fn converts(&self, metric: &Metric) -> bool {
        let cumulative = match &metric.data {
            Some(metrics::Data::Sum(sum)) => {
                sum.is_monotonic && sum.aggregation_temporality == Temporality::Cumulative as i32
            }
            Some(metrics::Data::Histogram(histogram)) => {
                histogram.aggregation_temporality == Temporality::Cumulative as i32
            }
            Some(metrics::Data::ExponentialHistogram(histogram)) => {
                histogram.aggregation_temporality == Temporality::Cumulative as i32
            }
            _ => false,
        };
        cumulative
            && self.include.as_ref().is_none_or(|include| include.takes(metric))
            && self.exclude.as_ref().is_none_or(|exclude| !exclude.takes(metric))
    }

    /// Converts in place; metrics, scopes and resources that lose all they had are taken out.
    fn convert(&mut self, all: &mut Vec<ResourceMetrics>) {
        all.retain_mut(|group| {
            let mut of_resource = Digest::new();
            of_resource.resource(group.resource.as_ref());
            let had_scopes = !group.scope_metrics.is_empty();
            group.scope_metrics.retain_mut(|scoped| {
                let mut of_scope = of_resource;
                of_scope.scope(scoped.scope.as_ref());
                let had_metrics = !scoped.metrics.is_empty();
                scoped.metrics.retain_mut(|metric| {
                    if !self.converts(metric) {
                        return true;
                    }
                    let mut of_metric = of_scope;
                    of_metric.text(&metric.name);
                    of_metric.text(&metric.unit);
                    self.convert_metric(metric, of_metric)
                });
                !(had_metrics && scoped.metrics.is_empty())
            });
            !(had_scopes && group.scope_metrics.is_empty())
        });
    }

    /// Whether the metric still has a point, or had none before.
    fn convert_metric(&mut self, metric: &mut Metric, mut identity: Digest) -> bool {
        let Some(data) = &mut metric.data else { return true };
        let (kind, _, monotonic) = kind_of(data);
        identity.number(u64::from(kind) << 1 | u64::from(monotonic));
        match data {
            metrics::Data::Sum(sum) => {
                sum.aggregation_temporality = Temporality::Delta as i32;
                self.convert_points(&mut sum.data_points, identity)
            }
            metrics::Data::Histogram(histogram) => {
                histogram.aggregation_temporality = Temporality::Delta as i32;
                self.convert_points(&mut histogram.data_points, identity)
            }
            metrics::Data::ExponentialHistogram(histogram) => {
                histogram.aggregation_temporality = Temporality::Delta as i32;
                self.convert_points(&mut histogram.data_points, identity)
            }
            metrics::Data::Gauge(_) | metrics::Data::Summary(_) => true,
        }
    }

    fn convert_points<P: Point + Cumulative>(&mut self, points: &mut Vec<P>, of_metric: Digest) -> bool {
        let before = points.len();
        points.retain_mut(|point| {
            if point.flags() & metrics::NO_RECORDED_VALUE != 0 {
                self.dropped.count(Drop::NoValue);
                return false;
            }
            if !point.is_countable() {
                return true;
            }
            let mut identity = of_metric;
            identity.number(point.value_kind());
            identity.attributes(point.attributes());
            match self.series.get(identity.finish()) {
                state::Entry::Known(previous) => match point.step(previous) {
                    Step::Delta => true,
                    Step::Drop(reason) => {
                        self.dropped.count(reason);
                        false
                    }
                },
                state::Entry::New(slot) => {
                    slot.insert(point.total());
                    let keeps = match self.initial_value {
                        InitialValue::Auto => point.start() >= self.began && point.time() != point.start(),
                        InitialValue::Keep => {
                            point.set_start(0);
                            true
                        }
                        InitialValue::Drop => false,
                    };
                    if !keeps {
                        self.dropped.first.add(1);
                    }
                    keeps
                }
                state::Entry::Refused => {
                    self.dropped.too_many.add(1);
                    false
                }
            }
        });
        before == 0 || !points.is_empty()
    }
}

#[cfg(test)]
mod tests;
