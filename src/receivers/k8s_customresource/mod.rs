//! `k8s_customresource`: fields of any custom resource as metrics, by configuration.
//!
//! The entries are those of kube-state-metrics' `CustomResourceState`, with the same keys.
//! [`config`] reads them, [`rules`] holds them compiled, [`paths`] and [`values`] find and read
//! fields, [`run`] follows the objects and emits. Of an object its points alone are kept.

mod config;
mod paths;
mod rules;
mod run;
#[cfg(test)]
mod tests;
mod values;

pub use config::CustomResourceConfig;
pub use run::CustomResourceReceiver;

use crate::component::{ReceiverType, decode_receiver};
use crate::pipeline::Signal;

pub static TYPE: ReceiverType = ReceiverType {
    name: "k8s_customresource",
    aliases: &[],
    signals: &[Signal::Metrics],
    decode: decode_receiver::<CustomResourceConfig>,
};
