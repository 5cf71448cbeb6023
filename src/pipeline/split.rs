//! Splitting and merging the data of batches, for the batch processor, the queue's batches and for
//! backends that find a request too large.
//!
//! Whole resources, scopes and metrics are moved; what a cut goes through has its header (resource,
//! scope, schema URL, metric name, unit, temporality, metadata) in both parts.

use prost::Message;
use prost::encoding::{encoded_len_varint, key_len};

use super::Data;
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::otlp::metrics::{self, Metric, ResourceMetrics, ScopeMetrics};
use crate::otlp::trace::{ResourceSpans, ScopeSpans, Span};

/// Takes everything after the first `items` items (log records, data points, spans) out of `data`.
pub fn split_off(data: &mut Data, items: usize) -> Data {
    match data {
        Data::Logs(all) => Data::Logs(cut(all, items)),
        Data::Metrics(all) => Data::Metrics(cut(all, items)),
        Data::Traces(all) => Data::Traces(cut(all, items)),
    }
}

/// Appends `from` to `into`; equal resources are not joined.
///
/// # Panics
/// When the two are of different signals, which no queue or processor ever mixes.
pub fn merge(into: &mut Data, from: Data) {
    match (into, from) {
        (Data::Logs(into), Data::Logs(mut from)) => into.append(&mut from),
        (Data::Metrics(into), Data::Metrics(mut from)) => into.append(&mut from),
        (Data::Traces(into), Data::Traces(mut from)) => into.append(&mut from),
        (into, from) => panic!("cannot merge {} into {}", from.signal(), into.signal()),
    }
}

/// How many of the first items fit into an encoded request of `bytes` bytes: where to cut. At least
/// one, so that splitting always ends; at most a few bytes per resource and scope too careful.
pub fn items_within(data: &Data, bytes: usize) -> usize {
    let mut budget = Budget { left: bytes, items: 0 };
    match data {
        Data::Logs(all) => budget.take(all),
        Data::Metrics(all) => budget.take(all),
        Data::Traces(all) => budget.take(all),
    };
    budget.items.max(1)
}

/// A message that holds items, directly or further down.
trait Part: Sized {
    fn items(&self) -> usize;
    /// Takes everything after the first `at` items, with a copy of the header.
    fn split_off(&mut self, at: usize) -> Self;
    /// Takes what fits from the front; false when something did not.
    fn measure(&self, budget: &mut Budget) -> bool;
}

fn cut<P: Part>(parts: &mut Vec<P>, at: usize) -> Vec<P> {
    let mut left = at;
    for index in 0..parts.len() {
        let items = parts[index].items();
        if left == 0 {
            return parts.split_off(index);
        }
        if items > left {
            let mut rest = parts.split_off(index);
            let tail = rest[0].split_off(left);
            parts.push(std::mem::replace(&mut rest[0], tail));
            return rest;
        }
        left -= items;
    }
    Vec::new()
}

struct Budget {
    left: usize,
    items: usize,
}

/// Most bytes a key and a length prefix take in front of a message.
const PREFIX: usize = 1 + 5;

impl Budget {
    fn take<P: Part>(&mut self, parts: &[P]) -> bool {
        parts.iter().all(|part| part.measure(self))
    }

    fn take_items<M: Message>(&mut self, tag: u32, items: &[M]) -> bool {
        items.iter().all(|item| {
            let len = item.encoded_len();
            let fits = self.spend(key_len(tag) + encoded_len_varint(len as u64) + len);
            self.items += usize::from(fits);
            fits
        })
    }

