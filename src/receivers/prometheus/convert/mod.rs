//! From samples to OTLP: which resource, which scope, which metric, which data point.
//!
//! A [`Conversion`] lives for one scrape; what it holds is taken piece by piece, so that a page of
//! any size needs the memory of a piece. The rules are those of OpenTelemetry's "Prometheus and
//! OpenMetrics Compatibility", as `receiver/prometheusreceiver` of the collector applies them.

mod family;
mod group;
mod metric;
mod native;
mod resource;
#[cfg(test)]
mod tests;
mod unit;

pub use family::{Families, Part};
pub use native::{NativeHistogram, Run};
pub use resource::{Identity, discovered};

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use self::group::NoPoint;
use self::metric::{Building, Reading};
use super::exposition::{self, Kind, number};
use super::relabel::Label;
use crate::otlp::metrics::{Exemplar, ExemplarValue, ResourceMetrics, ScopeMetrics};
use crate::otlp::{Attributes, InstrumentationScope, KeyValue, Resource};
use crate::ottl::unhex;

/// The value that says: this series is gone.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Tells the marker from other not-a-numbers.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

const SCOPE: &str = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusreceiver";

/// Makes OTLP of the samples of one scrape.
pub struct Conversion<'t> {
    identity: &'t Identity,
    version: &'static str,
    trim: bool,
    resources: Vec<OneResource>,
    /// Samples that made no point, by reason.
    pub lost: Vec<(&'static str, u64)>,
    /// Where the last sample went.
    last: Option<Last>,
    points: usize,
    /// Counters may have lines that say when they began.
    beginnings: bool,
}

#[derive(Debug)]
struct OneResource {
    job: Box<str>,
    instance: Box<str>,
    /// The labels of `target_info`, and whether this scrape told them.
    info: Vec<KeyValue>,
    told: bool,
    scopes: Vec<OneScope>,
}

#[derive(Debug)]
struct OneScope {
    /// The `otel_scope_…` labels without their prefix, sorted; nothing for the receiver's own scope.
    labels: Vec<(Box<str>, Box<str>)>,
    /// The labels of `otel_scope_info`.
    info: Vec<KeyValue>,
    metrics: Vec<Building>,
    by_name: HashMap<Box<str>, usize>,
}

/// The metric of the sample before, most often that of the next one.
struct Last {
    name: Box<str>,
    part: Part,
    kind: Kind,
    resource: usize,
    metric: usize,
}

/// A sample with its final labels, among them neither the name nor anything empty.
pub struct Reduced<'a> {
    pub name: &'a str,
    pub labels: &'a [Label<'a>],
    pub value: f64,
    /// Milliseconds since the epoch.
    pub time: i64,
    pub exemplar: Option<&'a str>,
}

/// Points after which it is worth to hand on what there is.
const PIECE: usize = 8192;

impl<'t> Conversion<'t> {
    /// `info` are the attributes that `target_info` gave in the scrape before.
    pub fn new(identity: &'t Identity, info: Vec<KeyValue>, version: &'static str, trim: bool) -> Self {
        let mut conversion = Self {
            identity,
            version,
            trim,
            resources: Vec::new(),
            lost: Vec::new(),
            last: None,
            points: 0,
            beginnings: false,
        };
        conversion.resource(&identity.job, &identity.instance);
        conversion.resources[0].info = info;
        conversion
    }

    /// Counters may be followed by a line that says when they began.
    pub fn expect_beginnings(&mut self) {
        self.beginnings = true;
    }

    /// Metadata has changed: what a name means must be looked up again.
    pub fn metadata_changed(&mut self) {
        self.last = None;
    }

    /// Points that wait to be taken.
    pub fn points(&self) -> usize {
        self.points
    }

    /// Whether there is enough for a piece.
    pub fn is_full(&self) -> bool {
        self.points >= PIECE
    }

    /// What `target_info` said of the target itself, for the next scrape.
    pub fn into_info(mut self) -> Vec<KeyValue> {
        std::mem::take(&mut self.resources[0].info)
    }

