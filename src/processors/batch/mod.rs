//! `batch`: collects small batches into large ones.

mod counters;
mod merge;
mod pending;

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::component::{
    BuildError, Context, Next, Processor, ProcessorConfig, ProcessorType, decode_processor,
};
use crate::config::{Issues, types};
use crate::pipeline::{Batch, Signal};

use counters::Counters;
use pending::{Slots, parts};

pub static TYPE: ProcessorType = ProcessorType {
    name: "batch",
    aliases: &[],
    signals: &Signal::ALL,
    decode: decode_processor::<BatchConfig>,
};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchConfig {
    /// Items after which a batch is sent; 0 = every batch at once.
    send_batch_size: u32,
    /// Items after which a batch is split; 0 = never.
    send_batch_max_size: u32,
    /// The longest time an item waits; 0 = not at all.
    #[serde(deserialize_with = "types::duration")]
    timeout: Duration,
    /// Accepted: batches carry no client metadata, so all of them belong together.
    metadata_keys: Vec<String>,
    #[serde(rename = "metadata_cardinality_limit")]
    _metadata_cardinality_limit: u32,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            send_batch_size: 8192,
            send_batch_max_size: 0,
            timeout: Duration::from_millis(200),
            metadata_keys: Vec::new(),
            _metadata_cardinality_limit: 1000,
        }
    }
}

impl ProcessorConfig for BatchConfig {
    fn validate(&self, issues: &mut Issues) {
        if self.send_batch_max_size > 0 && self.send_batch_max_size < self.send_batch_size {
            issues.error(
                "send_batch_max_size",
                format!("must be greater or equal to send_batch_size, which is {}", self.send_batch_size),
            );
        }
        let mut keys: Vec<String> = self.metadata_keys.iter().map(|key| key.to_lowercase()).collect();
        keys.sort_unstable();
        if let Some([twice, ..]) = keys.windows(2).find(|pair| pair.first() == pair.last()) {
            issues.error("metadata_keys", format!("duplicate entry \"{twice}\" (case-insensitive)"));
        }
    }

    fn reads(&self) -> bool {
        false
    }

    fn build(&self, context: Context, _: Signal) -> Result<Box<dyn Processor>, BuildError> {
        Ok(Box::new(BatchProcessor {
            send_items: self.send_batch_size as usize,
            max_items: match self.send_batch_max_size as usize {
                0 => usize::MAX,
                items => items,
            },
            timeout: self.timeout,
            slots: Slots::default(),
            counters: Counters::new(&context),
        }))
    }
}

/// Encoded bytes after which a batch is sent whatever its number of items. What is held back stays
/// bounded; file receivers have a few times as much under way, in memory, so that they read on while a
/// batch is sent and never wait for the timeout of one that they cannot fill.
const SEND_BYTES: usize = 3 << 19;

struct BatchProcessor {
    send_items: usize,
    max_items: usize,
    timeout: Duration,
    slots: Slots,
    counters: Counters,
}

impl Processor for BatchProcessor {
    fn encoded_will_do(&mut self) {
        self.slots.write();
    }

    fn process(&mut self, mut batch: Batch, next: &mut dyn Next) {
        // As upstream: a client does not wait for the rest of its batch.
        batch.ack.taken();
        let due = Instant::now() + self.timeout;
        if let Some(crowded_out) = self.slots.add(batch, due, SEND_BYTES) {
            self.counters.sent_by_size.add(1);
            self.send(crowded_out, next);
        }
        if self.timeout.is_zero() {
            self.counters.sent_by_timeout.add(1);
            return self.flush(next);
        }
        let send_items = self.send_items;
        for full in self.slots.take(|slot| slot.items >= send_items || slot.bytes >= SEND_BYTES) {
            self.counters.sent_by_size.add(1);
            let mut rest = None;
            parts(self.slots.finish(full), self.max_items, |batch| {
                match batch.items() < send_items && batch.bytes() < SEND_BYTES {
                    true => rest = Some(batch),
                    false => self.hand_on(batch, next),
                }
            });
            if let Some(rest) = rest {
                self.slots.add(rest, due, SEND_BYTES);
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.slots.earliest()
    }

    fn tick(&mut self, now: Instant, next: &mut dyn Next) {
        for due in self.slots.take(|slot| slot.due <= now) {
            self.counters.sent_by_timeout.add(1);
            self.send(due.into_batch(), next);
        }
        self.slots.calm();
    }

    fn flush(&mut self, next: &mut dyn Next) {
        for rest in self.slots.take(|_| true) {
            self.send(rest.into_batch(), next);
        }
    }
}

impl BatchProcessor {
    fn send(&self, batch: Batch, next: &mut dyn Next) {
        parts(batch, self.max_items, |batch| self.hand_on(batch, next));
    }

    fn hand_on(&self, batch: Batch, next: &mut dyn Next) {
        self.counters.sent(batch.items());
        next.send(batch);
    }
}

#[cfg(test)]
mod tests;
