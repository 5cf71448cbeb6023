//! `k8s_cluster` against a recorded cluster: every metric of every kind, who may see what, chunks,
//! entity events.

use std::collections::BTreeSet;

use kmagent::config::from_yaml;
use kmagent::kube::Namespaces;
use kmagent::otlp::{AnyValue, Attributes};
use kmagent::pipeline::{Data, Signal, Stop};
use kmagent::receivers::k8s_cluster::K8sClusterConfig;
use kmagent::telemetry::{ComponentState, StatusBoard};
use serde_json::{Value, json};

use crate::support::agent::{Agent, command, wait_for};
use crate::support::collect::{Collected, Point, Running, text};
use crate::support::data::context;
use crate::support::kube::{FakeKube, PODS, Verb, pod};
use crate::support::namespace;
use crate::support::sink::TestSink;

const NODES: &str = "/api/v1/nodes";

fn recorded() -> FakeKube {
    recorded_at("127.0.0.1:0")
}

/// A server with everything that was recorded.
pub fn recorded_at(address: &str) -> FakeKube {
    let server = FakeKube::start_at(address).unwrap();
    for (path, list) in [
        (PODS, include_str!("fixtures/kube/api/pods.json")),
        (NODES, include_str!("fixtures/kube/api/nodes.json")),
        ("/api/v1/namespaces", include_str!("fixtures/kube/api/namespaces.json")),
        ("/api/v1/services", include_str!("fixtures/kube/api/services.json")),
        ("/api/v1/resourcequotas", include_str!("fixtures/kube/api/resourcequotas.json")),
        ("/api/v1/replicationcontrollers", include_str!("fixtures/kube/api/replicationcontrollers.json")),
        ("/api/v1/persistentvolumes", include_str!("fixtures/kube/api/persistentvolumes.json")),
        ("/api/v1/persistentvolumeclaims", include_str!("fixtures/kube/api/persistentvolumeclaims.json")),
        ("/apis/apps/v1/deployments", include_str!("fixtures/kube/api/deployments.json")),
        ("/apis/apps/v1/replicasets", include_str!("fixtures/kube/api/replicasets.json")),
        ("/apis/apps/v1/statefulsets", include_str!("fixtures/kube/api/statefulsets.json")),
        ("/apis/apps/v1/daemonsets", include_str!("fixtures/kube/api/daemonsets.json")),
        ("/apis/batch/v1/jobs", include_str!("fixtures/kube/api/jobs.json")),
        ("/apis/batch/v1/cronjobs", include_str!("fixtures/kube/api/cronjobs.json")),
        (
            "/apis/autoscaling/v2/horizontalpodautoscalers",
            include_str!("fixtures/kube/api/horizontalpodautoscalers.json"),
        ),
        ("/apis/discovery.k8s.io/v1/endpointslices", include_str!("fixtures/kube/api/endpointslices.json")),
    ] {
        server.load(path, list);
    }
    server
}

struct Setup {
    collected: Collected,
    running: Running,
    board: StatusBoard,
}

