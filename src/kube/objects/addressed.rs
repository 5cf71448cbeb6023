//! Services and nodes: objects that have addresses.

use std::net::IpAddr;

use serde::Deserialize;

use super::meta::Meta;
use crate::kube::keys::Kept;
use crate::kube::{Interned, Keys, Object, Parsed, Pool, Text, nullable};

/// A service or node with its addresses.
#[derive(Debug, PartialEq)]
pub struct Addressed {
    /// Empty for nodes.
    pub namespace: Interned,
    pub name: Interned,
    pub labels: Kept,
    /// Of a service its cluster, external and load-balancer addresses; of a node all of its own.
    pub addresses: Box<[IpAddr]>,
}

/// Which labels are wanted.
#[derive(Clone, Debug, Default)]
pub struct AddressedNeeds {
    pub labels: Keys,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    spec: RawSpec<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    status: RawStatus<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawSpec<'a> {
    #[serde(rename = "clusterIP", borrow)]
    cluster_ip: Text<'a>,
    #[serde(rename = "clusterIPs", borrow, deserialize_with = "nullable")]
    cluster_ips: Vec<Text<'a>>,
    #[serde(rename = "externalIPs", borrow, deserialize_with = "nullable")]
    external_ips: Vec<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawStatus<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    addresses: Vec<RawAddress<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    load_balancer: RawLoadBalancer<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawAddress<'a> {
    #[serde(borrow)]
    address: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawLoadBalancer<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    ingress: Vec<RawIngress<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawIngress<'a> {
    #[serde(borrow)]
    ip: Text<'a>,
}

impl Object for Addressed {
    type Needs = AddressedNeeds;

    fn parse(
        json: &[u8],
        needs: &AddressedNeeds,
        pool: &mut Pool,
    ) -> Result<Parsed<Self>, serde_json::Error> {
        let Raw { metadata: meta, spec, status } = serde_json::from_slice(json)?;
        let namespace = pool.intern(&meta.namespace);
        let name = Interned::from(&*meta.name);
        // Names of hosts, "None" and empty texts are no addresses.
        let mut addresses: Vec<IpAddr> = std::iter::once(&spec.cluster_ip)
            .chain(&spec.cluster_ips)
            .chain(&spec.external_ips)
            .chain(status.addresses.iter().map(|entry| &entry.address))
            .chain(status.load_balancer.ingress.iter().map(|entry| &entry.ip))
            .filter_map(|text| text.parse().ok())
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        let object = Self {
            namespace: namespace.clone(),
            name: name.clone(),
            labels: needs.labels.keep(&meta.labels, pool),
            addresses: addresses.into_boxed_slice(),
        };
        Ok(Parsed { namespace, name, object })
    }

    fn widen(needs: &mut AddressedNeeds, more: &AddressedNeeds) -> bool {
        needs.labels.widen(&more.labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_of_a_service_or_node_are_found() {
        let mut needs = AddressedNeeds::default();
        needs.labels.add("topology.kubernetes.io/zone");
        let parse =
            |json: &str| Addressed::parse(json.as_bytes(), &needs, &mut Pool::default()).unwrap().object;
        let service = parse(
            r#"{"metadata":{"name":"web","namespace":"shop"},"spec":{"clusterIP":"10.96.0.9",
            "clusterIPs":["10.96.0.9","fd00::9"],"externalIPs":null},
            "status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.7"},{"hostname":"lb.example.com"}]}}}"#,
        );
        let texts: Vec<_> = service.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10.96.0.9", "192.0.2.7", "fd00::9"]);
        let node = parse(
            r#"{"metadata":{"name":"node-a","labels":{"topology.kubernetes.io/zone":"z1","x":"y"}},
            "spec":{},"status":{"addresses":[{"type":"InternalIP","address":"172.18.0.2"},{"type":"Hostname","address":"node-a"}]}}"#,
        );
        assert_eq!((node.addresses.len(), node.labels.len()), (1, 1));
        let headless = parse(r#"{"metadata":{"name":"db"},"spec":{"clusterIP":"None"},"status":null}"#);
        assert!(headless.addresses.is_empty());
    }
}
