//! Everything the agent tells of itself as numbers, at one moment.

use std::time::Duration;

use super::usage::Usage;
use super::{ComponentState, Kind, Sample, StatusBoard, Telemetry};

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub name: &'static str,
    /// `seconds`, `bytes` or nothing.
    pub unit: &'static str,
    pub kind: Kind,
    pub labels: Vec<(&'static str, String)>,
    pub value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    Int(u64),
    Double(f64),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Double(value) => value.fmt(f),
        }
    }
}

/// All of them; `uptime` is that of the process.
pub fn readings(telemetry: &Telemetry, board: &StatusBoard, uptime: Duration) -> Vec<Reading> {
    let counted = telemetry.snapshot().into_iter().map(|Sample { name, labels, kind, value }| Reading {
        name,
        unit: "",
        kind,
        labels,
        value: Value::Int(value),
    });
    let usage = Usage::new();
    let is_ready = u64::from(board.ready_since().is_some());
    let process = [
        ("otelcol_process_cpu_seconds", "seconds", Kind::Counter, Value::Double(usage.cpu_seconds)),
        ("otelcol_process_memory_rss", "bytes", Kind::Gauge, Value::Int(usage.rss)),
        ("otelcol_process_uptime", "seconds", Kind::Counter, Value::Double(uptime.as_secs_f64())),
        ("kmagent_ready", "", Kind::Gauge, Value::Int(is_ready)),
    ];
    let process =
        process.map(|(name, unit, kind, value)| Reading { name, unit, kind, labels: Vec::new(), value });
    let states = board.components().into_iter().map(|(component, entry)| {
        let is_healthy = matches!(entry.state, ComponentState::Starting | ComponentState::Running);
        Reading {
            name: "kmagent_component_healthy",
            unit: "",
            kind: Kind::Gauge,
            labels: vec![("component", component)],
            value: Value::Int(u64::from(is_healthy)),
        }
    });
    counted.chain(process).chain(states).collect()
}
