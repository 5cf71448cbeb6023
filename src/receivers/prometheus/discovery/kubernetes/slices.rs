//! Role `endpointslice`: as `endpoints`, from the objects that large services have.

use super::endpoints::Pods;
use super::labels::{address, host_and_port, put, put_flag, put_metadata, put_target};
use super::node;
use super::pod::attach;
use super::service::put_service_of;
use super::stores::{Stores, all};
use crate::receivers::prometheus::scrape::LabelSet;

pub fn targets(stores: &Stores) -> Vec<LabelSet> {
    let mut targets = Vec::new();
    for slice in all(&stores.slices) {
        let mut shared = Vec::new();
        put(&mut shared, "namespace", &slice.namespace);
        put(&mut shared, "endpointslice_name", &slice.name);
        put(&mut shared, "endpointslice_address_type", &slice.address_type);
        put_metadata(&mut shared, "endpointslice", &slice.labels, &slice.annotations);
        put_service_of(stores, &slice.namespace, &slice.service, &mut shared);
        attach(stores, &slice.namespace, &mut shared);
        let mut pods = Pods::default();
        for port in &slice.ports {
            for endpoint in &slice.endpoints {
                for found in &endpoint.addresses {
                    let mut set = address(&host_and_port(found, port.number));
                    put(&mut set, "endpointslice_port", &port.number.to_string());
                    put(&mut set, "endpointslice_port_name", &port.name);
                    put(&mut set, "endpointslice_port_protocol", &port.protocol);
                    put(&mut set, "endpointslice_port_app_protocol", &port.app_protocol);
                    let conditions = "endpointslice_endpoint_conditions";
                    put_flag(&mut set, &format!("{conditions}_ready"), endpoint.ready);
                    put_flag(&mut set, &format!("{conditions}_serving"), endpoint.serving);
                    put_flag(&mut set, &format!("{conditions}_terminating"), endpoint.terminating);
                    put(&mut set, "endpointslice_endpoint_hostname", &endpoint.hostname);
                    put(&mut set, "endpointslice_endpoint_node_name", &endpoint.node);
                    put(&mut set, "endpointslice_endpoint_zone", &endpoint.zone);
                    put_target(&mut set, "endpointslice", endpoint.target.as_ref());
                    pods.put(stores, endpoint.target.as_ref(), port.number, &mut set);
                    node::attach(stores, &endpoint.node, &mut set);
                    set.extend(shared.iter().cloned());
                    targets.push(set);
                }
            }
        }
        pods.further_ports(&shared, &mut targets);
    }
    targets
}
