//! The configuration. Every key also has the spelling of kube-state-metrics (`labelsFromPath`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::paths::Path;
use super::run::CustomResourceReceiver;
use crate::component::{BuildError, Context, Receiver, ReceiverConfig};
use crate::config::types::duration;
use crate::config::{ComponentId, Issues};
use crate::kube::{Access, ApiConfig, AuthType, Client, Namespaces, nullable};
use crate::receivers::scraper::SystemClock;

/// Config of `k8s_customresource`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CustomResourceConfig {
    pub auth_type: AuthType,
    /// Context of the kubeconfig, for `auth_type: kubeConfig`.
    pub context: String,
    #[serde(deserialize_with = "duration")]
    pub collection_interval: Duration,
    /// Empty: all.
    #[serde(deserialize_with = "nullable")]
    pub namespaces: Vec<String>,
    pub k8s_leader_elector: Option<ComponentId>,
    #[serde(deserialize_with = "nullable")]
    pub resources: Vec<ResourceConfig>,
}

/// One kind of custom resource.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceConfig {
    #[serde(alias = "groupVersionKind")]
    pub group_version_kind: GroupVersionKind,
    /// Put in front of every name, with a `_`; empty: nothing.
    #[serde(alias = "metricNamePrefix")]
    pub metric_name_prefix: Option<String>,
    #[serde(alias = "commonLabels", deserialize_with = "nullable")]
    pub common_labels: BTreeMap<String, String>,
    #[serde(alias = "labelsFromPath", deserialize_with = "nullable")]
    pub labels_from_path: BTreeMap<String, Vec<String>>,
    #[serde(deserialize_with = "nullable")]
    pub metrics: Vec<MetricConfig>,
    /// Accepted: what a path does not find is told once.
    #[serde(alias = "errorLogV")]
    pub error_log_v: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupVersionKind {
    pub group: String,
    /// Empty: the version that the server prefers.
    pub version: String,
    pub kind: String,
}

/// One metric.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricConfig {
    pub name: String,
    #[serde(alias = "description")]
    pub help: String,
    pub unit: String,
    pub each: EachConfig,
    #[serde(alias = "commonLabels", deserialize_with = "nullable")]
    pub common_labels: BTreeMap<String, String>,
    #[serde(alias = "labelsFromPath", deserialize_with = "nullable")]
    pub labels_from_path: BTreeMap<String, Vec<String>>,
    #[serde(alias = "errorLogV")]
    pub error_log_v: u32,
}

/// Where its points come from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EachConfig {
    /// `gauge`, `stateset`, `info` or `conditions`, in any case.
    #[serde(rename = "type")]
    pub kind: String,
    pub gauge: PointConfig,
    #[serde(alias = "stateSet", alias = "stateset")]
    pub state_set: PointConfig,
    pub info: PointConfig,
    pub conditions: PointConfig,
}

/// What the types of metrics are made of; each uses a part.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PointConfig {
    #[serde(deserialize_with = "nullable")]
    pub path: Vec<String>,
    #[serde(alias = "valueFrom", deserialize_with = "nullable")]
    pub value_from: Vec<String>,
    #[serde(alias = "labelFromKey")]
    pub label_from_key: String,
    #[serde(alias = "labelsFromPath", deserialize_with = "nullable")]
    pub labels_from_path: BTreeMap<String, Vec<String>>,
    #[serde(alias = "nilIsZero")]
    pub nil_is_zero: bool,
    #[serde(alias = "labelName")]
    pub label_name: String,
    #[serde(deserialize_with = "nullable")]
    pub list: Vec<String>,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    Gauge,
    StateSet,
    Info,
    /// The conditions of an object: a state set for each.
    Conditions,
}

impl Default for CustomResourceConfig {
    fn default() -> Self {
        Self {
            auth_type: AuthType::ServiceAccount,
            context: String::new(),
            collection_interval: Duration::from_secs(30),
            namespaces: Vec::new(),
            k8s_leader_elector: None,
            resources: Vec::new(),
        }
    }
}

