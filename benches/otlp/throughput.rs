//! How much passes the agent, at what cost, and what happens to what does not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::load::{CLIENTS, ITEMS, body, http_sender, logs, send, sender};
use crate::rig::{agent, backend};

/// As many spans a second as pass from clients of that protocol and compression.
pub fn spans_a_second(protocol: &str, compression: &str, total: u64, floor: u64) {
    let backend = backend(None);
    let agent = agent(&backend, None);
    let left = Arc::new(AtomicU64::new(total / ITEMS as u64));
    let (before, started) = (agent.cpu(), Instant::now());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (left, mut sender) = (left.clone(), sender(&agent, protocol, compression));
            std::thread::spawn(move || {
                while left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                    .is_ok()
                {
                    send(&mut sender);
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("a client"));
    backend.wait_for(total);
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{protocol}, {compression}: {:.0} spans/s (floor {floor}), {:.2} CPU seconds of the agent a million, {:.0} MiB at most (floor 60)",
        total as f64 / seconds,
        (agent.cpu() - before) * 1e6 / total as f64,
        agent.memory("VmHWM:")
    );
}

/// A steady stream of logs, compressed both ways.
pub fn gateway() {
    const RATE: u64 = 100_000;
    const SECONDS: u64 = 10;
    let backend = backend(None);
    let agent = agent(&backend, None);
    let requests: Vec<_> = (0..20).map(|seed| body(&logs(seed), "gzip")).collect();
    let (mut raw, mut wire) = (0, 0);
    for (seed, request) in requests.iter().enumerate() {
        raw += logs(seed as u64).encoded_len();
        wire += request.len();
    }
    let records = (requests.len() * ITEMS) as f64;
    let mut senders: Vec<_> =
        requests.iter().map(|body| http_sender(agent.http, "/v1/logs", body, "gzip")).collect();
    let (before, started) = (agent.cpu(), Instant::now());
    let turns = RATE * SECONDS / ITEMS as u64;
    for turn in 0..turns {
        let due = started + Duration::from_secs(SECONDS) * turn as u32 / turns as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let place = turn as usize % senders.len();
        send(&mut senders[place]);
    }
    let rate = (RATE * SECONDS) as f64 / started.elapsed().as_secs_f64();
    backend.wait_for(RATE * SECONDS);
    println!(
        "{rate:.0} log records/s of {:.0} bytes, gzip both ways: {:.1} % of a core (floor 12), {:.1} MiB at most (floor 30), \
         {:.1} bytes a record out (floor 20), {:.1} in",
        raw as f64 / records,
        (agent.cpu() - before) / started.elapsed().as_secs_f64() * 100.0,
        agent.memory("VmHWM:"),
        backend.bytes() as f64 / (RATE * SECONDS) as f64,
        wire as f64 / records,
    );
}

/// Four times what the backend takes: the rest is refused, and nothing that was accepted is lost.
pub fn overload(protocol: &str) {
    const CAPACITY: u64 = 50_000;
    const LIMIT: u64 = 64;
    /// More than the agent lets wait for room.
    const SENDERS: usize = 32;
    let backend = backend(Some(CAPACITY));
    let limiter = format!("{{check_interval: 100ms, limit_mib: {LIMIT}, spike_limit_mib: 16}}");
    let agent = agent(&backend, Some(&limiter));
    let over = Arc::new(AtomicBool::new(false));
    let pause = Duration::from_secs(1) * (SENDERS * ITEMS) as u32 / (4 * CAPACITY) as u32;
    let clients: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (mut sender, over) = (sender(&agent, protocol, "none"), over.clone());
            std::thread::spawn(move || {
                let mut answers: BTreeMap<_, u64> = BTreeMap::new();
                let mut due = Instant::now();
                while !over.load(Ordering::Relaxed) {
                    *answers.entry(sender()).or_default() += ITEMS as u64;
                    due += pause;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                answers
            })
        })
        .collect();
    std::thread::sleep(Duration::from_secs(15));
    over.store(true, Ordering::Relaxed);
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    let mut taken = 0;
    for (answer, items) in clients.into_iter().flat_map(|client| client.join().expect("a client")) {
        match answer {
            Ok(()) => taken += items,
            Err(status) => *refused.entry(status).or_default() += items,
        }
    }
    assert!(!refused.is_empty(), "it was no overload");
    backend.wait_for(taken);
    let most = agent.memory("VmHWM:");
    println!(
        "{protocol}, four times the load that the backend takes: {taken} spans accepted and all delivered, \
         refused {refused:?}, {most:.0} MiB at most (limit {LIMIT})"
    );
    assert!(most < LIMIT as f64, "the limit holds");
}
