//! What components ask of the API server and the kubelet.

use std::fmt;

use super::facts::Used;
use crate::config::Node;

/// A right, as a rule of a role grants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    pub group: String,
    pub resource: String,
    pub subresource: &'static str,
    pub verb: &'static str,
    /// Instead of a resource: a path of the API server.
    pub path: Option<&'static str>,
    /// Whether its objects are in namespaces.
    pub is_namespaced: bool,
    /// The only namespace where it is needed, whatever is monitored.
    pub namespace: Option<String>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.name())
    }
}

impl Right {
    /// The resource with its subresource, or the path.
    pub fn name(&self) -> String {
        match (self.path, self.subresource) {
            (Some(path), _) => path.to_owned(),
            (None, "") => self.resource.clone(),
            (None, subresource) => format!("{}/{subresource}", self.resource),
        }
    }

    /// The rule that grants it.
    pub fn rule(&self) -> String {
        let (name, verb) = (self.name(), self.verb);
        match self.path {
            Some(path) => format!("{{nonResourceURLs: [{path}], verbs: [{verb}]}}"),
            None => format!("{{apiGroups: [{:?}], resources: [{name}], verbs: [{verb}]}}", self.group),
        }
    }
}

/// What a component asks for, by its settings.
pub fn of(used: &Used<'_>) -> Vec<Right> {
    match used.kind {
        "kubeletstats" => kubelet(used),
        "k8sattributes" => attributes(used),
        "k8s_cluster" => cluster(used),
        "k8s_events" => followed("", "events", true),
        "k8sobjects" => objects(used),
        "k8s_apiserver_health" => health(used),
        "k8s_leader_elector" => lease(used),
        "prometheus" => scrapes(used),
        "ebpfreceiver" | "ebpf" => ends_of_flows(used),
        _ => Vec::new(),
    }
}

/// Group and resource of what `k8s_cluster` follows, and whether it is in namespaces.
const CLUSTER: [(&str, &str, bool); 12] = [
    ("", "nodes", false),
    ("", "namespaces", false),
    ("", "pods", true),
    ("", "replicationcontrollers", true),
    ("", "resourcequotas", true),
    ("apps", "deployments", true),
    ("apps", "replicasets", true),
    ("apps", "statefulsets", true),
    ("apps", "daemonsets", true),
    ("batch", "jobs", true),
    ("batch", "cronjobs", true),
    ("autoscaling", "horizontalpodautoscalers", true),
];

/// What it follows for metrics that are off unless they are turned on, by how these are called.
const CLUSTER_OPTIONAL: [(&str, &str, &str, bool); 4] = [
    ("k8s.service.", "", "services", true),
    ("k8s.service.endpoint.", "discovery.k8s.io", "endpointslices", true),
    ("k8s.persistentvolume.", "", "persistentvolumes", false),
    ("k8s.persistentvolumeclaim.", "", "persistentvolumeclaims", true),
];

fn cluster(used: &Used<'_>) -> Vec<Right> {
    let metrics = used.settings.get("metrics").into_iter().flat_map(Node::entries);
    let on: Vec<&str> = metrics
        .filter(|(_, metric)| metric.get("enabled").and_then(Node::as_bool) == Some(true))
        .map(|(name, _)| name)
        .collect();
    let mut rights: Vec<Right> =
        CLUSTER.iter().flat_map(|(group, resource, within)| followed(group, resource, *within)).collect();
    for (prefix, group, resource, within) in CLUSTER_OPTIONAL {
        if on.iter().any(|name| name.starts_with(prefix)) {
            rights.extend(followed(group, resource, within));
        }
    }
    if used.text("distribution") == Some("openshift") {
        rights.extend(followed("quota.openshift.io", "clusterresourcequotas", false));
    }
    rights
}

fn right(
    group: &str,
    resource: &str,
    subresource: &'static str,
    verb: &'static str,
    is_namespaced: bool,
) -> Right {
    Right {
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource,
        verb,
        path: None,
        is_namespaced,
        namespace: None,
    }
}

/// What a list that is kept up to date asks for.
fn followed(group: &str, resource: &str, is_namespaced: bool) -> Vec<Right> {
    ["list", "watch"].map(|verb| right(group, resource, "", verb, is_namespaced)).into()
}

fn kubelet(used: &Used<'_>) -> Vec<Right> {
    let mut rights = vec![right("", "nodes", "stats", "get", false)];
    let metrics = used.settings.get("metrics");
    let of_limits = metrics.into_iter().flat_map(Node::entries).any(|(name, metric)| {
        name.ends_with("_utilization") && metric.get("enabled").and_then(Node::as_bool) == Some(true)
    });
    if of_limits || !used.list("extra_metadata_labels").is_empty() {
        rights.push(right("", "nodes", "pods", "get", false));
    }
    rights
}

