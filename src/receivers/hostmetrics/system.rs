//! The `system` scraper: `/proc/uptime`.

use super::emitter::{Emitter, HostScraper};
use super::host::Host;
use super::parse::{fields, fraction};
use crate::metric_table;
use crate::receivers::scraper::{Fault, Run};
use crate::receivers::switches::Switches;

metric_table! {
    pub enum SystemMetric {
        Uptime: Gauge Double on "system.uptime" "s" [] "The time the system has been running";
    }
}

pub struct System {
    emitter: Emitter<SystemMetric>,
}

impl System {
    pub fn new(switches: &Switches, version: &str) -> Self {
        Self { emitter: Emitter::new("system", switches, version) }
    }
}

impl HostScraper for System {
    fn scrape(&mut self, host: &mut Host, run: &mut Run<'_>) -> Result<(), Fault> {
        self.emitter.begin(host, run);
        let text = host.read("uptime")?;
        let uptime = fields(text)
            .next()
            .and_then(fraction)
            .ok_or_else(|| Fault::new("uptime", "cannot understand /proc/uptime"))?;
        self.emitter.points.double(SystemMetric::Uptime, [], uptime);
        self.emitter.push(Vec::new(), run);
        Ok(())
    }
}
