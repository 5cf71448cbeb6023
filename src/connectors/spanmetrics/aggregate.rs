//! From spans to the state of series. Finding the series of a span allocates nothing.

use std::time::Instant;

use super::config::SpanMetricsConfig;
use super::dimensions::{Dimension, Dimensions, Facts, digest_own};
use super::distribution::{Explicit, Exponential};
use super::series::{Found, Table};
use crate::otlp::attributes::{attributes_of, find};
use crate::otlp::identity::{Digest, Identity, IdentityMap};
use crate::otlp::trace::{ResourceSpans, Span};
use crate::otlp::{InstrumentationScope, KeyValue};
use crate::telemetry::{Counter, Telemetry};

/// All series there may be: some 100 MB with explicit histograms.
const MAX_SERIES: usize = 200_000;

/// Everything that was counted.
pub struct Aggregate {
    pub resources: IdentityMap<Resource>,
    evicted: Vec<(Identity, Resource)>,
    series: usize,
    max_series: usize,
    settings: Settings,
    overflowed: Counter,
    without_service: Counter,
}

/// The series of one resource.
#[derive(Debug, Default)]
pub struct Resource {
    pub attributes: Vec<KeyValue>,
    pub calls: Table<u64>,
    pub events: Table<u64>,
    pub durations: Durations,
    /// When its last span came.
    pub seen: Option<Instant>,
}

#[derive(Debug)]
pub enum Durations {
    Off,
    Explicit(Table<Explicit>),
    Exponential(Table<Exponential>),
}

impl Default for Durations {
    fn default() -> Self {
        Self::Explicit(Table::default())
    }
}

struct Settings {
    dimensions: Dimensions,
    calls: Vec<Dimension>,
    durations: Vec<Dimension>,
    /// Nothing when events are not counted.
    events: Option<Vec<Dimension>>,
    /// Nanoseconds in the unit of durations.
    unit: f64,
    bounds: Vec<f64>,
    /// The most buckets of exponential histograms.
    max_size: Option<usize>,
    disabled: bool,
    exemplars: usize,
    /// The most series of one metric of one resource.
    limit: usize,
    max_resources: usize,
    /// What tells resources apart; all attributes when it is empty.
    key_attributes: Vec<String>,
}

impl Aggregate {
    pub fn new(config: &SpanMetricsConfig, telemetry: &Telemetry, id: &str) -> Self {
        let labels = [("connector", id)];
        let limit = match config.aggregation_cardinality_limit {
            0 => MAX_SERIES,
            limit => limit as usize,
        };
        let settings = Settings {
            dimensions: Dimensions::new(
                &config.dimensions,
                &config.exclude_dimensions,
                &config.include_instrumentation_scope,
            ),
            calls: config.calls_dimensions.iter().map(Dimension::from).collect(),
            durations: config.histogram.dimensions.iter().map(Dimension::from).collect(),
            events: config
                .events
                .enabled
                .then(|| config.events.dimensions.iter().map(Dimension::from).collect()),
            unit: config.histogram.unit.nanos(),
            bounds: config.bounds(),
            max_size: config.max_size(),
            disabled: config.histogram.disable,
            exemplars: if config.exemplars.enabled { config.exemplars.max_per_data_point } else { 0 },
            limit,
            max_resources: config.resource_metrics_cache_size as usize,
            key_attributes: config.resource_metrics_key_attributes.clone(),
        };
        Self {
            resources: IdentityMap::default(),
            evicted: Vec::new(),
            series: 0,
            max_series: MAX_SERIES,
            settings,
            overflowed: telemetry.counter("kmagent_connector_spanmetrics_overflowed_spans", &labels),
            without_service: telemetry
                .counter("kmagent_connector_spanmetrics_spans_without_service", &labels),
        }
    }

    /// Counts the spans of one resource; `time` is now in nanoseconds since the Unix epoch.
    pub fn add(&mut self, spans: &ResourceSpans, time: u64, now: Instant) {
        let attributes = attributes_of(spans.resource.as_ref());
        let Some(service) = find(attributes, "service.name") else {
            let count: usize = spans.scope_spans.iter().map(|scope| scope.spans.len()).sum();
            self.without_service.add(count as u64);
            return;
        };
        let service = service.as_str().unwrap_or_default();
        let identity = self.settings.identity_of(attributes);
        if !self.resources.contains_key(&identity) {
            self.make_room();
            let resource = self.settings.resource(attributes);
            self.resources.insert(identity, resource);
        }
        let Some(resource) = self.resources.get_mut(&identity) else { return };
        resource.seen = Some(now);
        let mut counting = Counting {
            settings: &self.settings,
            room: self.max_series.saturating_sub(self.series),
            time,
            made: 0,
            overflowed: 0,
        };
        for scope in &spans.scope_spans {
            for span in &scope.spans {
                counting.count(service, attributes, scope.scope.as_ref(), span, resource);
            }
        }
        self.series += counting.made;
        self.overflowed.add(counting.overflowed);
    }

