//! The `filesystem` scraper: the mounts of the host's first process and `statfs` of each.

mod mounts;
mod probe;

use serde::Deserialize;

use self::mounts::{Mount, mounts};
use self::probe::{Answer, Prober, Usage};
use super::emitter::{Emitter, HostScraper};
use super::filter::{Filter, name_list};
use super::host::Host;
use super::null_is_default;
use crate::component::BuildError;
use crate::config::Issues;
use crate::metric_table;
use crate::otlp::{KeyValue, Str};
use crate::receivers::scraper::{Cause, Fault, Run};
use crate::receivers::switches::Switches;

name_list!(Devices, devices);
name_list!(FsTypes, fs_types);
name_list!(MountPoints, mount_points);

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilesystemConfig {
    /// Also those without a block device: tmpfs, overlay, NFS …
    include_virtual_filesystems: bool,
    #[serde(deserialize_with = "null_is_default")]
    include_devices: Devices,
    #[serde(deserialize_with = "null_is_default")]
    exclude_devices: Devices,
    #[serde(deserialize_with = "null_is_default")]
    include_fs_types: FsTypes,
    #[serde(deserialize_with = "null_is_default")]
    exclude_fs_types: FsTypes,
    #[serde(deserialize_with = "null_is_default")]
    include_mount_points: MountPoints,
    #[serde(deserialize_with = "null_is_default")]
    exclude_mount_points: MountPoints,
    #[serde(deserialize_with = "null_is_default")]
    pub metrics: Switches,
}

impl FilesystemConfig {
    pub fn validate(&self, path: &str, issues: &mut Issues) {
        self.include_devices.names().validate(&format!("{path}::include_devices"), issues);
        self.exclude_devices.names().validate(&format!("{path}::exclude_devices"), issues);
        self.include_fs_types.names().validate(&format!("{path}::include_fs_types"), issues);
        self.exclude_fs_types.names().validate(&format!("{path}::exclude_fs_types"), issues);
        self.include_mount_points.names().validate(&format!("{path}::include_mount_points"), issues);
        self.exclude_mount_points.names().validate(&format!("{path}::exclude_mount_points"), issues);
    }
}

metric_table! {
    pub enum FilesystemMetric {
        InodesUsage: UpDown Int on "system.filesystem.inodes.usage" "{inodes}"
            ["device", "mode", "mountpoint", "type", "state"] "FileSystem inodes used.";
        Usage: UpDown Int on "system.filesystem.usage" "By"
            ["device", "mode", "mountpoint", "type", "state"] "Filesystem bytes used.";
        Utilization: Gauge Double off "system.filesystem.utilization" "1"
            ["device", "mode", "mountpoint", "type"] "Fraction of filesystem bytes used.";
    }
}

/// Data points of one mount.
const POINTS: u64 = 5;

pub struct Filesystem {
    emitter: Emitter<FilesystemMetric>,
    include_virtual: bool,
    devices: Filter,
    fs_types: Filter,
    mount_points: Filter,
    prober: Prober,
}

impl Filesystem {
    pub fn new(config: &FilesystemConfig, version: &str) -> Result<Self, BuildError> {
        Ok(Self {
            emitter: Emitter::new("filesystem", &config.metrics, version),
            include_virtual: config.include_virtual_filesystems,
            devices: Filter::new(config.include_devices.names(), config.exclude_devices.names())?,
            fs_types: Filter::new(config.include_fs_types.names(), config.exclude_fs_types.names())?,
            mount_points: Filter::new(
                config.include_mount_points.names(),
                config.exclude_mount_points.names(),
            )?,
            prober: Prober::default(),
        })
    }

    fn record(&mut self, mount: &Mount, usage: &Usage) {
        let points = &mut self.emitter.points;
        let about = || {
            [
                KeyValue::fixed("device", mount.device.clone()),
                KeyValue::fixed("mode", Str::const_new(mount.mode)),
                KeyValue::fixed("mountpoint", mount.point.clone()),
                KeyValue::fixed("type", mount.fs_type.clone()),
            ]
        };
        let about_state = |state| {
            let [device, mode, mountpoint, fs_type] = about();
            [device, mode, mountpoint, fs_type, KeyValue::fixed("state", Str::const_new(state))]
        };
        for (state, bytes) in [("used", usage.used), ("free", usage.free), ("reserved", usage.reserved())] {
            points.int(FilesystemMetric::Usage, about_state(state), bytes);
        }
        for (state, inodes) in [("used", usage.inodes_used), ("free", usage.inodes_free)] {
            points.int(FilesystemMetric::InodesUsage, about_state(state), inodes);
        }
        if points.is_on(FilesystemMetric::Utilization) {
            points.double(FilesystemMetric::Utilization, about(), usage.utilization());
        }
    }
}

impl HostScraper for Filesystem {
    fn scrape(&mut self, host: &mut Host, run: &mut Run<'_>) -> Result<(), Fault> {
        self.emitter.begin(host, run);
        let mut mounts = mounts(host, self.include_virtual)?;
        mounts.retain(|mount| {
            self.devices.wants(&mount.device)
                && self.fs_types.wants(&mount.fs_type)
                && self.mount_points.wants(&mount.point)
        });
        let paths = mounts.iter().map(|mount| host.paths.on_host(&mount.point)).collect();
        let answers = self.prober.ask(paths, run);

        let mut answered = 0;
        let mut first_failure = None;
        for (mount, answer) in mounts.iter().zip(answers) {
            let (cause, reason) = match answer {
                Answer::Usage(usage) => {
                    answered += 1;
                    self.record(mount, &usage);
                    continue;
                }
                Answer::Failed(error) => (Cause::io("statfs", &error), error.to_string()),
                Answer::Hangs => (
                    Cause::new("statfs that hangs"),
                    "it does not answer; it is left out until it does, or exclude it".to_owned(),
                ),
                Answer::NotAsked => (
                    Cause::new("statfs not asked"),
                    "the scrape was over, or too many filesystems do not answer".to_owned(),
                ),
            };
            let message = || format!("failed to read usage at {}: {reason}", mount.point);
            first_failure.get_or_insert_with(|| (cause, message()));
            run.fault(cause, POINTS, message);
        }
        if let (0, Some((cause, message))) = (answered, first_failure) {
            return Err(Fault {
                cause,
                points: 0,
                message: format!("no filesystem could be read: {message}"),
            });
        }
        self.emitter.push(Vec::new(), run);
        Ok(())
    }
}
