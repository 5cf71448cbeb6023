//! `service::telemetry`: what the agent says about itself.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, IntoDeserializer};

use super::decode::Issues;
use super::node::Node;
use super::periodic::PeriodicReader;
use super::types::duration;
use crate::otlp::AnyValue;

/// The section `service::telemetry`. What has no use here is accepted with a warning.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    pub logs: LogsConfig,
    pub metrics: MetricsConfig,
    pub traces: TracesConfig,
    /// Attributes of the agent's own resource; null takes one away.
    pub resource: BTreeMap<String, Option<AnyValue>>,
}

/// The agent's own log.
#[derive(Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogsConfig {
    #[serde(deserialize_with = "any_case")]
    pub level: LogLevel,
    /// Unset: JSON, one object a line.
    pub encoding: Option<LogEncoding>,
    pub development: bool,
    pub disable_caller: bool,
    pub disable_stacktrace: bool,
    pub sampling: Option<SamplingConfig>,
    /// `stderr`, `stdout` or a file.
    pub output_paths: Vec<String>,
    pub error_output_paths: Vec<String>,
    /// Fields of every line.
    pub initial_fields: BTreeMap<String, Node>,
    pub processors: Vec<Node>,
    pub disable_zap_resource: bool,
}

/// Limits on lines of the same text.
#[derive(Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingConfig {
    pub enabled: bool,
    #[serde(deserialize_with = "duration")]
    pub tick: Duration,
    /// Lines of one text that pass in each tick,
    pub initial: u64,
    /// and of those after them one in so many; 0: none.
    pub thereafter: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    #[default]
    Info,
    #[serde(alias = "warning")]
    Warn,
    Error,
    Dpanic,
    Panic,
    Fatal,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogEncoding {
    #[default]
    Console,
    Json,
}

/// The agent's own metrics.
#[derive(Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    #[serde(deserialize_with = "any_case")]
    pub level: MetricsLevel,
    /// The old way to say where they are served, `host:port`.
    pub address: Option<String>,
    pub readers: Vec<Reader>,
    pub views: Vec<Node>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricsLevel {
    None,
    Basic,
    #[default]
    Normal,
    Detailed,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reader {
    pub pull: Option<PullReader>,
    pub periodic: Option<PeriodicReader>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PullReader {
    pub exporter: PullExporter,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PullExporter {
    #[serde(deserialize_with = "super::types::section")]
    pub prometheus: Option<PrometheusReader>,
}

/// A page that Prometheus scrapes.
#[derive(Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrometheusReader {
    pub host: String,
    pub port: u16,
    pub without_scope_info: bool,
    pub without_type_suffix: bool,
    pub without_units: bool,
    pub with_resource_constant_labels: Node,
    pub translation_strategy: String,
}

/// The agent's own spans, of which there are none.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracesConfig {
    #[serde(deserialize_with = "any_case")]
    pub level: MetricsLevel,
    pub propagators: Vec<String>,
    pub processors: Vec<Node>,
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            encoding: None,
            development: false,
            disable_caller: false,
            disable_stacktrace: false,
            sampling: Some(SamplingConfig::default()),
            output_paths: vec!["stderr".to_owned()],
            error_output_paths: vec!["stderr".to_owned()],
            initial_fields: BTreeMap::new(),
            processors: Vec::new(),
            disable_zap_resource: false,
        }
    }
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self { enabled: true, tick: Duration::from_secs(10), initial: 10, thereafter: 100 }
    }
}

impl Default for MetricsConfig {
    fn default() -> Self {
        // Names as the collector serves them when nothing is configured.
        let plain = PrometheusReader {
            without_scope_info: true,
            without_type_suffix: true,
            without_units: true,
            ..PrometheusReader::default()
        };
        let page = PullExporter { prometheus: Some(plain) };
        Self {
            level: MetricsLevel::Normal,
            address: None,
            readers: vec![Reader { pull: Some(PullReader { exporter: page }), periodic: None }],
            views: Vec::new(),
        }
    }
}

