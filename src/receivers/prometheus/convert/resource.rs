//! The resource of a target, from its name and from what its discovery knew.

use std::net::IpAddr;

use crate::otlp::KeyValue;

/// What all series of a target share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    pub job: String,
    pub instance: String,
    pub scheme: String,
    /// `k8s.…` attributes, from the labels that discovery gave.
    pub discovered: Vec<KeyValue>,
}

impl Identity {
    /// The attributes of the resource with that job and instance.
    pub fn attributes(&self, job: &str, instance: &str) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(5 + self.discovered.len());
        attributes.push(KeyValue::fixed("service.name", job));
        let (host, port) = host_and_port(instance);
        if !is_local(host) {
            attributes.push(KeyValue::fixed("server.address", host));
        }
        attributes.push(KeyValue::fixed("service.instance.id", instance));
        attributes.push(KeyValue::fixed("server.port", port));
        attributes.push(KeyValue::fixed("url.scheme", self.scheme.as_str()));
        attributes.extend(self.discovered.iter().cloned());
        attributes
    }
}

fn host_and_port(instance: &str) -> (&str, &str) {
    let split = match instance.rsplit_once(':') {
        // An IPv6 address without a port.
        Some((host, _)) if host.contains(':') && !host.ends_with(']') => None,
        split => split,
    };
    let (host, port) = split.unwrap_or((instance, ""));
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

fn is_local(host: &str) -> bool {
    host.is_empty()
        || host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback() || address.is_unspecified())
}

/// The attributes that follow from `__meta_kubernetes_…` labels.
pub fn discovered(meta: &dyn Fn(&str) -> String) -> Vec<KeyValue> {
    let mut attributes = Vec::new();
    let mut add = |key: &'static str, value: String| {
        if !value.is_empty() {
            attributes.push(KeyValue::fixed(key, value));
        }
    };
    add("k8s.pod.name", meta("__meta_kubernetes_pod_name"));
    add("k8s.pod.uid", meta("__meta_kubernetes_pod_uid"));
    add("k8s.container.name", meta("__meta_kubernetes_pod_container_name"));
    add("k8s.namespace.name", meta("__meta_kubernetes_namespace"));
    let node = [
        "__meta_kubernetes_pod_node_name",
        "__meta_kubernetes_node_name",
        "__meta_kubernetes_endpoint_node_name",
    ];
    add(
        "k8s.node.name",
        node.iter().map(|name| meta(name)).find(|name| !name.is_empty()).unwrap_or_default(),
    );
    let key = match meta("__meta_kubernetes_pod_controller_kind").as_str() {
        "ReplicaSet" => Some("k8s.replicaset.name"),
        "DaemonSet" => Some("k8s.daemonset.name"),
        "StatefulSet" => Some("k8s.statefulset.name"),
        "Job" => Some("k8s.job.name"),
        "CronJob" => Some("k8s.cronjob.name"),
        _ => None,
    };
    if let Some(key) = key {
        add(key, meta("__meta_kubernetes_pod_controller_name"));
    }
    attributes
}
