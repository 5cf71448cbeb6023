//! A pipeline that keeps what a receiver sends, and a receiver in a thread of its own.

use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kmagent::component::{Receiver, RunError};
use kmagent::otlp::logs::{LogRecord, ResourceLogs};
use kmagent::otlp::metrics::{Data as Kind, Number, ResourceMetrics};
use kmagent::otlp::{Attributes, KeyValue};
use kmagent::pipeline::{Ack, Batch, Consumer, Data, Outcome, Output, Outputs, Rejected, Signal, StopSource};

/// What has arrived.
#[derive(Clone, Default)]
pub struct Collected(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    data: Vec<Data>,
    /// Acknowledgements that are held back.
    held: Option<Vec<Ack>>,
    /// What becomes of all that comes.
    outcome: Option<Outcome>,
}

impl Consumer for Collected {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        let (data, ack, _) = batch.into_parts();
        let mut state = self.0.state.lock().unwrap();
        match (state.outcome, &mut state.held) {
            (Some(outcome), _) => ack.settle(outcome),
            (None, Some(held)) => {
                held.push(ack);
                state.data.push(data);
            }
            (None, None) => {
                state.data.push(data);
                ack.settle(Outcome::Delivered);
            }
        }
        drop(state);
        self.0.changed.notify_all();
        Ok(())
    }

    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.consume(batch)
    }
}

impl Collected {
    /// Outputs of these signals that end here.
    pub fn outputs(&self, signals: &[Signal]) -> Outputs {
        let mut outputs = Outputs::default();
        for signal in signals {
            outputs.set(*signal, Output::new(vec![Arc::new(self.clone())]));
        }
        outputs
    }

    pub fn data(&self) -> Vec<Data> {
        self.0.state.lock().unwrap().data.clone()
    }

    pub fn clear(&self) {
        self.0.state.lock().unwrap().data.clear();
    }

    /// From now on acknowledgements wait for [`Collected::release`].
    pub fn hold(&self) {
        self.0.state.lock().unwrap().held = Some(Vec::new());
    }

    pub fn release(&self, outcome: Outcome) {
        let held = self.0.state.lock().unwrap().held.take();
        held.into_iter().flatten().for_each(|ack| ack.settle(outcome));
    }

    /// From now on everything meets this end, or arrives again.
    pub fn settle_all(&self, outcome: Option<Outcome>) {
        self.0.state.lock().unwrap().outcome = outcome;
    }

    pub fn metrics(&self) -> Vec<ResourceMetrics> {
        let all = self.data().into_iter();
        all.flat_map(|data| if let Data::Metrics(metrics) = data { metrics } else { Vec::new() }).collect()
    }

    pub fn logs(&self) -> Vec<ResourceLogs> {
        let all = self.data().into_iter();
        all.flat_map(|data| if let Data::Logs(logs) = data { logs } else { Vec::new() }).collect()
    }

    pub fn records(&self) -> Vec<LogRecord> {
        self.logs().into_iter().flat_map(|r| r.scope_logs).flat_map(|s| s.log_records).collect()
    }

    /// All number points, flat.
    pub fn points(&self) -> Vec<Point> {
        points(&self.metrics())
    }

    /// Waits until what has arrived satisfies; it must within ten seconds.
    pub fn wait(&self, what: &str, enough: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !enough(self) {
            assert!(Instant::now() < deadline, "not within ten seconds: {what}");
            let state = self.0.state.lock().unwrap();
            drop(self.0.changed.wait_timeout(state, Duration::from_millis(10)).unwrap());
        }
    }
}

/// One point with all that identifies it.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub metric: String,
    pub resource: Vec<KeyValue>,
    pub attributes: Vec<KeyValue>,
    pub value: f64,
}

impl Point {
    pub fn resource(&self, key: &str) -> &str {
        self.resource.iter().find(|a| a.key == key).and_then(|a| a.value.as_str()).unwrap_or_default()
    }
}

pub fn points(metrics: &[ResourceMetrics]) -> Vec<Point> {
    let mut out = Vec::new();
    for resource in metrics {
        let attributes = resource.resource.clone().unwrap().attributes;
        for metric in resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
            let points = match metric.data.as_ref().unwrap() {
                Kind::Gauge(gauge) => &gauge.data_points,
                Kind::Sum(sum) => &sum.data_points,
                other => panic!("{other:?}"),
            };
            for point in points {
                let value = match point.value.unwrap() {
                    Number::Int(value) => value as f64,
                    Number::Double(value) => value,
                };
                out.push(Point {
                    metric: metric.name.clone(),
                    resource: attributes.clone(),
                    attributes: point.attributes.clone(),
                    value,
                });
            }
        }
    }
    out
}

/// A text attribute of a record; empty when there is none.
pub fn text<'a>(attributes: &'a Vec<KeyValue>, key: &str) -> &'a str {
    attributes.get_str(key).unwrap_or_default()
}

/// A receiver at work; stopped when dropped.
pub struct Running {
    stop: StopSource,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

impl Running {
    pub fn start(receiver: Box<dyn Receiver>, outputs: Outputs) -> Self {
        let source = StopSource::new();
        let stop = source.stop();
        let thread = std::thread::spawn(move || receiver.run(outputs, stop));
        Self { stop: source, thread: Some(thread) }
    }

    /// Stops it; it must end within a second, give or take a busy machine.
    pub fn stop(mut self) -> Result<(), RunError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), RunError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let began = Instant::now();
        self.stop.raise();
        let result = thread.join().unwrap();
        assert!(began.elapsed() < Duration::from_secs(3), "it took {:?} to stop", began.elapsed());
        result
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = self.end();
        }
    }
}
