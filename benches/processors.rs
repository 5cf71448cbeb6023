//! Speed of the processors of the stock node configuration on one core, in items a second, and of the
//! connector that counts spans. Each bench checks what comes out before it measures. The floor is
//! 2,000,000 data points a second, for the whole chain of a host scrape 3 ms.

use std::sync::Arc;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use kmagent::component::{Connector, ConnectorOutputs, Context, NoHost, Processor};
use kmagent::config::{Decoder, Node, from_yaml};
use kmagent::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use kmagent::otlp::metrics::{
    Data as MetricData, Gauge, Metric, Number, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    Temporality,
};
use kmagent::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use kmagent::otlp::{KeyValue, Resource};
use kmagent::pipeline::{Ack, Batch, Data, Signal, Stop};
use kmagent::receivers::hostmetrics::{HostMetricsConfig, Paths};
use kmagent::receivers::scraper::SystemClock;
use kmagent::telemetry::{StatusBoard, Telemetry};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    divan::main();
}

const POINTS: usize = 2000;
const RECORDS: usize = 1000;

/// The processor of that type and section, as the agent builds it.
fn processor(name: &str, section: &str, signal: Signal) -> Box<dyn Processor> {
    let kind =
        kmagent::processors::TYPES.iter().find(|kind| kind.name == name).expect("a type of this build");
    let node: Node = from_yaml(section).expect("the section is YAML");
    let mut decoder = Decoder::new(&node);
    let config = (kind.decode)(&mut decoder).expect("the section is valid");
    config.build(context(name), signal).expect("the section is valid")
}

fn context(name: &str) -> Context {
    Context {
        id: format!("{name}/bench").parse().expect("a valid id"),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle("processor:bench"),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    }
}

/// The stock configuration of a node.
fn daemonset() -> serde_yaml::Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/stock/daemonset.yaml");
    let text = std::fs::read_to_string(path).expect("the fixture is there");
    serde_yaml::from_str(&text).expect("the fixture is YAML")
}

/// The stock section of that id.
fn stock(id: &str, signal: Signal) -> Box<dyn Processor> {
    let all = daemonset();
    let section = serde_yaml::to_string(&all["processors"][id]).expect("it was YAML");
    let section = section.replace("${env:KM_CLUSTER_NAME}", "bench").replace("${env:KM_NODE_NAME}", "node-1");
    processor(id.split('/').next().expect("a type"), &section, signal)
}

fn resource(n: usize) -> Option<Resource> {
    Some(Resource {
        attributes: vec![
            KeyValue::fixed("host.name", "ip-10-0-12-34.eu-west-1.compute.internal"),
            KeyValue::fixed("os.type", "linux"),
            KeyValue::fixed("k8s.node.name", "ip-10-0-12-34.eu-west-1.compute.internal"),
            KeyValue::fixed("k8s.pod.uid", format!("9b1e0d5c-7c0e-4d5a-8a0e-{n:012}")),
        ],
        ..Resource::default()
    })
}

fn batch_of(metrics: Vec<Metric>) -> Data {
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    Data::Metrics(vec![ResourceMetrics {
        resource: resource(1),
        scope_metrics,
        ..ResourceMetrics::default()
    }])
}

/// Disk and network counters of a host, as hostmetrics makes them, at a time in seconds.
fn counters(names: &[&str], temporality: Temporality, seconds: u64) -> Data {
    let per_metric = POINTS / names.len();
    let metric = |name: &&str| Metric {
        name: (*name).into(),
        unit: "By".into(),
        data: Some(MetricData::Sum(Sum {
            data_points: (0..per_metric)
                .map(|n| NumberDataPoint {
                    attributes: vec![
                        KeyValue::fixed("device", format!("nvme{}n1", n / 2)),
                        KeyValue::fixed("direction", if n % 2 == 0 { "read" } else { "write" }),
                    ],
                    start_time_unix_nano: 1_000_000_000,
                    time_unix_nano: seconds * 1_000_000_000,
                    value: Some(Number::Int((seconds * 1000 + n as u64) as i64)),
                    ..NumberDataPoint::default()
                })
                .collect(),
            aggregation_temporality: temporality as i32,
            is_monotonic: true,
        })),
        ..Metric::default()
    };
    batch_of(names.iter().map(metric).collect())
}

