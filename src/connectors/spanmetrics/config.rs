//! The section of the configuration.

use std::time::Duration;

use serde::Deserialize;

use crate::config::Issues;
use crate::config::types::{duration, section};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpanMetricsConfig {
    pub histogram: HistogramConfig,
    /// Of all metrics, on top of the four that every span has.
    pub dimensions: Vec<DimensionConfig>,
    /// Of the number of calls alone, on top of `dimensions`.
    pub calls_dimensions: Vec<DimensionConfig>,
    /// Which of the four that every span has are left out.
    pub exclude_dimensions: Vec<String>,
    /// Only a cache upstream: accepted, without effect.
    pub dimensions_cache_size: i64,
    /// How many resources are remembered.
    pub resource_metrics_cache_size: i64,
    /// The attributes that tell resources apart; all when there are none.
    pub resource_metrics_key_attributes: Vec<String>,
    pub aggregation_temporality: TemporalityConfig,
    /// How often metrics are sent; 0: after each batch.
    #[serde(deserialize_with = "duration")]
    pub metrics_flush_interval: Duration,
    /// Resources without a span for so long are forgotten; 0: never.
    #[serde(deserialize_with = "duration")]
    pub metrics_expiration: Duration,
    /// How many series keep the time of their last delta.
    pub metric_timestamp_cache_size: i64,
    /// Comes before the names of the metrics.
    pub namespace: String,
    pub exemplars: ExemplarsConfig,
    pub events: EventsConfig,
    /// Scopes whose name and version become dimensions.
    pub include_instrumentation_scope: Vec<String>,
    /// Series of one metric and resource; what is beyond shares one. 0: only the limit of all.
    pub aggregation_cardinality_limit: i64,
    /// Resource attributes are always on the metrics: accepted, without effect.
    pub add_resource_attributes: bool,
}

/// An attribute of spans or resources that tells series apart.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DimensionConfig {
    pub name: String,
    /// The value where there is none; without it the dimension is left out there.
    pub default: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistogramConfig {
    pub disable: bool,
    pub unit: Unit,
    #[serde(deserialize_with = "section")]
    pub explicit: Option<ExplicitConfig>,
    #[serde(deserialize_with = "section")]
    pub exponential: Option<ExponentialConfig>,
    /// Of the durations alone, on top of `dimensions`.
    pub dimensions: Vec<DimensionConfig>,
}

