//! `isolationforest`: scores how unlike the others an item is.

mod features;
mod forest;
mod model;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::component::{
    BuildError, Context, Next, Processor, ProcessorConfig, ProcessorType, decode_processor,
};
use crate::config::{Issues, types};
use crate::otlp::attributes::attributes_of;
use crate::otlp::metrics::{Data as MetricData, ResourceMetrics};
use crate::otlp::{Attributes, KeyValue, Str};
use crate::pipeline::{Batch, Data, Signal};
use crate::telemetry::Counter;

use features::Features;
use model::{Model, Settings};

pub static TYPE: ProcessorType = ProcessorType {
    name: "isolationforest",
    aliases: &["isolation_forest"],
    signals: &Signal::ALL,
    decode: decode_processor::<IsolationForestConfig>,
};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IsolationForestConfig {
    /// Trees, 1 to 1000.
    forest_size: usize,
    /// Items that each tree is made of.
    subsample_size: usize,
    /// The share of items that are taken for anomalies when `threshold` is 0.
    contamination_rate: f64,
    /// `enrich` writes attributes, `filter` hands anomalies on alone, `both` does both.
    mode: String,
    /// Scores from here on are anomalies; 0 = what `contamination_rate` makes of the last training.
    threshold: f64,
    /// How far back training looks.
    #[serde(deserialize_with = "types::duration")]
    training_window: Duration,
    /// How often the forest is grown anew.
    #[serde(deserialize_with = "types::duration")]
    update_frequency: Duration,
    /// Items before the first training; none are scored before.
    min_samples: usize,
    score_attribute: String,
    classification_attribute: String,
    features: FeaturesConfig,
    /// Forests of their own for items with these attributes; the first that fits is used.
    models: Vec<ModelConfig>,
    performance: Performance,
    adaptive_window: Option<AdaptiveWindow>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FeaturesConfig {
    traces: Vec<String>,
    metrics: Vec<String>,
    logs: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ModelConfig {
    name: String,
    selector: BTreeMap<String, String>,
    features: Vec<String>,
    threshold: Option<f64>,
    forest_size: Option<usize>,
    subsample_size: Option<usize>,
    contamination_rate: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Performance {
    /// The most that samples for training take.
    max_memory_mb: usize,
    /// Accepted: the pipeline's own batches and thread are used.
    #[serde(rename = "batch_size")]
    _batch_size: usize,
    #[serde(rename = "parallel_workers")]
    _parallel_workers: usize,
}

/// Limits on the samples that are kept. Beside `max_window_size` and `memory_limit_mb` they are
/// accepted without effect: the window always holds all samples that fit.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AdaptiveWindow {
    enabled: bool,
    max_window_size: usize,
    memory_limit_mb: usize,
    #[serde(rename = "min_window_size")]
    _min_window_size: usize,
    #[serde(rename = "adaptation_rate")]
    _adaptation_rate: f64,
    #[serde(rename = "velocity_threshold")]
    _velocity_threshold: f64,
    #[serde(rename = "stability_check_interval", deserialize_with = "types::duration")]
    _stability_check_interval: Duration,
}

impl Default for IsolationForestConfig {
    fn default() -> Self {
        Self {
            forest_size: 100,
            subsample_size: 256,
            contamination_rate: 0.1,
            mode: "enrich".to_owned(),
            threshold: 0.7,
            training_window: Duration::from_secs(24 * 3600),
            update_frequency: Duration::from_secs(3600),
            min_samples: 1000,
            score_attribute: "anomaly.isolation_score".to_owned(),
            classification_attribute: "anomaly.is_anomaly".to_owned(),
            features: FeaturesConfig::default(),
            models: Vec::new(),
            performance: Performance::default(),
            adaptive_window: None,
        }
    }
}

impl Default for FeaturesConfig {
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            traces: list(&["duration", "error", "http.status_code"]),
            metrics: list(&["value", "rate_of_change"]),
            logs: list(&["severity_number", "timestamp_gap"]),
        }
    }
}

impl Default for Performance {
    fn default() -> Self {
        Self { max_memory_mb: 512, _batch_size: 1000, _parallel_workers: 4 }
    }
}

