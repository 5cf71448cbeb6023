//! The stock DaemonSet configuration, unmodified, on a recorded node: the real binary with a kubelet,
//! an API server and a backend around it.
//!
//! It runs in a mount namespace of its own, where the node's logs, its service account and its name
//! are what the configuration expects. That takes root; without it there is nothing to check here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kmagent::otlp::metrics::{Data as Points, Number};
use kmagent::otlp::{Attributes, KeyValue};
use kmagent::pipeline::Data;

use crate::least_privilege;
use crate::support::agent::{Agent, command};
use crate::support::kube::{FakeKube, PODS, eventually};
use crate::support::sink::TestSink;

const STOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/stock-configs/daemonset.yaml");
const GOLDEN: &str = include_str!("fixtures/kube/stock-daemonset.golden.txt");

/// Pods of the recorded node whose containers write a line: directory below `/var/log/pods`, and
/// container.
const LOGS: [(&str, &str); 4] = [
    ("shop_frontend-7f95c5b857-7jhqj_3e973a2c-8434-456e-8c56-31230ab6dbde", "web"),
    ("payments_ledger-0_df518f3b-0fbf-4e9f-bca5-62993cd5f539", "db"),
    ("kube-system_node-exporter-8bhxg_5caef913-617a-4b54-b96b-0812b9b00c5d", "exporter"),
    ("payments_fx-rates-29922594-gdzgd_3c8491a2-40f3-4da9-a53e-f9349e7eecdf", "fetch"),
];

/// The kubelet and the API server of the recorded node, at a loopback address of its own because the
/// configuration names the kubelet's port.
fn node() -> FakeKube {
    let server = (0..200)
        .find_map(|n| {
            let pid = std::process::id();
            let [_, _, high, low] = pid.to_be_bytes();
            FakeKube::start_at(&format!("127.{}.{high}.{low}:10250", 10 + n)).ok()
        })
        .expect("one of two hundred addresses is free");
    server.page("/stats/summary", 200, include_str!("fixtures/kube/kubelet/stats-summary.json"));
    server.page("/pods", 200, include_str!("fixtures/kube/kubelet/pods.json"));
    server.load(PODS, include_str!("fixtures/kube/api/pods-on-node-a.json"));
    for (path, list) in [
        ("/api/v1/nodes", include_str!("fixtures/kube/api/nodes.json")),
        ("/api/v1/namespaces", include_str!("fixtures/kube/api/namespaces.json")),
        ("/api/v1/persistentvolumes", include_str!("fixtures/kube/api/persistentvolumes.json")),
        ("/api/v1/persistentvolumeclaims", include_str!("fixtures/kube/api/persistentvolumeclaims.json")),
        ("/apis/apps/v1/replicasets", include_str!("fixtures/kube/api/replicasets.json")),
        ("/apis/apps/v1/deployments", include_str!("fixtures/kube/api/deployments.json")),
        ("/apis/apps/v1/daemonsets", include_str!("fixtures/kube/api/daemonsets.json")),
        ("/apis/apps/v1/statefulsets", include_str!("fixtures/kube/api/statefulsets.json")),
        ("/apis/batch/v1/jobs", include_str!("fixtures/kube/api/jobs.json")),
        ("/apis/batch/v1/cronjobs", include_str!("fixtures/kube/api/cronjobs.json")),
    ] {
        server.load(path, list);
    }
    server
}

/// The command that starts the agent in a view of the file system as the node has it.
fn in_namespace(folder: &Path, server: &FakeKube, sink: &TestSink) -> Command {
    let account = folder.join("account");
    std::fs::create_dir_all(&account).unwrap();
    std::fs::write(account.join("token"), "good").unwrap();
    std::fs::write(account.join("ca.crt"), server.ca_pem()).unwrap();
    let hosts = folder.join("hosts");
    std::fs::write(&hosts, format!("127.0.0.1 localhost\n{} node-a\n", server.address.ip())).unwrap();
    let logs = folder.join("pods");
    for (pod, container) in LOGS {
        std::fs::create_dir_all(logs.join(pod).join(container)).unwrap();
        std::fs::write(logs.join(pod).join(container).join("0.log"), "").unwrap();
    }
    let script = format!(
        "mount -t tmpfs none /run && mount -t tmpfs none /var/log && \
         mkdir -p /run/secrets/kubernetes.io/serviceaccount /var/log/pods && \
         mount --bind {account} /run/secrets/kubernetes.io/serviceaccount && \
         mount --bind {logs} /var/log/pods && mount --bind {hosts} /etc/hosts && exec \"$0\" \"$@\"",
        account = account.display(),
        logs = logs.display(),
        hosts = hosts.display(),
    );
    let agent = command();
    let mut command = Command::new("unshare");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("KUBERNETES_SERVICE_HOST", server.address.ip().to_string())
        .env("KUBERNETES_SERVICE_PORT", server.address.port().to_string())
        .env("KM_NODE_NAME", "node-a")
        .env("KM_CLUSTER_NAME", "lab")
        .env("KM_API_KEY", "key")
        .env("KM_COLLECTOR_ENDPOINT", sink.url())
        .args(["-m", "sh", "-c", &script])
        .arg(agent.get_program());
    command
}

fn can_unshare() -> bool {
    Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "none", "/run"])
        .status()
        .is_ok_and(|s| s.success())
}

