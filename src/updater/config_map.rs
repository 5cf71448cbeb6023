//! A configuration on its way into its ConfigMap.

use serde_json::{Value, json};

use super::inventory::read;
use super::settings::Target;
use super::{Settings, yaml};
use crate::agent::Environment;
use crate::config::{self, Diagnostic, Registry, Source};
use crate::kube::{Connection, KubeError, Resource};

/// Why a configuration was not written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigMapError {
    #[error("the API sent a configuration that is no map; the running one stays")]
    NoMap,
    #[error("the API sent a configuration that is not valid; the running one stays: {}", first(.0))]
    Invalid(Vec<Diagnostic>),
    #[error("the configuration is {0} bytes long, more than a ConfigMap can hold; the running one stays")]
    TooLarge(usize),
    #[error("it does not exist: install the chart again, or create it")]
    Gone,
    #[error(transparent)]
    Kube(#[from] KubeError),
}

fn first(found: &[Diagnostic]) -> String {
    const SHOWN: usize = 5;
    let errors: Vec<String> =
        found.iter().filter(|found| found.is_error()).map(Diagnostic::to_string).collect();
    let more = errors.len().saturating_sub(SHOWN);
    let shown = errors.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
    if more > 0 { format!("{shown}; and {more} more") } else { shown }
}

/// What became of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Written,
    /// It was there already.
    InPlace,
}

/// Owner of the fields that are written.
const MANAGER: &str = "kmagent-config-updater";
/// The configuration that was in force before.
pub const LAST_GOOD: &str = "kmagent.io/last-good-config";
/// Room of a ConfigMap for a configuration, beside the last good one.
const MOST: usize = 700 << 10;
/// All annotations of an object together have a limit of 256 KiB.
const MOST_ANNOTATION: usize = 200 << 10;
/// Another writer in between is met this many times in a round.
const TRIES: usize = 3;

/// Checks a configuration and puts it in place, if it is not there.
pub fn bring(
    kube: &Connection,
    settings: &Settings,
    environment: &Environment,
    target: &Target,
    config: &Value,
) -> Result<Outcome, ConfigMapError> {
    if !config.is_object() {
        return Err(ConfigMapError::NoMap);
    }
    let text = yaml::text(config);
    if text.len() > MOST {
        return Err(ConfigMapError::TooLarge(text.len()));
    }
    config::load(&[Source::Yaml(text.clone())], environment, &Registry::standard(), target.role)
        .map_err(ConfigMapError::Invalid)?;
    let mut tries = 0;
    loop {
        match write(kube, settings, target, &text) {
            // Another updater was faster: what it wrote may be this very text.
            Err(ConfigMapError::Kube(KubeError::Conflict { .. })) if tries < TRIES => tries += 1,
            outcome => return outcome,
        }
    }
}

fn write(
    kube: &Connection,
    settings: &Settings,
    target: &Target,
    text: &str,
) -> Result<Outcome, ConfigMapError> {
    let path =
        Resource::new("", "v1", "configmaps").object_path(Some(&settings.namespace), &target.config_map);
    let current = read(kube, &path).map_err(|error| match error {
        KubeError::NotFound { .. } => ConfigMapError::Gone,
        error => error.into(),
    })?;
    let running = current["data"][target.file].as_str().unwrap_or_default();
    if running == text {
        return Ok(Outcome::InPlace);
    }
    let mut metadata = json!({
        "name": target.config_map,
        "namespace": settings.namespace,
        // Refused when the object has changed since it was read.
        "resourceVersion": current["metadata"]["resourceVersion"],
    });
    if running.len() <= MOST_ANNOTATION {
        metadata["annotations"] = json!({ LAST_GOOD: running });
    } else {
        log::warn!(
            "ConfigMap {}: the configuration in force is too long to be kept beside the new one",
            target.config_map
        );
    }
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": { target.file: text },
    });
    kube.apply(&format!("{path}?fieldManager={MANAGER}&force=true"), object.to_string().as_bytes())?;
    Ok(Outcome::Written)
}
