//! The sections of the configuration.

use serde::Deserialize;

use crate::config::types::section;
use crate::processors::transform::ErrorMode;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterConfig {
    pub error_mode: ErrorMode,
    pub logs: LogsConfig,
    pub metrics: MetricsConfig,
    pub traces: TracesConfig,
    /// The older form for traces.
    pub spans: SpansConfig,
    /// Accepted when empty: there are no profiles here.
    pub profiles: std::collections::BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogsConfig {
    pub resource: Vec<String>,
    pub log_record: Vec<String>,
    #[serde(deserialize_with = "section")]
    pub include: Option<LogMatchConfig>,
    #[serde(deserialize_with = "section")]
    pub exclude: Option<LogMatchConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    pub resource: Vec<String>,
    pub metric: Vec<String>,
    pub datapoint: Vec<String>,
    #[serde(deserialize_with = "section")]
    pub include: Option<MetricMatchConfig>,
    #[serde(deserialize_with = "section")]
    pub exclude: Option<MetricMatchConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracesConfig {
    pub resource: Vec<String>,
    pub span: Vec<String>,
    pub spanevent: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpansConfig {
    #[serde(deserialize_with = "section")]
    pub include: Option<SpanMatchConfig>,
    #[serde(deserialize_with = "section")]
    pub exclude: Option<SpanMatchConfig>,
}

/// How texts are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MatchType {
    /// Has to be chosen.
    #[default]
    #[serde(skip)]
    Unset,
    Strict,
    Regexp,
    Expr,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogMatchConfig {
    pub match_type: MatchType,
    pub resource_attributes: Vec<AttributeConfig>,
    pub record_attributes: Vec<AttributeConfig>,
    pub severity_texts: Vec<String>,
    pub bodies: Vec<String>,
    #[serde(deserialize_with = "section")]
    pub severity_number: Option<SeverityConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeverityConfig {
    /// The lowest severity that matches, by name (`WARN2`).
    pub min: String,
    /// Whether records without a severity match.
    pub match_undefined: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricMatchConfig {
    pub match_type: MatchType,
    pub metric_names: Vec<String>,
    pub expressions: Vec<String>,
    pub resource_attributes: Vec<AttributeConfig>,
    /// Options of the regexp cache upstream: accepted, without effect.
    pub regexp: Option<RegexpConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegexpConfig {
    pub cacheenabled: bool,
    pub cachemaxnumentries: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpanMatchConfig {
    pub match_type: MatchType,
    pub services: Vec<String>,
    pub span_names: Vec<String>,
    pub attributes: Vec<AttributeConfig>,
    pub resources: Vec<AttributeConfig>,
    pub libraries: Vec<LibraryConfig>,
    pub span_kinds: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttributeConfig {
    pub key: String,
    /// Without one the attribute has to exist, no more.
    pub value: Option<serde_yaml::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LibraryConfig {
    pub name: String,
    /// Without one every version matches.
    pub version: Option<String>,
}
