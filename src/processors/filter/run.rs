//! Filtering batches.

use super::Rules;
use super::verdict::{Judge, apply};
use crate::component::{Context, Next, Processor};
use crate::ottl::{EvalError, Failures};
use crate::pipeline::{Batch, Signal};
use crate::processors::transform::ErrorMode;
use crate::telemetry::Counter;

pub struct Filter {
    rules: Rules,
    filtered: Counter,
    failures: Failures,
}

impl Filter {
    pub fn new(rules: Rules, error_mode: ErrorMode, context: &Context, signal: Signal) -> Self {
        let id = context.id.to_string();
        let name = match signal {
            Signal::Logs => "otelcol_processor_filter_logs.filtered",
            Signal::Metrics => "otelcol_processor_filter_datapoints.filtered",
            Signal::Traces => "otelcol_processor_filter_spans.filtered",
        };
        Self {
            filtered: context.telemetry.counter(name, &[("filter", &id)]),
            failures: Failures::new(
                &id,
                context.telemetry.counter("kmagent_processor_filter_condition_errors", &[("processor", &id)]),
                error_mode == ErrorMode::Silent,
            ),
            rules,
        }
    }
}

impl Processor for Filter {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        let mut failed = |condition: &str, error: &EvalError| {
            self.failures.note(condition, error, "the item stays");
        };
        let verdict = Judge { rules: &self.rules, failed: &mut failed }.judge(batch.data());
        if verdict.drops_something() {
            let before = batch.items();
            apply(batch.data_mut(), verdict, &self.rules);
            let after = batch.items();
            self.filtered.add((before - after) as u64);
            if is_empty(&batch) {
                // Nothing is left to deliver: with the batch its acknowledgement goes, as delivered.
                return;
            }
        }
        next.send(batch);
    }
}

fn is_empty(batch: &Batch) -> bool {
    use crate::pipeline::Data;
    match batch.data() {
        Data::Logs(all) => all.is_empty(),
        Data::Metrics(all) => all.is_empty(),
        Data::Traces(all) => all.is_empty(),
    }
}
