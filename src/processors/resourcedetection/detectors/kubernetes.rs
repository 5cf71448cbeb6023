//! `k8snode` and `kubeadm`: the node and the cluster as the Kubernetes API knows them.

use std::io::Read;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Detector, Found, Probe};
use crate::kube::{ApiConfig, Client, Timeouts};
use crate::otlp::KeyValue;

pub static NODE: Detector = Detector {
    name: "k8snode",
    attributes: &[("k8s.node.uid", true), ("k8s.node.name", true)],
    is_quick: |_| false,
    detect: detect_node,
};

pub static KUBEADM: Detector = Detector {
    name: "kubeadm",
    attributes: &[("k8s.cluster.name", true), ("k8s.cluster.uid", true)],
    is_quick: |_| false,
    detect: detect_cluster,
};

#[derive(Deserialize)]
struct Object {
    metadata: Meta,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    name: String,
    uid: String,
}

/// Of the config map that kubeadm leaves in a cluster.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Data {
    /// YAML.
    cluster_configuration: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClusterConfiguration {
    cluster_name: String,
}

/// The longest answer that is read.
const MAX_ANSWER: u64 = 1 << 20;

fn detect_node(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    let config = &probe.config.k8snode;
    let variable = match config.node_from_env_var.as_str() {
        "" => "K8S_NODE_NAME",
        name => name,
    };
    let name = probe.variable(variable).ok_or_else(|| {
        format!("{variable} is not set: let it hold spec.nodeName, or name another one in node_from_env_var")
    })?;
    let node: Object = get(probe, &config.api(), &format!("/api/v1/nodes/{name}"))?;
    let mut found = Found::default();
    found.text("k8s.node.uid", node.metadata.uid);
    found.text("k8s.node.name", node.metadata.name);
    Ok(found.0)
}

fn detect_cluster(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    let api = probe.config.kubeadm.api();
    let mut found = Found::default();
    if probe.wants("k8s.cluster.name") {
        let path = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config";
        let config: Object = get(probe, &api, path)?;
        let cluster: ClusterConfiguration = serde_yaml::from_str(&config.data.cluster_configuration)
            .map_err(|error| format!("{path}: unexpected ClusterConfiguration: {error}"))?;
        found.text("k8s.cluster.name", cluster.cluster_name);
    }
    if probe.wants("k8s.cluster.uid") {
        let namespace: Object = get(probe, &api, "/api/v1/namespaces/kube-system")?;
        found.text("k8s.cluster.uid", namespace.metadata.uid);
    }
    Ok(found.0)
}

fn get<T: DeserializeOwned>(probe: &Probe<'_>, api: &ApiConfig, path: &str) -> Result<T, String> {
    let access = (probe.environment.kube)(api).map_err(|error| error.to_string())?;
    let limit = probe.timeout;
    let connection = Client::new(access).connect(Timeouts { connect: limit, response: limit, idle: limit });
    let answer = connection.get(path, "application/json").map_err(|error| error.to_string())?;
    serde_json::from_reader(answer.take(MAX_ANSWER))
        .map_err(|error| format!("{}: unexpected answer: {error}", connection.target(path)))
}
