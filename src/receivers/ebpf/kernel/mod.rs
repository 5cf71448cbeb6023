//! The programs in the kernel: loading what this kernel takes, attaching, and reading what they counted.
//!
//! Every program is tried on its own: one that does not load costs what it would have told and nothing
//! else. What happened to each is in [`Report`].

#[cfg(feature = "ebpf")]
mod batch;
mod cgroups;
mod interface_table;
#[cfg(feature = "ebpf")]
mod interfaces;
#[cfg(feature = "ebpf")]
mod objects;
#[cfg(test)]
#[cfg(feature = "ebpf")]
mod packet_tests;
#[cfg(feature = "ebpf")]
mod privileges;
#[cfg(feature = "ebpf")]
mod programs;
#[cfg(feature = "ebpf")]
mod reasons;
pub mod records;
#[cfg(feature = "ebpf")]
mod ring;
#[cfg(not(feature = "ebpf"))]
mod without;

#[cfg(feature = "ebpf")]
pub use programs::Programs;
#[cfg(not(feature = "ebpf"))]
pub use without::Programs;

pub use interface_table::{Interface, present};

use std::path::{Path, PathBuf};

/// What the programs are to do.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub flows: bool,
    pub tcp: bool,
    pub drops: bool,
    pub dns: bool,
    pub ingress: bool,
    pub egress: bool,
    /// At the interfaces rather than at the sockets.
    pub at_interfaces: bool,
    /// Interfaces to look at, empty for all; those not to look at.
    pub interfaces: Vec<String>,
    pub exclude_interfaces: Vec<String>,
    /// One packet of so many is counted.
    pub sampling: u32,
    /// Flows that have room in the kernel.
    pub max_flows: u32,
    /// Programs that are not loaded, whether the kernel takes them or not.
    pub exclude_programs: Vec<String>,
    /// Root of the host's tree of cgroups; empty: found by itself.
    pub cgroup_path: PathBuf,
}

/// All programs, by name.
pub const PROGRAMS: [&str; 15] = [
    "cgroup_egress",
    "cgroup_ingress",
    "tc_egress",
    "tc_ingress",
    "socket_created",
    "state_changed",
    "retransmitted",
    "reset_sent",
    "reset_received",
    "every_socket",
    "every_file",
    "every_tcp",
    "every_udp",
    "dropped",
    "cgroup_made",
];

/// What became of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub program: &'static str,
    /// What it tells.
    pub feature: &'static str,
    /// Why it does not run.
    pub result: Result<(), String>,
}

/// Where packets are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vantage {
    /// At the sockets of all cgroups: whose they are is known.
    Sockets,
    /// At the interfaces of the agent's network namespace: only addresses are known.
    Interfaces,
    Nowhere,
}

/// The folder in which the cgroups of containers are: the root of cgroup v2, else that of the memory
/// controller.
pub fn cgroup_tree(configured: &Path) -> Option<PathBuf> {
    const OF_MEMORY: &str = "/sys/fs/cgroup/memory";
    cgroups::root(configured).ok().or_else(|| Some(PathBuf::from(OF_MEMORY)).filter(|path| path.exists()))
}
