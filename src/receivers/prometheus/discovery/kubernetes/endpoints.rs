//! Role `endpoints`: a target an address and port behind a service, and one for each further port of
//! the pods there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::labels::{address, host_and_port, put, put_flag, put_metadata, put_target};
use super::node;
use super::pod::{attach, put_container, put_pod, put_port};
use super::service::put_service_of;
use super::stores::{Stores, all, get};
use crate::kube::objects::{Pod, TargetRef};
use crate::receivers::prometheus::scrape::LabelSet;

pub fn targets(stores: &Stores) -> Vec<LabelSet> {
    let mut targets = Vec::new();
    for endpoints in all(&stores.endpoints) {
        let mut shared = Vec::new();
        put(&mut shared, "namespace", &endpoints.namespace);
        put(&mut shared, "endpoints_name", &endpoints.name);
        put_metadata(&mut shared, "endpoints", &endpoints.labels, &endpoints.annotations);
        put_service_of(stores, &endpoints.namespace, &endpoints.name, &mut shared);
        attach(stores, &endpoints.namespace, &mut shared);
        let mut pods = Pods::default();
        for subset in &endpoints.subsets {
            for port in &subset.ports {
                for found in &subset.addresses {
                    let mut set = address(&host_and_port(&found.ip, port.number));
                    put(&mut set, "endpoint_port_name", &port.name);
                    put(&mut set, "endpoint_port_protocol", &port.protocol);
                    put_flag(&mut set, "endpoint_ready", Some(found.ready));
                    put_target(&mut set, "endpoint", found.target.as_ref());
                    put(&mut set, "endpoint_node_name", &found.node);
                    put(&mut set, "endpoint_hostname", &found.hostname);
                    pods.put(stores, found.target.as_ref(), port.number, &mut set);
                    node::attach(stores, &found.node, &mut set);
                    set.extend(shared.iter().cloned());
                    targets.push(set);
                }
            }
        }
        pods.further_ports(&shared, &mut targets);
    }
    targets
}

/// The pods behind the addresses of a service, with the ports that are targets already.
#[derive(Default)]
pub struct Pods(BTreeMap<String, (Arc<Pod>, Vec<u16>)>);

impl Pods {
    /// Adds the labels of the pod and the container that are behind an address.
    pub fn put(&mut self, stores: &Stores, target: Option<&TargetRef>, port: u16, set: &mut LabelSet) {
        let Some(target) = target.filter(|target| &*target.kind == "Pod") else { return };
        let Some(pod) = get(&stores.pods, &target.namespace, &target.name) else { return };
        put_pod(set, &pod);
        let containers = pod.network.iter().flat_map(|network| &network.containers);
        let mut ports =
            containers.flat_map(|container| container.ports.iter().map(move |port| (container, port)));
        if let Some((container, port)) = ports.find(|(_, known)| known.number == port) {
            put_container(set, container);
            put_port(set, port);
        }
        let known = self.0.entry(format!("{}/{}", pod.namespace, pod.name));
        known.or_insert_with(|| (pod.clone(), Vec::new())).1.push(port);
    }

    /// Adds the ports of these pods that no address names.
    pub fn further_ports(&self, shared: &LabelSet, targets: &mut Vec<LabelSet>) {
        for (pod, known) in self.0.values() {
            for container in pod.network.iter().flat_map(|network| &network.containers) {
                for port in container.ports.iter().filter(|port| !known.contains(&port.number)) {
                    let mut set = address(&host_and_port(&pod.ip, port.number));
                    put_container(&mut set, container);
                    put_port(&mut set, port);
                    put_pod(&mut set, pod);
                    set.extend(shared.iter().cloned());
                    targets.push(set);
                }
            }
        }
    }
}
