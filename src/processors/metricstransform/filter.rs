//! Which metrics, and which of their points, a transform is about.

use regex::Regex;

use crate::otlp::metrics::Metric;
use crate::otlp::points::{Point, with_points};
use crate::otlp::{KeyValue, Str};
use crate::processors::items::any_point;

pub struct Filter {
    pub names: Names,
    pub labels: Vec<(Str, Value)>,
}

pub enum Names {
    Exact(String),
    Pattern(Regex),
}

pub enum Value {
    Exact(String),
    Pattern(Regex),
}

impl Filter {
    /// Whether the name is the transform's.
    pub fn names(&self, metric: &Metric) -> bool {
        match &self.names {
            Names::Exact(name) => *name == metric.name,
            Names::Pattern(pattern) => pattern.is_match(&metric.name),
        }
    }

    /// Whether the name and, where labels are asked for, any point match.
    pub fn takes(&self, metric: &Metric) -> bool {
        self.names(metric)
            && (self.labels.is_empty()
                || metric.data.as_ref().is_some_and(|data| any_point(data, |a| self.takes_point(a))))
    }

    /// Whether all points match.
    pub fn takes_all(&self, metric: &Metric) -> bool {
        self.labels.is_empty()
            || metric.data.as_ref().is_none_or(|data| !any_point(data, |a| !self.takes_point(a)))
    }

    /// A label that is missing, or is no text, counts as the empty text.
    pub fn takes_point(&self, attributes: &[KeyValue]) -> bool {
        self.labels.iter().all(|(key, wanted)| {
            let entry = attributes.iter().find(|entry| entry.key == *key);
            let text = entry.and_then(|entry| entry.value.as_str()).unwrap_or_default();
            match wanted {
                Value::Exact(value) => value == text,
                Value::Pattern(pattern) => pattern.is_match(text),
            }
        })
    }

    /// A copy of the metric with the points that match.
    pub fn copy_of(&self, metric: &Metric) -> Metric {
        let mut copy = metric.clone();
        if let Some(data) = &mut copy.data
            && !self.labels.is_empty()
        {
            with_points!(data, points => points.retain(|point| self.takes_point(point.attributes())));
        }
        copy
    }

    /// The name that `template` stands for, for a metric of that name.
    pub fn expand(&self, template: &str, name: &str) -> String {
        if let Names::Pattern(pattern) = &self.names
            && let Some(captures) = pattern.captures(name)
        {
            let mut expanded = String::new();
            captures.expand(template, &mut expanded);
            if !expanded.is_empty() {
                return expanded;
            }
        }
        template.to_owned()
    }

    /// The groups of the pattern in a name, each with the label it makes: its own name, or `$<n>`.
    pub fn groups(&self, name: &str) -> Vec<(Str, Str)> {
        let Names::Pattern(pattern) = &self.names else { return Vec::new() };
        let Some(captures) = pattern.captures(name) else { return Vec::new() };
        pattern
            .capture_names()
            .zip(captures.iter())
            .enumerate()
            .skip(1)
            .filter_map(|(index, (label, group))| {
                let label = label.map_or_else(|| Str::from(format!("${index}")), Str::from);
                group.map(|group| (label, Str::from(group.as_str())))
            })
            .collect()
    }
}
