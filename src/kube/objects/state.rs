//! How pods and their containers are doing.

use serde::Deserialize;

use super::pod::RawContainerStatus;
use super::resources::{Amount, RawResources};
use crate::kube::{Interned, Pool, Text};

/// The state of a pod.
#[derive(Debug, PartialEq)]
pub struct PodState {
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`, or what a newer Kubernetes says.
    pub phase: Interned,
    /// `Evicted` and the like; empty for most pods.
    pub reason: Interned,
    pub qos_class: Interned,
}

/// What a container is doing now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The kubelet has said nothing of it yet.
    Unknown,
    Waiting,
    Running,
    Terminated,
}

/// The state of a container, and what it asks for.
#[derive(Debug, PartialEq)]
pub struct ContainerState {
    /// An init container that ends before the others start; sidecars are none.
    pub is_init: bool,
    /// The image that the runtime runs; empty when the container was never created.
    pub image: Interned,
    pub ready: bool,
    pub state: State,
    /// Why it waits or has ended: `CrashLoopBackOff`, `OOMKilled`, `Completed` …; may be empty.
    pub reason: Interned,
    /// Why the run before this one has ended; may be empty.
    pub last_reason: Interned,
    pub amounts: Box<[Amount]>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawStates<'a> {
    #[serde(borrow)]
    waiting: Option<RawReason<'a>>,
    #[serde(borrow)]
    running: Option<RawReason<'a>>,
    #[serde(borrow)]
    pub terminated: Option<RawReason<'a>>,
}

/// The reason, and of a run that has ended the container's id.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawReason<'a> {
    #[serde(borrow)]
    pub reason: Text<'a>,
    #[serde(rename = "containerID", borrow)]
    pub container_id: Text<'a>,
}

impl ContainerState {
    pub(super) fn new(
        is_init: bool,
        resources: &RawResources<'_>,
        status: Option<&RawContainerStatus<'_>>,
        pool: &mut Pool,
    ) -> Self {
        let (mut state, mut reason) = (State::Unknown, "");
        if let Some(status) = status {
            let states = &status.state;
            // The order in which the kubelet's own tools look.
            if let Some(waiting) = &states.waiting {
                (state, reason) = (State::Waiting, &waiting.reason);
            } else if let Some(terminated) = &states.terminated {
                (state, reason) = (State::Terminated, &terminated.reason);
            } else if states.running.is_some() {
                state = State::Running;
            }
        }
        let last = status.and_then(|status| status.last_state.terminated.as_ref());
        Self {
            is_init,
            image: pool.intern(status.map_or("", |status| &status.image)),
            ready: status.is_some_and(|status| status.ready),
            state,
            reason: pool.intern(reason),
            last_reason: pool.intern(last.map_or("", |last| &last.reason)),
            amounts: resources.amounts(),
        }
    }
}
