//! A receiver in its thread, over real sockets. Nothing sleeps: tests wait for what they expect, with
//! a deadline that only a failure reaches.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver as Channel, Sender, unbounded};

use crate::component::{Context, NoHost, Receiver as _};
use crate::config::{Decoder, Node, Severity, from_yaml};
use crate::otlp::AnyValue;
use crate::otlp::logs::LogRecord;
use crate::pipeline::{Batch, Consumer, Data, Outcome, Output, Outputs, Rejected, Stop, StopSource};
use crate::telemetry::{StatusBoard, Telemetry};

use super::Plan;
use super::receiver::Server;

pub const PATIENCE: Duration = Duration::from_secs(20);

struct Pipeline(Sender<Batch>);

impl Consumer for Pipeline {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.try_consume(batch)
    }
    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.0.send(batch).map_err(|error| Rejected::Stopped(error.into_inner()))
    }
}

/// A receiver at work.
pub struct Running {
    pub address: SocketAddr,
    pub batches: Channel<Batch>,
    pub telemetry: Telemetry,
    stop: StopSource,
    thread: Option<std::thread::JoinHandle<()>>,
    waiting: Vec<LogRecord>,
}

pub type Decode = fn(&mut Decoder<'_>) -> Option<Plan>;

/// Checks a config; the messages when something is wrong.
pub fn plan(decode: Decode, yaml: &str) -> Result<Plan, String> {
    let node: Node = from_yaml(yaml)?;
    let mut decoder = Decoder::new(&node);
    let plan = decode(&mut decoder);
    let found: Vec<String> = decoder.found().iter().map(ToString::to_string).collect();
    let is_wrong = decoder.found().iter().any(|found| found.severity == Severity::Error);
    plan.filter(|_| !is_wrong).ok_or_else(|| found.join("\n"))
}

impl Running {
    /// `ADDRESS` in `yaml` is a free port of this machine.
    pub fn start(decode: Decode, yaml: &str) -> Self {
        let yaml = yaml.replace("ADDRESS", "127.0.0.1:0");
        let plan = plan(decode, &yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
        let telemetry = Telemetry::new();
        let context = Context {
            id: "tcplog/test".parse().unwrap(),
            pipeline: None,
            telemetry: telemetry.clone(),
            status: StatusBoard::default().handle("receiver:tcplog/test"),
            abort: Stop::never(),
            host: Arc::new(NoHost),
        };
        let receiver = plan.listen(context).unwrap();
        let address = match &receiver.server {
            Server::Tcp(server) => server.address(),
            Server::Udp(server) => server.address(),
        };
        let (sender, batches) = unbounded();
        let outputs =
            Outputs { logs: Some(Output::new(vec![Arc::new(Pipeline(sender))])), ..Outputs::default() };
        let stop = StopSource::new();
        let request = stop.stop();
        let thread = std::thread::spawn(move || Box::new(receiver).run(outputs, request).unwrap());
        Self { address, batches, telemetry, stop, thread: Some(thread), waiting: Vec::new() }
    }

    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).unwrap()
    }

    /// Waits until `count` records have come.
    pub fn expect(&mut self, count: usize) -> Vec<LogRecord> {
        let deadline = Instant::now() + PATIENCE;
        while self.waiting.len() < count {
            let batch = self.batches.recv_deadline(deadline).expect("records in time");
            self.waiting.extend(records(&batch));
            batch.ack.settle(Outcome::Delivered);
        }
        assert_eq!(self.waiting.len(), count);
        std::mem::take(&mut self.waiting)
    }

    pub fn expect_texts(&mut self, count: usize) -> Vec<String> {
        self.expect(count).iter().map(text).collect()
    }

    pub fn wait_for(&self, metric: &str, value: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.telemetry.total(metric) < value {
            assert!(Instant::now() < deadline, "{metric} stays {}", self.telemetry.total(metric));
            std::thread::yield_now();
        }
    }

    /// Stops it; the records that were left.
    pub fn stop(mut self) -> Vec<LogRecord> {
        self.stop.raise();
        self.thread.take().unwrap().join().unwrap();
        self.batches.try_iter().flat_map(|batch| records(&batch)).collect()
    }
}

fn records(batch: &Batch) -> Vec<LogRecord> {
    let Data::Logs(logs) = batch.data() else { panic!("no logs") };
    logs.iter().flat_map(|r| &r.scope_logs).flat_map(|s| s.log_records.clone()).collect()
}

pub fn text(record: &LogRecord) -> String {
    record.body.as_ref().and_then(AnyValue::as_str).unwrap_or("?").to_owned()
}
