//! The kubelet of this node lets the agent in.

use std::io::Read;

use super::super::facts::TIMEOUTS;
use super::super::{Facts, Finding};
use crate::config::Decoder;
use crate::kube::{Client, KubeError};
use crate::receivers::kubeletstats::{self, KubeletStatsConfig};

const NAME: &str = "kubelet";

pub fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for used in facts.receivers().iter().filter(|used| used.kind == "kubeletstats") {
        // What does not decode is a finding of the configuration.
        let Some(config) = Decoder::new(used.settings).decode::<KubeletStatsConfig>() else {
            continue;
        };
        let outcome = kubeletstats::access(&config).and_then(|access| {
            let connection = Client::new(access).connect(TIMEOUTS);
            // The first bytes show that it answers.
            let mut first = [0; 64];
            connection.get("/stats/summary", "application/json").map(|mut answer| {
                let _ = answer.read(&mut first);
            })
        });
        findings.push(match outcome {
            Ok(()) => Finding::ok(NAME, format!("{}: the summary can be read", used.id)),
            Err(error) => {
                let fix = match &error {
                    KubeError::Unauthorized { .. } => "the kubelet does not take the token: it must run with --authentication-token-webhook",
                    KubeError::Forbidden(_) => "add to the ClusterRole: {apiGroups: [\"\"], resources: [nodes/stats], verbs: [get]}",
                    KubeError::Transport { .. } => "check the receiver's endpoint (KM_NODE_HOST_IP, port 10250), firewalls, and insecure_skip_verify where kubelets sign their own certificate",
                    _ => "see the message",
                };
                Finding::failed(NAME, format!("{}: {error}", used.id), fix)
            }
        });
    }
    if findings.is_empty() {
        findings.push(Finding::skipped(NAME, "no receiver asks it"));
    }
    findings
}
