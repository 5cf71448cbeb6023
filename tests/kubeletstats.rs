//! `kubeletstats` against a kubelet and an API server: every figure of a recorded node, and what
//! happens when one of them says no.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use kmagent::component::Receiver;
use kmagent::config::types::Secret;
use kmagent::config::{Decoder, Node, from_yaml};
use kmagent::kube::{Access, Client, Credentials};
use kmagent::net::tls::ClientTls;
use kmagent::otlp::metrics::{Data, Metric, Number, NumberDataPoint, ResourceMetrics};
use kmagent::otlp::{Attributes, KeyValue};
use kmagent::pipeline::{Outputs, Stop, StopSource};
use kmagent::receivers::kubeletstats::{KubeletSource, KubeletStatsConfig, TYPE};
use kmagent::receivers::scraper::{Clock, Scraping};
use kmagent::telemetry::{StatusBoard, Telemetry};
use serde_json::{Value, json};

use crate::support::data::context;
use crate::support::kube::{FakeKube, Fault, PODS, Verb, eventually};

const SUMMARY: &str = include_str!("fixtures/kube/kubelet/stats-summary.json");
const SUMMARY_PATH: &str = "/stats/summary";
const POD_LIST: &str = include_str!("fixtures/kube/kubelet/pods.json");

/// Everything on, as the stock configuration nearly has it.
const STOCK: &str = "
metric_groups: [volume, node, pod, container]
extra_metadata_labels: [container.id, k8s.volume.type]
node: node-a
k8s_api_config: {auth_type: serviceAccount}
metrics:
  k8s.node.uptime: {enabled: true}
  k8s.pod.uptime: {enabled: true}
  container.uptime: {enabled: true}
  k8s.pod.volume.usage: {enabled: true}
  k8s.container.cpu_limit_utilization: {enabled: true}
  k8s.container.cpu_request_utilization: {enabled: true}
  k8s.container.memory_limit_utilization: {enabled: true}
  k8s.container.memory_request_utilization: {enabled: true}
  k8s.container.cpu.node.utilization: {enabled: true}
  k8s.container.memory.node.utilization: {enabled: true}
  k8s.pod.cpu_limit_utilization: {enabled: true}
  k8s.pod.cpu_request_utilization: {enabled: true}
  k8s.pod.memory_limit_utilization: {enabled: true}
  k8s.pod.memory_request_utilization: {enabled: true}
  k8s.pod.cpu.node.utilization: {enabled: true}
  k8s.pod.memory.node.utilization: {enabled: true}
";

/// A few seconds after the summary was made: 2026-11-22T13:57:50Z.
const NOW: u64 = 1_795_355_870;

struct Fixed(Instant);

