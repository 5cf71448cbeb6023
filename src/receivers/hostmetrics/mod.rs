//! `hostmetrics`: CPU, memory, disks, filesystems, network, paging and processes of the host.
//!
//! Everything comes from `/proc` and `/sys` (under `root_path` when the host is mounted there),
//! read into reused buffers by parsers of our own; one file here is one scraper.

mod cpu;
mod disk;
mod emitter;
mod filesystem;
mod filter;
mod host;
mod load;
mod memory;
mod network;
mod nfs;
mod paging;
mod parse;
mod process;
mod processes;
mod system;
mod users;

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::component::{BuildError, Context, Receiver, ReceiverConfig, ReceiverType, decode_receiver};
use crate::config::{Issues, types};
use crate::pipeline::Signal;
use crate::receivers::scraper::{Clock, Schedule, Scraping, SystemClock};
use crate::receivers::switches::Switches;

pub use emitter::HostSource;
pub use host::Paths;

pub static TYPE: ReceiverType = ReceiverType {
    name: "hostmetrics",
    aliases: &["host_metrics"],
    signals: &[Signal::Metrics],
    decode: decode_receiver::<HostMetricsConfig>,
};

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostMetricsConfig {
    #[serde(deserialize_with = "types::duration")]
    collection_interval: Duration,
    #[serde(deserialize_with = "types::duration")]
    initial_delay: Duration,
    #[serde(deserialize_with = "types::duration")]
    timeout: Duration,
    /// Where the host's root filesystem is mounted; empty or `/` when this is the host.
    root_path: String,
    /// Of a signal this receiver does not send; accepted so that configs need no change.
    #[serde(deserialize_with = "types::duration")]
    metadata_collection_interval: Duration,
    #[serde(deserialize_with = "null_is_default")]
    scrapers: Scrapers,
}

/// The scrapers that are on: those the user lists, be it with no more than their name.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Scrapers {
    #[serde(deserialize_with = "types::section")]
    cpu: Option<Plain>,
    #[serde(deserialize_with = "types::section")]
    disk: Option<disk::DiskConfig>,
    #[serde(deserialize_with = "types::section")]
    filesystem: Option<filesystem::FilesystemConfig>,
    #[serde(deserialize_with = "types::section")]
    load: Option<load::LoadConfig>,
    #[serde(deserialize_with = "types::section")]
    memory: Option<Plain>,
    #[serde(deserialize_with = "types::section")]
    network: Option<network::NetworkConfig>,
    #[serde(deserialize_with = "types::section")]
    nfs: Option<Plain>,
    #[serde(deserialize_with = "types::section")]
    paging: Option<Plain>,
    #[serde(deserialize_with = "types::section")]
    process: Option<process::ProcessConfig>,
    #[serde(deserialize_with = "types::section")]
    processes: Option<Plain>,
    #[serde(deserialize_with = "types::section")]
    system: Option<Plain>,
}

/// Config of a scraper that has nothing but metrics to switch.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Plain {
    #[serde(deserialize_with = "null_is_default")]
    metrics: Switches,
}

impl Default for HostMetricsConfig {
    fn default() -> Self {
        let Schedule { interval, initial_delay, timeout } = Schedule::DEFAULT;
        Self {
            collection_interval: interval,
            initial_delay,
            timeout,
            root_path: String::new(),
            metadata_collection_interval: Duration::from_secs(300),
            scrapers: Scrapers::default(),
        }
    }
}

impl HostMetricsConfig {
    fn schedule(&self) -> Schedule {
        Schedule {
            interval: self.collection_interval,
            initial_delay: self.initial_delay,
            timeout: self.timeout,
        }
    }

    /// The receiver, reading from `paths` by `clock`.
    pub fn scraping(
        &self,
        paths: Paths,
        clock: Arc<dyn Clock>,
        context: Context,
    ) -> Result<Scraping<HostSource>, BuildError> {
        let source = HostSource::new(&self.scrapers, paths, context.host.version())?;
        Ok(Scraping::new(self.schedule(), source, clock, context))
    }
}

impl ReceiverConfig for HostMetricsConfig {
    fn validate(&self, issues: &mut Issues) {
        self.schedule().check(issues);
        self.scrapers.validate(issues);
    }

    fn build(&self, context: Context) -> Result<Box<dyn Receiver>, BuildError> {
        let paths = Paths::resolve(&self.root_path, |name| std::env::var(name).ok())?;
        Ok(Box::new(self.scraping(paths, Arc::new(SystemClock), context)?))
    }
}

fn null_is_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
