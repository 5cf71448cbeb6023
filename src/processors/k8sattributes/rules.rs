//! What is extracted: metadata fields, and rules for labels and annotations, as attributes.

use std::sync::Arc;

use regex::Regex;

use super::config::{K8sAttributesConfig, Origin};
use super::fields::{Field, Fields};
use super::labels::ObjectRules;
use crate::kube::image::Image;
use crate::kube::kept_value;
use crate::kube::objects::{Container, Entity, EntityNeeds, Owner, Pod, PodNeeds, STATIC_POD_UID};
use crate::otlp::{AnyValue, Attributes, KeyValue, Str};
use crate::pattern::PatternError;

/// Annotations that set resource attributes.
const OTEL_ANNOTATION: &str = "resource.opentelemetry.io/";
/// Pods with this annotation set to "true" are not looked at.
pub const IGNORE_ANNOTATION: &str = "opentelemetry.io/k8s-processor/ignore";
/// Label of the pods of a deployment, the last part of their ReplicaSet's name.
const TEMPLATE_HASH: &str = "pod-template-hash";
const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
const NAME_LABEL: &str = "app.kubernetes.io/name";
const VERSION_LABEL: &str = "app.kubernetes.io/version";

/// Fields that need the containers of a pod.
const CONTAINER_FIELDS: &[Field] = &[
    Field::ContainerName,
    Field::ContainerId,
    Field::ContainerImageName,
    Field::ContainerImageTag,
    Field::ContainerImageDigests,
    Field::ServiceVersion,
    Field::ServiceInstance,
];

/// What the rules ask the cluster about, beside the pod itself.
pub trait Cluster {
    /// The object that a rule `from` reads.
    fn entity(&self, from: Origin, namespace: &str, name: &str) -> Option<Arc<Entity>>;
    /// The owner of a ReplicaSet or Job.
    fn owner_of(&self, owner: &Owner, namespace: &str) -> Option<Owner>;
    /// UID of the namespace `kube-system`.
    fn cluster_uid(&self) -> Option<Box<str>>;
}

/// A cluster of which nothing is known.
struct Alone;

impl Cluster for Alone {
    fn entity(&self, _: Origin, _: &str, _: &str) -> Option<Arc<Entity>> {
        None
    }
    fn owner_of(&self, _: &Owner, _: &str) -> Option<Owner> {
        None
    }
    fn cluster_uid(&self) -> Option<Box<str>> {
        None
    }
}

/// The compiled `extract` section.
pub struct Rules {
    pub fields: Fields,
    by_object: Vec<(Origin, ObjectRules)>,
    otel_annotations: bool,
    name_from_replicaset: bool,
}

/// The workloads that a pod belongs to, by name and UID.
#[derive(Default)]
struct Workloads {
    replicaset: Option<Owner>,
    deployment: Option<Named>,
    statefulset: Option<Owner>,
    daemonset: Option<Owner>,
    job: Option<Owner>,
    cronjob: Option<Named>,
}

/// A name, with the UID when it is known.
struct Named {
    name: Str,
    uid: Str,
}

impl Rules {
    pub fn new(config: &K8sAttributesConfig) -> Result<Self, PatternError> {
        let extract = &config.extract;
        let mut by_object = Vec::new();
        for from in Origin::ALL {
            let rules = ObjectRules::new(extract, from)?;
            if !rules.is_empty() {
                by_object.push((from, rules));
            }
        }
        Ok(Self {
            fields: Fields::new(extract.metadata.as_deref()),
            by_object,
            otel_annotations: extract.otel_annotations,
            name_from_replicaset: extract.deployment_name_from_replicaset,
        })
    }

    /// Whether objects of that kind are read beside the pods.
    pub fn reads(&self, from: Origin) -> bool {
        (from != Origin::Pod && self.of(from).is_some())
            || (from == Origin::Node && self.fields.has(Field::NodeUid))
            || (from == Origin::Namespace && self.fields.has(Field::ClusterUid))
    }