fn attributes(used: &Used<'_>) -> Vec<Right> {
    if used.settings.get("passthrough").and_then(Node::as_bool) == Some(true) {
        return Vec::new();
    }
    let mut rights = followed("", "pods", true);
    // For the pods of one node, owners are asked for one by one.
    let filter = |key: &str| used.settings.get("filter").and_then(|filter| filter.get(key));
    let of_node = filter("node").or_else(|| filter("node_from_env_var")).is_some();
    let metadata = used.settings.get("extract").and_then(|extract| extract.get("metadata"));
    let names: Vec<&str> = metadata.into_iter().flat_map(Node::items).filter_map(Node::as_str).collect();
    for (name, group, resource, within) in [
        ("k8s.deployment.uid", "apps", "replicasets", true),
        ("k8s.cronjob.uid", "batch", "jobs", true),
        ("k8s.node.uid", "", "nodes", false),
        ("k8s.cluster.uid", "", "namespaces", false),
    ] {
        if names.contains(&name) {
            let is_owner = resource == "replicasets" || resource == "jobs";
            rights.extend(if is_owner && of_node {
                vec![right(group, resource, "", "get", within)]
            } else {
                followed(group, resource, within)
            });
        }
    }
    let rules = ["labels", "annotations"].map(|kind| used.settings.get("extract").and_then(|e| e.get(kind)));
    for rule in rules.into_iter().flatten().flat_map(Node::items) {
        let more = match rule.get("from").and_then(Node::as_str) {
            Some("namespace") => followed("", "namespaces", false),
            Some("node") => followed("", "nodes", false),
            Some("deployment") => followed("apps", "deployments", true),
            Some("statefulset") => followed("apps", "statefulsets", true),
            Some("daemonset") => followed("apps", "daemonsets", true),
            Some("job") => followed("batch", "jobs", true),
            _ => Vec::new(),
        };
        for right in more {
            if !rights.contains(&right) {
                rights.push(right);
            }
        }
    }
    rights
}

fn lease(used: &Used<'_>) -> Vec<Right> {
    let namespace = used.text("lease_namespace").map(str::to_owned);
    let of_lease = |verb| Right {
        namespace: namespace.clone(),
        ..right("coordination.k8s.io", "leases", "", verb, true)
    };
    ["get", "create", "update"].map(of_lease).into()
}

/// Every authenticated client may ask for these unless somebody has taken `system:public-info-viewer`
/// away.
fn health(used: &Used<'_>) -> Vec<Right> {
    let named = used.list("endpoints");
    let paths = [("readyz", "/readyz"), ("livez", "/livez"), ("healthz", "/healthz")];
    let asked = paths.into_iter().filter(|(name, _)| {
        if named.is_empty() { *name == "readyz" } else { named.iter().any(|named| named == name) }
    });
    asked.map(|(_, path)| Right { path: Some(path), ..right("", "", "", "get", false) }).collect()
}

fn objects(used: &Used<'_>) -> Vec<Right> {
    let mut rights = Vec::new();
    for object in used.settings.get("objects").into_iter().flat_map(Node::items) {
        let text = |key: &str| object.get(key).and_then(Node::as_str).unwrap_or_default();
        rights.push(right(text("group"), text("name"), "", "list", true));
        if text("mode") == "watch" {
            rights.push(right(text("group"), text("name"), "", "watch", true));
        }
    }
    rights
}

fn ends_of_flows(used: &Used<'_>) -> Vec<Right> {
    let kubernetes = used.settings.get("attributes").and_then(|attributes| attributes.get("kubernetes"));
    let flag = |key: &str| kubernetes.and_then(|all| all.get(key)).and_then(Node::as_bool);
    if flag("enable") == Some(false) {
        return Vec::new();
    }
    let mut rights = [followed("", "pods", true), followed("", "nodes", false)].concat();
    if flag("cluster_wide") == Some(true) {
        rights.extend(followed("", "services", true));
    }
    rights
}

/// A kubelet's pages need a right to the node, the API server's one to the path.
fn scrapes(used: &Used<'_>) -> Vec<Right> {
    let jobs = used.settings.get("config").and_then(|config| config.get("scrape_configs"));
    let mut rights = Vec::new();
    for job in jobs.into_iter().flat_map(Node::items) {
        let path = job.get("metrics_path").and_then(Node::as_str).unwrap_or("/metrics");
        let mut targets = job
            .get("static_configs")
            .into_iter()
            .flat_map(Node::items)
            .filter_map(|group| group.get("targets"))
            .flat_map(Node::items)
            .filter_map(Node::as_str);
        if path == "/metrics/cadvisor" || path == "/metrics/resource" || path == "/metrics/probes" {
            rights.push(right("", "nodes", "metrics", "get", false));
        } else if path == "/metrics" && targets.any(|target| target.starts_with("kubernetes.default")) {
            rights.push(Right { path: Some("/metrics"), ..right("", "", "", "get", false) });
        }
    }
    rights
}
