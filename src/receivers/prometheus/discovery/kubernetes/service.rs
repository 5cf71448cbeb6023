//! Role `service`: a target a port of a service.

use super::labels::{address, put, put_metadata};
use super::pod::attach;
use super::stores::{Stores, all, get};
use crate::kube::objects::Service;
use crate::receivers::prometheus::scrape::LabelSet;

pub fn targets(stores: &Stores) -> Vec<LabelSet> {
    let mut targets = Vec::new();
    for service in all(&stores.services) {
        for port in &service.ports {
            let mut set = address(&format!("{}.{}.svc:{}", service.name, service.namespace, port.number));
            put(&mut set, "namespace", &service.namespace);
            put(&mut set, "service_port", &port.number.to_string());
            put(&mut set, "service_port_number", &port.number.to_string());
            put(&mut set, "service_port_name", &port.name);
            put(&mut set, "service_port_protocol", &port.protocol);
            put(&mut set, "service_type", &service.kind);
            if &*service.kind == "ExternalName" {
                put(&mut set, "service_external_name", &service.external_name);
            } else {
                put(&mut set, "service_cluster_ip", &service.cluster_ip);
            }
            if &*service.kind == "LoadBalancer" {
                put(&mut set, "service_loadbalancer_ip", &service.load_balancer_ip);
            }
            put_service(&mut set, &service);
            attach(stores, &service.namespace, &mut set);
            targets.push(set);
        }
    }
    targets
}

/// The labels that endpoints get of their service.
pub fn put_service(set: &mut LabelSet, service: &Service) {
    put(set, "service_name", &service.name);
    put_metadata(set, "service", &service.labels, &service.annotations);
}

/// Adds the labels of the service of that name.
pub fn put_service_of(stores: &Stores, namespace: &str, name: &str, set: &mut LabelSet) {
    if let Some(service) = get(&stores.services, namespace, name) {
        put_service(set, &service);
    }
}
