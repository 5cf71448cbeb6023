use super::*;
use crate::config::from_yaml;
use crate::otlp::InstrumentationScope;
use crate::otlp::logs::LogRecord;
use crate::otlp::metrics::Metric;
use crate::otlp::trace::Span;
use crate::pipeline::Signal;

fn filter(include: &str, signal: Signal) -> Result<Filter, String> {
    Filter::new(Some(&from_yaml(include).unwrap()), None, signal)
}

#[test]
fn each_property_looks_at_its_own_part_of_the_item() {
    let resource = [KeyValue::fixed("service.name", "shop"), KeyValue::fixed("n", 7)];
    let scope = InstrumentationScope { name: "lib".into(), version: "1.2".into(), ..Default::default() };
    let record = LogRecord {
        severity_number: 9,
        severity_text: "INFO".into(),
        body: Some("it works".into()),
        attributes: vec![KeyValue::fixed("code", 200)],
        ..Default::default()
    };
    let span = Span {
        name: "GET /".into(),
        kind: 2,
        attributes: vec![KeyValue::fixed("db", "x")],
        ..Default::default()
    };
    let metric = Metric { name: "cpu.time".into(), ..Default::default() };
    for (item, signal, include, want) in [
        (Item::Log(&record), Signal::Logs, "{match_type: strict, log_bodies: [it works]}", true),
        (Item::Log(&record), Signal::Logs, "{match_type: strict, log_bodies: [works]}", false),
        (Item::Log(&record), Signal::Logs, "{match_type: regexp, log_bodies: [nope, wor.s]}", true),
        (Item::Log(&record), Signal::Logs, "{match_type: strict, log_severity_texts: [INFO]}", true),
        (Item::Log(&record), Signal::Logs, "{match_type: strict, log_severity_number: {min: 9}}", true),
        (Item::Log(&record), Signal::Logs, "{match_type: strict, log_severity_number: {min: 10}}", false),
        (
            Item::Log(&record),
            Signal::Logs,
            "{match_type: strict, attributes: [{key: code, value: 200}]}",
            true,
        ),
        (
            Item::Log(&record),
            Signal::Logs,
            "{match_type: strict, attributes: [{key: code, value: '200'}]}",
            false,
        ),
        (
            Item::Log(&record),
            Signal::Logs,
            "{match_type: regexp, attributes: [{key: code, value: '^2..$'}]}",
            true,
        ),
        (
            Item::Log(&record),
            Signal::Logs,
            "{match_type: strict, attributes: [{key: code}, {key: other}]}",
            false,
        ),
        (Item::Log(&record), Signal::Logs, "{match_type: strict, resources: [{key: n, value: 7}]}", true),
        (Item::Log(&record), Signal::Logs, "{match_type: strict, libraries: [{name: lib}]}", true),
        (
            Item::Log(&record),
            Signal::Logs,
            "{match_type: strict, libraries: [{name: lib, version: ''}]}",
            false,
        ),
        (
            Item::Span(&span),
            Signal::Traces,
            "{match_type: strict, services: [shop], span_names: [GET /]}",
            true,
        ),
        (
            Item::Span(&span),
            Signal::Traces,
            "{match_type: strict, services: [other], span_names: [GET /]}",
            false,
        ),
        (Item::Span(&span), Signal::Traces, "{match_type: strict, span_kinds: [SPAN_KIND_SERVER]}", true),
        (Item::Span(&span), Signal::Traces, "{match_type: strict, span_kinds: [SPAN_KIND_CLIENT]}", false),
        (Item::Metric(&metric), Signal::Metrics, "{match_type: regexp, metric_names: ['^cpu']}", true),
        (Item::Metric(&metric), Signal::Metrics, "{match_type: strict, metric_names: [cpu]}", false),
    ] {
        let subject = Subject { resource: &resource, scope: Some(&scope), item };
        let got = filter(include, signal).unwrap().takes(&subject);
        assert_eq!(got, want, "{include}");
    }
}

#[test]
fn records_without_a_severity_match_only_when_asked_for() {
    let record = LogRecord::default();
    let subject = Subject { resource: &[], scope: None, item: Item::Log(&record) };
    let takes = |include: &str| filter(include, Signal::Logs).unwrap().takes(&subject);
    assert!(!takes("{match_type: strict, log_severity_number: {min: 0}}"));
    assert!(takes("{match_type: strict, log_severity_number: {min: 9, match_undefined: true}}"));
}

#[test]
fn exclude_is_looked_at_after_include() {
    let properties = |text: &str| from_yaml::<Properties>(text).unwrap();
    let include = properties("{match_type: regexp, span_names: [a]}");
    let exclude = properties("{match_type: strict, span_names: [ab]}");
    let filter = Filter::new(Some(&include), Some(&exclude), Signal::Traces).unwrap();
    for (name, want) in [("a", true), ("ab", false), ("b", false)] {
        let span = Span { name: name.into(), ..Default::default() };
        let subject = Subject { resource: &[], scope: None, item: Item::Span(&span) };
        assert_eq!(filter.takes(&subject), want, "{name}");
    }
}

#[test]
fn properties_that_cannot_work_are_refused() {
    for (include, signal, want) in [
        ("{span_names: [a]}", Signal::Traces, "\"match_type\" is required"),
        ("{match_type: glob, span_names: [a]}", Signal::Traces, "\"glob\" is not known"),
        ("{match_type: strict}", Signal::Traces, "at least one of \"services\""),
        ("{match_type: strict, span_names: [a]}", Signal::Logs, "cannot be used in a pipeline of logs"),
        ("{match_type: regexp, log_bodies: ['(']}", Signal::Logs, "bad regular expression"),
        ("{match_type: regexp, attributes: [{key: a, value: 1}]}", Signal::Logs, "must be text"),
        ("{match_type: strict, attributes: [{value: 1}]}", Signal::Logs, "must not be empty"),
    ] {
        let error = filter(include, signal).unwrap_err();
        assert!(error.starts_with("include: ") && error.contains(want), "{include}: {error}");
    }
}
