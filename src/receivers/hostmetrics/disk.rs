//! The `disk` scraper: `/proc/diskstats`.

use serde::Deserialize;

use super::emitter::{Emitter, HostScraper};
use super::filter::{Filter, name_list};
use super::host::Host;
use super::null_is_default;
use super::parse::{fields, lines, next_number};
use crate::component::BuildError;
use crate::config::Issues;
use crate::metric_table;
use crate::otlp::{KeyValue, Str};
use crate::receivers::scraper::{Cause, Fault, Run};
use crate::receivers::switches::Switches;

name_list!(Devices, devices);

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskConfig {
    #[serde(deserialize_with = "null_is_default")]
    include: Devices,
    #[serde(deserialize_with = "null_is_default")]
    exclude: Devices,
    #[serde(deserialize_with = "null_is_default")]
    pub metrics: Switches,
}

impl DiskConfig {
    pub fn validate(&self, path: &str, issues: &mut Issues) {
        self.include.names().validate(&format!("{path}::include"), issues);
        self.exclude.names().validate(&format!("{path}::exclude"), issues);
    }
}

metric_table! {
    pub enum DiskMetric {
        Io: Counter Int on "system.disk.io" "By" ["device", "direction"] "Disk bytes transferred.";
        Operations: Counter Int on "system.disk.operations" "{operations}" ["device", "direction"]
            "Disk operations count.";
        IoTime: Counter Double on "system.disk.io_time" "s" ["device"]
            "Time disk spent activated. On Windows, this is calculated as the inverse of disk idle time.";
        OperationTime: Counter Double on "system.disk.operation_time" "s" ["device", "direction"]
            "Time spent in disk operations.";
        WeightedIoTime: Counter Double on "system.disk.weighted_io_time" "s" ["device"]
            "Time disk spent activated multiplied by the queue length.";
        PendingOperations: UpDown Int on "system.disk.pending_operations" "{operations}" ["device"]
            "The queue size of pending I/O operations.";
        Merged: Counter Int on "system.disk.merged" "{operations}" ["device", "direction"]
            "The number of disk reads/writes merged into single physical disk access operations.";
    }
}

/// The unit of sectors in `/proc/diskstats`, whatever the device's own is.
const SECTOR: u64 = 512;

pub struct Disk {
    emitter: Emitter<DiskMetric>,
    filter: Filter,
}

/// One line of `/proc/diskstats`; times in milliseconds.
#[derive(Debug, PartialEq, Eq)]
struct Device<'a> {
    name: &'a str,
    read: Transfers,
    write: Transfers,
    in_flight: u64,
    io_time: u64,
    weighted_io_time: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Transfers {
    operations: u64,
    merged: u64,
    sectors: u64,
    time: u64,
}

impl Disk {
    pub fn new(config: &DiskConfig, version: &str) -> Result<Self, BuildError> {
        Ok(Self {
            emitter: Emitter::new("disk", &config.metrics, version),
            filter: Filter::new(config.include.names(), config.exclude.names())?,
        })
    }

    fn record(&mut self, device: &Device<'_>) {
        let points = &mut self.emitter.points;
        let name = Str::new(device.name);
        let device_attribute = || KeyValue::fixed("device", name.clone());
        for (direction, transfers) in [("read", &device.read), ("write", &device.write)] {
            let both = || [device_attribute(), KeyValue::fixed("direction", Str::const_new(direction))];
            points.int(DiskMetric::Io, both(), transfers.sectors.saturating_mul(SECTOR));
            points.int(DiskMetric::Operations, both(), transfers.operations);
            points.int(DiskMetric::Merged, both(), transfers.merged);
            points.double(DiskMetric::OperationTime, both(), seconds(transfers.time));
        }
        points.double(DiskMetric::IoTime, [device_attribute()], seconds(device.io_time));
        points.double(DiskMetric::WeightedIoTime, [device_attribute()], seconds(device.weighted_io_time));
        points.int(DiskMetric::PendingOperations, [device_attribute()], device.in_flight);
    }
}

impl HostScraper for Disk {
    fn scrape(&mut self, host: &mut Host, run: &mut Run<'_>) -> Result<(), Fault> {
        self.emitter.begin(host, run);
        for line in lines(host.read("diskstats")?) {
            match parse_device(line) {
                Some(device) if self.filter.wants(device.name) => self.record(&device),
                Some(_) => {}
                None => run.fault(Cause::new("diskstats line"), DiskMetric::POINTS, || {
                    format!("cannot understand \"{}\" in /proc/diskstats", String::from_utf8_lossy(line))
                }),
            }
        }
        self.emitter.push(Vec::new(), run);
        Ok(())
    }
}

impl DiskMetric {
    /// Data points of one device.
    const POINTS: u64 = 11;
}

/// `major minor name`, four numbers each of reads and writes, in flight, I/O time, weighted time;
/// newer kernels add more.
fn parse_device(line: &[u8]) -> Option<Device<'_>> {
    let mut fields = fields(line);
    let name = std::str::from_utf8(fields.nth(2)?).ok()?;
    let mut next = || next_number(&mut fields);
    let mut transfers =
        || Some(Transfers { operations: next()?, merged: next()?, sectors: next()?, time: next()? });
    let (read, write) = (transfers()?, transfers()?);
    Some(Device { name, read, write, in_flight: next()?, io_time: next()?, weighted_io_time: next()? })
}

fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_kernel_since_2_6_are_understood_and_cut_ones_are_not() {
        let line = b" 253       0 vda 1 2 3 4 5 6 7 8 9 10 11";
        let device = parse_device(line).unwrap();
        assert_eq!((device.name, device.read.sectors, device.write.operations), ("vda", 3, 5));
        assert_eq!((device.in_flight, device.io_time, device.weighted_io_time), (9, 10, 11));
        assert!(parse_device(b" 253 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17").is_some());
        for line in ["", "253 0 vda", "253 0 vda 1 2 3 4 5 6 7 8 9 10", "253 0 vda 1 2 -3 4 5 6 7 8 9 10 11"]
        {
            assert_eq!(parse_device(line.as_bytes()), None, "{line}");
        }
    }
}