impl Default for AdaptiveWindow {
    fn default() -> Self {
        Self {
            enabled: false,
            max_window_size: 100_000,
            memory_limit_mb: 256,
            _min_window_size: 1000,
            _adaptation_rate: 0.1,
            _velocity_threshold: 50.0,
            _stability_check_interval: Duration::from_secs(300),
        }
    }
}

impl ProcessorConfig for IsolationForestConfig {
    fn validate(&self, issues: &mut Issues) {
        check_forest(issues, "forest_size", self.forest_size);
        check_share(issues, "contamination_rate", self.contamination_rate);
        check_share(issues, "threshold", self.threshold);
        if !matches!(self.mode.as_str(), "enrich" | "filter" | "both") {
            issues.error("mode", "must be enrich, filter or both");
        }
        if self.subsample_size < 2 {
            issues.error("subsample_size", "must be at least 2");
        }
        if self.min_samples < 2 {
            issues.error("min_samples", "must be at least 2");
        }
        for (key, name) in [
            ("score_attribute", &self.score_attribute),
            ("classification_attribute", &self.classification_attribute),
        ] {
            if name.is_empty() {
                issues.error(key, "must not be empty");
            }
        }
        if self.score_attribute == self.classification_attribute {
            issues.error("classification_attribute", "must differ from score_attribute");
        }
        let FeaturesConfig { traces, metrics, logs } = &self.features;
        if traces.is_empty() && metrics.is_empty() && logs.is_empty() {
            issues.error("features", "at least one of traces, metrics and logs is required");
        }
        for (index, model) in self.models.iter().enumerate() {
            let mut issues = issues.within(&format!("models::{index}"));
            if model.name.is_empty() {
                issues.error("name", "is required");
            }
            if model.selector.is_empty() {
                issues.error("selector", "is required: without one the model fits every item");
            }
            if let Some(size) = model.forest_size {
                check_forest(&mut issues, "forest_size", size);
            }
            if model.subsample_size.is_some_and(|size| size < 2) {
                issues.error("subsample_size", "must be at least 2");
            }
            for (key, share) in
                [("threshold", model.threshold), ("contamination_rate", model.contamination_rate)]
            {
                check_share(&mut issues, key, share.unwrap_or_default());
            }
        }
    }

    fn build(&self, context: Context, signal: Signal) -> Result<Box<dyn Processor>, BuildError> {
        let names = match signal {
            Signal::Traces => &self.features.traces,
            Signal::Metrics => &self.features.metrics,
            Signal::Logs => &self.features.logs,
        };
        let build = |model: &ModelConfig| {
            let names = if model.features.is_empty() { names } else { &model.features };
            let settings = self.settings(model, names.len());
            Model::new(Features::new(names, signal), settings, seed(), Instant::now())
        };
        let selector = |model: &ModelConfig| {
            model.selector.iter().map(|(key, value)| (key.into(), value.into())).collect()
        };
        let selectors = self.models.iter().map(selector).collect();
        let models = self.models.iter().chain([&ModelConfig::default()]).map(build).collect();
        let id = context.id.to_string();
        Ok(Box::new(IsolationForest {
            selectors,
            models,
            enriches: self.mode != "filter",
            filters: self.mode != "enrich",
            score: self.score_attribute.as_str().into(),
            class: self.classification_attribute.as_str().into(),
            dropped: context
                .telemetry
                .counter("otelcol_processor_isolationforest_filtered_items", &[("processor", &id)]),
        }))
    }
}

fn check_forest(issues: &mut Issues, key: &str, size: usize) {
    if !(1..=1000).contains(&size) {
        issues.error(key, "must be from 1 to 1000");
    }
}

fn check_share(issues: &mut Issues, key: &str, share: f64) {
    if !(0.0..=1.0).contains(&share) {
        issues.error(key, "must be from 0 to 1");
    }
}

/// A seed that differs from start to start.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

