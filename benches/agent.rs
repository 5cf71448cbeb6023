//! The agent as a whole, as a process of its own: how soon it is ready, and what memory it takes.
//!
//! `cargo bench --bench agent` prints the time from the start of the process to the first 200 of
//! `/readyz` over twenty starts (floor: 100 ms), and what the demo keeps resident (floor: 12 MiB): as
//! `kmagent demo` runs it, agent, backend and summary in one process, and the agent alone with the same
//! configuration. Both are watched for 30 s; `AGENT_SECONDS=300` watches longer, `KMAGENT_BINARY` names
//! another binary to measure.

mod binary;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use binary::binary;
use kmagent::demo;
use kmagent::demo::sink::{Answer, Sink};

const STARTS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    start_up();
    demo();
}

/// A child that does not outlive its measurement.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_up() {
    let mut times: Vec<f64> = (0..STARTS).map(|_| one_start()).collect();
    times.sort_by(f64::total_cmp);
    println!(
        "start to ready: fastest {:.1} ms, median {:.1} ms, slowest {:.1} ms of {STARTS} (floor 100 ms)",
        times[0],
        times[STARTS / 2],
        times[STARTS - 1]
    );
}

fn one_start() -> f64 {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let config = format!(
        "{{receivers: {{hostmetrics: {{scrapers: {{cpu: , memory: , disk: , network: , process: }}}}}}, \
         exporters: {{nop: }}, extensions: {{health_check: {{endpoint: \"127.0.0.1:{port}\"}}}}, \
         service: {{extensions: [health_check], pipelines: {{metrics: {{receivers: [hostmetrics], exporters: [nop]}}}}}}}}"
    );
    let started = Instant::now();
    let mut command = Command::new(binary());
    command.args(["run", "--config", &format!("yaml:{config}")]);
    let _agent = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"));
    while !is_ready(port) {
        assert!(started.elapsed() < PATIENCE, "not ready after {PATIENCE:?}");
        std::thread::sleep(Duration::from_micros(200));
    }
    started.elapsed().as_secs_f64() * 1e3
}

fn is_ready(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    asked.and_then(|()| stream.read_to_string(&mut answer)).is_ok() && answer.starts_with("HTTP/1.1 200")
}

fn demo() {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let output = log.reopen().expect("the file");
    let whole = Command::new(binary()).arg("demo").stdout(output).stderr(Stdio::null()).spawn();
    let whole = Running(whole.expect("the demo starts"));
    let metrics = Arc::new(AtomicUsize::new(0));
    let counted = metrics.clone();
    let sink = Sink::start("127.0.0.1:0", move |request| {
        counted.fetch_add(request.data.map_or(0, |data| data.items()), Ordering::Relaxed);
        Answer::success()
    });
    let sink = sink.expect("a backend");
    let config = demo::yaml(&sink.url(), demo::INTERVAL);
    let alone = Command::new(binary())
        .args(["run", "--config", &format!("yaml:{config}")])
        .env("DEPLOYMENT_MODE", "DAEMONSET")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let alone = Running(alone.expect("the agent starts"));
    let seconds: u64 = std::env::var("AGENT_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    for quarter in 1..=4 {
        std::thread::sleep(Duration::from_secs(seconds) / 4);
        let of = |agent: &Running| {
            let (resident, anonymous) = memory(agent.0.id());
            format!("{resident:.1} MiB resident, {anonymous:.1} of them anonymous")
        };
        println!(
            "after {:>3} s (floor 12 MiB): demo {}; the agent alone {}",
            seconds * quarter / 4,
            of(&whole),
            of(&alone)
        );
    }
    let shown = fs::read_to_string(log.path()).expect("the output");
    assert!(shown.contains("metrics"), "the demo shows that metrics arrive:\n{shown}");
    assert!(metrics.load(Ordering::Relaxed) > 0, "metrics of the agent alone arrive");
}

/// Resident memory of a process in MiB: all of it, and what is not mapped from a file.
fn memory(pid: u32) -> (f64, f64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let field = |name: &str| -> f64 {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a field of the kernel");
        line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0.0)
    };
    (field("VmRSS:") / 1024.0, field("RssAnon:") / 1024.0)
}
