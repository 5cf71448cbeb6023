//! `groupbytrace`: hands on the spans of a trace together.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use prost::Message;
use serde::Deserialize;

use crate::component::{
    BuildError, Context, Next, Processor, ProcessorConfig, ProcessorType, decode_processor,
};
use crate::config::{Issues, types};
use crate::otlp::trace::{ResourceSpans, ScopeSpans};
use crate::pipeline::{Ack, Batch, Data, Signal};
use crate::telemetry::{Counter, Gauge};

pub static TYPE: ProcessorType = ProcessorType {
    name: "groupbytrace",
    aliases: &["group_by_trace"],
    signals: &[Signal::Traces],
    decode: decode_processor::<GroupByTraceConfig>,
};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupByTraceConfig {
    /// How long spans are waited for after the first of a trace.
    #[serde(deserialize_with = "types::duration")]
    wait_duration: Duration,
    /// Traces held at the same time; one more hands the oldest on early.
    num_traces: usize,
    /// Accepted: one thread runs the pipeline.
    #[serde(rename = "num_workers")]
    _num_workers: usize,
    /// Not supported.
    discard_orphans: bool,
    /// Not supported.
    store_on_disk: bool,
}

impl Default for GroupByTraceConfig {
    fn default() -> Self {
        Self {
            wait_duration: Duration::from_secs(1),
            num_traces: 1_000_000,
            _num_workers: 1,
            discard_orphans: false,
            store_on_disk: false,
        }
    }
}

impl ProcessorConfig for GroupByTraceConfig {
    fn validate(&self, issues: &mut Issues) {
        if self.discard_orphans {
            issues.error("discard_orphans", "is not supported: remove it");
        }
        if self.store_on_disk {
            issues.error("store_on_disk", "is not supported: remove it");
        }
        if self.num_traces == 0 {
            issues.error("num_traces", "must be greater than zero");
        }
    }

    fn build(&self, context: Context, _: Signal) -> Result<Box<dyn Processor>, BuildError> {
        let id = context.id.to_string();
        let counter = |name| context.telemetry.counter(name, &[("processor", &id)]);
        Ok(Box::new(GroupByTrace {
            wait: self.wait_duration,
            max_traces: self.num_traces,
            max_bytes: MAX_BYTES,
            traces: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            released_spans: counter("otelcol_processor_groupbytrace_spans_released"),
            released_traces: counter("otelcol_processor_groupbytrace_traces_released"),
            evicted: counter("otelcol_processor_groupbytrace_traces_evicted"),
            held: context
                .telemetry
                .gauge("otelcol_processor_groupbytrace_num_traces_in_memory", &[("processor", &id)]),
        }))
    }
}

/// Encoded bytes held at the same time; more hands the oldest traces on early.
const MAX_BYTES: usize = 128 << 20;

type TraceId = Vec<u8>;

struct GroupByTrace {
    wait: Duration,
    max_traces: usize,
    max_bytes: usize,
    traces: HashMap<TraceId, Trace>,
    /// Traces in the order of their first span, with the moment each is due.
    order: VecDeque<(Instant, TraceId)>,
    bytes: usize,
    released_spans: Counter,
    released_traces: Counter,
    /// Traces that left before their time, since there was no room.
    evicted: Counter,
    held: Gauge,
}

#[derive(Default)]
struct Trace {
    groups: Vec<ResourceSpans>,
    acks: Vec<Ack>,
    bytes: usize,
}

impl Processor for GroupByTrace {
    fn process(&mut self, batch: Batch, next: &mut dyn Next) {
        let (data, ack, _) = batch.into_parts();
        let Data::Traces(groups) = data else { return };
        let due = Instant::now() + self.wait;
        for (id, groups) in by_trace(groups) {
            self.hold(id, groups, &ack, due);
        }
        drop(ack);
        while self.traces.len() > self.max_traces || self.bytes > self.max_bytes {
            self.evicted.add(1);
            self.release_oldest(next);
        }
        self.held.set(self.traces.len() as u64);
    }

    fn deadline(&self) -> Option<Instant> {
        self.order.front().map(|(due, _)| *due)
    }

    fn tick(&mut self, now: Instant, next: &mut dyn Next) {
        while self.deadline().is_some_and(|due| due <= now) {
            self.release_oldest(next);
        }
        self.held.set(self.traces.len() as u64);
    }

    fn flush(&mut self, next: &mut dyn Next) {
        while !self.order.is_empty() {
            self.release_oldest(next);
        }
        self.held.set(0);
    }
}

impl GroupByTrace {
    fn hold(&mut self, id: TraceId, groups: Vec<ResourceSpans>, ack: &Ack, due: Instant) {
        let bytes: usize = groups.iter().map(Message::encoded_len).sum();
        let trace = self.traces.entry(id).or_insert_with_key(|id| {
            self.order.push_back((due, id.clone()));
            Trace::default()
        });
        trace.groups.extend(groups);
        trace.bytes += bytes;
        self.bytes += bytes;
        if ack.is_wanted() {
            trace.acks.push(ack.clone());
        }
    }

