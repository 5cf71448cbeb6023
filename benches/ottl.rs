//! Speed of the stock transforms, in records and points a second on one core. Each bench checks
//! what comes out before it measures.

use std::sync::Arc;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use kmagent::component::{Context, NoHost, Processor, ProcessorConfig};
use kmagent::config::from_yaml;
use kmagent::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use kmagent::otlp::metrics::{
    Data as MetricData, Gauge, Metric, Number, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use kmagent::otlp::{Attributes, KeyValue, Resource};
use kmagent::ottl::{ContextKind, Statement, for_each_item};
use kmagent::pipeline::{Ack, Batch, Data, Signal, Stop};
use kmagent::processors::transform::TransformConfig;
use kmagent::telemetry::{StatusBoard, Telemetry};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    divan::main();
}

const RECORDS: usize = 1000;
const POINTS: usize = 2000;

fn stock(file: &str, id: &str, signal: Signal) -> Box<dyn Processor> {
    let path = format!("{}/tests/fixtures/stock/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the fixture is there");
    let all: serde_yaml::Value = serde_yaml::from_str(&text).expect("the fixture is YAML");
    let section = &all["processors"][id];
    let config: TransformConfig =
        from_yaml(&serde_yaml::to_string(section).expect("it was YAML")).expect("the section is valid");
    let context = Context {
        id: "transform/bench".parse().expect("a valid id"),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle("processor:transform/bench"),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    };
    config.build(context, signal).expect("the section is valid")
}

fn run(processor: &mut dyn Processor, data: Data) -> Data {
    let mut out = None;
    processor.process(Batch::new(data, Ack::none()), &mut |batch: Batch| out = Some(batch));
    out.expect("one batch comes out").into_parts().0
}

/// Kubernetes events, plain lines and JSON lines, as the stock pipeline sees them.
fn log_records() -> Data {
    let bodies = [
        "Successfully assigned default/web-7d4b9c6f5-x2x9v to node-3",
        "Back-off restarting failed container app in pod web-7d4b9c6f5-x2x9v_default(4c1c)",
        "2026-01-05T10:00:00Z WARN connection pool exhausted, waiting for 30s",
        r#"{"level":"error","msg":"request failed","code":500,"path":"/api/v1/items"}"#,
        "Created container: istio-proxy",
    ];
    let record = |i: usize| LogRecord {
        body: Some(bodies[i % bodies.len()].into()),
        attributes: vec![
            KeyValue::fixed("k8s.event.reason", "Scheduled"),
            KeyValue::fixed("k8s.event.count", 1),
            KeyValue::fixed("k8s.namespace.name", "default"),
        ],
        ..Default::default()
    };
    Data::Logs(vec![ResourceLogs {
        resource: Some(Resource {
            attributes: vec![KeyValue::fixed("k8s.node.name", "n1")],
            ..Default::default()
        }),
        scope_logs: vec![ScopeLogs { log_records: (0..RECORDS).map(record).collect(), ..Default::default() }],
        ..Default::default()
    }])
}

fn points(count: usize) -> Vec<NumberDataPoint> {
    let point = |i: usize| NumberDataPoint {
        value: Some(Number::Double(i as f64)),
        attributes: vec![KeyValue::fixed("cpu", format!("cpu{i}")), KeyValue::fixed("state", "user")],
        ..Default::default()
    };
    (0..count).map(point).collect()
}

fn metrics(data: Vec<Metric>) -> Data {
    Data::Metrics(vec![ResourceMetrics {
        resource: Some(Resource {
            attributes: vec![KeyValue::fixed("os.type", "linux")],
            ..Default::default()
        }),
        scope_metrics: vec![ScopeMetrics { metrics: data, ..Default::default() }],
        ..Default::default()
    }])
}

fn gauges() -> Data {
    let gauge = |i: usize| Metric {
        name: format!("system.metric.{i}"),
        data: Some(MetricData::Gauge(Gauge { data_points: points(20) })),
        ..Default::default()
    };
    metrics((0..POINTS / 20).map(gauge).collect())
}

