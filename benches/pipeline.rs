//! The whole pipeline of container logs: files of a container runtime, the operators and processors of
//! the stock DaemonSet file, batches, OTLP in gzip over HTTP. The agent is a process of its own; load,
//! API server and backend are in this one.
//!
//! `cargo bench --bench pipeline` runs all cases, `-- full steady` those that are named:
//!
//! - `full`: how fast files are read that are there, and what memory that takes. Floors: 60 MB/s, and
//!   40 MiB at most.
//! - `steady`: CPU and memory at `PIPELINE_LINES` (10,000) lines a second in `PIPELINE_FILES` (10) files.
//!   Floors: 5 % of a core, 20 MiB.
//! - `backlog`: one file of `PIPELINE_BACKLOG_MB` (1,000) and 200 small ones, which must not wait for
//!   the large one to end. Floor: 40 MiB.
//! - `idle`: 2,000 files that nobody writes to. Floors: 0.3 % of a core, 20 MiB.
//!
//! Half of the lines is JSON, half plain text, of 230 bytes on average. Every case counts the records
//! at the backend before it prints a figure. `KMAGENT_BINARY` names another binary to measure.

#![allow(clippy::unwrap_used)] // a bench that cannot be set up has failed

mod binary;
#[path = "../tests/support"]
#[allow(dead_code)]
mod support {
    pub mod certs;
    pub mod kube;
}

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kmagent::net::compression::{Codec, decompress};
use kmagent::net::event_loop::Loops;
use kmagent::net::http::{Answer, Head, Limits, Request, Response, Service, serve};
use kmagent::net::listener::{Accepting, Connections};
use kmagent::otlp::{Attributes, Resource};
use prost::Message;
use prost::bytes::Bytes;
use serde_yaml::Value;
use support::kube::{FakeKube, PODS};

const STOCK: &str = include_str!("../tests/fixtures/stock/daemonset.yaml");
const NODE: &str = include_str!("../tests/fixtures/kube/api/pods-on-node-a.json");
const MIB: f64 = (1 << 20) as f64;
/// Records that may be held back for their time: a batch that is not full yet.
const LAST_BATCH: usize = 10_000;

fn main() {
    let cases: [(&str, fn()); 4] = [("full", full), ("steady", steady), ("backlog", backlog), ("idle", idle)];
    let named: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    for (name, case) in cases {
        if named.is_empty() || named.iter().any(|wanted| wanted == name) {
            case();
        }
    }
}

// ---------------------------------------------------------------- the cases

fn full() {
    const FILES: usize = 10;
    const LINES_EACH: usize = 300_000;
    let world = World::new();
    let mut text = Lines::default();
    let piece = text.some(100_000);
    for n in 0..FILES {
        let mut file = world.create(n, "app");
        (0..LINES_EACH / 100_000).for_each(|_| file.write_all(&piece).unwrap());
    }
    let (total, bytes) = (FILES * LINES_EACH, piece.len() * LINES_EACH / 100_000 * FILES);
    let agent = world.start();
    let arrivals = agent.wait_for(total, Duration::from_mins(3));
    // The last batch waits for its timeout.
    let most = total - LAST_BATCH - FILES;
    let seconds = arrivals.time_of(|seen| seen.records >= most).as_secs_f64();
    let cpu = agent.cpu();
    println!(
        "full speed: {:.1} MB/s ({:.0} lines/s; floor 60 MB/s), {:.1} MB per CPU second, {:.2} µs a line, \
         {:.1} MiB at most (floor 40), now {:.1} of pages of files, {:.1} B on the wire a record, {:.0} B raw",
        bytes as f64 * most as f64 / total as f64 / 1e6 / seconds,
        most as f64 / seconds,
        bytes as f64 / 1e6 / cpu,
        cpu * 1e6 / total as f64,
        agent.memory("VmHWM:"),
        agent.memory("RssFile:"),
        arrivals.wire(),
        arrivals.raw(),
    );
    agent.print_threads();
}