    /// Whether the owners of ReplicaSets must be known. The name of a deployment alone can be had
    /// from the pod, without a look at the ReplicaSets of the cluster.
    pub fn reads_replicasets(&self) -> bool {
        self.fields.has(Field::DeploymentUid)
    }

    pub fn reads_jobs(&self) -> bool {
        self.fields.has(Field::CronJobUid)
    }

    /// What must be kept of each pod.
    pub fn pod_needs(&self, container_ids: bool) -> PodNeeds {
        let EntityNeeds { mut labels, mut annotations } = self.entity_needs(Origin::Pod);
        annotations.add(IGNORE_ANNOTATION);
        annotations.add(STATIC_POD_UID);
        if self.otel_annotations {
            let pattern = format!("^{}", regex::escape(OTEL_ANNOTATION));
            annotations.add_pattern(Regex::new(&pattern).expect("an escaped literal is a pattern"));
        }
        for field in
            [Field::ServiceName, Field::ServiceNamespace, Field::ServiceVersion, Field::ServiceInstance]
        {
            if self.fields.has(field) {
                annotations.add(&format!("{OTEL_ANNOTATION}{}", field.name()));
            }
        }
        labels.add(TEMPLATE_HASH);
        if self.fields.has(Field::ServiceName) {
            labels.add(INSTANCE_LABEL);
            labels.add(NAME_LABEL);
        }
        if self.fields.has(Field::ServiceVersion) {
            labels.add(VERSION_LABEL);
        }
        let containers = container_ids || self.fields.has_any(CONTAINER_FIELDS);
        PodNeeds { labels, annotations, containers, network: false, state: false }
    }

    /// What must be kept of each object of that kind.
    pub fn entity_needs(&self, from: Origin) -> EntityNeeds {
        self.of(from).map(ObjectRules::needs).unwrap_or_default()
    }

    fn of(&self, from: Origin) -> Option<&ObjectRules> {
        self.by_object.iter().find(|(kind, _)| *kind == from).map(|(_, rules)| rules)
    }

    /// All attributes that a pod gives, whichever of its containers is meant.
    pub fn pod_attributes(&self, pod: &Pod, cluster: &dyn Cluster) -> Vec<KeyValue> {
        let mut out = Extracted { fields: self.fields, attributes: Vec::with_capacity(16) };
        out.add(Field::Namespace, &pod.namespace);
        out.add(Field::PodName, &pod.name);
        out.add(Field::PodUid, &pod.uid);
        out.add(Field::PodHostname, &pod.hostname);
        out.add(Field::PodIp, &pod.ip);
        out.add(Field::NodeName, &pod.node);
        if pod.created != 0
            && let Ok(time) = jiff::Timestamp::from_second(pod.created)
        {
            out.add(Field::PodStartTime, &time.to_string());
        }
        let workloads = self.workloads(pod, cluster);
        workloads.extract(&mut out);
        self.service(pod, &workloads, &mut out);
        if self.fields.has(Field::NodeUid)
            && let Some(node) = cluster.entity(Origin::Node, "", &pod.node)
        {
            out.add(Field::NodeUid, &node.uid);
        }
        if self.fields.has(Field::ClusterUid)
            && let Some(uid) = cluster.cluster_uid()
        {
            out.add(Field::ClusterUid, &uid);
        }
        let mut attributes = out.attributes;
        for (from, rules) in &self.by_object {
            let workload =
                |owner: Option<&str>| owner.and_then(|name| cluster.entity(*from, &pod.namespace, name));
            let name = |owner: &Option<Owner>| owner.as_ref().map(|owner| owner.name.to_string());
            match from {
                Origin::Pod => rules.apply(&pod.labels, &pod.annotations, &mut attributes),
                Origin::Namespace => {
                    rules.apply_to(cluster.entity(*from, "", &pod.namespace), &mut attributes);
                }
                Origin::Node => rules.apply_to(cluster.entity(*from, "", &pod.node), &mut attributes),
                Origin::Deployment => {
                    let name = workloads.deployment.as_ref().map(|named| &*named.name);
                    rules.apply_to(workload(name), &mut attributes);
                }
                Origin::StatefulSet => {
                    rules.apply_to(workload(name(&workloads.statefulset).as_deref()), &mut attributes);
                }
                Origin::DaemonSet => {
                    rules.apply_to(workload(name(&workloads.daemonset).as_deref()), &mut attributes);
                }
                Origin::Job => rules.apply_to(workload(name(&workloads.job).as_deref()), &mut attributes),
            }
        }
        if self.otel_annotations {
            for (key, value) in &pod.annotations {
                if let Some(name) = key.strip_prefix(OTEL_ANNOTATION)
                    && !name.is_empty()
                    && !value.is_empty()
                {
                    attributes.set(Str::from(name), Str::from(&**value));
                }
            }
        }
        attributes
    }

