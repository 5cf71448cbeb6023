//! What the eBPF receiver costs: those whom it watches, and itself.
//!
//! `cargo bench --bench ebpf` needs root. Throughput and request rate over loopback are measured in
//! short rounds, with the programs and without in turns (off, on, on, off), each end on a CPU of its
//! own; what is compared is a round with the one beside it. The median of the losses is printed with
//! the interval that holds it in 95 of 100 draws from them, by the clock and by CPU time of both ends,
//! kernel included. Floors are 2 % and 4 %: when even the lower end of the interval is above, the bench
//! fails. Then the kernel measures how long the programs themselves run. Reading and
//! sending 20,000 live flows must take less than 2 % of a core at an interval of 10 s, and the maps
//! less than 20 MiB.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kmagent::component::{Context, NoHost};
use kmagent::config::from_yaml;
use kmagent::pipeline::{Data, Stop};
use kmagent::receivers::ebpf::{EbpfConfig, Observer, Settings};
use kmagent::telemetry::{StatusBoard, Telemetry};
use libbpf_rs::query::ProgInfoIter;
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

// The allocator of the product.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const PAIRS: usize = 60;
const ROUND: Duration = Duration::from_millis(300);
const FLOWS: usize = 20_000;

fn observer(config: &str) -> Observer {
    let config: EbpfConfig = from_yaml(config).expect("the config is right");
    let settings = Settings::resolve(&config, &|_| None).expect("the config makes sense");
    let context = Context {
        id: "ebpfreceiver".parse().expect("an id"),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle("receiver:ebpfreceiver"),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    };
    Observer::start(Arc::new(settings), None, context)
}

/// What one round came to.
#[derive(Clone, Copy)]
struct Round {
    /// Units a second of the clock.
    rate: f64,
    /// Units a second of CPU time of both ends.
    per_cpu: f64,
    cpu: f64,
}

/// Runs this thread on that CPU alone, where there is one.
fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    let _ = sched_setaffinity(None, &set);
}

/// Bytes from one thread to another.
fn throughput(round: Duration) -> Round {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let reader = thread::spawn(move || {
        pin(1);
        let (mut stream, _) = listener.accept().expect("a client");
        let mut buffer = vec![0; 128 << 10];
        let mut total = 0_u64;
        loop {
            match stream.read(&mut buffer).expect("readable") {
                0 => break total,
                n => total += n as u64,
            }
        }
    });
    let mut stream = TcpStream::connect(address).expect("a server");
    let data = vec![7; 128 << 10];
    let (began, cpu) = (Instant::now(), process_cpu());
    let mut sent = 0_u64;
    while began.elapsed() < round {
        stream.write_all(&data).expect("writable");
        sent += data.len() as u64;
    }
    drop(stream);
    let received = reader.join().expect("no panic");
    let (took, cpu) = (began.elapsed().as_secs_f64(), process_cpu() - cpu);
    assert_eq!(sent, received, "everything has arrived");
    Round { rate: received as f64 / took, per_cpu: received as f64 / cpu, cpu }
}

/// Requests of 100 bytes and answers of 1,000 over one connection.
fn requests(round: Duration) -> Round {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let server = thread::spawn(move || {
        pin(1);
        let (mut stream, _) = listener.accept().expect("a client");
        stream.set_nodelay(true).expect("TCP");
        let mut request = [0; 100];
        while stream.read_exact(&mut request).is_ok() {
            stream.write_all(&[7; 1000]).expect("writable");
        }
    });
    let mut stream = TcpStream::connect(address).expect("a server");
    stream.set_nodelay(true).expect("TCP");
    let mut answer = [0; 1000];
    let (began, cpu) = (Instant::now(), process_cpu());
    let mut count = 0_u64;
    while began.elapsed() < round {
        stream.write_all(&[1; 100]).expect("writable");
        stream.read_exact(&mut answer).expect("an answer");
        count += 1;
    }
    drop(stream);
    server.join().expect("no panic");
    let (took, cpu) = (began.elapsed().as_secs_f64(), process_cpu() - cpu);
    Round { rate: count as f64 / took, per_cpu: count as f64 / cpu, cpu }
}

/// What is measured, in which unit, and how much of it may be lost, in percent.
struct Load {
    name: &'static str,
    unit: &'static str,
    scale: f64,
    floor: f64,
    measure: fn(Duration) -> Round,
}

const LOADS: [Load; 2] = [
    Load { name: "throughput", unit: "GB/s", scale: 1e9, floor: 2.0, measure: throughput },
    Load { name: "requests", unit: "thousand/s", scale: 1e3, floor: 4.0, measure: requests },
];

