//! The `otlp` receiver under good, odd and hostile clients, over real sockets.

mod http2;
mod requests;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kmagent::component::{Context, ExportError, Exporter, NoHost};
use kmagent::config::{Decoder, Node, from_yaml};
use kmagent::otlp::json;
use kmagent::pipeline::{
    Ack, Batch, Consumer, Data, Outcome, Output, Outputs, Rejected, Signal, Stop, StopSource,
};
use kmagent::telemetry::{StatusBoard, Telemetry};
use kmagent::{exporters, receivers};

use crate::support::agent::free_port;
use crate::support::data;

/// A pipeline that takes what it is told to take.
#[derive(Default)]
struct Pipeline {
    taken: Mutex<Vec<Batch>>,
    full: AtomicBool,
    /// Settles with this instead of taking it.
    refuse: Mutex<Option<Outcome>>,
}

impl Consumer for Pipeline {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.try_consume(batch)
    }
    fn try_consume(&self, mut batch: Batch) -> Result<(), Rejected> {
        if self.full.load(Ordering::SeqCst) {
            return Err(Rejected::Full(batch));
        }
        if let Some(outcome) = *self.refuse.lock().unwrap() {
            batch.ack.settle(outcome);
            return Ok(());
        }
        batch.ack.taken();
        self.taken.lock().unwrap().push(batch);
        Ok(())
    }
}

/// A receiver on two ports.
struct Served {
    http: u16,
    grpc: u16,
    pipeline: Arc<Pipeline>,
    telemetry: Telemetry,
    stop: StopSource,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn context(telemetry: &Telemetry, id: &str) -> Context {
    Context {
        id: id.parse().unwrap(),
        pipeline: None,
        telemetry: telemetry.clone(),
        status: StatusBoard::default().handle(id),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    }
}

impl Served {
    fn start() -> Self {
        Self::with("{}", "{}")
    }

    /// With further keys of the protocols, as flow maps.
    fn with(grpc_keys: &str, http_keys: &str) -> Self {
        let (http, grpc) = (free_port(), free_port());
        let keys = |port: u16, keys: &str| {
            let rest = keys.trim().strip_prefix('{').unwrap().to_owned();
            format!("{{endpoint: '127.0.0.1:{port}', {rest}")
        };
        let yaml =
            format!("protocols:\n  grpc: {}\n  http: {}\n", keys(grpc, grpc_keys), keys(http, http_keys));
        let node: Node = from_yaml(&yaml).unwrap();
        let mut decoder = Decoder::new(&node);
        let config = (receivers::otlp::TYPE.decode)(&mut decoder).expect("decodes");
        let telemetry = Telemetry::new();
        let receiver = config.build(context(&telemetry, "otlp")).unwrap();
        let pipeline = Arc::new(Pipeline::default());
        let mut outputs = Outputs::default();
        for signal in Signal::ALL {
            outputs.set(signal, Output::new(vec![pipeline.clone()]));
        }
        let stop = StopSource::new();
        let seen = stop.stop();
        let thread = std::thread::spawn(move || receiver.run(outputs, seen).unwrap());
        Self { http, grpc, pipeline, telemetry, stop, thread: Some(thread) }
    }

    /// Sends raw bytes to the HTTP port and reads until the server closes.
    fn raw(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = connect(self.http);
        // The server may close before it has read everything.
        _ = stream.write_all(request.as_ref());
        let mut answer = Vec::new();
        _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn post(&self, path: &str, headers: &str, body: &[u8]) -> String {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        self.raw([head.as_bytes(), body].concat())
    }

    fn taken(&self) -> Vec<Data> {
        self.pipeline.taken.lock().unwrap().iter().map(|batch| batch.data().clone()).collect()
    }

    /// The agent's own gRPC exporter, pointed at this receiver.
    fn exporter(&self, keys: &str, signal: Signal) -> Box<dyn Exporter> {
        let rest = keys.trim().strip_prefix('{').unwrap();
        let yaml = format!("{{endpoint: 'localhost:{}', timeout: 10s, {rest}", self.grpc);
        let node: Node = from_yaml(&yaml).unwrap();
        let config = (exporters::otlp::TYPE.decode)(&mut Decoder::new(&node)).expect("decodes");
        config.build(context(&self.telemetry, "otlp"), signal).unwrap()
    }

    fn still_works(&self) {
        assert!(self.post("/v1/logs", PROTO, &encoded(&logs(1))).starts_with("HTTP/1.1 200"));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.raise();
        _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

const PROTO: &str = "Content-Type: application/x-protobuf\r\n";
const JSON: &str = "Content-Type: application/json; charset=utf-8\r\n";

fn logs(count: u64) -> Data {
    data::logs(1..=count)
}

fn metrics(count: u64) -> Data {
    data::metrics(1..=count)
}

fn traces(count: u64) -> Data {
    data::traces(1..=count)
}

fn encoded(data: &Data) -> Vec<u8> {
    let mut body = Vec::new();
    data.encode(&mut body);
    body
}

fn as_json(data: &Data) -> Vec<u8> {
    let mut body = Vec::new();
    json::encode(data, &mut body);
    body
}

fn send(exporter: &dyn Exporter, data: Data) -> Result<(), ExportError> {
    exporter.export(&Batch::new(data, Ack::none()), &Stop::never())
}

const INSECURE: &str = "{tls: {insecure: true}}";

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}
