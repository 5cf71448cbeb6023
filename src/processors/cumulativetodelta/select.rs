//! `include` and `exclude`.

use std::collections::HashSet;

use regex::Regex;
use serde::Deserialize;

use crate::otlp::metrics::{Data, Metric};
use crate::processors::pattern;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// `strict` or `regexp`; goes with `metrics`.
    match_type: String,
    metrics: Vec<String>,
    /// `sum`, `histogram`, `exponentialhistogram`, in any case.
    metric_types: Vec<String>,
    /// Cache settings of the collector; accepted, without effect.
    #[serde(rename = "regexp")]
    _regexp: Option<crate::config::Node>,
}

/// A compiled selection.
#[derive(Debug)]
pub struct Selector {
    names: Names,
    types: Vec<Type>,
}

#[derive(Debug)]
enum Names {
    Any,
    Exact(HashSet<String>),
    Patterns(Vec<Regex>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Sum,
    Histogram,
    ExponentialHistogram,
}

impl Selector {
    /// `None` when nothing is selected. Errors come with the key they are about.
    pub fn new(selection: &Selection) -> Result<Option<Self>, (String, String)> {
        let names = match (selection.match_type.as_str(), selection.metrics.as_slice()) {
            ("", []) => Names::Any,
            ("", _) => {
                return Err(("match_type".to_owned(), "must be set if metrics are supplied".to_owned()));
            }
            (_, []) => {
                return Err(("metrics".to_owned(), "must be supplied if match_type is set".to_owned()));
            }
            ("strict", names) => Names::Exact(names.iter().cloned().collect()),
            ("regexp", patterns) => Names::Patterns(
                pattern::compile_all(patterns)
                    .map_err(|(index, error)| (format!("metrics::{index}"), error))?,
            ),
            (other, _) => {
                return Err((
                    "match_type".to_owned(),
                    format!("\"{other}\" is not known: use strict or regexp"),
                ));
            }
        };
        let types = selection.metric_types.iter().enumerate().map(|(index, name)| {
            match name.to_ascii_lowercase().as_str() {
                "sum" => Ok(Type::Sum),
                "histogram" => Ok(Type::Histogram),
                "exponentialhistogram" => Ok(Type::ExponentialHistogram),
                _ => Err((
                    format!("metric_types::{index}"),
                    format!("\"{name}\" is not known: use sum, histogram or exponentialhistogram"),
                )),
            }
        });
        let types = types.collect::<Result<Vec<_>, _>>()?;
        let selects = !matches!(names, Names::Any) || !types.is_empty();
        Ok(selects.then_some(Self { names, types }))
    }

    pub fn takes(&self, metric: &Metric) -> bool {
        let of_type = || {
            let own = match &metric.data {
                Some(Data::Sum(_)) => Type::Sum,
                Some(Data::Histogram(_)) => Type::Histogram,
                Some(Data::ExponentialHistogram(_)) => Type::ExponentialHistogram,
                _ => return false,
            };
            self.types.contains(&own)
        };
        let named = match &self.names {
            Names::Any => true,
            Names::Exact(names) => names.contains(&metric.name),
            Names::Patterns(patterns) => patterns.iter().any(|pattern| pattern.is_match(&metric.name)),
        };
        named && (self.types.is_empty() || of_type())
    }
}
