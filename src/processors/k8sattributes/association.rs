//! Which pod a resource belongs to: `pod_association`.
//!
//! The values that identify a pod are reduced to one number of 128 bits, keyed by chance at start:
//! the same values give the same number for the resource and for the pod, and two pods share one
//! as good as never.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::iter;
use std::net::IpAddr;

use super::config::{AssociationConfig, SourceKind};
use super::rules::Rules;
use crate::kube::kept_value;
use crate::kube::objects::{Pod, STATIC_POD_UID};
use crate::otlp::{Attributes, KeyValue};

/// Stands for the values that identify a pod.
pub type Id = u128;

/// The compiled `pod_association` section.
pub struct Associations {
    associations: Vec<Vec<Source>>,
    keys: [RandomState; 2],
}

/// One value that takes part in an association.
enum Source {
    /// Address of the sender.
    Connection,
    Attribute(String),
}

/// What a resource says about its pod.
pub struct Identified {
    pub id: Id,
    /// The address of the sender, when it took part.
    pub connection: Option<IpAddr>,
}

const POD_IP: &str = "k8s.pod.ip";
const HOST_NAME: &str = "host.name";
const CONTAINER_ID: &str = "container.id";
const POD_UID: &str = "k8s.pod.uid";

impl Associations {
    pub fn new(config: &[AssociationConfig]) -> Self {
        let associations = config
            .iter()
            .map(|association| {
                let source = |source: &super::config::SourceConfig| match source.from {
                    SourceKind::Connection => Source::Connection,
                    SourceKind::ResourceAttribute => Source::Attribute(source.name.clone()),
                };
                association.sources.iter().map(source).collect()
            })
            .collect();
        Self { associations, keys: [RandomState::new(), RandomState::new()] }
    }

    /// Whether container ids must be known to find pods.
    pub fn uses_container_ids(&self) -> bool {
        self.associations.iter().flatten().any(|source| source.is(CONTAINER_ID))
    }

    /// The first association all of whose sources have a value.
    pub fn identify(&self, attributes: &Vec<KeyValue>, peer: Option<IpAddr>) -> Option<Identified> {
        if self.associations.is_empty() {
            return self.identify_by_address(attributes, peer);
        }
        'next: for (n, sources) in self.associations.iter().enumerate() {
            let mut number = self.number(n);
            let mut connection = None;
            for source in sources {
                match source {
                    Source::Connection => {
                        let Some(peer) = peer else { continue 'next };
                        connection = Some(peer.to_canonical());
                        number.add(&peer.to_canonical().to_string());
                    }
                    Source::Attribute(name) => {
                        let value = attributes.get_str(name).filter(|value| !value.is_empty());
                        let is_usable = |value: &&str| name != HOST_NAME || value.parse::<IpAddr>().is_ok();
                        let Some(value) = value.filter(is_usable) else { continue 'next };
                        number.add(value);
                    }
                }
            }
            return Some(Identified { id: number.finish(), connection });
        }
        None
    }

    /// Without associations of its own the processor goes by the address of the pod.
    fn identify_by_address(&self, attributes: &Vec<KeyValue>, peer: Option<IpAddr>) -> Option<Identified> {
        let (value, connection) = address_of(attributes, peer)?;
        let mut number = self.number(0);
        number.add(&value);
        Some(Identified { id: number.finish(), connection })
    }

    /// All numbers by which a resource may name the pod.
    pub fn ids_of(&self, pod: &Pod, rules: &Rules) -> Vec<Id> {
        let mut ids = Vec::new();
        let ip = if pod.host_network { "" } else { &*pod.ip };
        if self.associations.is_empty() {
            if !ip.is_empty() {
                let mut number = self.number(0);
                number.add(ip);
                ids.push(number.finish());
            }
            return ids;
        }
        for (n, sources) in self.associations.iter().enumerate() {
            // A pod has as many ids of this association as it has container ids.
            let container_ids: Vec<&str> = if sources.iter().any(|source| source.is(CONTAINER_ID)) {
                pod.containers.iter().flat_map(|container| &container.runs).map(|run| &*run.id).collect()
            } else {
                vec![""]
            };
            // The kubelet knows a static pod by another UID than the API server does.
            let kubelets = kept_value(&pod.annotations, STATIC_POD_UID).map(|uid| &**uid);
            let kubelets = kubelets.filter(|_| sources.iter().any(|source| source.is(POD_UID)));
            let uids = || iter::once(&*pod.uid).chain(kubelets);
            let variants =
                container_ids.iter().flat_map(|container| uids().map(move |uid| (*container, uid)));
            'next: for (container_id, uid) in variants {
                let mut number = self.number(n);
                for source in sources {
                    let value = match source {
                        Source::Connection => ip,
                        Source::Attribute(name) => match name.as_str() {
                            POD_IP | HOST_NAME => ip,
                            CONTAINER_ID => container_id,
                            POD_UID => uid,
                            "k8s.pod.name" => &pod.name,
                            "k8s.namespace.name" => &pod.namespace,
                            "k8s.node.name" => &pod.node,
                            "k8s.pod.hostname" => &pod.hostname,
                            other => {
                                let attributes = rules.own_attributes(pod);
                                let Some(value) = attributes.get_str(other).filter(|v| !v.is_empty()) else {
                                    continue 'next;
                                };
                                number.add(value);
                                continue;
                            }
                        },
                    };
                    if value.is_empty() {
                        continue 'next;
                    }
                    number.add(value);
                }
                ids.push(number.finish());
            }
        }
        ids
    }

    fn number(&self, association: usize) -> Number {
        let mut number = Number(self.keys[0].build_hasher(), self.keys[1].build_hasher());
        association.hash(&mut number.0);
        association.hash(&mut number.1);
        number
    }
}

/// The address that a resource came from, and whether it is that of the connection or stands for it.
pub fn address_of(attributes: &Vec<KeyValue>, peer: Option<IpAddr>) -> Option<(String, Option<IpAddr>)> {
    let text = |name: &str| attributes.get_str(name).filter(|value| !value.is_empty());
    if let Some(ip) = text(POD_IP) {
        return Some((ip.to_owned(), None));
    }
    let address = text("ip")
        .and_then(|ip| ip.parse().ok())
        .or_else(|| peer.map(|peer| peer.to_canonical()))
        .or_else(|| text(HOST_NAME).and_then(|name| name.parse().ok()))?;
    Some((address.to_string(), Some(address)))
}

impl Source {
    fn is(&self, attribute: &str) -> bool {
        matches!(self, Self::Attribute(name) if name == attribute)
    }
}

struct Number(<RandomState as BuildHasher>::Hasher, <RandomState as BuildHasher>::Hasher);

impl Number {
    fn add(&mut self, value: &str) {
        value.hash(&mut self.0);
        value.hash(&mut self.1);
    }

    fn finish(&self) -> Id {
        (Id::from(self.0.finish()) << 64) | Id::from(self.1.finish())
    }
}
