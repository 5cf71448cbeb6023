//! The stock Deployment configuration, unmodified: the real binary in the view of a pod, with the API
//! server of a recorded cluster, applications that send, and a backend around it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use kmagent::otlp::metrics::Data as Points;
use kmagent::otlp::{Attributes, InstrumentationScope, KeyValue, Resource};
use kmagent::pipeline::{Data, Signal};
use serde_yaml::Value;

use crate::k8s_cluster::{first_collection, recorded_at};
use crate::k8s_events::event;
use crate::least_privilege;
use crate::otlp_agent::{grpc_relay, post};
use crate::otlp_clients::{ITEMS, java, javascript, python};
use crate::support::agent::{Agent, command, wait_for};
use crate::support::collect::{Point, points, text};
use crate::support::data::{logs, metrics, traces};
use crate::support::kube::{FakeKube, PODS, Verb, eventually};
use crate::support::namespace;
use crate::support::sink::TestSink;

const STOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/stock-configs/deployment.yaml");

/// The ports that the configuration names.
const GRPC: u16 = 4317;
const HTTP: u16 = 4318;

/// The resource attribute by which the senders are told apart: each SDK sets it.
const SENDER: &str = "telemetry.sdk.language";

/// A pod of the recorded cluster, and what is known about it.
const POD: &str = "3e973a2c-8434-456e-8c56-31230ab6dbde";
const KNOWN: [(&str, &str); 4] = [
    ("k8s.pod.name", "frontend-7f95c5b857-7jhqj"),
    ("k8s.namespace.name", "shop"),
    ("k8s.deployment.name", "frontend"),
    ("k8s.cluster.name", "lab"),
];

const EVENTS: usize = 10;