fn start(server: &FakeKube, yaml: &str, limit: &str, signals: &[Signal]) -> Setup {
    let config: K8sClusterConfig = from_yaml(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
    let namespaces = Namespaces::within("k8s_cluster", &config.named_namespaces(), limit);
    let board = StatusBoard::default();
    let context = context("k8s_cluster", Stop::never(), &board);
    let receiver = config.receiver(server.client(), namespaces, context);
    let collected = Collected::default();
    let running = Running::start(Box::new(receiver), collected.outputs(signals));
    Setup { collected, running, board }
}

/// What the receiver of this configuration collects first.
pub fn first_collection(server: &FakeKube, yaml: &str) -> Vec<Point> {
    let setup = start(server, yaml, "", &[Signal::Metrics]);
    setup.collected.wait("a collection", |collected| !collected.data().is_empty());
    let points = setup.collected.points();
    setup.running.stop().unwrap();
    points
}

const EVERYTHING: &str = "
distribution: openshift
collection_interval: 1h
node_conditions_to_report: [Ready, DiskPressure, NetworkUnavailable]
allocatable_types_to_report: [cpu, memory, ephemeral-storage, storage, pods, hugepages-2Mi]
metrics:
  k8s.node.condition: {enabled: true}
  k8s.pod.status_reason: {enabled: true}
  k8s.container.status.state: {enabled: true}
  k8s.container.status.reason: {enabled: true}
  k8s.persistentvolume.status.phase: {enabled: true}
  k8s.persistentvolume.storage.capacity: {enabled: true}
  k8s.persistentvolumeclaim.status.phase: {enabled: true}
  k8s.persistentvolumeclaim.storage.capacity: {enabled: true}
  k8s.persistentvolumeclaim.storage.request: {enabled: true}
  k8s.service.endpoint.count: {enabled: true}
  k8s.service.load_balancer.ingress.count: {enabled: true}
  k8s.statefulset.pod.available: {enabled: true}
resource_attributes:
  k8s.pod.qos_class: {enabled: true}
  k8s.kubelet.version: {enabled: true}
  container.runtime: {enabled: true}
  container.runtime.version: {enabled: true}
  os.type: {enabled: true}
  k8s.cluster.uid: {enabled: true}
  k8s.container.status.last_terminated_reason: {enabled: true}
";

/// Metric, the attributes by which a point is found (of the resource or its own), and its value.
const TABLE: &[(&str, &[(&str, &str)], f64)] = &[
    ("k8s.pod.phase", &[("k8s.pod.name", "gpu-trainer"), ("k8s.pod.qos_class", "Guaranteed")], 1.0),
    ("k8s.pod.phase", &[("k8s.pod.name", "ledger-0"), ("k8s.node.name", "node-a")], 2.0),
    ("k8s.pod.phase", &[("k8s.pod.name", "edge-cases"), ("k8s.namespace.name", "logs-lab")], 3.0),
    ("k8s.pod.phase", &[("k8s.pod.name", "report-builder")], 4.0),
    ("k8s.pod.status_reason", &[("k8s.pod.name", "report-builder")], 1.0),
    ("k8s.pod.status_reason", &[("k8s.pod.name", "ledger-0")], 6.0),
    ("k8s.container.restarts", &[("k8s.container.name", "warm")], 5.0),
    (
        "k8s.container.restarts",
        &[("k8s.container.name", "warm"), ("k8s.container.status.last_terminated_reason", "OOMKilled")],
        5.0,
    ),
    ("k8s.container.ready", &[("k8s.container.name", "warm")], 0.0),
    ("k8s.container.ready", &[("k8s.container.name", "coredns")], 1.0),
    (
        "k8s.container.status.state",
        &[("k8s.container.name", "warm"), ("k8s.container.status.state", "waiting")],
        1.0,
    ),
    (
        "k8s.container.status.state",
        &[("k8s.container.name", "warm"), ("k8s.container.status.state", "running")],
        0.0,
    ),
    (
        "k8s.container.status.reason",
        &[("k8s.container.name", "warm"), ("k8s.container.status.reason", "CrashLoopBackOff")],
        1.0,
    ),
    (
        "k8s.container.status.reason",
        &[("k8s.container.name", "recommender"), ("k8s.container.status.reason", "ImagePullBackOff")],
        1.0,
    ),
    ("k8s.deployment.desired", &[("k8s.deployment.name", "frontend"), ("k8s.namespace.name", "shop")], 2.0),
    ("k8s.deployment.available", &[("k8s.deployment.name", "frontend")], 2.0),
    ("k8s.deployment.desired", &[("k8s.deployment.name", "fraud-check")], 1.0),
    ("k8s.deployment.available", &[("k8s.deployment.name", "fraud-check")], 0.0),
    ("k8s.replicaset.desired", &[("k8s.replicaset.name", "frontend-7f95c5b857")], 2.0),
    ("k8s.replicaset.available", &[("k8s.replicaset.name", "frontend-7f95c5b857")], 2.0),
    ("k8s.replication_controller.desired", &[("k8s.replicationcontroller.name", "legacy-banner")], 1.0),
    ("k8s.replication_controller.available", &[("k8s.replicationcontroller.name", "legacy-banner")], 1.0),
    ("k8s.statefulset.desired_pods", &[("k8s.statefulset.name", "ledger")], 2.0),
    ("k8s.statefulset.ready_pods", &[("k8s.statefulset.name", "ledger")], 2.0),
    ("k8s.statefulset.current_pods", &[("k8s.statefulset.name", "ledger")], 2.0),
    ("k8s.statefulset.updated_pods", &[("k8s.statefulset.name", "ledger")], 2.0),
    ("k8s.statefulset.pod.available", &[("k8s.statefulset.name", "ledger")], 2.0),
    ("k8s.daemonset.current_scheduled_nodes", &[("k8s.daemonset.name", "node-exporter")], 1.0),
    ("k8s.daemonset.desired_scheduled_nodes", &[("k8s.daemonset.name", "node-exporter")], 1.0),
    ("k8s.daemonset.misscheduled_nodes", &[("k8s.daemonset.name", "node-exporter")], 0.0),
    ("k8s.daemonset.ready_nodes", &[("k8s.daemonset.name", "node-exporter")], 1.0),
    ("k8s.job.active_pods", &[("k8s.job.name", "settlement")], 0.0),
    ("k8s.job.successful_pods", &[("k8s.job.name", "settlement")], 3.0),
    ("k8s.job.desired_successful_pods", &[("k8s.job.name", "settlement")], 3.0),
    ("k8s.job.max_parallel_pods", &[("k8s.job.name", "settlement")], 2.0),
    ("k8s.job.failed_pods", &[("k8s.job.name", "reconcile-2025-02-30")], 2.0),
    ("k8s.cronjob.active_jobs", &[("k8s.cronjob.name", "fx-rates")], 0.0),
    ("k8s.hpa.max_replicas", &[("k8s.hpa.name", "frontend")], 6.0),
    ("k8s.hpa.min_replicas", &[("k8s.hpa.name", "frontend")], 2.0),
    ("k8s.hpa.current_replicas", &[("k8s.hpa.name", "frontend")], 2.0),
    ("k8s.hpa.desired_replicas", &[("k8s.hpa.name", "frontend")], 0.0),
    (
        "k8s.resource_quota.hard_limit",
        &[("k8s.resourcequota.name", "team-quota"), ("resource", "requests.cpu")],
        4000.0,
    ),
    (
        "k8s.resource_quota.used",
        &[("k8s.resourcequota.name", "team-quota"), ("resource", "requests.cpu")],
        1270.0,
    ),
    (
        "k8s.resource_quota.used",
        &[("k8s.resourcequota.name", "team-quota"), ("resource", "limits.memory")],
        952.0 * 1_048_576.0,
    ),
    (
        "k8s.resource_quota.used",
        &[("k8s.resourcequota.name", "compute"), ("resource", "count/deployments.apps")],
        4.0,
    ),
    ("k8s.namespace.phase", &[("k8s.namespace.name", "old-project")], 0.0),
    ("k8s.namespace.phase", &[("k8s.namespace.name", "shop")], 1.0),
    ("k8s.node.condition_ready", &[("k8s.node.name", "node-a"), ("k8s.kubelet.version", "v1.36.2")], 1.0),
    ("k8s.node.condition_disk_pressure", &[("container.runtime", "containerd")], 0.0),
    ("k8s.node.condition_network_unavailable", &[("container.runtime.version", "1.6.20")], -1.0),
    ("k8s.node.condition", &[("condition", "PIDPressure"), ("os.type", "linux")], 0.0),
    ("k8s.node.allocatable_cpu", &[("k8s.node.name", "node-a")], 1.8),
    ("k8s.node.allocatable_memory", &[("k8s.node.name", "node-a")], 23_795_260.0 * 1024.0),
    ("k8s.node.allocatable_ephemeral_storage", &[("k8s.node.name", "node-a")], 267_847_642_337.0),
    ("k8s.node.allocatable_pods", &[("k8s.node.name", "node-a")], 110.0),
    ("k8s.node.allocatable_hugepages_2_mi", &[("k8s.node.name", "node-a")], 0.0),
    (
        "k8s.persistentvolume.status.phase",
        &[("k8s.persistentvolume.name", "pv-old"), ("k8s.persistentvolume.status.phase", "Released")],
        1.0,
    ),
    (
        "k8s.persistentvolume.status.phase",
        &[("k8s.persistentvolume.name", "pv-old"), ("k8s.persistentvolume.status.phase", "Bound")],
        0.0,
    ),
    ("k8s.persistentvolume.storage.capacity", &[("k8s.persistentvolume.name", "pv-uploads")], 536_870_912.0),
    (
        "k8s.persistentvolumeclaim.status.phase",
        &[
            ("k8s.persistentvolumeclaim.name", "audit-archive"),
            ("k8s.persistentvolumeclaim.status.phase", "Pending"),
        ],
        1.0,
    ),
    (
        "k8s.persistentvolumeclaim.storage.capacity",
        &[("k8s.persistentvolumeclaim.name", "uploads")],
        536_870_912.0,
    ),
    (
        "k8s.persistentvolumeclaim.storage.request",
        &[("k8s.persistentvolumeclaim.name", "uploads")],
        268_435_456.0,
    ),
    (
        "k8s.service.load_balancer.ingress.count",
        &[("k8s.service.name", "frontend"), ("k8s.service.type", "NodePort")],
        0.0,
    ),
    (
        "k8s.service.endpoint.count",
        &[("k8s.service.name", "frontend"), ("k8s.service.endpoint.condition", "ready")],
        2.0,
    ),
    ("openshift.clusterquota.limit", &[("openshift.clusterquota.name", "team"), ("resource", "pods")], 10.0),
    (
        "openshift.clusterquota.used",
        &[("openshift.clusterquota.name", "team"), ("resource", "requests.cpu")],
        500.0,
    ),
    ("openshift.appliedclusterquota.limit", &[("k8s.namespace.name", "shop"), ("resource", "pods")], 10.0),
    ("openshift.appliedclusterquota.used", &[("k8s.namespace.name", "shop"), ("resource", "pods")], 7.0),
];

fn find<'a>(points: &'a [Point], metric: &str, by: &[(&str, &str)]) -> Vec<&'a Point> {
    let has = |point: &Point, key: &str, value: &str| {
        point.resource(key) == value
            || point.attributes.iter().any(|a| a.key == key && a.value.as_str() == Some(value))
    };
    points
        .iter()
        .filter(|point| point.metric == metric && by.iter().all(|(key, value)| has(point, key, value)))
        .collect()
}

