//! The kinds of objects that are followed, each with the fields that somebody reads.

mod addressed;
mod entity;
mod meta;
mod pod;

pub use addressed::{Addressed, AddressedNeeds};
pub use entity::{Entity, EntityNeeds};
pub use meta::Owner;
pub use pod::{Container, Pod, PodNeeds, Run, STATIC_POD_UID, bare_id};
