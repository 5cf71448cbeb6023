//! Connectors: one folder or file a type. The table below is the one place that knows them all.

pub mod count;
pub mod forward;
pub mod routing;
pub mod spanmetrics;
#[cfg(test)]
mod testing;

use crate::component::ConnectorType;

/// Every connector type of this build, sorted by name.
pub static TYPES: &[&ConnectorType] = &[&count::TYPE, &forward::TYPE, &routing::TYPE, &spanmetrics::TYPE];
