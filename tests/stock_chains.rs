//! The processors of both stock configurations, chained as there, on recorded data: what a node's
//! `/proc`, its kubelet and its containers' logs become is pinned in a golden file each.
//! `UPDATE_GOLDEN=1 cargo test --test promises stock_chains::` writes them anew: look at the
//! difference before it is committed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use kmagent::component::Processor;
use kmagent::config::{Decoder, Node, from_yaml};
use kmagent::kube::Namespaces;
use kmagent::otlp::logs::ResourceLogs;
use kmagent::otlp::metrics::{Data as MetricData, Metric, Number, ResourceMetrics};
use kmagent::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use kmagent::otlp::{AnyValue, Attributes, KeyValue, Resource};
use kmagent::pipeline::{Ack, Batch, Consumer, Data, Output, Outputs, Rejected, Signal, Stop, StopSource};
use kmagent::processors::k8sattributes::{K8sAttributesConfig, Metadata, processor};
use kmagent::receivers::hostmetrics::{HostMetricsConfig, Paths};
use kmagent::receivers::kubeletstats::{KubeletSource, KubeletStatsConfig};
use kmagent::receivers::scraper::Clock;
use kmagent::telemetry::StatusBoard;
use serde_yaml::Value;

use crate::support::data::context;
use crate::support::kube::{FakeKube, PODS, eventually};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
/// 2026-11-22T13:57:50Z, when the data was recorded.
const NOW: u64 = 1_795_355_870;

// ---------------------------------------------------------------- the configurations

/// A stock configuration with the variables that the product sets.
fn stock(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("{FIXTURES}/stock/{name}.yaml")).unwrap();
    let text = [
        ("${env:KM_CLUSTER_NAME}", "test-cluster"),
        ("${env:KM_NODE_NAME}", "node-a"),
        ("${env:KM_AGENT_VERSION}", "1.0.0"),
        ("${env:KM_XLOG_PATHS:-/___no_exclude___}", "/___no_exclude___"),
        // Times that name no zone are the host's: the golden file is of UTC.
        (
            "layout: '2006-01-02 15:04:05.999999999'",
            "layout: '2006-01-02 15:04:05.999999999'\n        location: UTC",
        ),
    ]
    .iter()
    .fold(text, |text, (variable, value)| text.replace(variable, value));
    serde_yaml::from_str(&text).unwrap()
}

fn decode<T: serde::de::DeserializeOwned>(section: &Value) -> T {
    from_yaml(&serde_yaml::to_string(section).unwrap()).unwrap()
}

/// The processors of a pipeline, in their order.
fn chain(config: &Value, pipeline: &str, cluster: &FakeKube) -> Vec<Box<dyn Processor>> {
    let ids = config["service"]["pipelines"][pipeline]["processors"].as_sequence().unwrap();
    let signal = Signal::ALL.into_iter().find(|signal| pipeline.starts_with(signal.name())).unwrap();
    ids.iter().map(|id| build(config, id.as_str().unwrap(), signal, cluster)).collect()
}

fn build(config: &Value, id: &str, signal: Signal, cluster: &FakeKube) -> Box<dyn Processor> {
    let own = &config["processors"][id];
    let context = context(id, Stop::never(), &StatusBoard::default());
    if id == "k8sattributes" {
        let config: K8sAttributesConfig = decode(own);
        let metadata = Metadata::start(
            &config,
            Some("node-a"),
            &Namespaces::default(),
            &cluster.client(),
            &context.telemetry,
        )
        .unwrap();
        return processor(&config, Arc::new(metadata), context);
    }
    let name = id.split('/').next().unwrap();
    let kind = kmagent::processors::TYPES.iter().find(|kind| kind.name == name).unwrap();
    let node: Node = decode(own);
    let mut decoder = Decoder::new(&node);
    let config = (kind.decode)(&mut decoder).unwrap_or_else(|| panic!("{id}: {:?}", decoder.found()));
    config.build(context, signal).unwrap()
}

