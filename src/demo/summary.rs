//! What a person wants to see first, taken from the telemetry that arrived.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::otlp::logs::LogRecord;
use crate::otlp::metrics::{Data as MetricData, Gauge, Number, NumberDataPoint, Sum};
use crate::otlp::{AnyValue, Attributes};
use crate::pipeline::{Data, Signal};

/// How many log lines are kept to be shown.
const LINES: usize = 8;

/// Everything that arrived so far, condensed.
#[derive(Debug)]
pub struct Summary {
    pub started: Instant,
    pub signals: BTreeMap<Signal, Flow>,
    pub host: Host,
    pub lines: VecDeque<Line>,
    /// Bytes of request bodies as they came over the wire, and decompressed.
    pub wire_bytes: u64,
    pub raw_bytes: u64,
}

/// One signal's traffic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flow {
    pub items: u64,
    pub requests: u64,
}

/// The latest values of the metrics that people look at first.
#[derive(Debug, Default)]
pub struct Host {
    /// Share of time the processors were busy, 0 to 1.
    pub cpu: Option<f64>,
    pub cpus: usize,
    pub load: [Option<f64>; 3],
    pub memory_used: Option<f64>,
    pub memory_total: f64,
    /// Root file system: used and total bytes.
    pub root: Option<(f64, f64)>,
    pub disk: Rates,
    pub network: Rates,
    pub processes: Option<f64>,
    pub running: f64,
    pub blocked: f64,
    pub uptime: Option<f64>,
}

/// Two opposite byte counters (read/write, receive/transmit) and their rates.
#[derive(Debug, Default)]
pub struct Rates {
    last: Option<(u64, f64, f64)>,
    /// Bytes per second.
    pub per_second: Option<(f64, f64)>,
}

#[derive(Debug)]
pub struct Line {
    pub file: String,
    pub text: String,
}

impl Summary {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            signals: Signal::ALL.into_iter().map(|signal| (signal, Flow::default())).collect(),
            host: Host::default(),
            lines: VecDeque::new(),
            wire_bytes: 0,
            raw_bytes: 0,
        }
    }

    /// Takes in one request.
    pub fn observe(&mut self, data: &Data, wire_bytes: usize, raw_bytes: usize) {
        self.wire_bytes += wire_bytes as u64;
        self.raw_bytes += raw_bytes as u64;
        if let Some(flow) = self.signals.get_mut(&data.signal()) {
            flow.items += data.items() as u64;
            flow.requests += 1;
        }
        match data {
            Data::Metrics(all) => all
                .iter()
                .flat_map(|resource| &resource.scope_metrics)
                .flat_map(|scope| &scope.metrics)
                .for_each(|metric| {
                    if let Some(
                        MetricData::Sum(Sum { data_points, .. }) | MetricData::Gauge(Gauge { data_points }),
                    ) = &metric.data
                    {
                        self.host.observe(&metric.name, data_points);
                    }
                }),
            Data::Logs(all) => all
                .iter()
                .flat_map(|resource| &resource.scope_logs)
                .flat_map(|scope| &scope.log_records)
                .for_each(|record| self.remember(record)),
            Data::Traces(_) => {}
        }
    }

    fn remember(&mut self, record: &LogRecord) {
        if let Some(AnyValue::String(text)) = &record.body {
            if self.lines.len() == LINES {
                self.lines.pop_front();
            }
            let file = record.attributes.get_str("log.file.name").unwrap_or("-").to_owned();
            self.lines.push_back(Line { file, text: printable(text) });
        }
    }
}

/// Log text comes from anywhere: no control character of it reaches the terminal.
fn printable(text: &str) -> String {
    text.chars().take(400).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl Host {
    fn observe(&mut self, name: &str, points: &[NumberDataPoint]) {
        match name {
            "system.cpu.utilization" if !points.is_empty() => {
                let idle: Vec<f64> = with(points, "state", "idle").collect();
                self.cpus = idle.len();
                self.cpu = Some(1.0 - idle.iter().sum::<f64>() / idle.len().max(1) as f64);
            }
            "system.cpu.load_average.1m" => self.load[0] = first(points),
            "system.cpu.load_average.5m" => self.load[1] = first(points),
            "system.cpu.load_average.15m" => self.load[2] = first(points),
            "system.memory.usage" => self.memory_used = Some(with(points, "state", "used").sum()),
            "system.memory.limit" => self.memory_total = first(points).unwrap_or_default(),
            "system.filesystem.usage" => {
                let root: Vec<&NumberDataPoint> =
                    points.iter().filter(|p| p.attributes.get_str("mountpoint") == Some("/")).collect();
                let sum = |state| {
                    root.iter()
                        .filter(|p| p.attributes.get_str("state") == Some(state))
                        .map(|p| value(p))
                        .sum::<f64>()
                };
                if !root.is_empty() {
                    let used = sum("used");
                    self.root = Some((used, used + sum("free") + sum("reserved")));
                }
            }
            "system.disk.io" => self.disk.observe(points, "read", "write", |device| {
                // Whole disks alone: partitions and layered devices would count the same bytes again.
                !device.starts_with("loop")
                    && !device.starts_with("dm-")
                    && (!device.ends_with(|c: char| c.is_ascii_digit())
                        || device.starts_with("nvme") && !device.contains('p'))
            }),
            "system.network.io" => {
                self.network.observe(points, "receive", "transmit", |device| device != "lo");
            }
            "system.processes.count" => {
                self.processes = Some(points.iter().map(value).sum());
                self.running = with(points, "status", "running").sum();
                self.blocked = with(points, "status", "blocked").sum();
            }
            "system.uptime" => self.uptime = first(points),
            _ => {}
        }
    }
}

impl Rates {
    fn observe(
        &mut self,
        points: &[NumberDataPoint],
        first: &str,
        second: &str,
        counts: impl Fn(&str) -> bool,
    ) {
        let Some(time) = points.first().map(|point| point.time_unix_nano) else { return };
        let sum = |direction: &str| -> f64 {
            points
                .iter()
                .filter(|p| p.attributes.get_str("direction") == Some(direction))
                .filter(|p| p.attributes.get_str("device").is_some_and(&counts))
                .map(value)
                .sum()
        };
        let now = (time, sum(first), sum(second));
        if let Some((before, first, second)) = self.last
            && time > before
        {
            let seconds = (time - before) as f64 / 1e9;
            self.per_second = Some(((now.1 - first) / seconds, (now.2 - second) / seconds));
        }
        self.last = Some(now);
    }
}

fn value(point: &NumberDataPoint) -> f64 {
    point.value.map_or(0.0, Number::as_f64)
}

fn first(points: &[NumberDataPoint]) -> Option<f64> {
    points.first().map(value)
}

fn with<'a>(points: &'a [NumberDataPoint], key: &'a str, want: &'a str) -> impl Iterator<Item = f64> + 'a {
    points.iter().filter(move |p| p.attributes.get_str(key) == Some(want)).map(value)
}
