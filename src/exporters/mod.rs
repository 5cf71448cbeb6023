//! Exporters: one folder or file a type. The table below is the one place that knows them all.

pub mod debug;
pub mod nop;
pub mod otlp;
pub mod otlphttp;
mod packing;
mod rejected;
pub mod sending;

pub use sending::Sending;

use crate::component::ExporterType;

/// Every exporter type of this build, sorted by name.
pub static TYPES: &[&ExporterType] = &[&debug::TYPE, &nop::TYPE, &otlp::TYPE, &otlphttp::TYPE];
