//! Every metric of the host scrapers agrees with what this test reads from `/proc` by itself, right
//! before and right after the scrape. Nothing of the product's parsers is used here.

#![allow(clippy::unwrap_used, reason = "a test may end so")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kmagent::component::{Context, NoHost, ReceiverConfig};
use kmagent::config::from_yaml;
use kmagent::otlp::AnyValue;
use kmagent::otlp::metrics::{self, ResourceMetrics};
use kmagent::pipeline::{Batch, Consumer, Data, Output, Outputs, Rejected, Stop, StopSource};
use kmagent::receivers::hostmetrics::{HostMetricsConfig, Paths};
use kmagent::receivers::scraper::SystemClock;
use kmagent::telemetry::{StatusBoard, Telemetry};

const ALL: &str = "{scrapers: {cpu: , disk: , filesystem: , load: , memory: , network: , paging: , process: , processes: , system: }, initial_delay: 0s}";

fn context() -> Context {
    Context {
        id: "hostmetrics".parse().unwrap(),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle("receiver:hostmetrics"),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    }
}

/// A point by its name, attributes and, for processes, pid.
type Points = BTreeMap<String, f64>;

fn key(pid: Option<u64>, metric: &str, attributes: &[(&str, &str)]) -> String {
    let mut key = pid.map(|pid| format!("{pid} ")).unwrap_or_default() + metric;
    for (name, value) in attributes {
        key.extend([" ", name, "=", value]);
    }
    key
}

fn flatten(all: &[ResourceMetrics]) -> Points {
    let mut points = Points::new();
    for resource in all {
        let about = &resource.resource.as_ref().unwrap().attributes;
        let pid = about.iter().find(|entry| entry.key == "process.pid").map(|entry| match entry.value {
            AnyValue::Int(pid) => pid as u64,
            ref other => panic!("{other:?}"),
        });
        for metric in resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
            let data_points = match metric.data.as_ref().unwrap() {
                metrics::Data::Gauge(gauge) => &gauge.data_points,
                metrics::Data::Sum(sum) => &sum.data_points,
                other => panic!("{other:?}"),
            };
            for point in data_points {
                let attributes: Vec<_> = point
                    .attributes
                    .iter()
                    .map(|entry| (entry.key.as_str(), entry.value.as_str().unwrap()))
                    .collect();
                points.insert(key(pid, &metric.name, &attributes), point.value.unwrap().as_f64());
            }
        }
    }
    points
}

// ---------------------------------------------------------------- reading by ourselves

fn file(path: &str) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"))).into_owned()
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn n(word: &str) -> f64 {
    word.parse().unwrap_or_else(|_| panic!("{word:?} is no number"))
}

/// `key: value` or `key value` somewhere in a file.
fn value_of(text: &str, wanted: &str) -> f64 {
    let line = text.lines().find(|line| words(line)[0].trim_end_matches(':') == wanted).unwrap();
    n(words(line)[1])
}

