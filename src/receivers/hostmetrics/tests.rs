//! The receiver as a whole, on trees of files and against the facts it was made from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::component::NoHost;
use crate::config::{Decoder, Node, from_yaml};
use crate::otlp::build::{MetricInfo, Table};
use crate::otlp::metrics::{Data, ResourceMetrics};
use crate::otlp::{AnyValue, KeyValue};
use crate::pipeline::Stop;
use crate::telemetry::{StatusBoard, Telemetry};

mod facts;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn tables() -> [(&'static str, &'static [MetricInfo]); 11] {
    [
        ("cpu", cpu::CpuMetric::INFOS),
        ("disk", disk::DiskMetric::INFOS),
        ("filesystem", filesystem::FilesystemMetric::INFOS),
        ("load", load::LoadMetric::INFOS),
        ("memory", memory::MemoryMetric::INFOS),
        ("network", network::NetworkMetric::INFOS),
        ("nfs", nfs::NfsMetric::INFOS),
        ("paging", paging::PagingMetric::INFOS),
        ("process", process::ProcessMetric::INFOS),
        ("processes", processes::ProcessesMetric::INFOS),
        ("system", system::SystemMetric::INFOS),
    ]
}

// ---------------------------------------------------------------- scraping a tree of files

struct Scraped {
    scraping: Scraping<HostSource>,
    telemetry: Telemetry,
}

impl Scraped {
    fn new(root: &Path, config: &str) -> Self {
        let config: HostMetricsConfig = from_yaml(config).unwrap();
        let telemetry = Telemetry::new();
        let context = Context {
            id: "hostmetrics".parse().unwrap(),
            pipeline: None,
            telemetry: telemetry.clone(),
            status: StatusBoard::default().handle("receiver:hostmetrics"),
            abort: Stop::never(),
            host: Arc::new(NoHost),
        };
        let paths = Paths::resolve(root.to_str().unwrap(), |_| None).unwrap();
        let scraping = config.scraping(paths, Arc::new(SystemClock), context).unwrap();
        Self { scraping, telemetry }
    }

    fn scrape(&mut self) -> Vec<ResourceMetrics> {
        self.scraping.scrape(&Stop::never())
    }

    /// `metric{attribute=value}`, behind the pid for processes, and the value.
    fn points(&mut self) -> BTreeMap<String, f64> {
        let mut points = BTreeMap::new();
        for resource in &self.scrape() {
            let about = &resource.resource.as_ref().unwrap().attributes;
            let pid = about.iter().find(|entry| entry.key == "process.pid").map(|pid| text(&pid.value) + " ");
            for metric in resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
                let data_points = match metric.data.as_ref().unwrap() {
                    Data::Gauge(gauge) => &gauge.data_points,
                    Data::Sum(sum) => &sum.data_points,
                    other => panic!("{other:?}"),
                };
                for point in data_points {
                    let attributes: Vec<_> = point.attributes.iter().map(pair).collect();
                    let attributes = if attributes.is_empty() {
                        String::new()
                    } else {
                        format!("{{{}}}", attributes.join(","))
                    };
                    let key = format!("{}{}{attributes}", pid.clone().unwrap_or_default(), metric.name);
                    assert!(
                        points.insert(key.clone(), point.value.unwrap().as_f64()).is_none(),
                        "{key} came twice"
                    );
                }
            }
        }
        points
    }

    fn errored(&self) -> u64 {
        self.telemetry.total("otelcol_scraper_errored_metric_points")
    }
}

fn text(value: &AnyValue) -> String {
    match value {
        AnyValue::String(text) => text.to_string(),
        AnyValue::Int(value) => value.to_string(),
        other => panic!("{other:?}"),
    }
}

fn pair(entry: &KeyValue) -> String {
    format!("{}={}", entry.key, text(&entry.value))
}

