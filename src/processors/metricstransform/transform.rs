//! What is done to the metrics of a scope.

use std::collections::BTreeSet;

use super::filter::Filter;
use super::merge::{Aggregation, merge};
use super::operations::Operation;
use crate::otlp::metrics::{Data, Metric, ResourceMetrics, ScopeMetrics};
use crate::otlp::points::{Point, append, header_of, kind_of, with_points};
use crate::otlp::{AnyValue, Attributes, Str};
use crate::telemetry::Causes;

pub struct Transform {
    pub filter: Filter,
    pub action: Action,
    pub new_name: Option<String>,
    pub operations: Vec<Operation>,
}

pub enum Action {
    /// Adds a changed copy.
    Insert,
    /// Changes the metric itself.
    Update,
    /// Makes one metric of all that match.
    Combine { how: Aggregation, case: Option<Case>, warned: Causes<String> },
    /// Moves the metrics under a resource of their own.
    Group(Vec<(Str, Str)>),
}

#[derive(Clone, Copy)]
pub enum Case {
    Lower,
    Upper,
}

/// Points that are more or less than came in.
#[derive(Default)]
pub struct Counts {
    pub removed: u64,
    pub added: u64,
}

/// Runs all transforms; scopes and resources that lose all their metrics are taken out.
pub fn apply(transforms: &[Transform], all: &mut Vec<ResourceMetrics>, counts: &mut Counts) {
    let mut grouped = Vec::new();
    all.retain_mut(|group| {
        let had_scopes = !group.scope_metrics.is_empty();
        let ResourceMetrics { resource, scope_metrics, schema_url } = group;
        scope_metrics.retain_mut(|scoped| {
            let had_metrics = !scoped.metrics.is_empty();
            for transform in transforms {
                if let Action::Group(labels) = &transform.action {
                    let moved = transform.extract(&mut scoped.metrics);
                    if !moved.is_empty() {
                        let mut resource = resource.clone().unwrap_or_default();
                        for (key, value) in labels {
                            resource.attributes.set(key.clone(), value.clone());
                        }
                        grouped.push(ResourceMetrics {
                            resource: Some(resource),
                            scope_metrics: vec![ScopeMetrics {
                                scope: scoped.scope.clone(),
                                metrics: moved,
                                schema_url: scoped.schema_url.clone(),
                            }],
                            schema_url: schema_url.clone(),
                        });
                    }
                } else {
                    transform.apply(&mut scoped.metrics, counts);
                }
            }
            !(had_metrics && scoped.metrics.is_empty())
        });
        !(had_scopes && group.scope_metrics.is_empty())
    });
    all.append(&mut grouped);
}

fn points(metric: &Metric) -> u64 {
    metric.data.as_ref().map_or(0, |data| data.len() as u64)
}

impl Transform {
    pub fn names(&self, metric: &Metric) -> bool {
        self.filter.names(metric)
    }

    fn apply(&self, metrics: &mut Vec<Metric>, counts: &mut Counts) {
        match &self.action {
            Action::Insert => {
                for index in 0..metrics.len() {
                    if self.filter.takes(&metrics[index]) {
                        let mut copy = self.filter.copy_of(&metrics[index]);
                        if self.change(&mut copy, true) {
                            counts.added += points(&copy);
                            metrics.push(copy);
                        }
                    }
                }
            }
            Action::Update => metrics.retain_mut(|metric| {
                if !self.filter.takes(metric) {
                    return true;
                }
                let before = points(metric);
                let whole = self.filter.takes_all(metric);
                let stays = self.change(metric, whole);
                counts.removed += before - points(metric);
                stays
            }),
            Action::Combine { how, case, warned } => {
                if let Err(reason) = self.can_combine(metrics) {
                    if warned.is_new(reason.clone()) {
                        log::warn!("metrics for \"{}\" are not combined: {reason}", self.new_name());
                    }
                    return;
                }
                let parts = self.extract(metrics);
                let before: u64 = parts.iter().map(points).sum();
                if let Some(mut combined) = self.combine(parts, *how, *case) {
                    let stays = self.change(&mut combined, true);
                    counts.removed += before - points(&combined);
                    if stays {
                        metrics.push(combined);
                    }
                }
            }
            Action::Group(_) => {}
        }
    }