/// What the host says now.
fn read_host() -> Points {
    let mut points = Points::new();
    let mut add = |metric: &str, attributes: &[(&str, &str)], value: f64| {
        points.insert(key(None, metric, attributes), value);
    };

    let stat = file("/proc/stat");
    for line in stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")) {
        let words = words(line);
        for (place, state) in
            ["user", "nice", "system", "idle", "wait", "interrupt", "softirq", "steal"].iter().enumerate()
        {
            add("system.cpu.time", &[("cpu", words[0]), ("state", state)], n(words[place + 1]) / 100.0);
        }
    }
    add("system.processes.created", &[], value_of(&stat, "processes"));
    add("system.processes.count", &[("status", "running")], value_of(&stat, "procs_running"));
    add("system.processes.count", &[("status", "blocked")], value_of(&stat, "procs_blocked"));

    let load = file("/proc/loadavg");
    for (place, span) in ["1m", "5m", "15m"].iter().enumerate() {
        add(&format!("system.cpu.load_average.{span}"), &[], n(words(&load)[place]));
    }
    add("system.uptime", &[], n(words(&file("/proc/uptime"))[0]));

    let memory = file("/proc/meminfo");
    let bytes = |name| value_of(&memory, name) * 1024.0;
    let cached = bytes("Cached") + bytes("SReclaimable");
    let used = bytes("MemTotal") - bytes("MemFree") - bytes("Buffers") - cached;
    for (state, value) in [
        ("used", used),
        ("free", bytes("MemFree")),
        ("buffered", bytes("Buffers")),
        ("cached", cached),
        ("slab_reclaimable", bytes("SReclaimable")),
        ("slab_unreclaimable", bytes("SUnreclaim")),
    ] {
        add("system.memory.usage", &[("state", state)], value);
    }

    for line in file("/proc/diskstats").lines() {
        let words = words(line);
        let device = ("device", words[2]);
        for (first, direction) in [(3, "read"), (7, "write")] {
            let both = [device, ("direction", direction)];
            add("system.disk.operations", &both, n(words[first]));
            add("system.disk.merged", &both, n(words[first + 1]));
            add("system.disk.io", &both, n(words[first + 2]) * 512.0);
            add("system.disk.operation_time", &both, n(words[first + 3]) / 1000.0);
        }
        add("system.disk.pending_operations", &[device], n(words[11]));
        add("system.disk.io_time", &[device], n(words[12]) / 1000.0);
        add("system.disk.weighted_io_time", &[device], n(words[13]) / 1000.0);
    }

    for line in file("/proc/net/dev").lines().skip(2) {
        let (device, numbers) = line.rsplit_once(':').unwrap();
        let numbers = words(numbers);
        for (first, direction) in [(0, "receive"), (8, "transmit")] {
            let both = [("device", device.trim()), ("direction", direction)];
            add("system.network.io", &both, n(numbers[first]));
            add("system.network.packets", &both, n(numbers[first + 1]));
            add("system.network.errors", &both, n(numbers[first + 2]));
            add("system.network.dropped", &both, n(numbers[first + 3]));
        }
    }

    let vmstat = file("/proc/vmstat");
    for (direction, kind, name) in [
        ("page_in", "major", "pswpin"),
        ("page_out", "major", "pswpout"),
        ("page_in", "minor", "pgpgin"),
        ("page_out", "minor", "pgpgout"),
    ] {
        let attributes = [("direction", direction), ("type", kind)];
        add("system.paging.operations", &attributes, value_of(&vmstat, name) * 4096.0);
    }
    let major = value_of(&vmstat, "pgmajfault");
    add("system.paging.faults", &[("type", "major")], major * 4096.0);
    add("system.paging.faults", &[("type", "minor")], (value_of(&vmstat, "pgfault") - major) * 4096.0);
    for line in file("/proc/swaps").lines().skip(1) {
        let words = words(line);
        let used = n(words[3]) * 1024.0;
        add("system.paging.usage", &[("device", words[0]), ("state", "used")], used);
        add("system.paging.usage", &[("device", words[0]), ("state", "free")], n(words[2]) * 1024.0 - used);
    }

    read_sockets(&mut points);
    read_filesystems(&mut points);
    read_processes(&mut points);
    points
}

fn read_sockets(points: &mut Points) {
    let names = [
        "",
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT1",
        "FIN_WAIT2",
        "TIME_WAIT",
        "CLOSE",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "CLOSING",
        "SYN_RECV",
    ];
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for always in ["CLOSE", "CLOSE_WAIT", "CLOSING", "DELETE", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2"] {
        counts.insert(always, 0.0);
    }
    for always in ["LAST_ACK", "LISTEN", "SYN_RECV", "SYN_SENT", "TIME_WAIT"] {
        counts.insert(always, 0.0);
    }
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(path).unwrap_or_default().lines().skip(1) {
            let state = usize::from_str_radix(words(line)[3], 16).unwrap();
            *counts.entry(names[state]).or_default() += 1.0;
        }
    }
    for (state, count) in counts {
        points
            .insert(key(None, "system.network.connections", &[("protocol", "tcp"), ("state", state)]), count);
    }
}

fn read_filesystems(points: &mut Points) {
    let types: BTreeSet<String> = file("/proc/filesystems")
        .lines()
        .filter(|line| !line.starts_with("nodev"))
        .map(|line| line.trim().to_owned())
        .collect();
    // Those of the first process, as the scraper: this one may have mounts of its own.
    for line in file("/proc/1/mounts").lines() {
        let words = words(line);
        let (device, mountpoint, fs_type) = (words[0], words[1], words[2]);
        if !types.contains(fs_type) || device == "none" || device == "/dev/root" {
            continue;
        }
        let mode = if words[3].split(',').any(|option| option == "rw") { "rw" } else { "ro" };
        let output = Command::new("stat")
            .args(["--file-system", "--format", "%S %b %f %a %c %d", mountpoint])
            .output()
            .expect("coreutils are there");
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<f64> = text.split_whitespace().map(n).collect();
        let [block, blocks, free, available, inodes, inodes_free] = numbers[..] else { panic!("{text}") };
        let mut add = |metric: &str, state: &str, value: f64| {
            let attributes = [
                ("device", device),
                ("mode", mode),
                ("mountpoint", mountpoint),
                ("type", fs_type),
                ("state", state),
            ];
            points.insert(key(None, metric, &attributes), value);
        };
        add("system.filesystem.usage", "used", (blocks - free) * block);
        add("system.filesystem.usage", "free", available * block);
        add("system.filesystem.usage", "reserved", (free - available) * block);
        add("system.filesystem.inodes.usage", "used", inodes - inodes_free);
        add("system.filesystem.inodes.usage", "free", inodes_free);
    }
}