    /// The resource whose last span is the longest ago gives way to a new one.
    fn make_room(&mut self) {
        if self.resources.len() < self.settings.max_resources {
            return;
        }
        let oldest = self.resources.iter().min_by_key(|(_, resource)| resource.seen);
        if let Some(identity) = oldest.map(|(identity, _)| *identity)
            && let Some(resource) = self.forget(identity)
        {
            self.evicted.push((identity, resource));
        }
    }

    pub fn forget(&mut self, identity: Identity) -> Option<Resource> {
        let resource = self.resources.remove(&identity)?;
        self.series = self.series.saturating_sub(resource.len());
        Some(resource)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.resources.clear();
        self.series = 0;
    }

    /// So many resources had to make room that their metrics should not wait for the next flush.
    pub fn has_many_evicted(&self) -> bool {
        self.evicted.len() >= self.settings.max_resources
    }

    pub fn take_evicted(&mut self) -> Vec<(Identity, Resource)> {
        std::mem::take(&mut self.evicted)
    }

    #[cfg(test)]
    pub fn limit_all(&mut self, max_series: usize) {
        self.max_series = max_series;
    }
}

impl Resource {
    /// How many series there are.
    pub fn len(&self) -> usize {
        self.calls.len() + self.events.len() + self.durations.len()
    }

    pub fn forget_exemplars(&mut self) {
        self.calls.forget_exemplars();
        self.events.forget_exemplars();
        match &mut self.durations {
            Durations::Off => {}
            Durations::Explicit(table) => table.forget_exemplars(),
            Durations::Exponential(table) => table.forget_exemplars(),
        }
    }
}

impl Durations {
    fn len(&self) -> usize {
        match self {
            Self::Off => 0,
            Self::Explicit(table) => table.len(),
            Self::Exponential(table) => table.len(),
        }
    }
}

impl Settings {
    fn identity_of(&self, attributes: &[KeyValue]) -> Identity {
        let mut digest = Digest::new();
        if self.key_attributes.is_empty() {
            digest.attributes(attributes);
        }
        for (place, key) in self.key_attributes.iter().enumerate() {
            if let Some(value) = find(attributes, key) {
                digest.number(place as u64);
                digest.value(value);
            }
        }
        digest.finish()
    }

    fn resource(&self, attributes: &[KeyValue]) -> Resource {
        let durations = match (self.disabled, self.max_size) {
            (true, _) => Durations::Off,
            (_, Some(_)) => Durations::Exponential(Table::default()),
            _ => Durations::Explicit(Table::default()),
        };
        Resource { attributes: attributes.to_vec(), durations, ..Resource::default() }
    }
}

/// The counting of the spans of one resource.
struct Counting<'a> {
    settings: &'a Settings,
    /// How many more series there may be.
    room: usize,
    time: u64,
    made: usize,
    overflowed: u64,
}

impl Counting<'_> {
    fn count(
        &mut self,
        service: &str,
        resource: &[KeyValue],
        scope: Option<&InstrumentationScope>,
        span: &Span,
        into: &mut Resource,
    ) {
        let settings = self.settings;
        let mut facts = Facts { service, resource, scope, span, event: None };
        let nanos = span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano);
        let duration = nanos as f64 / settings.unit;
        let mut common = Digest::new();
        settings.dimensions.digest_common(&facts, &mut common);

        let calls = self.series(&mut into.calls, &facts, &settings.calls, common, duration);
        *calls += 1;
        match &mut into.durations {
            Durations::Off => {}
            Durations::Explicit(table) => {
                self.series(table, &facts, &settings.durations, common, duration)
                    .observe(duration, &settings.bounds);
            }
            Durations::Exponential(table) => {
                self.series(table, &facts, &settings.durations, common, duration)
                    .observe(duration, settings.max_size.unwrap_or(2));
            }
        }
        if let Some(own) = &settings.events {
            for event in &span.events {
                // A dimension that the span does not have may be one of the event.
                facts.event = Some(event);
                let mut common = Digest::new();
                settings.dimensions.digest_common(&facts, &mut common);
                *self.series(&mut into.events, &facts, own, common, duration) += 1;
            }
        }
    }

    /// The value of the series of `facts`, which get an exemplar of the span.
    fn series<'t, V: Default>(
        &mut self,
        table: &'t mut Table<V>,
        facts: &Facts<'_>,
        own: &[Dimension],
        mut identity: Digest,
        duration: f64,
    ) -> &'t mut V {
        digest_own(own, facts, &mut identity);
        let limit = self.settings.limit.min(table.len() + self.room);
        let (series, found) = table
            .get(identity.finish(), limit, self.time, || self.settings.dimensions.attributes(facts, own));
        match found {
            Found::Known => {}
            Found::New => {
                self.made += 1;
                self.room = self.room.saturating_sub(1);
            }
            Found::Overflow => self.overflowed += 1,
        }
        if self.settings.exemplars > 0 {
            series.exemplify(facts.span, duration, self.settings.exemplars);
        }
        &mut series.value
    }
}
