use super::*;
use crate::component::NoHost;
use crate::config::from_yaml;
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::otlp::metrics::{
    Data as MetricData, Gauge, Metric, Number, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use crate::otlp::trace::{Event, ResourceSpans, ScopeSpans, Span};
use crate::otlp::{InstrumentationScope, KeyValue, Resource};
use crate::pipeline::{Ack, Batch, Data, Outcome};
use crate::telemetry::{StatusBoard, Telemetry};
use std::sync::Arc;

fn build(yaml: &str, signal: Signal, telemetry: &Telemetry) -> Result<Box<dyn Processor>, BuildError> {
    let config: FilterConfig = from_yaml(yaml).unwrap();
    let context = Context {
        id: "filter".parse().unwrap(),
        pipeline: None,
        telemetry: telemetry.clone(),
        status: StatusBoard::default().handle("processor:filter"),
        abort: crate::pipeline::Stop::never(),
        host: Arc::new(NoHost),
    };
    config.build(context, signal)
}

/// What is left of the data, and the agent's metrics.
fn filter(yaml: &str, data: Data) -> (Option<Data>, Telemetry) {
    let telemetry = Telemetry::new();
    let mut processor = build(yaml, data.signal(), &telemetry).unwrap();
    let mut out = None;
    processor.process(Batch::new(data, Ack::none()), &mut |batch: Batch| out = Some(batch.into_parts().0));
    (out, telemetry)
}

fn resource(service: &'static str) -> Option<Resource> {
    Some(Resource { attributes: vec![KeyValue::fixed("service.name", service)], ..Default::default() })
}

/// Two resources `a` and `b` with one scope each, and the bodies `a1 a2` and `b1 b2`.
fn logs() -> Data {
    let record = |body: String, severity: i32| LogRecord {
        attributes: vec![KeyValue::fixed("body", body.as_str())],
        body: Some(body.into()),
        severity_number: severity,
        ..Default::default()
    };
    let entry = |name: &'static str| ResourceLogs {
        resource: resource(name),
        scope_logs: vec![ScopeLogs {
            log_records: vec![record(format!("{name}1"), 9), record(format!("{name}2"), 17)],
            ..Default::default()
        }],
        ..Default::default()
    };
    Data::Logs(vec![entry("a"), entry("b")])
}

fn bodies(data: Option<Data>) -> Vec<String> {
    let Some(Data::Logs(all)) = data else { return Vec::new() };
    assert!(all.iter().all(|entry| !entry.scope_logs.is_empty()));
    let records = all.into_iter().flat_map(|entry| entry.scope_logs).flat_map(|scope| scope.log_records);
    records.filter_map(|record| Some(record.body?.as_str()?.to_owned())).collect()
}

fn metrics() -> Data {
    let point = |value: i64, key: &'static str| NumberDataPoint {
        value: Some(Number::Int(value)),
        attributes: vec![KeyValue::fixed(key, "v")],
        ..Default::default()
    };
    let gauge = |name: &str, points| Metric {
        name: name.to_owned(),
        data: Some(MetricData::Gauge(Gauge { data_points: points })),
        ..Default::default()
    };
    Data::Metrics(vec![ResourceMetrics {
        resource: resource("a"),
        scope_metrics: vec![ScopeMetrics {
            metrics: vec![
                gauge("cpu", vec![point(1, "x"), point(2, "y")]),
                gauge("disk", vec![point(1, "z")]),
            ],
            ..Default::default()
        }],
        ..Default::default()
    }])
}

/// Name and values of each metric that is left.
fn points(data: Option<Data>) -> Vec<(String, Vec<Number>)> {
    let Some(Data::Metrics(all)) = data else { return Vec::new() };
    let metrics = all.into_iter().flat_map(|entry| entry.scope_metrics).flat_map(|scope| scope.metrics);
    let values = |metric: Metric| {
        let Some(MetricData::Gauge(gauge)) = metric.data else { panic!("a gauge") };
        (metric.name, gauge.data_points.iter().filter_map(|point| point.value).collect())
    };
    metrics.map(values).collect()
}

