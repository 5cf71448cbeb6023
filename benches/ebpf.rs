//! What the eBPF receiver costs: those whom it watches, and itself.
//!
//! `cargo bench --bench ebpf` needs root. Throughput and request rate over loopback are measured in
//! pairs, with the programs and without, one right after the other; floors are 2 % and 4 %. They are
//! counted by second of CPU time of both ends, kernel included, so that a busy machine does not matter:
//! on loopback all work is done in the context of the two. Reading and
//! sending 20,000 live flows must take less than 2 % of a core at an interval of 10 s, and the maps
//! less than 20 MiB.

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
use rustix::time::{ClockId, clock_gettime};

// The allocator of the product.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const PAIRS: usize = 31;
const ROUND: Duration = Duration::from_millis(250);
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

/// Bytes from one thread to another, a second of CPU time.
fn throughput() -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let reader = thread::spawn(move || {
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
    while began.elapsed() < ROUND {
        stream.write_all(&data).expect("writable");
        sent += data.len() as u64;
    }
    drop(stream);
    let received = reader.join().expect("no panic");
    assert_eq!(sent, received, "everything has arrived");
    received as f64 / (process_cpu() - cpu)
}

/// Requests of 100 bytes and answers of 1,000 over one connection, a second of CPU time.
fn requests() -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let server = thread::spawn(move || {
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
    while began.elapsed() < ROUND {
        stream.write_all(&[1; 100]).expect("writable");
        stream.read_exact(&mut answer).expect("an answer");
        count += 1;
    }
    let rate = count as f64 / (process_cpu() - cpu);
    drop(stream);
    server.join().expect("no panic");
    rate
}

/// The median loss over all pairs, in percent; and the rate without the programs.
fn paired(name: &str, unit: &str, scale: f64, floor: f64, measure: impl Fn() -> f64) {
    let mut losses = Vec::new();
    let mut rates = Vec::new();
    measure();
    for pair in 0..PAIRS {
        let with = || {
            let mut observer = observer("{}");
            let rate = measure();
            observer.read();
            assert!(observer.programs().tells("flows") && observer.programs().tells("tcp"));
            rate
        };
        // In turns, so that neither always comes first.
        let (on, off) = if pair % 2 == 0 {
            let on = with();
            (on, measure())
        } else {
            let off = measure();
            (with(), off)
        };
        losses.push((1.0 - on / off) * 100.0);
        rates.push(off);
    }
    losses.sort_by(f64::total_cmp);
    rates.sort_by(f64::total_cmp);
    let (loss, rate) = (losses[PAIRS / 2], rates[PAIRS / 2] / scale);
    let (low, high) = (losses[PAIRS / 4], losses[PAIRS * 3 / 4]);
    println!(
        "{name}: {loss:.1} % less with the receiver (quartiles {low:.1} to {high:.1}), {rate:.1} {unit} without; floor {floor} %"
    );
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
    paired("throughput", "GB per CPU second", 1e9, 2.0, throughput);
    paired("requests", "thousand per CPU second", 1e3, 4.0, requests);
}
