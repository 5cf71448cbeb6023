//! What the pods of the node were specified to be: limits, requests, container ids, volumes.

use std::collections::HashMap;

use serde::Deserialize;

use crate::kube::objects::{STATIC_POD_UID, bare_id};
use crate::kube::{Pairs, Text, nullable, quantity};

/// The pods of the node, by UID.
#[derive(Debug, Default)]
pub struct Pods {
    by_uid: HashMap<Box<str>, PodSpec>,
}

#[derive(Debug, Default)]
pub struct PodSpec {
    pub containers: Vec<ContainerSpec>,
    /// By name of the container, init containers too.
    container_ids: Vec<(Box<str>, Box<str>)>,
    volumes: Vec<(Box<str>, VolumeSource)>,
}

#[derive(Debug)]
pub struct ContainerSpec {
    name: Box<str>,
    pub resources: Resources,
}

/// Limits and requests in CPUs and bytes; `None` where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resources {
    pub cpu_limit: Option<f64>,
    pub cpu_request: Option<f64>,
    pub memory_limit: Option<f64>,
    pub memory_request: Option<f64>,
}

/// Where the content of a volume comes from, as `k8s.volume.type` and its companions name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeSource {
    /// Empty for kinds that have no name here.
    pub kind: &'static str,
    /// Further attributes of the resource.
    pub details: Vec<(&'static str, Box<str>)>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    metadata: RawMeta<'a>,
    #[serde(borrow)]
    spec: RawSpec<'a>,
    #[serde(borrow)]
    status: RawStatus<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawMeta<'a> {
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(borrow)]
    annotations: Pairs<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawSpec<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    containers: Vec<RawContainer<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    volumes: Vec<RawVolume<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawContainer<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    resources: RawResources<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawResources<'a> {
    #[serde(borrow)]
    limits: Pairs<'a>,
    #[serde(borrow)]
    requests: Pairs<'a>,
}

/// A volume of a pod, or the source of a persistent volume: they share their kinds.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RawVolume<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    config_map: Option<Any>,
    #[serde(rename = "downwardAPI")]
    downward_api: Option<Any>,
    empty_dir: Option<Any>,
    secret: Option<Any>,
    #[serde(borrow)]
    persistent_volume_claim: Option<RawClaim<'a>>,
    host_path: Option<Any>,
    local: Option<Any>,
    #[serde(borrow)]
    aws_elastic_block_store: Option<RawAws<'a>>,
    #[serde(borrow)]
    gce_persistent_disk: Option<RawGce<'a>>,
    #[serde(borrow)]
    glusterfs: Option<RawGluster<'a>>,
}

/// Present, whatever it holds.
#[derive(Deserialize)]
struct Any {}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawClaim<'a> {
    #[serde(borrow)]
    claim_name: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawAws<'a> {
    #[serde(rename = "volumeID", borrow)]
    volume_id: Text<'a>,
    #[serde(borrow)]
    fs_type: Text<'a>,
    partition: i64,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawGce<'a> {
    #[serde(borrow)]
    pd_name: Text<'a>,
    #[serde(borrow)]
    fs_type: Text<'a>,
    partition: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawGluster<'a> {
    #[serde(borrow)]
    endpoints: Text<'a>,
    #[serde(borrow)]
    path: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawStatus<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    container_statuses: Vec<RawContainerStatus<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    init_container_statuses: Vec<RawContainerStatus<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawContainerStatus<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(rename = "containerID", borrow)]
    container_id: Text<'a>,
}

/// The attribute that names the claim behind a volume.
pub const CLAIM: &str = "k8s.persistentvolumeclaim.name";