/// What comes out at the end, with everything flushed.
fn run(chain: &mut [Box<dyn Processor>], data: Data) -> Data {
    let mut batches = vec![Batch::new(data, Ack::none())];
    for processor in chain {
        let mut out = Vec::new();
        for batch in batches {
            processor.process(batch, &mut |batch| out.push(batch));
        }
        processor.flush(&mut |batch| out.push(batch));
        batches = out;
    }
    assert_eq!(batches.len(), 1, "the batch processor gathers all");
    batches.remove(0).into_parts().0
}

// ---------------------------------------------------------------- the recorded data

fn cluster() -> FakeKube {
    let server = FakeKube::start();
    for (path, list) in [
        (PODS, include_str!("fixtures/kube/api/pods-on-node-a.json")),
        ("/api/v1/namespaces", include_str!("fixtures/kube/api/namespaces.json")),
        ("/api/v1/nodes", include_str!("fixtures/kube/api/nodes.json")),
        ("/apis/apps/v1/replicasets", include_str!("fixtures/kube/api/replicasets.json")),
        ("/apis/apps/v1/deployments", include_str!("fixtures/kube/api/deployments.json")),
        ("/apis/batch/v1/jobs", include_str!("fixtures/kube/api/jobs.json")),
        ("/api/v1/persistentvolumes", include_str!("fixtures/kube/api/persistentvolumes.json")),
        ("/api/v1/persistentvolumeclaims", include_str!("fixtures/kube/api/persistentvolumeclaims.json")),
    ] {
        server.load(path, list);
    }
    server.page("/stats/summary", 200, include_str!("fixtures/kube/kubelet/stats-summary.json"));
    server.page("/pods", 200, include_str!("fixtures/kube/kubelet/pods.json"));
    server
}

/// The time of the recording.
struct Recorded(Instant);

impl Clock for Recorded {
    fn monotonic(&self) -> Instant {
        self.0
    }
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
    }
    fn wait(&self, _: Instant, stop: &Stop) -> bool {
        stop.is_raised()
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(Recorded(Instant::now()))
}

/// A scrape of recorded `/proc` files; filesystems, which no file tells, are left out.
fn host(config: &Value) -> Data {
    let mut own = config["receivers"]["hostmetrics"].clone();
    own["scrapers"].as_mapping_mut().unwrap().remove("filesystem");
    let config: HostMetricsConfig = decode(&own);
    let paths = Paths::resolve(&format!("{FIXTURES}/proc/healthy"), |_| None).unwrap();
    let context = context("hostmetrics", Stop::never(), &StatusBoard::default());
    Data::Metrics(config.scraping(paths, clock(), context).unwrap().scrape(&Stop::never()))
}

/// The scrape after that: ten seconds later, all totals higher.
fn ten_seconds_later(data: &Data) -> Data {
    let mut data = data.clone();
    let Data::Metrics(all) = &mut data else { panic!("metrics") };
    for metric in all.iter_mut().flat_map(|r| &mut r.scope_metrics).flat_map(|s| &mut s.metrics) {
        let (points, grows) = match metric.data.as_mut().unwrap() {
            MetricData::Gauge(gauge) => (&mut gauge.data_points, false),
            MetricData::Sum(sum) => (&mut sum.data_points, sum.is_monotonic),
            other => panic!("{other:?}"),
        };
        for (n, point) in points.iter_mut().enumerate() {
            point.time_unix_nano += 10_000_000_000;
            point.value = match point.value.unwrap() {
                Number::Int(value) if grows => Some(Number::Int(value + 100 * (n as i64 + 1))),
                Number::Double(value) if grows => Some(Number::Double(value + 0.5)),
                value => Some(value),
            };
        }
    }
    data
}

