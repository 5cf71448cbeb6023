//! What users are promised, checked with the real binary, over real sockets and files.

#![allow(clippy::unwrap_used)] // a failed expectation is a failed test

mod support;

mod chart;
mod command_line;
mod debug_page;
mod delivery;
mod dependencies;
#[cfg(feature = "ebpf")]
mod ebpf;
mod exporting;
mod hostmetrics;
mod journald;
mod k8s_cluster;
mod k8s_events;
mod k8s_leader;
mod k8sattributes;
mod kube_informer;
mod kubeletstats;
mod least_privilege;
mod otlp_agent;
mod otlp_clients;
mod otlp_receiver;
mod own_metrics;
mod prometheus;
mod reload;
mod rotation;
mod stock_chains;
mod stock_daemonset;
mod stock_deployment;