    /// The attributes that need nothing but the pod.
    pub fn own_attributes(&self, pod: &Pod) -> Vec<KeyValue> {
        self.pod_attributes(pod, &Alone)
    }

    /// What a resource without a pod still gets: the labels and annotations of the namespace, node
    /// and workload that its attributes name.
    pub fn add_without_pod(&self, attributes: &mut Vec<KeyValue>, cluster: &dyn Cluster) {
        let mut found = Vec::new();
        for (from, rules) in &self.by_object {
            let Some((name_key, uid_key)) = from.attributes() else { continue };
            let Some(name) = attributes.get_str(name_key) else { continue };
            let namespace = match from {
                Origin::Namespace | Origin::Node => "",
                _ => attributes.get_str(Field::Namespace.name()).unwrap_or_default(),
            };
            let entity = cluster.entity(*from, namespace, name);
            let uid = attributes.get_str(uid_key);
            let entity = entity.filter(|entity| uid.is_none_or(|uid| *entity.uid == *uid));
            rules.apply_to(entity, &mut found);
        }
        if self.fields.has(Field::NodeUid)
            && let Some(node) = attributes.get_str(Field::NodeName.name())
            && let Some(node) = cluster.entity(Origin::Node, "", node)
        {
            found.push(KeyValue::fixed(Field::NodeUid.name(), &*node.uid));
        }
        for attribute in found {
            attributes.set_default(attribute.key, attribute.value);
        }
    }

    /// Adds what is known of the container that the attributes name.
    pub fn add_container(&self, pod: &Pod, attributes: &mut Vec<KeyValue>) {
        if !self.fields.has_any(CONTAINER_FIELDS) || pod.containers.is_empty() {
            return;
        }
        let Some(container) = container_of(pod, attributes) else { return };
        let mut add = |field: Field, value: &str| {
            if self.fields.has(field) && !value.is_empty() && !attributes.contains(field.name()) {
                attributes.push(KeyValue::fixed(field.name(), value));
            }
        };
        add(Field::ContainerName, &container.name);
        let image = Image::parse(&container.image);
        if !container.image.is_empty() {
            add(Field::ContainerImageName, image.name);
            add(Field::ContainerImageTag, image.tag.unwrap_or_default());
            if self.fields.has(Field::ServiceVersion) {
                let version = match (image.tag, image.digest) {
                    (Some(tag), Some(digest)) => format!("{tag}@{digest}"),
                    (tag, digest) => tag.or(digest).unwrap_or_default().to_owned(),
                };
                add(Field::ServiceVersion, &version);
            }
        }
        if self.fields.has(Field::ServiceInstance) {
            add(Field::ServiceInstance, &format!("{}.{}.{}", pod.namespace, pod.name, container.name));
        }
        if self.fields.has(Field::ContainerId)
            && let Some(run) = run_of(container, attributes)
            && !attributes.contains(Field::ContainerId.name())
        {
            attributes.push(KeyValue::fixed(Field::ContainerId.name(), &*run));
        }
        let digests = Field::ContainerImageDigests;
        if self.fields.has(digests)
            && container.image_id.contains('@')
            && !attributes.contains(digests.name())
        {
            let digest = container.image_id.rsplit("://").next().unwrap_or_default();
            attributes.push(KeyValue::fixed(digests.name(), vec![AnyValue::from(digest)]));
        }
    }

