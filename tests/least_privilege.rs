//! The roles of the chart give what the agent asks of the API server and the kubelet, and nothing else:
//! the real binary runs with each rendered configuration in the view of a pod, and every request is held
//! against every rule.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::chart;
use crate::k8s_cluster::recorded_at;
use crate::support::agent::{Agent, PATIENCE, command};
use crate::support::kube::FakeKube;
use crate::support::namespace;
use crate::support::rights::{Asked, Granted, granted};
use crate::support::sink::TestSink;

/// The value set that `k8s/manifests` is made from: there it needs no helm.
const MANIFESTS: &str = "manifests";

macro_rules! roles {
    ($($test:ident: $set:expr, $component:literal;)*) => {$(
        #[test]
        fn $test() {
            exact(stringify!($test), $set, $component);
        }
    )*};
}

roles! {
    manifests_give_the_node_agent_what_it_asks_for: MANIFESTS, "node";
    manifests_give_the_cluster_agent_what_it_asks_for: MANIFESTS, "cluster";
    manifests_give_the_updater_what_it_asks_for: MANIFESTS, "updater";
    with_every_feature_the_node_agent_gets_what_it_asks_for: "everything", "node";
    with_every_feature_the_cluster_agent_gets_what_it_asks_for: "everything", "cluster";
    with_every_feature_the_updater_gets_what_it_asks_for: "everything", "updater";
    within_namespaces_the_node_agent_gets_what_it_asks_for: "namespaces-list", "node";
    within_namespaces_the_cluster_agent_gets_what_it_asks_for: "namespaces-list", "cluster";
    within_namespaces_the_updater_gets_what_it_asks_for: "namespaces-list", "updater";
    with_more_turned_on_the_node_agent_gets_what_it_asks_for: "own-config", "node";
    with_more_turned_on_the_cluster_agent_gets_what_it_asks_for: "own-config", "cluster";
    with_replicas_the_cluster_agent_gets_what_it_asks_for: "replicas", "cluster";
    with_logs_alone_the_node_agent_gets_what_it_asks_for: "logs-only", "node";
    with_network_alone_the_node_agent_gets_what_it_asks_for: "network-only", "node";
    with_events_alone_the_cluster_agent_gets_what_it_asks_for: "events-only", "cluster";
}

/// Runs a component of a value set and compares.
fn exact(test: &str, set: &str, component: &str) {
    let Some(objects) = objects(set) else { return };
    if !namespace::alone(&format!("least_privilege::{test}")) {
        return;
    }
    let workload = workload(&objects, component);
    let pod = &workload["spec"]["template"]["spec"];
    let granted = granted(&objects, pod["serviceAccountName"].as_str().unwrap());
    let cluster = Cluster::start(&objects);
    let (dir, sink) = (tempfile::tempdir().unwrap(), TestSink::new());
    let mut start = environment(pod, &sink);
    let asked = || cluster.asked();
    let settle = |log: &dyn Fn() -> String| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let asked = asked();
            let idle = granted.iter().filter(|right| !asked.iter().any(|one| right.allows(one)));
            let idle: Vec<String> = idle.map(Granted::to_string).collect();
            if idle.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "granted, but nobody asks: {idle:#?}\n{}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    if component == "updater" {
        let api = UpdateApi::start();
        start.env("KM_UPDATE_ENDPOINT", &api.url).env("KM_CONFIG_CHECK_INTERVAL", "1s");
        let arguments = pod["containers"][0]["args"].as_array().unwrap();
        let mut child = start.args(arguments.iter().map(|one| one.as_str().unwrap())).spawn().unwrap();
        settle(&String::new);
        child.kill().unwrap();
        child.wait().unwrap();
    } else {
        let file = dir.path().join("config.yaml");
        std::fs::write(&file, configuration(&objects, component, dir.path())).unwrap();
        let mut agent = Agent::start_as(dir.path(), start, file.to_str().unwrap(), &[]);
        agent.wait_ready();
        settle(&|| agent.log());
        assert!(agent.terminate().0.success());
    }
    let refused: Vec<Asked> =
        asked().into_iter().filter(|one| !granted.iter().any(|right| right.allows(one))).collect();
    assert!(refused.is_empty(), "asked for, but not granted: {refused:#?}");
}

