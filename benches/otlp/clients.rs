//! Connections that are idle, slow or flooding.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::load::{send, sender};
use crate::rig::{Agent, agent, backend};

pub fn idle() {
    let backend = backend(None);
    let agent = agent(&backend, None);
    std::thread::sleep(Duration::from_millis(500));
    let before = agent.memory("VmRSS:");
    let mut open: Vec<TcpStream> = Vec::new();
    for place in 0..1000 {
        let port = if place % 2 == 0 { agent.grpc } else { agent.http };
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it connects");
        if place % 2 == 0 {
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("it writes");
            stream.read_exact(&mut [0; 9]).expect("the agent says hello");
        }
        open.push(stream);
    }
    std::thread::sleep(Duration::from_secs(1));
    let (grown, cpu) = (agent.memory("VmRSS:") - before, agent.cpu());
    std::thread::sleep(Duration::from_secs(5));
    println!(
        "1,000 idle connections, half of each protocol: {grown:.1} MiB (floor 20), {:.2} % of a core",
        (agent.cpu() - cpu) * 20.0
    );
    assert!(grown < 20.0, "idle connections are small");
    drop(open);
}

/// Requests a second of one client that sends as it can.
fn good_rate(agent: &Agent) -> f64 {
    let mut sender = sender(agent, "http", "none");
    let (started, mut sent) = (Instant::now(), 0_u32);
    while started.elapsed() < Duration::from_secs(4) {
        send(&mut sender);
        sent += 1;
        // A client of its own pace, well below what the agent can take.
        std::thread::sleep(Duration::from_millis(10));
    }
    f64::from(sent) / started.elapsed().as_secs_f64()
}

pub fn bad_neighbours() {
    let backend = backend(None);
    let agent = agent(&backend, None);
    let alone = good_rate(&agent);
    let over = Arc::new(AtomicBool::new(false));
    let (http, grpc) = (agent.http, agent.grpc);
    let mut slow = TcpStream::connect(("127.0.0.1", http)).expect("it connects");
    let seen = over.clone();
    let loris = std::thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            if slow.write_all(b"X").is_err() {
                slow = TcpStream::connect(("127.0.0.1", http)).expect("it connects");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let seen = over.clone();
    let flood = std::thread::spawn(move || {
        let pings = b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0".repeat(100);
        while !seen.load(Ordering::Relaxed) {
            let mut stream = TcpStream::connect(("127.0.0.1", grpc)).expect("it connects");
            stream.set_write_timeout(Some(Duration::from_millis(100))).expect("a socket");
            let hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
            let mut alive = stream.write_all(hello).is_ok();
            while alive && !seen.load(Ordering::Relaxed) {
                alive = stream.write_all(&pings).is_ok();
            }
        }
    });
    let beside = good_rate(&agent);
    over.store(true, Ordering::Relaxed);
    loris.join().expect("the slow client");
    flood.join().expect("the flood");
    println!(
        "a good client beside a slow and a flooding one: {beside:.1} of {alone:.1} requests/s, {:.1} % fewer (floor 10)",
        (1.0 - beside / alone) * 100.0
    );
    assert!(beside > alone * 0.9, "a good client is served as before");
}
