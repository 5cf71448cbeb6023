//! The processor's own metrics, under the collector's names.

use crate::component::Context;
use crate::telemetry::Counter;

/// Upper bounds of the histogram of sent items.
const BOUNDS: [(&str, u64); 22] = [
    ("10", 10),
    ("25", 25),
    ("50", 50),
    ("75", 75),
    ("100", 100),
    ("250", 250),
    ("500", 500),
    ("750", 750),
    ("1000", 1000),
    ("2000", 2000),
    ("3000", 3000),
    ("4000", 4000),
    ("5000", 5000),
    ("6000", 6000),
    ("7000", 7000),
    ("8000", 8000),
    ("9000", 9000),
    ("10000", 10_000),
    ("20000", 20_000),
    ("30000", 30_000),
    ("50000", 50_000),
    ("100000", 100_000),
];

pub struct Counters {
    pub sent_by_size: Counter,
    pub sent_by_timeout: Counter,
    items: Counter,
    batches: Counter,
    buckets: Vec<(u64, Counter)>,
}

impl Counters {
    pub fn new(context: &Context) -> Self {
        let id = context.id.to_string();
        let counter = |name| context.telemetry.counter(name, &[("processor", &id)]);
        context.telemetry.gauge("otelcol_processor_batch_metadata_cardinality", &[("processor", &id)]).set(1);
        let bucket = |label: &str| {
            let labels = [("processor", id.as_str()), ("le", label)];
            context.telemetry.counter("otelcol_processor_batch_batch_send_size_bucket", &labels)
        };
        Self {
            sent_by_size: counter("otelcol_processor_batch_batch_size_trigger_send"),
            sent_by_timeout: counter("otelcol_processor_batch_timeout_trigger_send"),
            items: counter("otelcol_processor_batch_batch_send_size_sum"),
            batches: counter("otelcol_processor_batch_batch_send_size_count"),
            buckets: BOUNDS
                .iter()
                .map(|(label, bound)| (*bound, bucket(label)))
                .chain([(u64::MAX, bucket("+Inf"))])
                .collect(),
        }
    }

    /// A batch of `items` items was sent.
    pub fn sent(&self, items: usize) {
        self.items.add(items as u64);
        self.batches.add(1);
        for (bound, counter) in &self.buckets {
            if items as u64 <= *bound {
                counter.add(1);
            }
        }
    }
}
