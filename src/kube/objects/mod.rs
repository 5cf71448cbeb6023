//! The kinds of objects that are followed, each with the fields that somebody reads.

mod addressed;
mod cluster;
mod endpoint_slice;
mod endpoints;
mod entity;
mod full;
mod ingress;
mod meta;
mod node;
mod pod;
mod pod_network;
mod port;
mod quota;
mod resources;
mod service;
mod state;
mod storage;
mod workloads;

pub use addressed::{Addressed, AddressedNeeds};
pub use cluster::{Namespace, Node, ServiceState, SliceState};
pub use endpoint_slice::{EndpointSlice, SliceEndpoint};
pub use endpoints::{EndpointAddress, EndpointSubset, Endpoints};
pub use entity::{Entity, EntityNeeds};
pub use full::{Body, Full};
pub use ingress::{Ingress, IngressRule};
pub use meta::Owner;
pub use node::ClusterNode;
pub use pod::{Container, Pod, PodNeeds, Run, STATIC_POD_UID, bare_id};
pub use pod_network::{ContainerPorts, PodNetwork};
pub use port::{Port, TargetRef};
pub use quota::{ClusterResourceQuota, Quota, ResourceQuota};
pub use resources::{Amount, Bound, Measure};
pub use service::Service;
pub use state::{ContainerState, PodState, State};
pub use storage::{Volume, VolumeClaim};
pub use workloads::{Autoscaler, CronJob, DaemonSet, Job, Replicas, StatefulSet};
