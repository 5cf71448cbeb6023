//! The attributes of resources, each with its switch.

use super::K8sClusterConfig;
use crate::otlp::{AnyValue, KeyValue};

/// Every attribute, and whether it is on when the user says nothing.
pub const RESOURCE_ATTRIBUTES: [(&str, bool); 52] = [
    ("container.id", true),
    ("container.image.name", true),
    ("container.image.tag", true),
    ("container.runtime", false),
    ("container.runtime.version", false),
    ("k8s.cluster.uid", false),
    ("k8s.container.name", true),
    ("k8s.container.status.last_terminated_reason", false),
    ("k8s.cronjob.name", true),
    ("k8s.cronjob.uid", true),
    ("k8s.daemonset.name", true),
    ("k8s.daemonset.uid", true),
    ("k8s.deployment.name", true),
    ("k8s.deployment.uid", true),
    ("k8s.hpa.name", true),
    ("k8s.hpa.scaletargetref.apiversion", false),
    ("k8s.hpa.scaletargetref.kind", false),
    ("k8s.hpa.scaletargetref.name", false),
    ("k8s.hpa.uid", true),
    ("k8s.job.name", true),
    ("k8s.job.uid", true),
    ("k8s.kubelet.version", false),
    ("k8s.namespace.name", true),
    ("k8s.namespace.uid", true),
    ("k8s.node.name", true),
    ("k8s.node.uid", true),
    ("k8s.persistentvolume.name", true),
    ("k8s.persistentvolume.reclaim_policy", false),
    ("k8s.persistentvolume.uid", true),
    ("k8s.persistentvolumeclaim.name", true),
    ("k8s.persistentvolumeclaim.uid", true),
    ("k8s.pod.name", true),
    ("k8s.pod.qos_class", false),
    ("k8s.pod.uid", true),
    ("k8s.replicaset.name", true),
    ("k8s.replicaset.uid", true),
    ("k8s.replicationcontroller.name", true),
    ("k8s.replicationcontroller.uid", true),
    ("k8s.resourcequota.name", true),
    ("k8s.resourcequota.uid", true),
    ("k8s.service.name", true),
    ("k8s.service.publish_not_ready_addresses", false),
    ("k8s.service.traffic_distribution", false),
    ("k8s.service.type", true),
    ("k8s.service.uid", true),
    ("k8s.statefulset.name", true),
    ("k8s.statefulset.uid", true),
    ("k8s.storageclass.name", true),
    ("openshift.clusterquota.name", true),
    ("openshift.clusterquota.uid", true),
    ("os.description", false),
    ("os.type", false),
];

/// Which attributes are shown.
#[derive(Debug)]
pub struct Shown {
    hidden: Vec<&'static str>,
}

impl Shown {
    pub fn new(config: &K8sClusterConfig) -> Self {
        let switches = &config.resource_attributes;
        let off = RESOURCE_ATTRIBUTES.into_iter().filter(|(name, default)| !switches.is_on(name, *default));
        Self { hidden: off.map(|(name, _)| name).collect() }
    }

    pub fn is_on(&self, name: &str) -> bool {
        !self.hidden.contains(&name)
    }
}

/// The attributes of one resource.
pub struct Attributes<'a> {
    shown: &'a Shown,
    list: Vec<KeyValue>,
}

impl<'a> Attributes<'a> {
    pub fn new(shown: &'a Shown) -> Self {
        Self { shown, list: Vec::with_capacity(9) }
    }

    pub fn put(&mut self, name: &'static str, value: impl Into<AnyValue>) -> &mut Self {
        if self.shown.is_on(name) {
            self.list.push(KeyValue::fixed(name, value));
        }
        self
    }

    /// Puts a text unless it is empty.
    pub fn put_known(&mut self, name: &'static str, text: &str) -> &mut Self {
        if !text.is_empty() {
            self.put(name, text);
        }
        self
    }

    pub fn into_list(self) -> Vec<KeyValue> {
        self.list
    }
}
