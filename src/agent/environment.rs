//! The environment variables of the agent, and those it adds for its configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::config::types::{Secret, parse_duration};
use crate::config::{Role, Variables, is_secret_key};

/// What the environment says, read once at start.
pub struct Environment {
    /// `KM_API_KEY`
    pub api_key: Option<Secret>,
    /// `KM_COLLECTOR_ENDPOINT`: where telemetry goes.
    pub collector_endpoint: Option<String>,
    /// `KM_CONFIG_CHECK_INTERVAL`: how often to look for a changed configuration; a number of
    /// seconds or a duration.
    pub config_check_interval: Duration,
    /// `DEPLOYMENT_MODE`
    pub role: Role,
    /// `CONFIGMAP_NAME`
    pub configmap_name: Option<String>,
    /// `POD_NAMESPACE`
    pub pod_namespace: Option<String>,
    /// `KM_NODE_NAME` or `NODE_NAME`
    pub node_name: Option<String>,
    /// `KM_CLUSTER_NAME`
    pub cluster_name: Option<String>,
    /// `KM_K8S_MONITORED_NAMESPACES`; empty: all.
    pub monitored_namespaces: Vec<String>,
    /// `KM_LOG_LEVEL`
    pub log_level: Option<String>,
    variables: BTreeMap<String, String>,
}

/// Why the environment cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    #[error(
        "KM_CONFIG_CHECK_INTERVAL is no interval: write seconds, as in \"30\", or a duration, as in \"1m\""
    )]
    Interval,
    #[error("{}", missing(.0))]
    Missing(Vec<String>),
    #[error("the environment cannot be read: {0}")]
    Unreadable(String),
}

fn missing(names: &[String]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!(
        "{} {verb} not set: the configuration needs a value, set it in the pod's env",
        names.join(" and ")
    )
}

/// The variables as they are; an empty one counts as not set.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    km_api_key: String,
    km_collector_endpoint: String,
    km_config_check_interval: String,
    deployment_mode: String,
    configmap_name: String,
    pod_namespace: String,
    node_name: String,
    km_node_name: String,
    km_cluster_name: String,
    km_k8s_monitored_namespaces: String,
    km_log_level: String,
}

const DEFAULT_CHECK_INTERVAL: Duration = Duration::from_secs(30);

impl Environment {
    /// Reads the variables of this process; those that are not UTF-8 are no names or values of ours.
    pub fn from_process() -> Result<Self, EnvironmentError> {
        let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::from_variables(std::env::vars_os().filter_map(utf8))
    }

    /// Reads given variables.
    pub fn from_variables(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, EnvironmentError> {
        let mut variables: BTreeMap<String, String> = variables.into_iter().collect();
        // Names differ in case alone, and one of them is not ours: only upper case counts.
        let ours = variables.iter().filter(|(name, _)| !name.contains(|c: char| c.is_ascii_lowercase()));
        let raw: Raw = envy::from_iter(ours.map(|(name, value)| (name.clone(), value.clone())))
            .map_err(|error| EnvironmentError::Unreadable(error.to_string()))?;
        let namespaces: Vec<String> = raw
            .km_k8s_monitored_namespaces
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        let node_name = set(&raw.km_node_name).or_else(|| set(&raw.node_name));
        let derived = [
            ("KM_NODE_NAME", node_name.clone()),
            ("NODE_NAME", node_name.clone()),
            ("KM_K8S_MONITORED_NAMESPACES_YAML", Some(as_yaml(&namespaces))),
        ];
        for (name, value) in derived {
            let is_set = variables.get(name).is_some_and(|value| !value.is_empty());
            if let Some(value) = value.filter(|_| !is_set) {
                variables.insert(name.to_owned(), value);
            }
        }
        variables.insert("KM_AGENT_VERSION".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        Ok(Self {
            api_key: set(&raw.km_api_key).map(Secret::new),
            collector_endpoint: set(&raw.km_collector_endpoint),
            config_check_interval: interval(&raw.km_config_check_interval)?,
            role: Role::from_mode(&raw.deployment_mode),
            configmap_name: set(&raw.configmap_name),
            pod_namespace: set(&raw.pod_namespace),
            node_name,
            cluster_name: set(&raw.km_cluster_name),
            monitored_namespaces: namespaces,
            log_level: set(&raw.km_log_level),
            variables,
        })
    }

    /// Fails when one of these variables has no value; the error names all of them.
    pub fn require(&self, names: &[&str]) -> Result<(), EnvironmentError> {
        let is_missing =
            |name: &&&str| self.variables.get(**name).is_none_or(|value| value.trim().is_empty());
        let missing: Vec<String> = names.iter().filter(is_missing).map(|name| (*name).to_owned()).collect();
        if missing.is_empty() { Ok(()) } else { Err(EnvironmentError::Missing(missing)) }
    }
}

/// What `${env:…}` of the configuration reads: the process's variables and the derived ones.
impl Variables for Environment {
    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    fn is_secret(&self, name: &str) -> bool {
        is_secret_key(name)
    }
}

/// Leaves out the variables: any of them may be a secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("api_key", &self.api_key)
            .field("collector_endpoint", &self.collector_endpoint)
            .field("config_check_interval", &self.config_check_interval)
            .field("role", &self.role)
            .field("configmap_name", &self.configmap_name)
            .field("pod_namespace", &self.pod_namespace)
            .field("node_name", &self.node_name)
            .field("cluster_name", &self.cluster_name)
            .field("monitored_namespaces", &self.monitored_namespaces)
            .field("log_level", &self.log_level)
            .finish_non_exhaustive()
    }
}

