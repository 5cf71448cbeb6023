use super::*;
use crate::component::NoHost;
use crate::config::from_yaml;
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::otlp::{AnyValue, Attributes, KeyValue, Resource};
use crate::pipeline::{Ack, Batch, Data};
use crate::telemetry::{StatusBoard, Telemetry};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The processors of a stock configuration.
fn stock(file: &str) -> BTreeMap<String, serde_yaml::Value> {
    let path = format!("{}/tests/fixtures/stock/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut all: BTreeMap<String, serde_yaml::Value> = serde_yaml::from_str(&text).unwrap();
    serde_yaml::from_value(all.remove("processors").unwrap()).unwrap()
}

fn stock_processor(file: &str, id: &str, signal: Signal) -> Box<dyn Processor> {
    let config: TransformConfig = serde_yaml::from_value(stock(file).remove(id).unwrap()).unwrap();
    config.build(context(&Telemetry::new()), signal).unwrap()
}

fn context(telemetry: &Telemetry) -> Context {
    Context {
        id: "transform/test".parse().unwrap(),
        pipeline: None,
        telemetry: telemetry.clone(),
        status: StatusBoard::default().handle("processor:transform/test"),
        abort: crate::pipeline::Stop::never(),
        host: Arc::new(NoHost),
    }
}

fn logs(records: Vec<LogRecord>) -> Data {
    Data::Logs(vec![ResourceLogs {
        resource: Some(Resource::default()),
        scope_logs: vec![ScopeLogs { log_records: records, ..Default::default() }],
        ..Default::default()
    }])
}

fn run(processor: &mut dyn Processor, data: Data) -> Data {
    let mut out = Vec::new();
    processor.process(Batch::new(data, Ack::none()), &mut |batch: Batch| out.push(batch));
    assert_eq!(out.len(), 1);
    out.remove(0).into_parts().0
}

fn records(data: Data) -> Vec<LogRecord> {
    let Data::Logs(mut all) = data else { panic!("no logs") };
    std::mem::take(&mut all[0].scope_logs[0].log_records)
}

fn body(text: &str) -> LogRecord {
    LogRecord { body: Some(text.into()), ..Default::default() }
}

#[test]
fn stock_transforms_all_compile() {
    for file in ["daemonset.yaml", "deployment.yaml"] {
        for (id, value) in stock(file) {
            if id.starts_with("transform/") {
                let config: TransformConfig = serde_yaml::from_value(value).unwrap();
                for signal in Signal::ALL {
                    let entries = config.statements(signal).1;
                    groups::compile(signal, entries, config.error_mode).unwrap();
                }
            }
        }
    }
}

#[test]
fn stock_loglevels_finds_the_severity() {
    let mut processor = stock_processor("deployment.yaml", "transform/loglevels", Signal::Logs);
    let with = |key: &'static str, value: AnyValue| LogRecord {
        body: Some("plain".into()),
        attributes: vec![KeyValue::fixed(key, value)],
        ..Default::default()
    };
    let map = |key: &'static str, value: &str| AnyValue::from(vec![KeyValue::fixed(key, value)]);
    let cases: Vec<(LogRecord, &str, i32)> = vec![
        (body("nothing to see"), "info", 9),
        (body("an ERROR happened"), "error", 17),
        (body("Warning: low disk"), "warn", 13),
        (body("FATAL: gone"), "fatal", 21),
        (body("debug it"), "debug", 5),
        (body(r#"{"level":"WARN","msg":"x"}"#), "warn", 13),
        (body(&format!("{} error", "x".repeat(300))), "info", 9),
        (with("severity", "Error".into()), "error", 17),
        (with("level", "trace".into()), "trace", 1),
        (with("@message", map("level", "fatal")), "fatal", 21),
        (with("event", map("type", "DELETED")), "warn", 13),
        (with("event", map("type", "ADDED")), "info", 9),
        // An index into a text fails: the statement is skipped, the others run.
        (with("@message", "text".into()), "info", 9),
    ];
    let (inputs, wanted): (Vec<_>, Vec<_>) = cases.into_iter().map(|(r, t, n)| (r, (t, n))).unzip();
    for (record, (text, number)) in records(run(&mut *processor, logs(inputs))).iter().zip(wanted) {
        assert_eq!((record.severity_text.as_str(), record.severity_number), (text, number), "{record:?}");
    }
}

#[test]
fn stock_loglevels_flattens_json_into_attributes() {
    let mut processor = stock_processor("deployment.yaml", "transform/loglevels", Signal::Logs);
    let text = r#"at {"a":{"b":[1,"x"]},"level":"error"}"#;
    let record = records(run(&mut *processor, logs(vec![body(text)]))).remove(0);
    let wanted =
        vec![KeyValue::fixed("a.b.0", 1.0), KeyValue::fixed("a.b.1", "x"), KeyValue::fixed("level", "error")];
    assert_eq!(record.attributes, wanted);
    assert_eq!(record.body, Some(text.into()));
    assert_eq!(record.attributes.get_str("level"), Some("error"));
}

#[test]
fn the_two_forms_of_statements_do_not_mix() {
    let yaml = "log_statements: ['set(log.body, \"x\")', {context: log, statements: []}]";
    let config: TransformConfig = from_yaml(yaml).unwrap();
    assert!(config.build(context(&Telemetry::new()), Signal::Logs).is_err());
}

fn built(yaml: &str, telemetry: &Telemetry) -> Box<dyn Processor> {
    from_yaml::<TransformConfig>(yaml).unwrap().build(context(telemetry), Signal::Logs).unwrap()
}

#[test]
fn what_a_resource_decides_is_decided_anew_for_the_next_one_and_after_a_change() {
    let yaml = r#"
log_statements:
- context: log
  statements:
  - set(attributes["of"], resource.attributes["name"]) where resource.attributes["name"] != nil
  - set(resource.attributes["name"], body) where resource.attributes["name"] == nil and attributes["names"] == true
  - delete_key(resource.attributes, "name") where attributes["ends"] == true and resource.attributes["name"] != nil
"#;
    let record = |text: &'static str, key: &'static str| LogRecord {
        attributes: vec![KeyValue::fixed(key, true)],
        ..body(text)
    };
    let resource = |name: Option<&str>, records: Vec<LogRecord>| ResourceLogs {
        resource: name
            .map(|name| Resource { attributes: vec![KeyValue::fixed("name", name)], ..Resource::default() }),
        scope_logs: vec![ScopeLogs { log_records: records, ..Default::default() }],
        ..Default::default()
    };
    let data = Data::Logs(vec![
        resource(
            None,
            vec![body("1"), record("a", "names"), body("2"), record("b", "names"), record("3", "ends")],
        ),
        resource(Some("c"), vec![body("4"), record("5", "ends"), body("6"), record("d", "names"), body("7")]),
        resource(None, vec![body("8")]),
    ]);
    let Data::Logs(all) = run(&mut *built(yaml, &Telemetry::new()), data) else { panic!("no logs") };
    let of = |record: &LogRecord| record.attributes.get_str("of").map(str::to_owned);
    let found: Vec<_> = all.iter().flat_map(|r| &r.scope_logs[0].log_records).map(of).collect();
    let wanted =
        [None, None, Some("a"), Some("a"), Some("a"), Some("c"), Some("c"), None, None, Some("d"), None];
    assert_eq!(found, wanted.map(|name| name.map(str::to_owned)));
    let names = all.iter().map(|r| r.resource.as_ref().and_then(|r| r.attributes.get_str("name")));
    assert_eq!(names.collect::<Vec<_>>(), [None, Some("d"), None]);
}

#[test]
fn an_error_loses_nothing_in_any_mode_and_propagate_ends_the_group() {
    for (mode, last) in [("ignore", true), ("silent", true), ("propagate", false)] {
        let telemetry = Telemetry::new();
        let yaml = format!(
            "{{error_mode: {mode}, log_statements: [{{context: log, statements: \
             ['set(attributes[\"first\"], 1)', 'set(severity_text, 1)', 'set(attributes[\"last\"], 1)']}}, \
             {{context: log, statements: ['set(attributes[\"group\"], 2)']}}]}}"
        );
        let out = records(run(&mut *built(&yaml, &telemetry), logs(vec![body("x"), body("y")])));
        assert_eq!(out.len(), 2);
        for record in out {
            assert!(record.attributes.contains("first") && record.attributes.contains("group"));
            assert_eq!(record.attributes.contains("last"), last, "{mode}");
        }
        assert_eq!(telemetry.total("kmagent_processor_transform_statement_errors"), 2);
    }
}

#[test]
fn one_true_condition_of_a_group_is_enough() {
    let yaml = "log_statements: [{context: log, conditions: ['body == \"a\"', 'body == \"b\"'], \
                statements: ['set(attributes[\"hit\"], true)']}]";
    let out = records(run(&mut *built(yaml, &Telemetry::new()), logs(vec![body("a"), body("b"), body("c")])));
    let hits: Vec<bool> = out.iter().map(|record| record.attributes.contains("hit")).collect();
    assert_eq!(hits, [true, true, false]);
}

#[test]
fn the_cache_is_shared_by_neighbours_and_empty_for_the_next_item() {
    let yaml = "log_statements: ['set(log.cache[\"x\"], log.body) where log.body == \"a\"', \
                'set(log.attributes[\"x\"], log.cache[\"x\"])']";
    let out = records(run(&mut *built(yaml, &Telemetry::new()), logs(vec![body("a"), body("b")])));
    assert_eq!(out[0].attributes, [KeyValue::fixed("x", "a")]);
    assert!(out[1].attributes.is_empty());
    // Every group begins with an empty cache.
    let yaml = "log_statements: [{context: log, statements: ['set(cache[\"x\"], 1)']}, \
                {context: log, statements: ['set(attributes[\"x\"], cache[\"x\"])']}]";
    let out = records(run(&mut *built(yaml, &Telemetry::new()), logs(vec![body("a")])));
    assert!(out[0].attributes.is_empty());
}

#[test]
fn a_shared_batch_is_copied_only_when_there_are_statements() {
    for (yaml, same) in [("log_statements: []", true), ("log_statements: ['set(log.body, \"x\")']", false)] {
        let batch = Batch::new(logs(vec![body("a")]), Ack::none());
        let shared = batch.clone();
        let mut out = None;
        built(yaml, &Telemetry::new()).process(batch, &mut |batch: Batch| out = Some(batch));
        assert_eq!(std::ptr::eq(out.unwrap().data(), shared.data()), same);
        assert_eq!(*shared.data(), logs(vec![body("a")]));
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (yaml, want) in [
        (
            "log_statements: ['set(log.body, 1)', 'set(log.bdy, 1)']",
            "log_statements::1: unable to parse OTTL statement: \"bdy\" is not a path",
        ),
        (
            "log_statements: [{context: log, conditions: ['true', 'x'], statements: ['set(body, 1)']}]",
            "log_statements::0::conditions::1: unable to parse",
        ),
        (
            "log_statements: [{context: span, statements: ['set(name, \"x\")']}]",
            "unknown context \"span\" for logs: use one of resource, scope, log",
        ),
        ("log_statements: ['set(attributes[\"a\"], 1)']", "cannot tell what the statements run on"),
    ] {
        let config: TransformConfig = from_yaml(yaml).unwrap();
        let error = config.build(context(&Telemetry::new()), Signal::Logs).err().expect(yaml).to_string();
        assert!(error.contains(want), "{yaml}: {error}");
    }
    assert!(from_yaml::<TransformConfig>("log_statements: [{context: log, statement: []}]").is_err());
    assert!(from_yaml::<TransformConfig>("error_mode: loud").is_err());
}

#[test]
fn stock_metric_transforms_copy_convert_and_label() {
    use crate::otlp::metrics::{
        Data as MetricData, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    };
    let sum = |name: &str| Metric {
        name: name.to_owned(),
        data: Some(MetricData::Sum(Sum {
            data_points: vec![NumberDataPoint::default()],
            ..Default::default()
        })),
        ..Default::default()
    };
    let attributes = vec![KeyValue::fixed("os.type", "linux")];
    let mut data = Data::Metrics(vec![ResourceMetrics {
        resource: Some(Resource { attributes, ..Default::default() }),
        scope_metrics: vec![ScopeMetrics {
            metrics: vec![sum("system.network.io"), sum("system.cpu.time")],
            ..Default::default()
        }],
        ..Default::default()
    }]);
    let mut seen = Vec::new();
    for id in ["ratecalculation/copymetric", "ratecalculation/sumtogauge", "ostype", "deleteostype"] {
        let id = format!("transform/{id}");
        data = run(&mut *stock_processor("daemonset.yaml", &id, Signal::Metrics), data);
        let Data::Metrics(all) = &data else { panic!("metrics stay metrics") };
        let metrics = all[0].scope_metrics[0].metrics.iter().map(|metric| {
            let (kind, points) = match metric.data.as_ref().unwrap() {
                MetricData::Gauge(gauge) => ("gauge", &gauge.data_points),
                MetricData::Sum(sum) => ("sum", &sum.data_points),
                _ => panic!("numbers stay numbers"),
            };
            format!("{} {kind} {}", metric.name, points[0].attributes.get_str("os.type").unwrap_or("-"))
        });
        seen.push(metrics.collect::<Vec<_>>());
    }
    let wanted = [
        ["system.network.io sum -", "system.cpu.time sum -", "system.network.io.rate sum -"],
        ["system.network.io gauge -", "system.cpu.time sum -", "system.network.io.rate sum -"],
        ["system.network.io gauge linux", "system.cpu.time sum linux", "system.network.io.rate sum linux"],
        ["system.network.io gauge -", "system.cpu.time sum -", "system.network.io.rate sum -"],
    ];
    assert_eq!(seen, wanted);
}

#[test]
fn stock_service_names_come_from_where_the_configuration_says() {
    let mut processor = stock_processor("deployment.yaml", "transform/setservicename", Signal::Logs);
    let mut data = logs(vec![body("x")]);
    let Data::Logs(all) = &mut data else { panic!() };
    all[0].resource.get_or_insert_default().attributes = vec![KeyValue::fixed("event.domain", "k8s")];
    let Data::Logs(out) = run(&mut *processor, data) else { panic!() };
    assert_eq!(out[0].resource.as_ref().unwrap().attributes.get_str("service.name"), Some("k8s-events"));

    let mut processor =
        stock_processor("deployment.yaml", "transform/copyservicefromlogattributes", Signal::Logs);
    let mut record = body("x");
    record.attributes = vec![KeyValue::fixed("service.name", "shop")];
    let Data::Logs(out) = run(&mut *processor, logs(vec![record])) else { panic!() };
    assert_eq!(out[0].resource.as_ref().unwrap().attributes.get_str("service.name"), Some("shop"));
}
