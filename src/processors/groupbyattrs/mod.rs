//! `groupbyattrs`: moves attributes of items to their resource, and joins equal resources.

mod regroup;

use serde::Deserialize;

use crate::component::{
    BuildError, Context, Next, Processor, ProcessorConfig, ProcessorType, decode_processor,
};
use crate::config::Issues;
use crate::otlp::Str;
use crate::pipeline::{Batch, Data, Signal};
use crate::telemetry::Counter;

use regroup::{Outcome, is_grouped, regroup};

pub static TYPE: ProcessorType = ProcessorType {
    name: "groupbyattrs",
    aliases: &["group_by_attrs"],
    signals: &Signal::ALL,
    decode: decode_processor::<GroupByAttrsConfig>,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupByAttrsConfig {
    /// Attributes to move; without any, equal resources are joined.
    keys: Vec<String>,
}

impl ProcessorConfig for GroupByAttrsConfig {
    fn validate(&self, issues: &mut Issues) {
        let mut keys: Vec<&String> = self.keys.iter().collect();
        keys.sort_unstable();
        if self.keys.iter().any(String::is_empty) {
            issues.error("keys", "must not hold an empty key");
        }
        if let Some([twice, ..]) = keys.windows(2).find(|pair| pair.first() == pair.last()) {
            issues.warn("keys", format!("\"{twice}\" is listed twice"));
        }
    }

    fn build(&self, context: Context, signal: Signal) -> Result<Box<dyn Processor>, BuildError> {
        let id = context.id.to_string();
        let (grouped, others, groups) = counter_names(signal);
        let counter = |name| context.telemetry.counter(name, &[("processor", &id)]);
        Ok(Box::new(GroupByAttrs {
            keys: self.keys.iter().map(Str::from).collect(),
            grouped: counter(grouped),
            others: counter(others),
            groups: counter(groups),
        }))
    }
}

struct GroupByAttrs {
    keys: Vec<Str>,
    grouped: Counter,
    others: Counter,
    groups: Counter,
}

impl Processor for GroupByAttrs {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        if is_grouped(batch.data(), &self.keys) {
            self.others.add(batch.items() as u64);
            return next.send(batch);
        }
        let outcome = match batch.data_mut() {
            Data::Logs(all) => regroup(all, &self.keys),
            Data::Metrics(all) => regroup(all, &self.keys),
            Data::Traces(all) => regroup(all, &self.keys),
        };
        let Outcome { grouped, others, groups } = outcome;
        self.grouped.add(grouped);
        self.others.add(others);
        self.groups.add(groups);
        next.send(batch);
    }
}

/// Items that were grouped and were not, and the groups there were.
fn counter_names(signal: Signal) -> (&'static str, &'static str, &'static str) {
    match signal {
        Signal::Logs => (
            "otelcol_processor_groupbyattrs_num_grouped_logs",
            "otelcol_processor_groupbyattrs_num_non_grouped_logs",
            "otelcol_processor_groupbyattrs_log_groups_sum",
        ),
        Signal::Metrics => (
            "otelcol_processor_groupbyattrs_num_grouped_metrics",
            "otelcol_processor_groupbyattrs_num_non_grouped_metrics",
            "otelcol_processor_groupbyattrs_metric_groups_sum",
        ),
        Signal::Traces => (
            "otelcol_processor_groupbyattrs_num_grouped_spans",
            "otelcol_processor_groupbyattrs_num_non_grouped_spans",
            "otelcol_processor_groupbyattrs_span_groups_sum",
        ),
    }
}

#[cfg(test)]
mod tests;
