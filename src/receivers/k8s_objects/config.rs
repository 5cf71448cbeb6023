//! The configuration, with the keys and defaults of the collector's receiver.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use serde::Deserialize;

use super::run::ObjectsReceiver;
use crate::component::{BuildError, Context, Receiver, ReceiverConfig};
use crate::config::types::duration;
use crate::config::{ComponentId, Issues, suggest};
use crate::kube::{Access, ApiConfig, AuthType, Client, nullable};

/// Config of `k8sobjects`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct K8sObjectsConfig {
    pub auth_type: AuthType,
    /// Context of the kubeconfig, for `auth_type: kubeConfig`.
    pub context: String,
    pub error_mode: ErrorMode,
    /// Watches first tell of the objects that are there.
    pub include_initial_state: bool,
    /// The extension that decides which replica reads.
    pub k8s_leader_elector: Option<ComponentId>,
    /// The storage extension that keeps how far watches are.
    pub storage: Option<ComponentId>,
    #[serde(deserialize_with = "nullable")]
    pub objects: Vec<ObjectConfig>,
}

/// How loudly a resource is missed that the server does not serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorMode {
    #[default]
    Propagate,
    Ignore,
    Silent,
}

/// One kind of objects.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectConfig {
    /// Plural name in lower case.
    pub name: String,
    pub group: String,
    /// Empty: all.
    #[serde(deserialize_with = "nullable")]
    pub namespaces: Vec<String>,
    /// Regular expressions of namespaces that are left out.
    #[serde(deserialize_with = "nullable")]
    pub exclude_namespaces: Vec<String>,
    pub mode: Mode,
    /// Between two lists.
    #[serde(deserialize_with = "duration")]
    pub interval: Duration,
    pub label_selector: String,
    pub field_selector: String,
    pub resource_version: String,
    #[serde(deserialize_with = "nullable")]
    pub exclude_watch_type: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Pull,
    Watch,
}

const INTERVAL: Duration = Duration::from_hours(1);
const WATCH_TYPES: [&str; 5] = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"];

impl Default for ObjectConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            group: String::new(),
            namespaces: Vec::new(),
            exclude_namespaces: Vec::new(),
            mode: Mode::Pull,
            interval: INTERVAL,
            label_selector: String::new(),
            field_selector: String::new(),
            resource_version: String::new(),
            exclude_watch_type: Vec::new(),
        }
    }
}

impl ObjectConfig {
    /// The interval; zero means the default, as upstream.
    pub fn every(&self) -> Duration {
        if self.interval.is_zero() { INTERVAL } else { self.interval }
    }

    /// The version that lists or watches begin with, if one is set.
    pub fn version(&self) -> Option<&str> {
        Some(self.resource_version.as_str()).filter(|version| !matches!(*version, "" | "0"))
    }

    /// Patterns of namespaces that are left out; those that are no patterns are reported by
    /// `validate`.
    pub fn excluded(&self) -> Vec<Regex> {
        self.exclude_namespaces.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect()
    }
}

impl K8sObjectsConfig {
    /// The receiver on a client that is there already; `limit` names the namespaces that may be
    /// looked at, as `KM_K8S_MONITORED_NAMESPACES` does.
    pub fn receiver(&self, client: Arc<Client>, limit: Option<String>, context: Context) -> ObjectsReceiver {
        ObjectsReceiver::new(self.clone(), client, limit, context)
    }
}

impl ReceiverConfig for K8sObjectsConfig {
    fn validate(&self, issues: &mut Issues) {
        if self.auth_type == AuthType::Tls {
            issues.error("auth_type", "\"tls\" is for the kubelet only: use serviceAccount or kubeConfig");
        }
        if self.objects.is_empty() {
            issues.error("objects", "must name at least one kind of objects: write \"- name: pods\"");
        }
        for (n, object) in self.objects.iter().enumerate() {
            let path = |key: &str| format!("objects::{n}::{key}");
            if object.name.is_empty() {
                issues.error(&path("name"), "must be the plural name of a resource, such as \"pods\"");
            }
            if object.mode == Mode::Pull && !object.exclude_watch_type.is_empty() {
                issues.error(
                    &path("exclude_watch_type"),
                    "the Exclude config can only be used with watch mode: write \"mode: watch\"",
                );
            }
            for kind in &object.exclude_watch_type {
                if !WATCH_TYPES.contains(&kind.as_str()) {
                    let hint = suggest::hint(kind, WATCH_TYPES);
                    issues.error(
                        &path("exclude_watch_type"),
                        format!("there are no events of type \"{kind}\"{hint}"),
                    );
                }
            }
            for pattern in &object.exclude_namespaces {
                if let Err(error) = Regex::new(pattern) {
                    issues.error(&path("exclude_namespaces"), error.to_string());
                }
            }
        }
    }

    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError> {
        let api = ApiConfig { auth_type: self.auth_type, context: self.context.clone() };
        let access = Access::new(&api).map_err(|error| BuildError::new(error.to_string()))?;
        Ok(Box::new(self.receiver(Client::new(access), None, context)))
    }
}
