//! The `process` scraper: one resource per process, from `/proc/<pid>`.

mod identity;
mod known;
mod reader;
pub mod stat;

use std::time::Duration;

use serde::Deserialize;

pub use self::identity::ATTRIBUTES;
use self::identity::Attributes;
use self::known::{CpuTime, Known};
use self::reader::Reader;
use self::stat::Task;
use super::emitter::{Emitter, HostScraper};
use super::filter::{Filter, name_list};
use super::host::{Host, USER_HZ};
use super::memory::Meminfo;
use super::null_is_default;
use crate::component::BuildError;
use crate::config::{Issues, types};
use crate::metric_table;
use crate::otlp::{KeyValue, Str};
use crate::receivers::scraper::{Cause, Fault, Run};
use crate::receivers::switches::Switches;

name_list!(Executables, names);

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessConfig {
    #[serde(deserialize_with = "null_is_default")]
    include: Executables,
    #[serde(deserialize_with = "null_is_default")]
    exclude: Executables,
    mute_process_name_error: bool,
    mute_process_exe_error: bool,
    mute_process_io_error: bool,
    mute_process_user_error: bool,
    mute_process_cgroup_error: bool,
    mute_process_all_errors: bool,
    /// Processes younger than this are left out.
    #[serde(deserialize_with = "types::duration")]
    scrape_process_delay: Duration,
    #[serde(deserialize_with = "null_is_default")]
    resource_attributes: Switches,
    #[serde(deserialize_with = "null_is_default")]
    pub metrics: Switches,
}

impl ProcessConfig {
    pub fn validate(&self, path: &str, issues: &mut Issues) {
        self.include.names().validate(&format!("{path}::include"), issues);
        self.exclude.names().validate(&format!("{path}::exclude"), issues);
        let known = ATTRIBUTES.iter().map(|(name, ..)| *name);
        self.resource_attributes.check(
            "resource attribute",
            known,
            &format!("{path}::resource_attributes"),
            issues,
        );
    }
}

metric_table! {
    #[allow(dead_code, reason = "handles are Windows' own: known to the config, never emitted here")]
    pub enum ProcessMetric {
        CpuTime: Counter Double on "process.cpu.time" "s" ["state"]
            "Total CPU seconds broken down by different states.";
        CpuUtilization: Gauge Double off "process.cpu.utilization" "1" ["state"]
            "Percentage of total CPU time used by the process since last scrape, expressed as a value between 0 and 1. On the first scrape, no data point is emitted for this metric.";
        MemoryUsage: UpDown Int on "process.memory.usage" "By" []
            "The amount of physical memory in use.";
        MemoryVirtual: UpDown Int on "process.memory.virtual" "By" [] "Virtual memory size.";
        MemoryUtilization: Gauge Double off "process.memory.utilization" "1" []
            "Percentage of total physical memory that is used by the process.";
        DiskIo: Counter Int on "process.disk.io" "By" ["direction"] "Disk bytes transferred.";
        PagingFaults: Counter Int off "process.paging.faults" "{faults}" ["type"]
            "Number of page faults the process has made.";
        SignalsPending: UpDown Int off "process.signals_pending" "{signals}" []
            "Number of pending signals for the process.";
        Threads: UpDown Int off "process.threads" "{threads}" [] "Process threads count.";
        OpenFileDescriptors: UpDown Int off "process.open_file_descriptors" "{count}" []
            "Number of file descriptors in use by the process.";
        Handles: UpDown Int off "process.handles" "{count}" []
            "Number of handles held by the process.";
        ContextSwitches: Counter Int off "process.context_switches" "{count}" ["type"]
            "Number of times the process has been context switched.";
        DiskOperations: Counter Int off "process.disk.operations" "{operations}" ["direction"]
            "Number of disk operations performed by the process.";
        Uptime: Gauge Double off "process.uptime" "s" [] "The time the process has been running.";
    }
}

pub struct Process {
    emitter: Emitter<ProcessMetric>,
    filter: Filter,
    delay: Duration,
    known: Known,
    reader: Reader,
}

impl Process {
    pub fn new(config: &ProcessConfig, version: &str) -> Result<Self, BuildError> {
        let muted = |mute: bool| mute || config.mute_process_all_errors;
        Ok(Self {
            emitter: Emitter::new("process", &config.metrics, version),
            filter: Filter::new(config.include.names(), config.exclude.names())?,
            delay: config.scrape_process_delay,
            known: Known::default(),
            reader: Reader::new(
                Attributes::new(&config.resource_attributes),
                reader::Muted {
                    exe: muted(config.mute_process_exe_error),
                    io: muted(config.mute_process_io_error),
                    user: muted(config.mute_process_user_error),
                    cgroup: muted(config.mute_process_cgroup_error),
                    command: muted(config.mute_process_name_error),
                    other: config.mute_process_all_errors,
                },
            ),
        })
    }