impl Clock for Fixed {
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

/// A kubelet that is its own API server.
fn node() -> FakeKube {
    let server = FakeKube::start();
    server.page(SUMMARY_PATH, 200, SUMMARY);
    server.page("/pods", 200, POD_LIST);
    server.load("/api/v1/nodes", include_str!("fixtures/kube/api/nodes.json"));
    server.load("/api/v1/persistentvolumes", include_str!("fixtures/kube/api/persistentvolumes.json"));
    server.load(
        "/api/v1/persistentvolumeclaims",
        include_str!("fixtures/kube/api/persistentvolumeclaims.json"),
    );
    server
}

struct Setup {
    scraping: Scraping<KubeletSource>,
    board: StatusBoard,
    telemetry: Telemetry,
}

fn set_up(config: &str, kubelet: &Arc<Client>, api: Option<&Arc<Client>>) -> Setup {
    let config: KubeletStatsConfig = from_yaml(config).unwrap();
    let source = KubeletSource::with_clients(&config, kubelet, api, "1.2.3");
    let board = StatusBoard::default();
    let context = context("kubeletstats", Stop::never(), &board);
    let telemetry = context.telemetry.clone();
    let scraping = config.scraping(source, Arc::new(Fixed(Instant::now())), context);
    Setup { scraping, board, telemetry }
}

fn scrape(config: &str, server: &FakeKube) -> (Vec<ResourceMetrics>, Setup) {
    let client = server.client();
    let mut setup = set_up(config, &client, Some(&client));
    (setup.scraping.scrape(&Stop::never()), setup)
}

fn metrics_of(resource: &ResourceMetrics) -> &[Metric] {
    &resource.scope_metrics[0].metrics
}

fn attributes_of(resource: &ResourceMetrics) -> &Vec<KeyValue> {
    &resource.resource.as_ref().unwrap().attributes
}

fn points(metric: &Metric) -> (&'static str, &[NumberDataPoint]) {
    match metric.data.as_ref().unwrap() {
        Data::Gauge(gauge) => ("gauge", &gauge.data_points),
        Data::Sum(sum) if sum.is_monotonic => ("counter", &sum.data_points),
        Data::Sum(sum) => ("sum", &sum.data_points),
        other => panic!("{other:?}"),
    }
}

fn show(attributes: &[KeyValue]) -> String {
    let pairs: Vec<_> =
        attributes.iter().map(|a| format!("{}={}", a.key, a.value.as_str().unwrap())).collect();
    pairs.join(" ")
}

/// One line a point.
fn render(all: &[ResourceMetrics]) -> String {
    let mut text = String::new();
    for resource in all {
        let _ = writeln!(text, "{}", show(attributes_of(resource)));
        for metric in metrics_of(resource) {
            let (kind, points) = points(metric);
            for point in points {
                assert_eq!(point.time_unix_nano, NOW * 1_000_000_000);
                let value = match point.value.unwrap() {
                    Number::Int(value) => value.to_string(),
                    Number::Double(value) => format!("{value:?}"),
                };
                let start = point.start_time_unix_nano / 1_000_000_000;
                let attributes = show(&point.attributes);
                let _ =
                    writeln!(text, "  {} {kind} {} {value} {start} {attributes}", metric.name, metric.unit);
            }
        }
    }
    text
}

fn value_of(resource: &ResourceMetrics, name: &str) -> Option<f64> {
    let metric = metrics_of(resource).iter().find(|metric| metric.name == name)?;
    Some(points(metric).1[0].value.unwrap().as_f64())
}

#[test]
fn recorded_node_gives_the_golden_figures() {
    let (all, setup) = scrape(STOCK, &node());
    let found = render(&all);
    let golden = include_str!("fixtures/kube/kubeletstats.golden.txt");
    if found != golden {
        let place = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubeletstats.golden.txt");
        std::fs::write(&place, &found).unwrap();
        let differs = found.lines().zip(golden.lines()).find(|(found, golden)| found != golden);
        panic!("{} differs from the golden file, first at {differs:?}", place.display());
    }
    assert_eq!(setup.telemetry.total("otelcol_scraper_errored_metric_points"), 0);
    let scope = all[0].scope_metrics[0].scope.as_ref().unwrap();
    assert!(scope.name.ends_with("receiver/kubeletstatsreceiver") && scope.version == "1.2.3");
}

#[test]
fn every_figure_of_the_summary_is_told_as_it_is() {
    for summary in [SUMMARY, include_str!("fixtures/kube/kubelet/stats-summary-cgroup-v2.json")] {
        let server = node();
        server.page(SUMMARY_PATH, 200, summary);
        let (all, _) = scrape("metric_groups: [node, pod, container, volume]", &server);
        let raw: Value = serde_json::from_str(summary).unwrap();
        let by_key: BTreeMap<String, &ResourceMetrics> =
            all.iter().map(|resource| (show(attributes_of(resource)), resource)).collect();
        let mut wanted = 0;
        let mut check = |key: &str, prefix: &str, object: &Value, fs: &str| {
            wanted += 1;
            let resource = by_key[key];
            for (suffix, pointer, divisor) in [
                ("cpu.usage", "/cpu/usageNanoCores", 1e9),
                ("cpu.time", "/cpu/usageCoreNanoSeconds", 1e9),
                ("memory.available", "/memory/availableBytes", 1.0),
                ("memory.usage", "/memory/usageBytes", 1.0),
                ("memory.rss", "/memory/rssBytes", 1.0),
                ("memory.working_set", "/memory/workingSetBytes", 1.0),
                ("memory.page_faults", "/memory/pageFaults", 1.0),
                ("memory.major_page_faults", "/memory/majorPageFaults", 1.0),
                ("filesystem.available", &format!("/{fs}/availableBytes"), 1.0),
                ("filesystem.capacity", &format!("/{fs}/capacityBytes"), 1.0),
                ("filesystem.usage", &format!("/{fs}/usedBytes"), 1.0),
            ] {
                let want = object.pointer(pointer).map(|value| value.as_f64().unwrap() / divisor);
                assert_eq!(
                    value_of(resource, &format!("{prefix}.{suffix}")),
                    want,
                    "{key} {prefix}.{suffix}"
                );
            }
        };
        check(
            &format!("k8s.node.name={}", raw["node"]["nodeName"].as_str().unwrap()),
            "k8s.node",
            &raw["node"],
            "fs",
        );
        for pod in raw["pods"].as_array().unwrap() {
            let text = |name: &str| pod["podRef"][name].as_str().unwrap();
            let key = format!(
                "k8s.pod.uid={} k8s.pod.name={} k8s.namespace.name={}",
                text("uid"),
                text("name"),
                text("namespace")
            );
            check(&key, "k8s.pod", pod, "ephemeral-storage");
            for container in pod["containers"].as_array().unwrap() {
                let key = format!("{key} k8s.container.name={}", container["name"].as_str().unwrap());
                check(&key, "container", container, "rootfs");
            }
        }
        let volumes = raw["pods"].as_array().unwrap().iter();
        let volumes: usize = volumes.map(|pod| pod["volume"].as_array().map_or(0, Vec::len)).sum();
        assert_eq!(all.len(), wanted + volumes);
    }
}

#[test]
fn default_groups_ask_for_nothing_but_the_summary() {
    let server = node();
    let (all, _) = scrape("{}", &server);
    assert!(all.iter().all(|resource| attributes_of(resource).get("k8s.volume.name").is_none()));
    let paths: Vec<_> = server.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, [SUMMARY_PATH]);
    let (none, _) = scrape("metric_groups: []", &server);
    assert!(none.is_empty());
}