fn spans() -> Data {
    let event = |name: &str| Event { name: name.to_owned(), ..Default::default() };
    let span = |name: &str, kind| Span {
        name: name.to_owned(),
        kind,
        events: vec![event("start"), event("end")],
        ..Default::default()
    };
    let scope = InstrumentationScope { name: "lib".into(), version: "1.0".into(), ..Default::default() };
    Data::Traces(vec![ResourceSpans {
        resource: resource("a"),
        scope_spans: vec![ScopeSpans {
            scope: Some(scope),
            spans: vec![span("GET /", 2), span("query", 3)],
            ..Default::default()
        }],
        ..Default::default()
    }])
}

/// Name and number of events of each span that is left.
fn names(data: Option<Data>) -> Vec<(String, usize)> {
    let Some(Data::Traces(all)) = data else { return Vec::new() };
    let spans = all.into_iter().flat_map(|entry| entry.scope_spans).flat_map(|scope| scope.spans);
    spans.map(|span| (span.name, span.events.len())).collect()
}

#[test]
fn a_true_condition_drops_and_is_counted() {
    for (yaml, want) in [
        ("logs: {log_record: ['body == \"a1\"']}", vec!["a2", "b1", "b2"]),
        ("logs: {log_record: ['body == \"a1\"', 'severity_number >= SEVERITY_NUMBER_ERROR']}", vec!["b1"]),
        ("logs: {resource: ['attributes[\"service.name\"] == \"a\"']}", vec!["b1", "b2"]),
        (
            "logs: {resource: ['attributes[\"service.name\"] == \"a\"'], log_record: ['body == \"b1\"']}",
            vec!["b2"],
        ),
        ("logs: {log_record: ['resource.attributes[\"service.name\"] == \"b\"']}", vec!["a1", "a2"]),
        ("logs: {log_record: ['false']}", vec!["a1", "a2", "b1", "b2"]),
        ("{}", vec!["a1", "a2", "b1", "b2"]),
        ("logs: {log_record: ['true']}", vec![]),
    ] {
        let (left, telemetry) = filter(yaml, logs());
        assert_eq!(bodies(left), want, "{yaml}");
        let counted = telemetry.total("otelcol_processor_filter_logs.filtered");
        assert_eq!(counted, 4 - want.len() as u64, "{yaml}");
    }
}

#[test]
fn metrics_are_asked_before_their_points() {
    let (one, two) = (Number::Int(1), Number::Int(2));
    for (yaml, want, dropped) in [
        ("metrics: {metric: ['name == \"cpu\"']}", vec![("disk", vec![one])], 2),
        ("metrics: {datapoint: ['value_int == 1']}", vec![("cpu", vec![two])], 2),
        ("metrics: {datapoint: ['metric.name == \"cpu\"']}", vec![("disk", vec![one])], 2),
        ("metrics: {metric: ['HasAttrKeyOnDatapoint(\"z\")']}", vec![("cpu", vec![one, two])], 1),
        ("metrics: {metric: ['HasAttrOnDatapoint(\"y\", \"v\")']}", vec![("disk", vec![one])], 2),
        (
            "metrics: {metric: ['name == \"disk\"'], datapoint: ['attributes[\"x\"] != nil']}",
            vec![("cpu", vec![two])],
            2,
        ),
        ("metrics: {resource: ['true']}", vec![], 3),
    ] {
        let (left, telemetry) = filter(yaml, metrics());
        let want: Vec<_> = want.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
        assert_eq!(points(left), want, "{yaml}");
        assert_eq!(telemetry.total("otelcol_processor_filter_datapoints.filtered"), dropped, "{yaml}");
    }
}