/// Memory utilization by state, and as many other metrics as a host has beside it.
fn memory() -> Data {
    let states =
        ["used", "cached", "free", "buffered", "slab_reclaimable", "slab_unreclaimable", "inactive", "other"];
    let metric = |n: usize| Metric {
        name: if n.is_multiple_of(10) {
            "system.memory.utilization".into()
        } else {
            format!("system.cpu.metric.{n}")
        },
        unit: "1".into(),
        data: Some(MetricData::Gauge(Gauge {
            data_points: states
                .iter()
                .map(|state| NumberDataPoint {
                    attributes: vec![KeyValue::fixed("state", *state), KeyValue::fixed("os.type", "linux")],
                    time_unix_nano: 1_000_000_000,
                    value: Some(Number::Double(0.125)),
                    ..NumberDataPoint::default()
                })
                .collect(),
        })),
        ..Metric::default()
    };
    batch_of((0..POINTS / states.len()).map(metric).collect())
}

/// Lines of ten pods, in the order they were read.
fn lines() -> Data {
    let group = |n: usize| ResourceLogs {
        resource: resource(n % 10),
        scope_logs: vec![ScopeLogs {
            log_records: (0..RECORDS / 100)
                .map(|line| LogRecord {
                    time_unix_nano: 1_700_000_000_000_000_000,
                    body: Some(
                        format!("GET /api/v1/items/{line} 200 12ms user=4711 region=eu-west-1").into(),
                    ),
                    attributes: vec![
                        KeyValue::fixed("log.iostream", "stdout"),
                        KeyValue::fixed(
                            "log.file.path",
                            "/var/log/pods/default_web-7d4b9c6f5-x2x9v_uid/web/0.log",
                        ),
                    ],
                    ..LogRecord::default()
                })
                .collect(),
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    };
    Data::Logs((0..100).map(group).collect())
}

fn run(processor: &mut dyn Processor, data: Data) -> usize {
    let mut items = 0;
    processor.process(Batch::new(data, Ack::none()), &mut |batch: Batch| items += batch.items());
    items
}

/// Measures a processor that takes what `input` makes and hands `out` items on.
fn measure(bencher: Bencher, mut processor: Box<dyn Processor>, input: fn() -> Data, out: usize) {
    assert_eq!(run(processor.as_mut(), input()), out);
    let processor = std::sync::Mutex::new(processor);
    bencher.counter(ItemsCount::new(input().items())).with_inputs(input).bench_values(|data| {
        let mut processor = processor.lock().expect("one thread");
        black_box(run(processor.as_mut(), data))
    });
}

const SELECTED: [&str; 2] = ["system.network.io", "system.disk.io"];

fn totals() -> Data {
    use std::sync::atomic::{AtomicU64, Ordering};
    static SECONDS: AtomicU64 = AtomicU64::new(10);
    counters(&SELECTED, Temporality::Cumulative, SECONDS.fetch_add(10, Ordering::Relaxed))
}

fn deltas() -> Data {
    counters(&SELECTED, Temporality::Delta, 10)
}

#[divan::bench]
fn attributes_metrics(bencher: Bencher) {
    measure(bencher, stock("attributes/metrics", Signal::Metrics), deltas, POINTS);
}

#[divan::bench]
fn attributes_logs_without_a_change(bencher: Bencher) {
    measure(bencher, stock("attributes/logs", Signal::Metrics), deltas, POINTS);
}

#[divan::bench]
fn metricstransform_system(bencher: Bencher) {
    // Of each of the 25 utilizations a copy, without the five states that are merged or deleted.
    measure(bencher, stock("metricstransform/system", Signal::Metrics), memory, POINTS + 25 * 3);
}

#[divan::bench]
fn cumulativetodelta(bencher: Bencher) {
    let mut processor = stock("cumulativetodelta", Signal::Metrics);
    // The first totals are remembered, the next ones become deltas.
    assert_eq!(run(processor.as_mut(), totals()), 0);
    measure(bencher, processor, totals, POINTS);
}

#[divan::bench]
fn deltatorate(bencher: Bencher) {
    measure(bencher, stock("deltatorate", Signal::Metrics), deltas, POINTS);
}

#[divan::bench]
fn resource_of_logs(bencher: Bencher) {
    measure(bencher, stock("resource", Signal::Logs), lines, RECORDS);
}

#[divan::bench]
fn groupbyattrs_filelog(bencher: Bencher) {
    measure(bencher, stock("groupbyattrs/filelog", Signal::Logs), lines, RECORDS);
}

#[divan::bench]
fn batch_of_logs(bencher: Bencher) {
    // Every tenth batch hands on ten; the others nothing.
    let mut processor = stock("batch", Signal::Logs);
    let out: usize = (0..10).map(|_| run(processor.as_mut(), lines())).sum();
    assert_eq!(out, 10 * RECORDS);
    let processor = std::sync::Mutex::new(processor);
    bencher.counter(ItemsCount::new(RECORDS)).with_inputs(lines).bench_values(|data| {
        let mut processor = processor.lock().expect("one thread");
        black_box(run(processor.as_mut(), data))
    });
}

#[divan::bench]
fn redaction_of_logs(bencher: Bencher) {
    let section =
        "{allow_all_keys: true, blocked_values: ['user=\\d+'], blocked_key_patterns: ['.*password.*']}";
    measure(bencher, processor("redaction", section, Signal::Logs), lines, RECORDS);
}

/// One scrape of this host by the stock receiver, all its processes included.
fn scrape() -> Data {
    let own = serde_yaml::to_string(&daemonset()["receivers"]["hostmetrics"]).expect("it was YAML");
    let config: HostMetricsConfig = from_yaml(&own).expect("the section is valid");
    let paths = Paths::resolve("", |_| None).expect("this is the host");
    let scraping = config.scraping(paths, Arc::new(SystemClock), context("hostmetrics"));
    Data::Metrics(scraping.expect("it can be built").scrape(&Stop::never()))
}

/// The chain of `metrics/hostmetrics`; without a cluster, k8sattributes has nothing to add to a host.
#[divan::bench]
fn whole_chain_of_a_host_scrape(bencher: Bencher) {
    let all = daemonset();
    let ids = &all["service"]["pipelines"]["metrics/hostmetrics"]["processors"];
    let mut chain: Vec<Box<dyn Processor>> = Vec::new();
    for id in ids.as_sequence().expect("a list") {
        chain.push(match id.as_str().expect("an id") {
            "k8sattributes" => processor("k8sattributes", "passthrough: true", Signal::Metrics),
            id => stock(id, Signal::Metrics),
        });
    }
    let mut through = move |data: Data| {
        let mut batches = vec![Batch::new(data, Ack::none())];
        for processor in &mut chain {
            let mut out = Vec::new();
            for batch in batches {
                processor.process(batch, &mut |batch| out.push(batch));
            }
            processor.flush(&mut |batch| out.push(batch));
            batches = out;
        }
        batches.iter().map(Batch::items).sum::<usize>()
    };
    let data = scrape();
    assert!(data.items() > 500, "{} points", data.items());
    assert!(through(data.clone()) > data.items() - 100);
    let through = std::sync::Mutex::new(through);
    bencher.counter(ItemsCount::new(data.items())).with_inputs(|| data.clone()).bench_values(|data| {
        let mut through = through.lock().expect("one thread");
        black_box(through(data))
    });
}

const SPANS: usize = 1000;

/// Spans of twenty operations of one service.
fn spans() -> Data {
    let span = |n: usize| Span {
        trace_id: vec![1 + (n % 250) as u8; 16],
        span_id: vec![1; 8],
        name: format!("GET /api/v1/items/{}", n % 20),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_000_000_000 + n as u64 * 100_000,
        attributes: vec![
            KeyValue::fixed("http.request.method", "GET"),
            KeyValue::fixed("http.route", "/api/v1/items/{id}"),
            KeyValue::fixed("http.response.status_code", 200 + (n % 3) as i64),
        ],
        ..Span::default()
    };
    let mut resource = resource(1).unwrap_or_default();
    resource.attributes.push(KeyValue::fixed("service.name", "shop"));
    let scope_spans = vec![ScopeSpans { spans: (0..SPANS).map(span).collect(), ..ScopeSpans::default() }];
    Data::Traces(vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }])
}

/// The connector `spanmetrics` with three more dimensions.
fn span_metrics(histogram: &str) -> Box<dyn Connector> {
    let kind = kmagent::connectors::TYPES.iter().find(|kind| kind.name == "spanmetrics").expect("a type");
    let section = format!(
        "{{histogram: {{{histogram}: }}, dimensions: [{{name: http.route}}, {{name: http.response.status_code}}, {{name: k8s.node.name}}]}}"
    );
    let node: Node = from_yaml(&section).expect("the section is YAML");
    let config = (kind.decode)(&mut Decoder::new(&node)).expect("the section is valid");
    config.build(context("spanmetrics")).expect("the section is valid")
}

#[divan::bench(args = ["explicit", "exponential"])]
fn spanmetrics(bencher: Bencher, histogram: &str) {
    let connector = std::sync::Mutex::new(span_metrics(histogram));
    let outputs = ConnectorOutputs::default();
    bencher.counter(ItemsCount::new(SPANS)).with_inputs(spans).bench_values(|data| {
        connector.lock().expect("one thread").process(Batch::new(data, Ack::none()), &outputs);
    });
}
