//! A restart of the agents, for those who want one after a change.

use std::time::SystemTime;

use serde_json::json;

use super::Settings;
use super::settings::Target;
use crate::config::Role;
use crate::kube::{Connection, KubeError, Resource};
use crate::time::rfc3339;

/// Asks for new pods, as `kubectl rollout restart` does.
pub fn restart(kube: &Connection, settings: &Settings, target: &Target) -> Result<(), KubeError> {
    let plural = match target.role {
        Role::Daemonset => "daemonsets",
        Role::Deployment => "deployments",
    };
    let path = Resource::new("apps", "v1", plural).object_path(Some(&settings.namespace), &target.workload);
    let annotation = json!({ "kubectl.kubernetes.io/restartedAt": rfc3339(SystemTime::now()) });
    let patch = json!({ "spec": { "template": { "metadata": { "annotations": annotation } } } });
    kube.merge(&path, patch.to_string().as_bytes())?;
    log::info!("restarting {plural}/{}", target.workload);
    Ok(())
}
