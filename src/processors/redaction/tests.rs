use super::*;
use crate::otlp::metrics::Number;
use crate::otlp::trace::{Event, Link};
use crate::otlp::{AnyValue, InstrumentationScope, KeyValue};
use crate::pipeline::Data;
use crate::processors::testing::{attributes, build, gauge, issues, logs, point, resource_metrics, spans};

/// What becomes of the attributes of a span.
fn redact(yaml: &str, entries: &[(&'static str, AnyValue)]) -> Vec<KeyValue> {
    let mut group = spans(&[], &["s"]);
    group.scope_spans[0].spans[0].attributes = attributes(entries);
    let mut bench = build::<RedactionConfig>(yaml, Signal::Traces);
    let Data::Traces(mut all) = bench.one(Data::Traces(vec![group])) else { panic!("traces") };
    all.remove(0).scope_spans.remove(0).spans.remove(0).attributes
}

#[test]
fn every_setting_follows_its_rule() {
    let text = |key: &'static str, value: &str| (key, AnyValue::from(value));
    let card = || text("note", "card 4111 and 4222 here");
    for (yaml, before, after) in [
        ("{}", vec![text("a", "x"), ("n", 1.into())], vec![]),
        ("{allowed_keys: [a]}", vec![text("a", "x"), text("b", "y")], vec![text("a", "x")]),
        (
            "{ignored_keys: [a], ignored_key_patterns: ['^x']}",
            vec![text("a", "x"), text("xy", "z"), text("b", "y")],
            vec![text("a", "x"), text("xy", "z")],
        ),
        (
            "{allow_all_keys: true, blocked_values: ['4\\d{3}']}",
            vec![card()],
            vec![text("note", "card **** and **** here")],
        ),
        (
            "{allow_all_keys: true, blocked_values: ['4\\d{3}'], ignored_keys: [note]}",
            vec![card()],
            vec![card()],
        ),
        (
            "{allow_all_keys: true, blocked_values: ['4\\d{3}'], allowed_values: ['^card']}",
            vec![card()],
            vec![card()],
        ),
        (
            "{allow_all_keys: true, blocked_key_patterns: ['.*token.*']}",
            vec![text("api_token", "s")],
            vec![text("api_token", "****")],
        ),
        (
            "{allow_all_keys: true, blocked_values: ['4\\d{3}']}",
            vec![("n", 4111.into())],
            vec![("n", 4111.into())],
        ),
        (
            "{allow_all_keys: true, redact_all_types: true, blocked_values: ['4\\d{3}']}",
            vec![("n", 4111.into())],
            vec![text("n", "****")],
        ),
        (
            "{allow_all_keys: true, blocked_values: [abc], hash_function: md5}",
            vec![text("n", "x abc")],
            vec![text("n", "x 900150983cd24fb0d6963f7d28e17f72")],
        ),
    ] {
        assert_eq!(redact(yaml, &before), attributes(&after), "{yaml}");
    }
}

#[test]
fn hashes_are_the_well_known_ones() {
    for (hash, want) in [
        (Hash::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        (Hash::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (Hash::Sha3, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
    ] {
        assert_eq!(Mask::Hash(hash).of("abc"), want);
    }
}

#[test]
fn a_summary_names_what_was_done_and_adds_up_over_two_redactions() {
    let yaml = |summary: &str| {
        format!(
            "{{allowed_keys: [a, b, 'redaction.redacted.keys', 'redaction.redacted.count'], ignored_keys: [i], blocked_values: ['4'], summary: {summary}}}"
        )
    };
    let entries = [
        ("z", AnyValue::from("1")),
        ("a", "4".into()),
        ("c", "1".into()),
        ("i", "4".into()),
        ("b", "5".into()),
    ];
    let done = [("a", AnyValue::from("****")), ("i", "4".into()), ("b", "5".into())];
    let counts = [("redaction.redacted.count", AnyValue::from(2))];
    let with = |more: &[(&'static str, AnyValue)]| attributes(&[&done[..], more].concat());
    assert_eq!(redact(&yaml("silent"), &entries), with(&[]));
    assert_eq!(
        redact(&yaml("info"), &entries),
        with(&[
            counts[0].clone(),
            ("redaction.masked.count", 1.into()),
            ("redaction.ignored.count", 1.into())
        ])
    );
    let debug = with(&[
        counts[0].clone(),
        ("redaction.redacted.keys", "c,z".into()),
        ("redaction.masked.count", 1.into()),
        ("redaction.masked.keys", "a".into()),
        ("redaction.ignored.count", 1.into()),
    ]);
    assert_eq!(redact(&yaml("debug"), &entries), debug);
    let before = [
        ("redaction.redacted.count", AnyValue::from(1)),
        ("redaction.redacted.keys", "d".into()),
        ("c", "1".into()),
    ];
    assert_eq!(
        redact(&yaml("debug"), &before),
        attributes(&[("redaction.redacted.count", 2.into()), ("redaction.redacted.keys", "c,d".into())])
    );
}

#[test]
fn nothing_that_holds_attributes_is_left_out() {
    const YAML: &str = "{allow_all_keys: true, blocked_values: [secret]}";
    let own = || attributes(&[("k", "secret".into())]);
    let scope = || Some(InstrumentationScope { attributes: own(), ..Default::default() });

    let mut traces = spans(&[("k", "secret".into())], &["s"]);
    traces.scope_spans[0].scope = scope();
    let span = &mut traces.scope_spans[0].spans[0];
    span.attributes = own();
    span.events = vec![Event { attributes: own(), ..Default::default() }];
    span.links = vec![Link { attributes: own(), ..Default::default() }];

    let mut records = logs(&[("k", "secret".into())], &["a secret line", "x"]);
    records.scope_logs[0].scope = scope();
    records.scope_logs[0].log_records[0].attributes = own();
    let nested = vec![KeyValue::new("deep", vec![AnyValue::Map(own()), "secret".into()])];
    records.scope_logs[0].log_records[1].body = Some(nested.into());

    let mut number = point(&[("k", "secret".into())], 0, 1, Number::Int(1));
    number.exemplars = vec![metrics_exemplar(own())];
    let mut metrics = resource_metrics(&[("k", "secret".into())], vec![gauge("m", vec![number])]);
    metrics.scope_metrics[0].scope = scope();

    for data in [Data::Traces(vec![traces]), Data::Logs(vec![records]), Data::Metrics(vec![metrics])] {
        let out = build::<RedactionConfig>(YAML, data.signal()).one(data);
        let text = format!("{out:?}");
        assert!(!text.contains("secret") && text.contains("****"), "{text}");
    }
}

fn metrics_exemplar(filtered_attributes: Vec<KeyValue>) -> crate::otlp::metrics::Exemplar {
    crate::otlp::metrics::Exemplar { filtered_attributes, ..Default::default() }
}

#[test]
fn bad_settings_are_refused() {
    for (yaml, want) in [
        ("{blocked_values: [a, '(']}", "blocked_values::1: bad regular expression"),
        ("{hash_function: crc}", "\"crc\" is not known"),
        ("{summary: loud}", "\"loud\" is not known"),
        ("{url_sanitizer: {attribute: [a]}}", "attribute"),
    ] {
        let found = issues::<RedactionConfig>(yaml);
        assert!(found.contains(want), "{yaml}: {found}");
    }
    assert_eq!(
        issues::<RedactionConfig>("{allow_all_keys: true, db_sanitizer: {sql: {enabled: false}}}"),
        ""
    );
}

#[test]
fn urls_and_statements_lose_what_is_individual() {
    let text = |key: &'static str, value: &str| (key, AnyValue::from(value));
    const SQL: &str = "{allow_all_keys: true, summary: info, db_sanitizer: {sql: {enabled: true, attributes: [db.statement]}, redis: {enabled: true, attributes: [db.statement]}}}";
    for (yaml, before, after) in [
        (
            "{allow_all_keys: true, url_sanitizer: {enabled: true, attributes: [http.url]}}",
            vec![text("http.url", "/users/17?x=1"), text("other", "/users/17")],
            vec![text("http.url", "/users/*"), text("other", "/users/17")],
        ),
        (
            "{allow_all_keys: true, url_sanitizer: {enabled: false, attributes: [http.url]}}",
            vec![text("http.url", "/users/17")],
            vec![text("http.url", "/users/17")],
        ),
        (
            SQL,
            vec![text("db.system", "postgresql"), text("db.statement", "SELECT 'a' FROM t")],
            vec![
                text("db.system", "postgresql"),
                text("db.statement", "SELECT ? FROM t"),
                ("redaction.masked.count", 1.into()),
            ],
        ),
        (
            SQL,
            vec![text("db.system.name", "Redis"), text("db.statement", "SET a b")],
            vec![
                text("db.system.name", "Redis"),
                text("db.statement", "SET ?"),
                ("redaction.masked.count", 1.into()),
            ],
        ),
        // A system that nobody looks at stays.
        (
            SQL,
            vec![text("db.system", "cassandra"), text("db.statement", "SELECT 1")],
            vec![text("db.system", "cassandra"), text("db.statement", "SELECT 1")],
        ),
    ] {
        assert_eq!(redact(yaml, &before), attributes(&after), "{yaml}");
    }
}

#[test]
fn span_names_and_bodies_are_looked_at_too() {
    const YAML: &str = "{allow_all_keys: true, url_sanitizer: , db_sanitizer: {sql: {enabled: true}}}";
    let mut group = spans(&[], &["GET /users/17", "SELECT 17", "GET /users/17"]);
    let all = &mut group.scope_spans[0].spans;
    (all[0].kind, all[1].kind, all[2].kind) = (2, 3, 1);
    all[1].attributes = attributes(&[("db.system", "mysql".into())]);
    let mut bench = build::<RedactionConfig>(YAML, Signal::Traces);
    let Data::Traces(traces) = bench.one(Data::Traces(vec![group])) else { panic!("traces") };
    let names: Vec<&str> = traces[0].scope_spans[0].spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["GET /users/*", "SELECT ?", "GET /users/17"]);

    let mut group = logs(&[], &["/users/17?a=b", "SELECT 'x'", "it took 17 s"]);
    group.scope_logs[0].log_records[1].attributes = attributes(&[("db.system", "sqlite".into())]);
    let mut bench = build::<RedactionConfig>(YAML, Signal::Logs);
    let Data::Logs(all) = bench.one(Data::Logs(vec![group])) else { panic!("logs") };
    let bodies: Vec<_> = all[0].scope_logs[0].log_records.iter().map(|r| r.body.clone().unwrap()).collect();
    assert_eq!(bodies, ["/users/*".into(), "SELECT ?".into(), AnyValue::from("it took 17 s")]);
}
