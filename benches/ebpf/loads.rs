//! Loads of our own: both ends are threads of this process, so that their CPU time is known.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// What is measured, in which unit, and how much of it may be lost, in percent.
pub struct Load {
    pub name: &'static str,
    pub what: &'static str,
    pub unit: &'static str,
    pub scale: f64,
    /// `None`: it is only told.
    pub floor: Option<f64>,
    /// Makes ready what it needs; `None` when that is not there.
    pub start: fn() -> Option<Box<dyn Rounds>>,
}

/// A load that can be run for a moment, again and again.
pub trait Rounds {
    fn pairs(&self) -> usize {
        60
    }

    fn run(&mut self) -> Round;
}

/// What one round came to.
#[derive(Clone, Copy)]
pub struct Round {
    /// Units a second of the clock.
    pub rate: f64,
    /// Units a second of CPU time of both ends, and that time; where it is known.
    pub per_cpu: Option<f64>,
    pub cpu: f64,
}

pub const ALL: [Load; 4] = [
    Load {
        name: "throughput",
        what: "bytes of one connection, each end on a CPU of its own",
        unit: "GB/s",
        scale: 1e9,
        floor: Some(2.0),
        start: || Some(Box::new(Ours(throughput))),
    },
    Load {
        name: "requests",
        what: "requests over one connection, each end on a CPU of its own",
        unit: "thousand/s",
        scale: 1e3,
        floor: Some(4.0),
        start: || Some(Box::new(Ours(|| requests(1, false)))),
    },
    Load {
        name: "requests-one-cpu",
        what: "requests over one connection, both ends on one CPU",
        unit: "thousand/s",
        scale: 1e3,
        floor: Some(4.0),
        start: || Some(Box::new(Ours(|| requests(0, false)))),
    },
    Load {
        name: "connections",
        what: "requests over a connection each, both ends on one CPU",
        unit: "thousand/s",
        scale: 1e3,
        floor: None,
        start: || Some(Box::new(Ours(|| requests(0, true)))),
    },
];

const ROUND: Duration = Duration::from_millis(300);

struct Ours(fn() -> Round);

impl Rounds for Ours {
    fn run(&mut self) -> Round {
        (self.0)()
    }
}

/// Runs this thread, and processes that it starts, on that CPU alone, where there is one.
pub fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    let _ = sched_setaffinity(None, &set);
}

/// Bytes from one thread to another.
pub fn throughput() -> Round {
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
    while began.elapsed() < ROUND {
        stream.write_all(&data).expect("writable");
        sent += data.len() as u64;
    }
    drop(stream);
    let received = reader.join().expect("no panic");
    assert_eq!(sent, received, "everything has arrived");
    round(received, began, cpu)
}

/// Requests of 100 bytes and answers of 1,000, the server on that CPU; `connect`: each over its own
/// connection.
pub fn requests(cpu: usize, connect: bool) -> Round {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound");
    let server = thread::spawn(move || {
        pin(cpu);
        loop {
            let (mut stream, _) = listener.accept().expect("a client");
            stream.set_nodelay(true).expect("TCP");
            let mut request = [0; 100];
            while stream.read_exact(&mut request).is_ok() {
                if request[0] == 0 {
                    return;
                }
                stream.write_all(&[7; 1000]).expect("writable");
            }
        }
    });
    let open = || -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let mut stream = open().expect("a server");
    let mut answer = [0; 1000];
    let (began, cpu) = (Instant::now(), process_cpu());
    let mut count = 0_u64;
    while began.elapsed() < ROUND {
        stream.write_all(&[1; 100]).expect("writable");
        stream.read_exact(&mut answer).expect("an answer");
        count += 1;
        if connect {
            stream = open().expect("a server");
        }
    }
    stream.write_all(&[0; 100]).expect("writable");
    server.join().expect("no panic");
    round(count, began, cpu)
}

fn round(units: u64, began: Instant, cpu: f64) -> Round {
    let (took, cpu) = (began.elapsed().as_secs_f64(), process_cpu() - cpu);
    Round { rate: units as f64 / took, per_cpu: Some(units as f64 / cpu), cpu }
}

/// Seconds.
fn process_cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
