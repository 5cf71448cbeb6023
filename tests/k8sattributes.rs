//! `k8sattributes` against a cluster: the right attributes from the first record on, whatever the
//! API server does.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kmagent::component::{Context, NoHost, Processor};
use kmagent::config::{ComponentId, from_yaml};
use kmagent::kube::Namespaces;
use kmagent::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use kmagent::otlp::{AnyValue, Attributes, KeyValue, Resource};
use kmagent::pipeline::{Ack, Batch, Data, Stop};
use kmagent::processors::k8sattributes::{K8sAttributesConfig, Metadata, TYPE, processor};
use kmagent::telemetry::{StatusBoard, Telemetry};
use serde_json::{Value, json};

use crate::support::kube::{FakeKube, Fault, PODS, Verb, eventually, pod};

const NAMESPACES: &str = "/api/v1/namespaces";
const NODES: &str = "/api/v1/nodes";
const REPLICASETS: &str = "/apis/apps/v1/replicasets";
const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";
const JOBS: &str = "/apis/batch/v1/jobs";

/// By UID, as the stock configuration associates, with the metadata fields of the case.
fn by_uid(fields: &[&str]) -> String {
    let list = fields.join(", ");
    format!(
        "extract: {{metadata: [{list}]}}\npod_association:\n  - sources:\n      - {{from: resource_attribute, name: k8s.pod.uid}}\n"
    )
}

struct Setup {
    processor: Box<dyn Processor>,
    metadata: Arc<Metadata>,
    telemetry: Telemetry,
}

fn context() -> Context {
    Context {
        id: ComponentId::from_str("k8sattributes").unwrap(),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle("processor:k8sattributes"),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    }
}

fn set_up(server: &FakeKube, yaml: &str, node: Option<&str>) -> Setup {
    set_up_within(server, yaml, node, "")
}

