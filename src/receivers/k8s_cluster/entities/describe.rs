//! What is told of each kind. The names are upstream's.

use std::collections::BTreeMap;

use super::{Describe, Entity, EntityKind, Lookup};
use crate::kube::image::Image;
use crate::kube::objects::{
    Autoscaler, Body, CronJob, DaemonSet, Full, Job, Namespace, Node, Owner, Pod, Replicas, ServiceState,
    State, StatefulSet, Volume, VolumeClaim,
};
use crate::receivers::k8s_cluster::emit::snake;

type Attributes = BTreeMap<String, String>;

fn put(attributes: &mut Attributes, key: impl Into<String>, value: &str) {
    attributes.insert(key.into(), value.to_owned());
}

fn put_known(attributes: &mut Attributes, key: &str, value: &str) {
    if !value.is_empty() {
        put(attributes, key, value);
    }
}

/// Creation in RFC 3339; nothing when it is not known.
fn put_created(attributes: &mut Attributes, key: String, created: i64) {
    if created != 0
        && let Ok(time) = jiff::Timestamp::from_second(created)
    {
        attributes.insert(key, time.to_string());
    }
}

fn put_owners(attributes: &mut Attributes, owners: &[Owner]) {
    for owner in owners {
        let kind = owner.kind.to_lowercase();
        put(attributes, format!("k8s.{kind}.name"), &owner.name);
        put(attributes, format!("k8s.{kind}.uid"), &owner.uid);
    }
}

fn put_workload(attributes: &mut Attributes, kind: &str, name: &str) {
    put(attributes, "k8s.workload.kind", kind);
    put(attributes, "k8s.workload.name", name);
}

/// What all kinds but pods and nodes have in common.
fn generic<B: Body>(object: &Full<B>, kind: EntityKind) -> Attributes {
    let (name, entity, _) = kind.names();
    let mut attributes = Attributes::new();
    for (key, value) in &object.labels {
        put(&mut attributes, format!("{entity}.label.{key}"), value);
    }
    put(&mut attributes, format!("{entity}.name"), &object.name);
    let plain = entity.trim_start_matches("k8s.");
    put_created(&mut attributes, format!("{plain}.creation_timestamp"), object.created);
    put_known(&mut attributes, "k8s.namespace.name", &object.namespace);
    let is_workload = !matches!(
        kind,
        EntityKind::Namespace | EntityKind::Service | EntityKind::Volume | EntityKind::VolumeClaim
    );
    if is_workload {
        put_workload(&mut attributes, name, &object.name);
    }
    put_owners(&mut attributes, &object.owners);
    attributes
}

fn entity<B: Body>(object: &Full<B>, kind: EntityKind, attributes: Attributes) -> Entity {
    let (_, entity, id) = kind.names();
    Entity { kind: entity, id: (id, object.uid.clone()), attributes }
}

macro_rules! describe {
    ($($body:ty, |$object:ident, $attributes:ident| $more:block)*) => {
        $(impl Describe for Full<$body> {
            fn describe(&self, kind: EntityKind, _: &Lookup<'_>, out: &mut Vec<Entity>) {
                let $object = self;
                #[allow(unused_mut)] // kinds that add nothing
                let mut $attributes = generic($object, kind);
                $more
                out.push(entity($object, kind, $attributes));
            }
        })*
    };
}

describe! {
    Replicas, |object, attributes| {}
    StatefulSet, |object, attributes| {}
    DaemonSet, |object, attributes| {}
    Job, |object, attributes| {}
    CronJob, |object, attributes| {
        put_known(&mut attributes, "schedule", &object.body.schedule);
        put_known(&mut attributes, "concurrency_policy", &object.body.concurrency_policy);
    }
    Autoscaler, |object, attributes| {
        put_known(&mut attributes, "k8s.hpa.scaletargetref.apiversion", &object.body.target_api_version);
        put_known(&mut attributes, "k8s.hpa.scaletargetref.kind", &object.body.target_kind);
        put_known(&mut attributes, "k8s.hpa.scaletargetref.name", &object.body.target_name);
    }
    Namespace, |object, attributes| {
        put_known(&mut attributes, "k8s.namespace.phase", &object.body.phase.to_lowercase());
    }
    ServiceState, |object, attributes| {
        put_known(&mut attributes, "k8s.service.type", &object.body.kind);
    }
    Volume, |object, attributes| {
        put_known(&mut attributes, "k8s.persistentvolume.status.phase", &object.body.phase);
        put_known(&mut attributes, "k8s.persistentvolume.reclaim_policy", &object.body.reclaim_policy);
        put_known(&mut attributes, "k8s.storageclass.name", &object.body.storage_class);
    }
    VolumeClaim, |object, attributes| {
        put_known(&mut attributes, "k8s.persistentvolumeclaim.status.phase", &object.body.phase);
        put_known(&mut attributes, "k8s.persistentvolume.name", &object.body.volume);
        put_known(&mut attributes, "k8s.storageclass.name", &object.body.storage_class);
    }
}

