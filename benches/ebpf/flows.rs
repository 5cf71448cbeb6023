//! What reading and sending many flows costs, and the memory that they take.

use std::net::{SocketAddr, UdpSocket};

use kmagent::pipeline::Data;
use rustix::time::{ClockId, clock_gettime};

use super::observer;

const FLOWS: usize = 20_000;

pub fn twenty_thousand() {
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

/// Milliseconds of this thread.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
