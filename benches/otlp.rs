//! OTLP through the agent as a process of its own: how many spans a second pass it, what idle
//! connections cost, and whether slow and flooding clients slow a good one down. Beside it the queue
//! on disk: how fast it is written, and how soon it is there after a restart.
//!
//! `cargo bench --bench otlp`. Load, agent and backend share the machine, so the agent's own CPU time
//! per million spans is printed beside the rate. Every run counts the spans at the backend first.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kmagent::component::{Context, ExportError, Exporter, Host, Storage, StorageClient};
use kmagent::config::ComponentId;
use kmagent::exporters::sending::{self, RetryOnFailure, Sending, SendingQueue};
use kmagent::net::compression::{Codec, Compressor, decompress};
use kmagent::net::event_loop::Loops;
use kmagent::net::grpc::client::{Call, Channel, Target};
use kmagent::net::grpc::message;
use kmagent::net::http::{Answer, Head, Limits, Request, Response, Service, serve};
use kmagent::net::listener::{Accepting, Connections};
use kmagent::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use kmagent::otlp::{KeyValue, Resource};
use kmagent::pipeline::{Ack, Batch, Data, Signal, Stop};
use kmagent::telemetry::{StatusBoard, Telemetry};
use prost::Message;
use prost::bytes::Bytes;
use ureq::http::{HeaderMap, HeaderValue};

const BINARY: &str = env!("CARGO_BIN_EXE_kmagent");
/// Spans of a request.
const SPANS: usize = 1000;
const CLIENTS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    for (protocol, compression, total) in [
        ("grpc", "none", 4_000_000),
        ("grpc", "gzip", 2_000_000),
        ("http", "none", 4_000_000),
        ("http", "gzip", 2_000_000),
    ] {
        throughput(protocol, compression, total);
    }
    idle_connections();
    bad_neighbours();
    disk_queue();
}

// ---------------------------------------------------------------- the backend

/// Counts the spans that arrive, without decoding them.
struct Backend {
    port: u16,
    spans: Arc<AtomicU64>,
    _loops: Loops,
}

struct Counting(Arc<AtomicU64>);

#[derive(Clone, PartialEq, prost::Message)]
struct Requests {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Scopes>,
}
#[derive(Clone, PartialEq, prost::Message)]
struct Scopes {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Items>,
}
#[derive(Clone, PartialEq, prost::Message)]
struct Items {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    items: Vec<Bytes>,
}

impl Service for Counting {
    fn check(&self, _: &Head) -> Result<usize, Response> {
        Ok(256 << 20)
    }
    fn answer(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            let mut body = request.body.expect("the agent sends whole bodies");
            if request.head.header("content-encoding") == Some("gzip") {
                body = decompress(Codec::Gzip, &body, 256 << 20).expect("gzip");
            }
            let requests = Requests::decode(Bytes::from(body)).expect("a request");
            let scopes = requests.resources.iter().flat_map(|resource| &resource.scopes);
            let spans: usize = scopes.map(|scope| scope.items.len()).sum();
            self.0.fetch_add(spans as u64, Ordering::SeqCst);
            Response::new(200, "application/x-protobuf", "")
        })
    }
}

fn backend() -> Backend {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let spans = Arc::new(AtomicU64::new(0));
    let loops = Loops::start("backend", 1).expect("a thread");
    let counted = spans.clone();
    let accepting = Accepting {
        listener,
        tls: None,
        connections: Connections::new(1000, kmagent::telemetry::Counter::default()),
        serve: move |socket, peer: IpAddr, task| {
            serve(socket, peer, task, Counting(counted.clone()), Rc::new(Limits::default()))
        },
    };
    accepting.start(&loops.spawner()).expect("it listens");
    Backend { port, spans, _loops: loops }
}

// ---------------------------------------------------------------- the agent

