//! The real binary as a child process.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that normally takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Names another binary to run the tests with: the static one, to see what it costs.
const BINARY: &str = "KMAGENT_BINARY";
/// How long a binary of one's own works before its cost is told.
const SETTLED: Duration = Duration::from_secs(75);

/// A running `kmagent run`; killed when dropped.
pub struct Agent {
    child: Child,
    health: u16,
    log: PathBuf,
    started: Instant,
}

impl Agent {
    /// Starts the agent with `config` plus a `health_check` extension of the test's own; a `config`
    /// that lists extensions lists that too. `dir` takes the files.
    pub fn start(dir: &Path, config: &str) -> Self {
        Self::start_with(dir, config, &[])
    }

    /// [`Agent::start`] with further `--config` arguments.
    pub fn start_with(dir: &Path, config: &str, more: &[&str]) -> Self {
        Self::start_in(dir, config, more, &[])
    }

    /// [`Agent::start_with`] and these variables in the environment.
    pub fn start_in(dir: &Path, config: &str, more: &[&str], environment: &[(&str, &str)]) -> Self {
        let health = free_port();
        let listed = if config.contains("extensions: [") { "" } else { ", extensions: [health_check]" };
        // Agents of other tests would want the same port for their own metrics.
        let service = format!("service: {{ telemetry: {{ metrics: {{ level: none }} }}{listed} }}");
        let own =
            format!("extensions: {{ health_check: {{ endpoint: \"127.0.0.1:{health}\" }} }}\n{service}\n");
        let log = dir.join("agent.log");
        let file = dir.join("agent.yaml");
        std::fs::write(&file, config).unwrap();
        let started = Instant::now();
        let child = command()
            .args(["run", "--config"])
            .arg(&file)
            .args(["--config", &format!("yaml:{own}")])
            .args(more.iter().flat_map(|argument| ["--config", argument]))
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(std::fs::File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, health, log, started }
    }

    /// Starts the agent by `start`, a command that takes the agent's arguments, with the configuration
    /// in `file` and further `--set` arguments.
    pub fn start_as(dir: &Path, mut start: Command, file: &str, set: &[&str]) -> Self {
        let health = free_port();
        start
            .args(["run", "--config", file])
            .args(["--set", &format!("extensions.health_check.endpoint=127.0.0.1:{health}")])
            .args(set.iter().flat_map(|argument| ["--set", argument]));
        Self::spawn(dir, start, health)
    }

    /// Starts the agent with the configuration in `file` and nothing else; its health is at the
    /// usual port.
    pub fn start_unmodified(dir: &Path, mut start: Command, file: &str) -> Self {
        start.args(["run", "--config", file]);
        Self::spawn(dir, start, 13133)
    }

    fn spawn(dir: &Path, mut start: Command, health: u16) -> Self {
        let log = dir.join("agent.log");
        let started = Instant::now();
        let child = start
            .stdout(Stdio::null())
            .stderr(std::fs::File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, health, log, started }
    }

    /// Waits until `/readyz` answers 200, and returns how long that took from the start.
    pub fn wait_ready(&mut self) -> Duration {
        wait_for("the agent to be ready", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the agent ended with {status}:\n{}", self.log());
            }
            get(self.health, "/readyz").is_some_and(|(status, _)| status == 200)
        });
        self.started.elapsed()
    }

    /// Status and body of a health endpoint.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        get(self.health, path)
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// SIGTERM, then waits for the end: exit status and how long it took.
    pub fn terminate(mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        self.signal(rustix::process::Signal::TERM);
        let status = self.wait();
        (status, started.elapsed())
    }

    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_for("the agent to end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where the tests were given a binary of their own: prints its memory after a minute at work.
    pub fn tell_memory(&self, role: &str) {
        if std::env::var_os(BINARY).is_none() {
            return;
        }
        std::thread::sleep(SETTLED);
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        for line in status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("Rss")) {
            println!("{role}: {line}");
        }
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The binary with an environment of its own.
pub fn command() -> Command {
    let binary = std::env::var_os(BINARY).unwrap_or_else(|| env!("CARGO_BIN_EXE_kmagent").into());
    let mut command = Command::new(binary);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// Polls until `done`, and fails the test when that takes too long.
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Some((status, body))
}
