//! What watching a whole cluster costs: 5,000 nodes, 100,000 pods, 30,000 replica sets and 200 changes
//! a second over HTTP, and the same for smaller ones.
//!
//! `cargo bench --bench cluster` starts the receiver in a process of its own for each size, so that
//! the simulated server's memory is not counted, and fails when a figure is above its bound.
//! `CLUSTER_PODS=1000` runs one size alone.

#![allow(clippy::unwrap_used)] // a bench that cannot be set up has failed

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use kmagent::component::{Context, NoHost, Receiver};
use kmagent::config::from_yaml;
use kmagent::kube::{Access, Client, Credentials, Namespaces};
use kmagent::net::tls::ClientTls;
use kmagent::pipeline::{Batch, Consumer, Outcome, Output, Outputs, Rejected, Signal, Stop, StopSource};
use kmagent::receivers::k8s_cluster::K8sClusterConfig;
use kmagent::telemetry::{StatusBoard, Telemetry};
use serde_json::{Value, json};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MIB: f64 = 1_048_576.0;
/// The bounds, for the largest cluster.
const MOST_SYNC: Duration = Duration::from_mins(1);
const MOST_MEMORY: f64 = 250.0;
const MOST_SPIKE: f64 = 50.0;
const MOST_CPU: f64 = 15.0;
/// Changes a second.
const CHANGES: u64 = 200;
/// The interval of the stock configuration.
const INTERVAL: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
struct Size {
    pods: usize,
    nodes: usize,
    replicasets: usize,
}

const SIZES: [Size; 4] = [
    Size { pods: 100, nodes: 5, replicasets: 30 },
    Size { pods: 1_000, nodes: 50, replicasets: 300 },
    Size { pods: 10_000, nodes: 500, replicasets: 3_000 },
    Size { pods: 100_000, nodes: 5_000, replicasets: 30_000 },
];

fn main() {
    if let Ok(server) = std::env::var("CLUSTER_SERVER") {
        return child(&server);
    }
    let only: Option<usize> = std::env::var("CLUSTER_PODS").ok().and_then(|pods| pods.parse().ok());
    println!("pods      sync s  points    RSS MiB  spike MiB  CPU %  largest batch");
    for size in SIZES.into_iter().filter(|size| only.is_none_or(|pods| pods == size.pods)) {
        let server = Server::start(size);
        let output =
            Command::new(std::env::current_exe().unwrap()).env("CLUSTER_SERVER", server).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let figures: Value = serde_json::from_str(text.trim()).unwrap();
        let figure = |name: &str| figures[name].as_f64().unwrap();
        println!(
            "{:<9} {:<7.1} {:<9} {:<8.0} {:<10.1} {:<6.1} {} points",
            size.pods,
            figure("sync"),
            figure("points"),
            figure("rss"),
            figure("spike"),
            figure("cpu"),
            figure("largest"),
        );
        // A pod has two resources with five points, a node six points, a replica set two.
        let want = size.pods * 7 + size.nodes * 6 + size.replicasets * 2;
        assert_eq!(figure("points") as usize, want, "points of one collection");
        assert!(figure("sync") < MOST_SYNC.as_secs_f64(), "the first lists take too long");
        assert!(figure("rss") < MOST_MEMORY, "more memory than promised");
        assert!(figure("spike") < MOST_SPIKE, "a collection takes too much memory");
        assert!(figure("cpu") < MOST_CPU, "more CPU than promised");
        assert!(figure("changes") > 0.0, "no change has arrived");
    }
}

// ---------------------------------------------------------------- the receiver, in its own process

/// The end of a pipeline: encodes and compresses as an exporter does.
#[derive(Default)]
struct End {
    points: AtomicU64,
    batches: AtomicU64,
    largest: AtomicU64,
    bytes: AtomicU64,
}

