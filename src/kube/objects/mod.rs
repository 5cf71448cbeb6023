//! The kinds of objects that are followed, each with the fields that somebody reads.

mod cluster;
mod entity;
mod full;
mod meta;
mod pod;
mod quota;
mod resources;
mod state;
mod storage;
mod workloads;

pub use cluster::{EndpointSlice, Namespace, Node, Service};
pub use entity::{Entity, EntityNeeds};
pub use full::{Body, Full};
pub use meta::Owner;
pub use pod::{Container, Pod, PodNeeds, Run, STATIC_POD_UID, bare_id};
pub use quota::{ClusterResourceQuota, Quota, ResourceQuota};
pub use resources::{Amount, Bound, Measure};
pub use state::{ContainerState, PodState, State};
pub use storage::{Volume, VolumeClaim};
pub use workloads::{Autoscaler, CronJob, DaemonSet, Job, Replicas, StatefulSet};
