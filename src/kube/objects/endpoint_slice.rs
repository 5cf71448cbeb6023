//! Endpoint slices: the addresses behind a service, as `discovery.k8s.io` has them.

use serde::Deserialize;

use super::EntityNeeds;
use super::meta::Meta;
use super::port::{Port, RawPort, RawTargetRef, TargetRef, ports};
use crate::kube::keys::Kept;
use crate::kube::{Interned, Object, Parsed, Pool, Text, nullable};

/// A slice of the endpoints of one service.
#[derive(Debug, PartialEq)]
pub struct EndpointSlice {
    pub namespace: Interned,
    pub name: Interned,
    pub labels: Kept,
    pub annotations: Kept,
    /// The service it belongs to, empty when it belongs to none.
    pub service: Interned,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: Interned,
    pub endpoints: Box<[SliceEndpoint]>,
    pub ports: Box<[Port]>,
}

#[derive(Debug, PartialEq)]
pub struct SliceEndpoint {
    pub addresses: Box<[Box<str>]>,
    pub hostname: Interned,
    pub node: Interned,
    pub zone: Interned,
    /// `None`: nothing is said, which means yes for the first two.
    pub ready: Option<bool>,
    pub serving: Option<bool>,
    pub terminating: Option<bool>,
    pub target: Option<TargetRef>,
}

const SERVICE: &str = "kubernetes.io/service-name";

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Raw<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow)]
    address_type: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    endpoints: Vec<RawEndpoint<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    ports: Vec<RawPort<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawEndpoint<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    addresses: Vec<Text<'a>>,
    #[serde(borrow)]
    hostname: Text<'a>,
    #[serde(borrow)]
    node_name: Text<'a>,
    #[serde(borrow)]
    zone: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    conditions: RawConditions,
    #[serde(borrow, deserialize_with = "nullable")]
    target_ref: RawTargetRef<'a>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct RawConditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

impl Object for EndpointSlice {
    type Needs = EntityNeeds;

    fn parse(json: &[u8], needs: &EntityNeeds, pool: &mut Pool) -> Result<Parsed<Self>, serde_json::Error> {
        let raw: Raw<'_> = serde_json::from_slice(json)?;
        let meta = &raw.metadata;
        let (namespace, name) = (pool.intern(&meta.namespace), Interned::from(&*meta.name));
        let object = Self {
            namespace: namespace.clone(),
            name: name.clone(),
            labels: needs.labels.keep(&meta.labels, pool),
            annotations: needs.annotations.keep(&meta.annotations, pool),
            service: pool.intern(meta.labels.get(SERVICE).unwrap_or_default()),
            address_type: pool.intern(&raw.address_type),
            endpoints: raw.endpoints.iter().map(|endpoint| keep(endpoint, pool)).collect(),
            ports: ports(&raw.ports, pool),
        };
        Ok(Parsed { namespace, name, object })
    }

    fn widen(needs: &mut EntityNeeds, more: &EntityNeeds) -> bool {
        needs.widen(more)
    }
}

fn keep(endpoint: &RawEndpoint<'_>, pool: &mut Pool) -> SliceEndpoint {
    let RawConditions { ready, serving, terminating } = endpoint.conditions;
    SliceEndpoint {
        addresses: endpoint.addresses.iter().map(|address| (&**address).into()).collect(),
        hostname: pool.intern(&endpoint.hostname),
        node: pool.intern(&endpoint.node_name),
        zone: pool.intern(&endpoint.zone),
        ready,
        serving,
        terminating,
        target: endpoint.target_ref.keep(pool),
    }
}
