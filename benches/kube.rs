//! What following a cluster costs: reading lists, memory per pod, enriching resources, one
//! collection from a kubelet.
//!
//! `cargo bench --bench kube` prints the memory per pod first and fails when it is above its bound.

#![allow(clippy::unwrap_used)] // a bench that cannot be set up has failed

#[path = "../tests/support"]
#[allow(dead_code)]
mod support {
    pub mod certs;
    pub mod kube;
}

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use kmagent::component::{Context, NoHost, Processor};
use kmagent::config::from_yaml;
use kmagent::kube::list_watch::Sink;
use kmagent::kube::objects::{Pod, PodNeeds};
use kmagent::kube::{Namespaces, Pieces, Store, read_list};
use kmagent::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use kmagent::otlp::{KeyValue, Resource};
use kmagent::pipeline::{Ack, Batch, Data, Stop};
use kmagent::processors::k8sattributes::{K8sAttributesConfig, Metadata, processor};
use kmagent::receivers::kubeletstats::{KubeletSource, KubeletStatsConfig};
use kmagent::receivers::scraper::{Clock, Scraping};
use kmagent::telemetry::{StatusBoard, Telemetry};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use support::kube::{FakeKube, PODS};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Memory that a pod may take in a store, with the fields of the stock configuration.
const MOST_PER_POD: usize = 1228;
/// Memory that the store of a hundred thousand pods may take.
const MOST_FOR_ALL: usize = 120 << 20;

/// CPU time of one collection from a full node.
const MOST_PER_COLLECTION: Duration = Duration::from_millis(10);

fn main() {
    #[cfg(feature = "jemalloc")]
    for pods in [5_000, 100_000] {
        let (bytes, seconds) = memory(pods);
        println!(
            "{pods} pods: {} B per pod, {:.1} MiB, {seconds:.2} s",
            bytes / pods,
            bytes as f64 / f64::from(1 << 20)
        );
        assert!(bytes / pods < MOST_PER_POD && bytes < MOST_FOR_ALL, "more memory than promised");
    }
    let spent = collection();
    println!("collection of 110 pods, 250 containers: {:.2} ms of CPU time", spent.as_secs_f64() * 1e3);
    assert!(spent < MOST_PER_COLLECTION, "more CPU time than promised");
    divan::main();
}

#[cfg(feature = "jemalloc")]
fn memory(pods: usize) -> (usize, f64) {
    use tikv_jemalloc_ctl::{epoch, stats};
    let allocated = || {
        epoch::advance().unwrap();
        stats::allocated::read().unwrap()
    };
    let template = large_pod();
    let store = Store::<Pod>::default();
    store.widen(&needs());
    let mut sink = &store;
    let mut spent = Duration::ZERO;
    let before = allocated();
    sink.list_started();
    for n in 0..pods {
        let json = numbered(&template, n);
        let began = Instant::now();
        sink.listed(json.as_bytes());
        spent += began.elapsed();
    }
    sink.list_completed();
    assert_eq!(store.len(), pods);
    let taken = allocated() - before;
    drop(store);
    (taken, spent.as_secs_f64())
}

fn needs() -> PodNeeds {
    let mut needs = PodNeeds { containers: true, ..PodNeeds::default() };
    for label in ["app.kubernetes.io/name", "app.kubernetes.io/instance", "pod-template-hash", "app"] {
        needs.labels.add(label);
    }
    needs
}

