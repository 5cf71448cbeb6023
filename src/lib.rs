//! `kmagent`: a Kubernetes observability agent that runs OpenTelemetry Collector configurations
//! with plain OS threads. `ARCHITECTURE.md` is the map of this crate.

pub mod component;
pub mod config;
pub mod exporters;
pub mod extensions;
pub mod otlp;
pub mod pipeline;
pub mod processors;
pub mod receivers;
pub mod telemetry;
