//! `probabilistic_sampler`: keeps a share of the spans or log records, whole traces at a time.

mod probability;
mod sampler;
mod tracestate;

use serde::Deserialize;

use crate::component::{
    BuildError, Context, Next, Processor, ProcessorConfig, ProcessorType, decode_processor,
};
use crate::config::Issues;
use crate::otlp::Str;
use crate::pipeline::{Batch, Data, Signal};
use crate::telemetry::Counter;

use probability::Threshold;
use sampler::{Mode, Sampler};

pub static TYPE: ProcessorType = ProcessorType {
    name: "probabilistic_sampler",
    aliases: &[],
    signals: &[Signal::Traces, Signal::Logs],
    decode: decode_processor::<ProbabilisticSamplerConfig>,
};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbabilisticSamplerConfig {
    /// Percentage that is kept; 100 and more keeps all.
    sampling_percentage: f64,
    /// Agents with the same seed keep the same traces.
    hash_seed: u32,
    /// `hash_seed`, `proportional` or `equalizing`.
    mode: String,
    /// Whether items that cannot be sampled (no trace id, contradicting thresholds) are dropped.
    fail_closed: bool,
    /// Hexadecimal digits of the threshold that is written.
    sampling_precision: u32,
    /// For logs: `traceID` or `record`.
    attribute_source: String,
    /// For logs with source `record`: the attribute that is hashed.
    from_attribute: String,
    /// For logs: an attribute that holds a percentage of its own.
    sampling_priority: String,
}

impl Default for ProbabilisticSamplerConfig {
    fn default() -> Self {
        Self {
            sampling_percentage: 0.0,
            hash_seed: 0,
            mode: String::new(),
            fail_closed: true,
            sampling_precision: 4,
            attribute_source: String::new(),
            from_attribute: String::new(),
            sampling_priority: String::new(),
        }
    }
}

impl ProcessorConfig for ProbabilisticSamplerConfig {
    fn validate(&self, issues: &mut Issues) {
        let percentage = self.sampling_percentage;
        if percentage.is_nan() || percentage.is_infinite() {
            issues.error("sampling_percentage", "must be a number");
        } else if percentage < 0.0 {
            issues.error("sampling_percentage", "must not be negative");
        } else if percentage > 0.0 && percentage / 100.0 < probability::SMALLEST {
            issues.error("sampling_percentage", "is too small: the least is 100 × 2⁻⁵⁶");
        }
        if !matches!(self.mode.as_str(), "" | "hash_seed" | "proportional" | "equalizing") {
            issues.error(
                "mode",
                format!("\"{}\" is not known: use hash_seed, proportional or equalizing", self.mode),
            );
        }
        if !(1..=14).contains(&self.sampling_precision) {
            issues.error("sampling_precision", "must be from 1 to 14");
        }
        match self.attribute_source.as_str() {
            "" | "traceID" => {}
            "record" if self.from_attribute.is_empty() => {
                issues.error("from_attribute", "is required with attribute_source record");
            }
            "record" => {}
            other => {
                issues.error("attribute_source", format!("\"{other}\" is not known: use traceID or record"));
            }
        }
    }

    fn build(&self, context: Context, signal: Signal) -> Result<Box<dyn Processor>, BuildError> {
        let of_record = signal == Signal::Logs && self.attribute_source == "record";
        let mode = match self.mode.as_str() {
            "hash_seed" => Mode::HashSeed,
            "proportional" => Mode::Proportional,
            "equalizing" => Mode::Equalizing,
            _ if self.hash_seed != 0 || of_record => Mode::HashSeed,
            _ => Mode::Proportional,
        };
        let name = match signal {
            Signal::Logs => "otelcol_processor_probabilistic_sampler_count_logs_sampled",
            _ => "otelcol_processor_probabilistic_sampler_count_traces_sampled",
        };
        let id = context.id.to_string();
        let counter = |sampled| context.telemetry.counter(name, &[("processor", &id), ("sampled", sampled)]);
        let text = |text: &str| (!text.is_empty()).then(|| Str::from(text));
        Ok(Box::new(ProbabilisticSampler {
            sampler: Sampler {
                mode,
                ratio: (self.sampling_percentage / 100.0).min(1.0),
                threshold: Threshold::of(self.sampling_percentage / 100.0, self.sampling_precision),
                precision: self.sampling_precision,
                seed: self.hash_seed,
                fail_closed: self.fail_closed,
                source: of_record.then(|| Str::from(&self.from_attribute)),
                priority: text(&self.sampling_priority),
            },
            kept: counter("true"),
            dropped: counter("false"),
        }))
    }
}

struct ProbabilisticSampler {
    sampler: Sampler,
    kept: Counter,
    dropped: Counter,
}

impl Processor for ProbabilisticSampler {
    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        let before = batch.items() as u64;
        match batch.data_mut() {
            Data::Traces(all) => all.retain_mut(|group| {
                group.scope_spans.retain_mut(|scoped| {
                    scoped.spans.retain_mut(|span| self.sampler.keeps_span(span));
                    !scoped.spans.is_empty()
                });
                !group.scope_spans.is_empty()
            }),
            Data::Logs(all) => all.retain_mut(|group| {
                group.scope_logs.retain_mut(|scoped| {
                    scoped.log_records.retain_mut(|record| self.sampler.keeps_record(record));
                    !scoped.log_records.is_empty()
                });
                !group.scope_logs.is_empty()
            }),
            Data::Metrics(_) => {}
        }
        let after = batch.items() as u64;
        self.kept.add(after);
        self.dropped.add(before - after);
        if after > 0 {
            next.send(batch);
        }
    }
}

#[cfg(test)]
mod tests;