fn steady() {
    const SLICES: usize = 100;
    let a_second = number("PIPELINE_LINES", 10_000);
    let files = number("PIPELINE_FILES", 10);
    let world = World::new();
    let mut files: Vec<File> = (0..files).map(|n| world.create(n, "app")).collect();
    let agent = world.start();
    let mut text = Lines::default();
    let (warm, watched) = (10, 30);
    let (mut before, mut most) = (0.0, 0.0_f64);
    let started = Instant::now();
    for slice in 0..(warm + watched) * SLICES {
        if slice == warm * SLICES {
            before = agent.cpu();
        }
        // Each container writes its lines one by one.
        for n in 0..a_second / SLICES {
            let turn = n % files.len();
            files[turn].write_all(&text.some(1)).unwrap();
        }
        most = most.max(if slice % 10 == 0 { agent.memory("VmRSS:") } else { 0.0 });
        let next = started + Duration::from_secs(1) / SLICES as u32 * (slice as u32 + 1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let spent = agent.cpu() - before;
    let took = started.elapsed().as_secs_f64() - warm as f64;
    let arrivals = agent.wait_for((warm + watched) * a_second, Duration::from_mins(1));
    println!(
        "{a_second} lines/s: {:.2} % of a core (floor 5), {most:.1} MiB (floor 20), now {:.1} of pages of files, \
         {:.1} B on the wire a record, {:.0} B raw",
        spent / took * 100.0,
        agent.memory("RssFile:"),
        arrivals.wire(),
        arrivals.raw(),
    );
    agent.print_threads();
}

fn backlog() {
    const SMALL: usize = 200;
    const LINES_EACH: usize = 1000;
    let size: usize = number("PIPELINE_BACKLOG_MB", 1000) * 1_000_000;
    let world = World::new();
    let piece = Lines::default().some(100_000);
    let pieces = size.div_ceil(piece.len());
    let mut large = world.create(0, "large");
    (0..pieces).for_each(|_| large.write_all(&piece).unwrap());
    let small = Lines::default().some(LINES_EACH);
    (0..SMALL).for_each(|n| world.create(n, "small").write_all(&small).unwrap());
    let total = pieces * 100_000 + SMALL * LINES_EACH;
    let agent = world.start();
    let arrivals = agent.wait_for(total, Duration::from_mins(10));
    let all = arrivals.time_of(|seen| seen.records >= total - LAST_BATCH - SMALL);
    // The last line of a file waits for a while whether more of its record follows.
    let early = arrivals.time_of(|seen| seen.small >= SMALL * (LINES_EACH - 1));
    println!(
        "backlog of {:.1} GB and {SMALL} small files: {:.1} MB/s, small ones there after {:.2} s of {:.2}, \
         {:.1} MiB at most (floor 40), now {:.1} of pages of files, {:.1} B on the wire a record",
        (pieces * piece.len()) as f64 / 1e9,
        (pieces * piece.len() + SMALL * small.len()) as f64 / 1e6 / all.as_secs_f64(),
        early.as_secs_f64(),
        all.as_secs_f64(),
        agent.memory("VmHWM:"),
        agent.memory("RssFile:"),
        arrivals.wire(),
    );
    assert!(early < all / 4, "small files wait for the large one");
}

fn idle() {
    const FILES: usize = 2000;
    const LINES_EACH: usize = 50;
    let watch = number("PIPELINE_IDLE_SECONDS", 60);
    let world = World::new();
    let mut text = Lines::default();
    (0..FILES).for_each(|n| world.create(n, "app").write_all(&text.some(LINES_EACH)).unwrap());
    let agent = world.start();
    let arrivals = agent.wait_for(FILES * LINES_EACH, Duration::from_mins(1));
    // Directories that have just changed are listed once more.
    std::thread::sleep(Duration::from_secs(35));
    let before = agent.cpu();
    std::thread::sleep(Duration::from_secs(watch as u64));
    println!(
        "{FILES} idle files: {:.3} % of a core (floor 0.3), {:.1} MiB (floor 20), {:.1} of them anonymous, \
         {:.1} B on the wire a record before",
        (agent.cpu() - before) / watch as f64 * 100.0,
        agent.memory("VmRSS:"),
        agent.memory("RssAnon:"),
        arrivals.wire(),
    );
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect(variable))
}

// ---------------------------------------------------------------- the lines

/// Lines as a container runtime writes them; no two are the same.
#[derive(Default)]
struct Lines {
    written: u64,
}

impl Lines {
    fn some(&mut self, count: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(count * 240);
        for _ in 0..count {
            self.written += 1;
            let n = self.written;
            if n.is_multiple_of(2) { json(n, &mut out) } else { plain(n, &mut out) }
        }
        out
    }
}

/// Bits of no order: splitmix64.
fn noise(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Time of the line in seconds and nanoseconds, of an hour of 2024.
fn time(n: u64) -> (u64, u64, u64) {
    let millis = n / 10;
    (millis / 60_000 % 60, millis / 1000 % 60, millis % 1000 * 1_000_000 + noise(n) % 1_000_000)
}

const LEVELS: [&str; 8] = ["info", "info", "info", "info", "debug", "debug", "warn", "error"];

fn json(n: u64, out: &mut Vec<u8>) {
    let ((minute, second, nano), random) = (time(n), noise(n));
    let level = LEVELS[(random % 8) as usize];
    writeln!(
        out,
        "2024-05-06T07:{minute:02}:{second:02}.{nano:09}Z stdout F {{\"timestamp\":\"2024-05-06T07:{minute:02}:{second:02}.{nano:09}Z\",\
         \"level\":\"{level}\",\"logger\":\"http\",\"msg\":\"GET /products/{}\",\"status\":{},\"duration_ms\":{}.{},\
         \"trace_id\":\"{random:016x}{:016x}\"}}",
        random % 10_000,
        [200, 200, 201, 404][(random >> 8) as usize % 4],
        random % 900,
        random % 10,
        noise(random),
    )
    .unwrap();
}

fn plain(n: u64, out: &mut Vec<u8>) {
    let ((minute, second, nano), random) = (time(n), noise(n));
    let level = LEVELS[(random % 8) as usize].to_uppercase();
    writeln!(
        out,
        "2024-05-06T07:{minute:02}:{second:02}.{nano:09}Z stdout F 2024-05-06 07:{minute:02}:{second:02}.{:03} {level} 1 --- \
         [nio-8080-exec-{}] com.shop.cart.web.CartController : cart {} loaded for customer number {} with {} positions, \
         now priced in euros for the checkout page",
        nano / 1_000_000,
        random % 20,
        random >> 40,
        random % 100_000,
        random % 50,
    )
    .unwrap();
}

// ---------------------------------------------------------------- the node

/// Logs of a node, its API server and the backend.
struct World {
    folder: tempfile::TempDir,
    pods: Vec<String>,
    kube: FakeKube,
    backend: Backend,
}

impl World {
    fn new() -> Self {
        let kube = FakeKube::start();
        kube.load(PODS, NODE);
        for (path, list) in [
            ("/api/v1/nodes", include_str!("../tests/fixtures/kube/api/nodes.json")),
            ("/api/v1/namespaces", include_str!("../tests/fixtures/kube/api/namespaces.json")),
            ("/apis/apps/v1/replicasets", include_str!("../tests/fixtures/kube/api/replicasets.json")),
            ("/apis/apps/v1/deployments", include_str!("../tests/fixtures/kube/api/deployments.json")),
            ("/apis/batch/v1/jobs", include_str!("../tests/fixtures/kube/api/jobs.json")),
        ] {
            kube.load(path, list);
        }
        let node: serde_json::Value = serde_json::from_str(NODE).unwrap();
        let pods = node["items"].as_array().unwrap().iter().map(|pod| {
            let text = |key: &str| pod["metadata"][key].as_str().unwrap();
            format!("{}_{}_{}", text("namespace"), text("name"), text("uid"))
        });
        let pods = pods.collect();
        Self { folder: tempfile::tempdir().unwrap(), pods, kube, backend: Backend::start() }
    }

    /// The log of a container; the pods of the node take turns.
    fn create(&self, n: usize, container: &str) -> File {
        let pod = &self.pods[n % self.pods.len()];
        let place = self.folder.path().join("pods").join(pod).join(format!("{container}-{n}"));
        std::fs::create_dir_all(&place).unwrap();
        File::create(place.join("0.log")).unwrap()
    }

    /// The agent with the logs pipeline of the stock file, which is changed where this machine is not
    /// a node: the folder of the logs, access to the API server, the port of the health endpoint.
    fn start(&self) -> Agent<'_> {
        let mut config: Value = serde_yaml::from_str(STOCK).unwrap();
        let pipelines = config["service"]["pipelines"].as_mapping_mut().unwrap();
        pipelines.retain(|name, _| name.as_str() == Some("logs/containers"));
        let receiver = &mut config["receivers"]["filelog/containers"];
        receiver["include"] = vec![format!("{}/pods/*/*/*.log", self.folder.path().display())].into();
        receiver["start_at"] = "beginning".into();
        config["processors"]["k8sattributes"]["auth_type"] = "kubeConfig".into();
        config["extensions"]["health_check"]["endpoint"] = "127.0.0.1:0".into();
        let file: PathBuf = self.folder.path().join("agent.yaml");
        std::fs::write(&file, serde_yaml::to_string(&config).unwrap()).unwrap();
        let log = File::create(self.folder.path().join("agent.log")).unwrap();
        let child = Command::new(binary::binary())
            .args(["run", "--config"])
            .arg(&file)
            .env("KUBECONFIG", self.kube.kubeconfig(self.folder.path()))
            .env("KM_NODE_NAME", "node-a")
            .env("KM_CLUSTER_NAME", "lab")
            .env("KM_API_KEY", "key")
            .env("KM_COLLECTOR_ENDPOINT", format!("http://127.0.0.1:{}", self.backend.port))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Agent { child, world: self, started: Instant::now() }
    }
}

struct Agent<'a> {
    child: Child,
    world: &'a World,
    started: Instant,
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Agent<'_> {
    /// What arrived, once all records have. Counting waits until the agent pauses: it would take the
    /// processor that the agent is measured on.
    fn wait_for(&self, total: usize, patience: Duration) -> Arrivals {
        let mut arrivals = Arrivals { started: self.started, seen: vec![Seen::default()] };
        loop {
            let before = self.cpu();
            std::thread::sleep(Duration::from_millis(500));
            let pauses = self.cpu() - before < 0.05;
            if pauses || self.world.backend.holds() > 256 << 20 {
                arrivals.count(self.world.backend.take());
            }
            let seen = arrivals.seen.last().unwrap().records;
            assert!(seen <= total, "{seen} of {total} records: some came twice");
            if seen == total {
                return arrivals;
            }
            let log = self.world.folder.path().join("agent.log");
            assert!(self.started.elapsed() < patience, "{seen} of {total} records:\n{}", read(&log));
        }
    }

    /// CPU seconds so far.
    fn cpu(&self) -> f64 {
        let stat = read(Path::new(&format!("/proc/{}/stat", self.child.id())));
        let after = stat.rsplit_once(") ").unwrap().1;
        let ticks: f64 = after.split(' ').skip(11).take(2).map(|text| text.parse::<f64>().unwrap()).sum();
        ticks / rustix::param::clock_ticks_per_second() as f64
    }

    /// A field of `/proc/<pid>/status` in MiB.
    fn memory(&self, field: &str) -> f64 {
        let status = read(Path::new(&format!("/proc/{}/status", self.child.id())));
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0 / MIB
    }

    /// CPU seconds by thread, those that took none left out.
    fn print_threads(&self) {
        let mut spent: BTreeMap<String, f64> = BTreeMap::new();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().flatten() {
            let nanos = read(&task.path().join("schedstat"));
            let nanos: f64 = nanos.split(' ').next().unwrap().parse().unwrap();
            *spent.entry(read(&task.path().join("comm")).trim().to_owned()).or_default() += nanos / 1e9;
        }
        spent.retain(|_, seconds| *seconds >= 0.01);
        println!("  CPU seconds by thread: {spent:.2?}");
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

// ---------------------------------------------------------------- the backend

/// Takes requests and keeps them as they came.
struct Backend {
    port: u16,
    kept: Arc<Mutex<Vec<(Instant, Vec<u8>)>>>,
    _loops: Loops,
}

struct Keeping(Arc<Mutex<Vec<(Instant, Vec<u8>)>>>);

impl Service for Keeping {
    fn check(&self, _: &Head) -> Result<usize, Response> {
        Ok(256 << 20)
    }
    fn answer(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            assert_eq!(request.head.header("content-encoding"), Some("gzip"));
            let body = request.body.expect("the agent sends whole bodies");
            self.0.lock().unwrap().push((Instant::now(), body));
            Response::new(200, "application/x-protobuf", "")
        })
    }
}

