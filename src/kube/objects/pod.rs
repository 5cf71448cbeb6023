//! Pods: who they are, where they run, what they run.

use serde::Deserialize;

use super::meta::{Meta, seconds};
use super::port::RawPort;
use super::resources::RawResources;
use super::state::RawStates;
use super::{ContainerState, Owner, PodNetwork, PodState};
use crate::kube::keys::Kept;
use crate::kube::{Interned, Keys, Object, Parsed, Pool, Text, nullable};

/// A pod. Texts are empty where the object has none.
#[derive(Debug, PartialEq)]
pub struct Pod {
    pub namespace: Interned,
    pub name: Interned,
    pub uid: Box<str>,
    pub node: Interned,
    /// `status.podIP`.
    pub ip: Box<str>,
    /// `spec.hostname`.
    pub hostname: Interned,
    pub host_network: bool,
    /// Creation and start, seconds since the epoch, 0 = unknown.
    pub created: i64,
    pub started: i64,
    pub labels: Kept,
    pub annotations: Kept,
    pub owners: Box<[Owner]>,
    /// Init containers too.
    pub containers: Box<[Container]>,
    /// How to reach what runs in it, where that is wanted.
    pub network: Option<Box<PodNetwork>>,
    /// When it is wanted.
    pub state: Option<Box<PodState>>,
}

#[derive(Debug, PartialEq)]
pub struct Container {
    pub name: Interned,
    /// The image as the pod's specification names it.
    pub image: Interned,
    /// The image as the runtime resolved it, with its digest where the runtime knows it.
    pub image_id: Interned,
    /// The present run and, where the runtime still knows it, the one before.
    pub runs: Box<[Run]>,
    /// When it is wanted.
    pub state: Option<Box<ContainerState>>,
}

/// One run of a container.
#[derive(Debug, PartialEq)]
pub struct Run {
    /// How often the container was restarted before this run.
    pub restarts: u32,
    /// Container id without the runtime's name.
    pub id: Box<str>,
}

/// Which of the fields that cost memory are wanted.
#[derive(Clone, Debug, Default)]
pub struct PodNeeds {
    pub labels: Keys,
    pub annotations: Keys,
    pub containers: bool,
    pub network: bool,
    /// The state of the pod and its containers.
    pub state: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Raw<'a> {
    #[serde(borrow)]
    pub metadata: Meta<'a>,
    #[serde(borrow)]
    pub spec: RawSpec<'a>,
    #[serde(borrow)]
    pub status: RawStatus<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawSpec<'a> {
    #[serde(borrow)]
    node_name: Text<'a>,
    #[serde(borrow)]
    hostname: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    host_network: bool,
    #[serde(borrow, deserialize_with = "nullable")]
    pub containers: Vec<RawContainer<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub init_containers: Vec<RawContainer<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawContainer<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub image: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub ports: Vec<RawPort<'a>>,
    #[serde(borrow)]
    restart_policy: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    resources: RawResources<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawStatus<'a> {
    #[serde(borrow)]
    reason: Text<'a>,
    #[serde(borrow)]
    qos_class: Text<'a>,
    #[serde(rename = "podIP", borrow)]
    pod_ip: Text<'a>,
    #[serde(rename = "hostIP", borrow)]
    pub host_ip: Text<'a>,
    #[serde(borrow)]
    pub phase: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub conditions: Vec<RawCondition<'a>>,
    #[serde(borrow)]
    start_time: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub container_statuses: Vec<RawContainerStatus<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub init_container_statuses: Vec<RawContainerStatus<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawContainerStatus<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(rename = "containerID", borrow)]
    pub container_id: Text<'a>,
    #[serde(rename = "imageID", borrow)]
    image_id: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    restart_count: u32,
    #[serde(borrow, deserialize_with = "nullable")]
    pub last_state: RawStates<'a>,
    #[serde(borrow)]
    pub image: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    pub ready: bool,
    #[serde(borrow, deserialize_with = "nullable")]
    pub state: RawStates<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCondition<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub status: Text<'a>,
}

