//! The agent as a process of its own, and the backend behind it.

use std::net::{IpAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kmagent::net::compression::{Codec, decompress};
use kmagent::net::event_loop::{Loops, Task};
use kmagent::net::http::{Answer, Head, Limits, Request, Response, Service, serve};
use kmagent::net::listener::{Accepting, Connections};
use prost::Message;
use prost::bytes::Bytes;

const BINARY: &str = env!("CARGO_BIN_EXE_kmagent");
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Counts the items that arrive, without decoding them.
pub struct Backend {
    pub port: u16,
    counted: Counted,
    _loops: Loops,
}

#[derive(Clone, Default)]
struct Counted {
    items: Arc<AtomicU64>,
    /// Bytes of the bodies, as they come.
    bytes: Arc<AtomicU64>,
    /// Items it takes a second, and when the next request may be answered.
    pace: Option<(u64, Arc<Mutex<Instant>>)>,
}

struct Counting(Counted, Rc<Task>);

impl Backend {
    pub fn items(&self) -> u64 {
        self.counted.items.load(Ordering::SeqCst)
    }

    pub fn bytes(&self) -> u64 {
        self.counted.bytes.load(Ordering::SeqCst)
    }

    pub fn wait_for(&self, items: u64) {
        let started = Instant::now();
        while self.items() < items {
            assert!(started.elapsed() < PATIENCE * 2, "{} of {items} items arrived", self.items());
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(self.items(), items, "each once");
    }
}

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
            let wire = body.len() as u64;
            if request.head.header("content-encoding") == Some("gzip") {
                body = decompress(Codec::Gzip, &body, 256 << 20).expect("gzip");
            }
            self.0.bytes.fetch_add(wire, Ordering::SeqCst);
            let requests = Requests::decode(Bytes::from(body)).expect("a request");
            let scopes = requests.resources.iter().flat_map(|resource| &resource.scopes);
            let items = scopes.map(|scope| scope.items.len() as u64).sum();
            if let Some((rate, free)) = &self.0.pace {
                let until = {
                    let mut free = free.lock().expect("no panic");
                    *free = (*free).max(Instant::now()) + Duration::from_secs(items) / *rate as u32;
                    *free
                };
                self.1.until(until, std::future::pending::<()>()).await;
            }
            self.0.items.fetch_add(items, Ordering::SeqCst);
            Response::new(200, "application/x-protobuf", "")
        })
    }
}

/// A backend that takes what comes, or no more than `pace` items a second.
pub fn backend(pace: Option<u64>) -> Backend {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let pace = pace.map(|rate| (rate, Arc::new(Mutex::new(Instant::now()))));
    let counted = Counted { pace, ..Counted::default() };
    let loops = Loops::start("backend", 1).expect("a thread");
    let shared = counted.clone();
    let accepting = Accepting {
        listener,
        tls: None,
        connections: Connections::new(1000, kmagent::telemetry::Counter::default()),
        serve: move |socket, peer: IpAddr, task: Rc<Task>| {
            let counting = Counting(shared.clone(), task.clone());
            serve(socket, peer, task, counting, Rc::new(Limits::default()))
        },
    };
    accepting.start(&loops.spawner()).expect("it listens");
    Backend { port, counted, _loops: loops }
}

/// `kmagent run` with an OTLP receiver, `batch` and OTLP over HTTP with gzip.
pub struct Agent {
    child: Child,
    pub http: u16,
    pub grpc: u16,
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

/// Starts one in front of `backend`, with `limiter` as settings of a memory limiter, when given.
pub fn agent(backend: &Backend, limiter: Option<&str>) -> Agent {
    let (http, grpc, backend) = (free_port(), free_port(), backend.port);
    let (limiter, names) = match limiter {
        Some(settings) => (format!("memory_limiter: {settings}, "), "memory_limiter, batch"),
        None => (String::new(), "batch"),
    };
    let pipeline = format!("{{receivers: [otlp], processors: [{names}], exporters: [otlphttp]}}");
    let config = format!(
        "{{receivers: {{otlp: {{protocols: {{http: {{endpoint: \"127.0.0.1:{http}\"}}, grpc: {{endpoint: \"127.0.0.1:{grpc}\"}}}}}}}}, \
         processors: {{{limiter}batch: {{send_batch_size: 8192, timeout: 200ms}}}}, \
         exporters: {{otlphttp: {{endpoint: \"http://127.0.0.1:{backend}\"}}}}, \
         service: {{telemetry: {{metrics: {{level: none}}}}, pipelines: {{traces: {pipeline}, logs: {pipeline}}}}}}}"
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
    pub fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it lives");
        let after = stat.rsplit_once(") ").expect("a name").1;
        let ticks: f64 = after.split(' ').skip(11).take(2).filter_map(|text| text.parse::<f64>().ok()).sum();
        ticks / rustix::param::clock_ticks_per_second() as f64
    }

    /// A field of `/proc/<pid>/status` in MiB.
    pub fn memory(&self, field: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it lives");
        let line = status.lines().find(|line| line.starts_with(field)).expect("a field of the kernel");
        line.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }
}
