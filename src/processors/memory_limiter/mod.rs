//! `memory_limiter`: holds the pipeline up while the agent uses too much memory.
//!
//! Nothing is refused that can wait: the channel before the pipeline fills up, file and scrape
//! receivers wait, network receivers answer "try later".

mod checker;
mod usage;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::component::{
    BuildError, Context, Next, Processor, ProcessorConfig, ProcessorType, decode_processor,
};
use crate::config::{Issues, types};
use crate::pipeline::{Batch, Outcome, Signal, Stop};
use crate::telemetry::Counter;

use checker::{Checker, Limits};

pub static TYPE: ProcessorType = ProcessorType {
    name: "memory_limiter",
    aliases: &[],
    signals: &Signal::ALL,
    decode: decode_processor::<MemoryLimiterConfig>,
};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryLimiterConfig {
    /// How often the memory in use is measured; required.
    #[serde(deserialize_with = "types::duration")]
    check_interval: Duration,
    /// The most memory to use, in MiB; goes before `limit_percentage`.
    limit_mib: u32,
    /// Batches wait above limit − spike; 0 = a fifth of the limit.
    spike_limit_mib: u32,
    /// The most memory to use, of the container's limit, or of the host's memory when it has none.
    limit_percentage: u32,
    spike_limit_percentage: u32,
    /// Accepted: memory is given back as it is freed, there is no collector to run.
    #[serde(deserialize_with = "types::duration")]
    min_gc_interval_when_soft_limited: Duration,
    #[serde(deserialize_with = "types::duration")]
    min_gc_interval_when_hard_limited: Duration,
}

impl Default for MemoryLimiterConfig {
    fn default() -> Self {
        Self {
            check_interval: Duration::ZERO,
            limit_mib: 0,
            spike_limit_mib: 0,
            limit_percentage: 0,
            spike_limit_percentage: 0,
            min_gc_interval_when_soft_limited: Duration::from_secs(10),
            min_gc_interval_when_hard_limited: Duration::ZERO,
        }
    }
}

impl ProcessorConfig for MemoryLimiterConfig {
    fn validate(&self, issues: &mut Issues) {
        if self.check_interval.is_zero() {
            issues.error("check_interval", "must be greater than zero: write 1s");
        }
        if self.limit_mib == 0 && self.limit_percentage == 0 {
            issues.error("limit_mib", "limit_mib or limit_percentage must be greater than zero");
        }
        if self.limit_percentage > 100 {
            issues.error("limit_percentage", "must be at most 100");
        }
        if self.spike_limit_percentage > 100 {
            issues.error("spike_limit_percentage", "must be at most 100");
        }
        if self.limit_mib > 0 && self.spike_limit_mib >= self.limit_mib {
            issues.error("spike_limit_mib", "must be smaller than limit_mib");
        }
        if self.limit_percentage > 0 && self.spike_limit_percentage >= self.limit_percentage {
            issues.error("spike_limit_percentage", "must be smaller than limit_percentage");
        }
        if self.min_gc_interval_when_soft_limited < self.min_gc_interval_when_hard_limited {
            issues.error(
                "min_gc_interval_when_soft_limited",
                "must be at least min_gc_interval_when_hard_limited",
            );
        }
    }

    fn reads(&self) -> bool {
        false
    }

    fn build(&self, context: Context, signal: Signal) -> Result<Box<dyn Processor>, BuildError> {
        let checker = checker::shared(self.limits()?, self.check_interval);
        let id = context.id.to_string();
        let (accepted, refused) = counter_names(signal);
        Ok(Box::new(MemoryLimiter {
            checker,
            abort: context.abort,
            patience: PATIENCE,
            accepted: context.telemetry.counter(accepted, &[("processor", &id)]),
            refused: context.telemetry.counter(refused, &[("processor", &id)]),
        }))
    }
}

impl MemoryLimiterConfig {
    fn limits(&self) -> Result<Limits, BuildError> {
        const MIB: u64 = 1 << 20;
        if self.limit_mib > 0 {
            return Ok(Limits::new(u64::from(self.limit_mib) * MIB, u64::from(self.spike_limit_mib) * MIB));
        }
        let total = usage::total().ok_or_else(|| {
            BuildError::new(
                "cannot find out how much memory there is: set limit_mib instead of limit_percentage",
            )
        })?;
        let share = |percentage: u32| (u128::from(total) * u128::from(percentage) / 100) as u64;
        Ok(Limits::new(share(self.limit_percentage), share(self.spike_limit_percentage)))
    }
}

/// The longest a batch waits before it may pass all the same. What later processors hold back can
/// only leave between two batches: were they never served, memory might never come down.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the memory is measured while a batch waits.
const POLL: Duration = Duration::from_millis(100);

struct MemoryLimiter {
    checker: Arc<Checker>,
    abort: Stop,
    patience: Duration,
    accepted: Counter,
    refused: Counter,
}

impl Processor for MemoryLimiter {
    fn process(&mut self, batch: Batch, next: &mut dyn Next) {
        let items = batch.items() as u64;
        if self.wait() {
            self.accepted.add(items);
            next.send(batch);
        } else {
            self.refused.add(items);
            batch.ack.settle(Outcome::Refused);
        }
    }
}

impl MemoryLimiter {
    /// Waits until there is room; false when the agent gives up waiting.
    fn wait(&self) -> bool {
        let start = Instant::now();
        while self.checker.is_above(Instant::now()) && start.elapsed() < self.patience {
            if self.abort.wait(POLL) {
                return false;
            }
        }
        true
    }
}

fn counter_names(signal: Signal) -> (&'static str, &'static str) {
    match signal {
        Signal::Logs => (
            "otelcol_processor_memory_limiter_accepted_log_records",
            "otelcol_processor_memory_limiter_refused_log_records",
        ),
        Signal::Metrics => (
            "otelcol_processor_memory_limiter_accepted_metric_points",
            "otelcol_processor_memory_limiter_refused_metric_points",
        ),
        Signal::Traces => (
            "otelcol_processor_memory_limiter_accepted_spans",
            "otelcol_processor_memory_limiter_refused_spans",
        ),
    }
}

#[cfg(test)]
mod tests;
