//! Nodes, namespaces, services and their endpoints.

use serde::Deserialize;

use super::full::Body;
use super::meta::Meta;
use crate::kube::{Interned, Pairs, Pool, Text, nullable, quantity};

#[derive(Debug, PartialEq)]
pub struct Node {
    /// Types of conditions with their status: `True`, `False`, `Unknown`.
    pub conditions: Box<[(Interned, Interned)]>,
    /// Amounts by resource; CPUs in CPUs.
    pub allocatable: Box<[(Interned, f64)]>,
    pub kubelet_version: Interned,
    /// Name and version, as in `containerd://1.6.20`.
    pub container_runtime: Interned,
    pub os_description: Interned,
    pub os_type: Interned,
}

#[derive(Debug, PartialEq)]
pub struct Namespace {
    pub phase: Interned,
}

#[derive(Debug, PartialEq)]
pub struct ServiceState {
    pub kind: Interned,
    pub publish_not_ready: bool,
    pub traffic_distribution: Interned,
    pub selector: Box<[(Interned, Interned)]>,
    /// Addresses of the load balancer.
    pub ingress: usize,
}

/// A part of the endpoints of a service.
#[derive(Debug, PartialEq)]
pub struct SliceState {
    pub service: Interned,
    pub address_type: Interned,
    pub endpoints: Box<[Endpoint]>,
}

#[derive(Debug, PartialEq)]
pub struct Endpoint {
    pub zone: Interned,
    pub ready: bool,
    pub serving: bool,
    pub terminating: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawNode<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    status: RawNodeStatus<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawNodeStatus<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    conditions: Vec<RawCondition<'a>>,
    #[serde(borrow)]
    allocatable: Pairs<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    node_info: RawNodeInfo<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawCondition<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawNodeInfo<'a> {
    #[serde(borrow)]
    kubelet_version: Text<'a>,
    #[serde(borrow)]
    container_runtime_version: Text<'a>,
    #[serde(borrow)]
    os_image: Text<'a>,
    #[serde(borrow)]
    operating_system: Text<'a>,
}

impl Body for Node {
    fn read<'a>(json: &'a [u8], pool: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error> {
        let RawNode { metadata, status } = serde_json::from_slice(json)?;
        let amount = |resource: &str, text: &str| {
            if resource == "cpu" {
                quantity::thousandths(text).map(|milli| milli as f64 / 1000.0)
            } else {
                quantity::whole(text).map(|value| value as f64)
            }
        };
        let info = &status.node_info;
        let body = Self {
            conditions: status
                .conditions
                .iter()
                .map(|condition| (pool.intern(&condition.kind), pool.intern(&condition.status)))
                .collect(),
            allocatable: status
                .allocatable
                .0
                .iter()
                .filter_map(|(resource, text)| Some((pool.intern(resource), amount(resource, text)?)))
                .collect(),
            kubelet_version: pool.intern(&info.kubelet_version),
            container_runtime: pool.intern(&info.container_runtime_version),
            os_description: pool.intern(&info.os_image),
            os_type: pool.intern(&info.operating_system),
        };
        Ok((metadata, body))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawNamespace<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    status: RawPhase<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawPhase<'a> {
    #[serde(borrow)]
    phase: Text<'a>,
}

impl Body for Namespace {
    fn read<'a>(json: &'a [u8], pool: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error> {
        let RawNamespace { metadata, status } = serde_json::from_slice(json)?;
        Ok((metadata, Self { phase: pool.intern(&status.phase) }))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawService<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    spec: RawServiceSpec<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    status: RawServiceStatus<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawServiceSpec<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    publish_not_ready_addresses: bool,
    #[serde(borrow)]
    traffic_distribution: Text<'a>,
    #[serde(borrow)]
    selector: Pairs<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawServiceStatus<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    load_balancer: RawLoadBalancer<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawLoadBalancer<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    ingress: Vec<&'a serde_json::value::RawValue>,
}

impl Body for ServiceState {
    fn read<'a>(json: &'a [u8], pool: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error> {
        let RawService { metadata, spec, status } = serde_json::from_slice(json)?;
        let body = Self {
            kind: pool.intern(&spec.kind),
            publish_not_ready: spec.publish_not_ready_addresses,
            traffic_distribution: pool.intern(&spec.traffic_distribution),
            selector: spec
                .selector
                .0
                .iter()
                .map(|(key, value)| (pool.intern(key), pool.intern(value)))
                .collect(),
            ingress: status.load_balancer.ingress.len(),
        };
        Ok((metadata, body))
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSlice<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow)]
    address_type: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    endpoints: Vec<RawEndpoint<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawEndpoint<'a> {
    #[serde(borrow)]
    zone: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    conditions: RawEndpointConditions,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawEndpointConditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

impl Body for SliceState {
    fn read<'a>(json: &'a [u8], pool: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error> {
        let RawSlice { metadata, address_type, endpoints } = serde_json::from_slice(json)?;
        let service = metadata.labels.get("kubernetes.io/service-name").unwrap_or_default();
        let body = Self {
            service: pool.intern(service),
            address_type: pool.intern(&address_type),
            endpoints: endpoints
                .iter()
                .map(|endpoint| {
                    // What the API leaves open means: ready, and serving as long as it is ready.
                    let ready = endpoint.conditions.ready.unwrap_or(true);
                    Endpoint {
                        zone: pool.intern(&endpoint.zone),
                        ready,
                        serving: endpoint.conditions.serving.unwrap_or(ready),
                        terminating: endpoint.conditions.terminating.unwrap_or(false),
                    }
                })
                .collect(),
        };
        Ok((metadata, body))
    }
}
