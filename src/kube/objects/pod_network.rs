//! How to reach what runs in a pod.

use super::pod::{Raw, RawContainer};
use super::port::{Port, ports};
use crate::kube::{Interned, Pool};

/// Ports and state of a pod.
#[derive(Debug, PartialEq)]
pub struct PodNetwork {
    pub phase: Interned,
    /// The status of the condition `Ready`, empty when there is none.
    pub ready: Interned,
    pub host_ip: Interned,
    /// Kind and name of what manages the pod.
    pub controller: Option<(Interned, Interned)>,
    /// Init containers last.
    pub containers: Box<[ContainerPorts]>,
}

/// A container and where it listens.
#[derive(Debug, PartialEq)]
pub struct ContainerPorts {
    pub name: Interned,
    pub image: Interned,
    /// With the name of the runtime: `containerd://1f2e…`.
    pub id: Box<str>,
    pub init: bool,
    pub ports: Box<[Port]>,
}

impl PodNetwork {
    pub(super) fn of(raw: &Raw<'_>, pool: &mut Pool) -> Self {
        let mut containers = Vec::new();
        for (list, init) in [(&raw.spec.containers, false), (&raw.spec.init_containers, true)] {
            containers.extend(list.iter().map(|container| container_ports(raw, container, init, pool)));
        }
        let ready = raw.status.conditions.iter().find(|condition| &*condition.kind == "Ready");
        Self {
            phase: pool.intern(&raw.status.phase),
            ready: pool.intern(ready.map_or("", |condition| &condition.status)),
            host_ip: pool.intern(&raw.status.host_ip),
            controller: raw.metadata.controller(pool),
            containers: containers.into_boxed_slice(),
        }
    }
}

fn container_ports(
    raw: &Raw<'_>,
    container: &RawContainer<'_>,
    init: bool,
    pool: &mut Pool,
) -> ContainerPorts {
    let status = &raw.status;
    let mut statuses = status.container_statuses.iter().chain(&status.init_container_statuses);
    let status = statuses.find(|status| *status.name == *container.name);
    let id = status.map_or("", |status| &*status.container_id);
    ContainerPorts {
        name: pool.intern(&container.name),
        image: pool.intern(&container.image),
        id: id.into(),
        init,
        ports: ports(&container.ports, pool),
    }
}