/// Every metric of every scraper on.
fn everything() -> String {
    use std::fmt::Write;

    let mut config = String::from("scrapers:\n");
    for (scraper, infos) in tables() {
        let _ = writeln!(config, "  {scraper}:");
        if scraper == "process" {
            let _ = writeln!(config, "    resource_attributes: {{process.cgroup: {{enabled: true}}}}");
        }
        let _ = writeln!(config, "    metrics:");
        for info in infos {
            let _ = writeln!(config, "      {}: {{enabled: true}}", info.name);
        }
    }
    config
}

fn expect(points: &BTreeMap<String, f64>, want: &[(&str, f64)]) {
    for (key, want) in want {
        let found = points.get(*key).unwrap_or_else(|| panic!("no {key} in {points:#?}"));
        assert!((found - want).abs() <= 1e-9 * want.abs(), "{key}: {found}, not {want}");
    }
}

#[test]
fn a_host_is_read_to_the_digit() {
    let points = Scraped::new(&fixture("proc/healthy"), &everything()).points();
    let mib = 1024.0 * 1024.0;
    let kib = 1024.0;
    expect(
        &points,
        &[
            ("system.cpu.time{cpu=cpu0,state=user}", 1.0),
            ("system.cpu.time{cpu=cpu0,state=nice}", 0.1),
            ("system.cpu.time{cpu=cpu0,state=system}", 0.5),
            ("system.cpu.time{cpu=cpu1,state=idle}", 10.0),
            ("system.cpu.time{cpu=cpu1,state=wait}", 0.2),
            ("system.cpu.time{cpu=cpu1,state=interrupt}", 0.01),
            ("system.cpu.time{cpu=cpu1,state=softirq}", 0.04),
            ("system.cpu.time{cpu=cpu1,state=steal}", 0.04),
            ("system.cpu.logical.count", 2.0),
            ("system.cpu.physical.count", 1.0),
            ("system.cpu.frequency{cpu=cpu0}", 2_596_140_000.0),
            ("system.cpu.load_average.1m", 0.5),
            ("system.cpu.load_average.5m", 1.25),
            ("system.cpu.load_average.15m", 2.0),
            ("system.uptime", 1234.56),
            ("system.memory.limit", 1_000_000.0 * kib),
            ("system.memory.usage{state=used}", 430_000.0 * kib),
            ("system.memory.usage{state=cached}", 320_000.0 * kib),
            ("system.memory.utilization{state=free}", 0.2),
            ("system.linux.memory.available", 600_000.0 * kib),
            ("system.linux.memory.dirty", 12.0 * kib),
            ("system.memory.linux.shared", 34.0 * kib),
            ("system.memory.linux.hugepages.limit", 4.0),
            ("system.memory.linux.hugepages.page_size", 2.0 * mib),
            ("system.memory.linux.hugepages.reserved", 1.0),
            ("system.memory.linux.hugepages.usage{state=used}", 1.0),
            ("system.memory.linux.hugepages.utilization{state=free}", 0.75),
            ("system.disk.io{device=vda,direction=read}", 30.0 * 512.0),
            ("system.disk.io{device=vda,direction=write}", 70.0 * 512.0),
            ("system.disk.operations{device=vda,direction=write}", 50.0),
            ("system.disk.merged{device=vda,direction=read}", 20.0),
            ("system.disk.operation_time{device=vda,direction=read}", 0.04),
            ("system.disk.io_time{device=vda}", 1.0),
            ("system.disk.weighted_io_time{device=vda}", 1.1),
            ("system.disk.pending_operations{device=vda}", 9.0),
            ("system.disk.io_time{device=loop0}", 0.0),
            ("system.network.io{device=eth0,direction=transmit}", 2000.0),
            ("system.network.packets{device=eth0,direction=receive}", 10.0),
            ("system.network.errors{device=eth0,direction=transmit}", 3.0),
            ("system.network.dropped{device=eth0,direction=receive}", 2.0),
            ("system.network.io{device=lo,direction=receive}", 3293.0),
            ("system.network.connections{protocol=tcp,state=LISTEN}", 2.0),
            ("system.network.connections{protocol=tcp,state=ESTABLISHED}", 1.0),
            ("system.network.connections{protocol=tcp,state=FIN_WAIT1}", 1.0),
            ("system.network.connections{protocol=tcp,state=FIN_WAIT_1}", 0.0),
            ("system.network.connections{protocol=tcp,state=DELETE}", 0.0),
            ("system.network.conntrack.count", 17.0),
            ("system.network.conntrack.max", 262_144.0),
            ("system.nfs.net.tcp.connection.count", 4.0),
            ("system.nfs.rpc.retransmit.count", 5.0),
            ("system.nfs.procedure.count{rpc.onc.version=3,rpc.onc.procedure.name=COMMIT}", 3.0),
            ("system.nfs.operation.count{rpc.onc.version=4,rpc.nfs.operation.name=WRITE}", 12.0),
            ("system.nfsd.repcache.nocache", 3.0),
            ("system.nfsd.io.write.count", 8192.0),
            ("system.nfsd.thread.count", 8.0),
            ("system.nfsd.rpc.badclient.count", 4.0),
            ("system.nfsd.procedure.count{rpc.onc.version=4,rpc.onc.procedure.name=COMPOUND}", 6.0),
            ("system.nfsd.operation.count{rpc.onc.version=4,rpc.nfs.operation.name=GETATTR}", 91.0),
            ("system.paging.usage{device=/dev/vdd,state=used}", 256.0 * kib),
            ("system.paging.usage{device=/dev/vdd,state=free}", 768.0 * kib),
            ("system.paging.utilization{device=/dev/vdd,state=used}", 0.25),
            ("system.paging.operations{direction=page_in,type=major}", 13.0 * 4096.0),
            ("system.paging.operations{direction=page_out,type=minor}", 12.0 * 4096.0),
            ("system.paging.faults{type=major}", 5.0 * 4096.0),
            ("system.paging.faults{type=minor}", 15.0 * 4096.0),
            ("system.processes.created", 21687.0),
            ("system.processes.count{status=running}", 2.0),
            ("system.processes.count{status=blocked}", 1.0),
            ("system.processes.count{status=sleeping}", 1.0),
            ("system.processes.count{status=idle}", 1.0),
            ("1 process.cpu.time{state=user}", 0.5),
            ("1 process.cpu.time{state=system}", 0.6),
            ("1 process.cpu.time{state=wait}", 0.42),
            ("1 process.memory.virtual", 4_096_000.0),
            ("1 process.memory.usage", 250.0 * rustix::param::page_size() as f64),
            ("1 process.disk.io{direction=write}", 8192.0),
            ("1 process.disk.operations{direction=read}", 3.0),
            ("1 process.paging.faults{type=major}", 3.0),
            ("1 process.paging.faults{type=minor}", 100.0),
            ("1 process.threads", 9.0),
            ("1 process.context_switches{type=voluntary}", 5.0),
            ("1 process.context_switches{type=involuntary}", 6.0),
            ("1 process.signals_pending", 0.0),
            ("100 process.cpu.time{state=user}", 0.07),
        ],
    );
    assert!(!points.keys().any(|key| key.starts_with("system.processes.count{status=unknown}")));
    assert!(!points.keys().any(|key| key.contains("utilization{cpu=")), "no utilization from one reading");
    assert!(!points.keys().any(|key| key.starts_with("300 ")), "a process that is gone");
}