fn sums() -> Data {
    let sum = |i: usize| Metric {
        name: if i.is_multiple_of(10) {
            "system.network.io".to_owned()
        } else {
            format!("system.metric.{i}")
        },
        data: Some(MetricData::Sum(Sum { data_points: points(20), ..Default::default() })),
        ..Default::default()
    };
    metrics((0..POINTS / 20).map(sum).collect())
}

#[divan::bench]
fn loglevels_records(bencher: Bencher) {
    let mut processor = stock("deployment.yaml", "transform/loglevels", Signal::Logs);
    let Data::Logs(out) = run(&mut *processor, log_records()) else { unreachable!("logs stay logs") };
    let levels: Vec<&str> =
        out[0].scope_logs[0].log_records[..5].iter().map(|record| record.severity_text.as_str()).collect();
    assert_eq!(levels, ["info", "info", "warn", "error", "info"]);
    bencher
        .counter(ItemsCount::new(RECORDS))
        .with_inputs(log_records)
        .bench_local_values(|data| black_box(run(&mut *processor, data)));
}

/// A statement whose condition does not hold: it must not touch the allocator.
#[divan::bench]
fn false_condition(bencher: Bencher) {
    let text = "set(attributes[\"x\"], Concat([body, \"y\"], \"\")) where severity_number == 0 and IsString(body) \
                and IsMatch(body, \"no such text\") or attributes[\"k8s.event.count\"] == 2 and Len(body) > 1000";
    let statement = Statement::compile(text, ContextKind::Log).expect("a valid statement");
    let mut data = log_records();
    let mut once = || {
        for_each_item(&mut data, ContextKind::Log, |item| {
            statement.run(item, &mut None).expect("no error");
        })
    };
    once();
    #[cfg(feature = "jemalloc")]
    {
        let allocated = || tikv_jemalloc_ctl::thread::allocatedp::read().expect("statistics are on").get();
        let before = allocated();
        once();
        assert_eq!(allocated() - before, 0, "bytes allocated");
    }
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(once);
}

#[divan::bench]
fn ostype_points(bencher: Bencher) {
    let mut processor = stock("daemonset.yaml", "transform/ostype", Signal::Metrics);
    let Data::Metrics(out) = run(&mut *processor, gauges()) else { unreachable!("metrics stay metrics") };
    let Some(MetricData::Gauge(gauge)) = &out[0].scope_metrics[0].metrics[0].data else {
        unreachable!("a gauge")
    };
    assert_eq!(gauge.data_points[0].attributes.get_str("os.type"), Some("linux"));
    bencher
        .counter(ItemsCount::new(POINTS))
        .with_inputs(gauges)
        .bench_local_values(|data| black_box(run(&mut *processor, data)));
}

#[divan::bench]
fn deleteostype_points(bencher: Bencher) {
    let mut processor = stock("daemonset.yaml", "transform/deleteostype", Signal::Metrics);
    bencher
        .counter(ItemsCount::new(POINTS))
        .with_inputs(gauges)
        .bench_local_values(|data| black_box(run(&mut *processor, data)));
}

#[divan::bench]
fn sumtogauge_points(bencher: Bencher) {
    let mut processor = stock("daemonset.yaml", "transform/ratecalculation/sumtogauge", Signal::Metrics);
    let Data::Metrics(out) = run(&mut *processor, sums()) else { unreachable!("metrics stay metrics") };
    assert!(matches!(out[0].scope_metrics[0].metrics[0].data, Some(MetricData::Gauge(_))));
    assert!(matches!(out[0].scope_metrics[0].metrics[1].data, Some(MetricData::Sum(_))));
    bencher
        .counter(ItemsCount::new(POINTS))
        .with_inputs(sums)
        .bench_local_values(|data| black_box(run(&mut *processor, data)));
}

#[divan::bench]
fn copymetric_points(bencher: Bencher) {
    let mut processor = stock("daemonset.yaml", "transform/ratecalculation/copymetric", Signal::Metrics);
    let Data::Metrics(out) = run(&mut *processor, sums()) else { unreachable!("metrics stay metrics") };
    assert_eq!(out[0].scope_metrics[0].metrics.len(), POINTS / 20 + POINTS / 200);
    bencher
        .counter(ItemsCount::new(POINTS))
        .with_inputs(sums)
        .bench_local_values(|data| black_box(run(&mut *processor, data)));
}