    pub fn add(&mut self, sample: &Reduced<'_>, families: &Families) {
        if matches!(sample.name, "target_info" | "otel_scope_info") && self.add_info(sample) {
            return;
        }
        // Everything that says where the sample belongs, in one pass.
        let (mut job, mut instance, mut scoped) = ("", "", false);
        for label in sample.labels {
            match &*label.name {
                "job" => job = &label.value,
                "instance" => instance = &label.value,
                name => scoped |= name.starts_with("otel_scope_"),
            }
        }
        let job = if job.is_empty() { &*self.identity.job } else { job };
        let instance = if instance.is_empty() { &*self.identity.instance } else { instance };
        let known = self.last.as_ref().filter(|last| {
            let resource = &self.resources[last.resource];
            !scoped && *last.name == *sample.name && *resource.job == *job && *resource.instance == *instance
        });
        let (part, kind, resource, scope, metric) = if let Some(last) = known {
            (last.part, last.kind, last.resource, 0, last.metric)
        } else {
            let (family, part, meta) = families.resolve(sample.name);
            let kind = meta.map_or(Kind::Unknown, |meta| meta.kind);
            if kind == Kind::Histogram && part == Part::Value && is_stale(sample.value) {
                // Only a native histogram goes by the family's own name.
                let gone = NativeHistogram { sum: STALE, ..NativeHistogram::default() };
                return self.add_native(sample, gone, families);
            }
            let resource = self.resource(job, instance);
            let scope = if scoped { self.scope(resource, sample.labels) } else { 0 };
            let known = &mut self.resources[resource].scopes[scope];
            let metric = known.metric(family, || match (kind, part) {
                // Counters alone are called by their full name.
                (Kind::Counter, Part::Created) => Building::new(&format!("{family}_total"), meta),
                (Kind::Counter, _) => Building::new(sample.name, meta),
                _ => Building::new(family, meta),
            });
            if !scoped {
                self.last = Some(Last { name: sample.name.into(), part, kind, resource, metric });
            }
            (part, kind, resource, scope, metric)
        };
        let edge_name = match part {
            Part::Bucket => "le",
            Part::Quantile => "quantile",
            _ => "",
        };
        let grouped = Building::is_grouped(kind);
        let mut edge = None;
        let mut labels = 0;
        if grouped || (self.beginnings && kind == Kind::Counter) {
            for label in sample.labels {
                if *label.name == *edge_name {
                    edge = number(&label.value).filter(|edge| !edge.is_nan());
                } else {
                    labels = xxh3_64_with_seed(label.name.as_bytes(), labels);
                    labels = xxh3_64_with_seed(label.value.as_bytes(), labels);
                }
            }
            if edge.is_none() && !edge_name.is_empty() {
                return self.lose(if edge_name == "le" { "no_bound" } else { "no_quantile" }, 1);
            }
        }
        let reading =
            Reading { part, value: sample.value, time: sample.time, edge, exemplar: sample.exemplar, labels };
        let building = &mut self.resources[resource].scopes[scope].metrics[metric];
        let before = building.len();
        let used = building.add(&reading, || attributes(sample.labels, edge_name, scoped));
        self.points += building.len() - before;
        if !used {
            self.lose("not_of_its_type", 1);
        }
    }

    /// Adds a native histogram.
    pub fn add_native(&mut self, sample: &Reduced<'_>, histogram: NativeHistogram, families: &Families) {
        let (family, _, meta) = families.resolve(sample.name);
        let resource = self.resource_of(sample.labels);
        let scope = self.scope(resource, sample.labels);
        let name = format!("{family}\0native");
        let scope = &mut self.resources[resource].scopes[scope];
        let metric = scope.metric(&name, || Building::new(family, meta));
        let scoped = true;
        let point = histogram.into_point(attributes(sample.labels, "", scoped), sample.time);
        scope.metrics[metric].add_native(point);
        self.points += 1;
    }

