//! Receivers: one folder a type. The table below is the one place that knows them all.

pub mod filelog;
pub mod hostmetrics;
pub mod k8s_apiserver_health;
pub mod k8s_cluster;
pub mod k8s_customresource;
pub mod k8s_events;
pub mod k8s_objects;
pub mod kube_changes;
pub mod kubeletstats;
pub mod scraper;
pub mod switches;

use crate::component::ReceiverType;

/// Every receiver type of this build, sorted by name.
pub static TYPES: &[&ReceiverType] = &[
    &filelog::TYPE,
    &hostmetrics::TYPE,
    &k8s_apiserver_health::TYPE,
    &k8s_cluster::TYPE,
    &k8s_customresource::TYPE,
    &k8s_events::TYPE,
    &k8s_objects::TYPE,
    &kubeletstats::TYPE,
];