fn kubelet(config: &Value, server: &FakeKube) -> Data {
    let mut own = config["receivers"]["kubeletstats"].clone();
    own["node"] = "node-a".into();
    let config: KubeletStatsConfig = decode(&own);
    let client = server.client();
    let source = KubeletSource::with_clients(&config, &client, Some(&client), "1.0.0");
    let context = context("kubeletstats", Stop::never(), &StatusBoard::default());
    Data::Metrics(config.scraping(source, clock(), context).scrape(&Stop::never()))
}

/// Pods whose logs are read, and how many records the stock operators make of each file.
const LOGS: [(&str, usize); 5] = [
    ("kube-system_coredns-7cf669f5d8-khrrp_a7e65bb6-6a7b-4f4b-a33c-ba01a9ea5125", 1),
    ("logs-lab_edge-cases_350daf86-1e49-4204-a044-71ea89221443", 3),
    ("payments_ledger-0_df518f3b-0fbf-4e9f-bca5-62993cd5f539", 69),
    ("payments_settlement-0-4c7lr_913b22f5-7a9a-421f-be53-cb02fde18454", 1),
    ("shop_legacy-banner-8nsg9_393f4b31-9ac0-4358-ae4a-273624745d24", 1),
];

#[derive(Default)]
struct Collected(Mutex<Vec<ResourceLogs>>);

impl Collected {
    fn items(&self) -> usize {
        let all = self.0.lock().unwrap();
        all.iter().flat_map(|r| &r.scope_logs).map(|s| s.log_records.len()).sum()
    }
}

impl Consumer for Collected {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        let Data::Logs(logs) = batch.into_parts().0 else { panic!("logs") };
        self.0.lock().unwrap().extend(logs);
        Ok(())
    }
    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.consume(batch)
    }
}

/// What the stock receiver makes of the recorded files, by file; the time of reading is taken out.
fn containers(config: &Value) -> Data {
    let at = Path::new(FIXTURES).canonicalize().unwrap().join("k8s-logs");
    let mut own = config["receivers"]["filelog/containers"].clone();
    let include: Vec<Value> =
        LOGS.iter().map(|(pod, _)| format!("{}/pods/{pod}/*/*.log", at.display()).into()).collect();
    own["include"] = include.into();
    own["start_at"] = "beginning".into();
    own["poll_interval"] = "50ms".into();
    let node: Node = decode(&own);
    let kind = kmagent::receivers::TYPES.iter().find(|kind| kind.is_called("filelog")).unwrap();
    let mut decoder = Decoder::new(&node);
    let config = (kind.decode)(&mut decoder).unwrap_or_else(|| panic!("{:?}", decoder.found()));
    let receiver = config.build(context("filelog", Stop::never(), &StatusBoard::default())).unwrap();
    let collected = Arc::new(Collected::default());
    let mut outputs = Outputs::default();
    outputs.set(Signal::Logs, Output::new(vec![collected.clone()]));
    let stop = StopSource::new();
    let stopped = stop.stop();
    let thread = std::thread::spawn(move || receiver.run(outputs, stopped));
    // The last record of each file is held back until it is clear that it is the last.
    let all: usize = LOGS.iter().map(|(_, records)| records).sum();
    eventually("all but the last record of each file", || collected.items() >= all - LOGS.len());
    stop.raise();
    thread.join().unwrap().unwrap();
    assert_eq!(collected.items(), all);
    let mut logs = std::mem::take(&mut *collected.0.lock().unwrap());
    for record in logs.iter_mut().flat_map(|r| &mut r.scope_logs).flat_map(|s| &mut s.log_records) {
        record.observed_time_unix_nano = 0;
        for entry in &mut record.attributes {
            if let AnyValue::String(text) = &mut entry.value {
                *text = text.replace(&*at.to_string_lossy(), "/var/log").into();
            }
        }
    }
    logs.sort_by_key(file_of);
    Data::Logs(logs)
}

fn file_of(logs: &ResourceLogs) -> (String, u64) {
    let record = &logs.scope_logs[0].log_records[0];
    (record.attributes.get_str("log.file.path").unwrap().to_owned(), record.time_unix_nano)
}

