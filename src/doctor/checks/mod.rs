//! The checks: one a file, in the order in which they are best read.

mod capabilities;
mod clock;
mod config;
mod endpoint;
mod kernel;
mod key;
mod kubelet;
mod mounts;
mod rbac;
mod tls;

use super::{Facts, Finding};

/// A check looks at the facts and says what it found: at least one finding.
pub type Check = fn(&Facts) -> Vec<Finding>;

pub const ALL: [Check; 10] = [
    config::check,
    endpoint::check,
    tls::check,
    key::check,
    clock::check,
    mounts::check,
    capabilities::check,
    kernel::check,
    kubelet::check,
    rbac::check,
];