impl Describe for Full<Node> {
    fn describe(&self, kind: EntityKind, lookup: &Lookup<'_>, out: &mut Vec<Entity>) {
        let mut attributes = Attributes::new();
        for (key, value) in &self.labels {
            put(&mut attributes, &**key, value);
        }
        put(&mut attributes, "k8s.node.name", &self.name);
        put_created(&mut attributes, "node.creation_timestamp".to_owned(), self.created);
        for wanted in lookup.conditions {
            if let Some((_, status)) = self.body.conditions.iter().find(|(kind, _)| **kind == **wanted) {
                put(&mut attributes, format!("k8s.node.condition_{}", snake(wanted)), &status.to_lowercase());
            }
        }
        put_known(&mut attributes, "k8s.kubelet.version", &self.body.kubelet_version);
        out.push(entity(self, kind, attributes));
    }
}

impl Describe for Pod {
    fn describe(&self, _: EntityKind, lookup: &Lookup<'_>, out: &mut Vec<Entity>) {
        let mut attributes = Attributes::new();
        for (key, value) in &self.labels {
            put(&mut attributes, &**key, value);
        }
        put_created(&mut attributes, "pod.creation_timestamp".to_owned(), self.created);
        put(&mut attributes, "k8s.pod.name", &self.name);
        put(&mut attributes, "k8s.namespace.name", &self.namespace);
        put_known(&mut attributes, "k8s.node.name", &self.node);
        put_owners(&mut attributes, &self.owners);
        for owner in &self.owners {
            let above = match &*owner.kind {
                "ReplicaSet" => lookup.above_replicaset(&self.namespace, &owner.name),
                "Job" => lookup.above_job(&self.namespace, &owner.name),
                _ => None,
            };
            if let Some(above) = &above {
                put_owners(&mut attributes, std::slice::from_ref(above));
            }
            let workload = above.as_ref().unwrap_or(owner);
            put_workload(&mut attributes, &workload.kind, &workload.name);
        }
        for service in lookup.services.get(&self.namespace).into_iter().flatten() {
            let selects =
                service.body.selector.iter().all(|(key, value)| {
                    self.labels.iter().any(|(name, label)| name == key && label == value)
                });
            if selects {
                put(&mut attributes, format!("k8s.service.{}", service.name), "");
            }
        }
        if let Some(state) = &self.state {
            put_known(&mut attributes, "k8s.pod.phase", &state.phase);
            put_known(&mut attributes, "k8s.pod.status_reason", &state.reason);
        }
        out.push(Entity { kind: "k8s.pod", id: ("k8s.pod.uid", self.uid.clone()), attributes });
        for container in &self.containers {
            // Without an id a container has never been created.
            let (Some(run), Some(state)) = (container.runs.first(), &container.state) else { continue };
            let mut attributes = Attributes::new();
            let status = match state.state {
                State::Running => "running",
                State::Waiting => "waiting",
                State::Terminated => "terminated",
                State::Unknown => "",
            };
            put_known(&mut attributes, "container.status", status);
            put_known(&mut attributes, "container.status.reason", &state.reason);
            put(&mut attributes, "k8s.container.name", &container.name);
            put(&mut attributes, "k8s.pod.name", &self.name);
            put(&mut attributes, "k8s.pod.uid", &self.uid);
            put(&mut attributes, "k8s.namespace.name", &self.namespace);
            let image = Image::parse(&container.image);
            put_known(&mut attributes, "container.image.name", image.name);
            put_known(&mut attributes, "container.image.tag", image.tag.unwrap_or_default());
            out.push(Entity { kind: "container", id: ("container.id", run.id.clone()), attributes });
        }
    }
}

impl Lookup<'_> {
    fn above_replicaset(&self, namespace: &str, name: &str) -> Option<Owner> {
        owner_of(&self.replicasets.get(namespace, name)?.owners, "Deployment")
    }

    fn above_job(&self, namespace: &str, name: &str) -> Option<Owner> {
        owner_of(&self.jobs.get(namespace, name)?.owners, "CronJob")
    }
}

fn owner_of(owners: &[Owner], kind: &str) -> Option<Owner> {
    owners.iter().find(|owner| &*owner.kind == kind).cloned()
}
