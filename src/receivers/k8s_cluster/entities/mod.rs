//! Who is in the cluster: OTLP entity events, as log records. An entity is told when it appears or
//! what is known of it changes, again at every `metadata_collection_interval`, and when it is gone.

mod changes;
mod describe;
mod records;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use changes::{Changes, Listener};
pub use records::Records;

use super::watches::{Kind, Watches};
use crate::kube::objects::{Full, Job, Replicas, ServiceState};

/// The kinds of entities, beside the containers in pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntityKind {
    Pod,
    Node,
    Namespace,
    Service,
    Deployment,
    ReplicaSet,
    ReplicationController,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
    Hpa,
    Volume,
    VolumeClaim,
}

/// What is known of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// `k8s.pod` and the like.
    pub kind: &'static str,
    /// Name and value of the attribute that identifies it.
    pub id: (&'static str, Box<str>),
    pub attributes: BTreeMap<String, String>,
}

/// An object that is an entity or has some.
pub trait Describe: Send + Sync {
    /// Adds the entities; `lookup` knows the other objects.
    fn describe(&self, kind: EntityKind, lookup: &Lookup<'_>, out: &mut Vec<Entity>);
}

/// Other objects that tell something of an entity.
pub struct Lookup<'a> {
    services: HashMap<Arc<str>, Vec<Arc<Full<ServiceState>>>>,
    replicasets: &'a Kind<Full<Replicas>>,
    jobs: &'a Kind<Full<Job>>,
    /// Conditions of nodes that are told.
    conditions: &'a [String],
}

impl<'a> Lookup<'a> {
    pub fn new(watches: &'a Watches, conditions: &'a [String]) -> Self {
        let mut services: HashMap<Arc<str>, Vec<_>> = HashMap::new();
        for service in watches.services.all() {
            // A service without a selector selects nothing by itself.
            if !service.body.selector.is_empty() {
                services.entry(service.namespace.clone()).or_default().push(service);
            }
        }
        Self { services, replicasets: &watches.replicasets, jobs: &watches.jobs, conditions }
    }
}

impl EntityKind {
    /// The name of the kind as workloads are called, the type of the entity, and the attribute
    /// that identifies it.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Pod => ("Pod", "k8s.pod", "k8s.pod.uid"),
            Self::Node => ("Node", "k8s.node", "k8s.node.uid"),
            Self::Namespace => ("Namespace", "k8s.namespace", "k8s.namespace.uid"),
            Self::Service => ("Service", "k8s.service", "k8s.service.uid"),
            Self::Deployment => ("Deployment", "k8s.deployment", "k8s.deployment.uid"),
            Self::ReplicaSet => ("ReplicaSet", "k8s.replicaset", "k8s.replicaset.uid"),
            Self::ReplicationController => {
                ("ReplicationController", "k8s.replicationcontroller", "k8s.replicationcontroller.uid")
            }
            Self::StatefulSet => ("StatefulSet", "k8s.statefulset", "k8s.statefulset.uid"),
            Self::DaemonSet => ("DaemonSet", "k8s.daemonset", "k8s.daemonset.uid"),
            Self::Job => ("Job", "k8s.job", "k8s.job.uid"),
            Self::CronJob => ("CronJob", "k8s.cronjob", "k8s.cronjob.uid"),
            Self::Hpa => ("HPA", "k8s.hpa", "k8s.hpa.uid"),
            Self::Volume => ("PersistentVolume", "k8s.persistentvolume", "k8s.persistentvolume.uid"),
            Self::VolumeClaim => {
                ("PersistentVolumeClaim", "k8s.persistentvolumeclaim", "k8s.persistentvolumeclaim.uid")
            }
        }
    }
}