#[test]
fn events_are_dropped_without_their_span() {
    for (yaml, want, dropped) in [
        ("traces: {span: ['name == \"query\"']}", vec![("GET /", 2)], 1),
        ("traces: {spanevent: ['name == \"start\"']}", vec![("GET /", 1), ("query", 1)], 0),
        ("traces: {spanevent: ['true']}", vec![("GET /", 0), ("query", 0)], 0),
        ("traces: {span: ['IsRootSpan()']}", vec![], 2),
    ] {
        let (left, telemetry) = filter(yaml, spans());
        let want: Vec<_> = want.into_iter().map(|(name, events)| (name.to_owned(), events)).collect();
        assert_eq!(names(left), want, "{yaml}");
        assert_eq!(telemetry.total("otelcol_processor_filter_spans.filtered"), dropped, "{yaml}");
    }
}

#[test]
fn a_condition_that_fails_keeps_the_item_and_is_counted() {
    for mode in ["propagate", "ignore", "silent"] {
        let yaml = format!(
            "{{error_mode: {mode}, logs: {{log_record: ['HasPrefix(attributes[\"none\"], \"x\")', 'body == \"a1\"']}}}}"
        );
        let (left, telemetry) = filter(&yaml, logs());
        assert_eq!(bodies(left), ["a2", "b1", "b2"]);
        assert_eq!(telemetry.total("kmagent_processor_filter_condition_errors"), 4);
    }
}

#[test]
fn a_batch_of_which_nothing_is_left_settles_as_delivered() {
    let mut processor = build("logs: {log_record: ['true']}", Signal::Logs, &Telemetry::new()).unwrap();
    let (sender, outcomes) = crossbeam_channel::unbounded();
    let ack = Ack::new(move |outcome| sender.send(outcome).unwrap());
    processor.process(Batch::new(logs(), ack), &mut |_: Batch| panic!("nothing is left"));
    assert_eq!(outcomes.try_recv(), Ok(Outcome::Delivered));
}

#[test]
fn a_batch_that_loses_nothing_is_not_copied() {
    let mut processor = build("logs: {log_record: ['false']}", Signal::Logs, &Telemetry::new()).unwrap();
    let batch = Batch::new(logs(), Ack::none());
    let shared = batch.clone();
    let mut out = None;
    processor.process(batch, &mut |batch: Batch| out = Some(batch));
    assert!(std::ptr::eq(out.unwrap().data(), shared.data()));
}

#[test]
fn include_and_exclude_of_logs() {
    for (yaml, want) in [
        ("logs: {include: {match_type: strict, bodies: [a1, b2]}}", vec!["a1", "b2"]),
        ("logs: {exclude: {match_type: regexp, bodies: ['^a']}}", vec!["b1", "b2"]),
        (
            "logs: {include: {match_type: regexp, bodies: ['1$']}, exclude: {match_type: strict, bodies: [a1]}}",
            vec!["b1"],
        ),
        (
            "logs: {include: {match_type: strict, resource_attributes: [{key: service.name, value: a}]}}",
            vec!["a1", "a2"],
        ),
        ("logs: {include: {match_type: strict, record_attributes: [{key: none}]}}", vec![]),
        (
            "logs: {exclude: {match_type: regexp, record_attributes: [{key: body, value: '2'}]}}",
            vec!["a1", "b1"],
        ),
        ("logs: {include: {match_type: strict, severity_number: {min: WARN}}}", vec!["a2", "b2"]),
    ] {
        assert_eq!(bodies(filter(yaml, logs()).0), want, "{yaml}");
    }
}

