//! What users are promised, checked with the real binary, over real sockets and files.

#![allow(clippy::unwrap_used)] // a failed expectation is a failed test

mod support;

mod command_line;
mod delivery;
mod dependencies;
#[cfg(feature = "ebpf")]
mod ebpf;
mod exporting;
mod hostmetrics;
mod k8sattributes;
mod kube_informer;
mod kubeletstats;
mod reload;
