//! The `processes` scraper: the states of all processes, and `/proc/stat`.

use super::emitter::{Emitter, HostScraper};
use super::host::Host;
use super::parse::{keyed, lines};
use crate::metric_table;
use crate::otlp::{KeyValue, Str};
use crate::receivers::scraper::{Fault, Run};
use crate::receivers::switches::Switches;

metric_table! {
    pub enum ProcessesMetric {
        Created: Counter Int on "system.processes.created" "{processes}" []
            "Total number of created processes.";
        Count: UpDown Int on "system.processes.count" "{processes}" ["status"]
            "Total number of processes in each state.";
    }
}

/// The states that Linux has, as the `status` attribute names them.
const STATUSES: [&str; 9] =
    ["blocked", "idle", "locked", "paging", "running", "sleeping", "stopped", "unknown", "zombies"];
const BLOCKED: usize = 0;
const RUNNING: usize = 4;
const UNKNOWN: usize = 7;

pub struct Processes {
    emitter: Emitter<ProcessesMetric>,
}

impl Processes {
    pub fn new(switches: &Switches, version: &str) -> Self {
        Self { emitter: Emitter::new("processes", switches, version) }
    }
}

impl HostScraper for Processes {
    fn scrape(&mut self, host: &mut Host, run: &mut Run<'_>) -> Result<(), Fault> {
        let kernel = parse_stat(host.kernel_stat()?);
        self.emitter.begin(host, run);
        if let Some(created) = kernel.created {
            self.emitter.points.int(ProcessesMetric::Created, [], created);
        }
        if self.emitter.points.is_on(ProcessesMetric::Count) {
            let states = host.tasks(run)?.iter().map(|task| task.state);
            for (status, count) in STATUSES.into_iter().zip(count(states, &kernel)) {
                if let Some(count) = count {
                    let status = KeyValue::fixed("status", Str::const_new(status));
                    self.emitter.points.int(ProcessesMetric::Count, [status], count);
                }
            }
        }
        self.emitter.push(Vec::new(), run);
        Ok(())
    }
}

#[derive(Debug, Default)]
struct KernelStat {
    created: Option<u64>,
    running: u64,
    blocked: u64,
}

fn parse_stat(text: &[u8]) -> KernelStat {
    let mut stat = KernelStat::default();
    // What is looked for stands behind the long line of interrupts.
    for line in lines(text).filter(|line| line.starts_with(b"proc")) {
        match keyed(line) {
            Some((b"processes", value)) => stat.created = Some(value),
            Some((b"procs_running", value)) => stat.running = value,
            Some((b"procs_blocked", value)) => stat.blocked = value,
            _ => {}
        }
    }
    stat
}

/// Processes per status; `None` where there is none. The kernel's own numbers of running and
/// blocked ones count threads, and replace those of the list; what the list has more than the
/// statuses then explain is unknown.
fn count(states: impl Iterator<Item = u8>, kernel: &KernelStat) -> [Option<u64>; 9] {
    let mut counts = [0_u64; 9];
    let mut total = 0;
    for state in states {
        total += 1;
        counts[status(state)] += 1;
    }
    let mut result = counts.map(|count| (count > 0).then_some(count));
    result[BLOCKED] = Some(kernel.blocked);
    result[RUNNING] = Some(kernel.running);
    let known = result.iter().flatten().fold(0_u64, |sum, count| sum.saturating_add(*count));
    if total > known {
        result[UNKNOWN] = Some(result[UNKNOWN].unwrap_or(0) + total - known);
    }
    result
}

fn status(state: u8) -> usize {
    let name = match state {
        b'D' => "blocked",
        b'I' => "idle",
        b'L' => "locked",
        b'W' => "paging",
        b'R' => "running",
        b'S' => "sleeping",
        b'T' | b't' => "stopped",
        b'Z' => "zombies",
        _ => "unknown",
    };
    STATUSES.iter().position(|status| *status == name).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_and_blocked_are_the_kernels_and_the_rest_is_unknown() {
        let kernel = parse_stat(b"intr 1 2\nprocesses 99\nprocs_running 1\nprocs_blocked 0\n");
        assert_eq!(kernel.created, Some(99));
        let counts = count(b"SSZDRRR".iter().copied(), &kernel);
        let of = |name| counts[STATUSES.iter().position(|status| *status == name).unwrap()];
        assert_eq!(
            (of("sleeping"), of("zombies"), of("running"), of("blocked")),
            (Some(2), Some(1), Some(1), Some(0))
        );
        assert_eq!(of("unknown"), Some(3));
        assert_eq!(of("idle"), None);
    }
}
