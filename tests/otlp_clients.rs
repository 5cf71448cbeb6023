//! The OpenTelemetry SDKs as clients, where they are installed; see `tests/clients/README.md`.

use std::process::Command;

use kmagent::pipeline::{Data, Signal};

use crate::support::agent::{Agent, free_port};
use crate::support::sink::TestSink;

/// Items that a script sends of each signal over each protocol.
const ITEMS: usize = 20;

/// Runs a script of `tests/clients` against an agent, and counts what comes out.
fn run(what: &str, available: &mut Command, script: impl Fn(u16, u16) -> Command) {
    if !available.output().is_ok_and(|output| output.status.success()) {
        println!("skipped: {what} is not installed, tests/clients/README.md says how");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let sink = TestSink::new();
    let (http, grpc) = (free_port(), free_port());
    let config = format!(
        "\
receivers:
  otlp:
    protocols:
      http: {{ endpoint: '127.0.0.1:{http}' }}
      grpc: {{ endpoint: '127.0.0.1:{grpc}' }}
processors:
  batch:
exporters:
  otlphttp: {{ endpoint: {url} }}
service:
  pipelines:
    logs: {{ receivers: [otlp], processors: [batch], exporters: [otlphttp] }}
    metrics: {{ receivers: [otlp], processors: [batch], exporters: [otlphttp] }}
    traces: {{ receivers: [otlp], processors: [batch], exporters: [otlphttp] }}
",
        url = sink.url()
    );
    let mut agent = Agent::start(dir.path(), &config);
    agent.wait_ready();
    let output = script(http, grpc).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {text}");
    assert!(agent.terminate().0.success());
    for signal in Signal::ALL {
        let items: usize =
            sink.accepted().iter().filter(|data| data.signal() == signal).map(Data::items).sum();
        assert_eq!(items, 2 * ITEMS, "{what}, {signal}: {text}");
    }
}

fn clients() -> String {
    format!("{}/tests/clients", env!("CARGO_MANIFEST_DIR"))
}

/// An interpreter that the environment names, or the one in the path.
fn interpreter(variable: &str, default: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| default.to_owned())
}

#[test]
fn the_python_sdk_sends_all_signals_over_both_protocols() {
    let python = interpreter("KMAGENT_TEST_PYTHON", "python3");
    let mut available = Command::new(&python);
    available.args([
        "-c",
        "import opentelemetry.exporter.otlp.proto.grpc, opentelemetry.exporter.otlp.proto.http",
    ]);
    run("the Python SDK", &mut available, |http, grpc| {
        let mut command = Command::new(&python);
        command.arg(clients() + "/python/send.py").args([
            http.to_string(),
            grpc.to_string(),
            ITEMS.to_string(),
        ]);
        command
    });
}

#[test]
fn the_javascript_sdk_sends_all_signals_over_both_protocols() {
    let node = interpreter("KMAGENT_TEST_NODE", "node");
    let modules = interpreter("NODE_PATH", "");
    let mut available = Command::new(&node);
    available.env("NODE_PATH", &modules).args(["-e", "require('@opentelemetry/exporter-trace-otlp-grpc')"]);
    run("the JavaScript SDK", &mut available, |http, grpc| {
        let mut command = Command::new(&node);
        command.env("NODE_PATH", &modules).arg(clients() + "/javascript/send.js").args([
            http.to_string(),
            grpc.to_string(),
            ITEMS.to_string(),
        ]);
        command
    });
}
