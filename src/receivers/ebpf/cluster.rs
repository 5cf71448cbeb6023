//! Pods, services and nodes by what the kernel knows of them: container, pod id, address.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::endpoint::{Endpoint, TEMPLATE_HASH};
use crate::kube::objects::{Addressed, AddressedNeeds, Pod, PodNeeds, STATIC_POD_UID};
use crate::kube::{Client, Handler, Informer, Interned, Namespaces, Query, Resource, kept_value};

/// The cluster as it is followed: by default the pods of this node and the node itself.
pub struct Cluster {
    index: Arc<Index>,
    /// One per namespace when these are limited, else one.
    pods: Vec<Arc<Informer<Pod>>>,
    pod_handler: Arc<dyn Handler<Pod>>,
    others: Vec<Followed>,
}

struct Followed {
    informer: Arc<Informer<Addressed>>,
    handler: Arc<dyn Handler<Addressed>>,
}

/// What is followed.
pub struct Scope<'a> {
    /// Name of this node.
    pub node: &'a str,
    /// Pods and nodes of the whole cluster, and services.
    pub cluster_wide: bool,
    /// Namespaces whose pods and services are known.
    pub namespaces: &'a Namespaces,
    /// Labels of pods that the filters ask for.
    pub labels: &'a [String],
}

const ZONE: &str = "topology.kubernetes.io/zone";
/// For so long a pod that is gone is still known: the kernel tells of its traffic afterwards.
const GRACE: Duration = Duration::from_mins(5);

impl Cluster {
    pub fn follow(client: &Arc<Client>, scope: &Scope<'_>) -> io::Result<Self> {
        let index = Arc::new(Index::default());
        let mut needs = PodNeeds { containers: true, ..PodNeeds::default() };
        needs.labels.add(TEMPLATE_HASH);
        needs.annotations.add(STATIC_POD_UID);
        scope.labels.iter().for_each(|label| needs.labels.add(label));
        let mut pods = Query::all(Resource::new("", "v1", "pods"));
        if !scope.cluster_wide {
            pods = pods.fields(format!("spec.nodeName={}", scope.node));
        }
        let pods = Informer::shared_by_query(client, &scope.namespaces.queries(&pods), &needs)?;
        let pod_handler: Arc<dyn Handler<Pod>> = index.clone();
        pods.iter().for_each(|pods| pods.store().subscribe(pod_handler.clone()));

        let mut nodes = Query::all(Resource::new("", "v1", "nodes"));
        if !scope.cluster_wide {
            nodes = nodes.fields(format!("metadata.name={}", scope.node));
        }
        let mut needs = AddressedNeeds::default();
        needs.labels.add(ZONE);
        let mut others = vec![Followed::start(client, &nodes, &needs, "Node", &index)?];
        if scope.cluster_wide {
            let services = Query::all(Resource::new("", "v1", "services"));
            for query in scope.namespaces.queries(&services) {
                let needs = AddressedNeeds::default();
                others.push(Followed::start(client, &query, &needs, "Service", &index)?);
            }
        }
        Ok(Self { index, pods, pod_handler, others })
    }

    /// Grows with every change.
    pub fn epoch(&self) -> u64 {
        self.pods.iter().map(|pods| pods.store().epoch()).sum::<u64>()
            + self.others.iter().map(|other| other.informer.store().epoch()).sum::<u64>()
    }

    /// The pod of that container or of that id, with the name of the container where it is known.
    pub fn pod(&self, container_id: &str, pod_uid: &str) -> Option<(Endpoint, Interned)> {
        self.index.pod(container_id, pod_uid)
    }

    pub fn at(&self, address: IpAddr) -> Option<Endpoint> {
        self.index.at(address)
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<Endpoint> {
        self.index.node(name)
    }

    /// Whether the API server has told of that node.
    pub fn is_node_known(&self, name: &str) -> bool {
        self.node(name).is_some()
    }

    /// Forgets what is long gone.
    pub fn sweep(&self, now: Instant) {
        self.index.sweep(now);
    }
}

impl Followed {
    fn start(
        client: &Arc<Client>,
        query: &Query,
        needs: &AddressedNeeds,
        kind: &'static str,
        index: &Arc<Index>,
    ) -> io::Result<Self> {
        let informer = Informer::shared(client, query, needs)?;
        let handler: Arc<dyn Handler<Addressed>> = Arc::new(Addresses { kind, index: index.clone() });
        informer.store().subscribe(handler.clone());
        Ok(Self { informer, handler })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.pods.iter().for_each(|pods| pods.store().unsubscribe(&self.pod_handler));
        for other in &self.others {
            other.informer.store().unsubscribe(&other.handler);
        }
    }
}

/// Everything by its keys.
#[derive(Default)]
pub(super) struct Index {
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    by_uid: HashMap<Box<str>, Arc<Pod>>,
    by_container: HashMap<Box<str>, (Arc<Pod>, Interned)>,
    by_address: HashMap<IpAddr, Holder>,
    nodes: HashMap<Interned, (Arc<Addressed>, Interned)>,
    /// Deleted pods, since when.
    gone: VecDeque<(Instant, Arc<Pod>)>,
}

#[derive(Clone)]
enum Holder {
    Pod(Arc<Pod>),
    Other(&'static str, Arc<Addressed>),
}

struct Addresses {
    kind: &'static str,
    index: Arc<Index>,
}

impl Index {
    fn pod(&self, container_id: &str, pod_uid: &str) -> Option<(Endpoint, Interned)> {
        let inner = self.read();
        let (pod, container) = match inner.by_container.get(container_id) {
            Some((pod, container)) => (pod, container.clone()),
            None => (inner.by_uid.get(pod_uid)?, Interned::default()),
        };
        Some((inner.endpoint(pod), container))
    }