#[test]
fn only_filesystems_on_devices_are_read_and_a_bad_mount_costs_no_other() {
    let mut host = Scraped::new(&fixture("proc/healthy"), "scrapers: {filesystem: {}}");
    let points = host.points();
    for key in [
        "system.filesystem.usage{device=/dev/vda1,mode=rw,mountpoint=/,type=ext4,state=used}",
        "system.filesystem.usage{device=/dev/vdb,mode=ro,mountpoint=/data,type=xfs,state=reserved}",
        "system.filesystem.inodes.usage{device=/dev/vdb,mode=ro,mountpoint=/data,type=xfs,state=free}",
    ] {
        assert!(points.contains_key(key), "no {key} in {points:#?}");
    }
    assert_eq!(points.len(), 10, "{points:#?}");
    assert_eq!(host.errored(), 5, "/no such place has no points");
}

#[test]
fn excluded_mounts_are_not_even_asked() {
    let config = "scrapers: {filesystem: {include_virtual_filesystems: true, exclude_mount_points: {match_type: regexp, mount_points: ['/no .*', '^/$']}, exclude_fs_types: {match_type: strict, fs_types: [proc, tmpfs]}}}";
    let mut host = Scraped::new(&fixture("proc/healthy"), config);
    assert!(host.points().keys().all(|key| key.contains("mountpoint=/data,")));
    assert_eq!(host.errored(), 0);
}

