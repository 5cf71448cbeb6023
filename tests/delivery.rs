//! The main job with the real binary: lines go in as files, come out at a backend, none lost, in order.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use kmagent::otlp::logs::LogRecord;
use kmagent::otlp::{AnyValue, Attributes};
use kmagent::pipeline::Data;

use crate::support::agent::{Agent, wait_for};
use crate::support::sink::{Reply, TestSink};

const POD: &str = "shop_cart-6dc4d95bd9-2fxpg_581364ad-059e-44a4-988c-e02d9550a2be";

/// The log directory of a container, as the kubelet lays it out.
fn container_dir(root: &Path) -> PathBuf {
    let dir = root.join("pods").join(POD).join("cart");
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Appends CRI lines with the numbers `from..to`.
fn write_lines(file: &Path, numbers: std::ops::Range<u64>) {
    let mut out = BufWriter::new(File::options().create(true).append(true).open(file).unwrap());
    for n in numbers {
        let stream = if n % 3 == 0 { "stderr" } else { "stdout" };
        writeln!(
            out,
            "2026-11-22T13:52:{:02}.{:09}Z {stream} F line {n} of a shop that sells a little of everything",
            n / 1000 % 60,
            n
        )
        .unwrap();
    }
    out.flush().unwrap();
}

fn config(root: &Path, sink: &TestSink, more: &str) -> String {
    format!(
        "\
receivers:
  filelog:
    include: [{root}/pods/*/*/*.log]
    include_file_path: true
    start_at: beginning
    poll_interval: 20ms
    operators: [{{ type: container }}]
{more}
processors:
  batch: {{ timeout: 50ms, send_batch_size: 2000 }}
exporters:
  otlphttp:
    endpoint: {url}
    retry_on_failure: {{ initial_interval: 20ms, max_interval: 100ms }}
service:
  pipelines:
    logs: {{ receivers: [filelog], processors: [batch], exporters: [otlphttp] }}
",
        root = root.display(),
        url = sink.url()
    )
}

/// Every record that the sink accepted, in order of arrival, with its resource's pod name.
fn records(sink: &TestSink) -> Vec<(Option<String>, LogRecord)> {
    let mut all = Vec::new();
    for data in sink.accepted() {
        let Data::Logs(resources) = data else { panic!("only logs are sent") };
        for resource in resources {
            let pod = resource
                .resource
                .as_ref()
                .and_then(|r| r.attributes.get_str("k8s.pod.name"))
                .map(str::to_owned);
            for record in resource.scope_logs.into_iter().flat_map(|scope| scope.log_records) {
                all.push((pod.clone(), record));
            }
        }
    }
    all
}

fn number(record: &LogRecord) -> u64 {
    let Some(AnyValue::String(text)) = &record.body else { panic!("the body is text") };
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

fn numbers(sink: &TestSink) -> Vec<u64> {
    records(sink).iter().map(|(_, record)| number(record)).collect()
}

#[test]
fn a_hundred_thousand_lines_arrive_in_order_through_a_rotation_and_an_outage() {
    const LINES: u64 = 100_000;
    let dir = tempfile::tempdir().unwrap();
    let logs = container_dir(dir.path());
    let (live, rotated) = (logs.join("0.log"), logs.join("0.log.20261122-135229"));
    let sink = TestSink::new();
    let mut agent = Agent::start(dir.path(), &config(dir.path(), &sink, ""));
    write_lines(&live, 0..30_000);
    agent.wait_ready();
    wait_for("the first lines", || !numbers(&sink).is_empty());
    sink.then(Reply::Status(503));
    write_lines(&live, 30_000..50_000);
    fs::rename(&live, &rotated).unwrap();
    // The writer keeps its descriptor for a moment after the rename.
    write_lines(&rotated, 50_000..51_000);
    write_lines(&live, 51_000..LINES);
    let refused = sink.arrived(|_| ()).len() + 3;
    wait_for("some refusals", || sink.arrived(|_| ()).len() >= refused);
    sink.then(Reply::Accept);
    wait_for("all lines", || numbers(&sink).len() as u64 >= LINES);

    let all = records(&sink);
    let (old, new): (Vec<u64>, Vec<u64>) =
        all.iter().map(|(_, record)| number(record)).partition(|n| *n < 51_000);
    assert!(old.iter().copied().eq(0..51_000), "the rotated file, in order, each line once");
    assert!(new.iter().copied().eq(51_000..LINES), "the new file, in order, each line once");
    assert!(all.iter().all(|(pod, _)| pod.as_deref() == Some("cart-6dc4d95bd9-2fxpg")));
    let (_, first) = all.iter().find(|(_, record)| number(record) == 0).unwrap();
    assert_eq!(first.attributes.get_str("log.iostream"), Some("stderr"));
    assert_eq!(first.time_unix_nano, 1_795_355_520_000_000_000);

    let (status, took) = agent.terminate();
    assert!(status.success(), "{status}");
    assert!(took.as_secs() < 5, "nothing is left to wait for, yet it took {took:?}");
}

#[test]
fn a_termination_during_export_delivers_or_does_not_commit() {
    const LINES: u64 = 60_000;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    let live = container_dir(dir.path()).join("0.log");
    write_lines(&live, 0..LINES);
    let sink = TestSink::new();
    let mut text = config(dir.path(), &sink, "    storage: file_storage");
    text.push_str("  extensions: [file_storage, health_check]\n");
    let storage = format!("yaml:extensions::file_storage::directory: {}", state.display());
    // The backend takes three requests and is then down when the agent is told to stop.
    let mut agent = Agent::start_with(dir.path(), &text, &[&storage]);
    agent.wait_ready();
    wait_for("the first lines", || numbers(&sink).len() >= 2_000);
    sink.then(Reply::Status(503));
    let (status, took) = agent.terminate();
    assert!(took.as_secs() <= 11, "{took:?}");
    let before = numbers(&sink).len() as u64;
    assert_eq!(
        status.code(),
        Some(if before == LINES { 0 } else { 4 }),
        "{before} of {LINES} were delivered"
    );

    sink.then(Reply::Accept);
    let mut agent = Agent::start_with(dir.path(), &text, &[&storage]);
    agent.wait_ready();
    wait_for("the rest", || {
        let mut seen = numbers(&sink);
        seen.sort_unstable();
        seen.dedup();
        seen.len() as u64 == LINES
    });
    assert_eq!(numbers(&sink).len() as u64, LINES, "what was delivered was committed: nothing came twice");
    agent.terminate();
}

#[test]
fn a_killed_agent_goes_on_where_the_backend_had_acknowledged() {
    const LINES: u64 = 40_000;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    let live = container_dir(dir.path()).join("0.log");
    let sink = TestSink::new();
    let mut text = config(dir.path(), &sink, "    storage: file_storage");
    text.push_str("  extensions: [file_storage, health_check]\n");
    let storage = format!("yaml:extensions::file_storage::directory: {}", state.display());
    let mut written = 0;
    for _ in 0..4 {
        let agent = Agent::start_with(dir.path(), &text, &[&storage]);
        write_lines(&live, written..written + LINES / 5);
        written += LINES / 5;
        let before = numbers(&sink).len();
        wait_for("progress", || numbers(&sink).len() > before + 1_000);
        agent.kill();
    }
    let mut agent = Agent::start_with(dir.path(), &text, &[&storage]);
    agent.wait_ready();
    write_lines(&live, written..LINES);
    let distinct = || numbers(&sink).into_iter().collect::<std::collections::BTreeSet<u64>>().len() as u64;
    wait_for("every line", || distinct() == LINES);
    agent.terminate();
    let again = numbers(&sink).len() as u64 - LINES;
    assert!(again < LINES, "{again} lines came again after four kills");
}

#[test]
fn a_backend_that_is_down_at_the_start_gets_everything_when_it_comes_up() {
    let dir = tempfile::tempdir().unwrap();
    write_lines(&container_dir(dir.path()).join("0.log"), 0..1_000);
    let sink = TestSink::always(Reply::Status(503));
    let mut agent = Agent::start(dir.path(), &config(dir.path(), &sink, ""));
    agent.wait_ready();
    wait_for("attempts", || sink.arrived(|_| ()).len() >= 3);
    let (_, body) = agent.get("/readyz").unwrap();
    assert!(body.contains("degraded"), "{body}");
    sink.then(Reply::Accept);
    wait_for("all lines", || numbers(&sink).len() == 1_000);
    wait_for("the board to say so", || !agent.get("/readyz").unwrap().1.contains("degraded"));
    assert_eq!(agent.log().lines().filter(|line| line.contains("warn")).count(), 1, "{}", agent.log());
}

#[test]
fn hostile_lines_are_kept_and_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("pods/ns_pod_0/c");
    fs::create_dir_all(&logs).unwrap();
    let mut bytes = b"bad \xff\xfe utf8\nnul \0 inside\n".to_vec();
    bytes.extend(std::iter::repeat_n(b'x', 3 << 20));
    bytes.extend(b"\nno final newline");
    fs::write(logs.join("0.log"), &bytes).unwrap();
    let sink = TestSink::new();
    let text = config(dir.path(), &sink, "").replace("    operators: [{ type: container }]\n", "");
    let mut agent = Agent::start(dir.path(), &text);
    agent.wait_ready();
    let bodies = || -> Vec<String> {
        records(&sink)
            .into_iter()
            .map(|(_, record)| record.body.unwrap().as_str().unwrap().to_owned())
            .collect()
    };
    wait_for("the last line", || bodies().last().is_some_and(|last| last == "no final newline"));
    let bodies = bodies();
    assert_eq!(bodies[0], "bad \u{fffd}\u{fffd} utf8");
    assert_eq!(bodies[1], "nul \0 inside");
    assert_eq!(bodies[2..bodies.len() - 1].iter().map(String::len).sum::<usize>(), 3 << 20);
    assert!(bodies.iter().all(|body| body.len() <= 1 << 20));
    let (status, _) = agent.terminate();
    assert!(status.success());
}

/// Attributes take several times as much room in memory as on the wire: what the receiver may have under
/// way must suffice for the batch to be sent before its timeout.
#[test]
fn a_batch_that_memory_has_no_room_for_is_not_waited_for() {
    const LINES: usize = 10_000;
    let dir = tempfile::tempdir().unwrap();
    let logs = container_dir(dir.path());
    let fields: Vec<String> = (10..70).map(|n| format!("\"{n}\":{n}")).collect();
    let line = format!("2026-11-22T13:52:00.000000000Z stdout F {{{}}}\n", fields.join(","));
    fs::write(logs.join("0.log"), line.repeat(LINES)).unwrap();
    let sink = TestSink::new();
    let text = config(dir.path(), &sink, "")
        .replace("{ type: container }", "{ type: container }, { type: json_parser }")
        .replace("timeout: 50ms, send_batch_size: 2000", "timeout: 1h, send_batch_size: 1000000");
    let mut agent = Agent::start(dir.path(), &text);
    agent.wait_ready();
    wait_for("all lines but those of a last batch", || {
        let records: usize =
            sink.arrived(|arrived| arrived.data.as_ref().map_or(0, Data::items)).iter().sum();
        records >= LINES - 2000
    });
}