/// The manifests give what was asked of this server as well.
pub fn assert_granted(component: &str, server: &FakeKube) {
    let objects = objects(MANIFESTS).unwrap();
    let account = &workload(&objects, component)["spec"]["template"]["spec"]["serviceAccountName"];
    let granted = granted(&objects, account.as_str().unwrap());
    let asked: BTreeSet<Asked> = server.seen().iter().map(Asked::of).collect();
    let refused: Vec<&Asked> =
        asked.iter().filter(|one| !granted.iter().any(|right| right.allows(one))).collect();
    assert!(!asked.is_empty() && refused.is_empty(), "asked for, but not granted: {refused:#?}");
}

/// What a value set renders; `None` where that takes helm and there is none.
fn objects(set: &str) -> Option<Vec<Value>> {
    if set == MANIFESTS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("k8s/manifests");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        return Some(files.flat_map(documents).collect());
    }
    let values = chart::chart().join("ci").join(format!("{set}-values.yaml"));
    Some(chart::render(&["-f", values.to_str().unwrap()])?.unwrap())
}

fn documents(path: PathBuf) -> Vec<Value> {
    let text = std::fs::read(path).unwrap();
    serde_yaml::Deserializer::from_slice(&text)
        .map(|document| Value::deserialize(document).unwrap())
        .filter(|object| !object.is_null())
        .collect()
}

fn workload<'a>(objects: &'a [Value], component: &str) -> &'a Value {
    let of_component = |object: &&Value| {
        object["metadata"]["labels"]["app.kubernetes.io/component"] == component
            && object["spec"]["template"].is_object()
    };
    objects.iter().find(of_component).unwrap_or_else(|| panic!("there is no {component}"))
}

/// The API server and the kubelet of the recorded node.
struct Cluster {
    api: FakeKube,
    kubelet: FakeKube,
}

impl Cluster {
    fn start(objects: &[Value]) -> Self {
        let api = recorded_at("127.0.0.1:443");
        api.page("/readyz", 200, include_str!("fixtures/kube/readyz-verbose.txt"));
        api.page("/metrics", 200, include_str!("fixtures/kube/apiserver-metrics.txt"));
        for (kind, path) in [
            ("ConfigMap", "/api/v1/configmaps"),
            ("DaemonSet", "/apis/apps/v1/daemonsets"),
            ("Deployment", "/apis/apps/v1/deployments"),
        ] {
            objects
                .iter()
                .filter(|object| object["kind"] == kind)
                .for_each(|object| api.put(path, object.clone()));
        }
        for (path, plural, _) in INSTRUMENTED {
            for namespace in NAMESPACES {
                let metadata = json!({"namespace": namespace, "name": "to-instrument"});
                api.put(&format!("{path}/{plural}"), json!({"metadata": metadata}));
            }
        }
        let kubelet = FakeKube::start_at("127.0.0.1:10250").unwrap();
        kubelet.page("/stats/summary", 200, include_str!("fixtures/kube/kubelet/stats-summary.json"));
        kubelet.page("/pods", 200, include_str!("fixtures/kube/kubelet/pods.json"));
        kubelet.page("/metrics/cadvisor", 200, include_str!("fixtures/kube/kubelet/metrics-cadvisor.txt"));
        namespace::write_account("good", &api.ca_pem());
        Self { api, kubelet }
    }

    fn asked(&self) -> BTreeSet<Asked> {
        let of_api = self.api.seen();
        let of_kubelet = self.kubelet.seen();
        of_api.iter().map(Asked::of_api).chain(of_kubelet.iter().map(Asked::of_kubelet)).collect()
    }
}

