use super::*;
use crate::config::from_yaml;
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::otlp::metrics::{self, Metric, Number, NumberDataPoint, ResourceMetrics, ScopeMetrics};
use crate::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use crate::otlp::{AnyValue, InstrumentationScope, KeyValue, Resource};

fn resource() -> Option<Resource> {
    Some(Resource { attributes: vec![KeyValue::fixed("service.name", "web")], ..Resource::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "lib".into(), version: "1.2".into(), ..Default::default() })
}

fn logs() -> Data {
    let record = LogRecord {
        time_unix_nano: 1_581_452_773_000_000_789,
        severity_number: 10,
        severity_text: "INFO".into(),
        body: Some("it works".into()),
        attributes: vec![
            KeyValue::fixed("app", "server"),
            KeyValue::fixed("map", vec![KeyValue::fixed("z", 1), KeyValue::fixed("a", AnyValue::Empty)]),
        ],
        span_id: vec![1; 8],
        ..LogRecord::default()
    };
    Data::Logs(vec![ResourceLogs {
        resource: resource(),
        schema_url: "https://schema".into(),
        scope_logs: vec![ScopeLogs { scope: scope(), log_records: vec![record], schema_url: String::new() }],
    }])
}

fn metrics_data() -> Data {
    let point = |value| NumberDataPoint {
        attributes: vec![KeyValue::fixed("cpu", 0), KeyValue::fixed("state", "idle")],
        value: Some(value),
        ..NumberDataPoint::default()
    };
    let data_points = vec![point(Number::Int(3)), point(Number::Double(0.5))];
    let sum = metrics::Sum { data_points, aggregation_temporality: 2, is_monotonic: true };
    let metric = Metric { name: "cpu.time".into(), data: Some(metrics::Data::Sum(sum)), ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    Data::Metrics(vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }])
}

fn written(write: fn(&Data, &mut String), data: &Data) -> String {
    let mut out = String::new();
    write(data, &mut out);
    out
}

#[test]
fn basic_counts_what_is_in_a_batch() {
    assert_eq!(summary(&logs()), r#"Logs {"resource logs": 1, "log records": 1}"#);
    assert_eq!(
        summary(&metrics_data()),
        r#"Metrics {"resource metrics": 1, "metrics": 1, "data points": 2}"#
    );
    assert_eq!(summary(&Data::Traces(vec![])), r#"Traces {"resource spans": 0, "spans": 0}"#);
}

#[test]
fn normal_has_a_line_an_item() {
    assert_eq!(
        written(normal::write, &logs()),
        "ResourceLog #0 [https://schema] service.name=web\nScopeLog #0 lib@1.2\n\
         it works app=server map={\"a\":null,\"z\":1}\n"
    );
    assert_eq!(
        written(normal::write, &metrics_data()),
        "ResourceMetrics #0\nScopeMetrics #0\ncpu.time{cpu=0,state=idle} 3\ncpu.time{cpu=0,state=idle} 0.5\n"
    );
    let span = Span { name: "GET".into(), trace_id: vec![0xab; 16], span_id: vec![1; 8], ..Span::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let traces = Data::Traces(vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }]);
    let text = written(normal::write, &traces);
    assert!(text.ends_with(&format!("\nGET {} 0101010101010101\n", "ab".repeat(16))), "{text}");
    assert!(written(detailed::write, &traces).contains("\n    Kind           : Unspecified\n"));
}

#[test]
fn detailed_has_every_field() {
    assert_eq!(
        written(detailed::write, &logs()),
        "ResourceLog #0\nResource SchemaURL: https://schema\nResource attributes:\n     \
         -> service.name: Str(web)\nScopeLogs #0\nScopeLogs SchemaURL: \nInstrumentationScope lib 1.2\n\
         LogRecord #0\nObservedTimestamp: 1970-01-01 00:00:00 +0000 UTC\n\
         Timestamp: 2020-02-11 20:26:13.000000789 +0000 UTC\nSeverityText: INFO\nSeverityNumber: Info2(10)\n\
         Body: Str(it works)\nAttributes:\n     -> app: Str(server)\n     -> map: Map({\"a\":null,\"z\":1})\n\
         Trace ID: \nSpan ID: 0101010101010101\nFlags: 0\n"
    );
    let text = written(detailed::write, &metrics_data());
    assert!(text.contains("     -> AggregationTemporality: Cumulative\nNumberDataPoints #0\n"), "{text}");
    assert!(text.contains("Value: 3\n") && text.contains("Value: 0.500000\n"), "{text}");
}

#[test]
fn the_queue_is_off_until_it_is_asked_for() {
    let config: DebugConfig = from_yaml("verbosity: detailed").unwrap();
    assert!(config.sending().queue().is_none());
    let config: DebugConfig = from_yaml("sending_queue: {num_consumers: 2}").unwrap();
    assert_eq!(config.sending().queue().map(|queue| queue.num_consumers), Some(2));
    assert!(from_yaml::<DebugConfig>("verbosity: loud").is_err());
}
