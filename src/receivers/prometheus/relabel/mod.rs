//! Relabelling: the small language that chooses targets and changes labels.
//!
//! Rules are checked and compiled at start. Source: `prometheus.io/docs/prometheus/latest/configuration`.

mod apply;
mod label;
mod matcher;
mod rule;
#[cfg(test)]
mod tests;

pub use apply::apply;
pub use label::{Label, Labels, NAME};
pub use rule::{RelabelConfig, Rule, compile};
