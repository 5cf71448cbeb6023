//! How long the programs themselves run, as the kernel measures it.

use std::fs;

use libbpf_rs::query::ProgInfoIter;

use super::loads::{Round, requests, throughput};
use super::observer;

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";
const AT_SOCKETS: [&str; 2] = ["cgroup_egress", "cgroup_ingress"];
/// What they run for each connection that is made, used and closed.
const OF_CONNECTIONS: [&str; 2] = ["socket_created", "state_changed"];

/// The kernel's measuring is in it, some 25 ns a run.
pub fn direct_cost() {
    let before = fs::read_to_string(SWITCH).unwrap_or_default();
    if fs::write(SWITCH, "1").is_err() {
        println!("not measured: the time of the programs, {SWITCH} cannot be written");
        return;
    }
    measure("throughput", &AT_SOCKETS, throughput);
    measure("requests", &AT_SOCKETS, || requests(1, false));
    measure("requests on one CPU", &AT_SOCKETS, || requests(0, false));
    let all = [AT_SOCKETS, OF_CONNECTIONS].concat();
    measure("connections", &all, || requests(0, true));
    let _ = fs::write(SWITCH, before);
}

fn measure(what: &str, programs: &[&str], load: fn() -> Round) {
    let observer = observer("{}");
    let began = runs(programs);
    let cpu: f64 = (0..6).map(|_| load().cpu).sum();
    let spent: Vec<(u64, u64)> = runs(programs)
        .into_iter()
        .zip(began)
        .map(|(now, before)| (now.0 - before.0, now.1 - before.1))
        .collect();
    let total: u64 = spent.iter().map(|(time, _)| time).sum();
    let each: Vec<String> = programs
        .iter()
        .zip(&spent)
        .map(|(name, (time, count))| format!("{name} {} ns, {count} times", time / (*count).max(1)))
        .collect();
    println!("{what}: {}; {:.2} % of the CPU time of both ends", each.join("; "), total as f64 / 1e7 / cpu);
    drop(observer);
}

/// Time and number of runs of each.
fn runs(programs: &[&str]) -> Vec<(u64, u64)> {
    let of = |name: &&str| {
        let ours = ProgInfoIter::default().filter(|info| info.name.to_str() == Some(*name));
        ours.fold((0, 0), |(time, count), info| (time + info.run_time_ns, count + info.run_cnt))
    };
    programs.iter().map(of).collect()
}