impl Pods {
    /// Adds one pod from its JSON.
    pub fn add(&mut self, json: &[u8]) -> Result<(), serde_json::Error> {
        let Raw { metadata, spec, status } = serde_json::from_slice(json)?;
        let statuses = status.container_statuses.iter().chain(&status.init_container_statuses);
        let pod = PodSpec {
            containers: spec.containers.iter().map(ContainerSpec::new).collect(),
            container_ids: statuses
                .map(|status| ((&*status.name).into(), bare_id(&status.container_id).into()))
                .collect(),
            volumes: spec.volumes.iter().map(|volume| ((&*volume.name).into(), volume.source())).collect(),
        };
        let uid = metadata.annotations.get(STATIC_POD_UID).unwrap_or(&metadata.uid);
        self.by_uid.insert(uid.into(), pod);
        Ok(())
    }

    pub fn get(&self, uid: &str) -> Option<&PodSpec> {
        self.by_uid.get(uid)
    }
}

impl PodSpec {
    pub fn container(&self, name: &str) -> Option<&ContainerSpec> {
        self.containers.iter().find(|container| *container.name == *name)
    }

    /// The id of a container without the runtime's name, once it has one.
    pub fn container_id(&self, name: &str) -> Option<&str> {
        let (_, id) = self.container_ids.iter().find(|(container, _)| **container == *name)?;
        (!id.is_empty()).then_some(id)
    }

    pub fn volume(&self, name: &str) -> Option<&VolumeSource> {
        self.volumes.iter().find(|(volume, _)| **volume == *name).map(|(_, source)| source)
    }

    /// The sum over all containers; a container without the value leaves the sum without one.
    pub fn resources(&self) -> Resources {
        let sum = |of: fn(&Resources) -> Option<f64>| -> Option<f64> {
            let total: Option<f64> = self.containers.iter().map(|container| of(&container.resources)).sum();
            total.filter(|total| *total > 0.0)
        };
        Resources {
            cpu_limit: sum(|resources| resources.cpu_limit),
            cpu_request: sum(|resources| resources.cpu_request),
            memory_limit: sum(|resources| resources.memory_limit),
            memory_request: sum(|resources| resources.memory_request),
        }
    }
}

impl ContainerSpec {
    fn new(raw: &RawContainer<'_>) -> Self {
        let amount = |pairs: &Pairs<'_>, key: &str| {
            pairs.get(key).and_then(quantity::parse).filter(|amount| *amount > 0.0)
        };
        let RawResources { limits, requests } = &raw.resources;
        let resources = Resources {
            cpu_limit: amount(limits, "cpu"),
            cpu_request: amount(requests, "cpu"),
            memory_limit: amount(limits, "memory"),
            memory_request: amount(requests, "memory"),
        };
        Self { name: (&*raw.name).into(), resources }
    }
}

impl RawVolume<'_> {
    /// The kind of the volume with what is worth knowing of it.
    pub fn source(&self) -> VolumeSource {
        let mut details = Vec::new();
        let mut detail = |key: &'static str, value: &str| {
            if !value.is_empty() {
                details.push((key, value.into()));
            }
        };
        let kind = if self.config_map.is_some() {
            "configMap"
        } else if self.downward_api.is_some() {
            "downwardAPI"
        } else if self.empty_dir.is_some() {
            "emptyDir"
        } else if self.secret.is_some() {
            "secret"
        } else if let Some(claim) = &self.persistent_volume_claim {
            detail(CLAIM, &claim.claim_name);
            "persistentVolumeClaim"
        } else if self.host_path.is_some() {
            "hostPath"
        } else if self.local.is_some() {
            "local"
        } else if let Some(aws) = &self.aws_elastic_block_store {
            detail("aws.volume.id", &aws.volume_id);
            detail("fs.type", &aws.fs_type);
            detail("partition", &aws.partition.to_string());
            "awsElasticBlockStore"
        } else if let Some(gce) = &self.gce_persistent_disk {
            detail("gce.pd.name", &gce.pd_name);
            detail("fs.type", &gce.fs_type);
            detail("partition", &gce.partition.to_string());
            "gcePersistentDisk"
        } else if let Some(gluster) = &self.glusterfs {
            detail("glusterfs.endpoints.name", &gluster.endpoints);
            detail("glusterfs.path", &gluster.path);
            "glusterfs"
        } else {
            ""
        };
        VolumeSource { kind, details }
    }
}
