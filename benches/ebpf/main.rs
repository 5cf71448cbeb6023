//! What the eBPF receiver costs: those whom it watches, and itself.
//!
//! `cargo bench --bench ebpf` needs root; `-- requests nginx` runs some alone. Loads over loopback are
//! measured in short rounds, with the programs and without in turns (off, on, on, off), each end on a CPU
//! that is said; what is compared is a round with the one beside it. The median of the losses is printed
//! with the interval that holds it in 95 of 100 draws from them: by the clock, and where both ends are ours
//! by their CPU time, kernel included. Floors are 2 % of throughput and 4 % of the request rate; where even
//! the lower end of the interval is above, the bench fails. `programs`: the kernel measures how long the
//! programs themselves run. `flows`: reading and sending 20,000 live flows must take less than 2 % of a
//! core at an interval of 10 s, and the maps less than 20 MiB.

mod flows;
mod loads;
mod pairs;
mod programs;
mod tools;

use std::sync::Arc;

use kmagent::component::{Context, NoHost};
use kmagent::config::from_yaml;
use kmagent::pipeline::Stop;
use kmagent::receivers::ebpf::{EbpfConfig, Observer, Settings};
use kmagent::telemetry::{StatusBoard, Telemetry};

// The allocator of the product.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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

fn main() {
    if !observer("{max_flows: 64}").programs().tells("flows") {
        println!("not measured: the kernel does not take the programs, or this is not root");
        return;
    }
    let chosen: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|choice| choice == name);
    if is_chosen("flows") {
        flows::twenty_thousand();
    }
    loads::pin(0);
    if is_chosen("programs") {
        programs::direct_cost();
    }
    let mut is_within = true;
    for load in loads::ALL.iter().chain(&tools::ALL).filter(|load| is_chosen(load.name)) {
        is_within &= pairs::compare(load);
    }
    assert!(is_within, "the programs cost more than they may");
}