/// Rounds with the programs and without, in turns; false when more than the floor is lost for sure.
fn paired(load: &Load) -> bool {
    let mut off = Vec::new();
    let mut on = Vec::new();
    let without = |rounds: &mut Vec<Round>| rounds.push((load.measure)(ROUND));
    (load.measure)(ROUND);
    for _ in 0..PAIRS / 2 {
        without(&mut off);
        let mut observer = observer("{}");
        assert!(observer.programs().tells("flows") && observer.programs().tells("tcp"));
        for _ in 0..2 {
            on.push((load.measure)(ROUND));
            observer.read();
        }
        drop(observer);
        without(&mut off);
    }
    let losses = |value: fn(&Round) -> f64| -> Vec<f64> {
        on.iter().zip(&off).map(|(on, off)| (1.0 - value(on) / value(off)) * 100.0).collect()
    };
    let rates = median(off.iter().map(|round| round.rate).collect()) / load.scale;
    println!("{}: {rates:.2} {} without the receiver", load.name, load.unit);
    let mut is_within = true;
    for (what, value) in
        [("by the clock", (|round| round.rate) as fn(&Round) -> f64), ("by CPU time", |round| round.per_cpu)]
    {
        let (loss, low, high) = with_interval(&losses(value));
        println!(
            "{}: {loss:.2} % less {what} (95 %: {low:.2} to {high:.2}, {} pairs); floor {} %",
            load.name,
            off.len(),
            load.floor
        );
        is_within &= low < load.floor;
    }
    is_within
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median, and between which values it lies in 95 of 100 draws with replacement.
fn with_interval(values: &[f64]) -> (f64, f64, f64) {
    let mut random = fastrand::Rng::with_seed(7);
    let mut drawn: Vec<f64> = (0..2000)
        .map(|_| median((0..values.len()).map(|_| values[random.usize(..values.len())]).collect()))
        .collect();
    drawn.sort_by(f64::total_cmp);
    (median(values.to_vec()), drawn[50], drawn[1949])
}

/// Time and number of runs of the programs at the sockets, as the kernel measures them.
fn runs() -> [(u64, u64); 2] {
    ["cgroup_egress", "cgroup_ingress"].map(|name| {
        let ours = ProgInfoIter::default().filter(|info| info.name.to_str() == Some(name));
        ours.fold((0, 0), |(time, count), info| (time + info.run_time_ns, count + info.run_cnt))
    })
}

/// How long the programs themselves run. The kernel's measuring is in it, some 25 ns a run.
fn direct_cost() {
    const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";
    let before = fs::read_to_string(SWITCH).unwrap_or_default();
    if fs::write(SWITCH, "1").is_err() {
        println!("not measured: the time of the programs, {SWITCH} cannot be written");
        return;
    }
    for load in &LOADS {
        let observer = observer("{}");
        let began = runs();
        let round = (load.measure)(ROUND * 6);
        let spent: Vec<(u64, u64)> =
            runs().into_iter().zip(began).map(|(now, before)| (now.0 - before.0, now.1 - before.1)).collect();
        let total: u64 = spent.iter().map(|(time, _)| time).sum();
        let each: Vec<String> =
            spent.iter().map(|(time, count)| format!("{} ns of {count}", time / (*count).max(1))).collect();
        println!(
            "{}: a packet takes {} out, {} in; {:.2} % of the CPU time of both ends",
            load.name,
            each[0],
            each[1],
            total as f64 / 1e7 / round.cpu
        );
        drop(observer);
    }
    let _ = fs::write(SWITCH, before);
}

/// Seconds.
fn process_cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Milliseconds of this thread.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn twenty_thousand_flows() {
    let mut observer = observer("{max_flows: 20000, features: [flows, tcp, dns]}");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    // Each flow has an end that sends and none that receives: nobody listens there.
    let traffic = || {
        for n in 0..FLOWS {
            let target = SocketAddr::from(([127, 0, (n / 200) as u8, 9], 10_000 + (n % 200) as u16));
            let _ = socket.send_to(&[7; 64], target);
        }
    };
    let mut costs = Vec::new();
    for round in 0..8 {
        traffic();
        let before = cpu();
        observer.read();
        let mut points = 0;
        observer.emit(|metrics| {
            points += Data::Metrics(vec![metrics]).items();
            true
        });
        let cost = cpu() - before;
        assert!(points >= 2 * FLOWS * 9 / 10, "{points} points");
        // The first one meets every flow for the first time.
        if round > 0 {
            costs.push(cost);
        }
    }
    costs.sort_by(f64::total_cmp);
    let median = costs[costs.len() / 2];
    let share = median / 10_000.0 * 100.0;
    println!(
        "{FLOWS} live flows: {median:.0} ms of CPU to read and send, {share:.2} % of a core at 10 s; floor 2 %"
    );
    let maps: u64 = observer.programs().memory().iter().map(|(_, bytes)| bytes).sum();
    let (series, bytes) = observer.size();
    println!(
        "maps for {FLOWS} flows: {:.1} MiB in the kernel; floor 20 MiB; {series} series: {:.1} MiB here",
        maps as f64 / 1_048_576.0,
        bytes as f64 / 1_048_576.0
    );
    assert!(maps < 20 << 20, "{:?}", observer.programs().memory());
    assert!(share < 2.0);
}

fn main() {
    if !observer("{max_flows: 64}").programs().tells("flows") {
        println!("not measured: the kernel does not take the programs, or this is not root");
        return;
    }
    twenty_thousand_flows();
    pin(0);
    direct_cost();
    let is_within = LOADS.iter().map(paired).fold(true, |all, one| all & one);
    assert!(is_within, "the programs cost more than they may");
}