#[test]
fn every_scraper_has_its_scope_and_every_process_its_resource() {
    let metrics = Scraped::new(&fixture("proc/healthy"), &everything()).scrape();
    for resource in &metrics {
        assert_eq!(resource.schema_url, "https://opentelemetry.io/schemas/1.9.0");
        let scope = resource.scope_metrics[0].scope.as_ref().unwrap();
        assert!(scope.name.starts_with("github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver/internal/scraper/"));
        assert_eq!(scope.version, env!("CARGO_PKG_VERSION"));
    }
    // Process 200 has no cgroup file: it is skipped, like one that has ended.
    assert_eq!(metrics.len(), 10 + 2);
    let of = |pid: i64| -> BTreeMap<String, String> {
        let resource = metrics
            .iter()
            .map(|resource| &resource.resource.as_ref().unwrap().attributes)
            .find(|attributes| attributes.contains(&KeyValue::fixed("process.pid", pid)))
            .unwrap();
        resource.iter().map(|entry| (entry.key.to_string(), text(&entry.value))).collect()
    };
    let init = of(1);
    assert_eq!(init["process.executable.path"], "/sbin/init");
    assert_eq!((init["process.owner"].as_str(), init["process.cgroup"].as_str()), ("root", "0::/init.scope"));
}

#[test]
fn processes_with_odd_names_and_arguments_are_told_apart() {
    let config = "scrapers: {process: {resource_attributes: {process.parent_pid: {enabled: false}}}}";
    let metrics = Scraped::new(&fixture("proc/healthy"), config).scrape();
    let attributes: Vec<Vec<String>> = metrics
        .iter()
        .map(|resource| resource.resource.as_ref().unwrap().attributes.iter().map(pair).collect())
        .collect();
    assert!(attributes.contains(&vec![
        "process.pid=100".into(),
        "process.executable.name=tmux: server (1) S 2".into(),
        "process.executable.path=/usr/bin/tmux".into(),
        "process.command=/usr/bin/tmux".into(),
        "process.command_line=/usr/bin/tmux new session \u{fffd}\u{fffd}".into(),
        "process.owner=alice".into(),
    ]));
    assert!(attributes.contains(&vec![
        "process.pid=200".into(),
        "process.executable.name=kworker/0:1-events".into(),
        "process.executable.path=".into(),
        "process.command=".into(),
        "process.command_line=".into(),
        "process.owner=root".into(),
    ]));
}

