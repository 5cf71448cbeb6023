//! What users are promised, checked with the real binary, over real sockets and files.

#![allow(clippy::unwrap_used)] // a failed expectation is a failed test

mod support;

mod command_line;
mod delivery;
mod dependencies;
mod exporting;
mod hostmetrics;
mod k8s_cluster;
mod k8s_events;
mod k8s_leader;
mod k8sattributes;
mod kube_informer;
mod kubeletstats;
mod reload;
