//! `prometheus` over real sockets: a recorded cAdvisor page, targets from everywhere, and targets
//! that do not behave.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kmagent::component::{ReceiverConfig, RunError};
use kmagent::config::from_yaml;
use kmagent::otlp::metrics::{Data as Points, NumberDataPoint, ResourceMetrics};
use kmagent::otlp::{Attributes, KeyValue};
use kmagent::pipeline::{Batch, Consumer, Data, Output, Outputs, Rejected, Signal, Stop, StopSource};
use kmagent::receivers::prometheus::PrometheusConfig;
use kmagent::telemetry::{StatusBoard, Telemetry};
use serde_json::{Value, json};

use crate::support::data::context;
use crate::support::kube::{FakeKube, Fault, Verb, eventually};

const CADVISOR: &str = include_str!("fixtures/kube/kubelet/metrics-cadvisor.txt");
const CADVISOR_PATH: &str = "/metrics/cadvisor";

/// A receiver that runs, and what it sent.
struct Running {
    sent: Arc<Sent>,
    stop: StopSource,
    thread: Option<JoinHandle<Result<(), RunError>>>,
    telemetry: Telemetry,
}

#[derive(Default)]
struct Sent(Mutex<Vec<ResourceMetrics>>);

impl Consumer for Sent {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        if let Data::Metrics(metrics) = batch.data() {
            self.0.lock().unwrap().extend(metrics.iter().cloned());
        }
        Ok(())
    }
    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.consume(batch)
    }
}

impl Running {
    fn start(name: &str, yaml: &str) -> Self {
        let config: PrometheusConfig = from_yaml(yaml).unwrap();
        let context = context(&format!("prometheus/{name}"), Stop::never(), &StatusBoard::default());
        let telemetry = context.telemetry.clone();
        let receiver = config.build(context).unwrap();
        let sent = Arc::new(Sent::default());
        let mut outputs = Outputs::default();
        outputs.set(Signal::Metrics, Output::new(vec![sent.clone()]));
        let stop = StopSource::new();
        let request = stop.stop();
        let thread = Some(std::thread::spawn(move || receiver.run(outputs, request)));
        Self { sent, stop, thread, telemetry }
    }

    /// All points so far with the name of their metric and the attributes of their resource.
    fn points(&self) -> Vec<(String, Vec<KeyValue>, NumberDataPoint)> {
        let mut all = Vec::new();
        for resource in self.sent.0.lock().unwrap().iter() {
            let attributes = &resource.resource.as_ref().unwrap().attributes;
            for metric in resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
                let points = match metric.data.as_ref().unwrap() {
                    Points::Gauge(gauge) => &gauge.data_points,
                    Points::Sum(sum) => &sum.data_points,
                    _ => continue,
                };
                all.extend(points.iter().map(|p| (metric.name.clone(), attributes.clone(), p.clone())));
            }
        }
        all
    }

    /// The values of `up`, with the attributes of the points.
    fn ups(&self) -> Vec<(f64, Vec<KeyValue>)> {
        let ups = self.points().into_iter().filter(|(name, _, _)| name == "up");
        ups.filter_map(|(_, _, point)| Some((point.value?.as_f64(), point.attributes))).collect()
    }

    /// Asks it to stop; how long that took.
    fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.stop.raise();
        self.thread.take().unwrap().join().unwrap().unwrap();
        began.elapsed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.raise();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A folder with the token and the authority of a fake server.
fn credentials(server: &FakeKube) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "good\n").unwrap();
    std::fs::write(folder.path().join("ca.crt"), server.ca_pem()).unwrap();
    folder
}

/// Keys of a job that is let in by a fake server.
fn secured(folder: &tempfile::TempDir) -> String {
    let path = folder.path().display();
    format!(
        "scheme: https, bearer_token_file: {path}/token, tls_config: {{ca_file: {path}/ca.crt}}, \
         scrape_interval: 100ms, scrape_timeout: 100ms"
    )
}

