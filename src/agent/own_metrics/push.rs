//! A reader that sends: a thread that wakes every interval.

use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::convert;
use crate::component::{BuildError, Context, ExportError, Exporter, ExporterConfig, NoHost};
use crate::config::{ComponentId, PeriodicReader};
use crate::otlp::Resource;
use crate::pipeline::{Ack, Batch, Data, Signal, Stop, StopSource};
use crate::telemetry::{Causes, ComponentState, Counter, StatusBoard, StatusHandle, Telemetry, readings};

/// A reader at work; it ends when dropped.
pub struct Push {
    stop: StopSource,
    thread: Option<JoinHandle<()>>,
    board: StatusBoard,
    component: String,
}

struct Sender {
    exporter: Box<dyn Exporter>,
    interval: Duration,
    resource: Resource,
    telemetry: Telemetry,
    board: StatusBoard,
    status: StatusHandle,
    /// Exports that failed; what they would have told is in the next one.
    failed: Counter,
    /// When counting began.
    began: (Instant, SystemTime),
}

impl Push {
    pub fn start(
        n: usize,
        reader: &PeriodicReader,
        resource: Resource,
        telemetry: &Telemetry,
        board: &StatusBoard,
    ) -> Result<Option<Self>, BuildError> {
        let Some(otlp) = &reader.exporter.otlp else { return Ok(None) };
        let component = format!("telemetry:metrics/{n}");
        let stop = StopSource::new();
        let status = board.handle(&component);
        let id = "otlphttp/own_metrics".parse::<ComponentId>();
        let context = Context {
            id: id.map_err(|error| BuildError::new(error.to_string()))?,
            pipeline: None,
            telemetry: telemetry.clone(),
            status: status.clone(),
            abort: stop.stop(),
            host: std::sync::Arc::new(NoHost),
        };
        let config = otlp.exporter(Duration::from_millis(reader.timeout)).map_err(BuildError::new)?;
        let sender = Sender {
            exporter: config.build(context, Signal::Metrics)?,
            interval: Duration::from_millis(reader.interval),
            resource,
            telemetry: telemetry.clone(),
            board: board.clone(),
            status,
            failed: telemetry.counter("kmagent_own_metrics_failed_exports", &[]),
            began: (Instant::now(), SystemTime::now()),
        };
        log::info!("own metrics are sent to {} every {:?}", config.metrics_endpoint, sender.interval);
        let stopped = stop.stop();
        let thread = std::thread::Builder::new()
            .name("metrics/periodic".to_owned())
            .spawn(move || sender.run(&stopped))
            .map_err(|error| BuildError::new(format!("cannot start a thread: {error}")))?;
        Ok(Some(Self { stop, thread: Some(thread), board: board.clone(), component }))
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        self.stop.raise();
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
        self.board.remove(&self.component);
    }
}

impl Sender {
    fn run(&self, stop: &Stop) {
        let causes = Causes::new();
        self.status.set(ComponentState::Running, "");
        let mut failing = None;
        while !stop.wait(self.interval) {
            let readings = readings(&self.telemetry, &self.board, self.began.0.elapsed());
            let metrics = convert::metrics(&readings, &self.resource, self.began.1);
            match self.exporter.export(&Batch::new(Data::Metrics(vec![metrics]), Ack::none()), stop) {
                Ok(()) => {
                    if let Some(cause) = failing.take() {
                        causes.forget(&cause);
                        self.status.set(ComponentState::Running, "");
                    }
                }
                Err(ExportError::Stopped) => return,
                Err(error) => {
                    self.failed.add(1);
                    let error = error.to_string();
                    if causes.is_new(error.clone()) {
                        log::warn!("own metrics are not sent, the next try brings them along: {error}");
                    }
                    self.status.set(ComponentState::Degraded, error.clone());
                    failing = Some(error);
                }
            }
        }
    }
}