// ---------------------------------------------------------------- what comes out, as text

/// Values of the machine that the test runs on.
const OF_THIS_MACHINE: [&str; 3] = ["host.name", "host.id", "host.ip"];

fn shown(attributes: &[KeyValue]) -> String {
    let mut pairs: Vec<String> = attributes
        .iter()
        .map(|entry| match OF_THIS_MACHINE.contains(&entry.key.as_str()) {
            true => format!("{}=…", entry.key),
            false => format!("{}={}", entry.key, value(&entry.value)),
        })
        .collect();
    pairs.sort();
    pairs.join(" ")
}

fn value(value: &AnyValue) -> String {
    match value {
        AnyValue::String(text) => format!("{text:?}"),
        AnyValue::Array(items) => {
            format!("[{}]", items.iter().map(self::value).collect::<Vec<_>>().join(", "))
        }
        AnyValue::Map(entries) => format!("{{{}}}", shown(entries)),
        AnyValue::Empty => "nil".to_owned(),
        AnyValue::Bool(value) => value.to_string(),
        AnyValue::Int(value) => value.to_string(),
        AnyValue::Double(value) => format!("{value:?}"),
        AnyValue::Bytes(bytes) => format!("{bytes:?}"),
    }
}

fn about(resource: Option<&Resource>, out: &mut String) {
    let _ = writeln!(out, "{}", resource.map_or_else(String::new, |resource| shown(&resource.attributes)));
}

/// Long texts by their beginning.
fn cut(text: &str) -> String {
    const SHOWN: usize = 160;
    text.chars().take(SHOWN).collect::<String>() + if text.chars().count() > SHOWN { "…" } else { "" }
}

fn metric_lines(metric: &Metric) -> Vec<String> {
    let (kind, points) = match metric.data.as_ref().unwrap() {
        MetricData::Gauge(gauge) => ("gauge".to_owned(), &gauge.data_points),
        MetricData::Sum(sum) => {
            let kind = format!("sum/{}/{}", sum.aggregation_temporality, sum.is_monotonic);
            (kind, &sum.data_points)
        }
        other => panic!("{other:?}"),
    };
    let line = |p: &kmagent::otlp::metrics::NumberDataPoint| {
        let value = match p.value.unwrap() {
            Number::Int(value) => value.to_string(),
            Number::Double(value) => format!("{value:?}"),
        };
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let (start, time) = (seconds(p.start_time_unix_nano), seconds(p.time_unix_nano) - NOW as f64);
        let (name, unit) = (&metric.name, &metric.unit);
        format!("  {name} {kind} {unit} {value} {start}..{time:+} {}", shown(&p.attributes))
    };
    points.iter().map(line).collect()
}

/// A line a record, point or span; what has no order is sorted.
fn rendered(data: &Data) -> String {
    let mut out = String::new();
    match data {
        Data::Logs(all) => {
            for logs in all {
                about(logs.resource.as_ref(), &mut out);
                for record in logs.scope_logs.iter().flat_map(|scope| &scope.log_records) {
                    let body = record.body.as_ref().map_or_else(String::new, value);
                    let (number, text) = (record.severity_number, &record.severity_text);
                    let (time, attributes) = (record.time_unix_nano, shown(&record.attributes));
                    let _ = writeln!(out, "  {time} {number} {text} {} {attributes}", cut(&body));
                }
            }
        }
        Data::Metrics(all) => {
            for metrics in all {
                about(metrics.resource.as_ref(), &mut out);
                let scopes = metrics.scope_metrics.iter();
                let mut lines: Vec<String> = scopes.flat_map(|s| &s.metrics).flat_map(metric_lines).collect();
                lines.sort();
                lines.iter().for_each(|line| _ = writeln!(out, "{line}"));
            }
        }
        Data::Traces(all) => {
            for traces in all {
                about(traces.resource.as_ref(), &mut out);
                for span in traces.scope_spans.iter().flat_map(|scope| &scope.spans) {
                    let _ = writeln!(out, "  {} {}", span.name, shown(&span.attributes));
                }
            }
        }
    }
    out
}