    fn at(&self, address: IpAddr) -> Option<Endpoint> {
        let inner = self.read();
        Some(match inner.by_address.get(&address)? {
            Holder::Pod(pod) => inner.endpoint(pod),
            Holder::Other("Node", node) => inner.node(&node.name)?,
            Holder::Other(kind, object) => Endpoint {
                kind,
                name: object.name.clone(),
                namespace: object.namespace.clone(),
                owner_kind: (*kind).into(),
                owner_name: object.name.clone(),
                ..Endpoint::default()
            },
        })
    }

    fn node(&self, name: &str) -> Option<Endpoint> {
        self.read().node(name)
    }

    fn sweep(&self, now: Instant) {
        let mut inner = self.write();
        while let Some((since, pod)) = inner.gone.front().cloned()
            && now.duration_since(since) >= GRACE
        {
            inner.gone.pop_front();
            inner.forget(&pod);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn endpoint(&self, pod: &Pod) -> Endpoint {
        let mut endpoint = Endpoint::of_pod(pod);
        if let Some((node, ip)) = self.nodes.get(&pod.node) {
            endpoint.zone = zone(node);
            endpoint.node_ip = ip.clone();
        }
        endpoint
    }

    fn node(&self, name: &str) -> Option<Endpoint> {
        let (node, ip) = self.nodes.get(name)?;
        Some(Endpoint {
            kind: "Node",
            name: node.name.clone(),
            owner_kind: "Node".into(),
            owner_name: node.name.clone(),
            node: node.name.clone(),
            node_ip: ip.clone(),
            zone: zone(node),
            ..Endpoint::default()
        })
    }

    fn forget(&mut self, pod: &Arc<Pod>) {
        self.by_uid.retain(|_, known| !Arc::ptr_eq(known, pod));
        self.by_container.retain(|_, (known, _)| !Arc::ptr_eq(known, pod));
        self.by_address.retain(|_, holder| !matches!(holder, Holder::Pod(known) if Arc::ptr_eq(known, pod)));
    }
}

fn zone(node: &Addressed) -> Interned {
    kept_value(&node.labels, ZONE).cloned().unwrap_or_default()
}

impl Handler<Pod> for Index {
    fn applied(&self, old: Option<&Arc<Pod>>, new: &Arc<Pod>) {
        let mut inner = self.write();
        if let Some(old) = old
            && old.ip != new.ip
            && let Ok(address) = old.ip.parse::<IpAddr>()
            && matches!(inner.by_address.get(&address), Some(Holder::Pod(known)) if Arc::ptr_eq(known, old))
        {
            inner.by_address.remove(&address);
        }
        let uid = kept_value(&new.annotations, STATIC_POD_UID).map_or(&*new.uid, |uid| uid);
        inner.by_uid.insert(uid.into(), new.clone());
        for container in &new.containers {
            for run in &container.runs {
                inner.by_container.insert(run.id.clone(), (new.clone(), container.name.clone()));
            }
        }
        // A pod on the network of its node has the node's address, which says nothing about it.
        if !new.host_network
            && let Ok(address) = new.ip.parse::<IpAddr>()
        {
            inner.by_address.insert(address, Holder::Pod(new.clone()));
        }
    }

    fn deleted(&self, old: &Arc<Pod>) {
        self.write().gone.push_back((Instant::now(), old.clone()));
    }
}

impl Handler<Addressed> for Addresses {
    fn applied(&self, old: Option<&Arc<Addressed>>, new: &Arc<Addressed>) {
        if let Some(old) = old {
            self.deleted(old);
        }
        let mut inner = self.index.write();
        for address in &new.addresses {
            // A pod that has the address now is nearer to the truth than a service.
            inner.by_address.entry(*address).or_insert_with(|| Holder::Other(self.kind, new.clone()));
        }
        if self.kind == "Node" {
            let ip = new.addresses.first().map(ToString::to_string).unwrap_or_default();
            inner.nodes.insert(new.name.clone(), (new.clone(), ip.into()));
        }
    }

    fn deleted(&self, old: &Arc<Addressed>) {
        let mut inner = self.index.write();
        for address in &old.addresses {
            if matches!(inner.by_address.get(address), Some(Holder::Other(_, known)) if Arc::ptr_eq(known, old))
            {
                inner.by_address.remove(address);
            }
        }
        if self.kind == "Node" {
            inner.nodes.remove(&old.name);
        }
    }
}