    fn new_name(&self) -> &str {
        self.new_name.as_deref().unwrap_or_default()
    }

    /// Renames the metric and runs the operations; false when that left no points.
    fn change(&self, metric: &mut Metric, whole: bool) -> bool {
        let was_empty = points(metric) == 0;
        if whole && let Some(new_name) = &self.new_name {
            metric.name = self.filter.expand(new_name, &metric.name);
        }
        for operation in &self.operations {
            operation.apply(metric, &self.filter, whole);
        }
        was_empty || points(metric) > 0
    }

    /// Takes the matching points out; what does not match stays.
    fn extract(&self, metrics: &mut Vec<Metric>) -> Vec<Metric> {
        let mut extracted = Vec::new();
        let mut kept = Vec::with_capacity(metrics.len());
        for mut metric in metrics.drain(..) {
            if !self.filter.takes(&metric) {
                kept.push(metric);
            } else if self.filter.takes_all(&metric) {
                extracted.push(metric);
            } else {
                extracted.push(self.filter.copy_of(&metric));
                if let Some(data) = &mut metric.data {
                    with_points!(data, points => {
                        points.retain(|point| !self.filter.takes_point(point.attributes()));
                    });
                }
                kept.push(metric);
            }
        }
        *metrics = kept;
        extracted
    }

    fn can_combine(&self, metrics: &[Metric]) -> Result<(), String> {
        let mut matched = metrics.iter().filter(|metric| self.filter.takes(metric));
        let Some(first) = matched.next() else { return Ok(()) };
        let kind = |metric: &Metric| metric.data.as_ref().map(kind_of);
        if matches!(first.data, Some(Data::Summary(_))) {
            return Err("summaries cannot be combined".to_owned());
        }
        let labels = label_keys(first);
        for metric in matched {
            let differs =
                |what: &str| Err(format!("\"{}\" and \"{}\" differ in {what}", first.name, metric.name));
            if kind(metric) != kind(first) {
                return differs("type or temporality");
            }
            if metric.unit != first.unit {
                return differs("unit");
            }
            if label_keys(metric) != labels {
                return differs("label keys");
            }
        }
        Ok(())
    }

    /// One metric of all the parts. The groups of a regular expression in their names become labels.
    fn combine(&self, parts: Vec<Metric>, how: Aggregation, case: Option<Case>) -> Option<Metric> {
        let mut combined = header_of(parts.first()?);
        self.new_name().clone_into(&mut combined.name);
        for mut part in parts {
            let labels: Vec<(Str, AnyValue)> = self
                .filter
                .groups(&part.name)
                .into_iter()
                .map(|(label, value)| match case {
                    Some(Case::Lower) => (label, value.to_lowercase().into()),
                    Some(Case::Upper) => (label, value.to_uppercase().into()),
                    None => (label, value.into()),
                })
                .collect();
            if let (Some(into), Some(mut from)) = (&mut combined.data, part.data.take()) {
                from.for_each_attributes(|attributes| {
                    for (label, value) in &labels {
                        attributes.set(label.clone(), value.clone());
                    }
                });
                append(into, from);
            }
        }
        if let Some(data) = &mut combined.data {
            merge(data, how);
        }
        Some(combined)
    }
}

fn label_keys(metric: &Metric) -> BTreeSet<&Str> {
    let mut keys = BTreeSet::new();
    if let Some(data) = &metric.data {
        with_points!(data, points => {
            for point in points {
                keys.extend(point.attributes().iter().map(|entry| &entry.key));
            }
        });
    }
    keys
}
