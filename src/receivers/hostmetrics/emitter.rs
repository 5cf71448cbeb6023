//! The scrapers that a config asks for, put together, and what they share when they emit.

use super::host::{Host, Paths};
use super::{
    Scrapers, cpu, disk, filesystem, load, memory, network, nfs, paging, process, processes, system,
};
use crate::component::BuildError;
use crate::config::Issues;
use crate::otlp::build::{Recorder, Table, resource_metrics};
use crate::otlp::{InstrumentationScope, KeyValue};
use crate::receivers::scraper::{Fault, Run, Scrape, Source};
use crate::receivers::switches::Switches;

const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.9.0";
const SCOPE: &str =
    "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver/internal/scraper";

/// One scraper: reads its part of the host and pushes what it found.
pub trait HostScraper: Send {
    fn scrape(&mut self, host: &mut Host, run: &mut Run<'_>) -> Result<(), Fault>;
}

/// The host as a source of metrics.
pub struct HostSource {
    host: Host,
    scrapers: Vec<(&'static str, Box<dyn HostScraper>)>,
}

impl Source for HostSource {
    fn scrape(&mut self, scrape: &mut Scrape<'_>) {
        self.host.begin_scrape();
        for (name, scraper) in &mut self.scrapers {
            scrape.run(name, |run| scraper.scrape(&mut self.host, run));
        }
    }
}

impl HostSource {
    pub(super) fn new(config: &Scrapers, paths: Paths, version: &str) -> Result<Self, BuildError> {
        let host = Host::open(paths)?;
        let mut scrapers: Vec<(&'static str, Box<dyn HostScraper>)> = Vec::new();
        if let Some(config) = &config.cpu {
            scrapers.push(("cpu", Box::new(cpu::Cpu::new(&config.metrics, version))));
        }
        if let Some(config) = &config.disk {
            scrapers.push(("disk", Box::new(disk::Disk::new(config, version)?)));
        }
        if let Some(config) = &config.load {
            scrapers.push(("load", Box::new(load::Load::new(config, version))));
        }
        if let Some(config) = &config.filesystem {
            scrapers.push(("filesystem", Box::new(filesystem::Filesystem::new(config, version)?)));
        }
        if let Some(config) = &config.memory {
            scrapers.push(("memory", Box::new(memory::Memory::new(&config.metrics, version))));
        }
        if let Some(config) = &config.network {
            scrapers.push(("network", Box::new(network::Network::new(config, version)?)));
        }
        if let Some(config) = &config.nfs {
            scrapers.push(("nfs", Box::new(nfs::Nfs::new(&config.metrics, version))));
        }
        if let Some(config) = &config.paging {
            scrapers.push(("paging", Box::new(paging::Paging::new(&config.metrics, version))));
        }
        if let Some(config) = &config.processes {
            scrapers.push(("processes", Box::new(processes::Processes::new(&config.metrics, version))));
        }
        if let Some(config) = &config.process {
            scrapers.push(("process", Box::new(process::Process::new(config, version)?)));
        }
        if let Some(config) = &config.system {
            scrapers.push(("system", Box::new(system::System::new(&config.metrics, version))));
        }
        Ok(Self { host, scrapers })
    }
}

impl Scrapers {
    pub(super) fn validate(&self, issues: &mut Issues) {
        let Self { cpu, disk, filesystem, load, memory, network, nfs, paging, process, processes, system } =
            self;
        let mut any = false;
        let mut check = |name: &str, metrics: Option<&Switches>, infos| {
            any |= metrics.is_some();
            if let Some(metrics) = metrics {
                metrics.check_metrics(infos, &format!("scrapers::{name}::metrics"), issues);
            }
        };
        check("cpu", cpu.as_ref().map(|c| &c.metrics), cpu::CpuMetric::INFOS);
        check("disk", disk.as_ref().map(|c| &c.metrics), disk::DiskMetric::INFOS);
        check("filesystem", filesystem.as_ref().map(|c| &c.metrics), filesystem::FilesystemMetric::INFOS);
        check("load", load.as_ref().map(|c| &c.metrics), load::LoadMetric::INFOS);
        check("memory", memory.as_ref().map(|c| &c.metrics), memory::MemoryMetric::INFOS);
        check("network", network.as_ref().map(|c| &c.metrics), network::NetworkMetric::INFOS);
        check("nfs", nfs.as_ref().map(|c| &c.metrics), nfs::NfsMetric::INFOS);
        check("paging", paging.as_ref().map(|c| &c.metrics), paging::PagingMetric::INFOS);
        check("process", process.as_ref().map(|c| &c.metrics), process::ProcessMetric::INFOS);
        check("processes", processes.as_ref().map(|c| &c.metrics), processes::ProcessesMetric::INFOS);
        check("system", system.as_ref().map(|c| &c.metrics), system::SystemMetric::INFOS);
        if !any {
            issues.error("scrapers", "must specify at least one scraper, such as \"cpu:\"");
        }
        if let Some(disk) = disk {
            disk.validate("scrapers::disk", issues);
        }
        if let Some(filesystem) = filesystem {
            filesystem.validate("scrapers::filesystem", issues);
        }
        if let Some(network) = network {
            network.validate("scrapers::network", issues);
        }
        if let Some(process) = process {
            process.validate("scrapers::process", issues);
        }
    }
}

/// Records one scraper's metrics and wraps them in its scope.
pub struct Emitter<T> {
    pub points: Recorder<T>,
    scope: InstrumentationScope,
}

impl<T: Table> Emitter<T> {
    /// `scraper` is the scraper's name as upstream's package has it: `cpu`.
    pub fn new(scraper: &str, switches: &Switches, version: &str) -> Self {
        Self {
            points: Recorder::new(&switches.resolve(T::INFOS)),
            scope: InstrumentationScope {
                name: format!("{SCOPE}/{scraper}scraper"),
                version: version.to_owned(),
                ..InstrumentationScope::default()
            },
        }
    }

    /// Points from now on are of now and count from the host's boot.
    pub fn begin(&mut self, host: &Host, run: &Run<'_>) {
        self.points.at(host.boot_time(), run.now());
    }

    /// Hands on what was recorded, if anything was.
    pub fn push(&mut self, resource: Vec<KeyValue>, run: &mut Run<'_>) {
        let metrics = self.points.take();
        if !metrics.is_empty() {
            run.push(resource_metrics(resource, &self.scope, SCHEMA_URL, metrics));
        }
    }
}
