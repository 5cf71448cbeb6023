//! Ports and references, which several kinds of objects have.

use serde::Deserialize;

use crate::kube::{Interned, Pool, Text, nullable};

/// A port of a container, a service or an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub name: Interned,
    pub number: u16,
    pub protocol: Interned,
    pub app_protocol: Interned,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawPort<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(alias = "containerPort", deserialize_with = "nullable")]
    pub port: u16,
    #[serde(borrow)]
    pub protocol: Text<'a>,
    #[serde(borrow)]
    pub app_protocol: Text<'a>,
}

impl RawPort<'_> {
    pub fn keep(&self, pool: &mut Pool) -> Port {
        let protocol = if self.protocol.is_empty() { "TCP" } else { &self.protocol };
        Port {
            name: pool.intern(&self.name),
            number: self.port,
            protocol: pool.intern(protocol),
            app_protocol: pool.intern(&self.app_protocol),
        }
    }
}

/// Keeps a list of ports.
pub(super) fn ports(raw: &[RawPort<'_>], pool: &mut Pool) -> Box<[Port]> {
    raw.iter().map(|port| port.keep(pool)).collect()
}

/// The object behind an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRef {
    pub kind: Interned,
    pub namespace: Interned,
    pub name: Interned,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawTargetRef<'a> {
    #[serde(borrow)]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub namespace: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
}

impl RawTargetRef<'_> {
    pub fn keep(&self, pool: &mut Pool) -> Option<TargetRef> {
        (!self.kind.is_empty()).then(|| TargetRef {
            kind: pool.intern(&self.kind),
            namespace: pool.intern(&self.namespace),
            name: pool.intern(&self.name),
        })
    }
}
