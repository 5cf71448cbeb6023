//! `k8sobjects`: Kubernetes objects of any kind as logs: lists of them at intervals, or their
//! changes as they happen.
//!
//! [`record`] makes logs of objects, [`pull`] lists, [`run`] finds out what the server serves and
//! starts a thread for each entry; watches are [`super::kube_changes`]. Upstream:
//! `receiver/k8sobjectsreceiver`.

mod config;
mod pull;
mod record;
mod run;
#[cfg(test)]
mod tests;

pub use config::K8sObjectsConfig;
pub use run::ObjectsReceiver;

use crate::component::{ReceiverType, decode_receiver};
use crate::pipeline::Signal;

pub static TYPE: ReceiverType = ReceiverType {
    name: "k8sobjects",
    aliases: &["k8s_objects"],
    signals: &[Signal::Logs],
    decode: decode_receiver::<K8sObjectsConfig>,
};
