//! The configuration, with the keys and defaults of the collector's processor.

use std::time::Duration;

use regex::Regex;
use serde::Deserialize;

use crate::component::{BuildError, Context, Processor, ProcessorConfig};
use crate::config::Issues;
use crate::config::types::duration;
use crate::kube::{ApiConfig, AuthType, nullable};
use crate::pipeline::Signal;

use super::fields::Field;

/// Config of `k8sattributes`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct K8sAttributesConfig {
    pub auth_type: AuthType,
    /// Context of the kubeconfig, for `auth_type: kubeConfig`.
    pub context: String,
    /// Only note the address of the sender in `k8s.pod.ip`; the API is not asked.
    pub passthrough: bool,
    #[serde(deserialize_with = "nullable")]
    pub extract: ExtractConfig,
    #[serde(deserialize_with = "nullable")]
    pub filter: FilterConfig,
    #[serde(deserialize_with = "nullable")]
    pub pod_association: Vec<AssociationConfig>,
    #[serde(deserialize_with = "nullable")]
    pub exclude: ExcludeConfig,
    /// Do not start before the metadata is there.
    pub wait_for_metadata: bool,
    /// How long the start, or else the first batch, waits for the metadata.
    #[serde(deserialize_with = "duration")]
    pub wait_for_metadata_timeout: Duration,
    /// Accepted for compatibility: a watch that goes well needs no periodic repetition.
    #[serde(deserialize_with = "duration")]
    pub watch_sync_period: Duration,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExtractConfig {
    /// `None`: the default set.
    pub metadata: Option<Vec<String>>,
    #[serde(deserialize_with = "nullable")]
    pub labels: Vec<RuleConfig>,
    #[serde(deserialize_with = "nullable")]
    pub annotations: Vec<RuleConfig>,
    /// Pod annotations `resource.opentelemetry.io/<key>` become attributes `<key>`.
    pub otel_annotations: bool,
    /// Take the deployment's name from the ReplicaSet's, without asking the API.
    pub deployment_name_from_replicaset: bool,
}

/// One label or annotation, or several, to become attributes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleConfig {
    pub tag_name: String,
    pub key: String,
    pub key_regex: String,
    /// Takes the group `value` of the value; kept for old files.
    pub regex: String,
    pub from: Origin,
}