/// A recorded pod, padded to 15 KiB by what fills real ones: the fields' managers.
fn large_pod() -> String {
    let list: Value =
        serde_json::from_str(include_str!("../tests/fixtures/kube/api/pods-on-node-a.json")).unwrap();
    let mut pods = list["items"].as_array().unwrap().iter();
    let is_frontend = |pod: &&Value| pod["metadata"]["name"].as_str().unwrap().starts_with("frontend-");
    let mut pod = pods.find(is_frontend).unwrap().clone();
    pod["metadata"]["name"] = json!("frontend-NAME");
    pod["metadata"]["uid"] = json!("3e973a2c-8434-456e-8c56-UID");
    pod["status"]["podIP"] = json!("IP");
    for status in pod["status"]["containerStatuses"].as_array_mut().unwrap() {
        status["containerID"] = json!("containerd://UIDUIDUIDUIDUID0");
    }
    let managers = pod["metadata"]["managedFields"].as_array().unwrap().clone();
    while pod.to_string().len() < 15 << 10 {
        pod["metadata"]["managedFields"].as_array_mut().unwrap().extend(managers.iter().cloned());
    }
    pod.to_string()
}

fn numbered(template: &str, n: usize) -> String {
    template
        .replace("NAME", &format!("{n:010}"))
        .replace("UID", &format!("{n:012}"))
        .replace("\"IP\"", &format!("\"10.{}.{}.{}\"", n >> 16, n >> 8 & 255, n & 255))
}