/// What durations are measured in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Unit {
    #[default]
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "s")]
    Seconds,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
        }
    }

    /// How many nanoseconds are one.
    pub fn nanos(self) -> f64 {
        match self {
            Self::Milliseconds => 1e6,
            Self::Seconds => 1e9,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExplicitConfig {
    /// Upper bounds of the buckets, ascending.
    pub buckets: Option<Vec<Bound>>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub struct Bound(#[serde(deserialize_with = "duration")] pub Duration);

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExponentialConfig {
    /// The most buckets; 0: 160.
    pub max_size: i64,
}

impl Default for ExponentialConfig {
    fn default() -> Self {
        Self { max_size: DEFAULT_MAX_SIZE }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TemporalityConfig {
    #[default]
    #[serde(rename = "AGGREGATION_TEMPORALITY_CUMULATIVE")]
    Cumulative,
    #[serde(rename = "AGGREGATION_TEMPORALITY_DELTA")]
    Delta,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExemplarsConfig {
    pub enabled: bool,
    /// How many a point gets between two flushes.
    pub max_per_data_point: usize,
}

impl Default for ExemplarsConfig {
    fn default() -> Self {
        Self { enabled: false, max_per_data_point: 5 }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventsConfig {
    pub enabled: bool,
    /// Attributes of span events, on top of `dimensions`.
    pub dimensions: Vec<DimensionConfig>,
}

const DEFAULT_MAX_SIZE: i64 = 160;
const MAX_SIZES: std::ops::RangeInclusive<i64> = 2..=16_384;

/// The default bounds in milliseconds.
const BOUNDS_MS: [f64; 16] = [
    2.0, 4.0, 6.0, 8.0, 10.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1000.0, 1400.0, 2000.0, 5000.0, 10_000.0,
    15_000.0,
];

/// The dimensions that every span has.
pub const BUILT_IN: [&str; 4] = ["service.name", "span.name", "span.kind", "status.code"];

impl Default for SpanMetricsConfig {
    fn default() -> Self {
        Self {
            histogram: HistogramConfig::default(),
            dimensions: Vec::new(),
            calls_dimensions: Vec::new(),
            exclude_dimensions: Vec::new(),
            dimensions_cache_size: 1000,
            resource_metrics_cache_size: 1000,
            resource_metrics_key_attributes: Vec::new(),
            aggregation_temporality: TemporalityConfig::Cumulative,
            metrics_flush_interval: Duration::from_secs(60),
            metrics_expiration: Duration::ZERO,
            metric_timestamp_cache_size: 1000,
            namespace: "traces.span.metrics".to_owned(),
            exemplars: ExemplarsConfig::default(),
            events: EventsConfig::default(),
            include_instrumentation_scope: Vec::new(),
            aggregation_cardinality_limit: 0,
            add_resource_attributes: false,
        }
    }
}

impl SpanMetricsConfig {
    pub fn check(&self, issues: &mut Issues) {
        self.check_dimensions("dimensions", &[], issues);
        self.check_dimensions("calls_dimensions", &self.calls_dimensions, issues);
        self.check_dimensions("histogram::dimensions", &self.histogram.dimensions, issues);
        if self.events.enabled {
            self.check_dimensions("events::dimensions", &self.events.dimensions, issues);
            if self.events.dimensions.is_empty() {
                issues.error("events::dimensions", "no dimensions configured for events: name at least one");
            }
        }
        if self.histogram.explicit.is_some() && self.histogram.exponential.is_some() {
            issues.error("histogram", "use either \"explicit\" or \"exponential\": remove the other");
        }
        if let Some(exponential) = &self.histogram.exponential
            && exponential.max_size != 0
            && !MAX_SIZES.contains(&exponential.max_size)
        {
            let message = format!("must be {} to {}", MAX_SIZES.start(), MAX_SIZES.end());
            issues.error("histogram::exponential::max_size", message);
        }
        let buckets = self.histogram.explicit.as_ref().and_then(|explicit| explicit.buckets.as_ref());
        if buckets.is_some_and(|buckets| !buckets.is_sorted_by(|a, b| a.0 < b.0)) {
            issues.error("histogram::explicit::buckets", "must be ascending, without a bound given twice");
        }
        for (key, size) in [
            ("dimensions_cache_size", self.dimensions_cache_size),
            ("resource_metrics_cache_size", self.resource_metrics_cache_size),
            ("metric_timestamp_cache_size", self.metric_timestamp_cache_size),
        ] {
            if size <= 0 {
                issues.error(key, format!("invalid cache size {size}: must be positive"));
            }
        }
        if self.aggregation_cardinality_limit < 0 {
            issues.error("aggregation_cardinality_limit", "must not be negative: 0 sets no limit");
        }
    }

    /// `own` on top of the common ones: no name twice, none empty.
    fn check_dimensions(&self, path: &str, own: &[DimensionConfig], issues: &mut Issues) {
        let common = self.dimensions.iter();
        let mut seen: Vec<&str> = BUILT_IN.to_vec();
        let (known, new): (Vec<_>, Vec<_>) = if path == "dimensions" {
            (Vec::new(), common.collect())
        } else {
            (common.collect(), own.iter().collect())
        };
        seen.extend(known.iter().map(|dimension| dimension.name.as_str()));
        for dimension in new {
            if dimension.name.is_empty() {
                issues.error(path, "a dimension has no name");
            } else if seen.contains(&dimension.name.as_str()) {
                issues.error(path, format!("duplicate dimension name \"{}\"", dimension.name));
            }
            seen.push(&dimension.name);
        }
    }

    /// The upper bounds of explicit buckets in the configured unit.
    pub fn bounds(&self) -> Vec<f64> {
        let unit = self.histogram.unit.nanos();
        match self.histogram.explicit.as_ref().and_then(|explicit| explicit.buckets.as_ref()) {
            Some(buckets) => buckets.iter().map(|bound| bound.0.as_nanos() as f64 / unit).collect(),
            None => BOUNDS_MS.iter().map(|ms| ms * 1e6 / unit).collect(),
        }
    }

    /// The most buckets of an exponential histogram, when that is what is wanted.
    pub fn max_size(&self) -> Option<usize> {
        let size = self.histogram.exponential.as_ref()?.max_size;
        Some(if size == 0 { DEFAULT_MAX_SIZE } else { size } as usize)
    }
}