#[test]
fn recorded_cadvisor_page_arrives_sample_by_sample() {
    let server = FakeKube::start();
    server.page(CADVISOR_PATH, 200, CADVISOR);
    let folder = credentials(&server);
    let yaml = format!(
        "config: {{scrape_configs: [{{job_name: cadvisor, metrics_path: {CADVISOR_PATH}, {}, scrape_interval: 2s, \
         scrape_timeout: 2s, static_configs: [{{targets: ['{}'], labels: {{node: node-a}}}}], relabel_configs: \
         [{{source_labels: [__address__], target_label: instance, replacement: node-a}}]}}]}}",
        secured(&folder).replace(", scrape_interval: 100ms, scrape_timeout: 100ms", ""),
        server.address
    );
    let running = Running::start("cadvisor", &yaml);
    eventually("a scrape is through", || !running.ups().is_empty());
    let points = running.points();
    // The page, read the simplest way there is.
    let mut wanted: BTreeMap<String, f64> = BTreeMap::new();
    for line in CADVISOR.lines().filter(|line| !line.starts_with('#')) {
        let (series, rest) = match line.find('}') {
            Some(end) => line.split_at(end + 1),
            None => line.split_at(line.find(' ').unwrap()),
        };
        wanted.insert(series.to_owned(), rest.split_whitespace().next().unwrap().parse().unwrap());
    }
    let mut found = BTreeMap::new();
    for (name, resource, point) in &points {
        if name == "up" || name.starts_with("scrape_") {
            continue;
        }
        assert_eq!(resource.get_str("service.name"), Some("cadvisor"));
        assert_eq!(resource.get_str("service.instance.id"), Some("node-a"));
        assert_eq!(point.attributes.get_str("node"), Some("node-a"));
        let labels: BTreeSet<_> = point
            .attributes
            .iter()
            .filter(|label| label.key != "node")
            .map(|label| format!("{}={:?}", label.key, label.value.as_str().unwrap()))
            .collect();
        found.insert((name.clone(), labels), point.value.unwrap().as_f64());
    }
    assert_eq!(found.len(), wanted.len());
    for (series, value) in wanted {
        let (name, labels) = series.split_once('{').unwrap_or((&series, ""));
        // No value of the recorded page has a comma or a quote in it that would end it early.
        let labels: BTreeSet<_> = labels
            .trim_end_matches('}')
            .split("\",")
            .filter_map(|pair| pair.split_once("=\""))
            .map(|(name, value)| (name, value.trim_end_matches('"')))
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        let same = found.get(&(name.to_owned(), labels.clone()));
        assert!(same.is_some_and(|same| *same == value), "{series}: {same:?}");
    }
    let of_scrape =
        |wanted: &str| points.iter().find(|(name, _, _)| name == wanted).unwrap().2.value.unwrap().as_f64();
    assert_eq!(of_scrape("up"), 1.0);
    assert_eq!(of_scrape("scrape_samples_scraped"), found.len() as f64);
    assert_eq!(running.telemetry.total("kmagent_prometheus_dropped_samples"), 0);
    assert!(running.stop() < Duration::from_secs(1));
}

/// The labels of all targets of a role, as `up` shows them: `address` and what discovery said.
fn discovered(role: &str, more: &str, server: &FakeKube, wanted: usize) -> Vec<BTreeMap<String, String>> {
    server.page(CADVISOR_PATH, 200, "a 1\n");
    let folder = credentials(server);
    let path = folder.path().display();
    let yaml = format!(
        "
config:
  scrape_configs:
    - {{job_name: sd, metrics_path: {CADVISOR_PATH}, {}, kubernetes_sd_configs: [{{role: {role}, api_server: '{}',
        bearer_token_file: {path}/token, tls_config: {{ca_file: {path}/ca.crt}} {more}}}],
       relabel_configs: [{{source_labels: [__address__], target_label: address}},
        {{regex: '__meta_kubernetes_(.+)', action: labelmap}},
        {{target_label: __address__, replacement: '{}'}}]}}
",
        secured(&folder),
        server.url(),
        server.address
    );
    let running = Running::start(role, &yaml);
    let sets = || -> BTreeSet<BTreeMap<String, String>> {
        let ups = running.ups();
        let sets = ups.iter().map(|(value, attributes)| {
            assert_eq!(*value, 1.0);
            attributes.iter().map(|a| (a.key.to_string(), a.value.as_str().unwrap().to_owned())).collect()
        });
        sets.collect()
    };
    eventually("all targets are found", || sets().len() >= wanted);
    let found: Vec<_> = sets().into_iter().collect();
    assert_eq!(found.len(), wanted, "{found:#?}");
    found
}

fn check(found: &BTreeMap<String, String>, wanted: &[(&str, &str)]) {
    for (name, value) in wanted {
        assert_eq!(found.get(*name).map(String::as_str), Some(*value), "{name} in {found:#?}");
    }
}

