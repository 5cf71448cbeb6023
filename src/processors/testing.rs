//! What the tests of processors share: building data, building processors from YAML, running them.

use std::str::FromStr;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::component::{Context, NoHost, Processor, ProcessorConfig};
use crate::config::{ComponentId, from_yaml};
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::otlp::metrics::{
    self, Gauge, Metric, Number, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use crate::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use crate::otlp::{AnyValue, KeyValue, Resource};
use crate::pipeline::{Ack, Batch, Data, Outcome, Signal, Stop};
use crate::telemetry::{StatusBoard, Telemetry};

pub fn context(id: &str) -> Context {
    Context {
        id: ComponentId::from_str(id).unwrap(),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle(&format!("processor:{id}")),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    }
}

/// A processor built from YAML, and its telemetry.
pub struct Bench {
    pub processor: Box<dyn Processor>,
    pub telemetry: Telemetry,
}

pub fn build<C: ProcessorConfig + DeserializeOwned>(yaml: &str, signal: Signal) -> Bench {
    let config: C = from_yaml(yaml).unwrap();
    let context = context("test");
    let telemetry = context.telemetry.clone();
    Bench {
        processor: config.build(context, signal).unwrap_or_else(|error| panic!("{yaml}: {error}")),
        telemetry,
    }
}

impl Bench {
    /// What comes out at once when `data` goes in.
    pub fn run(&mut self, data: Data) -> Vec<Data> {
        self.feed(Batch::new(data, Ack::none())).into_iter().map(|batch| batch.into_parts().0).collect()
    }

    /// As [`Bench::run`], for processors that hand on exactly one batch.
    pub fn one(&mut self, data: Data) -> Data {
        let mut out = self.run(data);
        assert_eq!(out.len(), 1, "{out:?}");
        out.remove(0)
    }

    pub fn feed(&mut self, batch: Batch) -> Vec<Batch> {
        let mut out = Vec::new();
        self.processor.process(batch, &mut |batch| out.push(batch));
        out
    }

    pub fn flush(&mut self) -> Vec<Batch> {
        let mut out = Vec::new();
        self.processor.flush(&mut |batch| out.push(batch));
        out
    }

    /// The deadline the processor asked for has come.
    pub fn tick(&mut self) -> Vec<Batch> {
        let mut out = Vec::new();
        let now = self.processor.deadline().expect("a deadline is asked for");
        self.processor.tick(now, &mut |batch| out.push(batch));
        out
    }

    pub fn total(&self, metric: &str) -> u64 {
        self.telemetry.total(metric)
    }
}

/// An acknowledgement and the outcomes it reports.
pub fn watched() -> (Ack, crossbeam_channel::Receiver<Outcome>) {
    let (sender, receiver) = crossbeam_channel::unbounded();
    let ack = Ack::new(move |outcome| {
        let _ = sender.send(outcome);
    });
    (ack, receiver)
}

pub fn attributes(entries: &[(&'static str, AnyValue)]) -> Vec<KeyValue> {
    entries.iter().map(|(key, value)| KeyValue::fixed(key, value.clone())).collect()
}

fn resource(entries: &[(&'static str, AnyValue)]) -> Option<Resource> {
    Some(Resource { attributes: attributes(entries), dropped_attributes_count: 0 })
}

/// Log records under one resource, with a body each.
pub fn logs(of: &[(&'static str, AnyValue)], bodies: &[&str]) -> ResourceLogs {
    let record = |body: &&str| LogRecord { body: Some((*body).into()), ..Default::default() };
    ResourceLogs {
        resource: resource(of),
        scope_logs: vec![ScopeLogs {
            log_records: bodies.iter().map(record).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Spans under one resource, with a name each.
pub fn spans(of: &[(&'static str, AnyValue)], names: &[&str]) -> ResourceSpans {
    let span = |name: &&str| Span { name: (*name).into(), ..Default::default() };
    ResourceSpans {
        resource: resource(of),
        scope_spans: vec![ScopeSpans { spans: names.iter().map(span).collect(), ..Default::default() }],
        ..Default::default()
    }
}

/// Metrics under one resource.
pub fn resource_metrics(of: &[(&'static str, AnyValue)], metrics: Vec<Metric>) -> ResourceMetrics {
    ResourceMetrics {
        resource: resource(of),
        scope_metrics: vec![ScopeMetrics { metrics, ..Default::default() }],
        ..Default::default()
    }
}

/// A number data point with attributes, at a time, with a start time.
pub fn point(entries: &[(&'static str, AnyValue)], start: u64, time: u64, value: Number) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(entries),
        start_time_unix_nano: start,
        time_unix_nano: time,
        value: Some(value),
        ..Default::default()
    }
}

pub fn gauge(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    Metric {
        name: name.into(),
        data: Some(metrics::Data::Gauge(Gauge { data_points })),
        ..Default::default()
    }
}

pub fn sum(name: &str, temporality: metrics::Temporality, data_points: Vec<NumberDataPoint>) -> Metric {
    let sum = Sum { data_points, aggregation_temporality: temporality as i32, is_monotonic: true };
    Metric { name: name.into(), data: Some(metrics::Data::Sum(sum)), ..Default::default() }
}

/// What decoding and validating a section finds wrong; empty when nothing is.
pub fn issues<C: ProcessorConfig + DeserializeOwned + 'static>(yaml: &str) -> String {
    let node = from_yaml(yaml).unwrap();
    let mut decoder = crate::config::Decoder::new(&node);
    crate::component::decode_processor::<C>(&mut decoder);
    decoder.into_found().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