impl Backend {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let loops = Loops::start("backend", 1).unwrap();
        let keeping = kept.clone();
        let accepting = Accepting {
            listener,
            tls: None,
            connections: Connections::new(1000, kmagent::telemetry::Counter::default()),
            serve: move |socket, peer: IpAddr, task| {
                serve(socket, peer, task, Keeping(keeping.clone()), Rc::new(Limits::default()))
            },
        };
        accepting.start(&loops.spawner()).unwrap();
        Self { port, kept, _loops: loops }
    }

    fn holds(&self) -> usize {
        self.kept.lock().unwrap().iter().map(|(_, body)| body.len()).sum()
    }

    fn take(&self) -> Vec<(Instant, Vec<u8>)> {
        std::mem::take(&mut *self.kept.lock().unwrap())
    }
}

/// Requests, with records that are counted and not decoded.
#[derive(Clone, PartialEq, prost::Message)]
struct Logs {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Resources>,
}
#[derive(Clone, PartialEq, prost::Message)]
struct Resources {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scopes>,
}
#[derive(Clone, PartialEq, prost::Message)]
struct Scopes {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    records: Vec<Bytes>,
}

/// All that had arrived by a time.
#[derive(Clone, Copy, Default)]
struct Seen {
    after: Duration,
    records: usize,
    /// Records of containers that are called small.
    small: usize,
    wire: usize,
    raw: usize,
}

