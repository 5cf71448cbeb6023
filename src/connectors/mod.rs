//! Connectors: one folder or file a type. The table below is the one place that knows them all.

pub mod forward;

use crate::component::ConnectorType;

/// Every connector type of this build, sorted by name.
pub static TYPES: &[&ConnectorType] = &[&forward::TYPE];
