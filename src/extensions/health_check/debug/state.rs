//! What the page draws, as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::telemetry::{Passed, PipelineLayout, Placed, Sample, StatusBoard, Telemetry, notes};
use crate::time::{now_unix_nanos, rfc3339};

pub struct State<'a> {
    pub telemetry: &'a Telemetry,
    pub board: &'a StatusBoard,
    /// In cores.
    pub cpu: f64,
    /// Bytes.
    pub rss: u64,
    pub uptime: Duration,
}

/// The values of one moment.
struct Now {
    metrics: Vec<Sample>,
    passed: BTreeMap<String, Passed>,
    states: BTreeMap<String, (&'static str, String)>,
}

impl State<'_> {
    pub fn json(&self) -> Value {
        let states = self.board.components().into_iter();
        let now = Now {
            metrics: self.telemetry.snapshot(),
            passed: self.telemetry.taps().look(),
            states: states.map(|(name, entry)| (name, (entry.state.name(), entry.detail))).collect(),
        };
        let in_force = self.board.configuration();
        let layout = self.board.layout();
        json!({
            "at": now_unix_nanos() / 1_000_000,
            "agent": {
                "version": env!("CARGO_PKG_VERSION"),
                "ready": self.board.ready_since().is_some(),
                "uptime": self.uptime.as_secs_f64(),
                "cpu": self.cpu,
                "rss": self.rss,
            },
            "configuration": { "since": rfc3339(in_force.since), "refused": in_force.error },
            "pipelines": layout.pipelines.iter().map(|pipeline| now.pipeline(pipeline)).collect::<Vec<_>>(),
            "notes": notes()
                .into_iter()
                .map(|note| json!({
                    "at": rfc3339(note.at),
                    "level": note.level.as_str().to_ascii_lowercase(),
                    "thread": note.thread,
                    "message": note.message,
                    "times": note.times,
                }))
                .collect::<Vec<_>>(),
        })
    }
}

impl Now {
    fn pipeline(&self, pipeline: &PipelineLayout) -> Value {
        let all = |placed: &[Placed]| {
            placed.iter().map(|one| self.component(one, pipeline)).collect::<Vec<Value>>()
        };
        json!({
            "id": pipeline.id,
            "signal": pipeline.signal,
            "unit": pipeline.items.replace('_', " "),
            "receivers": all(&pipeline.receivers),
            "processors": all(&pipeline.processors),
            "exporters": all(&pipeline.exporters),
        })
    }

    /// `items` grows with what the component handed on, `refused` with what its source has to keep,
    /// `failed` with what was given up.
    fn component(&self, placed: &Placed, pipeline: &PipelineLayout) -> Value {
        let (state, detail) = self.states.get(&placed.component).cloned().unwrap_or_default();
        let mut shown = json!({
            "id": placed.id,
            "component": placed.component,
            "tap": placed.tap,
            "state": state,
            "detail": detail,
            "items": self.passed.get(&placed.tap).copied().unwrap_or_default().items,
        });
        let items = pipeline.items;
        if placed.component.starts_with("receiver:") {
            let of = [("receiver", placed.id.as_str())];
            shown["items"] = self.value(&format!("otelcol_receiver_accepted_{items}"), &of).into();
            shown["refused"] = self.value(&format!("otelcol_receiver_refused_{items}"), &of).into();
        } else if placed.component.starts_with("exporter:") {
            let of = [("exporter", placed.id.as_str())];
            let failed = ["send_failed", "enqueue_failed"]
                .map(|what| self.value(&format!("otelcol_exporter_{what}_{items}"), &of));
            shown["items"] = self.value(&format!("otelcol_exporter_sent_{items}"), &of).into();
            shown["failed"] = failed.iter().sum::<u64>().into();
            let of = [("exporter", placed.id.as_str()), ("data_type", pipeline.signal)];
            let queue = |what: &str| self.value(&format!("otelcol_exporter_queue_{what}"), &of);
            if queue("capacity") > 0 {
                shown["queue"] = json!({ "size": queue("size"), "capacity": queue("capacity") });
            }
        }
        shown
    }

    /// The sum of a metric over the label sets that hold these labels.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let holds = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(key, value)| sample.labels.iter().any(|(k, v)| k == key && v == value))
        };
        self.metrics.iter().filter(holds).map(|sample| sample.value).sum()
    }
}
