//! From the collector's YAML to typed configs; every error names its place in the file.

mod any;
mod components;
mod decode;
mod deserializer;
mod diagnostic;
mod document;
mod expand;
mod flow;
mod graph;
mod handover;
mod id;
mod node;
mod parse;
mod periodic;
mod print;
mod registry;
mod role;
mod scalar;
mod secrets;
mod session;
mod source;
#[cfg(test)]
mod stand_ins;
pub mod suggest;
mod telemetry;
pub mod types;

pub use components::{Component, Components};
pub use decode::{Decoder, Issues, from_yaml};
pub use diagnostic::{Diagnostic, Place, Severity};
pub use document::{Loaded, Resolved, load, resolve};
pub use expand::Variables;
pub use graph::Pipeline;
pub use id::{ComponentId, IdError, PipelineId};
pub use node::{Kind, Node};
pub use periodic::{OtlpPush, PeriodicReader, PushExporter};
pub use registry::Registry;
pub use role::Role;
pub use secrets::is_secret_key;
pub use source::{Source, SourceError};
pub use telemetry::{
    LogEncoding, LogLevel, LogsConfig, MetricsConfig, MetricsLevel, PrometheusReader, PullExporter,
    PullReader, Reader, SamplingConfig, TelemetryConfig, TracesConfig,
};