#[test]
fn sums_count_from_boot_and_those_of_a_process_from_its_start() {
    let metrics =
        Scraped::new(&fixture("proc/healthy"), "scrapers: {cpu: {}, load: {}, process: {}}").scrape();
    let start = |name: &str, place: usize| {
        let metric = metrics
            .iter()
            .flat_map(|resource| &resource.scope_metrics[0].metrics)
            .filter(|metric| metric.name == name)
            .nth(place)
            .unwrap();
        match metric.data.as_ref().unwrap() {
            Data::Sum(sum) => sum.data_points[0].start_time_unix_nano,
            Data::Gauge(gauge) => gauge.data_points[0].start_time_unix_nano,
            other => panic!("{other:?}"),
        }
    };
    let boot = 1_700_000_000_000_000_000;
    assert_eq!(start("system.cpu.time", 0), boot);
    assert_eq!(start("system.cpu.load_average.1m", 0), 0);
    let mut starts: Vec<_> = (0..3).map(|place| start("process.memory.usage", place)).collect();
    starts.sort_unstable();
    assert_eq!(starts, [boot + 10_000_000_000, boot + 20_000_000_000, boot + 30_000_000_000]);
}

#[test]
fn processes_are_chosen_by_name_and_age() {
    let names = |config: &str| -> Vec<String> {
        let points = Scraped::new(&fixture("proc/healthy"), config).points();
        points.keys().filter(|key| key.ends_with("process.threads")).cloned().collect()
    };
    let on = "metrics: {process.threads: {enabled: true}}";
    let include =
        "include: {match_type: regexp, names: ['^tmux', init]}, exclude: {match_type: strict, names: [init]}";
    assert_eq!(names(&format!("scrapers: {{process: {{{include}, {on}}}}}")), ["100 process.threads"]);
    assert_eq!(names(&format!("scrapers: {{process: {{scrape_process_delay: 500000h, {on}}}}}")).len(), 0);
}

#[test]
fn nothing_hostile_in_proc_is_more_than_an_error() {
    let mut host = Scraped::new(&fixture("proc/hostile"), &everything());
    for _ in 0..3 {
        let points = host.points();
        expect(
            &points,
            &[
                ("system.cpu.time{cpu=cpu2,state=user}", 0.01),
                ("system.memory.usage{state=used}", 0.0),
                ("system.disk.io{device=vdc,direction=read}", i64::MAX as f64),
                ("system.paging.faults{type=minor}", 0.0),
                ("7 process.cpu.time{state=user}", u64::MAX as f64 / 100.0),
            ],
        );
        assert!(!points.keys().any(|key| key.contains("device=vda,") || key.contains("cpu=cpu0")));
        assert!(points.keys().any(|key| key.starts_with("9 ")), "{points:#?}");
    }
    assert!(host.errored() > 0);
}

#[test]
fn a_tree_without_any_file_is_an_error_of_each_scraper_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("proc")).unwrap();
    let mut host = Scraped::new(root.path(), &everything());
    let points = host.points();
    assert!(points.keys().all(|key| key.starts_with("system.network.conn")), "{points:#?}");
}

#[test]
fn an_unplugged_cpu_costs_its_own_points_and_comes_back() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("proc")).unwrap();
    let write = |text: &str| std::fs::write(root.path().join("proc/stat"), text).unwrap();
    let config = "scrapers: {cpu: {metrics: {system.cpu.utilization: {enabled: true}}}}";
    write("cpu0 0 0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\n");
    let mut host = Scraped::new(root.path(), config);
    host.points();
    write("cpu0 50 0 0 50 0 0 0 0 0 0\n");
    let points = host.points();
    expect(&points, &[("system.cpu.utilization{cpu=cpu0,state=user}", 0.5)]);
    assert!(!points.keys().any(|key| key.contains("cpu1")));
    assert_eq!(host.errored(), 8);
    write("cpu0 50 0 0 150 0 0 0 0 0 0\ncpu1 75 0 0 25 0 0 0 0 0 0\n");
    expect(
        &host.points(),
        &[
            ("system.cpu.utilization{cpu=cpu0,state=user}", 0.0),
            ("system.cpu.utilization{cpu=cpu0,state=idle}", 1.0),
            ("system.cpu.utilization{cpu=cpu1,state=user}", 0.75),
        ],
    );
    assert_eq!(host.errored(), 8);
}

