//! OTLP through the agent as a process of its own: how many spans a second pass it, what a steady
//! stream of logs costs, what happens under four times the load, what idle connections cost, and
//! whether slow and flooding clients slow a good one down. Beside it the queue on disk: how fast it is
//! written, and how soon it is there after a restart.
//!
//! `cargo bench --bench otlp`, or with the names of some: `cargo bench --bench otlp -- gateway disk`.
//! Load, agent and backend share the machine, so the agent's own CPU time is printed beside the rate.
//! Every run counts the items at the backend first.

mod clients;
mod disk;
mod load;
mod rig;
mod throughput;

fn main() {
    let chosen: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let run = |name: &str| chosen.is_empty() || chosen.iter().any(|choice| choice == name);
    if run("throughput") {
        throughput::spans_a_second("grpc", "none", 6_000_000, 1_000_000);
        throughput::spans_a_second("grpc", "gzip", 4_000_000, 400_000);
        throughput::spans_a_second("http", "none", 6_000_000, 1_000_000);
        throughput::spans_a_second("http", "gzip", 4_000_000, 400_000);
    }
    if run("gateway") {
        throughput::gateway();
    }
    if run("overload") {
        throughput::overload("grpc");
        throughput::overload("http");
    }
    if run("clients") {
        clients::idle();
        clients::bad_neighbours();
    }
    if run("disk") {
        disk::disk_queue();
    }
}