    fn resource_of(&mut self, labels: &[Label<'_>]) -> usize {
        let find = |name: &str| labels.iter().find(|label| label.name == name).map(|label| &*label.value);
        let job = find("job").unwrap_or(&self.identity.job).to_owned();
        let instance = find("instance").unwrap_or(&self.identity.instance).to_owned();
        self.resource(&job, &instance)
    }

    /// `target_info` and `otel_scope_info` tell of resource and scope, and are no metrics.
    fn add_info(&mut self, sample: &Reduced<'_>) -> bool {
        let resource = self.resource_of(sample.labels);
        if is_stale(sample.value) {
            let resource = &mut self.resources[resource];
            if sample.name == "target_info" && !resource.told {
                resource.info.clear();
            }
            return true;
        }
        if sample.name == "target_info" {
            self.resources[resource].told = true;
            let told = sample.labels.iter().filter(|label| !matches!(&*label.name, "job" | "instance"));
            self.resources[resource].info =
                told.map(|label| KeyValue::new(&*label.name, &*label.value)).collect();
            return true;
        }
        let scope = self.scope(resource, sample.labels);
        if scope == 0 {
            return false;
        }
        self.resources[resource].scopes[scope].info = attributes(sample.labels, "", true);
        true
    }

    /// Takes the points there are, those of histograms under construction excepted unless this is
    /// the end.
    pub fn take(&mut self, end: bool) -> Vec<ResourceMetrics> {
        let Self { resources, identity, lost, trim, version, .. } = self;
        let mut all = Vec::new();
        let mut left = 0;
        for resource in resources {
            let mut scope_metrics = Vec::new();
            for scope in &mut resource.scopes {
                let mut metrics = Vec::with_capacity(scope.metrics.len());
                for building in &mut scope.metrics {
                    metrics.extend(building.take(end, *trim, &mut |why: NoPoint| {
                        count(lost, why.reason(), 1);
                    }));
                    left += building.len();
                }
                if !metrics.is_empty() {
                    scope_metrics.push(ScopeMetrics {
                        scope: Some(scope.message(version)),
                        metrics,
                        schema_url: scope.label("schema_url").to_owned(),
                    });
                }
            }
            if scope_metrics.is_empty() {
                continue;
            }
            let mut attributes = identity.attributes(&resource.job, &resource.instance);
            for told in &resource.info {
                attributes.set(told.key.clone(), told.value.clone());
            }
            all.push(ResourceMetrics {
                resource: Some(Resource { attributes, dropped_attributes_count: 0 }),
                scope_metrics,
                schema_url: String::new(),
            });
        }
        self.points = left;
        all
    }

    fn resource(&mut self, job: &str, instance: &str) -> usize {
        let found =
            self.resources.iter().position(|known| *known.job == *job && *known.instance == *instance);
        found.unwrap_or_else(|| {
            let own = OneScope::new(Vec::new());
            self.resources.push(OneResource {
                job: job.into(),
                instance: instance.into(),
                info: Vec::new(),
                told: false,
                scopes: vec![own],
            });
            self.resources.len() - 1
        })
    }

    fn scope(&mut self, resource: usize, labels: &[Label<'_>]) -> usize {
        let mut wanted: Vec<(Box<str>, Box<str>)> = labels
            .iter()
            .filter_map(|label| Some((label.name.strip_prefix("otel_scope_")?.into(), (*label.value).into())))
            .collect();
        wanted.sort_unstable();
        let scopes = &mut self.resources[resource].scopes;
        scopes.iter().position(|known| known.labels == wanted).unwrap_or_else(|| {
            scopes.push(OneScope::new(wanted));
            scopes.len() - 1
        })
    }

    fn lose(&mut self, reason: &'static str, samples: u64) {
        count(&mut self.lost, reason, samples);
    }
}

/// Counts `n` more under `reason`.
pub fn count(counts: &mut Vec<(&'static str, u64)>, reason: &'static str, n: u64) {
    match counts.iter_mut().find(|(known, _)| *known == reason) {
        Some((_, known)) => *known += n,
        None => counts.push((reason, n)),
    }
}

impl OneScope {
    fn new(labels: Vec<(Box<str>, Box<str>)>) -> Self {
        Self { labels, info: Vec::new(), metrics: Vec::new(), by_name: HashMap::new() }
    }

    fn metric(&mut self, name: &str, make: impl FnOnce() -> Building) -> usize {
        if let Some(known) = self.by_name.get(name) {
            return *known;
        }
        self.metrics.push(make());
        self.by_name.insert(name.into(), self.metrics.len() - 1);
        self.metrics.len() - 1
    }

    fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(known, _)| **known == *name).map_or("", |(_, value)| value)
    }

    fn message(&self, version: &str) -> InstrumentationScope {
        if self.labels.is_empty() {
            return InstrumentationScope {
                name: SCOPE.to_owned(),
                version: version.to_owned(),
                ..InstrumentationScope::default()
            };
        }
        let others =
            self.labels.iter().filter(|(name, _)| !matches!(&**name, "name" | "version" | "schema_url"));
        let mut attributes: Vec<_> = others.map(|(name, value)| KeyValue::new(&**name, &**value)).collect();
        for told in &self.info {
            attributes.set(told.key.clone(), told.value.clone());
        }
        InstrumentationScope {
            name: self.label("name").to_owned(),
            version: self.label("version").to_owned(),
            attributes,
            dropped_attributes_count: 0,
        }
    }
}

/// The labels that make the attributes of a point.
fn attributes(labels: &[Label<'_>], edge: &str, scoped: bool) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(labels.len());
    for label in labels {
        let name = &*label.name;
        let elsewhere = matches!(name, "job" | "instance" | "__scheme__" | "__metrics_path__")
            || name == edge
            || (scoped && name.starts_with("otel_scope_"));
        if !elsewhere && !label.value.is_empty() {
            attributes.push(KeyValue::new(name, &*label.value));
        }
    }
    attributes
}

/// Reads an exemplar; one that makes no sense is left out.
fn exemplar(text: &str, time: i64) -> Option<Exemplar> {
    let read = exposition::Exemplar::parse(text)?;
    let mut made = Exemplar {
        time_unix_nano: group::millis_to_nanos(read.timestamp.unwrap_or(time)),
        value: Some(ExemplarValue::Double(read.value)),
        ..Exemplar::default()
    };
    for (name, value) in read.labels {
        match &*name {
            "trace_id" if let Some(bytes) = id(&value, 16) => made.trace_id = bytes,
            "span_id" if let Some(bytes) = id(&value, 8) => made.span_id = bytes,
            _ => made.filtered_attributes.push(KeyValue::new(&*name, &*value)),
        }
    }
    Some(made)
}

/// Exactly so many bytes in hexadecimal.
fn id(text: &str, bytes: usize) -> Option<Vec<u8>> {
    unhex(text).filter(|id| id.len() == bytes)
}
