//! What the environment asks of the updater.

use std::time::Duration;

use ureq::http::Uri;

use crate::agent::Environment;
use crate::config::types::Secret;
use crate::config::{Role, Variables};

/// Why the environment cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("{0} is not set: set it in the pod's env")]
    Missing(&'static str),
    #[error(
        "KM_UPDATE_ENDPOINT is not set and cannot be derived from KM_COLLECTOR_ENDPOINT \"{0}\", which names no \
         domain: set it"
    )]
    NoDomain(String),
    #[error("KM_UPDATE_ENDPOINT \"{0}\" is no http:// or https:// URL")]
    Endpoint(String),
}

/// The updater's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    pub endpoint: String,
    pub api_key: Secret,
    pub interval: Duration,
    pub cluster: String,
    /// The namespace of the agents.
    pub namespace: String,
    pub daemonset: Option<Target>,
    pub deployment: Option<Target>,
    /// `namespace/name` of the Instrumentation object.
    pub instrumentation: String,
    pub logs: bool,
    pub apm: bool,
    /// Empty: all.
    pub namespaces: Vec<String>,
    pub rollout_restart: bool,
}

/// The objects of one role.
#[derive(Clone, Debug)]
pub struct Target {
    pub role: Role,
    pub config_map: String,
    /// The entry of the ConfigMap.
    pub file: &'static str,
    /// Name of the DaemonSet or Deployment.
    pub workload: String,
}

const DEFAULT_NAMESPACE: &str = "km-agent";

impl Settings {
    pub fn from_environment(environment: &Environment, rollout_restart: bool) -> Result<Self, SettingsError> {
        let get = |name: &str| {
            environment.get(name).map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
        };
        let flag = |name: &str| {
            get(name).is_some_and(|value| ["true", "1", "t"].contains(&value.to_lowercase().as_str()))
        };
        let target = |role, map: &str, file, workload: &str, default: &str| {
            get(map).map(|config_map| Target {
                role,
                config_map,
                file,
                workload: get(workload).unwrap_or_else(|| default.to_owned()),
            })
        };
        let daemonset = target(
            Role::Daemonset,
            "CONFIGMAP_DAEMONSET_NAME",
            "agent-daemonset.yaml",
            "KM_DAEMONSET_NAME",
            "km-agent",
        );
        let deployment = target(
            Role::Deployment,
            "CONFIGMAP_DEPLOYMENT_NAME",
            "agent-deployment.yaml",
            "KM_DEPLOYMENT_NAME",
            "km-agent-cluster",
        );
        if daemonset.is_none() && deployment.is_none() {
            return Err(SettingsError::Missing("CONFIGMAP_DAEMONSET_NAME or CONFIGMAP_DEPLOYMENT_NAME"));
        }
        let namespace = get("KM_NAMESPACE")
            .or_else(|| environment.pod_namespace.clone())
            .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        let object = get("KM_CRD_NAME").unwrap_or_else(|| "km-agent-instrumentation-crd".to_owned());
        Ok(Self {
            endpoint: endpoint(get("KM_UPDATE_ENDPOINT"), environment.collector_endpoint.as_deref())?,
            api_key: environment.api_key.clone().ok_or(SettingsError::Missing("KM_API_KEY"))?,
            interval: environment.config_check_interval,
            cluster: environment.cluster_name.clone().ok_or(SettingsError::Missing("KM_CLUSTER_NAME"))?,
            instrumentation: format!("{namespace}/{object}"),
            namespace,
            daemonset,
            deployment,
            logs: flag("KM_LOGS_ENABLED"),
            apm: flag("KM_APM_ENABLED"),
            namespaces: environment.monitored_namespaces.clone(),
            rollout_restart,
        })
    }

    pub fn target(&self, role: Role) -> Option<&Target> {
        match role {
            Role::Daemonset => self.daemonset.as_ref(),
            Role::Deployment => self.deployment.as_ref(),
        }
    }
}

