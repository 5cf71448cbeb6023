//! Batches and contexts.

use std::sync::Arc;

use crossbeam_channel::{Receiver, unbounded};
use kmagent::component::{Context, NoHost};
use kmagent::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use kmagent::otlp::metrics::{self, Metric, Number, NumberDataPoint, ResourceMetrics, ScopeMetrics};
use kmagent::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use kmagent::otlp::{AnyValue, KeyValue, Resource};
use kmagent::pipeline::{Ack, Batch, Data, Outcome, Stop};
use kmagent::telemetry::{StatusBoard, Telemetry};

/// Log records with these numbers as their times, of one resource.
pub fn logs(numbers: impl IntoIterator<Item = u64>) -> Data {
    let record = |number| LogRecord {
        time_unix_nano: number,
        body: Some(AnyValue::from(format!("line {number}"))),
        ..LogRecord::default()
    };
    Data::Logs(vec![ResourceLogs {
        resource: Some(Resource {
            attributes: vec![KeyValue::fixed("k8s.pod.name", "web-0")],
            ..Resource::default()
        }),
        scope_logs: vec![ScopeLogs {
            log_records: numbers.into_iter().map(record).collect(),
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    }])
}

/// One log record whose body has that many bytes that do not compress well.
pub fn log_of_size(bytes: usize) -> Data {
    let mut state = 1_u64;
    let body = (0..bytes).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b' ' + (state >> 58) as u8)
    });
    let record = LogRecord { body: Some(AnyValue::from(body.collect::<String>())), ..LogRecord::default() };
    let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
    Data::Logs(vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }])
}

/// A gauge with points at these times.
pub fn metrics(numbers: impl IntoIterator<Item = u64>) -> Data {
    let point = |number| NumberDataPoint {
        time_unix_nano: number,
        value: Some(Number::Int(number as i64)),
        ..NumberDataPoint::default()
    };
    let data_points = numbers.into_iter().map(point).collect();
    let data = Some(metrics::Data::Gauge(metrics::Gauge { data_points }));
    let metric = Metric { name: "depth".into(), data, ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    Data::Metrics(vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }])
}

/// Spans that start at these times.
pub fn traces(numbers: impl IntoIterator<Item = u64>) -> Data {
    let span = |number: u64| Span {
        trace_id: vec![7; 16],
        span_id: number.to_be_bytes().to_vec(),
        name: "GET /".into(),
        start_time_unix_nano: number,
        attributes: vec![KeyValue::fixed("http.route", "/")],
        ..Span::default()
    };
    let spans = numbers.into_iter().map(span).collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    Data::Traces(vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }])
}

/// The numbers of [`logs`], in order.
pub fn numbers(data: &Data) -> Vec<u64> {
    let Data::Logs(all) = data else { return Vec::new() };
    let scopes = all.iter().flat_map(|resource| &resource.scope_logs);
    scopes.flat_map(|scope| &scope.log_records).map(|record| record.time_unix_nano).collect()
}

/// A batch of [`logs`] and what its source hears.
pub fn batch(numbers: impl IntoIterator<Item = u64>) -> (Batch, Receiver<Outcome>) {
    let (sender, outcomes) = unbounded();
    let ack = Ack::new(move |outcome| {
        let _ = sender.send(outcome);
    });
    (Batch::new(logs(numbers), ack), outcomes)
}

/// The context of a component with that id, whose state shows on `board`.
pub fn context(id: &str, abort: Stop, board: &StatusBoard) -> Context {
    Context {
        id: id.parse().expect("test ids are valid"),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: board.handle(id),
        abort,
        host: Arc::new(NoHost),
    }
}
