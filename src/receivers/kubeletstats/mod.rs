//! `kubeletstats`: CPU, memory, filesystems, network and volumes of the node, its pods and their
//! containers, as the kubelet tells them in `/stats/summary`.
//!
//! [`source::KubeletSource`] asks, [`pods::Pods`] and [`cluster::Cluster`] know what the summary
//! does not say, [`emit::Emitter`] makes metrics of it all. Upstream: `receiver/kubeletstatsreceiver`.

mod cluster;
mod config;
mod emit;
mod endpoint;
mod locate;
mod metrics;
mod pods;
mod source;
mod summary;
#[cfg(test)]
mod tests;

pub use config::KubeletStatsConfig;
pub use endpoint::access;
pub use locate::Identify;
pub use source::KubeletSource;

use crate::component::{ReceiverType, decode_receiver};
use crate::pipeline::Signal;

pub static TYPE: ReceiverType = ReceiverType {
    name: "kubeletstats",
    aliases: &["kubelet_stats"],
    signals: &[Signal::Metrics],
    decode: decode_receiver::<KubeletStatsConfig>,
};