impl IsolationForestConfig {
    fn settings(&self, model: &ModelConfig, features: usize) -> Settings {
        let sample_bytes = (features + 1) * size_of::<f64>() + size_of::<Instant>();
        let adaptive = self.adaptive_window.as_ref().filter(|window| window.enabled);
        let max_bytes = adaptive
            .map_or(self.performance.max_memory_mb, |window| window.memory_limit_mb)
            .min(self.performance.max_memory_mb)
            << 20;
        let max_samples =
            adaptive.map_or(AdaptiveWindow::default().max_window_size, |window| window.max_window_size);
        Settings {
            trees: model.forest_size.unwrap_or(self.forest_size),
            subsample: model.subsample_size.unwrap_or(self.subsample_size),
            contamination: model.contamination_rate.unwrap_or(self.contamination_rate),
            threshold: model.threshold.unwrap_or(self.threshold),
            window: self.training_window,
            every: self.update_frequency,
            min_samples: self.min_samples,
            max_samples: max_samples.min(max_bytes / sample_bytes).max(self.min_samples),
        }
    }
}

struct IsolationForest {
    /// What items need for the model at the same place.
    selectors: Vec<Vec<(Str, Str)>>,
    /// One per selector, and the one for all other items.
    models: Vec<Model>,
    enriches: bool,
    filters: bool,
    score: Str,
    class: Str,
    dropped: Counter,
}

impl Processor for IsolationForest {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        let before = batch.items() as u64;
        let now = Instant::now();
        match batch.data_mut() {
            Data::Traces(all) => all.retain_mut(|group| {
                let resource = attributes_of(group.resource.as_ref());
                group.scope_spans.retain_mut(|scoped| {
                    scoped.spans.retain_mut(|span| {
                        let model = self.model_for(resource, &span.attributes);
                        let sample = self.models[model].features.of_span(span);
                        self.keeps(model, sample, &mut span.attributes, now)
                    });
                    !scoped.spans.is_empty()
                });
                !group.scope_spans.is_empty()
            }),
            Data::Logs(all) => all.retain_mut(|group| {
                let resource = attributes_of(group.resource.as_ref());
                group.scope_logs.retain_mut(|scoped| {
                    scoped.log_records.retain_mut(|record| {
                        let model = self.model_for(resource, &record.attributes);
                        let sample = self.models[model].features.of_record(record);
                        self.keeps(model, sample, &mut record.attributes, now)
                    });
                    !scoped.log_records.is_empty()
                });
                !group.scope_logs.is_empty()
            }),
            Data::Metrics(all) => all.retain_mut(|group| self.score_metrics(group, now)),
        }
        let after = batch.items() as u64;
        self.dropped.add(before - after);
        if after > 0 || before == 0 {
            next.send(batch);
        }
    }
}

impl IsolationForest {
    /// Histograms and summaries have no one value: they pass.
    fn score_metrics(&mut self, group: &mut ResourceMetrics, now: Instant) -> bool {
        let resource = attributes_of(group.resource.as_ref());
        group.scope_metrics.retain_mut(|scoped| {
            scoped.metrics.retain_mut(|metric| {
                let points = match &mut metric.data {
                    Some(MetricData::Gauge(gauge)) => &mut gauge.data_points,
                    Some(MetricData::Sum(sum)) => &mut sum.data_points,
                    _ => return true,
                };
                points.retain_mut(|point| {
                    let model = self.model_for(resource, &point.attributes);
                    let sample = self.models[model].features.of_point(resource, &metric.name, point);
                    self.keeps(model, sample, &mut point.attributes, now)
                });
                !points.is_empty()
            });
            !scoped.metrics.is_empty()
        });
        !group.scope_metrics.is_empty()
    }

    /// The model of the first selector that the item's own or its resource's attributes have.
    fn model_for(&self, resource: &[KeyValue], attributes: &[KeyValue]) -> usize {
        let has = |key: &Str, value: &Str| {
            let entry = attributes.iter().chain(resource).find(|entry| entry.key == *key);
            entry.and_then(|entry| entry.value.as_str()) == Some(value)
        };
        let fits = |selector: &Vec<(Str, Str)>| selector.iter().all(|(key, value)| has(key, value));
        self.selectors.iter().position(fits).unwrap_or(self.selectors.len())
    }

    /// Scores one item and learns from it; before the first training every item is kept.
    fn keeps(
        &mut self,
        model: usize,
        sample: Vec<f64>,
        attributes: &mut Vec<KeyValue>,
        now: Instant,
    ) -> bool {
        let Some((score, anomaly)) = self.models[model].observe(sample, now) else { return true };
        if self.enriches {
            attributes.set(self.score.clone(), score);
            attributes.set(self.class.clone(), anomaly);
        }
        anomaly || !self.filters
    }
}

#[cfg(test)]
mod tests;
