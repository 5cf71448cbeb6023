//! Pods: who they are, where they run, what they run.

use serde::Deserialize;

use super::Owner;
use super::meta::{Meta, seconds};
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
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow)]
    spec: RawSpec<'a>,
    #[serde(borrow)]
    status: RawStatus<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSpec<'a> {
    #[serde(borrow)]
    node_name: Text<'a>,
    #[serde(borrow)]
    hostname: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    host_network: bool,
    #[serde(borrow, deserialize_with = "nullable")]
    containers: Vec<RawContainer<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    init_containers: Vec<RawContainer<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawContainer<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    image: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawStatus<'a> {
    #[serde(rename = "podIP", borrow)]
    pod_ip: Text<'a>,
    #[serde(borrow)]
    start_time: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    container_statuses: Vec<RawContainerStatus<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    init_container_statuses: Vec<RawContainerStatus<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawContainerStatus<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(rename = "containerID", borrow)]
    container_id: Text<'a>,
    #[serde(rename = "imageID", borrow)]
    image_id: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    restart_count: u32,
    #[serde(borrow)]
    last_state: RawState<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawState<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    terminated: RawTerminated<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawTerminated<'a> {
    #[serde(rename = "containerID", borrow)]
    container_id: Text<'a>,
}

impl Object for Pod {
    type Needs = PodNeeds;

    fn parse(json: &[u8], needs: &PodNeeds, pool: &mut Pool) -> Result<Parsed<Self>, serde_json::Error> {
        let Raw { metadata: meta, spec, status } = serde_json::from_slice(json)?;
        let namespace = pool.intern(&meta.namespace);
        let name = Interned::from(&*meta.name);
        let containers = if needs.containers { containers(&spec, &status, pool) } else { Box::default() };
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
        };
        Ok(Parsed { namespace, name, object })
    }

    fn widen(needs: &mut PodNeeds, more: &PodNeeds) -> bool {
        let containers = more.containers && !needs.containers;
        needs.containers |= containers;
        needs.labels.widen(&more.labels) | needs.annotations.widen(&more.annotations) | containers
    }
}

fn containers(spec: &RawSpec<'_>, status: &RawStatus<'_>, pool: &mut Pool) -> Box<[Container]> {
    let statuses = || status.container_statuses.iter().chain(&status.init_container_statuses);
    spec.containers
        .iter()
        .chain(&spec.init_containers)
        .map(|container| {
            let status = statuses().find(|status| *status.name == *container.name);
            Container {
                name: pool.intern(&container.name),
                image: pool.intern(&container.image),
                image_id: pool.intern(status.map_or("", |status| &status.image_id)),
                runs: status.map(runs).unwrap_or_default(),
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
        add(&status.last_state.terminated.container_id, before);
    }
    runs.into_boxed_slice()
}

/// Annotation of a static pod: the UID by which the kubelet, its figures and its log directories know it.
pub const STATIC_POD_UID: &str = "kubernetes.io/config.hash";

/// A container id without the name of the runtime: `containerd://1f2e…` → `1f2e…`.
pub fn bare_id(id: &str) -> &str {
    id.split_once("://").map_or(id, |(_, id)| id)
}