struct Agent {
    child: Child,
    http: u16,
    grpc: u16,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn agent(backend: u16, compression: &str) -> Agent {
    let (http, grpc) = (free_port(), free_port());
    let config = format!(
        "{{receivers: {{otlp: {{protocols: {{http: {{endpoint: \"127.0.0.1:{http}\"}}, grpc: {{endpoint: \"127.0.0.1:{grpc}\"}}}}}}}}, \
         processors: {{batch: {{send_batch_size: 8192, timeout: 200ms}}}}, \
         exporters: {{otlphttp: {{endpoint: \"http://127.0.0.1:{backend}\", compression: {compression}}}}}, \
         service: {{pipelines: {{traces: {{receivers: [otlp], processors: [batch], exporters: [otlphttp]}}}}}}}}"
    );
    let mut command = Command::new(BINARY);
    command.args(["run", "--config", &format!("yaml:{config}")]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let agent = Agent { child, http, grpc };
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", grpc)).is_err() {
        assert!(started.elapsed() < PATIENCE, "the agent does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    agent
}

impl Agent {
    /// CPU seconds so far.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it lives");
        let after = stat.rsplit_once(") ").expect("a name").1;
        let ticks: f64 = after.split(' ').skip(11).take(2).filter_map(|text| text.parse::<f64>().ok()).sum();
        ticks / rustix::param::clock_ticks_per_second() as f64
    }

    /// A field of `/proc/<pid>/status` in MiB.
    fn memory(&self, field: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it lives");
        let line = status.lines().find(|line| line.starts_with(field)).expect("a field of the kernel");
        line.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }
}

// ---------------------------------------------------------------- the load

/// Spans with eight attributes.
fn spans() -> Data {
    let span = |number: usize| {
        let text = |key: &'static str, value: &str| KeyValue::fixed(key, value);
        Span {
            trace_id: (number as u128 * 7919).to_be_bytes().to_vec(),
            span_id: (number as u64 * 104_729).to_be_bytes().to_vec(),
            name: "GET /api/v1/carts/{id}".into(),
            kind: 2,
            start_time_unix_nano: 1_700_000_000_000_000_000 + number as u64 * 1_000_003,
            end_time_unix_nano: 1_700_000_000_004_000_000 + number as u64 * 1_000_003,
            attributes: vec![
                text("http.request.method", "GET"),
                text("url.path", &format!("/api/v1/carts/{}", number * 31 % 9973)),
                text("server.address", "cart.shop.svc.cluster.local"),
                KeyValue::fixed("http.response.status_code", 200_i64),
                text("user_agent.original", "okhttp/4.12.0"),
                text("network.protocol.version", "1.1"),
                KeyValue::fixed("server.port", 8080_i64),
                text("client.address", &format!("10.42.{}.{}", number % 16, number % 250)),
            ],
            ..Span::default()
        }
    };
    let scope_spans = vec![ScopeSpans { spans: (0..SPANS).map(span).collect(), ..ScopeSpans::default() }];
    let resource =
        Resource { attributes: vec![KeyValue::fixed("service.name", "cart")], ..Resource::default() };
    Data::Traces(vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }])
}

fn body(compression: &str) -> Vec<u8> {
    let mut raw = Vec::new();
    spans().encode(&mut raw);
    if compression == "none" {
        return raw;
    }
    let mut packed = Vec::new();
    Compressor::new(Codec::Gzip, 0).and_then(|mut gzip| gzip.compress(&raw, &mut packed)).expect("gzip");
    packed
}

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

fn channel(port: u16) -> Channel {
    let address = format!("127.0.0.1:{port}");
    Channel::new(Target { authority: address.clone(), address, tls: None, keepalive: None })
}

/// True when the request was taken, false when it is to be tried again.
type Sender = Box<dyn FnMut() -> bool + Send>;

fn grpc_sender(port: u16, compression: &str) -> Sender {
    let channel = channel(port);
    let message = message::framed(&body(compression), compression != "none");
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("te", HeaderValue::from_static("trailers"));
    if compression != "none" {
        headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
    }
    Box::new(move || {
        let call = Call {
            path: EXPORT,
            headers: headers.clone(),
            message: message.clone(),
            timeout: Some(PATIENCE),
        };
        channel.unary(call, &Stop::never()).is_ok()
    })
}

