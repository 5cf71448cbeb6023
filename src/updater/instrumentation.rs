//! The annotations by which the OpenTelemetry operator instruments a workload.

use serde_json::{Value, json};

use super::Settings;
use super::inventory::{KINDS, Workload, read};
use crate::kube::{Connection, KubeError, Resource};

/// The annotation, up to its language.
pub const PREFIX: &str = "instrumentation.opentelemetry.io/inject-";

/// Why a workload is not as the API wants it.
#[derive(Debug, thiserror::Error)]
pub enum InstrumentationError {
    #[error("{0} cannot be instrumented: its kind is not Deployment, StatefulSet or DaemonSet")]
    Kind(String),
    #[error("{workload} cannot be instrumented: nothing is known of the language \"{language}\"")]
    Language { workload: String, language: String },
    #[error("{0} will not be instrumented: its namespace is not in KM_K8S_MONITORED_NAMESPACES")]
    Namespace(String),
    #[error("{workload} cannot be instrumented: {error}")]
    Kube { workload: String, error: KubeError },
}

/// Sets or removes the annotation of a workload's pods, if it is not as wanted. The pods are
/// replaced by that.
pub fn apply(kube: &Connection, settings: &Settings, wish: &Workload) -> Result<(), InstrumentationError> {
    let shown = format!("{} {}/{}", wish.kind, wish.namespace, wish.deployment);
    let Some(plural) = plural(&wish.kind) else { return Err(InstrumentationError::Kind(shown)) };
    let Some(language) = language(&wish.language) else {
        return Err(InstrumentationError::Language { workload: shown, language: wish.language.clone() });
    };
    if !settings.namespaces.is_empty() && !settings.namespaces.contains(&wish.namespace) {
        return Err(InstrumentationError::Namespace(shown));
    }
    let key = format!("{PREFIX}{language}");
    let wanted = wish.enabled.then_some(settings.instrumentation.as_str());
    let path = Resource::new("apps", "v1", plural).object_path(Some(&wish.namespace), &wish.deployment);
    let change = || -> Result<bool, KubeError> {
        let object = read(kube, &path)?;
        let annotations: &Value = &object["spec"]["template"]["metadata"]["annotations"];
        if annotations[&key].as_str() == wanted {
            return Ok(false);
        }
        let patch = json!({ "spec": { "template": { "metadata": { "annotations": { &key: wanted } } } } });
        kube.merge(&path, patch.to_string().as_bytes())?;
        Ok(true)
    };
    match change() {
        Ok(true) if wish.enabled => log::info!("{shown} is instrumented for {language}"),
        Ok(true) => log::info!("{shown} is no longer instrumented for {language}"),
        Ok(false) => {}
        Err(error) => return Err(InstrumentationError::Kube { workload: shown, error }),
    }
    Ok(())
}

/// A replica set is named by a deployment of its name, as the API may know it.
fn plural(kind: &str) -> Option<&'static str> {
    if kind.eq_ignore_ascii_case("ReplicaSet") {
        return Some("deployments");
    }
    KINDS.iter().find(|(name, _)| kind.eq_ignore_ascii_case(name)).map(|(_, plural)| *plural)
}

/// The operator's word for a language.
fn language(name: &str) -> Option<&'static str> {
    ["nodejs", "java", "python", "go", "dotnet"].into_iter().find(|known| name.eq_ignore_ascii_case(known))
}
