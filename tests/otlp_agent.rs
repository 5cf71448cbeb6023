//! OTLP through the real binary: the queue on disk, and the stock gateway.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use kmagent::demo::sink::{Answer, Arrived, Sink};
use kmagent::pipeline::{Data, Signal};
use serde_yaml::Value;

use crate::support::agent::{Agent, free_port, wait_for};
use crate::support::data::{logs, metrics, numbers, traces};
use crate::support::sink::TestSink;

/// Posts a request on a connection of its own; true when it was accepted.
pub fn post(port: u16, path: &str, data: &Data) -> bool {
    let mut body = Vec::new();
    data.encode(&mut body);
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-protobuf\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    let mut answer = String::new();
    sent.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

/// Records of a request.
const BATCH: u64 = 2000;

/// A backend that is down until it is told to be up, and notes which numbers of records came.
#[derive(Clone)]
struct Noting {
    up: Arc<AtomicBool>,
    seen: Arc<Vec<AtomicBool>>,
    missing: Arc<AtomicU64>,
}

impl Noting {
    fn new(records: u64) -> Self {
        Self {
            up: Arc::default(),
            seen: Arc::new((0..records).map(|_| AtomicBool::new(false)).collect()),
            missing: Arc::new(AtomicU64::new(records)),
        }
    }

    fn answer(&self, arrived: Arrived) -> Answer {
        if !self.up.load(Ordering::SeqCst) {
            return Answer::of(503);
        }
        for number in numbers(&arrived.data.unwrap()) {
            if !self.seen[number as usize].swap(true, Ordering::SeqCst) {
                self.missing.fetch_sub(1, Ordering::SeqCst);
            }
        }
        Answer::success()
    }
}

/// Sends `records` records; the backend is down, and the agent is killed when half of them were
/// acknowledged. The clients send again what was not, and the backend comes up with the agent: all
/// records must arrive, of which nobody sends the acknowledged ones again.
fn killed_in_the_middle_of(records: u64) {
    let dir = tempfile::tempdir().unwrap();
    let noting = Noting::new(records);
    let handler = noting.clone();
    let sink = Sink::start("127.0.0.1:0", move |arrived| handler.answer(arrived)).unwrap();
    let port = free_port();
    let config = format!(
        "\
receivers:
  otlp: {{ protocols: {{ http: {{ endpoint: '127.0.0.1:{port}' }} }} }}
extensions:
  file_storage: {{ directory: {dir}/state, create_directory: true }}
exporters:
  otlphttp:
    endpoint: {url}
    retry_on_failure: {{ initial_interval: 20ms, max_interval: 100ms }}
    sending_queue: {{ storage: file_storage, queue_size: 100000, num_consumers: 4 }}
service:
  extensions: [file_storage, health_check]
  pipelines:
    logs: {{ receivers: [otlp], exporters: [otlphttp] }}
",
        dir = dir.path().display(),
        url = sink.url()
    );
    let mut agent = Agent::start(dir.path(), &config);
    agent.wait_ready();
    let (next, acknowledged) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let (next, acknowledged) = (next.clone(), acknowledged.clone());
            std::thread::spawn(move || {
                loop {
                    let start = next.fetch_add(BATCH, Ordering::SeqCst);
                    if start >= records {
                        return;
                    }
                    let batch = logs(start..start + BATCH);
                    wait_for("a request to be taken", || post(port, "/v1/logs", &batch));
                    acknowledged.fetch_add(BATCH, Ordering::SeqCst);
                }
            })
        })
        .collect();
    wait_for("half of the records to be acknowledged", || acknowledged.load(Ordering::SeqCst) >= records / 2);
    agent.kill();
    let before = acknowledged.load(Ordering::SeqCst);
    assert!(before < records, "it was killed in the middle");
    assert_eq!(noting.missing.load(Ordering::SeqCst), records, "the backend was down");
    noting.up.store(true, Ordering::SeqCst);
    let mut agent = Agent::start(dir.path(), &config);
    agent.wait_ready();
    clients.into_iter().for_each(|client| client.join().unwrap());
    wait_for("all records to arrive", || noting.missing.load(Ordering::SeqCst) == 0);
    let (status, _) = agent.terminate();
    assert!(status.success());
    let left = std::fs::read_dir(dir.path().join("state/exporter_otlphttp_logs.queue")).unwrap();
    let segments = left.filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension().is_some_and(|extension| extension == "segment" || extension == "damaged")
    });
    assert_eq!(segments.count(), 0, "what is delivered is removed");
}

