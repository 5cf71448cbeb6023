//! The `memory` scraper: `/proc/meminfo`.

use super::emitter::{Emitter, HostScraper};
use super::host::Host;
use super::parse::{keyed, lines};
use crate::metric_table;
use crate::otlp::{KeyValue, Str};
use crate::receivers::scraper::{Fault, Run};
use crate::receivers::switches::Switches;

metric_table! {
    pub enum MemoryMetric {
        Limit: UpDown Int off "system.memory.limit" "By" [] "Total bytes of memory available.";
        Usage: UpDown Int on "system.memory.usage" "By" ["state"] "Bytes of memory in use.";
        Utilization: Gauge Double off "system.memory.utilization" "1" ["state"]
            "Percentage of memory bytes in use.";
        Available: UpDown Int off "system.linux.memory.available" "By" []
            "An estimate of how much memory is available for starting new applications, without swapping. This is a more accurate alternative than system.memory.usage with state=free. (Linux only)";
        Dirty: UpDown Int off "system.linux.memory.dirty" "By" []
            "The amount of dirty memory according to `/proc/meminfo`.";
        PageSize: Gauge Int off "system.memory.page_size" "By" []
            "A constant value for the system's configured page size.";
        Shared: UpDown Int off "system.memory.linux.shared" "By" []
            "Shared memory usage, including tmpfs filesystems and System V/POSIX shared memory.";
        HugepagesLimit: UpDown Int off "system.memory.linux.hugepages.limit" "{page}" []
            "Total number of hugepages available.";
        HugepagesPageSize: UpDown Int off "system.memory.linux.hugepages.page_size" "By" []
            "System hugepage size in bytes.";
        HugepagesReserved: UpDown Int off "system.memory.linux.hugepages.reserved" "{page}" []
            "Number of reserved hugepages.";
        HugepagesSurplus: UpDown Int off "system.memory.linux.hugepages.surplus" "{page}" []
            "Number of surplus hugepages.";
        HugepagesUsage: UpDown Int off "system.memory.linux.hugepages.usage" "{page}" ["state"]
            "Number of hugepages in use by state.";
        HugepagesUtilization: Gauge Double off "system.memory.linux.hugepages.utilization" "1" ["state"]
            "Percentage of hugepages in use by state.";
    }
}

pub struct Memory {
    emitter: Emitter<MemoryMetric>,
}

/// What `/proc/meminfo` says; bytes, huge pages in pages. What it does not say is 0.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Meminfo {
    pub total: u64,
    free: u64,
    available: Option<u64>,
    buffers: u64,
    page_cache: u64,
    slab_reclaimable: u64,
    slab_unreclaimable: u64,
    dirty: u64,
    shared: u64,
    hugepages_total: u64,
    hugepages_free: u64,
    hugepages_reserved: u64,
    hugepages_surplus: u64,
    hugepage_size: u64,
}

impl Memory {
    pub fn new(switches: &Switches, version: &str) -> Self {
        Self { emitter: Emitter::new("memory", switches, version) }
    }
}

impl HostScraper for Memory {
    fn scrape(&mut self, host: &mut Host, run: &mut Run<'_>) -> Result<(), Fault> {
        self.emitter.begin(host, run);
        let memory = Meminfo::parse(host.read("meminfo")?);
        if memory.total == 0 {
            return Err(Fault::new("MemTotal", "invalid total memory: /proc/meminfo has no MemTotal"));
        }
        let points = &mut self.emitter.points;
        for (state, bytes) in memory.states() {
            points.int(MemoryMetric::Usage, [state_attribute(state)], bytes);
            let share = bytes as f64 / memory.total as f64;
            points.double(MemoryMetric::Utilization, [state_attribute(state)], share);
        }
        points.int(MemoryMetric::Limit, [], memory.total);
        if let Some(available) = memory.available {
            points.int(MemoryMetric::Available, [], available);
        }
        points.int(MemoryMetric::Dirty, [], memory.dirty);
        points.int(MemoryMetric::PageSize, [], host.page_size);
        points.int(MemoryMetric::Shared, [], memory.shared);
        points.int(MemoryMetric::HugepagesLimit, [], memory.hugepages_total);
        points.int(MemoryMetric::HugepagesPageSize, [], memory.hugepage_size);
        points.int(MemoryMetric::HugepagesReserved, [], memory.hugepages_reserved);
        points.int(MemoryMetric::HugepagesSurplus, [], memory.hugepages_surplus);
        let used = memory.hugepages_total.saturating_sub(memory.hugepages_free);
        for (state, pages) in [("free", memory.hugepages_free), ("used", used)] {
            points.int(MemoryMetric::HugepagesUsage, [state_attribute(state)], pages);
            if memory.hugepages_total > 0 {
                let share = pages as f64 / memory.hugepages_total as f64;
                points.double(MemoryMetric::HugepagesUtilization, [state_attribute(state)], share);
            }
        }
        self.emitter.push(Vec::new(), run);
        Ok(())
    }
}

impl Meminfo {
    pub fn parse(text: &[u8]) -> Self {
        let mut memory = Self::default();
        for (key, value) in lines(text).filter_map(keyed) {
            let bytes = value.saturating_mul(1024);
            match key {
                b"MemTotal" => memory.total = bytes,
                b"MemFree" => memory.free = bytes,
                b"MemAvailable" => memory.available = Some(bytes),
                b"Buffers" => memory.buffers = bytes,
                b"Cached" => memory.page_cache = bytes,
                b"Dirty" => memory.dirty = bytes,
                b"Shmem" => memory.shared = bytes,
                b"SReclaimable" => memory.slab_reclaimable = bytes,
                b"SUnreclaim" => memory.slab_unreclaimable = bytes,
                b"HugePages_Total" => memory.hugepages_total = value,
                b"HugePages_Free" => memory.hugepages_free = value,
                b"HugePages_Rsvd" => memory.hugepages_reserved = value,
                b"HugePages_Surp" => memory.hugepages_surplus = value,
                b"Hugepagesize" => memory.hugepage_size = bytes,
                _ => {}
            }
        }
        memory
    }

    /// Reclaimable slab is counted as cached as well, so the states do not add up to the total.
    fn states(&self) -> [(&'static str, u64); 6] {
        let cached = self.page_cache.saturating_add(self.slab_reclaimable);
        let used = self.total.saturating_sub(self.free).saturating_sub(self.buffers).saturating_sub(cached);
        [
            ("used", used),
            ("free", self.free),
            ("buffered", self.buffers),
            ("cached", cached),
            ("slab_reclaimable", self.slab_reclaimable),
            ("slab_unreclaimable", self.slab_unreclaimable),
        ]
    }
}

fn state_attribute(state: &'static str) -> KeyValue {
    KeyValue::fixed("state", Str::const_new(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_is_what_is_neither_free_nor_buffers_nor_cache_and_never_negative() {
        let memory = Meminfo::parse(
            b"MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 20 kB\nSReclaimable: 15 kB\n",
        );
        assert_eq!(memory.states()[0], ("used", 50 * 1024));
        assert_eq!(memory.states()[3], ("cached", 35 * 1024));
        let memory = Meminfo::parse(b"MemTotal: 1 kB\nMemFree: 18446744073709551615 kB\nCached: x\nBuff");
        assert_eq!(memory.states()[0], ("used", 0));
    }
}