    fn release_oldest(&mut self, next: &mut dyn Next) {
        let Some((_, id)) = self.order.pop_front() else { return };
        let Some(trace) = self.traces.remove(&id) else { return };
        self.bytes -= trace.bytes;
        let batch = Batch::new(Data::Traces(trace.groups), Ack::join(trace.acks));
        self.released_traces.add(1);
        self.released_spans.add(batch.items() as u64);
        next.send(batch);
    }
}

/// Takes spans apart by trace; each part has the resource and scope of its spans.
fn by_trace(groups: Vec<ResourceSpans>) -> HashMap<TraceId, Vec<ResourceSpans>> {
    let mut traces: HashMap<TraceId, Vec<ResourceSpans>> = HashMap::new();
    for ResourceSpans { resource, scope_spans, schema_url } in groups {
        let mut of_resource: HashMap<TraceId, Vec<ScopeSpans>> = HashMap::new();
        for ScopeSpans { scope, spans, schema_url } in scope_spans {
            let mut of_scope: HashMap<TraceId, ScopeSpans> = HashMap::new();
            for span in spans {
                let part = of_scope.entry(span.trace_id.clone()).or_insert_with(|| ScopeSpans {
                    scope: scope.clone(),
                    spans: Vec::new(),
                    schema_url: schema_url.clone(),
                });
                part.spans.push(span);
            }
            for (id, part) in of_scope {
                of_resource.entry(id).or_default().push(part);
            }
        }
        for (id, scope_spans) in of_resource {
            let group =
                ResourceSpans { resource: resource.clone(), scope_spans, schema_url: schema_url.clone() };
            traces.entry(id).or_default().push(group);
        }
    }
    traces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Outcome;
    use crate::processors::testing::{build, issues, spans, watched};

    /// Spans whose trace is the first letter of their name.
    fn batch(names: &[&str]) -> Batch {
        let mut group = spans(&[("host", "a".into())], names);
        for span in &mut group.scope_spans[0].spans {
            span.trace_id = vec![span.name.as_bytes()[0]; 16];
        }
        Batch::new(Data::Traces(vec![group]), Ack::none())
    }

    fn names(batches: &[Batch]) -> Vec<Vec<String>> {
        let names = |batch: &Batch| match batch.data() {
            Data::Traces(all) => all
                .iter()
                .flat_map(|g| &g.scope_spans)
                .flat_map(|s| &s.spans)
                .map(|s| s.name.clone())
                .collect(),
            _ => Vec::new(),
        };
        let mut names: Vec<Vec<String>> = batches.iter().map(names).collect();
        names.sort();
        names
    }

    #[test]
    fn the_spans_of_a_trace_leave_together_when_its_time_is_up() {
        let mut bench = build::<GroupByTraceConfig>("{wait_duration: 1h}", Signal::Traces);
        assert!(bench.feed(batch(&["a1", "b1", "a2"])).is_empty());
        assert!(bench.feed(batch(&["a3", "c1"])).is_empty());
        let mut out = bench.tick();
        out.extend(bench.flush());
        assert_eq!(names(&out), [vec!["a1", "a2", "a3"], vec!["b1"], vec!["c1"]]);
        assert_eq!(bench.total("otelcol_processor_groupbytrace_spans_released"), 5);
        assert!(bench.processor.deadline().is_none());
    }

    #[test]
    fn a_trace_too_many_hands_the_oldest_on_instead_of_losing_it() {
        let mut bench = build::<GroupByTraceConfig>("{wait_duration: 1h, num_traces: 1}", Signal::Traces);
        assert!(bench.feed(batch(&["a1"])).is_empty());
        assert_eq!(names(&bench.feed(batch(&["b1"]))), [["a1"]]);
        assert_eq!(bench.total("otelcol_processor_groupbytrace_traces_evicted"), 1);
        assert_eq!(names(&bench.flush()), [["b1"]]);
    }

    #[test]
    fn a_source_hears_when_all_its_traces_are_through() {
        let mut bench = build::<GroupByTraceConfig>("{wait_duration: 1h}", Signal::Traces);
        let (ack, outcomes) = watched();
        let mut first = batch(&["a1", "b1"]);
        first.ack = ack;
        bench.feed(first);
        let mut out = bench.flush();
        out.remove(0).ack.settle(Outcome::Delivered);
        assert!(outcomes.is_empty());
        drop(out);
        assert_eq!(outcomes.try_recv(), Ok(Outcome::Delivered));
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        for yaml in ["{discard_orphans: true}", "{store_on_disk: true}", "{num_traces: 0}"] {
            assert!(!issues::<GroupByTraceConfig>(yaml).is_empty(), "{yaml}");
        }
        assert_eq!(issues::<GroupByTraceConfig>("{wait_duration: 10s, num_traces: 1000}"), "");
    }
}
