//! `kmagent`: a Kubernetes observability agent that runs OpenTelemetry Collector configurations
//! with plain OS threads. `ARCHITECTURE.md` is the map of this crate.

pub mod agent;
pub mod cli;
pub mod component;
pub mod config;
pub mod connectors;
pub mod demo;
pub mod doctor;
pub mod exporters;
pub mod expr;
pub mod extensions;
pub mod kube;
pub mod memory;
pub mod net;
pub mod otlp;
pub mod ottl;
pub mod pattern;
pub mod pipeline;
pub mod processors;
pub mod receivers;
pub mod telemetry;
pub mod time;
pub mod updater;
mod uuid;
