//! The kinds of objects that are followed, each with the fields that somebody reads.

mod entity;
mod meta;
mod pod;

pub use entity::{Entity, EntityNeeds};
pub use meta::Owner;
pub use pod::{Container, Pod, PodNeeds, Run, STATIC_POD_UID, bare_id};
