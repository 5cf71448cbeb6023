//! The `load` scraper: `/proc/loadavg`.

use serde::Deserialize;

use super::emitter::{Emitter, HostScraper};
use super::host::Host;
use super::null_is_default;
use super::parse::{fields, fraction};
use crate::metric_table;
use crate::receivers::scraper::{Fault, Run};
use crate::receivers::switches::Switches;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadConfig {
    /// Divide by the number of CPUs that this process may use.
    cpu_average: bool,
    #[serde(deserialize_with = "null_is_default")]
    pub metrics: Switches,
}

metric_table! {
    pub enum LoadMetric {
        Fifteen: Gauge Double on "system.cpu.load_average.15m" "{thread}" []
            "Average CPU Load over 15 minutes.";
        One: Gauge Double on "system.cpu.load_average.1m" "{thread}" []
            "Average CPU Load over 1 minute.";
        Five: Gauge Double on "system.cpu.load_average.5m" "{thread}" []
            "Average CPU Load over 5 minutes.";
    }
}

pub struct Load {
    emitter: Emitter<LoadMetric>,
    divisor: f64,
}

impl Load {
    pub fn new(config: &LoadConfig, version: &str) -> Self {
        let divisor = if config.cpu_average { f64::from(usable_cpus()) } else { 1.0 };
        Self { emitter: Emitter::new("load", &config.metrics, version), divisor }
    }
}

impl HostScraper for Load {
    fn scrape(&mut self, host: &mut Host, run: &mut Run<'_>) -> Result<(), Fault> {
        self.emitter.begin(host, run);
        let text = host.read("loadavg")?;
        let [one, five, fifteen] = parse_loadavg(text).ok_or_else(|| {
            Fault::new(
                "loadavg",
                format!("cannot understand /proc/loadavg: \"{}\"", String::from_utf8_lossy(text)),
            )
        })?;
        let points = &mut self.emitter.points;
        points.double(LoadMetric::One, [], one / self.divisor);
        points.double(LoadMetric::Five, [], five / self.divisor);
        points.double(LoadMetric::Fifteen, [], fifteen / self.divisor);
        self.emitter.push(Vec::new(), run);
        Ok(())
    }
}

/// The averages over 1, 5 and 15 minutes.
fn parse_loadavg(text: &[u8]) -> Option<[f64; 3]> {
    let mut fields = fields(text);
    Some([fraction(fields.next()?)?, fraction(fields.next()?)?, fraction(fields.next()?)?])
}

/// CPUs in this process's affinity mask.
fn usable_cpus() -> u32 {
    rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_or_strange_loadavg_is_an_error_not_a_number() {
        assert_eq!(parse_loadavg(b"0.50 1.25 2.00 1/200 300\n"), Some([0.5, 1.25, 2.0]));
        for text in ["0.5 1.2", "", "a b c", "nan inf 1"] {
            assert_eq!(parse_loadavg(text.as_bytes()), None, "{text}");
        }
    }
}