    fn workloads(&self, pod: &Pod, cluster: &dyn Cluster) -> Workloads {
        let mut found = Workloads::default();
        for owner in &pod.owners {
            match &*owner.kind {
                "ReplicaSet" => {
                    found.replicaset = Some(owner.clone());
                    found.deployment = self.deployment(pod, owner, cluster);
                }
                "StatefulSet" => found.statefulset = Some(owner.clone()),
                "DaemonSet" => found.daemonset = Some(owner.clone()),
                "Job" => {
                    found.job = Some(owner.clone());
                    found.cronjob = self.cronjob(pod, owner, cluster);
                }
                _ => {}
            }
        }
        found
    }

    fn deployment(&self, pod: &Pod, set: &Owner, cluster: &dyn Cluster) -> Option<Named> {
        if self.reads_replicasets()
            && let Some(owner) = cluster.owner_of(set, &pod.namespace).filter(|o| &*o.kind == "Deployment")
        {
            return Some(Named { name: (&*owner.name).into(), uid: (&*owner.uid).into() });
        }
        let (name, hash) = set.name.rsplit_once('-')?;
        let is_hash = if self.name_from_replicaset {
            hash.len() == 10 && hash.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        } else {
            // The deployment controller gives this label to its pods and its value to the name.
            kept_value(&pod.labels, TEMPLATE_HASH).is_some_and(|label| **label == *hash)
        };
        (is_hash && !name.is_empty()).then(|| Named { name: name.into(), uid: Str::default() })
    }

    fn cronjob(&self, pod: &Pod, job: &Owner, cluster: &dyn Cluster) -> Option<Named> {
        if self.reads_jobs()
            && let Some(owner) = cluster.owner_of(job, &pod.namespace).filter(|o| &*o.kind == "CronJob")
        {
            return Some(Named { name: (&*owner.name).into(), uid: (&*owner.uid).into() });
        }
        let (name, time) = job.name.rsplit_once('-')?;
        let is_time = !time.is_empty() && time.bytes().all(|c| c.is_ascii_digit());
        is_time.then(|| Named { name: name.into(), uid: Str::default() })
    }

    /// `service.*` as far as it does not depend on the container.
    fn service(&self, pod: &Pod, workloads: &Workloads, out: &mut Extracted) {
        let annotation = |field: Field| {
            pod.annotations
                .iter()
                .find(|(key, _)| key.strip_prefix(OTEL_ANNOTATION) == Some(field.name()))
                .map(|(_, value)| &**value)
                .filter(|value| !value.is_empty())
        };
        let label = |key: &str| kept_value(&pod.labels, key).map(|value| &**value).filter(|v| !v.is_empty());
        let owner = |owner: &Option<Owner>| owner.as_ref().map(|owner| owner.name.to_string());
        let named = |named: &Option<Named>| named.as_ref().map(|named| named.name.to_string());
        if self.fields.has(Field::ServiceName) {
            let name = annotation(Field::ServiceName)
                .or_else(|| label(INSTANCE_LABEL))
                .or_else(|| label(NAME_LABEL))
                .map(str::to_owned)
                .or_else(|| named(&workloads.deployment))
                .or_else(|| owner(&workloads.replicaset))
                .or_else(|| owner(&workloads.statefulset))
                .or_else(|| owner(&workloads.daemonset))
                .or_else(|| named(&workloads.cronjob))
                .or_else(|| owner(&workloads.job))
                .unwrap_or_else(|| pod.name.to_string());
            out.add(Field::ServiceName, &name);
        }
        out.add(Field::ServiceNamespace, annotation(Field::ServiceNamespace).unwrap_or(&pod.namespace));
        let version = annotation(Field::ServiceVersion).or_else(|| label(VERSION_LABEL));
        out.add(Field::ServiceVersion, version.unwrap_or_default());
        out.add(Field::ServiceInstance, annotation(Field::ServiceInstance).unwrap_or_default());
    }
}

