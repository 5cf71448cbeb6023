//! `spanmetrics`: counts spans and measures how long they took, as metrics by service, name, kind,
//! status and configured attributes.

mod aggregate;
mod config;
mod dimensions;
mod distribution;
mod emit;
mod series;

pub use config::SpanMetricsConfig;

use std::time::Instant;

use crate::component::{
    BuildError, Connector, ConnectorConfig, ConnectorOutputs, ConnectorType, Context, decode_connector,
};
use crate::config::Issues;
use crate::otlp::metrics::ResourceMetrics;
use crate::pipeline::{Ack, Batch, Data, Signal};
use crate::telemetry::Counter;
use crate::time::now_unix_nanos;

use aggregate::Aggregate;
use emit::Emitter;

pub static TYPE: ConnectorType = ConnectorType {
    name: "spanmetrics",
    aliases: &["span_metrics"],
    signals: &[(Signal::Traces, Signal::Metrics)],
    decode: decode_connector::<SpanMetricsConfig>,
};

impl ConnectorConfig for SpanMetricsConfig {
    fn validate(&self, issues: &mut Issues) {
        self.check(issues);
    }

    fn build(&self, context: Context) -> Result<Box<dyn Connector>, BuildError> {
        Ok(Box::new(SpanMetrics::new(self, &context, Instant::now())))
    }
}

struct SpanMetrics {
    aggregate: Aggregate,
    emitter: Emitter,
    flush_interval: std::time::Duration,
    next_flush: Instant,
    evicted: Counter,
}

impl SpanMetrics {
    fn new(config: &SpanMetricsConfig, context: &Context, now: Instant) -> Self {
        let id = context.id.to_string();
        Self {
            aggregate: Aggregate::new(config, &context.telemetry, &id),
            emitter: Emitter::new(config),
            flush_interval: config.metrics_flush_interval,
            next_flush: now + config.metrics_flush_interval,
            evicted: context
                .telemetry
                .counter("kmagent_connector_spanmetrics_evicted_resources", &[("connector", &id)]),
        }
    }

    /// The metrics that are due at this time, in nanoseconds since the Unix epoch.
    fn collect(&mut self, time: u64, now: Instant) -> Vec<ResourceMetrics> {
        let mut metrics = self.evicted(time);
        self.emitter.of_all(&mut self.aggregate, time, now, &mut metrics);
        metrics
    }

    /// The last metrics of resources that had to make room.
    fn evicted(&mut self, time: u64) -> Vec<ResourceMetrics> {
        let evicted = self.aggregate.take_evicted();
        self.evicted.add(evicted.len() as u64);
        evicted.iter().filter_map(|(identity, resource)| self.emitter.of(*identity, resource, time)).collect()
    }
}

impl Connector for SpanMetrics {
    fn process(&mut self, batch: Batch, outputs: &ConnectorOutputs) {
        let (time, now) = (now_unix_nanos(), Instant::now());
        if let Data::Traces(all) = batch.data() {
            for spans in all {
                self.aggregate.add(spans, time, now);
                if self.aggregate.has_many_evicted() {
                    send(self.evicted(time), outputs);
                }
            }
        }
        // The spans are counted: their source need not send them again.
        drop(batch);
        if self.flush_interval.is_zero() {
            send(self.collect(time, now), outputs);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.flush_interval.is_zero()).then_some(self.next_flush)
    }

    fn tick(&mut self, now: Instant, outputs: &ConnectorOutputs) {
        while self.next_flush <= now {
            self.next_flush += self.flush_interval;
        }
        send(self.collect(now_unix_nanos(), now), outputs);
    }

    fn flush(&mut self, outputs: &ConnectorOutputs) {
        send(self.collect(now_unix_nanos(), Instant::now()), outputs);
    }
}

fn send(metrics: Vec<ResourceMetrics>, outputs: &ConnectorOutputs) {
    if !metrics.is_empty()
        && let Some(output) = &outputs.by_signal.metrics
    {
        // False when the agent stops.
        output.send(Batch::new(Data::Metrics(metrics), Ack::none()));
    }
}

#[cfg(test)]
mod tests;
