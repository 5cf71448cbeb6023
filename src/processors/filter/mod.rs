//! `filter`: drops telemetry that a condition of the OpenTelemetry Transformation Language, or one
//! of the older include and exclude blocks, says is not wanted.

mod conditions;
mod config;
mod expressions;
mod legacy;
mod matching;
mod run;
mod verdict;

pub use config::FilterConfig;

use crate::component::{BuildError, Context, Processor, ProcessorConfig, ProcessorType, decode_processor};
use crate::config::Issues;
use crate::ottl::ContextKind;
use crate::pipeline::Signal;

pub static TYPE: ProcessorType = ProcessorType {
    name: "filter",
    aliases: &[],
    signals: &Signal::ALL,
    decode: decode_processor::<FilterConfig>,
};

impl ProcessorConfig for FilterConfig {
    fn validate(&self, issues: &mut Issues) {
        for signal in Signal::ALL {
            for (path, message) in self.compile(signal).err().unwrap_or_default() {
                issues.error(&path, message);
            }
        }
        if !self.profiles.is_empty() {
            issues.error("profiles", "profiles are not supported: remove the conditions");
        }
    }

    fn build(&self, context: Context, signal: Signal) -> Result<Box<dyn Processor>, BuildError> {
        let rules = self.compile(signal).map_err(|faults| {
            let faults: Vec<String> =
                faults.into_iter().map(|(path, message)| format!("{path}: {message}")).collect();
            BuildError::new(faults.join("\n"))
        })?;
        Ok(Box::new(run::Filter::new(rules, self.error_mode, &context, signal)))
    }
}

/// Mistakes: where and what.
type Faults = Vec<(String, String)>;

/// What decides about the items of one signal.
#[derive(Debug, Default)]
struct Rules {
    resource: conditions::Conditions,
    /// Log records, metrics or spans.
    item: conditions::Conditions,
    /// Data points or span events.
    part: conditions::Conditions,
    legacy: Option<legacy::Legacy>,
}

impl FilterConfig {
    fn compile(&self, signal: Signal) -> Result<Rules, Faults> {
        let (key, lists): (_, [(_, &[String], ContextKind); 3]) = match signal {
            Signal::Logs => (
                "logs",
                [
                    ("resource", &self.logs.resource, ContextKind::Resource),
                    ("log_record", &self.logs.log_record, ContextKind::Log),
                    ("", &[], ContextKind::Log),
                ],
            ),
            Signal::Metrics => (
                "metrics",
                [
                    ("resource", &self.metrics.resource, ContextKind::Resource),
                    ("metric", &self.metrics.metric, ContextKind::Metric),
                    ("datapoint", &self.metrics.datapoint, ContextKind::DataPoint),
                ],
            ),
            Signal::Traces => (
                "traces",
                [
                    ("resource", &self.traces.resource, ContextKind::Resource),
                    ("span", &self.traces.span, ContextKind::Span),
                    ("spanevent", &self.traces.spanevent, ContextKind::SpanEvent),
                ],
            ),
        };
        let mut faults = Faults::new();
        let mut compiled = lists
            .map(|(list, texts, context)| {
                conditions::Conditions::compile(texts, context, &format!("{key}::{list}"), &mut faults)
            })
            .into_iter();
        let mut next = || compiled.next().unwrap_or_default();
        let mut rules = Rules { resource: next(), item: next(), part: next(), legacy: None };
        rules.legacy = match signal {
            Signal::Logs => {
                legacy::Legacy::of_logs(self.logs.include.as_ref(), self.logs.exclude.as_ref(), &mut faults)
            }
            Signal::Metrics => legacy::Legacy::of_metrics(
                self.metrics.include.as_ref(),
                self.metrics.exclude.as_ref(),
                &mut faults,
            ),
            Signal::Traces => legacy::Legacy::of_spans(
                self.spans.include.as_ref(),
                self.spans.exclude.as_ref(),
                &mut faults,
            ),
        };
        if rules.legacy.is_some() && lists.iter().any(|(_, texts, _)| !texts.is_empty()) {
            faults.push((
                key.to_owned(),
                "conditions cannot be combined with include and exclude: write all as conditions".to_owned(),
            ));
        }
        if faults.is_empty() { Ok(rules) } else { Err(faults) }
    }
}

#[cfg(test)]
mod tests;