#[test]
fn a_wavering_boot_time_does_not_move_the_start_of_series_but_a_step_of_the_clock_does() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("proc")).unwrap();
    let start_with = |host: &mut Scraped, btime: u64| {
        let text = format!("cpu0 1 0 0 1 0 0 0 0 0 0\nbtime {btime}\n");
        std::fs::write(root.path().join("proc/stat"), text).unwrap();
        let metrics = host.scrape();
        let Some(Data::Sum(sum)) = &metrics[0].scope_metrics[0].metrics[0].data else {
            panic!("{metrics:?}")
        };
        sum.data_points[0].start_time_unix_nano / 1_000_000_000
    };
    let mut host = Scraped::new(root.path(), "scrapers: {cpu: }");
    assert_eq!(start_with(&mut host, 1000), 1000);
    assert_eq!(start_with(&mut host, 1001), 1000);
    assert_eq!(start_with(&mut host, 999), 1000);
    assert_eq!(start_with(&mut host, 5000), 5000);
}

// ---------------------------------------------------------------- configuration

#[test]
fn the_stock_configuration_of_a_node_is_understood() {
    let text = std::fs::read_to_string(fixture("hostmetrics/stock.yaml")).unwrap();
    let config: HostMetricsConfig = from_yaml(&text).unwrap();
    let Scrapers { cpu, disk, filesystem, load, memory, network, nfs, paging, process, processes, system } =
        &config.scrapers;
    assert!(cpu.is_some() && disk.is_some() && filesystem.is_some() && load.is_some() && memory.is_some());
    assert!(network.is_some() && paging.is_some() && process.is_some() && processes.is_some());
    assert!(system.is_some() && nfs.is_none());
    let points = Scraped::new(&fixture("proc/healthy"), &text).points();
    assert!(points.contains_key("system.cpu.frequency{cpu=cpu1}"));
    assert!(points.contains_key("system.memory.utilization{state=used}"));
}

fn is_valid(yaml: &str) -> bool {
    let node: Node = from_yaml(yaml).unwrap();
    let mut decoder = Decoder::new(&node);
    (TYPE.decode)(&mut decoder).is_some() && decoder.found().is_empty()
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    for good in [
        "scrapers: {cpu: }",
        "scrapers: {cpu: {metrics: {system.cpu.time: {enabled: false}}}}",
        "scrapers: {cpu: {metrics: {system.cpu.time: }}}",
        "scrapers: {network: {include: {interfaces: [eth0], match_type: strict}}}",
        "scrapers: {network: {exclude: {interfaces: [^veth], match_type: regexp, regexp: {cacheenabled: true, cachemaxnumentries: 10}}}}",
        "{scrapers: {load: {cpu_average: true}}, metadata_collection_interval: 1m, initial_delay: 0s}",
    ] {
        assert!(is_valid(good), "{good}");
    }
    for bad in [
        "{}",
        "scrapers: {}",
        "scrapers: {gpu: }",
        "scrapers: {cpu: {metrics: {system.cpu.tme: {enabled: true}}}}",
        "scrapers: {cpu: {metrics: {system.cpu.time: {on: true}}}}",
        "scrapers: {process: {resource_attributes: {process.pidd: {enabled: true}}}}",
        "scrapers: {network: {include: {interfaces: [eth0]}}}",
        "scrapers: {network: {include: {interfaces: ['(']}, match_type: regexp}}",
        "scrapers: {network: {include: {interfaces: ['('], match_type: regexp}}}",
        "{scrapers: {cpu: }, collection_interval: 0s}",
        "{scrapers: {cpu: }, collection_interval: -1s}",
    ] {
        assert!(!is_valid(bad), "{bad}");
    }
}