impl Consumer for End {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        let items = batch.items() as u64;
        let mut body = Vec::new();
        batch.data().encode(&mut body);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::new(1));
        gzip.write_all(&body).unwrap();
        self.bytes.fetch_add(gzip.finish().unwrap().len() as u64, Ordering::Relaxed);
        self.largest.fetch_max(items, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.points.fetch_add(items, Ordering::Relaxed);
        batch.ack.settle(Outcome::Delivered);
        Ok(())
    }

    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.consume(batch)
    }
}

fn child(server: &str) {
    let config: K8sClusterConfig = from_yaml(
        "{collection_interval: 30s, allocatable_types_to_report: [cpu, memory, ephemeral-storage, storage, pods],
          node_conditions_to_report: [Ready, DiskPressure]}",
    )
    .unwrap();
    let access = Access {
        server: format!("http://{server}"),
        tls: ClientTls::default(),
        credentials: Credentials::None,
    };
    let context = Context {
        id: "k8s_cluster".parse().unwrap(),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle("k8s_cluster"),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    };
    let began = Instant::now();
    let receiver = config.receiver(Client::new(access), Namespaces::default(), context);
    let end = Arc::new(End::default());
    let mut outputs = Outputs::default();
    outputs.set(Signal::Metrics, Output::new(vec![end.clone()]));
    let source = StopSource::new();
    let stop = source.stop();
    let thread = std::thread::spawn(move || Box::new(receiver).run(outputs, stop).unwrap());

    // The first collection comes right after the first lists.
    let points = || end.points.load(Ordering::Relaxed);
    while points() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let sync = began.elapsed();
    let mut last = 0;
    while points() != last {
        last = points();
        std::thread::sleep(Duration::from_millis(500));
    }
    // What the lists left behind is given back within seconds.
    std::thread::sleep(Duration::from_secs(5));
    let (cpu, start, quiet) = (cpu_time(), Instant::now(), resident());
    let window = INTERVAL * 2;
    let mut most = quiet;
    while start.elapsed() < window {
        most = most.max(resident());
        std::thread::sleep(Duration::from_millis(20));
    }
    let share = (cpu_time().as_secs_f64() - cpu.as_secs_f64()) / start.elapsed().as_secs_f64() * 100.0;
    let figures = json!({
        "sync": sync.as_secs_f64(), "points": last, "rss": most, "spike": most - quiet, "cpu": share,
        "largest": end.largest.load(Ordering::Relaxed), "changes": points() - last,
    });
    println!("{figures}");
    source.raise();
    thread.join().unwrap();
}

/// Resident memory in MiB.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as f64 / MIB
}

/// CPU time of this process.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

// ---------------------------------------------------------------- the simulated API server

/// Makes objects from templates as they are asked for: it holds none.
struct Server {
    size: Size,
    pod: String,
    node: String,
    replicaset: String,
    changes: AtomicU64,
}

fn first_item(list: &str, name: &str) -> Value {
    let list: Value = serde_json::from_str(list).unwrap();
    let mut items = list["items"].as_array().unwrap().iter();
    items.find(|item| item["metadata"]["name"].as_str().unwrap().starts_with(name)).unwrap().clone()
}

