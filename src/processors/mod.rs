//! Processors: one folder or file a type. The table below is the one place that knows them all.

use crate::component::ProcessorType;

/// Every processor type of this build, sorted by name.
pub static TYPES: &[&ProcessorType] = &[];