impl EachConfig {
    pub fn kind(&self) -> Option<MetricKind> {
        Some(match self.kind.to_ascii_lowercase().as_str() {
            "gauge" => MetricKind::Gauge,
            "stateset" => MetricKind::StateSet,
            "info" => MetricKind::Info,
            "conditions" => MetricKind::Conditions,
            _ => return None,
        })
    }

    pub fn point(&self, kind: MetricKind) -> &PointConfig {
        match kind {
            MetricKind::Gauge => &self.gauge,
            MetricKind::StateSet => &self.state_set,
            MetricKind::Info => &self.info,
            MetricKind::Conditions => &self.conditions,
        }
    }
}

impl CustomResourceConfig {
    /// The receiver on a client that is there already.
    pub fn receiver(
        &self,
        client: Arc<Client>,
        namespaces: Namespaces,
        context: Context,
    ) -> CustomResourceReceiver {
        CustomResourceReceiver::new(self.clone(), client, namespaces, Arc::new(SystemClock), context)
    }
}

impl ReceiverConfig for CustomResourceConfig {
    fn validate(&self, issues: &mut Issues) {
        if self.collection_interval.is_zero() {
            issues.error("collection_interval", "must be longer than zero: write \"30s\"");
        }
        if self.auth_type == AuthType::Tls {
            issues.error("auth_type", "\"tls\" is for the kubelet only: use serviceAccount or kubeConfig");
        }
        if self.resources.is_empty() {
            issues.error("resources", "must name at least one custom resource");
        }
        for (n, resource) in self.resources.iter().enumerate() {
            let at = format!("resources::{n}");
            let GroupVersionKind { kind, .. } = &resource.group_version_kind;
            if kind.is_empty() {
                issues.error(
                    &format!("{at}::group_version_kind::kind"),
                    "must not be empty: write \"kind: Widget\"",
                );
            }
            check_labels(&resource.labels_from_path, &at, issues);
            for (m, metric) in resource.metrics.iter().enumerate() {
                check_metric(metric, &format!("{at}::metrics::{m}"), issues);
            }
        }
    }

    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError> {
        let api = ApiConfig { auth_type: self.auth_type, context: self.context.clone() };
        let access = Access::new(&api).map_err(|error| BuildError::new(error.to_string()))?;
        let namespaces = Namespaces::new(&context.id.to_string(), &self.namespaces);
        Ok(Box::new(self.receiver(Client::new(access), namespaces, context)))
    }
}

fn check_metric(metric: &MetricConfig, at: &str, issues: &mut Issues) {
    if metric.name.is_empty() {
        issues.error(&format!("{at}::name"), "must not be empty");
    }
    check_labels(&metric.labels_from_path, at, issues);
    let Some(kind) = metric.each.kind() else {
        let message = format!(
            "there is no type of metric \"{}\": choose from gauge, stateset, info, conditions",
            metric.each.kind
        );
        issues.error(&format!("{at}::each::type"), message);
        return;
    };
    let point = metric.each.point(kind);
    check_labels(&point.labels_from_path, &format!("{at}::each"), issues);
    for (key, path) in [("path", &point.path), ("value_from", &point.value_from)] {
        if let Err(error) = Path::parse(path) {
            issues.error(&format!("{at}::each::{key}"), error);
        }
    }
    if kind == MetricKind::StateSet && point.list.is_empty() {
        issues.error(
            &format!("{at}::each::state_set::list"),
            "must name the states: write \"list: [Ready, Failed]\"",
        );
    }
}

fn check_labels(labels: &BTreeMap<String, Vec<String>>, at: &str, issues: &mut Issues) {
    for (label, path) in labels {
        if let Err(error) = Path::parse(path) {
            issues.error(&format!("{at}::labels_from_path::{label}"), error);
        }
    }
}
