//! The metrics of one resource, compiled; and from an object its points.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::config::{MetricConfig, MetricKind, ResourceConfig};
use super::paths::Path;
use super::values;
use crate::kube::{Interned, Object, Parsed, Pool};

/// What kube-state-metrics puts in front of names.
const PREFIX: &str = "kube_customresource";
/// Points of an object and metric: a list in an object cannot make more.
const MOST_POINTS: usize = 1000;

/// What is read of the objects of one resource.
#[derive(Debug, Default)]
pub struct Rules {
    labels: Labels,
    pub metrics: Vec<Metric>,
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    pub name: String,
    pub help: String,
    pub unit: String,
    kind: MetricKind,
    labels: Labels,
    path: Path,
    value_from: Path,
    label_from_key: String,
    point_labels: Labels,
    nil_is_zero: bool,
    label_name: String,
    list: Vec<String>,
}

/// Labels with fixed values, and with those at paths. A name that ends with `*` stands for all
/// entries of a map.
#[derive(Debug, Default)]
struct Labels {
    fixed: Vec<(String, String)>,
    paths: Vec<(String, Path)>,
}

/// The points of an object: all that is kept of it.
#[derive(Debug, PartialEq)]
pub struct Points {
    pub namespace: Interned,
    pub name: Interned,
    pub uid: Box<str>,
    pub points: Box<[Point]>,
    /// Paths that had no number at their end, by the number of the metric.
    pub faults: Box<[usize]>,
}

#[derive(Debug, PartialEq)]
pub struct Point {
    /// Which of [`Rules::metrics`].
    pub metric: usize,
    pub labels: Box<[(Interned, Interned)]>,
    pub value: f64,
}

type Found = BTreeMap<String, String>;

impl Labels {
    fn new(fixed: &BTreeMap<String, String>, paths: &BTreeMap<String, Vec<String>>) -> Self {
        let parsed = |(name, path): (&String, &Vec<String>)| Some((name.clone(), Path::parse(path).ok()?));
        Self {
            fixed: fixed.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            paths: paths.iter().filter_map(parsed).collect(),
        }
    }

    fn add(&self, root: &Value, found: &mut Found) {
        for (name, value) in &self.fixed {
            found.insert(name.clone(), value.clone());
        }
        for (name, path) in &self.paths {
            let Some(value) = path.find(root) else { continue };
            match (name.strip_suffix('*'), value) {
                (Some(prefix), Value::Object(map)) => {
                    for (key, value) in map {
                        if let Some(text) = values::text(value) {
                            found.insert(format!("{prefix}{key}"), text.into_owned());
                        }
                    }
                }
                (None, value) => {
                    if let Some(text) = values::text(value) {
                        found.insert(name.clone(), text.into_owned());
                    }
                }
                _ => {}
            }
        }
    }
}

impl Rules {
    pub fn new(config: &ResourceConfig) -> Self {
        let prefix = config.metric_name_prefix.as_deref().unwrap_or(PREFIX);
        Self {
            labels: Labels::new(&config.common_labels, &config.labels_from_path),
            metrics: config.metrics.iter().filter_map(|metric| Metric::new(metric, prefix)).collect(),
        }
    }

    fn points(&self, object: &Value, pool: &mut Pool) -> (Vec<Point>, Vec<usize>) {
        let mut common = Found::new();
        self.labels.add(object, &mut common);
        let (mut points, mut faults) = (Vec::new(), Vec::new());
        for (at, metric) in self.metrics.iter().enumerate() {
            let mut labels = common.clone();
            metric.labels.add(object, &mut labels);
            let before = points.len();
            let mut push = |labels: &Found, value: f64| {
                if points.len() - before < MOST_POINTS {
                    let labels = labels.iter().map(|(key, value)| (pool.intern(key), pool.intern(value)));
                    points.push(Point { metric: at, labels: labels.collect(), value });
                }
            };
            if !metric.read(object, &labels, &mut push) {
                faults.push(at);
            }
        }
        (points, faults)
    }
}