impl Server {
    /// Starts it; its address.
    fn start(size: Size) -> String {
        let mut pod = first_item(include_str!("../tests/fixtures/kube/api/pods.json"), "frontend-");
        pod["metadata"]["name"] = json!("frontend-7f95c5b857-NAME");
        pod["metadata"]["uid"] = json!("3e973a2c-8434-456e-8c56-NAME");
        pod["metadata"]["resourceVersion"] = json!("VERSION");
        pod["spec"]["nodeName"] = json!("node-NODE");
        let status = &mut pod["status"]["containerStatuses"][0];
        status["containerID"] =
            json!("containerd://HEX000000000000000000000000000000000000000000000000000NAME");
        status["restartCount"] = json!("RESTARTS");
        let mut node = first_item(include_str!("../tests/fixtures/kube/api/nodes.json"), "node-a");
        node["metadata"]["name"] = json!("node-NAME");
        node["metadata"]["uid"] = json!("4f973a2c-8434-456e-8c56-NAME");
        node["metadata"]["resourceVersion"] = json!("VERSION");
        let mut set = first_item(include_str!("../tests/fixtures/kube/api/replicasets.json"), "frontend-");
        set["metadata"]["name"] = json!("frontend-NAME");
        set["metadata"]["uid"] = json!("5a973a2c-8434-456e-8c56-NAME");
        set["metadata"]["resourceVersion"] = json!("VERSION");
        set["status"]["availableReplicas"] = json!("RESTARTS");
        let text = |value: &Value| value.to_string().replace("\"RESTARTS\"", "RESTARTS");
        let server = Arc::new(Self {
            size,
            pod: text(&pod),
            node: text(&node),
            replicaset: text(&set),
            changes: AtomicU64::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || {
                    let _ = server.serve(&socket);
                });
            }
        });
        address
    }

    fn kind(&self, path: &str) -> Option<(&str, usize)> {
        match path {
            "/api/v1/pods" => Some((&self.pod, self.size.pods)),
            "/api/v1/nodes" => Some((&self.node, self.size.nodes)),
            "/apis/apps/v1/replicasets" => Some((&self.replicaset, self.size.replicasets)),
            _ => None,
        }
    }

    fn object(&self, template: &str, n: usize, turn: u64) -> String {
        template
            .replace("NAME", &format!("{n:012}"))
            .replace("NODE", &format!("{:012}", n % self.size.nodes))
            .replace("VERSION", &(turn + 1_000_000).to_string())
            .replace("RESTARTS", &turn.to_string())
    }

    fn serve(&self, socket: &TcpStream) -> std::io::Result<()> {
        socket.set_nodelay(true)?;
        let mut input = BufReader::new(socket.try_clone()?);
        let mut output = BufWriter::with_capacity(64 << 10, socket.try_clone()?);
        loop {
            let mut line = String::new();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let mut header = String::from("-");
            while header.trim_end() != "" {
                header.clear();
                input.read_line(&mut header)?;
            }
            let target = line.split(' ').nth(1).unwrap_or_default();
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            write!(output, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            if query.contains("watch=true") {
                return self.watch(path, &mut output);
            }
            chunk(
                &mut output,
                r#"{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"1000000"},"items":["#,
            )?;
            if let Some((template, count)) = self.kind(path) {
                for n in 0..count {
                    let comma = if n == 0 { "" } else { "," };
                    chunk(&mut output, &format!("{comma}{}", self.object(template, n, 0)))?;
                }
            }
            chunk(&mut output, "]}")?;
            chunk(&mut output, "")?;
            output.flush()?;
        }
    }

    /// Pods make three quarters of the changes, replica sets and nodes the rest.
    fn watch(&self, path: &str, output: &mut BufWriter<TcpStream>) -> std::io::Result<()> {
        output.flush()?;
        let per_second = match path {
            "/api/v1/pods" => CHANGES * 3 / 4,
            "/apis/apps/v1/replicasets" => CHANGES / 5,
            "/api/v1/nodes" => CHANGES / 20,
            _ => 0,
        };
        let (Some((template, count)), true) = (self.kind(path), per_second > 0) else {
            loop {
                std::thread::sleep(Duration::from_mins(1));
            }
        };
        loop {
            std::thread::sleep(Duration::from_millis(1000 / per_second));
            let turn = self.changes.fetch_add(1, Ordering::Relaxed) + 1;
            let object = self.object(template, turn as usize * 7919 % count, turn);
            chunk(output, &format!("{{\"type\":\"MODIFIED\",\"object\":{object}}}\n"))?;
            output.flush()?;
        }
    }
}

fn chunk(output: &mut BufWriter<TcpStream>, text: &str) -> std::io::Result<()> {
    write!(output, "{:x}\r\n{text}\r\n", text.len())
}
