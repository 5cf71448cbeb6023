//! Pods and their containers.

use super::{Attributes, Collection, M};
use crate::kube::image::Image;
use crate::kube::objects::{Bound, Container, Measure, Pod, State};

/// The reasons that upstream tells, in its order.
const REASONS: [&str; 9] = [
    "ContainerCreating",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "ErrImagePull",
    "ImagePullBackOff",
    "OOMKilled",
    "Completed",
    "Error",
    "ContainerCannotRun",
];

pub fn pod(run: &mut Collection<'_>, pod: &Pod) {
    let Some(state) = &pod.state else { return };
    let phase = match &*state.phase {
        "Pending" => 1,
        "Running" => 2,
        "Succeeded" => 3,
        "Failed" => 4,
        _ => 5,
    };
    let reason = match &*state.reason {
        "Evicted" => 1,
        "NodeAffinity" => 2,
        "NodeLost" => 3,
        "Shutdown" => 4,
        "UnexpectedAdmissionError" => 5,
        _ => 6,
    };
    run.int(M::PodPhase, phase);
    run.int(M::PodStatusReason, reason);
    let mut attributes = of_pod(run, pod);
    attributes.put_known("k8s.pod.qos_class", &state.qos_class);
    run.push(attributes);
    for one in &pod.containers {
        container(run, pod, one);
    }
}

fn of_pod<'a>(run: &Collection<'a>, pod: &Pod) -> Attributes<'a> {
    let mut attributes = Attributes::new(run.shown);
    attributes
        .put("k8s.namespace.name", &*pod.namespace)
        .put("k8s.node.name", &*pod.node)
        .put("k8s.pod.name", &*pod.name)
        .put("k8s.pod.uid", &*pod.uid);
    attributes
}

fn container(run: &mut Collection<'_>, pod: &Pod, container: &Container) {
    let Some(state) = container.state.as_deref().filter(|state| !state.is_init) else { return };
    for amount in &state.amounts {
        let metric = match (amount.measure, amount.bound) {
            (Measure::Cpu, Bound::Request) => M::ContainerCpuRequest,
            (Measure::Cpu, Bound::Limit) => M::ContainerCpuLimit,
            (Measure::Memory, Bound::Request) => M::ContainerMemoryRequest,
            (Measure::Memory, Bound::Limit) => M::ContainerMemoryLimit,
            (Measure::Storage, Bound::Request) => M::ContainerStorageRequest,
            (Measure::Storage, Bound::Limit) => M::ContainerStorageLimit,
            (Measure::EphemeralStorage, Bound::Request) => M::ContainerEphemeralStorageRequest,
            (Measure::EphemeralStorage, Bound::Limit) => M::ContainerEphemeralStorageLimit,
        };
        if amount.measure == Measure::Cpu {
            run.recorder.double(metric, [], amount.value);
        } else {
            run.int(metric, amount.value as i64);
        }
    }
    // Of a container that never was there is no run.
    let present = container.runs.first();
    if let Some(present) = present {
        run.int(M::ContainerRestarts, i64::from(present.restarts));
        run.int(M::ContainerReady, i64::from(state.ready));
    }
    let name = match state.state {
        State::Terminated => "terminated",
        State::Running => "running",
        State::Waiting => "waiting",
        State::Unknown => "",
    };
    if state.state != State::Unknown {
        run.one_of(M::ContainerStatusState, &["terminated", "running", "waiting"], name);
        run.one_of(M::ContainerStatusReason, &REASONS, &state.reason);
    }
    let reference = if state.image.is_empty() { &container.image } else { &state.image };
    let image = Image::parse(reference);
    let mut attributes = of_pod(run, pod);
    attributes
        .put("k8s.container.name", &*container.name)
        .put("container.id", present.map_or("", |present| &*present.id))
        .put_known("container.image.name", image.name)
        .put_known("container.image.tag", image.tag.unwrap_or_default())
        .put_known("k8s.container.status.last_terminated_reason", &state.last_reason);
    run.push(attributes);
}