fn set(value: &str) -> Option<String> {
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

fn interval(text: &str) -> Result<Duration, EnvironmentError> {
    let Some(text) = set(text) else { return Ok(DEFAULT_CHECK_INTERVAL) };
    let interval = match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => parse_duration(&text),
    };
    interval.filter(|interval| !interval.is_zero()).ok_or(EnvironmentError::Interval)
}

/// A YAML list; `all` when it is empty.
fn as_yaml(namespaces: &[String]) -> String {
    if namespaces.is_empty() {
        return "all".to_owned();
    }
    let quoted: Vec<String> = namespaces.iter().map(|name| format!("{name:?}")).collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        try_environment(variables).unwrap()
    }

    fn try_environment(variables: &[(&str, &str)]) -> Result<Environment, EnvironmentError> {
        Environment::from_variables(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }

    #[test]
    fn the_mode_is_the_role() {
        for (mode, role) in [
            ("DAEMONSET", Role::Daemonset),
            ("DaemonSet", Role::Daemonset),
            ("DEPLOYMENT", Role::Deployment),
            ("", Role::Deployment),
            ("other", Role::Deployment),
        ] {
            assert_eq!(environment(&[("DEPLOYMENT_MODE", mode)]).role, role, "{mode}");
        }
        assert_eq!(environment(&[]).role, Role::Deployment);
    }

    #[test]
    fn either_node_name_gives_both() {
        for name in ["NODE_NAME", "KM_NODE_NAME"] {
            let environment = environment(&[(name, "node-1")]);
            assert_eq!(environment.node_name.as_deref(), Some("node-1"));
            assert_eq!(environment.get("NODE_NAME"), Some("node-1"));
            assert_eq!(environment.get("KM_NODE_NAME"), Some("node-1"));
        }
        let both = environment(&[("NODE_NAME", "a"), ("KM_NODE_NAME", "b")]);
        assert_eq!(
            (both.node_name.as_deref(), both.get("NODE_NAME"), both.get("KM_NODE_NAME")),
            (Some("b"), Some("a"), Some("b"))
        );
        assert_eq!(environment(&[]).get("NODE_NAME"), None);
    }

    #[test]
    fn namespaces_become_a_yaml_list() {
        let yaml = |list: &str| {
            let environment = environment(&[("KM_K8S_MONITORED_NAMESPACES", list)]);
            environment.get("KM_K8S_MONITORED_NAMESPACES_YAML").unwrap().to_owned()
        };
        assert_eq!(yaml("default, shop ,,"), "[\"default\", \"shop\"]");
        assert_eq!(yaml(""), "all");
        let given = environment(&[("KM_K8S_MONITORED_NAMESPACES_YAML", "[x]")]);
        assert_eq!(given.get("KM_K8S_MONITORED_NAMESPACES_YAML"), Some("[x]"));
    }

    #[test]
    fn the_interval_is_seconds_or_a_duration() {
        let interval = |text: &str| {
            try_environment(&[("KM_CONFIG_CHECK_INTERVAL", text)]).map(|got| got.config_check_interval)
        };
        assert_eq!(interval(""), Ok(Duration::from_secs(30)));
        assert_eq!(interval("45"), Ok(Duration::from_secs(45)));
        assert_eq!(interval("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(interval("0"), Err(EnvironmentError::Interval));
        assert_eq!(interval("often"), Err(EnvironmentError::Interval));
    }

    #[test]
    fn all_that_is_missing_is_in_one_message() {
        let environment = environment(&[("KM_API_KEY", " ")]);
        let error =
            environment.require(&["KM_API_KEY", "KM_COLLECTOR_ENDPOINT", "KM_AGENT_VERSION"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "KM_API_KEY and KM_COLLECTOR_ENDPOINT are not set: the configuration needs a value, set it in the pod's env"
        );
    }

    #[test]
    fn the_key_never_shows() {
        let environment = environment(&[("KM_API_KEY", "s3cr3t"), ("km_api_key", "s3cr3t")]);
        assert!(!format!("{environment:?}").contains("s3cr3t"));
        assert!(environment.is_secret("KM_API_KEY"));
        assert!(!environment.is_secret("KM_CLUSTER_NAME"));
        assert_eq!(environment.api_key.map(|key| key.reveal().to_owned()).as_deref(), Some("s3cr3t"));
    }
}
