//! From what the kernel tells to what the user knows: names of pods, workloads, ranges, interfaces.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::attributes::{End, Labels};
use super::cluster::Cluster;
use super::endpoint::Endpoint;
use super::filter::Candidate;
use super::kernel::Interface;
use super::kernel::records::{Direction, DropKey, FlowKey, Role};
use super::owners::Owners;
use super::settings::Settings;
use crate::kube::Interned;

/// Knows everybody, and remembers whom it was asked for.
pub struct Resolver {
    pub owners: Owners,
    cluster: Option<Cluster>,
    settings: Arc<Settings>,
    interfaces: BTreeMap<i32, Interned>,
    by_cgroup: HashMap<u64, Arc<Here>>,
    by_address: HashMap<IpAddr, Arc<Endpoint>>,
    node: Arc<Endpoint>,
    epoch: Option<u64>,
    now: Instant,
}

/// The end of a flow that is on this node.
#[derive(Default)]
struct Here {
    endpoint: Arc<Endpoint>,
    container: Interned,
    container_id: Interned,
}

/// Labels, and whether the same question will get the same answer.
pub struct Resolved {
    /// `None`: the user does not want it.
    pub labels: Option<Labels>,
    pub is_settled: bool,
}

/// Addresses that are remembered; when there are more, all are asked for again.
const MOST_ADDRESSES: usize = 65_536;

impl Resolver {
    pub fn new(settings: Arc<Settings>, owners: Owners, cluster: Option<Cluster>) -> Self {
        Self {
            owners,
            cluster,
            settings,
            interfaces: BTreeMap::new(),
            by_cgroup: HashMap::new(),
            by_address: HashMap::new(),
            node: Arc::default(),
            epoch: None,
            now: Instant::now(),
        }
    }

    /// Before every reading. Whether earlier answers may be wrong now.
    pub fn refresh(&mut self, interfaces: &BTreeMap<i32, Interface>, now: Instant) -> bool {
        self.now = now;
        self.owners.sweep(now);
        let mut has_changed = false;
        let is_same = self.interfaces.len() == interfaces.len()
            && self.interfaces.iter().zip(interfaces).all(|((a, x), (b, y))| a == b && **x == *y.name);
        if !is_same {
            self.interfaces = interfaces
                .iter()
                .map(|(index, interface)| (*index, interface.name.as_str().into()))
                .collect();
            has_changed = true;
        }
        if let Some(cluster) = &self.cluster {
            cluster.sweep(now);
        }
        let epoch = self.cluster.as_ref().map(Cluster::epoch);
        if has_changed || self.epoch != epoch || self.by_address.len() >= MOST_ADDRESSES {
            self.by_cgroup.clear();
            self.by_address.clear();
            self.epoch = epoch;
            has_changed = true;
        }
        let known = self.cluster.as_ref().and_then(|cluster| cluster.node(&self.settings.node));
        self.node = Arc::new(known.unwrap_or_else(|| {
            let node: Interned = self.settings.node.as_str().into();
            if node.is_empty() {
                return Endpoint::default();
            }
            Endpoint {
                kind: "Node",
                name: node.clone(),
                owner_kind: "Node".into(),
                owner_name: node.clone(),
                node,
                ..Endpoint::default()
            }
        }));
        has_changed
    }

    /// Who talks to whom.
    pub fn flow(&mut self, key: &FlowKey) -> Resolved {
        let (local, remote) = (key.local(), key.remote());
        let (here, is_settled) = self.here(key.cgroup(), Some(local));
        let there = self.there(remote);
        let server_port = if key.role() == Role::Server { key.local_port() } else { key.remote_port() };
        let protocol = key.protocol();
        let is_excluded = (!self.settings.protocols.is_empty()
            && !self.settings.protocols.contains(&protocol))
            || self.settings.exclude_protocols.contains(&protocol)
            || !self.settings.filter.wants(&Candidate {
                local: &here.endpoint,
                remote: &there,
                addresses: [local, remote],
                server_port,
                process: key.process(),
                container: &here.container,
            });
        if is_excluded {
            return Resolved { labels: None, is_settled };
        }
        let near = End { endpoint: here.endpoint.clone(), address: Some(local), port: key.local_port() };
        let far = End { endpoint: there, address: Some(remote), port: key.remote_port() };
        let (source, destination) =
            if key.direction() == Direction::Egress { (near, far) } else { (far, near) };
        let labels = Labels {
            source,
            destination,
            direction: Some(key.direction()),
            role: Some(key.role()),
            protocol,
            family: if key.is_v6() { 6 } else { 4 },
            server_port,
            interface: i32::try_from(key.interface())
                .ok()
                .and_then(|index| self.interfaces.get(&index))
                .cloned()
                .unwrap_or_default(),
            process: key.process().into(),
            container: here.container.clone(),
            container_id: here.container_id.clone(),
            ..Labels::default()
        };
        Resolved { labels: Some(labels), is_settled }
    }