/// The endpoint that was given, or that of the collector's domain. A key never goes to a domain
/// that nobody has named.
fn endpoint(given: Option<String>, collector: Option<&str>) -> Result<String, SettingsError> {
    let uri = |text: &str| text.parse::<Uri>().ok();
    if let Some(given) = given {
        let usable = uri(&given)
            .is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
        return if usable { Ok(given) } else { Err(SettingsError::Endpoint(given)) };
    }
    let collector = collector.ok_or(SettingsError::Missing("KM_COLLECTOR_ENDPOINT"))?;
    let no_domain = || SettingsError::NoDomain(collector.to_owned());
    let uri = uri(collector).ok_or_else(no_domain)?;
    let host = uri.host().ok_or_else(no_domain)?;
    let labels: Vec<&str> = host.split('.').collect();
    // The last label of an address is a number, that of a name never is.
    let is_address =
        host.contains(':') || labels.last().is_none_or(|last| last.bytes().all(|b| b.is_ascii_digit()));
    match labels.as_slice() {
        [.., domain, top] if !is_address && !domain.is_empty() => {
            Ok(format!("https://api.{domain}.{top}/agents/config-check"))
        }
        _ => Err(no_domain()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let all = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::from_environment(&Environment::from_variables(all).unwrap(), false)
    }

    const GIVEN: [(&str, &str); 4] = [
        ("KM_API_KEY", "key"),
        ("KM_CLUSTER_NAME", "c"),
        ("CONFIGMAP_DAEMONSET_NAME", "m"),
        ("KM_COLLECTOR_ENDPOINT", "https://otel.kloudmate.com:4318"),
    ];

    fn derived(collector: &str) -> Result<String, SettingsError> {
        let mut variables = GIVEN;
        variables[3].1 = collector;
        settings(&variables).map(|settings| settings.endpoint)
    }

    #[test]
    fn the_endpoint_is_that_of_the_collectors_domain() {
        for (collector, endpoint) in [
            ("https://otel.kloudmate.com:4318", "https://api.kloudmate.com/agents/config-check"),
            ("http://otel.eu.kloudmate.dev", "https://api.kloudmate.dev/agents/config-check"),
            ("https://kloudmate.com", "https://api.kloudmate.com/agents/config-check"),
        ] {
            assert_eq!(derived(collector).as_deref(), Ok(endpoint));
        }
        for collector in
            ["http://gateway:4318", "http://10.0.0.1:4318", "http://[fd00::1]:4318", "nonsense of sorts"]
        {
            assert_eq!(derived(collector), Err(SettingsError::NoDomain(collector.to_owned())));
        }
    }

    #[test]
    fn an_endpoint_that_is_given_wins() {
        let mut variables = GIVEN.to_vec();
        variables.push(("KM_UPDATE_ENDPOINT", "http://api.local:8080/check"));
        assert_eq!(settings(&variables).unwrap().endpoint, "http://api.local:8080/check");
        variables[4].1 = "ftp://x/";
        assert_eq!(settings(&variables).unwrap_err(), SettingsError::Endpoint("ftp://x/".to_owned()));
    }

    #[test]
    fn what_is_missing_is_named() {
        for name in ["KM_API_KEY", "KM_CLUSTER_NAME", "KM_COLLECTOR_ENDPOINT"] {
            let rest: Vec<_> = GIVEN.iter().copied().filter(|(other, _)| *other != name).collect();
            assert!(settings(&rest).unwrap_err().to_string().starts_with(name));
        }
        assert!(settings(&GIVEN[..2]).unwrap_err().to_string().contains("CONFIGMAP_DAEMONSET_NAME"));
    }

    #[test]
    fn each_role_has_its_objects() {
        let mut variables = GIVEN.to_vec();
        variables.extend([("KM_NAMESPACE", "ops"), ("KM_APM_ENABLED", "True"), ("KM_CRD_NAME", "crd")]);
        let settings = settings(&variables).unwrap();
        let target = settings.target(Role::Daemonset).unwrap();
        assert_eq!(
            (target.config_map.as_str(), target.file, target.workload.as_str()),
            ("m", "agent-daemonset.yaml", "km-agent")
        );
        assert!(settings.target(Role::Deployment).is_none());
        assert!(settings.apm && !settings.logs);
        assert_eq!(settings.instrumentation, "ops/crd");
    }
}