fn web_pod() -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": "web-1", "uid": "u1", "labels": {"app.k8s.io/name": "web"},
            "annotations": {"prometheus.io/scrape": "true"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5", "controller": true}]},
        "spec": {"nodeName": "node-a", "initContainers": [{"name": "init", "image": "i:0"}],
            "containers": [{"name": "main", "image": "i:1", "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"},
                {"name": "metrics", "containerPort": 9090}]}]},
        "status": {"podIP": "10.0.0.1", "hostIP": "192.168.0.1", "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "main", "containerID": "containerd://abc"}]},
    })
}

fn web_service() -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": "web", "labels": {"tier": "front"}},
        "spec": {"type": "ClusterIP", "clusterIP": "10.1.0.1", "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]},
    })
}

fn node_a() -> Value {
    json!({
        "metadata": {"name": "node-a", "labels": {"zone": "z1"}},
        "spec": {"providerID": "aws:///i-1"},
        "status": {"addresses": [{"type": "Hostname", "address": "node-a"}, {"type": "InternalIP", "address": "192.168.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}},
    })
}

#[test]
fn discovered_pods_are_targets_by_port() {
    let server = FakeKube::start();
    server.put("/api/v1/pods", web_pod());
    server.put("/api/v1/nodes", node_a());
    let found = discovered("pod", ", attach_metadata: {node: true}", &server, 3);
    let ports: Vec<_> = found.iter().map(|set| set["address"].as_str()).collect();
    assert_eq!(ports, ["10.0.0.1", "10.0.0.1:8080", "10.0.0.1:9090"]);
    check(&found[0], &[("pod_container_init", "true"), ("pod_container_name", "init")]);
    check(
        &found[1],
        &[
            ("namespace", "shop"),
            ("pod_name", "web-1"),
            ("pod_ip", "10.0.0.1"),
            ("pod_uid", "u1"),
            ("pod_label_app_k8s_io_name", "web"),
            ("pod_labelpresent_app_k8s_io_name", "true"),
            ("pod_annotation_prometheus_io_scrape", "true"),
            ("pod_container_init", "false"),
            ("pod_container_id", "containerd://abc"),
            ("pod_container_image", "i:1"),
            ("pod_container_port_name", "http"),
            ("pod_container_port_number", "8080"),
            ("pod_container_port_protocol", "TCP"),
            ("pod_ready", "true"),
            ("pod_phase", "Running"),
            ("pod_node_name", "node-a"),
            ("pod_host_ip", "192.168.0.1"),
            ("pod_controller_kind", "ReplicaSet"),
            ("pod_controller_name", "web-5"),
            ("node_label_zone", "z1"),
        ],
    );
}

#[test]
fn discovered_nodes_and_services_are_targets() {
    let server = FakeKube::start();
    server.put("/api/v1/nodes", node_a());
    let found = discovered("node", "", &server, 1);
    check(
        &found[0],
        &[
            ("address", "192.168.0.1:10250"),
            ("node_name", "node-a"),
            ("node_provider_id", "aws:///i-1"),
            ("node_label_zone", "z1"),
            ("node_address_InternalIP", "192.168.0.1"),
            ("node_address_Hostname", "node-a"),
        ],
    );
    server.put("/api/v1/services", web_service());
    let found = discovered("service", "", &server, 1);
    check(
        &found[0],
        &[
            ("address", "web.shop.svc:80"),
            ("namespace", "shop"),
            ("service_name", "web"),
            ("service_type", "ClusterIP"),
            ("service_cluster_ip", "10.1.0.1"),
            ("service_port", "80"),
            ("service_port_name", "http"),
            ("service_label_tier", "front"),
        ],
    );
}

#[test]
fn discovered_endpoints_have_the_labels_of_service_and_pod() {
    let server = FakeKube::start();
    server.put("/api/v1/pods", web_pod());
    server.put("/api/v1/services", web_service());
    let target = json!({"kind": "Pod", "namespace": "shop", "name": "web-1"});
    server.put(
        "/api/v1/endpoints",
        json!({
            "metadata": {"namespace": "shop", "name": "web"},
            "subsets": [{"addresses": [{"ip": "10.0.0.1", "nodeName": "node-a", "targetRef": target}],
                "notReadyAddresses": [{"ip": "10.0.0.2"}],
                "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]}],
        }),
    );
    let found = discovered("endpoints", "", &server, 3);
    let common = [
        ("service_name", "web"),
        ("service_label_tier", "front"),
        ("endpoints_name", "web"),
        ("namespace", "shop"),
    ];
    found.iter().for_each(|set| check(set, &common));
    check(
        &found[0],
        &[
            ("address", "10.0.0.1:8080"),
            ("endpoint_ready", "true"),
            ("endpoint_node_name", "node-a"),
            ("endpoint_port_name", "http"),
            ("endpoint_address_target_kind", "Pod"),
            ("endpoint_address_target_name", "web-1"),
            ("pod_name", "web-1"),
            ("pod_container_port_name", "http"),
        ],
    );
    // The pod's other port, and an address that is not ready.
    check(&found[1], &[("address", "10.0.0.1:9090"), ("pod_container_port_name", "metrics")]);
    check(&found[2], &[("address", "10.0.0.2:8080"), ("endpoint_ready", "false")]);

    server.put(
        "/apis/discovery.k8s.io/v1/endpointslices",
        json!({
            "metadata": {"namespace": "shop", "name": "web-x1", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true, "serving": true, "terminating": false},
                "nodeName": "node-a", "zone": "z1", "targetRef": target}],
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP", "appProtocol": "http"}],
        }),
    );
    let found = discovered("endpointslice", "", &server, 2);
    check(
        &found[0],
        &[
            ("address", "10.0.0.1:8080"),
            ("endpointslice_name", "web-x1"),
            ("endpointslice_address_type", "IPv4"),
            ("endpointslice_port", "8080"),
            ("endpointslice_port_app_protocol", "http"),
            ("endpointslice_endpoint_conditions_ready", "true"),
            ("endpointslice_endpoint_conditions_terminating", "false"),
            ("endpointslice_endpoint_zone", "z1"),
            ("endpointslice_address_target_name", "web-1"),
            ("service_label_tier", "front"),
            ("pod_name", "web-1"),
        ],
    );
}

#[test]
fn discovered_ingresses_are_targets_by_path() {
    let server = FakeKube::start();
    server.put(
        "/apis/networking.k8s.io/v1/ingresses",
        json!({
            "metadata": {"namespace": "shop", "name": "front", "labels": {"a": "b"}},
            "spec": {"ingressClassName": "nginx", "tls": [{"hosts": ["*.shop.example"]}],
                "rules": [{"host": "a.shop.example", "http": {"paths": [{"path": "/x"}, {}]}}, {"host": "plain.example"}]},
        }),
    );
    let found = discovered("ingress", "", &server, 3);
    let common = [
        ("namespace", "shop"),
        ("ingress_name", "front"),
        ("ingress_class_name", "nginx"),
        ("ingress_label_a", "b"),
    ];
    found.iter().for_each(|set| check(set, &common));
    check(&found[0], &[("address", "a.shop.example"), ("ingress_scheme", "https"), ("ingress_path", "/")]);
    check(&found[1], &[("ingress_scheme", "https"), ("ingress_path", "/x")]);
    check(&found[2], &[("address", "plain.example"), ("ingress_scheme", "http"), ("ingress_path", "/")]);
}

#[test]
fn targets_from_a_file_and_a_web_service_come_and_go() {
    let server = FakeKube::start();
    server.page(CADVISOR_PATH, 200, "a 1\n");
    let address = server.address;
    server.page(
        "/targets/now",
        200,
        format!(r#"[{{"targets": ["{address}"], "labels": {{"from": "web"}}}}]"#),
    );
    let folder = credentials(&server);
    let path = folder.path().display();
    let file = folder.path().join("targets.yaml");
    std::fs::write(&file, format!("- {{targets: ['{address}'], labels: {{from: file}}}}\n")).unwrap();
    let yaml = format!(
        "config: {{scrape_configs: [{{job_name: sd, metrics_path: {CADVISOR_PATH}, {}, file_sd_configs: [{{files: \
         ['{path}/*.yaml']}}], http_sd_configs: [{{url: '{}/targets/now', refresh_interval: 100ms, bearer_token_file: \
         {path}/token, tls_config: {{ca_file: {path}/ca.crt}}}}]}}]}}",
        secured(&folder),
        server.url()
    );
    let running = Running::start("sources", &yaml);
    let from = |running: &Running| -> BTreeSet<String> {
        let ups = running.ups();
        ups.iter().map(|(_, labels)| labels.get_str("from").unwrap().to_owned()).collect()
    };
    eventually("both are found", || from(&running).len() == 2);
    // What the service does not name any more is gone, with a marker for all its series.
    server.page("/targets/now", 200, "[]");
    eventually("the target is given up", || {
        running.points().iter().any(|(name, _, point)| {
            name == "a" && point.flags == 1 && point.attributes.get_str("from") == Some("web")
        })
    });
    server.page("/targets/now", 500, "");
    std::fs::write(&file, format!("- {{targets: ['{address}'], labels: {{from: later}}}}\n")).unwrap();
    eventually("the changed file is read", || from(&running).contains("later"));
}

/// A server that sends a page without end; its address.
fn endless() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = socket.read(&mut [0; 1024]);
                let _ = socket.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1073741824\r\n\r\n",
                );
                let mut n = 0_u64;
                loop {
                    n += 1;
                    let line = format!("endless{{n=\"{n}\"}} 1\n");
                    if socket.write_all(line.as_bytes()).is_err() {
                        return;
                    }
                    if n.is_multiple_of(20_000) {
                        std::thread::sleep(Duration::from_millis(50));
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_page_without_end_is_cut_off_at_the_timeout_and_what_came_counts() {
    let address = endless();
    let yaml = format!(
        "config: {{scrape_configs: [{{job_name: big, scrape_interval: 300ms, scrape_timeout: 300ms, static_configs: \
         [{{targets: ['{address}']}}]}}, {{job_name: limited, body_size_limit: 1KB, scrape_interval: 300ms, \
         scrape_timeout: 300ms, static_configs: [{{targets: ['{address}']}}]}}]}}"
    );
    let running = Running::start("endless", &yaml);
    eventually("both are visited", || running.ups().len() >= 2);
    assert!(running.ups().iter().all(|(up, _)| *up == 0.0));
    let of_job = |job: &str| {
        let points = running.points();
        points
            .iter()
            .filter(|(name, resource, _)| name == "endless" && resource.get_str("service.name") == Some(job))
            .count()
    };
    eventually("what came before the timeout counts", || of_job("big") > 1000);
    assert_eq!(of_job("limited"), 0);
    assert!(running.telemetry.total("kmagent_prometheus_failed_scrapes") >= 2);
}

fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|found| found.trim_end().starts_with(name)).count()
}

#[test]
fn targets_that_hang_take_few_threads_and_a_stop_ends_them_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Connections are taken by the kernel, and nobody ever answers.
    let labels: Vec<_> =
        (0..60).map(|n| format!("{{targets: ['{address}'], labels: {{n: '{n}'}}}}")).collect();
    let yaml = format!(
        "config: {{scrape_configs: [{{job_name: hang, scrape_interval: 5s, scrape_timeout: 5s, static_configs: [{}]}}]}}",
        labels.join(", ")
    );
    let running = Running::start("hang", &yaml);
    eventually("some are asked", || threads("prometheus/hang") > 3);
    assert!(threads("prometheus/hang") <= 18, "{}", threads("prometheus/hang"));
    assert!(running.stop() < Duration::from_secs(1));
    assert_eq!(threads("prometheus/hang"), 0);
}

#[test]
fn a_refused_token_is_a_target_that_is_down_until_the_file_has_a_good_one() {
    let server = FakeKube::start();
    server.page(CADVISOR_PATH, 200, "a 1\n");
    let folder = credentials(&server);
    std::fs::write(folder.path().join("token"), "expired").unwrap();
    let yaml = format!(
        "config: {{scrape_configs: [{{job_name: a, metrics_path: {CADVISOR_PATH}, {}, static_configs: [{{targets: \
         ['{}']}}]}}]}}",
        secured(&folder),
        server.address
    );
    let running = Running::start("token", &yaml);
    let last = |running: &Running| running.ups().last().map(|(up, _)| *up);
    eventually("it is refused", || last(&running) == Some(0.0));
    std::fs::write(folder.path().join("token"), "good").unwrap();
    eventually("it is let in", || last(&running) == Some(1.0));
    server.fault(Verb::Get, Fault::Hangup);
    eventually("it hangs up", || last(&running) == Some(0.0));
    eventually("it is back", || last(&running) == Some(1.0));
}