fn cluster_quota() -> Value {
    json!({
        "metadata": {"name": "team", "uid": "uid-team"},
        "status": {
            "total": {"hard": {"pods": "10", "requests.cpu": "1"}, "used": {"pods": "7", "requests.cpu": "500m"}},
            "namespaces": [{"namespace": "shop", "status": {"hard": {"pods": "10"}, "used": {"pods": "7"}}}],
        },
    })
}

#[test]
fn every_metric_of_every_kind_has_the_value_of_the_recorded_cluster() {
    let server = recorded();
    server.put("/apis/quota.openshift.io/v1/clusterresourcequotas", cluster_quota());
    let points = first_collection(&server, EVERYTHING);
    for (metric, by, value) in TABLE {
        let found = find(&points, metric, by);
        assert!(!found.is_empty(), "{metric} {by:?} is missing");
        for point in found {
            assert!((point.value - value).abs() < 1e-9, "{metric} {by:?} is {}", point.value);
        }
    }
    let uid = points.iter().find(|point| point.metric == "k8s.namespace.phase").unwrap();
    assert!(!uid.resource("k8s.cluster.uid").is_empty());
    // Requests and limits as the specifications of the pods have them.
    for pod in server.objects(PODS).values() {
        let name = pod["metadata"]["name"].as_str().unwrap();
        for container in pod["spec"]["containers"].as_array().unwrap() {
            for (kind, bound) in [("requests", "request"), ("limits", "limit")] {
                for (resource, metric) in
                    [("cpu", "cpu"), ("memory", "memory"), ("ephemeral-storage", "ephemeralstorage")]
                {
                    let found = find(
                        &points,
                        &format!("k8s.container.{metric}_{bound}"),
                        &[
                            ("k8s.pod.name", name),
                            ("k8s.container.name", container["name"].as_str().unwrap()),
                        ],
                    );
                    let want = container["resources"][kind][resource].as_str();
                    let want = want.map(|text| kmagent::kube::quantity::parse(text).unwrap());
                    assert_eq!(found.first().map(|point| point.value), want, "{name} {kind} {resource}");
                }
            }
        }
    }
    // What never ran has neither restarts nor readiness; each series comes once.
    assert!(find(&points, "k8s.container.restarts", &[("k8s.container.name", "recommender")]).is_empty());
    let mut seen = BTreeSet::new();
    for point in &points {
        let key = format!("{} {:?} {:?}", point.metric, point.resource, point.attributes);
        assert!(seen.insert(key.clone()), "twice: {key}");
    }
    let known: BTreeSet<&str> = points.iter().map(|point| point.metric.as_str()).collect();
    let tested: BTreeSet<&str> = TABLE.iter().map(|(metric, ..)| *metric).collect();
    let untested: Vec<_> =
        known.difference(&tested).filter(|name| !name.starts_with("k8s.container.")).collect();
    assert!(untested.is_empty(), "{untested:?}");
}

