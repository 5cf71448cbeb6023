//! Extensions: one folder or file a type. The table below is the one place that knows them all.

pub mod file_storage;
pub mod health_check;
mod k8s_leader_elector;

use crate::component::ExtensionType;

/// Every extension type of this build, sorted by name.
pub static TYPES: &[&ExtensionType] = &[&file_storage::TYPE, &health_check::TYPE, &k8s_leader_elector::TYPE];