fn read_processes(points: &mut Points) {
    let mut states: BTreeMap<&str, f64> = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u64>() else { continue };
        let read = |name: &str| fs::read(format!("/proc/{pid}/{name}"));
        let (Ok(status), Ok(stat)) = (read("status"), read("stat")) else { continue };
        let status = String::from_utf8_lossy(&status).into_owned();
        let stat = String::from_utf8_lossy(&stat).into_owned();
        let state = status.lines().find_map(|line| line.strip_prefix("State:")).unwrap().trim();
        let state = match &state[..1] {
            "S" => "sleeping",
            "I" => "idle",
            "Z" => "zombies",
            "T" | "t" => "stopped",
            _ => "other",
        };
        *states.entry(state).or_default() += 1.0;

        let after_name: Vec<&str> = words(stat.rsplit_once(')').unwrap().1);
        // Field 3 of the manual page is the first word behind the name.
        let field = |number: usize| n(after_name[number - 3]);
        let mut add = |metric: &str, attributes: &[(&str, &str)], value: f64| {
            points.insert(key(Some(pid), metric, attributes), value);
        };
        add("process.cpu.time", &[("state", "user")], field(14) / 100.0);
        add("process.cpu.time", &[("state", "system")], field(15) / 100.0);
        add("process.cpu.time", &[("state", "wait")], field(42) / 100.0);
        add("process.memory.virtual", &[], field(23));
        let resident = status.lines().find(|line| line.starts_with("VmRSS:"));
        add("process.memory.usage", &[], resident.map_or(0.0, |line| n(words(line)[1]) * 1024.0));
        if let Ok(io) = read("io") {
            let io = String::from_utf8(io).unwrap();
            add("process.disk.io", &[("direction", "read")], value_of(&io, "read_bytes"));
            add("process.disk.io", &[("direction", "write")], value_of(&io, "write_bytes"));
        }
    }
    for (state, count) in states.into_iter().filter(|(state, _)| *state != "other") {
        points.insert(key(None, "system.processes.count", &[("status", state)]), count);
    }
}

// ---------------------------------------------------------------- comparing

/// How far a value may lie outside of what was read before and after it: the machine is busy with
/// other things, and some numbers come from different places in the kernel.
fn tolerance(key: &str) -> f64 {
    const MIB: f64 = 1024.0 * 1024.0;
    let metric = key.split(' ').find(|word| word.contains('.')).unwrap();
    match metric {
        // Idle time and I/O wait step back now and then.
        "system.cpu.time" if key.ends_with("state=idle") || key.ends_with("state=wait") => 1.0,
        "system.memory.usage" => 512.0 * MIB,
        "system.filesystem.usage" => 512.0 * MIB,
        "system.filesystem.inodes.usage" => 20_000.0,
        "system.disk.pending_operations" => 256.0,
        "system.network.connections" => 16.0,
        "system.processes.count" => 32.0,
        "system.paging.usage" => 64.0 * MIB,
        "process.memory.usage" | "process.memory.virtual" => 256.0 * MIB,
        // A tick of user time may turn into one of system time.
        "process.cpu.time" => 0.02,
        _ => 1e-6,
    }
}

/// Enough sockets in different states that a wrong count is beyond the tolerance.
struct Sockets {
    _listening: Vec<TcpListener>,
    _connected: Vec<TcpStream>,
}

