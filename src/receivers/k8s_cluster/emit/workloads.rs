//! Workloads, autoscalers and quotas.

use super::{Attributes, Collection, M};
use crate::kube::Interned;
use crate::kube::objects::{
    Autoscaler, ClusterResourceQuota, CronJob, DaemonSet, Full, Job, Replicas, ResourceQuota, StatefulSet,
};
use crate::otlp::KeyValue;

/// What differs between the kinds that keep a number of replicas.
pub struct ReplicaKind {
    name: &'static str,
    uid: &'static str,
    desired: M,
    available: M,
}

pub const DEPLOYMENT: ReplicaKind = ReplicaKind {
    name: "k8s.deployment.name",
    uid: "k8s.deployment.uid",
    desired: M::DeploymentDesired,
    available: M::DeploymentAvailable,
};
pub const REPLICASET: ReplicaKind = ReplicaKind {
    name: "k8s.replicaset.name",
    uid: "k8s.replicaset.uid",
    desired: M::ReplicaSetDesired,
    available: M::ReplicaSetAvailable,
};
pub const CONTROLLER: ReplicaKind = ReplicaKind {
    name: "k8s.replicationcontroller.name",
    uid: "k8s.replicationcontroller.uid",
    desired: M::ReplicationControllerDesired,
    available: M::ReplicationControllerAvailable,
};

pub fn replicas(run: &mut Collection<'_>, object: &Full<Replicas>, kind: &ReplicaKind) {
    // The server always says how many; where it does not, upstream says nothing either.
    let Some(desired) = object.body.desired else { return };
    run.int(kind.desired, desired);
    run.int(kind.available, object.body.available);
    let attributes = run.attributes(object, kind.name, kind.uid);
    run.push(attributes);
}

pub fn statefulset(run: &mut Collection<'_>, object: &Full<StatefulSet>) {
    let body = &object.body;
    let Some(desired) = body.desired else { return };
    run.int(M::StatefulSetDesired, desired);
    run.int(M::StatefulSetReady, body.ready);
    run.int(M::StatefulSetCurrent, body.current);
    run.int(M::StatefulSetUpdated, body.updated);
    run.int(M::StatefulSetAvailable, body.available);
    let attributes = run.attributes(object, "k8s.statefulset.name", "k8s.statefulset.uid");
    run.push(attributes);
}

pub fn daemonset(run: &mut Collection<'_>, object: &Full<DaemonSet>) {
    let body = &object.body;
    run.int(M::DaemonSetCurrent, body.current);
    run.int(M::DaemonSetDesired, body.desired);
    run.int(M::DaemonSetMisscheduled, body.misscheduled);
    run.int(M::DaemonSetReady, body.ready);
    let attributes = run.attributes(object, "k8s.daemonset.name", "k8s.daemonset.uid");
    run.push(attributes);
}

pub fn job(run: &mut Collection<'_>, object: &Full<Job>) {
    let body = &object.body;
    run.int(M::JobActive, body.active);
    run.int(M::JobFailed, body.failed);
    run.int(M::JobSuccessful, body.succeeded);
    run.known(M::JobDesiredSuccessful, body.completions);
    run.known(M::JobMaxParallel, body.parallelism);
    let attributes = run.attributes(object, "k8s.job.name", "k8s.job.uid");
    run.push(attributes);
}

pub fn cronjob(run: &mut Collection<'_>, object: &Full<CronJob>) {
    run.int(M::CronJobActive, object.body.active);
    let attributes = run.attributes(object, "k8s.cronjob.name", "k8s.cronjob.uid");
    run.push(attributes);
}

pub fn autoscaler(run: &mut Collection<'_>, object: &Full<Autoscaler>) {
    let body = &object.body;
    run.int(M::HpaMax, body.max);
    run.known(M::HpaMin, body.min);
    run.int(M::HpaCurrent, body.current);
    run.int(M::HpaDesired, body.desired);
    let mut attributes = run.attributes(object, "k8s.hpa.name", "k8s.hpa.uid");
    attributes
        .put_known("k8s.hpa.scaletargetref.apiversion", &body.target_api_version)
        .put_known("k8s.hpa.scaletargetref.kind", &body.target_kind)
        .put_known("k8s.hpa.scaletargetref.name", &body.target_name);
    run.push(attributes);
}

pub fn quota(run: &mut Collection<'_>, object: &Full<ResourceQuota>) {
    amounts(run, M::ResourceQuotaHard, &object.body.0.hard);
    amounts(run, M::ResourceQuotaUsed, &object.body.0.used);
    let attributes = run.attributes(object, "k8s.resourcequota.name", "k8s.resourcequota.uid");
    run.push(attributes);
}

fn amounts(run: &mut Collection<'_>, metric: M, amounts: &[(Interned, i64)]) {
    for (resource, value) in amounts {
        run.recorder.signed(metric, [KeyValue::fixed("resource", &**resource)], *value);
    }
}

pub fn cluster_quota(run: &mut Collection<'_>, object: &Full<ClusterResourceQuota>) {
    let body = &object.body;
    amounts(run, M::ClusterQuotaLimit, &body.total.hard);
    amounts(run, M::ClusterQuotaUsed, &body.total.used);
    for (namespace, quota) in &body.namespaces {
        for (metric, amounts) in [(M::AppliedQuotaLimit, &quota.hard), (M::AppliedQuotaUsed, &quota.used)] {
            for (resource, value) in amounts {
                let attributes = [
                    KeyValue::fixed("k8s.namespace.name", &**namespace),
                    KeyValue::fixed("resource", &**resource),
                ];
                run.recorder.signed(metric, attributes, *value);
            }
        }
    }
    let mut attributes = Attributes::new(run.shown);
    attributes
        .put("openshift.clusterquota.name", &*object.name)
        .put("openshift.clusterquota.uid", &*object.uid);
    run.push(attributes);
}
