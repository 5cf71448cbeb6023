//! What several tests need: a backend, certificates, batches.

pub mod agent;
pub mod certs;
pub mod collect;
pub mod data;
pub mod kube;
pub mod namespace;
pub mod rights;
pub mod sink;
