//! `metrics:` and `resource_attributes:` in the config of a scraping receiver: each metric or
//! attribute has a switch, and what nobody knows is an error.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::config::{Issues, suggest};
use crate::otlp::build::{MetricInfo, Shape, ValueType};

/// The switches that the user has set, by name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Switches(BTreeMap<String, Option<Switch>>);

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Switch {
    enabled: Option<bool>,
}

impl Switches {
    /// Whether `name` is on, `default` when the user has said nothing.
    pub fn is_on(&self, name: &str, default: bool) -> bool {
        self.0.get(name).copied().flatten().and_then(|switch| switch.enabled).unwrap_or(default)
    }

    /// One entry per metric of a table.
    pub fn resolve(&self, infos: &[MetricInfo]) -> Vec<bool> {
        infos.iter().map(|info| self.is_on(info.name, info.enabled)).collect()
    }

    /// Reports every name that is none of `known`, with the nearest one; `what` is what a name
    /// stands for ("metric").
    pub fn check<'a>(
        &self,
        what: &str,
        known: impl Iterator<Item = &'a str> + Clone,
        path: &str,
        issues: &mut Issues,
    ) {
        for name in self.0.keys().filter(|name| !known.clone().any(|known| known == *name)) {
            let hint = suggest::hint(name, known.clone());
            issues.error(&format!("{path}::{name}"), format!("no {what} has this name{hint}"));
        }
    }

    /// [`Switches::check`] against a table of metrics.
    pub fn check_metrics(&self, infos: &[MetricInfo], path: &str, issues: &mut Issues) {
        self.check("metric", infos.iter().map(|info| info.name), path, issues);
    }
}

/// The table of metrics as the user's page shows it, in Markdown.
pub fn markdown(infos: &[MetricInfo]) -> String {
    use std::fmt::Write;

    let mut table =
        String::from("| metric | on | unit | kind | attributes | |\n| --- | --- | --- | --- | --- | --- |\n");
    for info in infos {
        let shape = match info.shape {
            Shape::Gauge => "gauge",
            Shape::Counter => "sum, monotonic",
            Shape::UpDown => "sum",
        };
        let value = match info.value {
            ValueType::Int => "int",
            ValueType::Double => "double",
        };
        let on = if info.enabled { "yes" } else { "no" };
        let attributes = info.attributes.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            table,
            "| `{}` | {on} | `{}` | {shape}, {value} | {attributes} | {} |",
            info.name, info.unit, info.description
        );
    }
    table
}
