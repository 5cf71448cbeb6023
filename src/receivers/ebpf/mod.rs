//! `ebpfreceiver`: what every pod and process on the node says to whom, how much, how fast, and what
//! goes wrong, from small programs in the kernel (`bpf/`).
//!
//! [`kernel::Programs`] loads and reads them, [`resolve::Resolver`] finds out who is who through the
//! cgroups ([`owners`]) and the API server ([`cluster`]), [`observations::Observations`] adds up and
//! makes metrics. Where no program can be loaded [`socket_diag`] and [`conntrack`] tell what they can.

mod attributes;
mod cgroup_path;
mod cidr;
mod cluster;
mod config;
mod conntrack;
pub mod dns;
pub mod endpoint;
mod filter;
pub mod kernel;
mod metrics;
mod mistakes;
mod netlink;
mod observations;
mod owners;
mod reconcile;
mod resolve;
mod run;
mod series;
mod settings;
mod socket_diag;
#[cfg(test)]
mod tests;

pub use cluster::{Cluster, Scope};
pub use config::EbpfConfig;
pub use run::{Observer, Observing};
pub use settings::Settings;

use crate::component::{ReceiverType, decode_receiver};
use crate::pipeline::Signal;

pub static TYPE: ReceiverType = ReceiverType {
    name: "ebpfreceiver",
    aliases: &["ebpf"],
    signals: &[Signal::Metrics],
    decode: decode_receiver::<EbpfConfig>,
};
