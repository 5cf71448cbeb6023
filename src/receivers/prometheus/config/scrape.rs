//! `global` and `scrape_configs` as they are written.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::http::with_http_keys;
use super::values::{PromDuration, PromSize};
use crate::config::Node;
use crate::receivers::prometheus::relabel::RelabelConfig;

/// The part of a Prometheus configuration that an agent can use.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Document {
    pub global: Global,
    pub scrape_configs: Vec<ScrapeConfig>,
    pub scrape_config_files: Vec<String>,
    /// Accepted, without effect.
    pub runtime: Option<Node>,
    pub storage: Option<Node>,
    pub otlp: Option<Node>,
    pub tracing: Option<Node>,
    /// Not for a receiver.
    pub remote_write: Vec<Node>,
    pub remote_read: Vec<Node>,
    pub rule_files: Vec<String>,
    pub alerting: Alerting,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alerting {
    pub alertmanagers: Vec<Node>,
    pub alert_relabel_configs: Vec<Node>,
}

/// Defaults of all jobs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Global {
    pub scrape_interval: Option<PromDuration>,
    pub scrape_timeout: Option<PromDuration>,
    pub scrape_protocols: Option<Vec<String>>,
    pub external_labels: BTreeMap<String, String>,
    pub body_size_limit: PromSize,
    pub sample_limit: u64,
    pub label_limit: u64,
    pub label_name_length_limit: u64,
    pub label_value_length_limit: u64,
    pub target_limit: u64,
    pub keep_dropped_targets: u64,
    pub scrape_native_histograms: Option<bool>,
    pub always_scrape_classic_histograms: Option<bool>,
    pub convert_classic_histograms_to_nhcb: Option<bool>,
    pub extra_scrape_metrics: Option<bool>,
    pub metric_name_validation_scheme: String,
    pub metric_name_escaping_scheme: String,
    /// Accepted, without effect: for rules and queries.
    pub evaluation_interval: Option<PromDuration>,
    pub rule_query_offset: Option<PromDuration>,
    pub query_log_file: String,
    pub scrape_failure_log_file: String,
    pub runtime: Option<Node>,
}

with_http_keys! {
    /// One job.
    pub struct ScrapeConfig {
        pub job_name: String,
        pub scrape_interval: Option<PromDuration>,
        pub scrape_timeout: Option<PromDuration>,
        pub scrape_protocols: Option<Vec<String>>,
        pub fallback_scrape_protocol: Option<String>,
        pub scrape_native_histograms: Option<bool>,
        pub always_scrape_classic_histograms: Option<bool>,
        pub convert_classic_histograms_to_nhcb: Option<bool>,
        pub extra_scrape_metrics: Option<bool>,
        pub metrics_path: Option<String>,
        pub scheme: Option<String>,
        pub params: BTreeMap<String, Vec<String>>,
        pub honor_labels: bool,
        pub honor_timestamps: Option<bool>,
        pub track_timestamps_staleness: bool,
        pub enable_compression: Option<bool>,
        pub body_size_limit: PromSize,
        pub sample_limit: u64,
        pub label_limit: u64,
        pub label_name_length_limit: u64,
        pub label_value_length_limit: u64,
        pub target_limit: u64,
        pub keep_dropped_targets: u64,
        pub native_histogram_bucket_limit: u64,
        pub native_histogram_min_bucket_factor: f64,
        pub metric_name_validation_scheme: String,
        pub metric_name_escaping_scheme: String,
        pub scrape_failure_log_file: String,
        pub relabel_configs: Vec<RelabelConfig>,
        pub metric_relabel_configs: Vec<RelabelConfig>,
        pub static_configs: Vec<StaticConfig>,
        pub file_sd_configs: Vec<FileSdConfig>,
        pub http_sd_configs: Vec<HttpSdConfig>,
        pub kubernetes_sd_configs: Vec<KubernetesSdConfig>,
        pub azure_sd_configs: Vec<Node>,
        pub consul_sd_configs: Vec<Node>,
        pub dns_sd_configs: Vec<Node>,
        pub docker_sd_configs: Vec<Node>,
        pub ec2_sd_configs: Vec<Node>,
        pub gce_sd_configs: Vec<Node>,
    }
}

/// Targets that share labels.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StaticConfig {
    pub targets: Vec<String>,
    pub labels: BTreeMap<String, String>,
}

/// Targets from files that somebody else writes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileSdConfig {
    pub files: Vec<String>,
    pub refresh_interval: Option<PromDuration>,
}

with_http_keys! {
    /// Targets from a web service.
    pub struct HttpSdConfig {
        pub url: String,
        pub refresh_interval: Option<PromDuration>,
    }
}

with_http_keys! {
    /// Targets from the Kubernetes API.
    pub struct KubernetesSdConfig {
        pub role: String,
        pub api_server: String,
        pub kubeconfig_file: String,
        pub namespaces: Namespaces,
        pub selectors: Vec<Selector>,
        pub attach_metadata: AttachMetadata,
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Namespaces {
    pub own_namespace: bool,
    pub names: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selector {
    pub role: String,
    pub label: String,
    pub field: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttachMetadata {
    pub node: bool,
    pub namespace: bool,
}

impl ScrapeConfig {
    /// Discoveries that this agent does not have, of those that are configured.
    pub fn foreign_discoveries(&self) -> impl Iterator<Item = &'static str> {
        [
            ("azure_sd_configs", &self.azure_sd_configs),
            ("consul_sd_configs", &self.consul_sd_configs),
            ("dns_sd_configs", &self.dns_sd_configs),
            ("docker_sd_configs", &self.docker_sd_configs),
            ("ec2_sd_configs", &self.ec2_sd_configs),
            ("gce_sd_configs", &self.gce_sd_configs),
        ]
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(key, _)| key)
    }
}