#[test]
fn quantities_of_every_form_and_words_of_a_newer_kubernetes_are_read() {
    let server = FakeKube::start();
    let mut odd = pod("shop", "odd", "10.0.0.1");
    odd["status"]["phase"] = json!("Migrating");
    odd["spec"]["futureField"] = json!({"deep": [1, null, {"a": "b"}]});
    odd["spec"]["containers"] = json!([
        {"name": "a", "image": "registry.local:5000/app", "resources": {
            "requests": {"cpu": "100m", "memory": "1Ki", "storage": "1e3", "ephemeral-storage": "1E"},
            "limits": {"cpu": "2", "memory": "1.5Gi", "storage": "12k", "ephemeral-storage": "much"}}},
        {"name": "b", "image": "", "resources": {"requests": null}},
    ]);
    odd["status"]["containerStatuses"] = json!([
        {"name": "a", "containerID": "containerd://1", "restartCount": 3, "ready": true, "state": {"sleeping": {}}},
    ]);
    server.put(PODS, odd);
    let points = first_collection(&server, "{collection_interval: 1h}");
    for (metric, value) in [
        ("k8s.container.cpu_request", 0.1),
        ("k8s.container.memory_request", 1024.0),
        ("k8s.container.storage_request", 1000.0),
        ("k8s.container.ephemeralstorage_request", 1e18),
        ("k8s.container.cpu_limit", 2.0),
        ("k8s.container.memory_limit", 1_610_612_736.0),
        ("k8s.container.storage_limit", 12_000.0),
        ("k8s.container.restarts", 3.0),
        ("k8s.pod.phase", 5.0),
    ] {
        let found = find(&points, metric, &[("k8s.pod.name", "odd")]);
        assert_eq!(found.iter().map(|point| point.value).collect::<Vec<_>>(), [value], "{metric}");
    }
    assert!(find(&points, "k8s.container.ephemeralstorage_limit", &[]).is_empty());
    let image =
        find(&points, "k8s.container.restarts", &[("container.image.name", "registry.local:5000/app")]);
    assert_eq!(image[0].resource("container.image.tag"), "latest");
    assert_eq!(image[0].resource("container.id"), "1");
}

