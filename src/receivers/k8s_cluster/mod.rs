//! `k8s_cluster`: the state of a cluster as the API server tells it: nodes, pods and their
//! containers, workloads, quotas, volumes, services; as metrics, and as entity events in logs.
//!
//! [`watches`] follows the objects, [`emit`] makes metrics of them in chunks, [`entities`] tells who
//! they are, [`run`] is the thread. Upstream: `receiver/k8sclusterreceiver`.

mod attributes;
mod config;
mod emit;
mod entities;
mod metrics;
mod run;
#[cfg(test)]
mod tests;
mod watches;

pub use config::K8sClusterConfig;
pub use run::ClusterReceiver;

use crate::component::{ReceiverType, decode_receiver};
use crate::pipeline::Signal;

pub static TYPE: ReceiverType = ReceiverType {
    name: "k8s_cluster",
    aliases: &[],
    signals: &[Signal::Logs, Signal::Metrics],
    decode: decode_receiver::<K8sClusterConfig>,
};
