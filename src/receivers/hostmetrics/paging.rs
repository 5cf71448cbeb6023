//! The `paging` scraper: `/proc/swaps` and `/proc/vmstat`.

use super::emitter::{Emitter, HostScraper};
use super::host::Host;
use super::parse::{fields, keyed, lines, next_number};
use crate::metric_table;
use crate::otlp::{KeyValue, Str};
use crate::receivers::scraper::{Cause, Fault, Run};
use crate::receivers::switches::Switches;

metric_table! {
    pub enum PagingMetric {
        Usage: UpDown Int on "system.paging.usage" "By" ["device", "state"]
            "Swap (unix) or pagefile (windows) usage.";
        Operations: Counter Int on "system.paging.operations" "{operations}" ["direction", "type"]
            "The number of paging operations.";
        Faults: Counter Int on "system.paging.faults" "{faults}" ["type"] "The number of page faults.";
        Utilization: Gauge Double off "system.paging.utilization" "1" ["device", "state"]
            "Swap (unix) or pagefile (windows) utilization.";
    }
}

/// What the counts of `/proc/vmstat` are multiplied by. Faults are not bytes, but upstream's
/// numbers are these, and dashboards are made for them.
const UPSTREAM_FACTOR: u64 = 4096;

pub struct Paging {
    emitter: Emitter<PagingMetric>,
}

/// The counters of `/proc/vmstat` that are used.
#[derive(Debug, Default, PartialEq, Eq)]
struct Vmstat {
    pgpgin: u64,
    pgpgout: u64,
    pswpin: u64,
    pswpout: u64,
    pgfault: u64,
    pgmajfault: u64,
}

impl Paging {
    pub fn new(switches: &Switches, version: &str) -> Self {
        Self { emitter: Emitter::new("paging", switches, version) }
    }

    fn swaps(&mut self, text: &[u8], run: &mut Run<'_>) {
        // The first line is the heading.
        for line in lines(text).skip(1) {
            let Some((device, size, used)) = parse_swap(line) else {
                run.fault(Cause::new("swaps line"), 2, || {
                    format!("cannot understand \"{}\" in /proc/swaps", String::from_utf8_lossy(line))
                });
                continue;
            };
            for (state, bytes) in [("used", used), ("free", size.saturating_sub(used))] {
                let attributes = || {
                    [
                        KeyValue::fixed("device", device.clone()),
                        KeyValue::fixed("state", Str::const_new(state)),
                    ]
                };
                self.emitter.points.int(PagingMetric::Usage, attributes(), bytes);
                let share = bytes as f64 / size as f64;
                self.emitter.points.double(PagingMetric::Utilization, attributes(), share);
            }
        }
    }

    fn vmstat(&mut self, vmstat: &Vmstat) {
        let fixed = |key, value| KeyValue::fixed(key, Str::const_new(value));
        let points = &mut self.emitter.points;
        for (direction, kind, pages) in [
            ("page_in", "major", vmstat.pswpin),
            ("page_out", "major", vmstat.pswpout),
            ("page_in", "minor", vmstat.pgpgin),
            ("page_out", "minor", vmstat.pgpgout),
        ] {
            let attributes = [fixed("direction", direction), fixed("type", kind)];
            points.int(PagingMetric::Operations, attributes, pages.saturating_mul(UPSTREAM_FACTOR));
        }
        let minor = vmstat.pgfault.saturating_sub(vmstat.pgmajfault);
        for (kind, faults) in [("major", vmstat.pgmajfault), ("minor", minor)] {
            points.int(PagingMetric::Faults, [fixed("type", kind)], faults.saturating_mul(UPSTREAM_FACTOR));
        }
    }
}

impl HostScraper for Paging {
    fn scrape(&mut self, host: &mut Host, run: &mut Run<'_>) -> Result<(), Fault> {
        self.emitter.begin(host, run);
        if self.emitter.points.any_on(&[PagingMetric::Usage, PagingMetric::Utilization]) {
            match host.read("swaps") {
                Ok(text) => self.swaps(text, run),
                Err(fault) => run.fault(fault.cause, 2, || fault.message),
            }
        }
        if self.emitter.points.any_on(&[PagingMetric::Operations, PagingMetric::Faults]) {
            match host.read("vmstat") {
                Ok(text) => self.vmstat(&parse_vmstat(text)),
                Err(fault) => run.fault(fault.cause, 6, || fault.message),
            }
        }
        self.emitter.push(Vec::new(), run);
        Ok(())
    }
}

/// `name type size used priority`: the name and bytes. The kernel writes blanks in names as `\040`.
fn parse_swap(line: &[u8]) -> Option<(Str, u64, u64)> {
    let mut fields = fields(line);
    let name = Str::from_utf8_lossy(&super::parse::unescape(fields.next()?));
    fields.next()?;
    let mut bytes = || Some(next_number(&mut fields)?.saturating_mul(1024));
    Some((name, bytes()?, bytes()?))
}

fn parse_vmstat(text: &[u8]) -> Vmstat {
    let mut vmstat = Vmstat::default();
    for (key, value) in lines(text).filter(|line| line.starts_with(b"p")).filter_map(keyed) {
        match key {
            b"pgpgin" => vmstat.pgpgin = value,
            b"pgpgout" => vmstat.pgpgout = value,
            b"pswpin" => vmstat.pswpin = value,
            b"pswpout" => vmstat.pswpout = value,
            b"pgfault" => vmstat.pgfault = value,
            b"pgmajfault" => vmstat.pgmajfault = value,
            _ => {}
        }
    }
    vmstat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_files_with_blanks_in_their_names_are_understood() {
        let line = b"/var/swap\\040file                       file\t\t2048\t\t512\t\t-2";
        assert_eq!(parse_swap(line), Some(("/var/swap file".into(), 2 << 20, 512 << 10)));
        for line in ["/dev/x partition 12", "/dev/x", "", "/dev/x partition -1 0 -2"] {
            assert_eq!(parse_swap(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn counters_that_the_kernel_does_not_have_are_zero() {
        assert_eq!(parse_vmstat(b"pgfault 7\npgmajfault"), Vmstat { pgfault: 7, ..Vmstat::default() });
    }
}
