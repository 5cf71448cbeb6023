//! The two roles of the agent in a cluster.

use std::fmt;

/// What one process of the agent is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// One process per node: what happens on the node.
    Daemonset,
    /// One active process per cluster: what happens in the cluster.
    #[default]
    Deployment,
}

impl Role {
    /// The role that `DEPLOYMENT_MODE` asks for: any case of `DAEMONSET`, else the deployment.
    pub fn from_mode(mode: &str) -> Self {
        if mode.trim().eq_ignore_ascii_case("daemonset") { Self::Daemonset } else { Self::Deployment }
    }

    /// Receiver types that make no sense in this role: they are left out of its pipelines, so
    /// that one configuration can serve both.
    pub fn leaves_out(self) -> &'static [&'static str] {
        match self {
            Self::Daemonset => &[],
            Self::Deployment => &["ebpfreceiver", "ebpf"],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Daemonset => "daemonset",
            Self::Deployment => "deployment",
        })
    }
}