impl Metric {
    fn new(config: &MetricConfig, prefix: &str) -> Option<Self> {
        let kind = config.each.kind()?;
        let point = config.each.point(kind);
        let label_name = match (point.label_name.as_str(), kind) {
            ("", MetricKind::Conditions) => "condition".to_owned(),
            ("", _) => config.name.clone(),
            (name, _) => name.to_owned(),
        };
        let path = match kind {
            MetricKind::Conditions if point.path.is_empty() => {
                Path::parse(&["status".to_owned(), "conditions".to_owned()])
            }
            _ => Path::parse(&point.path),
        };
        Some(Self {
            name: if prefix.is_empty() { config.name.clone() } else { format!("{prefix}_{}", config.name) },
            help: config.help.clone(),
            unit: config.unit.clone(),
            kind,
            labels: Labels::new(&config.common_labels, &config.labels_from_path),
            path: path.ok()?,
            value_from: Path::parse(&point.value_from).ok()?,
            label_from_key: point.label_from_key.clone(),
            point_labels: Labels::new(&BTreeMap::new(), &point.labels_from_path),
            nil_is_zero: point.nil_is_zero,
            label_name,
            list: point.list.clone(),
        })
    }

    /// Reads the points of an object; false when a field is there but is none.
    fn read(&self, object: &Value, labels: &Found, push: &mut dyn FnMut(&Found, f64)) -> bool {
        let Some(value) = self.path.find(object) else {
            if self.kind == MetricKind::Gauge && self.nil_is_zero {
                push(labels, 0.0);
            }
            // A field that is not there yet is nothing to complain of.
            return true;
        };
        let mut all_good = true;
        let mut one = |item: &Value, key: Option<&str>| {
            let mut labels = labels.clone();
            if let Some(key) = key.filter(|_| !self.label_from_key.is_empty()) {
                labels.insert(self.label_from_key.clone(), key.to_owned());
            }
            self.point_labels.add(item, &mut labels);
            all_good &= match self.kind {
                MetricKind::Gauge => self.gauge(item, &labels, push),
                MetricKind::StateSet => self.state_set(item, &mut labels, push),
                MetricKind::Info => {
                    push(&labels, 1.0);
                    true
                }
                MetricKind::Conditions => self.condition(item, &mut labels, push),
            };
        };
        match value {
            Value::Array(items) => items.iter().for_each(|item| one(item, None)),
            Value::Object(map) if self.is_map_of_points() => {
                map.iter().for_each(|(key, item)| one(item, Some(key)));
            }
            item => one(item, None),
        }
        all_good
    }

    /// Whether a map at the path is one of points, not a point itself.
    fn is_map_of_points(&self) -> bool {
        let is_plain_gauge = self.kind == MetricKind::Gauge && self.value_from.is_empty();
        !self.label_from_key.is_empty() || is_plain_gauge
    }

    fn gauge(&self, item: &Value, labels: &Found, push: &mut dyn FnMut(&Found, f64)) -> bool {
        let value = match self.value_from.find(item) {
            None if self.nil_is_zero => Some(0.0),
            None => return true,
            Some(field) => values::number(field),
        };
        if let Some(value) = value {
            push(labels, value);
        }
        value.is_some()
    }

    fn state_set(&self, item: &Value, labels: &mut Found, push: &mut dyn FnMut(&Found, f64)) -> bool {
        let Some(current) = self.value_from.find(item).and_then(values::text) else { return true };
        for state in &self.list {
            labels.insert(self.label_name.clone(), state.clone());
            push(labels, f64::from(u8::from(*state == *current)));
        }
        true
    }

    fn condition(&self, item: &Value, labels: &mut Found, push: &mut dyn FnMut(&Found, f64)) -> bool {
        let field = |key: &str| item.get(key).and_then(Value::as_str);
        let (Some(kind), Some(status)) = (field("type"), field("status")) else { return false };
        labels.insert(self.label_name.clone(), kind.to_owned());
        for state in ["true", "false", "unknown"] {
            labels.insert("status".to_owned(), state.to_owned());
            push(labels, f64::from(u8::from(status.eq_ignore_ascii_case(state))));
        }
        true
    }
}

impl Object for Points {
    type Needs = Arc<Rules>;

    fn parse(json: &[u8], rules: &Arc<Rules>, pool: &mut Pool) -> Result<Parsed<Self>, serde_json::Error> {
        let object: Value = serde_json::from_slice(json)?;
        let meta = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
        let namespace = pool.intern(meta("namespace"));
        let name = Interned::from(meta("name"));
        let (points, faults) = rules.points(&object, pool);
        let kept = Self {
            namespace: namespace.clone(),
            name: name.clone(),
            uid: meta("uid").into(),
            points: points.into_boxed_slice(),
            faults: faults.into_boxed_slice(),
        };
        Ok(Parsed { namespace, name, object: kept })
    }

    fn widen(needs: &mut Arc<Rules>, more: &Arc<Rules>) -> bool {
        let is_new = !Arc::ptr_eq(needs, more);
        *needs = more.clone();
        is_new
    }
}