/// Attributes as they are collected, of the fields that are wanted.
struct Extracted {
    fields: Fields,
    attributes: Vec<KeyValue>,
}

impl Extracted {
    fn add(&mut self, field: Field, value: &str) {
        if self.fields.has(field) && !value.is_empty() {
            self.attributes.push(KeyValue::fixed(field.name(), value));
        }
    }
}

impl Workloads {
    fn extract(&self, out: &mut Extracted) {
        let owners = [
            (&self.replicaset, Field::ReplicaSetName, Field::ReplicaSetUid),
            (&self.statefulset, Field::StatefulSetName, Field::StatefulSetUid),
            (&self.daemonset, Field::DaemonSetName, Field::DaemonSetUid),
            (&self.job, Field::JobName, Field::JobUid),
        ];
        for (owner, name, uid) in owners {
            if let Some(owner) = owner {
                out.add(name, &owner.name);
                out.add(uid, &owner.uid);
            }
        }
        let indirect = [
            (&self.deployment, Field::DeploymentName, Field::DeploymentUid),
            (&self.cronjob, Field::CronJobName, Field::CronJobUid),
        ];
        for (named, name, uid) in indirect {
            if let Some(named) = named {
                out.add(name, &named.name);
                out.add(uid, &named.uid);
            }
        }
    }
}

/// The container that the attributes name, by its name or its id.
fn container_of<'a>(pod: &'a Pod, attributes: &Vec<KeyValue>) -> Option<&'a Container> {
    if let Some(name) = attributes.get_str(Field::ContainerName.name()) {
        return pod.containers.iter().find(|container| *container.name == *name);
    }
    let id = attributes.get_str(Field::ContainerId.name())?;
    pod.containers.iter().find(|container| container.runs.iter().any(|run| *run.id == *id))
}

/// The id of the run that `k8s.container.restart_count` names, or of the last one.
fn run_of(container: &Container, attributes: &Vec<KeyValue>) -> Option<Box<str>> {
    let restarts = match attributes.get("k8s.container.restart_count") {
        Some(AnyValue::Int(count)) => Some(u32::try_from(*count).ok()?),
        Some(AnyValue::String(count)) => Some(count.parse().ok()?),
        _ => None,
    };
    let run = match restarts {
        Some(restarts) => container.runs.iter().find(|run| run.restarts == restarts),
        None => container.runs.iter().max_by_key(|run| run.restarts),
    };
    run.map(|run| run.id.clone())
}

impl Origin {
    pub const ALL: [Self; 7] = [
        Self::Pod,
        Self::Namespace,
        Self::Node,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Job,
    ];

    /// The word in the default names of attributes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Namespace => "namespace",
            Self::Node => "node",
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::Job => "job",
        }
    }

    /// The attributes that name such an object, and its UID, on a resource.
    fn attributes(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Pod => return None,
            Self::Namespace => ("k8s.namespace.name", "k8s.namespace.uid"),
            Self::Node => ("k8s.node.name", "k8s.node.uid"),
            Self::Deployment => ("k8s.deployment.name", "k8s.deployment.uid"),
            Self::StatefulSet => ("k8s.statefulset.name", "k8s.statefulset.uid"),
            Self::DaemonSet => ("k8s.daemonset.name", "k8s.daemonset.uid"),
            Self::Job => ("k8s.job.name", "k8s.job.uid"),
        })
    }
}