    fn spend(&mut self, bytes: usize) -> bool {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}

/// Size of the messages and texts in a header, each with its prefix.
macro_rules! header_len {
    ($($message:expr),*; $($text:expr),*) => {
        PREFIX $(+ PREFIX + $message.as_ref().map_or(0, Message::encoded_len))* $(+ PREFIX + $text.len())*
    };
}

macro_rules! resource {
    ($name:ident, $children:ident) => {
        impl Part for $name {
            fn items(&self) -> usize {
                self.$children.iter().map(Part::items).sum()
            }
            fn split_off(&mut self, at: usize) -> Self {
                Self {
                    $children: cut(&mut self.$children, at),
                    resource: self.resource.clone(),
                    schema_url: self.schema_url.clone(),
                }
            }
            fn measure(&self, budget: &mut Budget) -> bool {
                budget.spend(header_len!(self.resource; self.schema_url)) && budget.take(&self.$children)
            }
        }
    };
}
resource!(ResourceLogs, scope_logs);
resource!(ResourceMetrics, scope_metrics);
resource!(ResourceSpans, scope_spans);

macro_rules! scope {
    ($name:ident, $items:ident: $item:ty) => {
        impl Part for $name {
            fn items(&self) -> usize {
                self.$items.len()
            }
            fn split_off(&mut self, at: usize) -> Self {
                Self {
                    $items: self.$items.split_off(at),
                    scope: self.scope.clone(),
                    schema_url: self.schema_url.clone(),
                }
            }
            fn measure(&self, budget: &mut Budget) -> bool {
                budget.spend(header_len!(self.scope; self.schema_url))
                    && budget.take_items::<$item>(2, &self.$items)
            }
        }
    };
}
scope!(ScopeLogs, log_records: LogRecord);
scope!(ScopeSpans, spans: Span);

impl Part for ScopeMetrics {
    fn items(&self) -> usize {
        self.metrics.iter().map(Part::items).sum()
    }
    fn split_off(&mut self, at: usize) -> Self {
        Self {
            metrics: cut(&mut self.metrics, at),
            scope: self.scope.clone(),
            schema_url: self.schema_url.clone(),
        }
    }
    fn measure(&self, budget: &mut Budget) -> bool {
        budget.spend(header_len!(self.scope; self.schema_url)) && budget.take(&self.metrics)
    }
}

impl Part for Metric {
    fn items(&self) -> usize {
        self.data.as_ref().map_or(0, metrics::Data::len)
    }
    fn split_off(&mut self, at: usize) -> Self {
        use metrics::{Data, ExponentialHistogram, Gauge, Histogram, Sum, Summary};
        let data = self.data.as_mut().map(|data| match data {
            Data::Gauge(gauge) => Data::Gauge(Gauge { data_points: gauge.data_points.split_off(at) }),
            Data::Sum(sum) => Data::Sum(Sum { data_points: sum.data_points.split_off(at), ..*sum }),
            Data::Histogram(histogram) => {
                Data::Histogram(Histogram { data_points: histogram.data_points.split_off(at), ..*histogram })
            }
            Data::ExponentialHistogram(histogram) => Data::ExponentialHistogram(ExponentialHistogram {
                data_points: histogram.data_points.split_off(at),
                ..*histogram
            }),
            Data::Summary(summary) => {
                Data::Summary(Summary { data_points: summary.data_points.split_off(at) })
            }
        });
        Self {
            data,
            name: self.name.clone(),
            description: self.description.clone(),
            unit: self.unit.clone(),
            metadata: self.metadata.clone(),
        }
    }
    fn measure(&self, budget: &mut Budget) -> bool {
        use metrics::Data;
        // Temporality and monotonicity take two bytes each inside the data message.
        let metadata: usize = self.metadata.iter().map(|entry| PREFIX + entry.encoded_len()).sum();
        budget.spend(PREFIX + 4 + metadata + header_len!(; self.name, self.description, self.unit))
            && match &self.data {
                None => true,
                Some(Data::Gauge(gauge)) => budget.take_items(1, &gauge.data_points),
                Some(Data::Sum(sum)) => budget.take_items(1, &sum.data_points),
                Some(Data::Histogram(histogram)) => budget.take_items(1, &histogram.data_points),
                Some(Data::ExponentialHistogram(histogram)) => budget.take_items(1, &histogram.data_points),
                Some(Data::Summary(summary)) => budget.take_items(1, &summary.data_points),
            }
    }
}

#[cfg(test)]
mod tests;