    fn scrape_task(&mut self, task: &Task, total_memory: Option<u64>, host: &Host, run: &mut Run<'_>) {
        let now = run.now();
        let start = host.time_of(task.started);
        if now.saturating_sub(start) < self.delay.as_nanos() as u64 {
            return;
        }
        let visit = self.known.visit(task);
        let Some(identity) = self.reader.identify(task, visit, now.saturating_sub(start), host, run) else {
            return;
        };
        if !self.filter.wants(&identity.name) {
            return;
        }
        let resource = identity.resource(task, &self.reader.attributes);

        self.emitter.points.at(start, now);
        let cpu = CpuTime::of(task);
        let previous = self.known.replace_cpu(task.pid, cpu, now);
        self.record_stat(task, total_memory, host, now.saturating_sub(start));
        if let Some((before, then)) = previous {
            let elapsed = now.saturating_sub(then) as f64 / 1e9;
            for ((state, ticks), (_, before)) in cpu.states().into_iter().zip(before.states()) {
                let seconds = ticks.saturating_sub(before) as f64 / USER_HZ as f64;
                let share = if elapsed > 0.0 { seconds / elapsed } else { 0.0 };
                self.emitter.points.double(ProcessMetric::CpuUtilization, [fixed("state", state)], share);
            }
        }
        self.record_files(task, host, run);
        self.emitter.push(resource, run);
    }

    /// What `/proc/<pid>/stat` tells.
    fn record_stat(&mut self, task: &Task, total_memory: Option<u64>, host: &Host, age: u64) {
        let points = &mut self.emitter.points;
        for (state, ticks) in CpuTime::of(task).states() {
            let seconds = ticks as f64 / USER_HZ as f64;
            points.double(ProcessMetric::CpuTime, [fixed("state", state)], seconds);
        }
        let resident = task.resident_pages.saturating_mul(host.page_size);
        points.int(ProcessMetric::MemoryUsage, [], resident);
        points.int(ProcessMetric::MemoryVirtual, [], task.virtual_bytes);
        if let Some(total) = total_memory.filter(|total| *total > 0) {
            points.double(ProcessMetric::MemoryUtilization, [], resident as f64 / total as f64 * 100.0);
        }
        for (kind, faults) in [("major", task.major_faults), ("minor", task.minor_faults)] {
            points.int(ProcessMetric::PagingFaults, [fixed("type", kind)], faults);
        }
        points.int(ProcessMetric::Threads, [], task.threads);
        points.double(ProcessMetric::Uptime, [], age as f64 / 1e9);
    }

    /// What further files tell; each is read only when one of its metrics is on.
    fn record_files(&mut self, task: &Task, host: &Host, run: &mut Run<'_>) {
        use ProcessMetric::{ContextSwitches, DiskIo, DiskOperations, OpenFileDescriptors, SignalsPending};
        let points = &mut self.emitter.points;
        if points.any_on(&[DiskIo, DiskOperations])
            && let Some(io) = self.reader.io(task.pid, host, run)
        {
            for (direction, bytes, operations) in
                [("read", io.read_bytes, io.read_calls), ("write", io.write_bytes, io.write_calls)]
            {
                points.int(DiskIo, [fixed("direction", direction)], bytes);
                points.int(DiskOperations, [fixed("direction", direction)], operations);
            }
        }
        if points.any_on(&[ContextSwitches, SignalsPending])
            && let Some(status) = self.reader.status(task.pid, host, run)
        {
            points.int(SignalsPending, [], status.pending_signals);
            points.int(ContextSwitches, [fixed("type", "involuntary")], status.involuntary_switches);
            points.int(ContextSwitches, [fixed("type", "voluntary")], status.voluntary_switches);
        }
        if points.is_on(OpenFileDescriptors)
            && let Some(open) = self.reader.open_files(task.pid, host, run)
        {
            points.int(OpenFileDescriptors, [], open);
        }
    }
}

impl HostScraper for Process {
    fn scrape(&mut self, host: &mut Host, run: &mut Run<'_>) -> Result<(), Fault> {
        // For the boot time.
        host.kernel_stat()?;
        let total_memory = if self.emitter.points.is_on(ProcessMetric::MemoryUtilization) {
            Some(Meminfo::parse(host.read("meminfo")?).total)
        } else {
            None
        };
        self.reader.begin_scrape(host);
        self.known.begin_scrape();
        let tasks = host.take_tasks(run)?;
        for task in &tasks.all {
            if run.is_over() {
                run.fault(Cause::new("processes not scraped"), 0, || {
                    "the scrape was over before all processes were scraped".to_owned()
                });
                break;
            }
            self.scrape_task(task, total_memory, host, run);
        }
        host.put_tasks(tasks);
        self.known.end_scrape();
        Ok(())
    }
}

fn fixed(key: &'static str, value: &'static str) -> KeyValue {
    KeyValue::fixed(key, Str::const_new(value))
}