    /// Connections: from the client to the server, whichever of them is on this node.
    pub fn connection(&mut self, key: &FlowKey) -> Resolved {
        let to_server = if key.role() == Role::Client { Direction::Egress } else { Direction::Ingress };
        let mut resolved = self.flow(&key.with_direction(to_server));
        if let Some(labels) = &mut resolved.labels {
            labels.direction = None;
        }
        resolved
    }

    /// Whose packets were dropped.
    pub fn dropped(&mut self, key: &DropKey, reason: &str) -> Resolved {
        let (here, is_settled) = self.here(key.cgroup, None);
        let filter = &self.settings.filter;
        let nowhere = IpAddr::from([0, 0, 0, 0]);
        let is_wanted = filter.wants(&Candidate {
            local: &here.endpoint,
            remote: &Endpoint::default(),
            addresses: [nowhere, nowhere],
            server_port: 0,
            process: "",
            container: &here.container,
        });
        let labels = Labels {
            source: End { endpoint: here.endpoint.clone(), ..End::default() },
            protocol: key.protocol,
            family: key.family,
            interface: key.interface.as_str().into(),
            container: here.container.clone(),
            container_id: here.container_id.clone(),
            detail: reason.into(),
            ..Labels::default()
        };
        Resolved { labels: is_wanted.then_some(labels), is_settled }
    }

    /// The end on this node: by its cgroup, else by its address, else it is the node itself.
    fn here(&mut self, cgroup: u64, address: Option<IpAddr>) -> (Arc<Here>, bool) {
        let mut is_settled = true;
        if cgroup > 1 {
            if let Some(known) = self.by_cgroup.get(&cgroup) {
                return (known.clone(), true);
            }
            match self.owners.container(cgroup, self.now) {
                None => is_settled = false,
                Some(None) => {}
                Some(Some(container)) => {
                    let pod = self
                        .cluster
                        .as_ref()
                        .and_then(|cluster| cluster.pod(&container.id, &container.pod_uid));
                    let (endpoint, name) = pod.unwrap_or_else(|| {
                        // Not a pod, or one that the API server has not told of yet.
                        let endpoint = if container.pod_uid.is_empty() {
                            (*self.node).clone()
                        } else {
                            Endpoint { kind: "Pod", node: self.node.name.clone(), ..Endpoint::default() }
                        };
                        (endpoint, Interned::default())
                    });
                    let here = Arc::new(Here {
                        endpoint: Arc::new(endpoint),
                        container: name,
                        container_id: container.id.as_str().into(),
                    });
                    self.by_cgroup.insert(cgroup, here.clone());
                    return (here, true);
                }
            }
        }
        let found = address.map(|address| self.there(address)).filter(|endpoint| endpoint.is_known());
        let endpoint = found.unwrap_or_else(|| self.node.clone());
        (Arc::new(Here { endpoint, ..Here::default() }), is_settled)
    }

    /// Whether a pod of this node has that address, as far as the cluster is followed.
    pub fn is_of_this_node(&mut self, address: IpAddr) -> bool {
        let endpoint = self.there(address);
        endpoint.kind == "Pod" && !endpoint.node.is_empty() && *endpoint.node == *self.settings.node
    }

    /// Who has that address.
    fn there(&mut self, address: IpAddr) -> Arc<Endpoint> {
        if let Some(known) = self.by_address.get(&address) {
            return known.clone();
        }
        let mut endpoint = if address.is_loopback() {
            (*self.node).clone()
        } else {
            self.cluster.as_ref().and_then(|cluster| cluster.at(address)).unwrap_or_default()
        };
        if let Some(name) = self.settings.cidrs.name(address) {
            endpoint.cidr = name.clone();
        }
        let endpoint = Arc::new(endpoint);
        if self.by_address.len() < MOST_ADDRESSES {
            self.by_address.insert(address, endpoint.clone());
        }
        endpoint
    }
}