struct Arrivals {
    started: Instant,
    /// Beginning with nothing.
    seen: Vec<Seen>,
}

impl Arrivals {
    fn count(&mut self, bodies: Vec<(Instant, Vec<u8>)>) {
        for (at, body) in bodies {
            let raw = decompress(Codec::Gzip, &body, 256 << 20).unwrap();
            let mut seen = *self.seen.last().unwrap();
            seen.after = at - self.started;
            seen.wire += body.len();
            seen.raw += raw.len();
            for resource in Logs::decode(Bytes::from(raw)).unwrap().resources {
                let records: usize = resource.scopes.iter().map(|scope| scope.records.len()).sum();
                let attributes = resource.resource.unwrap_or_default().attributes;
                assert!(attributes.contains("k8s.pod.start_time"), "the API server knows the pods");
                let container = attributes.get_str("k8s.container.name").unwrap();
                seen.small += if container.starts_with("small") { records } else { 0 };
                seen.records += records;
            }
            self.seen.push(seen);
        }
    }

    fn time_of(&self, enough: impl Fn(&Seen) -> bool) -> Duration {
        self.seen.iter().find(|seen| enough(seen)).expect("it has come to that").after
    }

    /// Bytes a record, compressed.
    fn wire(&self) -> f64 {
        let last = self.seen.last().unwrap();
        last.wire as f64 / last.records as f64
    }

    /// Bytes a record before they are compressed.
    fn raw(&self) -> f64 {
        let last = self.seen.last().unwrap();
        last.raw as f64 / last.records as f64
    }
}