/// The command with the variables of the rendered container; what the kubelet would fill in is that of the
/// recorded node.
fn environment(pod: &Value, sink: &TestSink) -> Command {
    let mut start = command();
    for variable in pod["containers"][0]["env"].as_array().unwrap() {
        if let Some(value) = variable["value"].as_str() {
            start.env(variable["name"].as_str().unwrap(), value);
        }
    }
    start
        .env("KM_NODE_NAME", "node-a")
        .env("KM_NODE_HOST_IP", "127.0.0.1")
        .env("KM_API_KEY", "key")
        .env("POD_NAME", "kmagent-0")
        .env("POD_NAMESPACE", "km-agent")
        .env("KM_COLLECTOR_ENDPOINT", sink.url())
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", "443");
    start
}

/// The rendered configuration with folders of this machine, and scrapes that do not wait for a minute.
fn configuration(objects: &[Value], component: &str, dir: &Path) -> String {
    let file = if component == "node" { "agent-daemonset.yaml" } else { "agent-deployment.yaml" };
    let mut maps = objects.iter().filter(|object| object["kind"] == "ConfigMap");
    let text = maps.find_map(|map| map["data"][file].as_str()).unwrap();
    let (journal, state) = (dir.join("journal"), dir.join("state"));
    std::fs::create_dir_all(&journal).unwrap();
    let text = text
        .replace("/var/log/journal", journal.to_str().unwrap())
        .replace("/var/lib/kmagent", state.to_str().unwrap())
        .replace("root_path: /host", "root_path: /");
    Regex::new("(scrape_interval|scrape_timeout): .*").unwrap().replace_all(&text, "$1: 1s").into_owned()
}

/// Namespaces of the recorded cluster.
const NAMESPACES: [&str; 2] = ["shop", "payments"];

/// Group and version, resource and kind of what the updater may annotate.
const INSTRUMENTED: [(&str, &str, &str); 3] = [
    ("/apis/apps/v1", "deployments", "Deployment"),
    ("/apis/apps/v1", "statefulsets", "StatefulSet"),
    ("/apis/apps/v1", "daemonsets", "DaemonSet"),
];

/// The backend of the updater: another configuration each time, and a workload of each kind to instrument.
struct UpdateApi {
    url: String,
    server: Arc<tiny_http::Server>,
}

impl UpdateApi {
    fn start() -> Self {
        let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
        let url = format!("http://{}/agents/config-check", server.server_addr().to_ip().unwrap());
        let answering = server.clone();
        std::thread::spawn(move || {
            for (n, request) in answering.incoming_requests().enumerate() {
                let wishes: Vec<Value> = INSTRUMENTED
                    .iter()
                    .flat_map(|(_, _, kind)| NAMESPACES.map(|namespace| (kind, namespace)))
                    .map(|(kind, namespace)| {
                        json!({"namespace": namespace, "deployment": "to-instrument", "kind": kind,
                            "language": "java", "enabled": true})
                    })
                    .collect();
                let config = json!({
                    "receivers": {"hostmetrics": {"collection_interval": format!("{}s", n + 1), "scrapers": {"load": {}}}},
                    "exporters": {"otlphttp": {"endpoint": "${env:KM_COLLECTOR_ENDPOINT}"}},
                    "service": {"pipelines": {"metrics": {"receivers": ["hostmetrics"], "exporters": ["otlphttp"]}}},
                });
                let answer = json!({
                    "restart_required": true,
                    "config": {"daemonset_config": config, "deployment_config": config},
                    "k8s": {"apm_enabled": true, "apm_settings": wishes},
                });
                let _ = request.respond(tiny_http::Response::from_string(answer.to_string()));
            }
        });
        Self { url, server }
    }
}

impl Drop for UpdateApi {
    fn drop(&mut self) {
        self.server.unblock();
    }
}