impl Sockets {
    fn open() -> Self {
        let listening: Vec<_> = (0..40)
            .map(|number| TcpListener::bind(if number % 2 == 0 { "127.0.0.1:0" } else { "[::1]:0" }))
            .filter_map(Result::ok)
            .collect();
        let mut connected = Vec::new();
        for listener in &listening {
            for _ in 0..4 {
                connected.push(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
                let accepted = listener.accept().unwrap().0;
                // Leaves CLOSE_WAIT on the other side and FIN_WAIT2 on this.
                if connected.len() % 4 == 1 {
                    accepted.shutdown(Shutdown::Write).unwrap();
                }
                connected.push(accepted);
            }
        }
        Self { _listening: listening, _connected: connected }
    }
}

#[test]
fn every_host_metric_agrees_with_an_independent_reading() {
    let mut sleeper = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    let _sockets = Sockets::open();
    let config: HostMetricsConfig = from_yaml(ALL).unwrap();
    let paths = Paths::resolve("", |_| None).unwrap();
    let mut scraping = config.scraping(paths, Arc::new(SystemClock), context()).unwrap();
    // The first scrape is the slow one.
    scraping.scrape(&Stop::never());

    let before = read_host();
    let scraped = flatten(&scraping.scrape(&Stop::never()));
    let after = read_host();
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();

    let mut wrong = Vec::new();
    let mut compared = BTreeSet::new();
    for (key, before) in &before {
        // What has ended meanwhile is no concern of the scraper's.
        let Some(after) = after.get(key) else { continue };
        let slack = tolerance(key);
        match scraped.get(key) {
            Some(value) if (before.min(*after) - slack..=before.max(*after) + slack).contains(value) => {
                compared.insert(key.split(' ').find(|word| word.contains('.')).unwrap());
            }
            Some(value) => wrong.push(format!("{key}: {value}, not from {before} to {after}")),
            None => wrong.push(format!("{key} was not scraped")),
        }
    }
    // And nothing is scraped that was not read, but for statuses and processes that come and go.
    for key in scraped.keys() {
        let comes_and_goes = key.starts_with("system.processes.count")
            || key.starts_with("system.network.connections")
            || key.contains("device=/dev/")
            || key.starts_with(|c: char| c.is_ascii_digit());
        if !before.contains_key(key) && !after.contains_key(key) && !comes_and_goes {
            wrong.push(format!("{key} is made up"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for metric in [
        "system.cpu.time",
        "system.cpu.load_average.1m",
        "system.cpu.load_average.5m",
        "system.cpu.load_average.15m",
        "system.memory.usage",
        "system.network.io",
        "system.network.packets",
        "system.network.errors",
        "system.network.dropped",
        "system.network.connections",
        "system.paging.operations",
        "system.paging.faults",
        "system.processes.created",
        "system.processes.count",
        "system.uptime",
        "process.cpu.time",
        "process.memory.usage",
        "process.memory.virtual",
        "process.disk.io",
    ] {
        assert!(compared.contains(metric), "{metric} was not compared");
    }
    if !file("/proc/diskstats").is_empty() {
        for metric in [
            "system.disk.io",
            "system.disk.operations",
            "system.disk.merged",
            "system.disk.operation_time",
            "system.disk.io_time",
            "system.disk.weighted_io_time",
            "system.disk.pending_operations",
        ] {
            assert!(compared.contains(metric), "{metric} was not compared");
        }
    }
}

struct Collected(Mutex<Vec<Batch>>, crossbeam_channel::Sender<()>);

impl Consumer for Collected {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.0.lock().unwrap().push(batch);
        let _ = self.1.send(());
        Ok(())
    }
    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.consume(batch)
    }
}

#[test]
fn the_receiver_sends_all_scrapers_in_one_batch_and_stops_within_a_second() {
    let config: HostMetricsConfig = from_yaml(ALL).unwrap();
    let receiver = config.build(context()).unwrap();
    let (sent, received) = crossbeam_channel::unbounded();
    let collected = Arc::new(Collected(Mutex::default(), sent));
    let outputs = Outputs { metrics: Some(Output::new(vec![collected.clone()])), ..Outputs::default() };
    let stop = StopSource::new();
    let watched = stop.stop();
    let thread = std::thread::spawn(move || receiver.run(outputs, watched));
    received.recv_timeout(Duration::from_secs(30)).expect("a batch comes at once");
    let raised = Instant::now();
    stop.raise();
    thread.join().unwrap().unwrap();
    assert!(raised.elapsed() < Duration::from_secs(1));
    let batches = collected.0.lock().unwrap();
    assert_eq!(batches.len(), 1);
    let Data::Metrics(all) = batches[0].data() else { panic!() };
    let scopes: BTreeSet<&str> = all
        .iter()
        .map(|resource| resource.scope_metrics[0].scope.as_ref().unwrap().name.rsplit('/').next().unwrap())
        .collect();
    for scraper in ["cpu", "load", "memory", "network", "paging", "process", "processes", "system"] {
        assert!(scopes.contains(format!("{scraper}scraper").as_str()), "{scraper} in {scopes:?}");
    }
}
