//! Persistent volumes and the claims to them.

use super::{Collection, M};
use crate::kube::objects::{Full, Volume, VolumeClaim};

pub fn volume(run: &mut Collection<'_>, object: &Full<Volume>) {
    let body = &object.body;
    run.one_of(M::VolumePhase, &["Pending", "Available", "Bound", "Released", "Failed"], &body.phase);
    run.known(M::VolumeCapacity, body.capacity);
    let mut attributes = run.attributes(object, "k8s.persistentvolume.name", "k8s.persistentvolume.uid");
    attributes
        .put_known("k8s.storageclass.name", &body.storage_class)
        .put_known("k8s.persistentvolume.reclaim_policy", &body.reclaim_policy);
    run.push(attributes);
}

pub fn claim(run: &mut Collection<'_>, object: &Full<VolumeClaim>) {
    let body = &object.body;
    run.one_of(M::ClaimPhase, &["Pending", "Bound", "Lost"], &body.phase);
    run.known(M::ClaimCapacity, body.capacity);
    run.known(M::ClaimRequest, body.request);
    let mut attributes =
        run.attributes(object, "k8s.persistentvolumeclaim.name", "k8s.persistentvolumeclaim.uid");
    attributes
        .put_known("k8s.persistentvolume.name", &body.volume)
        .put_known("k8s.storageclass.name", &body.storage_class);
    run.push(attributes);
}