#[test]
fn what_may_not_be_seen_is_told_with_its_rule_and_the_rest_runs() {
    let server = recorded();
    server.page(NODES, 403, r#"{"message": "nodes is forbidden", "code": 403}"#);
    server.page("/apis/autoscaling/v2/horizontalpodautoscalers", 404, "404 page not found");
    let setup = start(&server, "{collection_interval: 1h}", "", &[Signal::Metrics]);
    setup.collected.wait("a collection", |collected| !collected.data().is_empty());
    let points = setup.collected.points();
    assert!(find(&points, "k8s.node.condition_ready", &[]).is_empty());
    assert!(!find(&points, "k8s.pod.phase", &[]).is_empty());
    assert!(!find(&points, "k8s.deployment.available", &[]).is_empty());
    let status = setup.board.components().remove("k8s_cluster").unwrap();
    assert_eq!(status.state, ComponentState::Degraded);
    let rule = "not allowed to list nodes in all namespaces: add {apiGroups: [\"\"], resources: [\"nodes\"]";
    assert!(status.detail.contains(rule), "{}", status.detail);
}

#[test]
fn namespaces_are_listed_one_by_one_and_the_environment_limits_them() {
    let server = recorded();
    let setup = start(&server, "{namespaces: [shop], collection_interval: 1h}", "", &[Signal::Metrics]);
    setup.collected.wait("a collection", |collected| !collected.data().is_empty());
    let points = setup.collected.points();
    assert!(points.iter().all(|point| point.resource("k8s.namespace.name") == "shop"));
    assert!(server.seen().iter().all(|seen| seen.path.contains("/namespaces/shop/")), "{:?}", server.seen());
    setup.running.stop().unwrap();

    // Limited from outside, what is in no namespace is still looked at.
    let setup = start(&server, "{collection_interval: 1h}", "payments", &[Signal::Metrics]);
    setup.collected.wait("a collection", |collected| !collected.data().is_empty());
    let points = setup.collected.points();
    assert!(points.iter().all(|point| ["payments", ""].contains(&point.resource("k8s.namespace.name"))));
    assert_eq!(find(&points, "k8s.node.condition_ready", &[]).len(), 1);
    assert_eq!(find(&points, "k8s.namespace.phase", &[]).len(), 1);
}

#[test]
fn a_large_cluster_comes_in_chunks() {
    let server = FakeKube::start();
    for n in 0..2500 {
        server.put(PODS, pod("shop", &format!("pod-{n}"), "10.0.0.1"));
    }
    let setup = start(&server, "{collection_interval: 1h}", "", &[Signal::Metrics]);
    setup.collected.wait("all pods", |collected| collected.points().len() == 2500);
    let sizes: Vec<usize> = setup.collected.data().iter().map(Data::items).collect();
    assert_eq!(sizes, [2000, 500]);
}

#[test]
fn equal_queries_share_one_watch() {
    let server = recorded();
    let one = start(&server, "{collection_interval: 1h}", "", &[Signal::Metrics]);
    let two = start(&server, "{collection_interval: 1h}", "", &[Signal::Metrics]);
    for setup in [&one, &two] {
        setup.collected.wait("a collection", |collected| !collected.data().is_empty());
    }
    let lists = server.seen().iter().filter(|seen| seen.verb == Verb::List && seen.path == PODS).count();
    assert_eq!(lists, 1);
}

/// Type of the event, type of the entity and its id.
fn events(collected: &Collected) -> Vec<(String, String, String)> {
    let id = |value: Option<&AnyValue>| match value {
        Some(AnyValue::Map(entries)) => entries[0].value.as_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    };
    let of = |record: &kmagent::otlp::logs::LogRecord| {
        let attributes = &record.attributes;
        (
            text(attributes, "otel.entity.event.type").to_owned(),
            text(attributes, "otel.entity.type").to_owned(),
            id(attributes.get("otel.entity.id")),
        )
    };
    collected.records().iter().map(of).collect()
}

#[test]
fn entities_are_told_at_first_on_change_and_when_they_are_gone() {
    let server = recorded();
    let setup = start(&server, "{metadata_collection_interval: 0}", "", &[Signal::Logs]);
    let frontend = server
        .objects(PODS)
        .into_values()
        .find(|pod| pod["metadata"]["name"] == "frontend-7f95c5b857-pslcb")
        .unwrap();
    let uid = frontend["metadata"]["uid"].as_str().unwrap().to_owned();
    let is_state = |event: &(String, String, String)| event.0 == "entity_state" && event.2 == uid;
    setup.collected.wait("the pod", |collected| events(collected).iter().any(is_state));
    let kinds: BTreeSet<String> = events(&setup.collected).into_iter().map(|(_, kind, _)| kind).collect();
    for kind in [
        "k8s.pod",
        "container",
        "k8s.node",
        "k8s.namespace",
        "k8s.deployment",
        "k8s.replicaset",
        "k8s.job",
        "k8s.replicationcontroller",
        "k8s.statefulset",
        "k8s.daemonset",
        "k8s.cronjob",
        "k8s.hpa",
        "k8s.service",
        "k8s.persistentvolume",
        "k8s.persistentvolumeclaim",
    ] {
        assert!(kinds.contains(kind), "{kind} is missing in {kinds:?}");
    }
    let logs = setup.collected.logs();
    let scope = logs[0].scope_logs[0].scope.clone().unwrap();
    assert_eq!(scope.attributes.get("otel.entity.event_as_log"), Some(&AnyValue::Bool(true)));
    let record = setup.collected.records().into_iter().find(|record| {
        matches!(record.attributes.get("otel.entity.id"), Some(AnyValue::Map(id)) if id[0].value.as_str() == Some(&uid))
    });
    let Some(AnyValue::Map(described)) = record.unwrap().attributes.take("otel.entity.attributes") else {
        panic!("no attributes")
    };
    for (key, value) in [
        ("k8s.workload.kind", "Deployment"),
        ("k8s.workload.name", "frontend"),
        ("k8s.deployment.name", "frontend"),
        ("k8s.replicaset.name", "frontend-7f95c5b857"),
        ("k8s.service.frontend", ""),
        ("k8s.pod.phase", "Running"),
    ] {
        assert_eq!(described.get_str(key), Some(value), "{key}");
    }

    setup.collected.clear();
    // A change of nothing that is told says nothing; a label does, once.
    let mut changed = frontend.clone();
    changed["metadata"]["generation"] = json!(7);
    server.put(PODS, changed.clone());
    changed["metadata"]["labels"]["tier"] = json!("gold");
    server.put(PODS, changed);
    setup.collected.wait("the change", |collected| !collected.records().is_empty());
    assert_eq!(events(&setup.collected), [("entity_state".to_owned(), "k8s.pod".to_owned(), uid.clone())]);

    setup.collected.clear();
    server.delete(PODS, "shop", "frontend-7f95c5b857-pslcb");
    setup.collected.wait("the deletion", |collected| collected.records().len() >= 2);
    let gone = events(&setup.collected);
    assert!(gone.iter().all(|event| event.0 == "entity_delete"), "{gone:?}");
    assert!(gone.iter().any(|event| event.2 == uid) && gone.iter().any(|event| event.1 == "container"));
    setup.running.stop().unwrap();
}

#[test]
fn the_default_configuration_of_the_deployment_delivers_a_cluster() {
    if !namespace::alone("k8s_cluster::the_default_configuration_of_the_deployment_delivers_a_cluster") {
        return;
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/k8s/config/agent-deployment.yaml");
    let server = recorded_at("127.0.0.1:443");
    server.page("/readyz", 200, include_str!("fixtures/kube/readyz-verbose.txt"));
    server.page("/metrics", 200, include_str!("fixtures/kube/apiserver-metrics.txt"));
    namespace::write_account("good", &server.ca_pem());
    let (dir, sink) = (tempfile::tempdir().unwrap(), TestSink::new());
    let url = sink.url();
    let environment = [
        ("KM_COLLECTOR_ENDPOINT", url.as_str()),
        ("KM_API_KEY", "secret"),
        ("KM_CLUSTER_NAME", "recorded"),
        ("KUBERNETES_SERVICE_HOST", "127.0.0.1"),
        ("KUBERNETES_SERVICE_PORT", "443"),
    ];
    let valid = command().args(["validate", "--config", file]).envs(environment).output().unwrap();
    assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stderr));

    // As it is, but for the port of its health and the times to wait: a first scrape comes at any
    // moment of the interval.
    let mut start = command();
    start.envs(environment);
    let text = std::fs::read_to_string(file).unwrap();
    let quick = text
        .replace("scrape_interval: 60s", "scrape_interval: 1s")
        .replace("scrape_timeout: 30s", "scrape_timeout: 1s");
    assert!(quick.contains("scrape_interval: 1s") && quick.contains("scrape_timeout: 1s"));
    let copy = dir.path().join("agent-deployment.yaml");
    std::fs::write(&copy, quick).unwrap();
    let set = ["processors.batch.timeout=100ms"];
    let mut agent = Agent::start_as(dir.path(), start, copy.to_str().unwrap(), &set);
    agent.wait_ready();
    wait_for("a watch of events", || {
        server.seen().iter().any(|seen| seen.verb == Verb::Watch && seen.path == "/api/v1/events")
    });
    let now = kmagent::time::rfc3339(std::time::SystemTime::now());
    let event = json!({
        "metadata": {"name": "event", "namespace": "shop", "uid": "uid-event"}, "type": "Warning",
        "eventTime": now, "message": "it is told", "source": {"host": "node-a"},
    });
    server.put("/api/v1/events", event);
    wait_for("metrics, health and an event", || {
        let (all, names) = (sink.accepted(), metric_names(&sink));
        let told = all.iter().any(|data| matches!(data, Data::Logs(_)));
        told && [
            "k8s.pod.phase",
            "k8s.node.condition_ready",
            "k8s.apiserver.healthy",
            "up",
            "apiserver_request_total",
            "apiserver_request_duration_seconds",
            "apiserver_storage_objects",
            "etcd_request_duration_seconds",
            "workqueue_depth",
            "process_resident_memory_bytes",
        ]
        .iter()
        .all(|name| names.contains(*name))
    });
    // The selection leaves out the rest of what the API server tells.
    let names = metric_names(&sink);
    for name in
        ["apiserver_request_sli_duration_seconds", "workqueue_queue_duration_seconds", "go_goroutines"]
    {
        assert!(!names.contains(name), "{name}");
    }
    let keys = sink.arrived(|arrived| arrived.header("authorization").map(str::to_owned));
    assert!(keys.iter().all(|key| key.as_deref() == Some("secret")), "{keys:?}");
    let (status, _) = agent.terminate();
    assert!(status.success(), "{status}");
}

/// The names of all metrics that arrived, each with the cluster's name.
fn metric_names(sink: &TestSink) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for data in sink.accepted() {
        let Data::Metrics(resources) = data else { continue };
        for resource in resources {
            let attributes = resource.resource.unwrap_or_default().attributes;
            assert_eq!(text(&attributes, "k8s.cluster.name"), "recorded");
            names.extend(
                resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics).map(|metric| metric.name),
            );
        }
    }
    names
}
