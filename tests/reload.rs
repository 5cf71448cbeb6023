//! A new configuration is taken up while the agent runs: only what it changes is started again, and
//! nothing in flight is lost.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kmagent::otlp::AnyValue;
use kmagent::pipeline::Data;
use serde_json::Value;

use crate::support::agent::{Agent, free_port, wait_for};
use crate::support::sink::{Reply, TestSink};

/// What of a configuration a test varies.
#[derive(Clone)]
struct Variant {
    url: String,
    poll_interval: &'static str,
    processors: &'static str,
    compression: &'static str,
    /// A second pipeline with a receiver of its own.
    metrics: bool,
    /// A further extension.
    extension: String,
}

impl Variant {
    fn new(sink: &TestSink) -> Self {
        Self {
            url: sink.url(),
            poll_interval: "20ms",
            processors: "batch",
            compression: "none",
            metrics: false,
            extension: String::new(),
        }
    }

    fn write(&self, dir: &Path) {
        replace(&dir.join("agent.yaml"), &self.text(dir));
    }

    fn text(&self, dir: &Path) -> String {
        let more = if self.metrics {
            "\n    metrics: { receivers: [hostmetrics], exporters: [otlphttp] }"
        } else {
            ""
        };
        let (extension, listed) = match self.extension.as_str() {
            "" => (String::new(), "[health_check, file_storage]"),
            other => (
                format!("\n  health_check/second: {{ endpoint: \"{other}\" }}"),
                "[health_check, file_storage, health_check/second]",
            ),
        };
        format!(
            "\
extensions:
  file_storage: {{ directory: {dir}/store }}{extension}
receivers:
  filelog:
    include: [{dir}/logs/*.log]
    start_at: beginning
    poll_interval: {poll}
    storage: file_storage
  hostmetrics: {{ collection_interval: 50ms, scrapers: {{ load: }} }}
processors:
  batch: {{ timeout: 20ms, send_batch_size: 500 }}
  batch/large: {{ timeout: 60ms, send_batch_size: 5000 }}
  attributes/mark: {{ actions: [{{ key: mark, value: seen, action: upsert }}] }}
exporters:
  otlphttp:
    endpoint: {url}
    compression: {compression}
    retry_on_failure: {{ initial_interval: 20ms, max_interval: 100ms }}
service:
  extensions: {listed}
  pipelines:
    logs: {{ receivers: [filelog], processors: [{processors}], exporters: [otlphttp] }}{more}
",
            dir = dir.display(),
            poll = self.poll_interval,
            url = self.url,
            compression = self.compression,
            processors = self.processors,
        )
    }

    fn start(&self, dir: &Path) -> Agent {
        fs::create_dir_all(dir.join("logs")).unwrap();
        fs::create_dir_all(dir.join("store")).unwrap();
        let mut agent = Agent::start(dir, &self.text(dir));
        agent.wait_ready();
        agent
    }
}

/// As the kubelet and good editors do it.
fn replace(file: &Path, text: &str) {
    let other = file.with_extension("new");
    fs::write(&other, text).unwrap();
    fs::rename(&other, file).unwrap();
}

/// How many new configurations the agent has looked at: taken up and refused.
fn verdicts(agent: &Agent) -> (usize, usize) {
    let log = agent.log();
    let applied = log.matches("a new configuration is in force").count();
    (applied, log.matches("the running configuration stays in force").count())
}

fn applied(agent: &Agent, before: usize) {
    wait_for("the new configuration", || verdicts(agent).0 > before);
}

fn readyz(agent: &Agent) -> Value {
    let (status, body) = agent.get("/readyz").unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn append(file: &Path, numbers: std::ops::Range<u64>) {
    let mut out = File::options().create(true).append(true).open(file).unwrap();
    let lines: String = numbers.map(|n| format!("line {n} of a file\n")).collect();
    out.write_all(lines.as_bytes()).unwrap();
}

/// How often each line has been accepted.
fn lines(sink: &TestSink) -> BTreeMap<u64, usize> {
    let mut seen = BTreeMap::new();
    for data in sink.accepted() {
        let Data::Logs(resources) = data else { continue };
        for record in resources.iter().flat_map(|r| &r.scope_logs).flat_map(|s| &s.log_records) {
            let Some(AnyValue::String(text)) = &record.body else { panic!("the body is text") };
            let number = text.split(' ').nth(1).unwrap().parse().unwrap();
            *seen.entry(number).or_default() += 1;
        }
    }
    seen
}

fn all_arrived(sink: &TestSink, count: u64) {
    wait_for("all lines", || lines(sink).len() as u64 == count);
}

fn resident(agent: &Agent) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{}/statm", agent.pid())).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn fifty_changes_under_load_lose_nothing_and_leave_memory_flat() {
    const CHANGES: usize = 50;
    let dir = tempfile::tempdir().unwrap();
    let sink = TestSink::new();
    let mut variant = Variant::new(&sink);
    let agent = variant.start(dir.path());
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (done, file) = (done.clone(), dir.path().join("logs/a.log"));
        std::thread::spawn(move || {
            let mut next = 0;
            while !done.load(Ordering::Relaxed) {
                append(&file, next..next + 20);
                next += 20;
                std::thread::sleep(Duration::from_millis(5));
            }
            next
        })
    };
    let mut random = fastrand::Rng::with_seed(7);
    let mut early = 0;
    for change in 0..CHANGES {
        let (before, refused) = verdicts(&agent);
        match random.u8(0..6) {
            0 => variant.poll_interval = if variant.poll_interval == "20ms" { "30ms" } else { "20ms" },
            1 => variant.processors = if variant.processors == "batch" { "batch/large" } else { "batch" },
            2 => variant.compression = if variant.compression == "none" { "gzip" } else { "none" },
            3 => variant.metrics = !variant.metrics,
            4 if variant.processors != "attributes/mark, batch" => {
                variant.processors = "attributes/mark, batch"
            }
            4 => variant.processors = "batch",
            _ => {
                replace(&dir.path().join("agent.yaml"), "receivers: { filelog: { include: 7 } }");
                wait_for("the refusal", || verdicts(&agent).1 > refused);
                variant.metrics = !variant.metrics;
            }
        }
        variant.write(dir.path());
        applied(&agent, before);
        if change == 10 {
            early = resident(&agent);
        }
    }
    let late = resident(&agent);
    done.store(true, Ordering::Relaxed);
    let written = writer.join().unwrap();
    all_arrived(&sink, written);
    let grown = late.saturating_sub(early) >> 20;
    assert!(grown < 8, "{grown} MiB more after {CHANGES} changes than after ten");
    assert!(agent.terminate().0.success());
}

#[test]
fn what_a_change_does_not_touch_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let sink = TestSink::new();
    let mut variant = Variant::new(&sink);
    variant.metrics = true;
    let agent = variant.start(dir.path());
    let before = readyz(&agent);
    variant.processors = "attributes/mark, batch";
    variant.write(dir.path());
    applied(&agent, 0);
    let after = readyz(&agent);
    let since = |body: &Value, component: &str| body["components"][component]["since"].clone();
    for component in [
        "receiver:filelog",
        "receiver:hostmetrics",
        "pipeline:metrics",
        "exporter:otlphttp/logs",
        "extension:file_storage",
    ] {
        assert_eq!(since(&before, component), since(&after, component), "{component}");
        assert_eq!(after["components"][component]["state"], "running", "{component}");
    }
    assert_ne!(since(&before, "pipeline:logs"), since(&after, "pipeline:logs"));
    assert_eq!(after["components"]["processor:attributes/mark in logs"]["state"], "running");
    append(&dir.path().join("logs/a.log"), 0..100);
    all_arrived(&sink, 100);
    variant.metrics = false;
    variant.write(dir.path());
    applied(&agent, 1);
    let last = readyz(&agent);
    assert_eq!(last["components"]["pipeline:metrics"], Value::Null, "what is gone is off the board");
    assert_eq!(last["components"]["receiver:hostmetrics"], Value::Null);
}

#[test]
fn a_bad_file_or_none_leaves_the_running_configuration_in_force_and_shows() {
    let dir = tempfile::tempdir().unwrap();
    let sink = TestSink::new();
    let variant = Variant::new(&sink);
    let agent = variant.start(dir.path());
    let file = dir.path().join("agent.yaml");
    let good = fs::read_to_string(&file).unwrap();
    replace(&file, &good.replace("poll_interval", "poll_intervall"));
    wait_for("the refusal", || verdicts(&agent).1 > 0);
    let refused = readyz(&agent)["configuration"]["refused"].to_string();
    assert!(refused.contains("did you mean \\\"poll_interval\\\"?"), "{refused}");
    append(&dir.path().join("logs/a.log"), 0..50);
    all_arrived(&sink, 50);

    let refusals = verdicts(&agent).1;
    fs::remove_file(&file).unwrap();
    wait_for("the refusal", || verdicts(&agent).1 > refusals);
    append(&dir.path().join("logs/a.log"), 50..100);
    all_arrived(&sink, 100);

    replace(&file, &good);
    wait_for("the end of the trouble", || readyz(&agent)["configuration"]["refused"].is_null());
    assert_eq!(verdicts(&agent).0, 0, "nothing had to be started again");
}

#[test]
fn a_configuration_that_cannot_start_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let sink = TestSink::new();
    let mut variant = Variant::new(&sink);
    let agent = variant.start(dir.path());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    variant.extension = taken.local_addr().unwrap().to_string();
    variant.processors = "attributes/mark, batch";
    variant.write(dir.path());
    wait_for("the refusal", || verdicts(&agent).1 > 0);
    let body = readyz(&agent);
    assert!(body["configuration"]["refused"].to_string().contains("extension:health_check/second"), "{body}");
    append(&dir.path().join("logs/a.log"), 0..50);
    all_arrived(&sink, 50);

    variant.extension = format!("127.0.0.1:{}", free_port());
    variant.write(dir.path());
    applied(&agent, 0);
    append(&dir.path().join("logs/a.log"), 50..60);
    all_arrived(&sink, 60);
}

/// Receivers that cannot read again what was not delivered depend on the pipeline running dry.
#[test]
fn a_pipeline_that_is_taken_away_delivers_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, metrics) = (TestSink::new(), TestSink::new());
    let port = free_port();
    let config = |pipelines: &str| {
        format!(
            "\
receivers:
  hostmetrics: {{ collection_interval: 10ms, initial_delay: 0s, scrapers: {{ load: }} }}
  filelog: {{ include: [{}/logs/*.log] }}
processors:
  batch: {{ timeout: 60s, send_batch_size: 1000000 }}
exporters:
  otlphttp/logs: {{ endpoint: {} }}
  otlphttp/metrics: {{ endpoint: {} }}
extensions: {{ health_check: {{ endpoint: \"127.0.0.1:{port}\" }} }}
service:
  extensions: [health_check]
  pipelines:
    logs: {{ receivers: [filelog], exporters: [otlphttp/logs] }}
{pipelines}",
            dir.path().display(),
            logs.url(),
            metrics.url()
        )
    };
    let held =
        "    metrics: { receivers: [hostmetrics], processors: [batch], exporters: [otlphttp/metrics] }";
    let mut agent = Agent::start(dir.path(), &config(held));
    agent.wait_ready();
    std::thread::sleep(Duration::from_millis(300));
    assert!(metrics.accepted().is_empty(), "the batch processor holds it all");
    replace(&dir.path().join("agent.yaml"), &config(""));
    applied(&agent, 0);
    wait_for("what was held", || metrics.accepted().iter().map(Data::items).sum::<usize>() > 3);
}

#[test]
fn what_the_old_backend_never_took_goes_to_the_new_one_once() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (TestSink::always(Reply::Status(503)), TestSink::new());
    let mut variant = Variant::new(&old);
    let agent = variant.start(dir.path());
    append(&dir.path().join("logs/a.log"), 0..3_000);
    old.wait_until(|arrived, _| arrived.len() > 3);
    variant.url = new.url();
    variant.write(dir.path());
    applied(&agent, 0);
    all_arrived(&new, 3_000);
    assert!(lines(&new).values().all(|times| *times == 1), "nothing twice");
    assert!(agent.terminate().0.success());
}

#[test]
fn a_storm_of_requests_to_reload_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let sink = TestSink::new();
    let agent = Variant::new(&sink).start(dir.path());
    let since = readyz(&agent)["components"]["receiver:filelog"]["since"].clone();
    for _ in 0..200 {
        agent.signal(rustix::process::Signal::HUP);
    }
    append(&dir.path().join("logs/a.log"), 0..100);
    all_arrived(&sink, 100);
    assert_eq!(readyz(&agent)["components"]["receiver:filelog"]["since"], since);
    assert!(agent.terminate().0.success());
}

/// The directory of a mounted ConfigMap: files are links through `..data`, which alone is switched.
#[test]
fn a_config_map_that_is_mounted_as_a_directory_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let sink = TestSink::new();
    let mut variant = Variant::new(&sink);
    let publish = |version: &str, variant: &Variant| {
        let data = dir.path().join(version);
        fs::create_dir(&data).unwrap();
        fs::write(data.join("agent.yaml"), variant.text(dir.path())).unwrap();
        let link = dir.path().join("..data_tmp");
        symlink(version, &link).unwrap();
        fs::rename(&link, dir.path().join("..data")).unwrap();
    };
    publish("..one", &variant);
    symlink("..data/agent.yaml", dir.path().join("agent.yaml")).unwrap();
    let agent = variant.start(dir.path());
    variant.processors = "attributes/mark, batch";
    publish("..two", &variant);
    applied(&agent, 0);
    assert!(readyz(&agent)["components"]["processor:attributes/mark in logs"].is_object());
}
