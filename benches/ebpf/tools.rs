//! Loads of known tools, where they are installed: `wrk` against nginx, and iperf3.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::loads::{Load, Round, Rounds, pin};

pub const ALL: [Load; 3] = [
    Load {
        name: "nginx",
        what: "wrk and nginx over 16 connections, each on a CPU of its own",
        unit: "thousand requests/s",
        scale: 1e3,
        floor: Some(4.0),
        start: || nginx(1),
    },
    Load {
        name: "nginx-one-cpu",
        what: "wrk and nginx over 16 connections, both on one CPU",
        unit: "thousand requests/s",
        scale: 1e3,
        floor: Some(4.0),
        start: || nginx(0),
    },
    Load {
        name: "iperf3",
        what: "iperf3, each end on a CPU of its own",
        unit: "Gbit/s",
        scale: 1e9,
        floor: Some(2.0),
        start: iperf,
    },
];

/// A server that ends with this, the command that asks it, and how to read what that prints.
struct Tool {
    server: Child,
    command: Vec<String>,
    read: fn(&str) -> Option<Round>,
    _folder: tempfile::TempDir,
}

impl Rounds for Tool {
    /// Their rounds cannot be shorter than a second.
    fn pairs(&self) -> usize {
        40
    }

    fn run(&mut self) -> Round {
        let output = Command::new(&self.command[0]).args(&self.command[1..]).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        (self.read)(&text).unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn nginx(cpu: usize) -> Option<Box<dyn Rounds>> {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    let place = folder.path().display();
    let answer = "x".repeat(1000);
    let config = format!(
        "daemon off; master_process off; worker_processes 1; pid {place}/pid; error_log {place}/log;
         events {{ worker_connections 64; }}
         http {{ access_log off; keepalive_requests 1000000000;
                server {{ listen 127.0.0.1:{port}; location / {{ return 200 {answer}; }} }} }}"
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, config).expect("a file");
    let server = ["nginx", "-c", file.to_str().expect("a name")];
    let url = format!("http://127.0.0.1:{port}/");
    let client = ["wrk", "-t1", "-c16", "-d1s", url.as_str()];
    tool(&server, &client, cpu, port, wrk_said, folder)
}

fn wrk_said(text: &str) -> Option<Round> {
    if text.contains("Socket errors") || text.contains("Non-2xx") {
        return None;
    }
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"))?;
    Some(Round { rate: line.trim().parse().ok()?, per_cpu: None, cpu: 0.0 })
}

fn iperf() -> Option<Box<dyn Rounds>> {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port().to_string());
    let server = ["iperf3", "-s", "-B", "127.0.0.1", "-p", port.as_str()];
    let client = ["iperf3", "-c", "127.0.0.1", "-t", "1", "-J", "-p", port.as_str()];
    tool(&server, &client, 1, port.parse().expect("a port"), iperf_said, folder)
}

fn iperf_said(text: &str) -> Option<Round> {
    let said: serde_json::Value = serde_json::from_str(text).ok()?;
    let rate = said["end"]["sum_received"]["bits_per_second"].as_f64()?;
    let of_cpu = &said["end"]["cpu_utilization_percent"];
    let cpu = (of_cpu["host_total"].as_f64()? + of_cpu["remote_total"].as_f64()?) / 100.0;
    Some(Round { rate, per_cpu: Some(rate / cpu), cpu })
}

fn tool(
    server: &[&str],
    client: &[&str],
    cpu: usize,
    port: u16,
    read: fn(&str) -> Option<Round>,
    folder: tempfile::TempDir,
) -> Option<Box<dyn Rounds>> {
    if Command::new(client[0]).arg("-v").output().is_err() {
        return None;
    }
    pin(cpu);
    let started =
        Command::new(server[0]).args(&server[1..]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    pin(0);
    let server = started.ok()?;
    let command = client.iter().map(|word| (*word).to_owned()).collect();
    let tool = Tool { server, command, read, _folder: folder };
    let deadline = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "the server does not answer");
        thread::sleep(Duration::from_millis(20));
    }
    Some(Box::new(tool))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("loopback").port()
}