#[test]
fn stock_daemonset_configuration_runs_whole_on_a_recorded_node() {
    if !can_unshare() {
        eprintln!("skipped: a mount namespace takes root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (server, sink) = (node(), TestSink::new());
    let start = in_namespace(folder.path(), &server, &sink);
    // All that differs from a cluster: a free port, and no ten seconds' wait for a batch to fill.
    let mut agent = Agent::start_as(folder.path(), start, STOCK, &["processors.batch.timeout=200ms"]);
    agent.wait_ready();
    eventually("the node's figures are there", || !resources(&sink, "k8s.volume.name").is_empty());
    for (pod, container) in LOGS {
        write_lines(&folder.path().join("pods").join(pod).join(container).join("0.log"));
    }
    eventually("every container's line is there", || log_resources(&sink).len() >= LOGS.len());
    eventually("the host's figures are there", || has_metric(&sink, "system.memory.usage"));
    let found = render(&sink);
    if found != GOLDEN {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stock-daemonset.golden.txt");
        std::fs::write(&place, &found).unwrap();
        let differs = found.lines().zip(GOLDEN.lines()).find(|(found, golden)| found != golden);
        panic!("{} differs from the golden file, first at {differs:?}\n{}", place.display(), agent.log());
    }
    agent.tell_memory("stock DaemonSet configuration");
    let (status, took) = agent.terminate();
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}");
    least_privilege::assert_granted("node", &server);
}

fn write_lines(path: &PathBuf) {
    let mut file = std::fs::File::options().append(true).open(path).unwrap();
    for n in 0..2 {
        let time = format!("2026-11-22T13:57:5{n}.000000000Z");
        writeln!(
            file,
            r#"{time} stdout F {{"level":"warn","message":"line {n}","time":"2026-11-22T13:57:50Z"}}"#
        )
        .unwrap();
    }
}

/// All metrics that arrived: attributes of the resource with name, unit and values of each metric.
fn metrics(sink: &TestSink) -> Vec<(Vec<KeyValue>, String, Vec<String>)> {
    let mut all = Vec::new();
    for data in sink.accepted() {
        let Data::Metrics(resources) = data else { continue };
        for resource in resources {
            let attributes = resource.resource.unwrap_or_default().attributes;
            for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                let points = match metric.data.unwrap() {
                    Points::Gauge(gauge) => gauge.data_points,
                    Points::Sum(sum) => sum.data_points,
                    other => panic!("{other:?}"),
                };
                let values = points.iter().map(|point| {
                    let value = match point.value {
                        Some(Number::Int(value)) => value.to_string(),
                        Some(Number::Double(value)) => format!("{value:?}"),
                        None => "none".to_owned(),
                    };
                    let direction = point.attributes.get_str("direction").unwrap_or_default();
                    format!("{direction}{value}")
                });
                all.push((attributes.clone(), metric.name, values.collect()));
            }
        }
    }
    all
}

fn has_metric(sink: &TestSink, name: &str) -> bool {
    metrics(sink).iter().any(|(_, known, _)| known == name)
}

/// What of a resource is the same on every machine.
fn shown(attributes: &[KeyValue]) -> String {
    let ours: BTreeSet<_> = attributes
        .iter()
        .filter(|a| a.key.starts_with("k8s.") || a.key.starts_with("service.") || a.key == "container.id")
        .map(|a| format!("{}={}", a.key, a.value.as_str().unwrap_or("?")))
        .collect();
    ours.into_iter().collect::<Vec<_>>().join(" ")
}

fn resources(sink: &TestSink, key: &str) -> BTreeSet<String> {
    metrics(sink)
        .iter()
        .filter(|(attributes, _, _)| attributes.contains(key))
        .map(|(a, _, _)| shown(a))
        .collect()
}

/// The resource of each container that wrote, with the first line of each.
fn log_resources(sink: &TestSink) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for data in sink.accepted() {
        let Data::Logs(resources) = data else { continue };
        for resource in resources {
            let attributes = resource.resource.unwrap_or_default().attributes;
            for record in resource.scope_logs.into_iter().flat_map(|scope| scope.log_records) {
                let message = record.attributes.get_str("message").unwrap_or_default();
                if message == "line 0" {
                    let service = record.attributes.get_str("service.name").unwrap_or_default();
                    let line = format!("{message} {} service.name={service}", record.severity_text);
                    all.insert(shown(&attributes), line);
                }
            }
        }
    }
    all
}

/// One resource a line, then its metrics.
fn render(sink: &TestSink) -> String {
    let mut by_resource: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (attributes, name, values) in metrics(sink) {
        // Figures of the machine that runs this are not recorded, and rates come with time.
        if name.starts_with("system.") || name.starts_with("process.") || name.ends_with(".rate") {
            continue;
        }
        by_resource.entry(shown(&attributes)).or_default().entry(name).or_insert_with(|| values.join(" "));
    }
    let mut text = String::new();
    for (resource, metrics) in by_resource {
        let _ = writeln!(text, "{resource}");
        for (name, values) in metrics {
            let _ = writeln!(text, "  {name} {values}");
        }
    }
    for (resource, line) in log_resources(sink) {
        let _ = writeln!(text, "{resource}\n  {line}");
    }
    text
}