#[test]
fn stock_deployment_configuration_runs_whole_on_a_recorded_cluster() {
    if !namespace::alone("stock_deployment::stock_deployment_configuration_runs_whole_on_a_recorded_cluster")
    {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (server, sink) = (recorded_at("127.0.0.1:443"), TestSink::new());
    namespace::write_account("good", &server.ca_pem());
    let mut start = command();
    start
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", "443")
        .env("KM_CLUSTER_NAME", "lab")
        .env("KM_API_KEY", "key")
        .env("KM_COLLECTOR_ENDPOINT", sink.url());
    let mut agent = Agent::start_unmodified(dir.path(), start, STOCK);
    agent.wait_ready();
    let watched = |path: &str| server.seen().iter().any(|seen| seen.verb == Verb::Watch && seen.path == path);
    eventually("pods and events are watched", || watched(PODS) && watched("/api/v1/events"));
    for n in 0..EVENTS {
        server.put("/api/v1/events", event(n));
    }
    let expected = send_all();
    // The stock batch waits ten seconds.
    wait_for("the cluster's metrics", || {
        all_points(&sink).iter().any(|point| point.metric == "k8s.deployment.available")
    });
    wait_for("every event", || events(&sink).values().sum::<usize>() >= EVENTS);
    agent.tell_memory("stock Deployment configuration");
    // What else is in batches arrives before the end.
    let (status, took) = agent.terminate();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");

    least_privilege::assert_granted("cluster", &server);
    assert_eq!(from_applications(&sink), expected);
    let told = events(&sink);
    let wanted: BTreeMap<String, usize> = (0..EVENTS).map(|n| (format!("message {n}"), 1)).collect();
    assert_eq!(told, wanted);
    assert_cluster(&server, &sink);
    let keys = sink.arrived(|arrived| arrived.header("authorization").map(str::to_owned));
    assert!(keys.iter().all(|key| key.as_deref() == Some("key")), "{keys:?}");
}

/// Items by signal, sender and protocol.
type Counts = BTreeMap<(String, String, String), usize>;

/// Sends all signals over both protocols as every client there is; what that must give at the sink.
fn send_all() -> Counts {
    let mut expected = Counts::new();
    let mut expect = |sender: &str, protocol: &str, items: [usize; 3]| {
        for (signal, items) in [Signal::Logs, Signal::Metrics, Signal::Traces].iter().zip(items) {
            expected.insert((signal.to_string(), sender.to_owned(), protocol.to_owned()), items);
        }
    };
    let dir = tempfile::tempdir().unwrap();
    let (relay, relay_port) = grpc_relay(dir.path(), GRPC);
    for (protocol, port) in [("http", HTTP), ("grpc", relay_port)] {
        for (path, mut data) in
            [("/v1/logs", logs(1..51)), ("/v1/metrics", metrics(1..41)), ("/v1/traces", traces(1..31))]
        {
            sign(&mut data, protocol);
            assert!(post(port, path, &data), "{protocol} {path}");
        }
        expect("raw", protocol, [50, 40, 30]);
    }
    assert!(relay.terminate().0.success());
    let scripts =
        [("python", python(HTTP, GRPC)), ("nodejs", javascript(HTTP, GRPC)), ("java", java(HTTP, GRPC))];
    for (sender, script) in scripts {
        let Some(mut script) = script else {
            println!("without {sender}: its SDK is not installed, tests/clients/README.md says how");
            continue;
        };
        run(sender, script.env("OTEL_RESOURCE_ATTRIBUTES", format!("k8s.pod.uid={POD}")));
        expect(sender, "http", [ITEMS; 3]);
        expect(sender, "grpc", [ITEMS; 3]);
    }
    expected
}

fn run(what: &str, script: &mut Command) {
    let output = script.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {text}");
}

/// Writes the pod into the resource, and the protocol into the scope as the SDKs' scripts do.
fn sign(data: &mut Data, protocol: &str) {
    let attributes = vec![KeyValue::fixed("k8s.pod.uid", POD), KeyValue::fixed(SENDER, "raw")];
    let resource = Some(Resource { attributes, ..Resource::default() });
    let scope = Some(InstrumentationScope { name: protocol.into(), ..InstrumentationScope::default() });
    match data {
        Data::Logs(all) => {
            all[0].resource = resource;
            all[0].scope_logs[0].scope = scope;
        }
        Data::Metrics(all) => {
            all[0].resource = resource;
            all[0].scope_metrics[0].scope = scope;
        }
        Data::Traces(all) => {
            all[0].resource = resource;
            all[0].scope_spans[0].scope = scope;
        }
    }
}

/// What the applications sent, counted; no item twice, and each with its pod's metadata.
fn from_applications(sink: &TestSink) -> Counts {
    let (mut counts, mut seen) = (Counts::new(), BTreeSet::new());
    let mut count =
        |signal: Signal, resource: &Option<Resource>, scope: &Option<InstrumentationScope>, item| {
            let Some(attributes) = resource.as_ref().map(|resource| &resource.attributes) else { return };
            let sender = text(attributes, SENDER);
            if sender.is_empty() {
                return;
            }
            if text(attributes, "k8s.pod.uid") == POD {
                for (key, value) in KNOWN {
                    assert_eq!(text(attributes, key), value, "{key} of {signal} by {sender}");
                }
            } else {
                // That SDK takes no resource from the environment.
                assert_eq!((sender, text(attributes, "k8s.cluster.name")), ("nodejs", "lab"));
            }
            let protocol = scope.as_ref().map(|scope| scope.name.clone()).unwrap_or_default();
            let key = (signal.to_string(), sender.to_owned(), protocol);
            assert!(seen.insert((key.clone(), item)), "twice: {key:?}");
            *counts.entry(key).or_default() += 1;
        };
    for data in sink.accepted() {
        let signal = data.signal();
        match data {
            Data::Logs(all) => {
                for resource in &all {
                    for scope in &resource.scope_logs {
                        for record in &scope.log_records {
                            count(signal, &resource.resource, &scope.scope, format!("{record:?}"));
                        }
                    }
                }
            }
            Data::Metrics(all) => {
                for resource in &all {
                    for scope in &resource.scope_metrics {
                        for point in
                            scope.metrics.iter().flat_map(|metric| number_points(metric.data.as_ref()))
                        {
                            count(signal, &resource.resource, &scope.scope, point);
                        }
                    }
                }
            }
            Data::Traces(all) => {
                for resource in &all {
                    for scope in &resource.scope_spans {
                        for span in &scope.spans {
                            count(signal, &resource.resource, &scope.scope, format!("{span:?}"));
                        }
                    }
                }
            }
        }
    }
    counts
}

fn number_points(data: Option<&Points>) -> Vec<String> {
    match data.unwrap() {
        Points::Gauge(gauge) => gauge.data_points.iter().map(|point| format!("{point:?}")).collect(),
        Points::Sum(sum) => sum.data_points.iter().map(|point| format!("{point:?}")).collect(),
        other => panic!("{other:?}"),
    }
}

/// How often each event arrived. Each has the cluster's name and a level.
fn events(sink: &TestSink) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for data in sink.accepted() {
        let Data::Logs(resources) = data else { continue };
        for resource in resources {
            let attributes = resource.resource.unwrap_or_default().attributes;
            if attributes.contains(SENDER) {
                continue;
            }
            for record in resource.scope_logs.into_iter().flat_map(|scope| scope.log_records) {
                assert_eq!(text(&attributes, "k8s.cluster.name"), "lab");
                assert!(!record.severity_text.is_empty(), "{record:?}");
                let body = record.body.as_ref().and_then(|body| body.as_str()).unwrap().to_owned();
                *counts.entry(body).or_default() += 1;
            }
        }
    }
    counts
}

fn all_points(sink: &TestSink) -> Vec<Point> {
    let metrics = sink.accepted().into_iter().filter_map(|data| match data {
        Data::Metrics(metrics) => Some(points(&metrics)),
        _ => None,
    });
    metrics.flatten().collect()
}

/// Every point of a collection arrived with its value, and nothing besides.
fn assert_cluster(server: &FakeKube, sink: &TestSink) {
    let stock: Value = serde_yaml::from_str(&std::fs::read_to_string(STOCK).unwrap()).unwrap();
    let receiver = serde_yaml::to_string(&stock["receivers"]["k8s_cluster"]).unwrap();
    let expected = first_collection(server, &receiver);
    let arrived: Vec<Point> =
        all_points(sink).into_iter().filter(|point| point.resource(SENDER).is_empty()).collect();
    assert!(expected.len() > 200, "{} points", expected.len());
    assert_eq!(arrived.len() % expected.len(), 0, "{} of {} points", arrived.len(), expected.len());
    for point in &expected {
        let same = |other: &&Point| {
            other.metric == point.metric
                && other.attributes == point.attributes
                && (other.value - point.value).abs() < 1e-9
                && point.resource.iter().all(|known| other.resource.iter().any(|a| a == known))
        };
        let found = arrived.iter().find(same).unwrap_or_else(|| panic!("{point:?} is missing"));
        assert_eq!(found.resource("k8s.cluster.name"), "lab", "{found:?}");
    }
}