/// Only what the resources are called: for metrics whose points no processor of the chain looks at.
fn resources(data: &Data) -> String {
    let Data::Metrics(all) = data else { panic!("metrics") };
    let mut out = String::new();
    for metrics in all {
        about(metrics.resource.as_ref(), &mut out);
        let _ = writeln!(out, "  {} metrics", count(metrics));
    }
    out
}

fn count(metrics: &ResourceMetrics) -> usize {
    metrics.scope_metrics.iter().map(|scope| scope.metrics.len()).sum()
}

#[track_caller]
fn assert_golden(name: &str, found: &str) {
    let path = PathBuf::from(format!("{FIXTURES}/stock-chains/{name}.golden"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (n, (found, wanted)) in found.lines().zip(golden.lines()).enumerate() {
        assert_eq!(found, wanted, "line {} of {}", n + 1, path.display());
    }
    assert_eq!(found.lines().count(), golden.lines().count(), "{}", path.display());
}

// ---------------------------------------------------------------- the promises

#[test]
fn a_host_scrape_becomes_what_the_golden_file_says() {
    let (config, cluster) = (stock("daemonset"), cluster());
    let mut chain = chain(&config, "metrics/hostmetrics", &cluster);
    let first = host(&config);
    let second = ten_seconds_later(&first);
    let out = [run(&mut chain, first), run(&mut chain, second)].map(|data| rendered(&data));
    assert_golden("metrics-hostmetrics", &out.join("\n--- ten seconds later\n"));
}

#[test]
fn a_kubelet_scrape_becomes_what_the_golden_file_says() {
    let (config, cluster) = (stock("daemonset"), cluster());
    let mut chain = chain(&config, "metrics/kubeletstats", &cluster);
    assert_golden("metrics-kubeletstats", &rendered(&run(&mut chain, kubelet(&config, &cluster))));
}

#[test]
fn the_logs_of_containers_become_what_the_golden_file_says() {
    let (config, cluster) = (stock("daemonset"), cluster());
    let mut chain = chain(&config, "logs/containers", &cluster);
    assert_golden("logs-containers", &rendered(&run(&mut chain, containers(&config))));
}

#[test]
fn the_chains_of_the_deployment_give_what_the_golden_files_say() {
    let (daemonset, deployment, cluster) = (stock("daemonset"), stock("deployment"), cluster());
    let through = |pipeline: &str, data: Data| run(&mut chain(&deployment, pipeline, &cluster), data);
    let mut logs = containers(&daemonset);
    assert_golden("logs-otlp", &rendered(&through("logs/otlp", logs.clone())));
    // Events come without a severity: it is found in the text.
    let Data::Logs(all) = &mut logs else { panic!("logs") };
    for record in all.iter_mut().flat_map(|r| &mut r.scope_logs).flat_map(|s| &mut s.log_records) {
        (record.severity_number, record.severity_text) = (0, String::new());
        record.attributes.take("log_level");
    }
    assert_golden("logs-k8s_events", &rendered(&through("logs/k8s_events", logs)));
    for pipeline in ["metrics/k8s_cluster", "metrics/otlp"] {
        let out = through(pipeline, kubelet(&daemonset, &cluster));
        assert_golden(&pipeline.replace('/', "-"), &resources(&out));
    }
    let spans = |uid: &str, name: &str| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![KeyValue::fixed("k8s.pod.uid", uid), KeyValue::fixed("service.name", "s")],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            spans: vec![Span { name: name.into(), ..Span::default() }],
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    };
    let traces = Data::Traces(vec![
        spans("a7e65bb6-6a7b-4f4b-a33c-ba01a9ea5125", "known"),
        spans("00000000-0000-0000-0000-000000000000", "unknown"),
    ]);
    assert_golden("traces-otlp", &rendered(&through("traces/otlp", traces)));
}
