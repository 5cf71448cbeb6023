//! `transform`: changes telemetry with statements of the OpenTelemetry Transformation Language.

mod config;
mod groups;
mod run;

use serde::Deserialize;

pub use config::{Entry, ErrorMode};

use crate::component::{BuildError, Context, Processor, ProcessorConfig, ProcessorType, decode_processor};
use crate::config::Issues;
use crate::pipeline::Signal;

pub static TYPE: ProcessorType = ProcessorType {
    name: "transform",
    aliases: &[],
    signals: &Signal::ALL,
    decode: decode_processor::<TransformConfig>,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TransformConfig {
    /// For groups that do not say otherwise.
    pub error_mode: ErrorMode,
    pub log_statements: Vec<Entry>,
    pub metric_statements: Vec<Entry>,
    pub trace_statements: Vec<Entry>,
    /// Accepted when empty: there are no profiles here.
    pub profile_statements: Vec<Entry>,
    /// Accepted when off.
    pub flatten_data: bool,
}

impl TransformConfig {
    fn statements(&self, signal: Signal) -> (&'static str, &[Entry]) {
        match signal {
            Signal::Logs => ("log_statements", &self.log_statements),
            Signal::Metrics => ("metric_statements", &self.metric_statements),
            Signal::Traces => ("trace_statements", &self.trace_statements),
        }
    }
}

impl ProcessorConfig for TransformConfig {
    fn validate(&self, issues: &mut Issues) {
        if self.flatten_data {
            issues.error("flatten_data", "is experimental upstream and not offered here: remove it");
        }
        if !self.profile_statements.is_empty() {
            issues.error("profile_statements", "profiles are not supported: remove the statements");
        }
        for signal in Signal::ALL {
            let (key, entries) = self.statements(signal);
            if let Err(faults) = groups::compile(signal, entries, self.error_mode) {
                for (path, message) in faults {
                    issues.error(&format!("{key}{path}"), message);
                }
            }
        }
    }

    fn build(&self, context: Context, signal: Signal) -> Result<Box<dyn Processor>, BuildError> {
        let (key, entries) = self.statements(signal);
        let groups = groups::compile(signal, entries, self.error_mode).map_err(|faults| {
            let faults: Vec<String> =
                faults.into_iter().map(|(path, message)| format!("{key}{path}: {message}")).collect();
            BuildError::new(faults.join("\n"))
        })?;
        Ok(Box::new(run::Transform::new(groups, &context)))
    }
}

#[cfg(test)]
mod tests;
