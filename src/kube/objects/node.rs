//! Nodes: where they can be reached.

use serde::Deserialize;

use super::EntityNeeds;
use super::meta::Meta;
use crate::kube::keys::Kept;
use crate::kube::{Interned, Object, Parsed, Pool, Text, nullable};

/// A node of the cluster.
#[derive(Debug, PartialEq)]
pub struct ClusterNode {
    pub name: Interned,
    pub provider_id: Box<str>,
    pub labels: Kept,
    pub annotations: Kept,
    /// Type and address, in the order of the object.
    pub addresses: Box<[(Interned, Box<str>)]>,
    pub kubelet_port: u16,
}

const KUBELET_PORT: u16 = 10250;
/// Which address of a node is taken, by its type.
const ORDER: [&str; 6] =
    ["InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname"];

impl ClusterNode {
    /// Where its kubelet is reached: address and port, an IPv6 address in brackets.
    pub fn kubelet(&self) -> Option<String> {
        let of = |kind: &&str| self.addresses.iter().find(|(known, _)| **known == **kind);
        let (_, address) = ORDER.iter().find_map(of)?;
        let port = self.kubelet_port;
        Some(if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow)]
    spec: RawSpec<'a>,
    #[serde(borrow)]
    status: RawStatus<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawSpec<'a> {
    #[serde(rename = "providerID", borrow)]
    provider_id: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawStatus<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    addresses: Vec<RawAddress<'a>>,
    #[serde(deserialize_with = "nullable")]
    daemon_endpoints: RawDaemons,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawAddress<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    address: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawDaemons {
    #[serde(deserialize_with = "nullable")]
    kubelet_endpoint: RawEndpoint,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawEndpoint {
    #[serde(rename = "Port", deserialize_with = "nullable")]
    port: u16,
}

impl Object for ClusterNode {
    type Needs = EntityNeeds;

    fn parse(json: &[u8], needs: &EntityNeeds, pool: &mut Pool) -> Result<Parsed<Self>, serde_json::Error> {
        let Raw { metadata: meta, spec, status } = serde_json::from_slice(json)?;
        let name = Interned::from(&*meta.name);
        let port = status.daemon_endpoints.kubelet_endpoint.port;
        let object = Self {
            name: name.clone(),
            provider_id: (&*spec.provider_id).into(),
            labels: needs.labels.keep(&meta.labels, pool),
            annotations: needs.annotations.keep(&meta.annotations, pool),
            addresses: status
                .addresses
                .iter()
                .map(|address| (pool.intern(&address.kind), (&*address.address).into()))
                .collect(),
            kubelet_port: if port == 0 { KUBELET_PORT } else { port },
        };
        Ok(Parsed { namespace: pool.intern(""), name, object })
    }

    fn widen(needs: &mut EntityNeeds, more: &EntityNeeds) -> bool {
        needs.widen(more)
    }
}
