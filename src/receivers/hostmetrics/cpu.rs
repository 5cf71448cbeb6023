//! The `cpu` scraper: `/proc/stat`, `/proc/cpuinfo` and `/sys/devices/system/cpu`.

use std::collections::HashSet;

use super::emitter::{Emitter, HostScraper};
use super::host::{Host, USER_HZ};
use super::parse::{self, fields, fraction, lines, next_number};
use crate::metric_table;
use crate::otlp::{KeyValue, Str};
use crate::receivers::scraper::{Cause, Fault, Run};
use crate::receivers::switches::Switches;

metric_table! {
    pub enum CpuMetric {
        Time: Counter Double on "system.cpu.time" "s" ["cpu", "state"]
            "Total seconds each logical CPU spent on each mode.";
        Utilization: Gauge Double off "system.cpu.utilization" "1" ["cpu", "state"]
            "Difference in system.cpu.time since the last measurement per logical CPU, divided by the elapsed time (value in interval [0,1]).";
        PhysicalCount: UpDown Int off "system.cpu.physical.count" "{cpu}" []
            "Number of available physical CPUs.";
        LogicalCount: UpDown Int off "system.cpu.logical.count" "{cpu}" []
            "Number of available logical CPUs.";
        Frequency: Gauge Double off "system.cpu.frequency" "Hz" ["cpu"]
            "Current frequency of the CPU core in Hz.";
    }
}

/// The states in the order in which `/proc/stat` has them.
const STATES: [&str; 8] = ["user", "nice", "system", "idle", "wait", "interrupt", "softirq", "steal"];

/// Clock ticks of one CPU: the eight states, then guest and guest_nice.
type Ticks = [u64; 10];

pub struct Cpu {
    emitter: Emitter<CpuMetric>,
    /// Ticks of the last scrape by number of the CPU. One that is unplugged keeps its own, for
    /// when it comes back.
    previous: Vec<Option<Previous>>,
    scrapes: u64,
}

#[derive(Clone, Copy)]
struct Previous {
    ticks: Ticks,
    seen: u64,
}

/// CPUs beyond this number are no CPUs but a broken file (the kernel's own limit is 8192).
const MAX_CPUS: usize = 1 << 16;

impl Cpu {
    pub fn new(switches: &Switches, version: &str) -> Self {
        Self { emitter: Emitter::new("cpu", switches, version), previous: Vec::new(), scrapes: 0 }
    }

    fn times(&mut self, stat: &[u8], run: &mut Run<'_>) {
        self.scrapes += 1;
        let points = &mut self.emitter.points;
        let mut logical = 0;
        for line in lines(stat).take_while(|line| !line.starts_with(b"intr")) {
            let Some((cpu, ticks)) = parse_cpu(line) else {
                if line.starts_with(b"cpu") && !line.starts_with(b"cpu ") {
                    run.fault(Cause::new("cpu line"), STATES.len() as u64, || {
                        format!("cannot understand \"{}\" in /proc/stat", String::from_utf8_lossy(line))
                    });
                }
                continue;
            };
            logical += 1;
            let name = attribute(cpu);
            for (state, ticks) in STATES.into_iter().zip(ticks) {
                let seconds = ticks as f64 / USER_HZ as f64;
                points.double(CpuMetric::Time, [cpu_attribute(&name), state_attribute(state)], seconds);
            }
            if points.is_on(CpuMetric::Utilization) {
                if self.previous.len() <= cpu {
                    self.previous.resize(cpu + 1, None);
                }
                let now = Previous { ticks, seen: self.scrapes };
                if let Some(before) = self.previous[cpu].replace(now) {
                    let shares = utilization(&before.ticks, &ticks);
                    for (state, share) in STATES.into_iter().zip(shares) {
                        let attributes = [cpu_attribute(&name), state_attribute(state)];
                        points.double(CpuMetric::Utilization, attributes, share);
                    }
                }
            }
        }
        if logical > 0 {
            points.int(CpuMetric::LogicalCount, [], logical);
        }
        let gone = self.previous.iter().flatten().filter(|cpu| cpu.seen != self.scrapes).count();
        if gone > 0 {
            run.fault(Cause::new("unplugged cpu"), (gone * STATES.len()) as u64, || {
                format!("{gone} of the CPUs seen before are gone; utilization of the others goes on")
            });
        }
    }

    fn frequency(&mut self, cpuinfo: &[u8]) {
        for (cpu, megahertz) in frequencies(cpuinfo) {
            let attributes = [cpu_attribute(&attribute(cpu))];
            self.emitter.points.double(CpuMetric::Frequency, attributes, megahertz * 1e6);
        }
    }
}

impl HostScraper for Cpu {
    fn scrape(&mut self, host: &mut Host, run: &mut Run<'_>) -> Result<(), Fault> {
        let stat = host.kernel_stat();
        // The boot time is known once /proc/stat has been read.
        let failure = stat.err();
        self.emitter.begin(host, run);
        if self.emitter.points.any_on(&[CpuMetric::Time, CpuMetric::Utilization, CpuMetric::LogicalCount]) {
            if let Some(failure) = failure {
                return Err(failure);
            }
            self.times(host.kernel_stat()?, run);
        }
        if self.emitter.points.is_on(CpuMetric::PhysicalCount) {
            match physical_cpus(host) {
                Some(count) => self.emitter.points.int(CpuMetric::PhysicalCount, [], count),
                None => run.fault(Cause::new("cpu topology"), 1, || {
                    format!("cannot count physical CPUs: no topology in {}", host.paths.sys.display())
                }),
            }
        }
        if self.emitter.points.is_on(CpuMetric::Frequency) {
            match host.read("cpuinfo") {
                Ok(cpuinfo) => self.frequency(cpuinfo),
                Err(fault) => run.fault(fault.cause, 1, || fault.message),
            }
        }
        self.emitter.push(Vec::new(), run);
        Ok(())
    }
}