#[test]
fn all_interfaces_are_told_where_asked_for() {
    let interfaces = |config: &str, prefix: &str| {
        let (all, _) = scrape(config, &node());
        let metrics = all.iter().flat_map(metrics_of).filter(|m| m.name == format!("{prefix}.network.io"));
        let points = metrics.flat_map(|metric| points(metric).1);
        let mut names: Vec<_> =
            points.map(|point| point.attributes.get_str("interface").unwrap().to_owned()).collect();
        names.sort();
        names.dedup();
        names
    };
    assert_eq!(interfaces("{}", "k8s.node"), ["eth0"]);
    assert!(interfaces("collect_all_network_interfaces: {node: true}", "k8s.node").len() > 3);
    assert_eq!(interfaces("collect_all_network_interfaces: {node: true}", "k8s.pod"), ["eth0"]);
}

#[test]
fn a_container_without_an_id_is_left_out_and_counted_once_in_the_log() {
    let server = node();
    server.page("/pods", 200, r#"{"kind":"PodList","items":[]}"#);
    let config = "{extra_metadata_labels: [container.id], metric_groups: [container]}";
    let (all, setup) = scrape(config, &server);
    assert!(all.is_empty());
    assert!(setup.board.components().values().all(|entry| entry.state.name() == "running"));
}

#[test]
fn the_pods_come_from_the_api_where_the_kubelet_keeps_them_to_itself() {
    let server = node();
    server.page("/pods", 403, include_str!("fixtures/kube/errors/403-kubelet.txt"));
    server.load(PODS, include_str!("fixtures/kube/api/pods-on-node-a.json"));
    let (all, mut setup) = scrape(STOCK, &server);
    let golden = include_str!("fixtures/kube/kubeletstats.golden.txt");
    // Ids of containers come from another moment of the same pods: the shape is what counts.
    assert_eq!(render(&all).lines().count(), golden.lines().count());
    let before = server.seen().len();
    setup.scraping.scrape(&Stop::never());
    let again: Vec<_> = server.seen().drain(before..).map(|seen| seen.path).collect();
    assert_eq!(again, [SUMMARY_PATH, PODS], "what is refused is not asked for again, what is known neither");
}

#[test]
fn with_a_kubeconfig_the_kubelet_is_asked_itself_and_never_through_the_api_server() {
    let server = node();
    let mut object: Value = server.objects("/api/v1/nodes")[&(String::new(), "node-a".to_owned())].clone();
    object["status"]["addresses"] =
        json!([{"type": "Hostname", "address": "node-a"}, {"type": "InternalIP", "address": "127.0.0.1"}]);
    object["status"]["daemonEndpoints"] = json!({"kubeletEndpoint": {"Port": server.address.port()}});
    server.put("/api/v1/nodes", object);
    let config: KubeletStatsConfig = from_yaml("{auth_type: kubeConfig, endpoint: node-a}").unwrap();
    let (client, tls) = (server.client(), server.trusted());
    let identify = Box::new(move |address: &str| {
        let credentials = Credentials::Token(Secret::new("good"));
        Ok(Access { server: format!("https://{address}"), tls: tls.clone(), credentials })
    });
    let source = KubeletSource::located(&config, &client, identify, None, "1.2.3");
    let context = context("kubeletstats", Stop::never(), &StatusBoard::default());
    let mut scraping = config.scraping(source, Arc::new(Fixed(Instant::now())), context);
    assert!(!scraping.scrape(&Stop::never()).is_empty());
    assert!(!scraping.scrape(&Stop::never()).is_empty());
    let paths: Vec<_> = server.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/api/v1/nodes/node-a", SUMMARY_PATH, SUMMARY_PATH]);
}

#[test]
fn a_refused_summary_is_a_failed_scrape_that_names_the_missing_right() {
    for (status, body) in [
        (403, include_str!("fixtures/kube/errors/403-kubelet.txt")),
        (401, include_str!("fixtures/kube/errors/401-kubelet.txt")),
    ] {
        let server = node();
        server.page(SUMMARY_PATH, status, body);
        let (all, setup) = scrape(STOCK, &server);
        assert!(all.is_empty());
        let entry = setup.board.components().values().next().unwrap().clone();
        assert_eq!(entry.state.name(), "degraded");
        assert!(
            entry.detail.contains("nodes/stats") && entry.detail.contains("ClusterRole"),
            "{}",
            entry.detail
        );
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_told_with_the_remedy() {
    let server = node();
    let other = FakeKube::start();
    let token = || Credentials::Token(Secret::new("good"));
    let client = server.client_with(other.trusted(), token());
    let mut setup = set_up("{}", &client, None);
    assert!(setup.scraping.scrape(&Stop::never()).is_empty());
    let detail = setup.board.components().values().next().unwrap().detail.clone();
    assert!(detail.contains("insecure_skip_verify: true") && detail.contains("ca_file"), "{detail}");
    let blind = ClientTls { insecure_skip_verify: true, ..ClientTls::default() };
    let mut setup = set_up("{}", &server.client_with(blind, token()), None);
    assert!(!setup.scraping.scrape(&Stop::never()).is_empty());
}

#[test]
fn nonsense_and_half_an_answer_are_failed_scrapes() {
    let server = node();
    server.page(SUMMARY_PATH, 200, &SUMMARY[..40_000]);
    let (all, setup) = scrape("{}", &server);
    assert!(all.is_empty());
    let detail = setup.board.components().values().next().unwrap().detail.clone();
    assert!(detail.contains("not what a kubelet says"), "{detail}");
}

#[test]
fn a_pod_that_cannot_be_read_costs_no_other() {
    let server = node();
    let mut list: Value = serde_json::from_str(POD_LIST).unwrap();
    let whole = list["items"].as_array().unwrap().len();
    list["items"].as_array_mut().unwrap().insert(0, json!({"metadata": "nonsense"}));
    server.page("/pods", 200, list.to_string());
    let (all, _) = scrape(STOCK, &server);
    assert!(whole > 0 && render(&all) == include_str!("fixtures/kube/kubeletstats.golden.txt"));
}

#[test]
fn a_node_that_cannot_be_asked_costs_its_shares_alone() {
    let server = node();
    server.delete("/api/v1/nodes", "", "node-a");
    let (all, _) = scrape(STOCK, &server);
    let text = render(&all);
    assert!(!text.contains("node.utilization") && text.contains("k8s.pod.cpu_limit_utilization"));
}

#[test]
fn resource_attributes_can_be_switched_off() {
    let (all, _) = scrape("resource_attributes: {k8s.pod.uid: {enabled: false}}", &node());
    assert!(all.iter().all(|resource| attributes_of(resource).get("k8s.pod.uid").is_none()));
    assert!(all.iter().any(|resource| attributes_of(resource).get("k8s.pod.name").is_some()));
}

#[test]
fn a_stop_ends_a_scrape_that_blocks() {
    let server = node();
    server.fault(Verb::Get, Fault::Stall);
    let client = server.client();
    let setup = set_up("{}", &client, None);
    let source = StopSource::new();
    let stop = source.stop();
    let running = std::thread::spawn(move || Box::new(setup.scraping).run(Outputs::default(), stop));
    eventually("the request is under way", || !server.seen().is_empty());
    let began = Instant::now();
    source.raise();
    running.join().unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let check = |yaml: &str| {
        let node: Node = from_yaml(yaml).unwrap();
        let mut decoder = Decoder::new(&node);
        (TYPE.decode)(&mut decoder);
        decoder.found().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for (yaml, wanted) in [
        ("metric_groups: [pods]", "invalid entry in metric_groups"),
        ("extra_metadata_labels: [pod.id]", "label \"pod.id\" is not supported"),
        ("extra_metadata_labels: [container.id, container.id]", "duplicate found"),
        ("metrics: {k8s.pod.cpu.usge: {enabled: true}}", "did you mean \"k8s.pod.cpu.usage\""),
        ("resource_attributes: {k8s.pod.nam: {enabled: true}}", "did you mean \"k8s.pod.name\""),
        ("metrics: {k8s.pod.cpu.node.utilization: {enabled: true}}", "\"node\" (the name of the node)"),
        ("collection_interval: 0s", "longer than zero"),
        ("cert_file: /x", "go together"),
    ] {
        let found = check(yaml);
        assert!(found.contains(wanted), "{yaml}: {found}");
    }
    assert_eq!(check(STOCK), "");
}
