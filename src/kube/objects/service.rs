//! Services: names and ports.

use serde::Deserialize;

use super::EntityNeeds;
use super::meta::Meta;
use super::port::{Port, RawPort, ports};
use crate::kube::keys::Kept;
use crate::kube::{Interned, Object, Parsed, Pool, Text, nullable};

/// A service. Texts are empty where the object has none.
#[derive(Debug, PartialEq)]
pub struct Service {
    pub namespace: Interned,
    pub name: Interned,
    pub labels: Kept,
    pub annotations: Kept,
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    pub kind: Interned,
    pub cluster_ip: Box<str>,
    pub external_name: Box<str>,
    pub load_balancer_ip: Box<str>,
    pub ports: Box<[Port]>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow)]
    spec: RawSpec<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawSpec<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(rename = "clusterIP", borrow)]
    cluster_ip: Text<'a>,
    #[serde(rename = "externalName", borrow)]
    external_name: Text<'a>,
    #[serde(rename = "loadBalancerIP", borrow)]
    load_balancer_ip: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    ports: Vec<RawPort<'a>>,
}

impl Object for Service {
    type Needs = EntityNeeds;

    fn parse(json: &[u8], needs: &EntityNeeds, pool: &mut Pool) -> Result<Parsed<Self>, serde_json::Error> {
        let Raw { metadata: meta, spec } = serde_json::from_slice(json)?;
        let (namespace, name) = (pool.intern(&meta.namespace), Interned::from(&*meta.name));
        let object = Self {
            namespace: namespace.clone(),
            name: name.clone(),
            labels: needs.labels.keep(&meta.labels, pool),
            annotations: needs.annotations.keep(&meta.annotations, pool),
            kind: pool.intern(&spec.kind),
            cluster_ip: (&*spec.cluster_ip).into(),
            external_name: (&*spec.external_name).into(),
            load_balancer_ip: (&*spec.load_balancer_ip).into(),
            ports: ports(&spec.ports, pool),
        };
        Ok(Parsed { namespace, name, object })
    }

    fn widen(needs: &mut EntityNeeds, more: &EntityNeeds) -> bool {
        needs.widen(more)
    }
}