#[test]
fn a_misspelt_metric_finds_the_right_one() {
    let node: Node = from_yaml("scrapers: {cpu: {metrics: {system.cpu.tme: {enabled: true}}}}").unwrap();
    let mut decoder = Decoder::new(&node);
    assert!((TYPE.decode)(&mut decoder).is_some());
    let found: Vec<String> = decoder.found().iter().map(ToString::to_string).collect();
    let [found] = &found[..] else { panic!("{found:?}") };
    assert!(found.contains("scrapers::cpu::metrics::system.cpu.tme"), "{found}");
    assert!(found.contains("did you mean \"system.cpu.time\"?"), "{found}");
}

#[test]
fn a_root_path_that_is_not_there_is_an_error_that_says_so() {
    let error = Paths::resolve("/no/such/hostfs", |_| None).unwrap_err();
    assert!(error.to_string().starts_with("invalid root_path: "), "{error}");
}

#[test]
fn root_path_moves_all_trees_and_the_environment_moves_single_ones() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().to_str().unwrap();
    let env = |name: &str| (name == "HOST_SYS").then(|| "/elsewhere/sys".to_owned());
    let paths = Paths::resolve(&format!("{root}/"), env).unwrap();
    assert_eq!(paths.proc, Path::new(root).join("proc"));
    assert_eq!(paths.sys, Path::new("/elsewhere/sys"));
    assert_eq!(paths.on_host("/var"), Path::new(root).join("var"));
    for none in ["", "/"] {
        let paths = Paths::resolve(none, |_| None).unwrap();
        assert_eq!((paths.proc.as_path(), paths.on_host("/var")), (Path::new("/proc"), "/var".into()));
    }
}

// ---------------------------------------------------------------- no input makes a parser panic

/// Names of the files that the scrapers read.
const FILES: &[&str] = &[
    "stat",
    "cpuinfo",
    "loadavg",
    "uptime",
    "meminfo",
    "diskstats",
    "filesystems",
    "1/mountinfo",
    "net/dev",
    "net/tcp",
    "net/tcp6",
    "net/rpc/nfs",
    "net/rpc/nfsd",
    "swaps",
    "vmstat",
    "1/stat",
    "1/status",
    "1/io",
    "1/cmdline",
    "1/cgroup",
];

fn bytes_like_proc() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b" ".to_vec()),
        Just(b"\n".to_vec()),
        Just(b":".to_vec()),
        Just(b"\t".to_vec()),
        Just(b"(".to_vec()),
        Just(b")".to_vec()),
        Just(b" - ".to_vec()),
        Just(b"\\040".to_vec()),
        Just(b"cpu0".to_vec()),
        Just(b"btime".to_vec()),
        Just(b"kB".to_vec()),
        Just(b"18446744073709551615".to_vec()),
        any::<u64>().prop_map(|number| number.to_string().into_bytes()),
        any::<i8>().prop_map(|number| number.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Also files of a sane host that were cut or changed at one place.
    #[test]
    fn no_content_of_proc_makes_a_scraper_panic(
        garbage in prop::collection::vec(bytes_like_proc(), FILES.len()),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), FILES.len()),
        mangle in prop::collection::vec(0..3_u8, FILES.len()),
    ) {
        let root = tempfile::tempdir().unwrap();
        for directory in ["1", "net/rpc"] {
            std::fs::create_dir_all(root.path().join("proc").join(directory)).unwrap();
        }
        for (place, file) in FILES.iter().enumerate() {
            let sane = std::fs::read(fixture("proc/healthy/proc").join(file)).unwrap();
            let cut = cuts[place].index(sane.len());
            let text = match mangle[place] {
                0 => garbage[place].clone(),
                1 => sane[..cut].to_vec(),
                _ => [&sane[..cut], &garbage[place], &sane[cut..]].concat(),
            };
            std::fs::write(root.path().join("proc").join(file), text).unwrap();
        }
        let mut host = Scraped::new(root.path(), &everything());
        host.scrape();
        host.scrape();
    }
}