fn http_sender(port: u16, compression: &str) -> Sender {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it connects");
    stream.set_nodelay(true).expect("a socket");
    let body = body(compression);
    let encoding = if compression == "none" { "" } else { "Content-Encoding: gzip\r\n" };
    let mut request = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n{encoding}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    Box::new(move || {
        stream.write_all(&request).expect("the agent reads");
        let mut answer = Vec::new();
        let mut piece = [0; 1024];
        loop {
            let n = stream.read(&mut piece).expect("the agent answers");
            assert!(n > 0, "the agent closed the connection");
            answer.extend_from_slice(&piece[..n]);
            let text = String::from_utf8_lossy(&answer);
            let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if rest.len() >= length.and_then(|text| text.parse().ok()).unwrap_or(0) {
                return head.starts_with("HTTP/1.1 200");
            }
        }
    })
}

fn sender(agent: &Agent, protocol: &str, compression: &str) -> Sender {
    match protocol {
        "grpc" => grpc_sender(agent.grpc, compression),
        _ => http_sender(agent.http, compression),
    }
}

/// Sends until it is taken.
fn send(sender: &mut Sender) {
    while !sender() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn throughput(protocol: &str, compression: &str, total: u64) {
    let backend = backend();
    let agent = agent(backend.port, compression);
    let left = Arc::new(AtomicU64::new(total / SPANS as u64));
    let (before, started) = (agent.cpu(), Instant::now());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (left, mut sender) = (left.clone(), sender(&agent, protocol, compression));
            std::thread::spawn(move || {
                while left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                    .is_ok()
                {
                    send(&mut sender);
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("a client"));
    while backend.spans.load(Ordering::SeqCst) < total {
        assert!(started.elapsed() < PATIENCE * 2, "spans are missing");
        std::thread::sleep(Duration::from_millis(1));
    }
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(backend.spans.load(Ordering::SeqCst), total, "each span once");
    println!(
        "{protocol}, {compression}: {:.0} spans/s, {:.2} CPU seconds of the agent a million, {:.0} MiB at most",
        total as f64 / seconds,
        (agent.cpu() - before) * 1e6 / total as f64,
        agent.memory("VmHWM:")
    );
}

fn idle_connections() {
    let backend = backend();
    let agent = agent(backend.port, "none");
    std::thread::sleep(Duration::from_millis(500));
    let before = agent.memory("VmRSS:");
    let mut open: Vec<TcpStream> = Vec::new();
    for place in 0..1000 {
        let port = if place % 2 == 0 { agent.grpc } else { agent.http };
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it connects");
        if place % 2 == 0 {
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("it writes");
            stream.read_exact(&mut [0; 9]).expect("the agent says hello");
        }
        open.push(stream);
    }
    std::thread::sleep(Duration::from_secs(1));
    let (grown, cpu) = (agent.memory("VmRSS:") - before, agent.cpu());
    std::thread::sleep(Duration::from_secs(5));
    println!(
        "1,000 idle connections, half of each protocol: {grown:.1} MiB (floor 20), {:.2} % of a core",
        (agent.cpu() - cpu) * 20.0
    );
    drop(open);
}

/// Requests a second of one client that sends as it can.
fn good_rate(agent: &Agent) -> f64 {
    let mut sender = sender(agent, "http", "none");
    let (started, mut sent) = (Instant::now(), 0_u32);
    while started.elapsed() < Duration::from_secs(4) {
        send(&mut sender);
        sent += 1;
        // A client of its own pace, well below what the agent can take.
        std::thread::sleep(Duration::from_millis(10));
    }
    f64::from(sent) / started.elapsed().as_secs_f64()
}

fn bad_neighbours() {
    let backend = backend();
    let agent = agent(backend.port, "none");
    let alone = good_rate(&agent);
    let over = Arc::new(AtomicBool::new(false));
    let (http, grpc) = (agent.http, agent.grpc);
    let mut slow = TcpStream::connect(("127.0.0.1", http)).expect("it connects");
    let seen = over.clone();
    let loris = std::thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            if slow.write_all(b"X").is_err() {
                slow = TcpStream::connect(("127.0.0.1", http)).expect("it connects");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let seen = over.clone();
    let flood = std::thread::spawn(move || {
        let pings = b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0".repeat(100);
        while !seen.load(Ordering::Relaxed) {
            let mut stream = TcpStream::connect(("127.0.0.1", grpc)).expect("it connects");
            stream.set_write_timeout(Some(Duration::from_millis(100))).expect("a socket");
            let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
            let mut alive = stream.write_all(hello).is_ok();
            while alive && !seen.load(Ordering::Relaxed) {
                alive = stream.write_all(&pings).is_ok();
            }
        }
    });
    let beside = good_rate(&agent);
    over.store(true, Ordering::Relaxed);
    loris.join().expect("the slow client");
    flood.join().expect("the flood");
    println!(
        "a good client beside a slow and a flooding one: {beside:.1} of {alone:.1} requests/s, {:.1} % fewer (floor 10)",
        (1.0 - beside / alone) * 100.0
    );
}

// ---------------------------------------------------------------- the queue on disk

struct Folder(std::path::PathBuf);

impl Storage for Folder {
    fn client(&self, _: &str) -> std::io::Result<Box<dyn StorageClient>> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
    fn directory(&self) -> &std::path::Path {
        &self.0
    }
}

struct Disk(Arc<Folder>);

impl Host for Disk {
    fn storage(&self, _: &ComponentId) -> Option<Arc<dyn Storage>> {
        Some(self.0.clone())
    }
}

struct Down;

impl Exporter for Down {
    fn export(&self, _: &Batch, _: &Stop) -> Result<(), ExportError> {
        Err(ExportError::Retry { message: "down".into(), after: None })
    }
}

fn disk_queue() {
    let dir = tempfile::tempdir_in(std::env::var("CARGO_TARGET_TMPDIR").unwrap_or_else(|_| ".".into()))
        .expect("a folder");
    let host = Arc::new(Disk(Arc::new(Folder(dir.path().to_owned()))));
    let context = Context {
        id: "otlphttp".parse().expect("an id"),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle("exporter:otlphttp"),
        abort: Stop::never(),
        host,
    };
    let queue = SendingQueue {
        storage: Some("file_storage".parse().expect("an id")),
        queue_size: 1_000_000,
        num_consumers: 1,
        ..SendingQueue::default()
    };
    let settings = Sending { retry_on_failure: RetryOnFailure::default(), sending_queue: Some(queue) };
    let start = || sending::start(&settings, Arc::new(Down), &context, Signal::Traces).expect("it starts");
    let batch = Batch::new(spans(), Ack::none());
    let (bytes, total) = (batch.bytes(), 1_usize << 30);
    let running = start();
    let consumer = running.consumer();
    let started = Instant::now();
    for _ in 0..total / bytes {
        consumer.consume(batch.clone()).expect("there is room");
    }
    let written = started.elapsed().as_secs_f64();
    drop(consumer);
    let _ = running.wait(Instant::now() + Duration::from_secs(2));
    drop(running);
    let started = Instant::now();
    let running = start();
    let recovered = started.elapsed().as_secs_f64();
    let waiting = context.telemetry.total("otelcol_exporter_queue_size");
    assert_eq!(waiting as usize, total / bytes, "everything is there again");
    println!(
        "queue on disk: {:.0} MB/s written with a sync per segment (floor 200), 1 GiB there again in {recovered:.2} s (floor 5)",
        total as f64 / written / 1e6
    );
    let _ = running.wait(Instant::now() + Duration::from_secs(2));
}
