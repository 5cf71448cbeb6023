//! Reading container logs: from the file to acknowledged batches, in the receiver's one thread.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use kmagent::component::{Context, NoHost};
use kmagent::config::{Decoder, Node, from_yaml};
use kmagent::pipeline::{Batch, Consumer, Outcome, Output, Outputs, Rejected, Stop, StopSource};
use kmagent::receivers::filelog;
use kmagent::telemetry::{StatusBoard, Telemetry};
use rustix::time::ClockId;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const LINES: usize = 400_000;
const LINE_LEN: usize = 230;

fn main() {
    divan::main();
}

/// Counts everything and acknowledges it, or keeps it when it is `stalled`.
#[derive(Default)]
struct Backend {
    records: AtomicUsize,
    stalled: bool,
    kept: Mutex<Vec<Batch>>,
}

impl Consumer for Backend {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.try_consume(batch)
    }
    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.records.fetch_add(batch.items(), Ordering::Relaxed);
        if self.stalled {
            self.kept.lock().unwrap().push(batch);
        } else {
            batch.ack.settle(Outcome::Delivered);
        }
        Ok(())
    }
}

fn write_logs(directory: &Path, files: usize) {
    let text = "GET /api/v1/items?page=7 HTTP/1.1 status=200 user=4711 agent=\"curl/8\" ";
    for number in 0..files {
        let pod = directory.join(format!("shop_cart-{number}_c0ffee/cart"));
        std::fs::create_dir_all(&pod).unwrap();
        let file = std::fs::File::create(pod.join("0.log")).unwrap();
        let mut file = std::io::BufWriter::new(file);
        for line in 0..LINES / files {
            let head = format!("2026-11-22T13:52:19.{line:09}Z stdout F {text}");
            writeln!(file, "{head:x<width$}", width = LINE_LEN - 1).unwrap();
        }
    }
}

/// A receiver at work in its thread, which returns the CPU time it took.
struct Running {
    backend: Arc<Backend>,
    stop: StopSource,
    thread: std::thread::JoinHandle<Duration>,
}

fn start(directory: &Path, yaml: &str, stalled: bool) -> Running {
    let yaml = format!(
        "include: ['{}/*/*/*.log']\nstart_at: beginning\npoll_interval: 10s\n{yaml}",
        directory.display()
    );
    let node: Node = from_yaml(&yaml).unwrap();
    let config = (filelog::TYPE.decode)(&mut Decoder::new(&node)).expect("a valid config");
    let context = Context {
        id: "filelog".parse().unwrap(),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle("receiver:filelog"),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    };
    let receiver = config.build(context).unwrap();
    let backend = Arc::new(Backend { stalled, ..Backend::default() });
    let outputs = Outputs { logs: Some(Output::new(vec![backend.clone()])), ..Outputs::default() };
    let stop = StopSource::new();
    let request = stop.stop();
    let thread = std::thread::spawn(move || {
        receiver.run(outputs, request).unwrap();
        cpu_time(ClockId::ThreadCPUTime)
    });
    Running { backend, stop, thread }
}

impl Running {
    fn wait_for_all(&self) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while self.backend.records.load(Ordering::Relaxed) < LINES && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(self.backend.records.load(Ordering::Relaxed), LINES, "lines are missing");
    }

    fn end(self) -> Duration {
        self.stop.raise();
        self.thread.join().unwrap()
    }
}

/// Reads all lines; returns the CPU time of the receiver's thread, which a busy machine does not
/// change.
fn run(directory: &Path, yaml: &str) -> Duration {
    let running = start(directory, yaml, false);
    running.wait_for_all();
    running.end()
}

/// Memory of the process in MiB: now, and at most.
fn memory() -> (usize, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let value = |key: &str| -> usize {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
    };
    (value("VmRSS:"), value("VmHWM:"))
}

fn cpu_time(clock: ClockId) -> Duration {
    let spent = rustix::time::clock_gettime(clock);
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}

fn bench(bencher: Bencher, name: &str, files: usize, yaml: &str) {
    let mut best = Duration::MAX;
    let directory = tempfile::tempdir().unwrap();
    write_logs(directory.path(), files);
    bencher
        .counter(ItemsCount::new(LINES))
        .counter(BytesCount::new(LINES * LINE_LEN))
        .bench_local(|| best = best.min(run(directory.path(), yaml)));
    let megabytes = (LINES * LINE_LEN) as f64 / 1e6 / best.as_secs_f64();
    let (_, peak) = memory();
    println!("{name}, {files} files: {megabytes:.0} MB per second of CPU time, process {peak} MiB at most");
}

/// Lines as they are.
#[divan::bench(args = [1, 100], sample_count = 10)]
fn lines(bencher: Bencher, files: usize) {
    bench(bencher, "lines", files, "");
}

/// Container lines, with time, stream and the pod's metadata.
#[divan::bench(args = [1, 100], sample_count = 10)]
fn container(bencher: Bencher, files: usize) {
    bench(bencher, "container", files, "operators: [{type: container}]");
}

/// As the stock configuration: paths as attributes too.
#[divan::bench(args = [1, 100], sample_count = 10)]
fn container_with_paths(bencher: Bencher, files: usize) {
    bench(
        bencher,
        "container with paths",
        files,
        "operators: [{type: container}]\ninclude_file_path: true\ninclude_file_path_resolved: true\ninclude_file_name_resolved: true",
    );
}

/// Files that nobody writes to: what they cost in CPU time and memory.
#[divan::bench(args = [2000], sample_count = 1)]
fn idle(bencher: Bencher, files: usize) {
    let directory = tempfile::tempdir().unwrap();
    write_logs(directory.path(), files);
    bencher.bench_local(|| {
        let watch = Duration::from_mins(1);
        let running =
            start(directory.path(), "operators: [{type: container}]\nmax_concurrent_files: 4096", false);
        running.wait_for_all();
        // Directories that have just changed are listed once more, at the next sweep.
        std::thread::sleep(Duration::from_secs(35));
        let before = cpu_time(ClockId::ProcessCPUTime);
        std::thread::sleep(watch);
        let spent = cpu_time(ClockId::ProcessCPUTime).saturating_sub(before);
        let percent = spent.as_secs_f64() / watch.as_secs_f64() * 100.0;
        println!("idle, {files} files: {percent:.3} % of a core, process {} MiB", memory().0);
        running.end();
    });
}

/// A backend that takes batches and never answers: what waits in memory is bounded.
#[divan::bench(sample_count = 1)]
fn stalled(bencher: Bencher) {
    let directory = tempfile::tempdir().unwrap();
    write_logs(directory.path(), 100);
    bencher.bench_local(|| {
        let running =
            start(directory.path(), "operators: [{type: container}]\ninclude_file_path: true", true);
        std::thread::sleep(Duration::from_secs(5));
        let records = running.backend.records.load(Ordering::Relaxed);
        println!("stalled: {records} records of {LINES} wait, process {} MiB", memory().0);
        assert!(records < LINES);
        running.end();
    });
}