/// Cutting a list into pods, reading each, and updating the store: bytes of JSON per second.
#[divan::bench]
fn read_a_page_of_500_pods(bencher: Bencher) {
    let template = large_pod();
    let items: Vec<_> = (0..500).map(|n| numbered(&template, n)).collect();
    let page =
        format!(r#"{{"kind":"PodList","metadata":{{"resourceVersion":"1"}},"items":[{}]}}"#, items.join(","));
    let store = Store::<Pod>::default();
    store.widen(&needs());
    bencher.counter(BytesCount::new(page.len())).bench(|| {
        let mut sink = &store;
        sink.list_started();
        read_list(&mut Pieces::new(page.as_bytes(), 1 << 20), |item| sink.listed(item)).unwrap();
        sink.list_completed();
    });
}

fn context() -> Context {
    Context {
        id: "bench".parse().unwrap(),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle("bench"),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    }
}

const STOCK: &str = "
extract:
  metadata: [k8s.pod.name, k8s.pod.uid, k8s.deployment.name, k8s.namespace.name, k8s.node.name,
    k8s.pod.start_time, k8s.statefulset.uid, k8s.replicaset.uid, k8s.daemonset.uid, k8s.deployment.uid, k8s.job.uid,
    k8s.pod.ip, k8s.daemonset.name, k8s.statefulset.name, k8s.replicaset.name, k8s.cronjob.name, k8s.job.name,
    k8s.container.name]
pod_association: [{sources: [{from: resource_attribute, name: k8s.pod.uid}]}]";

fn logs(uid: &str, records: usize) -> ResourceLogs {
    let attributes = vec![
        KeyValue::fixed("k8s.pod.uid", uid),
        KeyValue::fixed("k8s.pod.name", "frontend"),
        KeyValue::fixed("k8s.namespace.name", "shop"),
        KeyValue::fixed("k8s.container.name", "frontend"),
    ];
    let resource = Resource { attributes, dropped_attributes_count: 0 };
    let records = vec![LogRecord { time_unix_nano: 1, ..LogRecord::default() }; records];
    let scope = ScopeLogs { log_records: records, ..ScopeLogs::default() };
    ResourceLogs { resource: Some(resource), scope_logs: vec![scope], ..ResourceLogs::default() }
}

/// Records per second of pods that are known, by how many records a resource has.
#[divan::bench(args = [1, 10, 100])]
fn enrich(bencher: Bencher, records: usize) {
    let server = FakeKube::start();
    server.load(PODS, include_str!("../tests/fixtures/kube/api/pods-on-node-a.json"));
    server.load("/apis/apps/v1/replicasets", include_str!("../tests/fixtures/kube/api/replicasets.json"));
    let config: K8sAttributesConfig = from_yaml(STOCK).unwrap();
    let metadata =
        Metadata::start(&config, Some("node-a"), &Namespaces::default(), &server.client(), &Telemetry::new())
            .unwrap();
    let mut enrich: Box<dyn Processor> = processor(&config, Arc::new(metadata), context());
    let uids: Vec<String> = server
        .objects(PODS)
        .values()
        .filter(|pod| pod["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet")
        .map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned())
        .collect();
    let resources = 100;
    let batch = || {
        let logs = (0..resources).map(|n| logs(&uids[n % uids.len()], records)).collect();
        Batch::new(Data::Logs(logs), Ack::none())
    };
    enrich.process(batch(), &mut |_| {});
    std::thread::sleep(Duration::from_millis(300));
    bencher.counter(ItemsCount::new(resources * records)).with_inputs(batch).bench_local_values(|batch| {
        let mut out = None;
        enrich.process(batch, &mut |batch| out = Some(batch));
        out
    });
}

struct Real;

impl Clock for Real {
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
    fn wait(&self, _: Instant, stop: &Stop) -> bool {
        stop.is_raised()
    }
}

/// A node of 110 pods and 250 containers, as recorded pods over and over.
fn large_node() -> (String, String) {
    let mut summary: Value =
        serde_json::from_str(include_str!("../tests/fixtures/kube/kubelet/stats-summary.json")).unwrap();
    let mut list: Value =
        serde_json::from_str(include_str!("../tests/fixtures/kube/kubelet/pods.json")).unwrap();
    let pods = summary["pods"].as_array().unwrap().clone();
    let specs = list["items"].as_array().unwrap().clone();
    let (mut all, mut all_specs, mut containers) = (Vec::new(), Vec::new(), 0);
    for n in 0..110 {
        let mut pod = pods[n % pods.len()].clone();
        let old = pod["podRef"]["uid"].as_str().unwrap().to_owned();
        let new = format!("{n:08}{}", &old[8..]);
        if let Some(spec) = specs.iter().find(|spec| spec.to_string().contains(&old)) {
            all_specs.push(serde_json::from_str(&spec.to_string().replace(&old, &new)).unwrap());
        }
        pod["podRef"]["uid"] = json!(new);
        let first = pod["containers"][0].clone();
        let own = pod["containers"].as_array_mut().unwrap();
        while own.len() < 2 || (containers + own.len() < (n + 1) * 250 / 110) {
            own.push(first.clone());
        }
        containers += own.len();
        all.push(pod);
    }
    assert!(containers >= 250);
    summary["pods"] = Value::Array(all);
    list["items"] = Value::Array(all_specs);
    (summary.to_string(), list.to_string())
}

/// A receiver in front of that node, and the bytes that a collection reads.
fn in_front_of_a_large_node() -> (FakeKube, Scraping<KubeletSource>, usize) {
    let (summary, list) = large_node();
    let server = FakeKube::start();
    server.page("/stats/summary", 200, summary.as_str());
    server.page("/pods", 200, list.as_str());
    let config: KubeletStatsConfig = from_yaml(
        "{metric_groups: [node, pod, container, volume], extra_metadata_labels: [container.id, k8s.volume.type]}",
    )
    .unwrap();
    let source = KubeletSource::with_clients(&config, &server.client(), None, "0");
    let scraping = config.scraping(source, Arc::new(Real), context());
    (server, scraping, summary.len() + list.len())
}

/// CPU time that a collection takes in the collecting thread, TLS included; the kubelet's side is in
/// threads of its own.
fn collection() -> Duration {
    const TIMES: u32 = 50;
    let (_server, mut scraping, _) = in_front_of_a_large_node();
    assert!(scraping.scrape(&Stop::never()).len() > 360);
    let clock = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let before = clock();
    for _ in 0..TIMES {
        assert!(!scraping.scrape(&Stop::never()).is_empty());
    }
    clock().saturating_sub(before) / TIMES
}

/// One collection over TLS from a node of 110 pods and 250 containers, the answering side included.
#[divan::bench]
fn collect_from_a_large_node(bencher: Bencher) {
    let (_server, mut scraping, bytes) = in_front_of_a_large_node();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| scraping.scrape(&Stop::never()));
}
