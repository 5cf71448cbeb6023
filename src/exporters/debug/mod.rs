//! The `debug` exporter: writes telemetry as text, into the agent's log or to standard output.

mod detailed;
mod normal;
mod sampling;
mod text;
mod walk;

use std::fmt::Write as _;
use std::io::Write as _;

use serde::Deserialize;

use self::sampling::Sampler;
use super::Sending;
use super::sending::{RetryOnFailure, SendingQueue};
use crate::component::{
    BuildError, ComponentType, Context, ExportError, Exporter, ExporterConfig, ExporterType, decode_exporter,
};
use crate::config::Issues;
use crate::config::types::section;
use crate::pipeline::{Batch, Data, Signal, Stop};

pub static TYPE: ExporterType = ComponentType {
    name: "debug",
    aliases: &[],
    signals: &Signal::ALL,
    decode: decode_exporter::<DebugConfig>,
};

/// Config of `debug`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DebugConfig {
    pub verbosity: Verbosity,
    /// Messages of a kind that are written in each second …
    pub sampling_initial: u32,
    /// … and after these every n-th.
    pub sampling_thereafter: u32,
    /// Into the agent's log; false: plain text on standard output.
    pub use_internal_logger: bool,
    #[serde(deserialize_with = "section")]
    pub sending_queue: Option<SendingQueue>,
}

/// How much is written of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    /// One line with counts.
    #[default]
    Basic,
    /// And a line an item.
    Normal,
    /// And every field.
    Detailed,
}

impl Default for DebugConfig {
    fn default() -> Self {
        Self {
            verbosity: Verbosity::Basic,
            sampling_initial: 2,
            sampling_thereafter: 1,
            use_internal_logger: true,
            sending_queue: None,
        }
    }
}

impl ExporterConfig for DebugConfig {
    fn validate(&self, issues: &mut Issues) {
        self.sending().validate(issues);
    }

    fn sending(&self) -> Sending {
        Sending { retry_on_failure: RetryOnFailure::default(), sending_queue: self.sending_queue.clone() }
    }

    fn build(&self, context: Context, signal: Signal) -> Result<Box<dyn Exporter>, BuildError> {
        Ok(Box::new(Debug {
            verbosity: self.verbosity,
            sampler: Sampler::new(self.sampling_initial, self.sampling_thereafter),
            to_log: self.use_internal_logger,
            name: format!("{} ({signal})", context.id),
        }))
    }
}

struct Debug {
    verbosity: Verbosity,
    sampler: Sampler,
    to_log: bool,
    name: String,
}

impl Exporter for Debug {
    fn export(&self, batch: &Batch, _: &Stop) -> Result<(), ExportError> {
        if !self.sampler.is_due(std::time::Instant::now()) {
            return Ok(());
        }
        let mut text = summary(batch.data());
        if self.verbosity != Verbosity::Basic {
            text.push('\n');
        }
        match self.verbosity {
            Verbosity::Basic => {}
            Verbosity::Normal => normal::write(batch.data(), &mut text),
            Verbosity::Detailed => detailed::write(batch.data(), &mut text),
        }
        if self.to_log {
            log::info!("{}: {}", self.name, text.trim_end());
        } else {
            // Nobody listens any more: that is no reason to keep the batch.
            let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
        }
        Ok(())
    }
}

/// The line with counts, with the field names of upstream.
fn summary(data: &Data) -> String {
    let mut text = String::new();
    let items = data.items();
    // Writing into a string does not fail.
    let _ = match data {
        Data::Logs(all) => {
            write!(text, "Logs {{\"resource logs\": {}, \"log records\": {items}}}", all.len())
        }
        Data::Metrics(all) => {
            let metrics: usize = all
                .iter()
                .flat_map(|resource| &resource.scope_metrics)
                .map(|scope| scope.metrics.len())
                .sum();
            let resources = all.len();
            write!(
                text,
                "Metrics {{\"resource metrics\": {resources}, \"metrics\": {metrics}, \"data points\": {items}}}"
            )
        }
        Data::Traces(all) => {
            write!(text, "Traces {{\"resource spans\": {}, \"spans\": {items}}}", all.len())
        }
    };
    text
}

#[cfg(test)]
mod tests;