/// The object a rule reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    #[default]
    Pod,
    Namespace,
    Node,
    Deployment,
    StatefulSet,
    DaemonSet,
    Job,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterConfig {
    pub node: String,
    pub node_from_env_var: String,
    pub namespace: String,
    #[serde(deserialize_with = "nullable")]
    pub fields: Vec<FieldFilterConfig>,
    #[serde(deserialize_with = "nullable")]
    pub labels: Vec<FieldFilterConfig>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FieldFilterConfig {
    pub key: String,
    pub value: String,
    pub op: Operator,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operator {
    #[default]
    #[serde(alias = "")]
    Equals,
    NotEquals,
    Exists,
    DoesNotExist,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AssociationConfig {
    pub sources: Vec<SourceConfig>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceConfig {
    pub from: SourceKind,
    pub name: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    #[default]
    ResourceAttribute,
    Connection,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExcludeConfig {
    pub pods: Vec<ExcludePodConfig>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExcludePodConfig {
    /// Regular expression on the pod's name.
    pub name: String,
}

/// Values that one association combines at most.
const MOST_SOURCES: usize = 4;

impl Default for K8sAttributesConfig {
    fn default() -> Self {
        Self {
            auth_type: AuthType::ServiceAccount,
            context: String::new(),
            passthrough: false,
            extract: ExtractConfig::default(),
            filter: FilterConfig::default(),
            pod_association: Vec::new(),
            exclude: ExcludeConfig::default(),
            wait_for_metadata: false,
            wait_for_metadata_timeout: Duration::from_secs(10),
            watch_sync_period: Duration::from_mins(5),
        }
    }
}

impl Default for ExcludeConfig {
    fn default() -> Self {
        let pod = |name: &str| ExcludePodConfig { name: name.to_owned() };
        Self { pods: vec![pod("jaeger-agent"), pod("jaeger-collector")] }
    }
}

impl K8sAttributesConfig {
    /// The namespace of the filter; none means all.
    pub fn named_namespaces(&self) -> Vec<String> {
        Vec::from_iter((!self.filter.namespace.is_empty()).then(|| self.filter.namespace.clone()))
    }

    pub fn api(&self) -> ApiConfig {
        ApiConfig { auth_type: self.auth_type, context: self.context.clone() }
    }
}

impl ProcessorConfig for K8sAttributesConfig {
    fn validate(&self, issues: &mut Issues) {
        if self.auth_type == AuthType::Tls {
            issues.error(
                "auth_type",
                "\"tls\" is for the kubelet only: use serviceAccount, kubeConfig or none",
            );
        }
        for (n, name) in self.extract.metadata.iter().flatten().enumerate() {
            if Field::named(name).is_none() {
                let known: Vec<_> = Field::ALL.iter().map(|field| field.name()).collect();
                issues.error(
                    &format!("extract::metadata::{n}"),
                    format!("\"{name}\" is not a supported metadata field: choose from {}", known.join(", ")),
                );
            }
        }
        let rules = [("labels", &self.extract.labels), ("annotations", &self.extract.annotations)];
        for (kind, rules) in rules {
            for (n, rule) in rules.iter().enumerate() {
                rule.validate(&format!("extract::{kind}::{n}"), issues);
            }
        }
        for (n, filter) in self.filter.fields.iter().enumerate() {
            if matches!(filter.op, Operator::Exists | Operator::DoesNotExist) {
                let path = format!("filter::fields::{n}::op");
                issues.error(&path, "a field can be compared by \"equals\" and \"not-equals\" only");
            }
        }
        for (n, association) in self.pod_association.iter().enumerate() {
            association.validate(&format!("pod_association::{n}"), issues);
        }
        for (n, pod) in self.exclude.pods.iter().enumerate() {
            check_regex(&pod.name, &format!("exclude::pods::{n}::name"), issues);
        }
    }

    fn build(&self, context: Context, _signal: Signal) -> Result<Box<dyn Processor>, BuildError> {
        super::build(self, context)
    }
}

impl RuleConfig {
    fn validate(&self, path: &str, issues: &mut Issues) {
        match (self.key.is_empty(), self.key_regex.is_empty()) {
            (true, true) => issues.error(path, "set either key or key_regex"),
            (false, false) => issues.error(path, "key and key_regex exclude each other: remove one"),
            _ => {}
        }
        check_regex(&self.key_regex, &format!("{path}::key_regex"), issues);
        if let Some(regex) = check_regex(&self.regex, &format!("{path}::regex"), issues)
            && !self.regex.is_empty()
            && regex.capture_names().flatten().collect::<Vec<_>>() != ["value"]
        {
            issues.error(
                &format!("{path}::regex"),
                "must have exactly one named group, called \"value\": (?P<value>…)",
            );
        }
    }
}

impl AssociationConfig {
    fn validate(&self, path: &str, issues: &mut Issues) {
        if self.sources.is_empty() {
            issues.error(path, "an association needs sources");
        }
        if self.sources.len() > MOST_SOURCES {
            issues.error(path, format!("too many association sources: at most {MOST_SOURCES}"));
        }
        for (n, source) in self.sources.iter().enumerate() {
            if source.from == SourceKind::ResourceAttribute && source.name.is_empty() {
                issues
                    .error(&format!("{path}::sources::{n}::name"), "name the resource attribute to look at");
            }
        }
    }
}

fn check_regex(pattern: &str, path: &str, issues: &mut Issues) -> Option<Regex> {
    crate::pattern::compile(pattern).map_err(|error| issues.error(path, error.to_string())).ok()
}