/// `cpu<N> user nice system idle iowait irq softirq steal guest guest_nice`; old kernels end early.
fn parse_cpu(line: &[u8]) -> Option<(usize, Ticks)> {
    let mut fields = fields(line);
    let cpu = parse::number(fields.next()?.strip_prefix(b"cpu")?)?;
    let cpu = usize::try_from(cpu).ok().filter(|cpu| *cpu < MAX_CPUS)?;
    let mut ticks = Ticks::default();
    let mut known = 0;
    for (slot, field) in ticks.iter_mut().zip(&mut fields) {
        *slot = parse::number(field)?;
        known += 1;
    }
    (known >= 4).then_some((cpu, ticks))
}

/// Share of each state in the time between two readings. Guest time is inside user and nice, and
/// counted in the whole once more, as upstream does.
fn utilization(before: &Ticks, now: &Ticks) -> [f64; 8] {
    let total = |ticks: &Ticks| ticks.iter().fold(0_u64, |sum, ticks| sum.saturating_add(*ticks));
    let elapsed = total(now).saturating_sub(total(before));
    std::array::from_fn(|state| {
        if elapsed == 0 {
            return 0.0;
        }
        // Idle and iowait are known to step back now and then.
        (now[state].saturating_sub(before[state]) as f64 / elapsed as f64).min(1.0)
    })
}

/// `cpu MHz` of each `processor` in `/proc/cpuinfo`.
fn frequencies(cpuinfo: &[u8]) -> impl Iterator<Item = (usize, f64)> {
    let mut cpu = None;
    lines(cpuinfo).filter_map(move |line| {
        let colon = memchr::memchr(b':', line)?;
        let (key, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        match key {
            b"processor" => {
                cpu = parse::number(value).and_then(|number| usize::try_from(number).ok());
                None
            }
            b"cpu MHz" => Some((cpu?, fraction(value)?)),
            _ => None,
        }
    })
}

/// Distinct sets of sibling threads in the topology; cores × sockets of `/proc/cpuinfo` elsewhere.
fn physical_cpus(host: &mut Host) -> Option<u64> {
    let cpus = std::fs::read_dir(host.paths.sys.join("devices/system/cpu")).ok();
    let mut cores = HashSet::new();
    for entry in cpus.into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(number) = name.as_encoded_bytes().strip_prefix(b"cpu") else { continue };
        if parse::number(number).is_none() {
            continue;
        }
        let topology = entry.path().join("topology");
        let siblings = std::fs::read(topology.join("core_cpus_list"))
            .or_else(|_| std::fs::read(topology.join("thread_siblings_list")));
        cores.extend(siblings.ok());
    }
    if cores.is_empty() {
        return host.read("cpuinfo").ok().and_then(physical_in_cpuinfo);
    }
    Some(cores.len() as u64)
}

fn physical_in_cpuinfo(cpuinfo: &[u8]) -> Option<u64> {
    let mut sockets = HashSet::new();
    let (mut socket, mut total) = (None, 0_u64);
    for line in lines(cpuinfo) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let mut value = fields(&line[colon + 1..]);
        match line[..colon].trim_ascii() {
            b"physical id" => socket = next_number(&mut value),
            b"cpu cores" if socket.is_some_and(|socket| sockets.insert(socket)) => {
                total = total.saturating_add(next_number(&mut value)?);
            }
            _ => {}
        }
    }
    (total > 0).then_some(total)
}

fn attribute(cpu: usize) -> Str {
    compact_str::format_compact!("cpu{cpu}")
}

fn cpu_attribute(name: &Str) -> KeyValue {
    KeyValue::fixed("cpu", name.clone())
}

fn state_attribute(state: &'static str) -> KeyValue {
    KeyValue::fixed("state", Str::const_new(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_all_cpus_and_broken_lines_are_no_cpu() {
        assert_eq!(parse_cpu(b"cpu  1 2 3 4 5 6 7 8 9 10"), None);
        assert_eq!(parse_cpu(b"cpu1 1 2 3 4 5 6 7 8 9 10"), Some((1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])));
        assert_eq!(parse_cpu(b"cpu1 1 2 3 4"), Some((1, [1, 2, 3, 4, 0, 0, 0, 0, 0, 0])));
        for line in
            ["cpu1 1 2 3", "cpu1", "cpu1 1 2 -3 4", "cpu99999999 1 2 3 4", "cpu1 1 2 3 99999999999999999999"]
        {
            assert_eq!(parse_cpu(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn utilization_counts_guest_time_twice_and_never_leaves_its_interval() {
        let before = [10, 0, 0, 100, 50, 0, 0, 0, 0, 0];
        let now = [20, 0, 0, 110, 40, 0, 0, 0, 10, 0];
        let shares = utilization(&before, &now);
        assert_eq!(shares[0], 0.5);
        assert_eq!(shares[3], 0.5);
        assert_eq!(shares[4], 0.0, "iowait stepped back");
        assert_eq!(utilization(&now, &before), [0.0; 8]);
    }

    #[test]
    fn cores_are_counted_per_socket_where_there_is_no_topology() {
        let text = b"physical id\t: 0\ncpu cores\t: 4\n\nphysical id\t: 0\ncpu cores\t: 4\n\nphysical id : 1\ncpu cores : 2\n";
        assert_eq!(physical_in_cpuinfo(text), Some(6));
        assert_eq!(physical_in_cpuinfo(b"model name: x\n"), None);
    }
}
