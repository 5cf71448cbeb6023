//! `metricstransform`: renames, copies, combines and aggregates metrics.

mod compile;
mod filter;
mod merge;
mod operations;
mod transform;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::component::{
    BuildError, Context, Next, Processor, ProcessorConfig, ProcessorType, decode_processor,
};
use crate::config::Issues;
use crate::pipeline::{Batch, Data, Signal};
use crate::telemetry::Counter;

use transform::Transform;

pub static TYPE: ProcessorType = ProcessorType {
    name: "metricstransform",
    aliases: &["metrics_transform"],
    signals: &[Signal::Metrics],
    decode: decode_processor::<MetricsTransformConfig>,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsTransformConfig {
    /// Transforms, in order; each sees what the ones before it left.
    transforms: Vec<TransformConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TransformConfig {
    /// Name of the metrics, or a regular expression on it; required.
    include: String,
    /// `strict` (default) or `regexp`.
    match_type: String,
    /// Only points whose attributes have these values; a missing attribute counts as "".
    experimental_match_labels: BTreeMap<String, String>,
    /// `insert`, `update`, `combine` or `group`; required.
    action: String,
    /// The name of the metric that comes out; `$1` and `${name}` are groups of a regexp.
    new_name: String,
    /// For `group`: attributes of the new resource.
    group_resource_labels: BTreeMap<String, String>,
    /// For `combine`: `sum` (default), `mean`, `min`, `max`, `count` or `median`.
    aggregation_type: String,
    /// For `combine`: `lower` or `upper` case for the values of the labels made from groups.
    submatch_case: String,
    operations: Vec<OperationConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OperationConfig {
    /// `add_label`, `update_label`, `delete_label_value`, `toggle_scalar_data_type`,
    /// `experimental_scale_value`, `aggregate_labels` or `aggregate_label_values`; required.
    action: String,
    label: String,
    new_label: String,
    new_value: String,
    label_value: String,
    label_set: Vec<String>,
    aggregated_values: Vec<String>,
    aggregation_type: String,
    experimental_scale: f64,
    value_actions: Vec<ValueAction>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ValueAction {
    value: String,
    new_value: String,
}

impl ProcessorConfig for MetricsTransformConfig {
    fn validate(&self, issues: &mut Issues) {
        for (index, transform) in self.transforms.iter().enumerate() {
            if let Err((key, message)) = transform.compile("") {
                issues.error(format!("transforms::{index}::{key}").trim_end_matches("::"), message);
            }
        }
    }

    fn build(&self, context: Context, _: Signal) -> Result<Box<dyn Processor>, BuildError> {
        let version = context.host.version();
        let transforms = self.transforms.iter().map(|transform| transform.compile(version));
        let counter = |name| context.telemetry.counter(name, &[("processor", &context.id.to_string())]);
        Ok(Box::new(MetricsTransform {
            transforms: transforms.collect::<Result<_, _>>().map_err(|(_, message)| BuildError(message))?,
            removed: counter("otelcol_processor_metricstransform_removed_datapoints"),
            added: counter("otelcol_processor_metricstransform_added_datapoints"),
        }))
    }
}

struct MetricsTransform {
    transforms: Vec<Transform>,
    /// Points that were merged into others or deleted.
    removed: Counter,
    /// Points of metrics that were copied.
    added: Counter,
}

impl Processor for MetricsTransform {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        let concerned = |data: &Data| match data {
            Data::Metrics(all) => all
                .iter()
                .flat_map(|r| &r.scope_metrics)
                .flat_map(|s| &s.metrics)
                .any(|metric| self.transforms.iter().any(|transform| transform.names(metric))),
            _ => false,
        };
        if concerned(batch.data())
            && let Data::Metrics(all) = batch.data_mut()
        {
            let mut counts = transform::Counts::default();
            transform::apply(&self.transforms, all, &mut counts);
            self.removed.add(counts.removed);
            self.added.add(counts.added);
            if all.is_empty() {
                return;
            }
        }
        next.send(batch);
    }
}

#[cfg(test)]
mod tests;