#[test]
fn include_and_exclude_of_metrics_and_spans() {
    for (yaml, want) in [
        ("metrics: {include: {match_type: strict, metric_names: [cpu]}}", vec!["cpu"]),
        ("metrics: {exclude: {match_type: regexp, metric_names: ['^c']}}", vec!["disk"]),
        (
            "metrics: {exclude: {match_type: strict, resource_attributes: [{key: service.name, value: a}]}}",
            vec![],
        ),
        (
            "metrics: {include: {match_type: strict, resource_attributes: [{key: service.name, value: b}]}}",
            vec![],
        ),
    ] {
        let left: Vec<_> = points(filter(yaml, metrics()).0).into_iter().map(|(name, _)| name).collect();
        assert_eq!(left, want, "{yaml}");
    }
    for (expression, kept) in [
        ("MetricName == \"cpu\" and HasLabel(\"x\")", "cpu"),
        ("MetricName matches \"^d\"", "disk"),
        ("Label(\"z\") == \"v\"", "disk"),
        ("Label(\"none\") == \"\" and MetricName == \"cpu\"", "cpu"),
        ("resource[\"service.name\"] == \"a\" and HasLabel(\"z\")", "disk"),
    ] {
        let yaml = |block: &str| {
            format!(
                "metrics: {{{block}: {{match_type: expr, expressions: ['MetricName == \"no\"', '{expression}']}}}}"
            )
        };
        let names = |block: &str| {
            points(filter(&yaml(block), metrics()).0).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names("include"), [kept], "{expression}");
        assert_eq!(names("exclude"), [if kept == "cpu" { "disk" } else { "cpu" }], "{expression}");
    }
    let failing = "metrics: {exclude: {match_type: expr, expressions: ['Label(\"x\") > 1']}}";
    let (left, telemetry) = filter(failing, metrics());
    assert_eq!(points(left).len(), 2);
    assert_eq!(telemetry.total("kmagent_processor_filter_condition_errors"), 3);
    for (yaml, want) in [
        ("spans: {include: {match_type: strict, services: [a], span_names: [query]}}", vec!["query"]),
        ("spans: {include: {match_type: strict, services: [b]}}", vec![]),
        ("spans: {exclude: {match_type: regexp, span_kinds: [SERVER]}}", vec!["query"]),
        ("spans: {include: {match_type: strict, libraries: [{name: lib, version: '2.0'}]}}", vec![]),
        ("spans: {include: {match_type: strict, libraries: [{name: lib}]}}", vec!["GET /", "query"]),
    ] {
        let left: Vec<_> = names(filter(yaml, spans()).0).into_iter().map(|(name, _)| name).collect();
        assert_eq!(left, want, "{yaml}");
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (yaml, want) in [
        (
            "logs: {log_record: ['true', 'bod == 1']}",
            "logs::log_record::1: unable to parse OTTL statement: \"bod\" is not a path of the log context",
        ),
        ("logs: {include: {bodies: [x]}}", "logs::include: match_type is missing"),
        ("logs: {include: {match_type: strict}}", "logs::include: nothing to match is given"),
        ("logs: {include: {match_type: regexp, bodies: ['(']}}", "logs::include: bad regular expression"),
        (
            "logs: {include: {match_type: strict, bodies: [x]}, log_record: ['true']}",
            "logs: conditions cannot be combined",
        ),
        ("logs: {include: {match_type: strict, severity_number: {min: LOUD}}}", "unknown severity \"LOUD\""),
    ] {
        let error = build(yaml, Signal::Logs, &Telemetry::new()).err().expect(yaml).to_string();
        assert!(error.contains(want), "{yaml}: {error}");
    }
    for (yaml, want) in [
        ("metrics: {include: {match_type: expr}}", "metrics::include: expressions go with match_type expr"),
        ("metrics: {include: {match_type: strict, expressions: ['true']}}", "go with match_type expr"),
        (
            "metrics: {exclude: {match_type: expr, expressions: ['HasLabl(\"x\")']}}",
            "unknown function \"HasLabl\"",
        ),
        ("metrics: {exclude: {match_type: expr, expressions: ['MetricName']}}", "expected a bool"),
    ] {
        let error = build(yaml, Signal::Metrics, &Telemetry::new()).err().expect(yaml).to_string();
        assert!(error.contains(want), "{yaml}: {error}");
    }
}
