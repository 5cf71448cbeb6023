//! The kinds of objects that are followed, each with the fields that somebody reads.

mod addressed;
mod endpoint_slice;
mod endpoints;
mod entity;
mod ingress;
mod meta;
mod node;
mod pod;
mod pod_network;
mod port;
mod service;

pub use addressed::{Addressed, AddressedNeeds};
pub use endpoint_slice::{EndpointSlice, SliceEndpoint};
pub use endpoints::{EndpointAddress, EndpointSubset, Endpoints};
pub use entity::{Entity, EntityNeeds};
pub use ingress::{Ingress, IngressRule};
pub use meta::Owner;
pub use node::ClusterNode;
pub use pod::{Container, Pod, PodNeeds, Run, STATIC_POD_UID, bare_id};
pub use pod_network::{ContainerPorts, PodNetwork};
pub use port::{Port, TargetRef};
pub use service::Service;