impl Object for Pod {
    type Needs = PodNeeds;

    fn parse(json: &[u8], needs: &PodNeeds, pool: &mut Pool) -> Result<Parsed<Self>, serde_json::Error> {
        let raw = serde_json::from_slice(json)?;
        let network = needs.network.then(|| Box::new(PodNetwork::of(&raw, pool)));
        let Raw { metadata: meta, spec, status } = raw;
        let namespace = pool.intern(&meta.namespace);
        let name = Interned::from(&*meta.name);
        let containers = if needs.containers || needs.state {
            containers(&spec, &status, needs.state, pool)
        } else {
            Box::default()
        };
        let state = needs.state.then(|| {
            Box::new(PodState {
                phase: pool.intern(&status.phase),
                reason: pool.intern(&status.reason),
                qos_class: pool.intern(&status.qos_class),
            })
        });
        let object = Self {
            namespace: namespace.clone(),
            name: name.clone(),
            uid: (&*meta.uid).into(),
            node: pool.intern(&spec.node_name),
            ip: (&*status.pod_ip).into(),
            hostname: pool.intern(&spec.hostname),
            host_network: spec.host_network,
            created: seconds(&meta.creation_timestamp),
            started: seconds(&status.start_time),
            labels: needs.labels.keep(&meta.labels, pool),
            annotations: needs.annotations.keep(&meta.annotations, pool),
            owners: meta.owners(pool),
            containers,
            network,
            state,
        };
        Ok(Parsed { namespace, name, object })
    }

    fn widen(needs: &mut PodNeeds, more: &PodNeeds) -> bool {
        let flags = (more.containers && !needs.containers)
            || (more.network && !needs.network)
            || (more.state && !needs.state);
        needs.containers |= more.containers;
        needs.network |= more.network;
        needs.state |= more.state;
        needs.labels.widen(&more.labels) | needs.annotations.widen(&more.annotations) | flags
    }
}

fn containers(
    spec: &RawSpec<'_>,
    status: &RawStatus<'_>,
    with_state: bool,
    pool: &mut Pool,
) -> Box<[Container]> {
    let statuses = || status.container_statuses.iter().chain(&status.init_container_statuses);
    let main = spec.containers.iter().map(|container| (container, false));
    let init =
        spec.init_containers.iter().map(|container| (container, &*container.restart_policy != "Always"));
    main.chain(init)
        .map(|(container, is_init)| {
            let status = statuses().find(|status| *status.name == *container.name);
            Container {
                name: pool.intern(&container.name),
                image: pool.intern(&container.image),
                image_id: pool.intern(status.map_or("", |status| &status.image_id)),
                runs: status.map(runs).unwrap_or_default(),
                state: with_state
                    .then(|| Box::new(ContainerState::new(is_init, &container.resources, status, pool))),
            }
        })
        .collect()
}

fn runs(status: &RawContainerStatus<'_>) -> Box<[Run]> {
    let mut runs = Vec::with_capacity(2);
    let mut add = |id: &str, restarts: u32| {
        let id = bare_id(id);
        if !id.is_empty() {
            runs.push(Run { restarts, id: id.into() });
        }
    };
    add(&status.container_id, status.restart_count);
    if let Some(before) = status.restart_count.checked_sub(1) {
        let last = status.last_state.terminated.as_ref();
        add(last.map_or("", |last| &last.container_id), before);
    }
    runs.into_boxed_slice()
}

/// Annotation of a static pod: the UID by which the kubelet, its figures and its log directories know it.
pub const STATIC_POD_UID: &str = "kubernetes.io/config.hash";

/// A container id without the name of the runtime: `containerd://1f2e…` → `1f2e…`.
pub fn bare_id(id: &str) -> &str {
    id.split_once("://").map_or(id, |(_, id)| id)
}