/// With the namespaces of the environment, separated by commas.
fn set_up_within(server: &FakeKube, yaml: &str, node: Option<&str>, limit: &str) -> Setup {
    let config: K8sAttributesConfig = from_yaml(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
    let context = context();
    let telemetry = context.telemetry.clone();
    let namespaces = Namespaces::within("k8sattributes", &config.named_namespaces(), limit);
    let client = server.client();
    let metadata = Arc::new(Metadata::start(&config, node, &namespaces, &client, &telemetry).unwrap());
    Setup { processor: processor(&config, metadata.clone(), context), metadata, telemetry }
}

fn attributes(pairs: &[(&'static str, &str)]) -> Vec<KeyValue> {
    pairs.iter().map(|(key, value)| KeyValue::fixed(key, *value)).collect()
}

fn logs(attributes: Vec<KeyValue>) -> Batch {
    let resource = Resource { attributes, dropped_attributes_count: 0 };
    let scope = ScopeLogs { log_records: vec![LogRecord::default()], ..ScopeLogs::default() };
    let logs = ResourceLogs { resource: Some(resource), scope_logs: vec![scope], ..ResourceLogs::default() };
    Batch::new(Data::Logs(vec![logs]), Ack::none())
}

fn resource_of(batch: &Batch) -> Vec<KeyValue> {
    let Data::Logs(logs) = batch.data() else { panic!("logs went in") };
    logs[0].resource.clone().unwrap().attributes
}

impl Setup {
    fn feed(&mut self, batch: Batch) -> Vec<KeyValue> {
        let mut out = Vec::new();
        self.processor.process(batch, &mut |batch| out.push(batch));
        assert_eq!(out.len(), 1);
        resource_of(&out[0])
    }

    fn run(&mut self, pairs: &[(&'static str, &str)]) -> Vec<KeyValue> {
        self.feed(logs(attributes(pairs)))
    }

    fn of_uid(&mut self, uid: &str) -> Vec<KeyValue> {
        self.run(&[("k8s.pod.uid", uid)])
    }
}

#[track_caller]
fn assert_has(attributes: &Vec<KeyValue>, wanted: &[(&str, &str)]) {
    for (key, value) in wanted {
        assert_eq!(attributes.get_str(key), Some(*value), "{key} of {attributes:?}");
    }
}

/// The recorded cluster.
fn recorded() -> FakeKube {
    let server = FakeKube::start();
    server.load(PODS, include_str!("fixtures/kube/api/pods-on-node-a.json"));
    server.load(NAMESPACES, include_str!("fixtures/kube/api/namespaces.json"));
    server.load(NODES, include_str!("fixtures/kube/api/nodes.json"));
    server.load(REPLICASETS, include_str!("fixtures/kube/api/replicasets.json"));
    server.load(DEPLOYMENTS, include_str!("fixtures/kube/api/deployments.json"));
    server.load(JOBS, include_str!("fixtures/kube/api/jobs.json"));
    server
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

const STOCK: &[&str] = &[
    "k8s.pod.name",
    "k8s.pod.uid",
    "k8s.deployment.name",
    "k8s.namespace.name",
    "k8s.node.name",
    "k8s.pod.start_time",
    "k8s.statefulset.uid",
    "k8s.replicaset.uid",
    "k8s.daemonset.uid",
    "k8s.deployment.uid",
    "k8s.job.uid",
    "k8s.pod.ip",
    "k8s.daemonset.name",
    "k8s.statefulset.name",
    "k8s.replicaset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
    "k8s.container.name",
];

#[test]
fn stock_configuration_finds_every_pod_of_a_recorded_node_and_its_owners() {
    let server = recorded();
    let mut setup = set_up(&server, &by_uid(STOCK), Some("node-a"));
    let deployments = server.objects(DEPLOYMENTS);
    let sets = server.objects(REPLICASETS);
    let mut seen = [0; 4];
    for pod in server.objects(PODS).values() {
        let found = setup.of_uid(text(pod, "/metadata/uid"));
        assert_has(
            &found,
            &[
                ("k8s.pod.name", text(pod, "/metadata/name")),
                ("k8s.namespace.name", text(pod, "/metadata/namespace")),
                ("k8s.node.name", "node-a"),
                ("k8s.pod.start_time", text(pod, "/metadata/creationTimestamp")),
            ],
        );
        let ip = text(pod, "/status/podIP");
        assert_eq!(found.get_str("k8s.pod.ip"), (!ip.is_empty()).then_some(ip));
        let owner = |pointer: &str| text(pod, &format!("/metadata/ownerReferences/0/{pointer}")).to_owned();
        let (name, uid) = (owner("name"), owner("uid"));
        match &*owner("kind") {
            "ReplicaSet" => {
                seen[0] += 1;
                let namespace = text(pod, "/metadata/namespace").to_owned();
                let set = &sets[&(namespace.clone(), name.clone())];
                let deployment = text(set, "/metadata/ownerReferences/0/name");
                let object = &deployments[&(namespace, deployment.to_owned())];
                assert_has(
                    &found,
                    &[
                        ("k8s.replicaset.name", &name),
                        ("k8s.replicaset.uid", &uid),
                        ("k8s.deployment.name", deployment),
                        ("k8s.deployment.uid", text(object, "/metadata/uid")),
                    ],
                );
            }
            "StatefulSet" => {
                seen[1] += 1;
                assert_has(&found, &[("k8s.statefulset.name", &name), ("k8s.statefulset.uid", &uid)]);
            }
            "DaemonSet" => {
                seen[2] += 1;
                assert_has(&found, &[("k8s.daemonset.name", &name), ("k8s.daemonset.uid", &uid)]);
            }
            "Job" => {
                seen[3] += 1;
                assert_has(&found, &[("k8s.job.name", &name), ("k8s.job.uid", &uid)]);
                if name.starts_with("fx-rates-") {
                    assert_has(&found, &[("k8s.cronjob.name", "fx-rates")]);
                }
            }
            _ => assert_eq!(found.get("k8s.deployment.name"), None),
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "the recorded node has all kinds: {seen:?}");
}

#[test]
fn a_static_pod_is_found_by_the_uid_that_the_kubelet_gives_it() {
    let server = recorded();
    let mut setup = set_up(&server, &by_uid(&["k8s.pod.name"]), Some("node-a"));
    let found = setup.of_uid("5b05057066d11d10c60015b77124db2f");
    assert_has(&found, &[("k8s.pod.name", "kube-heartbeat-node-a")]);
    assert_has(&found, &[("k8s.pod.uid", "5b05057066d11d10c60015b77124db2f")]);
}

#[test]
fn contrib_13619_one_node_does_not_follow_the_replicasets_of_the_cluster() {
    let server = recorded();
    let mut setup = set_up(&server, &by_uid(STOCK), Some("node-a"));
    for pod in server.objects(PODS).values() {
        setup.of_uid(text(pod, "/metadata/uid"));
    }
    let seen = server.seen();
    assert!(seen.iter().all(|seen| seen.verb == Verb::Get || seen.path == PODS), "{seen:?}");
    let mut asked: Vec<_> = seen.iter().filter(|s| s.verb == Verb::Get).map(|s| s.path.clone()).collect();
    let all = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), all, "every owner is asked for once");
    assert!(seen.iter().filter(|s| s.verb == Verb::Get).all(|s| s.accept.contains("PartialObjectMetadata")));
}

#[test]
fn the_name_of_a_deployment_needs_no_replicasets_at_all() {
    let server = recorded();
    let mut setup = set_up(&server, &by_uid(&["k8s.deployment.name"]), None);
    let objects = server.objects(PODS);
    let pod = objects.values().find(|pod| text(pod, "/metadata/name").starts_with("frontend-")).unwrap();
    assert_has(&setup.of_uid(text(pod, "/metadata/uid")), &[("k8s.deployment.name", "frontend")]);
    assert!(server.seen().iter().all(|seen| seen.path == PODS));
}

#[test]
fn a_whole_cluster_is_followed_when_no_node_is_named() {
    let server = recorded();
    let mut setup = set_up(&server, &by_uid(&["k8s.deployment.uid", "k8s.cronjob.uid"]), None);
    let objects = server.objects(PODS);
    let pod = objects.values().find(|pod| text(pod, "/metadata/name").starts_with("frontend-")).unwrap();
    let found = setup.of_uid(text(pod, "/metadata/uid"));
    let frontend = &server.objects(DEPLOYMENTS)[&("shop".to_owned(), "frontend".to_owned())];
    assert_has(&found, &[("k8s.deployment.uid", text(frontend, "/metadata/uid"))]);
    let job_pod = objects.values().find(|p| text(p, "/metadata/name").starts_with("fx-rates-")).unwrap();
    let cronjob = server.objects(JOBS).values().find_map(|job| {
        let is_owner = text(job, "/metadata/uid") == text(job_pod, "/metadata/ownerReferences/0/uid");
        is_owner.then(|| text(job, "/metadata/ownerReferences/0/uid").to_owned())
    });
    assert_has(&setup.of_uid(text(job_pod, "/metadata/uid")), &[("k8s.cronjob.uid", &cronjob.unwrap())]);
}

#[test]
fn without_associations_pods_are_found_by_address() {
    let server = FakeKube::start();
    server.put(PODS, pod("shop", "a", "10.0.0.1"));
    let mut host = pod("shop", "host", "10.0.0.2");
    host["spec"]["hostNetwork"] = json!(true);
    server.put(PODS, host);
    let mut setup = set_up(&server, "extract: {metadata: [k8s.pod.name]}", None);
    assert_has(&setup.run(&[("k8s.pod.ip", "10.0.0.1")]), &[("k8s.pod.name", "a")]);
    assert_has(&setup.run(&[("ip", "10.0.0.1")]), &[("k8s.pod.name", "a")]);
    assert_has(&setup.run(&[("host.name", "10.0.0.1")]), &[("k8s.pod.name", "a")]);
    let mut batch = logs(Vec::new());
    batch.peer = Some("::ffff:10.0.0.1".parse().unwrap());
    assert_has(&setup.feed(batch), &[("k8s.pod.name", "a")]);
    assert!(setup.run(&[("host.name", "a.example.com")]).get("k8s.pod.name").is_none());
    assert!(
        setup.run(&[("k8s.pod.ip", "10.0.0.2")]).get("k8s.pod.name").is_none(),
        "the address of the host"
    );
}

#[test]
fn the_first_complete_association_decides() {
    let server = FakeKube::start();
    server.put(PODS, pod("shop", "a", "10.0.0.1"));
    server.put(PODS, pod("bank", "a", "10.0.0.2"));
    let yaml = "
extract: {metadata: [k8s.pod.uid]}
pod_association:
  - sources: [{from: resource_attribute, name: k8s.pod.name}, {from: resource_attribute, name: k8s.namespace.name}]
  - sources: [{from: connection}]";
    let mut setup = set_up(&server, yaml, None);
    let found = setup.run(&[("k8s.pod.name", "a"), ("k8s.namespace.name", "bank")]);
    assert_has(&found, &[("k8s.pod.uid", "uid-bank-a")]);
    let from = |ip: &str, pairs: &[(&'static str, &str)]| {
        let mut batch = logs(attributes(pairs));
        batch.peer = Some(ip.parse().unwrap());
        batch
    };
    let found = setup.feed(from("10.0.0.1", &[("k8s.pod.name", "a")]));
    assert_has(&found, &[("k8s.pod.uid", "uid-shop-a")]);
    // Complete but unknown: the next association is not tried.
    let found = setup.feed(from("10.0.0.1", &[("k8s.pod.name", "b"), ("k8s.namespace.name", "bank")]));
    assert_eq!(found.get("k8s.pod.uid"), None);
}

#[test]
fn labels_and_annotations_of_every_object_become_attributes() {
    let server = FakeKube::start();
    let meta = |namespace: &str, name: &str, key: &str| {
        json!({"metadata": {"namespace": namespace, "name": name, "uid": format!("uid-{name}"),
            "labels": {key: format!("{name}-label"), "team/owner": "me", "empty": ""},
            "annotations": {key: format!("{name}-note")}}})
    };
    server.put(NAMESPACES, meta("", "shop", "tier"));
    server.put(NODES, meta("", "node-a", "zone"));
    server.put(DEPLOYMENTS, meta("shop", "web", "track"));
    let mut object = pod("shop", "web-5d4f-x", "10.0.0.1");
    object["metadata"]["labels"] = json!({"app": "web", "pod-template-hash": "5d4f", "team/owner": "you", "team/mail": "x@y", "empty": ""});
    object["metadata"]["annotations"] = json!({"build": "v17-abc"});
    object["metadata"]["ownerReferences"] = json!([{"kind": "ReplicaSet", "name": "web-5d4f", "uid": "rs"}]);
    server.put(PODS, object);
    let yaml = "
extract:
  metadata: [k8s.pod.uid]
  labels:
    - {key: app}
    - {tag_name: empty, key: empty}
    - {tag_name: 'team.$1', key_regex: 'team/(.*)'}
    - {key_regex: 'pod-.*'}
    - {tag_name: zone, key: zone, from: node}
    - {key: tier, from: namespace}
    - {key_regex: 'team/.*', from: deployment}
    - {key: track, from: deployment}
  annotations:
    - {tag_name: version, key: build, regex: '^v(?P<value>\\d+)'}
    - {key: tier, from: namespace}
pod_association: [{sources: [{from: resource_attribute, name: k8s.pod.uid}]}]";
    let mut setup = set_up(&server, yaml, None);
    let found = setup.of_uid("uid-shop-web-5d4f-x");
    assert_has(
        &found,
        &[
            ("k8s.pod.labels.app", "web"),
            ("team.owner", "you"),
            ("team.mail", "x@y"),
            ("k8s.pod.labels.pod-template-hash", "5d4f"),
            ("zone", "node-a-label"),
            ("k8s.namespace.labels.tier", "shop-label"),
            ("k8s.deployment.label.team/owner", "me"),
            ("k8s.deployment.labels.track", "web-label"),
            ("version", "17"),
            ("k8s.namespace.annotations.tier", "shop-note"),
        ],
    );
    assert_eq!(found.get("empty"), None, "empty values are no news");
    // Without a pod the namespace and node that the resource names still give theirs.
    let found = setup.run(&[("k8s.namespace.name", "shop"), ("k8s.node.name", "node-a")]);
    assert_has(&found, &[("k8s.namespace.labels.tier", "shop-label"), ("zone", "node-a-label")]);
    let web = [("k8s.namespace.name", "shop"), ("k8s.deployment.name", "web")];
    assert_has(&setup.run(&web), &[("k8s.deployment.labels.track", "web-label")]);
    let other = [("k8s.namespace.name", "shop"), ("k8s.deployment.name", "web"), ("k8s.deployment.uid", "x")];
    assert_eq!(setup.run(&other).get("k8s.deployment.labels.track"), None, "another deployment of that name");
}

fn restarted_pod() -> Value {
    let mut object = pod("shop", "web", "10.0.0.1");
    object["spec"]["containers"] = json!([
        {"name": "main", "image": "registry.local:5000/team/web:1.4"},
        {"name": "side", "image": "proxy@sha256:00ff"},
    ]);
    object["spec"]["initContainers"] = json!([{"name": "init", "image": "busybox"}]);
    object["status"]["containerStatuses"] = json!([
        {"name": "main", "restartCount": 2, "containerID": "containerd://m2", "imageID": "registry.local:5000/team/web@sha256:aa",
         "lastState": {"terminated": {"containerID": "containerd://m1"}}},
        {"name": "side", "restartCount": 0, "containerID": "containerd://s0", "imageID": "sha256:bb", "lastState": {}},
    ]);
    object["status"]["initContainerStatuses"] =
        json!([{"name": "init", "restartCount": 0, "containerID": "docker://i0", "imageID": ""}]);
    object
}

const CONTAINER: &[&str] = &[
    "k8s.container.name",
    "container.id",
    "container.image.name",
    "container.image.tag",
    "container.image.repo_digests",
    "service.name",
    "service.namespace",
    "service.version",
    "service.instance.id",
];

#[test]
fn containers_are_found_by_name_id_and_restart_count() {
    let server = FakeKube::start();
    server.put(PODS, restarted_pod());
    let mut setup = set_up(&server, &by_uid(CONTAINER), None);
    let uid = "uid-shop-web";
    let found = setup.run(&[("k8s.pod.uid", uid), ("k8s.container.name", "main")]);
    assert_has(
        &found,
        &[
            ("container.id", "m2"),
            ("container.image.name", "registry.local:5000/team/web"),
            ("container.image.tag", "1.4"),
            ("service.name", "web"),
            ("service.namespace", "shop"),
            ("service.version", "1.4"),
            ("service.instance.id", "shop.web.main"),
        ],
    );
    let digests = AnyValue::Array(vec!["registry.local:5000/team/web@sha256:aa".into()]);
    assert_eq!(found.get("container.image.repo_digests"), Some(&digests));
    let run = |setup: &mut Setup, count: AnyValue| {
        let mut with = attributes(&[("k8s.pod.uid", uid), ("k8s.container.name", "main")]);
        with.push(KeyValue::fixed("k8s.container.restart_count", count));
        setup.feed(logs(with)).get_str("container.id").map(str::to_owned)
    };
    assert_eq!(run(&mut setup, AnyValue::Int(1)).as_deref(), Some("m1"));
    assert_eq!(run(&mut setup, "2".into()).as_deref(), Some("m2"));
    assert_eq!(run(&mut setup, AnyValue::Int(0)), None, "the runtime does not know that run any more");
    let found = setup.run(&[("k8s.pod.uid", uid), ("container.id", "m1")]);
    assert_has(&found, &[("k8s.container.name", "main"), ("container.id", "m1")]);
    let found = setup.run(&[("k8s.pod.uid", uid), ("k8s.container.name", "side")]);
    assert_has(&found, &[("container.image.name", "proxy"), ("service.version", "sha256:00ff")]);
    assert_eq!(found.get("container.image.tag"), None);
    let found = setup.run(&[("k8s.pod.uid", uid), ("k8s.container.name", "init")]);
    assert_has(&found, &[("container.id", "i0"), ("container.image.tag", "latest")]);
}

#[test]
fn a_pod_is_found_by_a_container_id_of_any_run() {
    let server = FakeKube::start();
    server.put(PODS, restarted_pod());
    let yaml = "
extract: {metadata: [k8s.pod.name, k8s.container.name]}
pod_association: [{sources: [{from: resource_attribute, name: container.id}]}]";
    let mut setup = set_up(&server, yaml, None);
    for (id, container) in [("m1", "main"), ("m2", "main"), ("s0", "side"), ("i0", "init")] {
        let found = setup.run(&[("container.id", id)]);
        assert_has(&found, &[("k8s.pod.name", "web"), ("k8s.container.name", container)]);
    }
}

#[test]
fn opentelemetry_annotations_come_before_all_that_is_derived() {
    let server = FakeKube::start();
    let mut object = restarted_pod();
    object["metadata"]["labels"] = json!({"app.kubernetes.io/name": "by-name", "app.kubernetes.io/instance": "by-instance",
        "app.kubernetes.io/version": "7"});
    server.put(PODS, object.clone());
    object["metadata"]["name"] = json!("noted");
    object["metadata"]["uid"] = json!("noted");
    object["metadata"]["annotations"] = json!({
        "resource.opentelemetry.io/service.name": "noted-name", "resource.opentelemetry.io/service.namespace": "noted-space",
        "resource.opentelemetry.io/tenant": "t1", "other/tenant": "t2"});
    server.put(PODS, object);
    let yaml = by_uid(CONTAINER).replace("extract: {", "extract: {otel_annotations: true, ");
    let mut setup = set_up(&server, &yaml, None);
    let with = |uid| [("k8s.pod.uid", uid), ("k8s.container.name", "main")];
    let found = setup.run(&with("uid-shop-web"));
    assert_has(
        &found,
        &[("service.name", "by-instance"), ("service.version", "7"), ("service.namespace", "shop")],
    );
    let found = setup.run(&with("noted"));
    let wanted = [("service.name", "noted-name"), ("service.namespace", "noted-space"), ("tenant", "t1")];
    assert_has(&found, &wanted);
    assert_eq!(found.get("other/tenant"), None);
}

#[test]
fn what_a_resource_says_of_itself_is_never_changed() {
    let server = FakeKube::start();
    server.put(PODS, pod("shop", "a", "10.0.0.1"));
    let mut setup = set_up(&server, &by_uid(&["k8s.pod.name", "k8s.node.name"]), None);
    let found = setup.run(&[("k8s.pod.uid", "uid-shop-a"), ("k8s.pod.name", "mine")]);
    assert_has(&found, &[("k8s.pod.name", "mine"), ("k8s.node.name", "node-a")]);
}

#[test]
fn changes_of_a_pod_show_at_once_and_a_deleted_one_is_still_found_for_two_minutes() {
    let server = FakeKube::start();
    server.put(PODS, pod("shop", "a", ""));
    let mut setup = set_up(&server, &by_uid(&["k8s.pod.name", "k8s.pod.ip"]), None);
    let found = setup.of_uid("uid-shop-a");
    assert_eq!((found.get_str("k8s.pod.name"), found.get("k8s.pod.ip")), (Some("a"), None));
    server.put(PODS, pod("shop", "a", "10.0.0.9"));
    eventually("the address is known", || {
        setup.of_uid("uid-shop-a").get_str("k8s.pod.ip") == Some("10.0.0.9")
    });
    server.delete(PODS, "shop", "a");
    eventually("the deletion is seen", || setup.telemetry.total("otelsvc_k8s_pod_deleted") == 1);
    setup.metadata.sweep(Instant::now() + Duration::from_secs(119));
    assert_has(&setup.of_uid("uid-shop-a"), &[("k8s.pod.name", "a")]);
    setup.metadata.sweep(Instant::now() + Duration::from_secs(151));
    assert_eq!(setup.of_uid("uid-shop-a").get("k8s.pod.name"), None);
}

#[test]
fn an_address_that_moves_on_belongs_to_the_pod_that_started_last() {
    let server = FakeKube::start();
    let started = |name: &str, time: &str| {
        let mut object = pod("shop", name, "10.0.0.1");
        object["status"]["startTime"] = json!(time);
        object
    };
    server.put(PODS, started("new", "2026-11-22T14:00:00Z"));
    let mut setup = set_up(&server, "extract: {metadata: [k8s.pod.name]}", None);
    assert_has(&setup.run(&[("k8s.pod.ip", "10.0.0.1")]), &[("k8s.pod.name", "new")]);
    server.put(PODS, started("old", "2026-11-22T13:00:00Z"));
    eventually("the old pod is seen", || setup.telemetry.total("otelsvc_k8s_pod_added") == 2);
    assert_has(&setup.run(&[("k8s.pod.ip", "10.0.0.1")]), &[("k8s.pod.name", "new")]);
    server.delete(PODS, "shop", "old");
    eventually("the deletion is seen", || setup.telemetry.total("otelsvc_k8s_pod_deleted") == 1);
    setup.metadata.sweep(Instant::now() + Duration::from_secs(200));
    assert_has(&setup.run(&[("k8s.pod.ip", "10.0.0.1")]), &[("k8s.pod.name", "new")]);
}

#[test]
fn excluded_and_ignored_pods_are_not_found() {
    let server = FakeKube::start();
    server.put(PODS, pod("shop", "jaeger-agent-x", "10.0.0.1"));
    let mut ignored = pod("shop", "shy", "10.0.0.2");
    ignored["metadata"]["annotations"] = json!({"opentelemetry.io/k8s-processor/ignore": "true"});
    server.put(PODS, ignored);
    server.put(PODS, pod("shop", "open", "10.0.0.3"));
    let mut setup = set_up(&server, &by_uid(&["k8s.pod.name"]), None);
    assert_eq!(setup.of_uid("uid-shop-jaeger-agent-x").get("k8s.pod.name"), None);
    assert_eq!(setup.of_uid("uid-shop-shy").get("k8s.pod.name"), None);
    assert_has(&setup.of_uid("uid-shop-open"), &[("k8s.pod.name", "open")]);
    let mut setup = set_up(&server, &(by_uid(&["k8s.pod.name"]) + "exclude: {pods: [{name: '^op'}]}"), None);
    assert_has(&setup.of_uid("uid-shop-jaeger-agent-x"), &[("k8s.pod.name", "jaeger-agent-x")]);
    assert_eq!(setup.of_uid("uid-shop-open").get("k8s.pod.name"), None);
}

#[test]
fn filters_are_left_to_the_server() {
    let server = FakeKube::start();
    let yaml = "
filter:
  namespace: shop
  fields: [{key: spec.nodeName, value: node-b, op: not-equals}]
  labels: [{key: app, value: web}, {key: tier, value: db, op: not-equals}, {key: on, op: exists}, {key: off, op: does-not-exist}]";
    let _setup = set_up(&server, yaml, Some("node-a"));
    eventually("the list is asked for", || !server.seen().is_empty());
    let first = server.seen().remove(0);
    assert_eq!(first.path, "/api/v1/namespaces/shop/pods");
    assert_eq!(first.query["fieldSelector"], "spec.nodeName=node-a,spec.nodeName!=node-b");
    assert_eq!(first.query["labelSelector"], "app=web,tier!=db,on,!off");
}

#[test]
fn with_limited_namespaces_each_is_listed_on_its_own_and_nothing_else() {
    let server = recorded();
    let yaml = "
extract:
  metadata: [k8s.pod.name, k8s.deployment.uid, k8s.deployment.name]
  labels: [{tag_name: app, key: app, from: deployment}]
pod_association: [{sources: [{from: resource_attribute, name: k8s.pod.uid}]}]";
    let mut setup = set_up_within(&server, yaml, None, "shop,payments");
    let found = setup.of_uid("3e973a2c-8434-456e-8c56-31230ab6dbde");
    assert_has(&found, &[("k8s.pod.name", "frontend-7f95c5b857-7jhqj"), ("k8s.deployment.name", "frontend")]);
    let outside = setup.of_uid("5caef913-617a-4b54-b96b-0812b9b00c5d");
    assert_eq!(outside.get("k8s.pod.name"), None, "a pod of kube-system");
    let within =
        |path: &str| ["shop", "payments"].iter().any(|n| path.contains(&format!("/namespaces/{n}/")));
    let paths: Vec<String> = server.seen().into_iter().map(|seen| seen.path).collect();
    assert!(paths.len() >= 6 && paths.iter().all(|path| within(path)), "{paths:?}");
}

#[test]
fn contrib_37056_the_first_batch_waits_for_the_metadata() {
    let server = FakeKube::start();
    for n in 0..20 {
        server.put(PODS, pod("shop", &format!("pod-{n}"), "10.0.0.1"));
    }
    server.fault(Verb::List, Fault::Status(503, String::new(), None));
    server.fault(Verb::List, Fault::Slow);
    let mut setup = set_up(&server, &by_uid(&["k8s.pod.name"]), None);
    assert_has(&setup.of_uid("uid-shop-pod-19"), &[("k8s.pod.name", "pod-19")]);
}

#[test]
fn without_the_right_to_list_pods_data_passes_unchanged_and_at_once() {
    let server = FakeKube::start();
    let forbidden = include_str!("fixtures/kube/errors/403-pods-all-namespaces.json");
    server.fault(Verb::List, Fault::Status(403, forbidden.to_owned(), None));
    let mut setup = set_up(&server, &by_uid(&["k8s.pod.name"]), None);
    let began = Instant::now();
    assert_eq!(setup.of_uid("uid-shop-a"), attributes(&[("k8s.pod.uid", "uid-shop-a")]));
    assert!(began.elapsed() < Duration::from_secs(5), "nothing to wait for");
}

#[test]
fn an_unreachable_api_holds_the_first_batch_up_only_so_long() {
    let server = FakeKube::start();
    for _ in 0..20 {
        server.fault(Verb::List, Fault::Hangup);
    }
    let yaml = by_uid(&["k8s.pod.name"]) + "wait_for_metadata_timeout: 200ms";
    let mut setup = set_up(&server, &yaml, None);
    let began = Instant::now();
    assert_eq!(setup.of_uid("uid-shop-a").len(), 1);
    assert_eq!(setup.of_uid("uid-shop-a").len(), 1);
    let waited = began.elapsed();
    assert!((Duration::from_millis(200)..Duration::from_secs(5)).contains(&waited), "{waited:?}");
}

#[test]
fn passthrough_notes_the_sender_and_asks_nobody() {
    let config: K8sAttributesConfig = from_yaml("passthrough: true").unwrap();
    let mut processor =
        kmagent::component::ProcessorConfig::build(&config, context(), kmagent::pipeline::Signal::Logs)
            .unwrap();
    let mut batch = logs(Vec::new());
    batch.peer = Some("10.1.2.3".parse().unwrap());
    let mut out = Vec::new();
    processor.process(batch, &mut |batch| out.push(batch));
    assert_has(&resource_of(&out[0]), &[("k8s.pod.ip", "10.1.2.3")]);
}

#[test]
fn outside_a_cluster_the_start_fails_and_says_what_to_do() {
    let build = |yaml: &str| {
        let config: K8sAttributesConfig = from_yaml(yaml).unwrap();
        kmagent::component::ProcessorConfig::build(&config, context(), kmagent::pipeline::Signal::Logs)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let error = build("auth_type: serviceAccount");
    assert!(
        error.contains("unable to load in-cluster configuration") && error.contains("kubeConfig"),
        "{error}"
    );
    let error = build("filter: {node_from_env_var: NO_SUCH_VARIABLE_HERE}");
    assert!(error.contains("NO_SUCH_VARIABLE_HERE is not set"), "{error}");
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let check = |yaml: &str| {
        let node = from_yaml::<kmagent::config::Node>(yaml).unwrap();
        let mut decoder = kmagent::config::Decoder::new(&node);
        (TYPE.decode)(&mut decoder);
        decoder.found().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for (yaml, wanted) in [
        ("extract: {metadata: [k8s.pod.nam]}", "\"k8s.pod.nam\" is not a supported metadata field"),
        ("extract: {labels: [{tag_name: x}]}", "set either key or key_regex"),
        ("extract: {labels: [{key: a, key_regex: b}]}", "exclude each other"),
        ("extract: {annotations: [{key_regex: '('}]}", "unclosed group"),
        ("extract: {labels: [{key: a, regex: 'x(.*)'}]}", "called \"value\""),
        ("filter: {fields: [{key: a, op: exists}]}", "compared by \"equals\""),
        ("pod_association: [{sources: [{from: resource_attribute}]}]", "name the resource attribute"),
        ("auth_type: tls", "for the kubelet only"),
        ("auth_type: magic", "invalid authType for kubernetes"),
    ] {
        let found = check(yaml);
        assert!(found.contains(wanted), "{yaml}: {found}");
    }
    assert_eq!(check("{extract: , filter: , pod_association: , exclude: }"), "");
}