impl Default for PrometheusReader {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 8888,
            without_scope_info: false,
            without_type_suffix: false,
            without_units: false,
            with_resource_constant_labels: Node::default(),
            translation_strategy: String::new(),
        }
    }
}

impl MetricsConfig {
    /// The readers that send; none when own metrics are turned off.
    pub fn periodic(&self) -> impl Iterator<Item = &PeriodicReader> {
        let readers = if self.level == MetricsLevel::None { &[][..] } else { &self.readers };
        readers.iter().filter_map(|reader| reader.periodic.as_ref())
    }

    /// `host:port` of the page with the agent's own metrics; none when it is turned off.
    pub fn endpoint(&self) -> Option<String> {
        if self.level == MetricsLevel::None {
            return None;
        }
        if let Some(address) = self.address.as_ref().filter(|address| !address.is_empty()) {
            return Some(address.clone());
        }
        let page =
            self.readers.iter().find_map(|reader| reader.pull.as_ref()?.exporter.prometheus.as_ref())?;
        let host = if page.host.contains(':') { format!("[{}]", page.host) } else { page.host.clone() };
        Some(format!("{host}:{}", page.port))
    }
}

impl TelemetryConfig {
    pub(super) fn validate(&self, issues: &mut Issues<'_>) {
        const IGNORED: &str = "has no effect in this agent";
        if self.metrics.level != MetricsLevel::None && self.metrics.readers.is_empty() {
            issues.error("metrics::readers", "at least one reader is needed unless the level is \"none\"");
        }
        let mut ignored = |path: &str, is_set: bool| {
            if is_set {
                issues.warn(path, IGNORED);
            }
        };
        ignored("logs::processors", !self.logs.processors.is_empty());
        ignored("metrics::views", !self.metrics.views.is_empty());
        ignored("traces::processors", !self.traces.processors.is_empty());
        for (i, reader) in self.metrics.readers.iter().enumerate() {
            if let Some(periodic) = &reader.periodic {
                periodic.validate(&format!("metrics::readers::{i}::periodic"), issues);
            }
        }
    }
}

/// A word of an enum in any case.
fn any_case<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let word = String::deserialize(deserializer)?.to_lowercase();
    T::deserialize(word.into_deserializer())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_yaml;

    #[test]
    fn the_metrics_page_is_where_it_was_asked_for() {
        let endpoint = |yaml: &str| from_yaml::<TelemetryConfig>(yaml).unwrap().metrics.endpoint();
        let page = |text: &str| Some(text.to_owned());
        assert_eq!(endpoint(""), page("localhost:8888"));
        assert_eq!(endpoint("metrics: {level: none}"), None);
        assert_eq!(endpoint("metrics: {level: Detailed}"), page("localhost:8888"));
        assert_eq!(endpoint("metrics: {address: '0.0.0.0:1'}"), page("0.0.0.0:1"));
        assert_eq!(
            endpoint("metrics: {readers: [{pull: {exporter: {prometheus: {host: '::', port: 9}}}}]}"),
            page("[::]:9")
        );
    }

    #[test]
    fn mistakes_are_errors() {
        let error = |yaml: &str| from_yaml::<TelemetryConfig>(yaml).unwrap_err();
        assert_eq!(
            error("logs: {level: loud}"),
            "1:15: logs::level: unknown value \"loud\" (valid values: debug, info, warn, warning, error, dpanic, panic, fatal)"
        );
        assert_eq!(
            error("metrics: {levl: none}"),
            "1:11: metrics: unknown key \"levl\", did you mean \"level\"?"
        );
        let config: TelemetryConfig =
            from_yaml("{logs: {level: WARN}, resource: {a: 1, service.name: null}}").unwrap();
        assert_eq!(config.logs.level, LogLevel::Warn);
        assert_eq!(config.resource["service.name"], None);
        assert_eq!(config.resource["a"], Some(AnyValue::Int(1)));
    }
}
