//! Receivers: one folder a type. The table below is the one place that knows them all.

use crate::component::ReceiverType;

/// Every receiver type of this build, sorted by name.
pub static TYPES: &[&ReceiverType] = &[];
