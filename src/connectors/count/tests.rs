use super::*;
use crate::config::from_yaml;
use crate::connectors::testing::{Collected, context, issues, outputs};
use crate::otlp::AnyValue;
use crate::otlp::metrics::{Data as MetricData, Number, Temporality};
use crate::otlp::trace::Event;
use crate::ottl::text_of_any;
use crate::pipeline::Ack;
use crate::processors::testing::{gauge, logs, point, resource_metrics, spans, watched};

/// `name{attributes} count @start-end`, sorted, of what is counted in `data`.
fn counts(yaml: &str, data: Data) -> Vec<String> {
    let collected = Collected::default();
    let config: CountConfig = from_yaml(yaml).unwrap();
    let mut connector = config.build(context("count")).unwrap();
    connector.process(Batch::new(data, Ack::none()), &outputs(&[("metrics", &collected)]));
    let mut lines = Vec::new();
    for data in collected.take() {
        let Data::Metrics(all) = data else { panic!("{data:?}") };
        for metric in all.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics) {
            let Some(MetricData::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
            assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (Temporality::Delta as i32, true));
            for p in &sum.data_points {
                let Some(Number::Int(count)) = p.value else { panic!("{p:?}") };
                let attributes: Vec<String> = p
                    .attributes
                    .iter()
                    .map(|entry| format!("{}={}", entry.key, &*text_of_any(&entry.value).unwrap()))
                    .collect();
                lines.push(format!("{}{{{}}} {count}", metric.name, attributes.join(",")));
            }
        }
    }
    lines.sort();
    lines
}

fn traces() -> Data {
    let mut all = spans(&[("env", "prod".into())], &["a", "b", "c"]);
    let span = &mut all.scope_spans[0].spans[0];
    span.attributes = vec![KeyValue::fixed("env", "test"), KeyValue::fixed("code", 200)];
    span.events = vec![Event { name: "x".into(), ..Event::default() }; 2];
    Data::Traces(vec![all])
}

#[test]
fn without_keys_everything_is_counted() {
    assert_eq!(counts("{}", traces()), ["trace.span.count{} 3", "trace.span.event.count{} 2"]);
    let points = vec![point(&[], 0, 1, Number::Int(1)), point(&[], 0, 2, Number::Int(1))];
    let metrics = resource_metrics(&[], vec![gauge("g", points), gauge("none", vec![])]);
    assert_eq!(
        counts("{}", Data::Metrics(vec![metrics])),
        ["metric.count{} 2", "metric.datapoint.count{} 2"]
    );
    let two = Data::Logs(vec![logs(&[], &["a", "b"]), logs(&[], &[]), logs(&[], &["c"])]);
    assert_eq!(counts("{}", two), ["log.record.count{} 1", "log.record.count{} 2"]);
}

#[test]
fn conditions_are_ored_and_custom_metrics_replace_the_default_one() {
    let yaml = "{spans: {ab: {conditions: ['name == \"a\"', 'name == \"b\"']}, none: {conditions: ['name == \"z\"']}}, spanevents: {}}";
    assert_eq!(counts(yaml, traces()), ["ab{} 2"]);
}

#[test]
fn attributes_of_the_item_come_before_those_of_the_resource_and_the_default() {
    let yaml = "{spanevents: {}, spans: {by: {attributes: [{key: env}, {key: code, default_value: 0}]}, missing: {attributes: [{key: nowhere}]}}}";
    assert_eq!(counts(yaml, traces()), ["by{env=prod,code=0} 2", "by{env=test,code=200} 1"]);
}

#[test]
fn the_times_are_those_of_what_was_counted() {
    let collected = Collected::default();
    let config: CountConfig = from_yaml("{}").unwrap();
    let mut connector = config.build(context("count")).unwrap();
    let mut group = logs(&[], &["a", "b", "c"]);
    group.scope_logs[0].log_records[0].time_unix_nano = 30;
    group.scope_logs[0].log_records[1].time_unix_nano = 10;
    let (ack, outcomes) = watched();
    connector.process(Batch::new(Data::Logs(vec![group]), ack), &outputs(&[("metrics", &collected)]));
    // The source waits for the counts to arrive.
    assert!(outcomes.is_empty());
    let Data::Metrics(all) = collected.take().remove(0) else { panic!() };
    assert_eq!(outcomes.len(), 1);
    let Some(MetricData::Sum(sum)) = &all[0].scope_metrics[0].metrics[0].data else { panic!() };
    assert_eq!((sum.data_points[0].start_time_unix_nano, sum.data_points[0].time_unix_nano), (10, 30));
}

#[test]
fn a_condition_that_fails_costs_that_count_alone() {
    let collected = Collected::default();
    let config: CountConfig =
        from_yaml("{logs: {bad: {conditions: ['Len(body) == \"x\" or ParseInt(body, 10) > 1']}, all: }}")
            .unwrap();
    let context = context("count");
    let telemetry = context.telemetry.clone();
    let mut connector = config.build(context).unwrap();
    let mut group = logs(&[], &["5", "x"]);
    group.scope_logs[0].log_records[0].attributes = vec![KeyValue::fixed("a", AnyValue::Empty)];
    connector.process(Batch::new(Data::Logs(vec![group]), Ack::none()), &outputs(&[("metrics", &collected)]));
    assert_eq!(collected.items(), 2);
    assert_eq!(telemetry.total("kmagent_connector_count_condition_errors"), 1);
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (yaml, want) in [
        ("{logs: {x: {conditions: ['nope == 1']}}}", "logs::x::conditions::0"),
        ("{metrics: {x: {attributes: [{key: a}]}}}", "a metric has no attributes"),
        ("{spans: {x: {attributes: [{default_value: a}]}}}", "attribute key missing"),
        ("{spans: {'': {}}}", "metric name missing"),
        ("{span: {}}", "unknown key"),
    ] {
        let found = issues::<CountConfig>(yaml);
        assert!(found.contains(want), "{yaml}: {found}");
    }
}