#[test]
fn a_killed_agent_delivers_what_it_acknowledged_from_its_queue_on_disk() {
    killed_in_the_middle_of(60_000);
}

/// Ten seconds of two cores in a debug build: `cargo test --test promises -- --ignored a_million`.
#[test]
#[ignore = "takes ten seconds in a debug build"]
fn a_million_records_survive_the_kill_of_the_agent() {
    killed_in_the_middle_of(1_000_000);
}

/// An agent that sends what it takes at the returned port over HTTP to `grpc` over gRPC.
pub fn grpc_relay(dir: &Path, grpc: u16) -> (Agent, u16) {
    let http = free_port();
    let config = format!(
        "\
receivers:
  otlp: {{ protocols: {{ http: {{ endpoint: '127.0.0.1:{http}' }} }} }}
exporters:
  otlp: {{ endpoint: '127.0.0.1:{grpc}', tls: {{ insecure: true }} }}
service:
  pipelines:
    logs: {{ receivers: [otlp], exporters: [otlp] }}
    metrics: {{ receivers: [otlp], exporters: [otlp] }}
    traces: {{ receivers: [otlp], exporters: [otlp] }}
"
    );
    let mut relay = Agent::start(dir, &config);
    relay.wait_ready();
    (relay, http)
}

#[test]
fn the_stock_gateway_forwards_all_signals_over_both_protocols() {
    let dir = tempfile::tempdir().unwrap();
    let sink = TestSink::new();
    let (http, grpc) = (free_port(), free_port());
    let stock = include_str!("fixtures/stock-configs/deployment.yaml");
    let mut config: Value = serde_yaml::from_str(stock).unwrap();
    // What needs a cluster is left out; the rest is as it stands, but for addresses.
    for id in ["k8s_cluster", "k8s_events", "k8sobjects/1", "k8sobjects/2"] {
        config["receivers"].as_mapping_mut().unwrap().remove(id);
    }
    config["processors"].as_mapping_mut().unwrap().remove("k8sattributes");
    let pipelines = config["service"]["pipelines"].as_mapping_mut().unwrap();
    for id in ["logs/k8s_events", "metrics/k8s_cluster"] {
        pipelines.remove(id).expect("the stock configuration has it");
    }
    for (_, pipeline) in pipelines.iter_mut() {
        let processors = pipeline["processors"].as_sequence_mut().unwrap();
        processors.retain(|id| id.as_str() != Some("k8sattributes"));
    }
    let protocols = &mut config["receivers"]["otlp"]["protocols"];
    protocols["http"]["endpoint"] = format!("127.0.0.1:{http}").into();
    protocols["grpc"]["endpoint"] = format!("127.0.0.1:{grpc}").into();
    config["exporters"]["otlphttp"]["endpoint"] = sink.url().into();
    // The test's own is used.
    config["extensions"].as_mapping_mut().unwrap().remove("health_check").unwrap();
    let text = serde_yaml::to_string(&config).unwrap();
    let mut agent = Agent::start(dir.path(), &text);
    agent.wait_ready();
    for (path, data) in
        [("/v1/logs", logs(1..51)), ("/v1/metrics", metrics(1..41)), ("/v1/traces", traces(1..31))]
    {
        assert!(post(http, path, &data), "{path}");
    }
    // The same over gRPC, through the exporter of a second agent.
    let relay_dir = tempfile::tempdir().unwrap();
    let (relay, relay_http) = grpc_relay(relay_dir.path(), grpc);
    for (path, data) in
        [("/v1/logs", logs(101..151)), ("/v1/metrics", metrics(101..141)), ("/v1/traces", traces(101..131))]
    {
        assert!(post(relay_http, path, &data), "{path}");
    }
    // Stopping flushes: the relay into the gateway, the gateway's batches of ten seconds to the sink.
    assert!(relay.terminate().0.success());
    assert!(agent.terminate().0.success());
    let count = |signal: Signal| -> usize {
        sink.accepted().iter().filter(|data| data.signal() == signal).map(Data::items).sum()
    };
    assert_eq!([count(Signal::Logs), count(Signal::Metrics), count(Signal::Traces)], [100, 80, 60]);
}
