//! Receivers: one folder a type. The table below is the one place that knows them all.

pub mod ebpf;
pub mod filelog;
pub mod hostmetrics;
pub mod httpcheck;
pub mod journald;
pub mod k8s_apiserver_health;
pub mod k8s_cluster;
pub mod k8s_customresource;
pub mod k8s_events;
pub mod k8s_objects;
pub mod kube_changes;
pub mod kubeletstats;
pub mod otlp;
pub mod prometheus;
pub mod records;
pub mod scraper;
pub mod sockets;
pub mod switches;
pub mod syslog;
pub mod tcplog;
pub mod udplog;

use crate::component::ReceiverType;

/// Every receiver type of this build, sorted by name.
pub static TYPES: &[&ReceiverType] = &[
    &ebpf::TYPE,
    &filelog::TYPE,
    &hostmetrics::TYPE,
    &httpcheck::TYPE,
    &journald::TYPE,
    &k8s_apiserver_health::TYPE,
    &k8s_cluster::TYPE,
    &k8s_customresource::TYPE,
    &k8s_events::TYPE,
    &k8s_objects::TYPE,
    &kubeletstats::TYPE,
    &otlp::TYPE,
    &prometheus::TYPE,
    &syslog::TYPE,
    &tcplog::TYPE,
    &udplog::TYPE,
];
