//! The section of the configuration, and the definitions made of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::otlp::AnyValue;
use crate::ottl::{ContextKind, Predicate};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CountConfig {
    /// Metrics by name; a default one when nothing is said. As in the other lists.
    pub spans: Option<BTreeMap<String, MetricConfig>>,
    pub spanevents: Option<BTreeMap<String, MetricConfig>>,
    pub metrics: Option<BTreeMap<String, MetricConfig>>,
    pub datapoints: Option<BTreeMap<String, MetricConfig>>,
    pub logs: Option<BTreeMap<String, MetricConfig>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricConfig {
    pub description: String,
    /// An item is counted when one of them holds, or there are none.
    pub conditions: Vec<String>,
    /// What counts are kept apart by; an item without one is not counted.
    pub attributes: Vec<AttributeConfig>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttributeConfig {
    pub key: String,
    /// The value for items without the attribute.
    pub default_value: AnyValue,
}

/// What can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Spans,
    SpanEvents,
    Metrics,
    DataPoints,
    Logs,
}

/// A metric that counts.
#[derive(Debug)]
pub struct Definition {
    pub counts: Counted,
    pub name: String,
    pub description: String,
    pub conditions: Vec<Predicate>,
    pub attributes: Vec<AttributeConfig>,
}

impl Counted {
    pub fn context(self) -> ContextKind {
        match self {
            Self::Spans => ContextKind::Span,
            Self::SpanEvents => ContextKind::SpanEvent,
            Self::Metrics => ContextKind::Metric,
            Self::DataPoints => ContextKind::DataPoint,
            Self::Logs => ContextKind::Log,
        }
    }

    /// The key in the configuration.
    fn key(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::SpanEvents => "spanevents",
            Self::Metrics => "metrics",
            Self::DataPoints => "datapoints",
            Self::Logs => "logs",
        }
    }

    /// Name and description of the metric when none is configured.
    fn default_metric(self) -> (&'static str, &'static str) {
        match self {
            Self::Spans => ("trace.span.count", "The number of spans observed."),
            Self::SpanEvents => ("trace.span.event.count", "The number of span events observed."),
            Self::Metrics => ("metric.count", "The number of metrics observed."),
            Self::DataPoints => ("metric.datapoint.count", "The number of data points observed."),
            Self::Logs => ("log.record.count", "The number of log records observed."),
        }
    }
}

/// Mistakes: where and what.
type Faults = Vec<(String, String)>;

impl CountConfig {
    pub fn compile(&self) -> Result<Vec<Definition>, Faults> {
        let mut definitions = Vec::new();
        let mut faults = Faults::new();
        for (counts, metrics) in [
            (Counted::Spans, &self.spans),
            (Counted::SpanEvents, &self.spanevents),
            (Counted::Metrics, &self.metrics),
            (Counted::DataPoints, &self.datapoints),
            (Counted::Logs, &self.logs),
        ] {
            match metrics {
                None => definitions.push(default_definition(counts)),
                Some(metrics) => definitions
                    .extend(metrics.iter().map(|(name, config)| compile(counts, name, config, &mut faults))),
            }
        }
        if faults.is_empty() { Ok(definitions) } else { Err(faults) }
    }
}

fn default_definition(counts: Counted) -> Definition {
    let (name, description) = counts.default_metric();
    Definition {
        counts,
        name: name.to_owned(),
        description: description.to_owned(),
        conditions: Vec::new(),
        attributes: Vec::new(),
    }
}

fn compile(counts: Counted, name: &str, config: &MetricConfig, faults: &mut Faults) -> Definition {
    let path = format!("{}::{name}", counts.key());
    if name.is_empty() {
        faults.push((counts.key().to_owned(), "metric name missing".to_owned()));
    }
    let mut conditions = Vec::new();
    for (i, text) in config.conditions.iter().enumerate() {
        match Predicate::compile(text, counts.context()) {
            Ok(condition) => conditions.push(condition),
            Err(error) => faults.push((format!("{path}::conditions::{i}"), error.to_string())),
        }
    }
    if counts == Counted::Metrics && !config.attributes.is_empty() {
        let message = "a metric has no attributes: count data points by them, or metrics by a condition";
        faults.push((format!("{path}::attributes"), message.to_owned()));
    }
    for (i, attribute) in config.attributes.iter().enumerate() {
        if attribute.key.is_empty() {
            faults.push((format!("{path}::attributes::{i}::key"), "attribute key missing".to_owned()));
        }
    }
    Definition {
        counts,
        name: name.to_owned(),
        description: config.description.clone(),
        conditions,
        attributes: config.attributes.clone(),
    }
}
