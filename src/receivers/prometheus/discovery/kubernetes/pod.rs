//! Role `pod`: a target a port of a container.

use super::labels::{address, host_and_port, put, put_metadata};
use super::node;
use super::stores::{Stores, all, get};
use crate::kube::objects::{ContainerPorts, Pod, Port};
use crate::receivers::prometheus::scrape::LabelSet;

pub fn targets(stores: &Stores) -> Vec<LabelSet> {
    let mut targets = Vec::new();
    for pod in all(&stores.pods) {
        let Some(network) = pod.network.as_ref().filter(|_| !pod.ip.is_empty()) else { continue };
        let mut shared = Vec::new();
        put(&mut shared, "namespace", &pod.namespace);
        put_pod(&mut shared, &pod);
        attach(stores, &pod.namespace, &mut shared);
        node::attach(stores, &pod.node, &mut shared);
        for container in &network.containers {
            if container.ports.is_empty() {
                let bare = if pod.ip.contains(':') { format!("[{}]", pod.ip) } else { pod.ip.to_string() };
                let mut set = address(&bare);
                put_container(&mut set, container);
                set.extend(shared.iter().cloned());
                targets.push(set);
            }
            for port in &container.ports {
                let mut set = address(&host_and_port(&pod.ip, port.number));
                put_container(&mut set, container);
                put_port(&mut set, port);
                set.extend(shared.iter().cloned());
                targets.push(set);
            }
        }
    }
    targets
}

/// The labels of a pod, without its namespace.
pub fn put_pod(set: &mut LabelSet, pod: &Pod) {
    put(set, "pod_name", &pod.name);
    put(set, "pod_ip", &pod.ip);
    put(set, "pod_uid", &pod.uid);
    put(set, "pod_node_name", &pod.node);
    if let Some(network) = &pod.network {
        let ready = match &*network.ready {
            "True" => "true",
            "False" => "false",
            _ => "unknown",
        };
        put(set, "pod_ready", ready);
        put(set, "pod_phase", &network.phase);
        put(set, "pod_host_ip", &network.host_ip);
        if let Some((kind, name)) = &network.controller {
            put(set, "pod_controller_kind", kind);
            put(set, "pod_controller_name", name);
        }
    }
    put_metadata(set, "pod", &pod.labels, &pod.annotations);
}

pub fn put_container(set: &mut LabelSet, container: &ContainerPorts) {
    put(set, "pod_container_name", &container.name);
    put(set, "pod_container_id", &container.id);
    put(set, "pod_container_image", &container.image);
    put(set, "pod_container_init", if container.init { "true" } else { "false" });
}

pub fn put_port(set: &mut LabelSet, port: &Port) {
    put(set, "pod_container_port_name", &port.name);
    put(set, "pod_container_port_number", &port.number.to_string());
    put(set, "pod_container_port_protocol", &port.protocol);
}

/// What `attach_metadata.namespace` adds.
pub fn attach(stores: &Stores, name: &str, set: &mut LabelSet) {
    if let Some(namespace) = get(&stores.namespaces, "", name) {
        put_metadata(set, "namespace", &namespace.labels, &namespace.annotations);
    }
}
