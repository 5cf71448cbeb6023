//! The OpenTelemetry SDKs as clients, where they are installed; see `tests/clients/README.md`.

use std::process::Command;

use kmagent::pipeline::{Data, Signal};

use crate::support::agent::{Agent, free_port};
use crate::support::sink::TestSink;

/// Items that a script sends of each signal over each protocol.
pub const ITEMS: usize = 20;

/// Runs a script of `tests/clients` against an agent, and counts what comes out.
fn run(what: &str, script: impl Fn(u16, u16) -> Option<Command>) {
    let (http, grpc) = (free_port(), free_port());
    let Some(mut script) = script(http, grpc) else {
        println!("skipped: {what} is not installed, tests/clients/README.md says how");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let sink = TestSink::new();
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
    let output = script.output().unwrap();
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

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The Python SDK as a client that sends to these ports, where it is installed.
pub fn python(http: u16, grpc: u16) -> Option<Command> {
    let python = interpreter("KMAGENT_TEST_PYTHON", "python3");
    let check = "import opentelemetry.exporter.otlp.proto.grpc, opentelemetry.exporter.otlp.proto.http";
    succeeds(Command::new(&python).args(["-c", check])).then(|| {
        let mut command = Command::new(&python);
        command.arg(clients() + "/python/send.py").args([http, grpc].map(|port| port.to_string()));
        command.arg(ITEMS.to_string());
        command
    })
}

/// The JavaScript SDK, likewise.
pub fn javascript(http: u16, grpc: u16) -> Option<Command> {
    let (node, modules) = (interpreter("KMAGENT_TEST_NODE", "node"), interpreter("NODE_PATH", ""));
    let check = "require('@opentelemetry/exporter-trace-otlp-grpc')";
    succeeds(Command::new(&node).env("NODE_PATH", &modules).args(["-e", check])).then(|| {
        let mut command = Command::new(&node);
        command.arg(clients() + "/javascript/send.js").args([http, grpc].map(|port| port.to_string()));
        command.arg(ITEMS.to_string()).env("NODE_PATH", &modules);
        command
    })
}

/// The Java SDK, likewise: its jars are where `KMAGENT_TEST_JARS` says.
pub fn java(http: u16, grpc: u16) -> Option<Command> {
    let (java, jars) = (interpreter("KMAGENT_TEST_JAVA", "java"), std::env::var("KMAGENT_TEST_JARS").ok()?);
    succeeds(Command::new(&java).arg("-version")).then(|| {
        let mut command = Command::new(&java);
        command.args(["-cp", &format!("{jars}/*"), &(clients() + "/java/Send.java")]);
        command.args([http, grpc].map(|port| port.to_string())).arg(ITEMS.to_string());
        command
    })
}

#[test]
fn the_python_sdk_sends_all_signals_over_both_protocols() {
    run("the Python SDK", python);
}

#[test]
fn the_javascript_sdk_sends_all_signals_over_both_protocols() {
    run("the JavaScript SDK", javascript);
}

#[test]
fn the_java_sdk_sends_all_signals_over_both_protocols() {
    run("the Java SDK", java);
}
