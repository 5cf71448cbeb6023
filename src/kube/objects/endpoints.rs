//! Endpoints: the addresses behind a service, as the core group has them.

use serde::Deserialize;

use super::EntityNeeds;
use super::meta::Meta;
use super::port::{Port, RawPort, RawTargetRef, TargetRef, ports};
use crate::kube::keys::Kept;
use crate::kube::{Interned, Object, Parsed, Pool, Text, nullable};

/// The endpoints of one service.
#[derive(Debug, PartialEq)]
pub struct Endpoints {
    pub namespace: Interned,
    pub name: Interned,
    pub labels: Kept,
    pub annotations: Kept,
    pub subsets: Box<[EndpointSubset]>,
}

/// Addresses that all have the same ports.
#[derive(Debug, PartialEq)]
pub struct EndpointSubset {
    pub addresses: Box<[EndpointAddress]>,
    pub ports: Box<[Port]>,
}

#[derive(Debug, PartialEq)]
pub struct EndpointAddress {
    pub ip: Box<str>,
    pub hostname: Interned,
    pub node: Interned,
    pub ready: bool,
    pub target: Option<TargetRef>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    subsets: Vec<RawSubset<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSubset<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    addresses: Vec<RawAddress<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    not_ready_addresses: Vec<RawAddress<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    ports: Vec<RawPort<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawAddress<'a> {
    #[serde(borrow)]
    ip: Text<'a>,
    #[serde(borrow)]
    hostname: Text<'a>,
    #[serde(borrow)]
    node_name: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    target_ref: RawTargetRef<'a>,
}

impl Object for Endpoints {
    type Needs = EntityNeeds;

    fn parse(json: &[u8], needs: &EntityNeeds, pool: &mut Pool) -> Result<Parsed<Self>, serde_json::Error> {
        let Raw { metadata: meta, subsets } = serde_json::from_slice(json)?;
        let (namespace, name) = (pool.intern(&meta.namespace), Interned::from(&*meta.name));
        let object = Self {
            namespace: namespace.clone(),
            name: name.clone(),
            labels: needs.labels.keep(&meta.labels, pool),
            annotations: needs.annotations.keep(&meta.annotations, pool),
            subsets: subsets.iter().map(|subset| keep(subset, pool)).collect(),
        };
        Ok(Parsed { namespace, name, object })
    }

    fn widen(needs: &mut EntityNeeds, more: &EntityNeeds) -> bool {
        needs.widen(more)
    }
}

fn keep(subset: &RawSubset<'_>, pool: &mut Pool) -> EndpointSubset {
    let all = [(&subset.addresses, true), (&subset.not_ready_addresses, false)];
    let all = all.into_iter().flat_map(|(list, ready)| list.iter().map(move |address| (address, ready)));
    EndpointSubset {
        addresses: all
            .map(|(address, ready)| EndpointAddress {
                ip: (&*address.ip).into(),
                hostname: pool.intern(&address.hostname),
                node: pool.intern(&address.node_name),
                ready,
                target: address.target_ref.keep(pool),
            })
            .collect(),
        ports: ports(&subset.ports, pool),
    }
}
