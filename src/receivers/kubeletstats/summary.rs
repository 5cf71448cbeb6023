//! `/stats/summary`, as far as it is read. What the kubelet leaves out stays unset.

use serde::Deserialize;

use crate::kube::{Text, nullable};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Summary<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub node: NodeStats<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub pods: Vec<PodStats<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NodeStats<'a> {
    #[serde(borrow)]
    pub node_name: Text<'a>,
    #[serde(borrow)]
    pub start_time: Text<'a>,
    pub cpu: Option<Cpu>,
    pub memory: Option<Memory>,
    #[serde(borrow)]
    pub network: Option<Network<'a>>,
    pub fs: Option<Filesystem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodStats<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub pod_ref: PodRef<'a>,
    #[serde(borrow)]
    pub start_time: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub containers: Vec<ContainerStats<'a>>,
    pub cpu: Option<Cpu>,
    pub memory: Option<Memory>,
    #[serde(borrow)]
    pub network: Option<Network<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub volume: Vec<VolumeStats<'a>>,
    #[serde(rename = "ephemeral-storage")]
    pub ephemeral_storage: Option<Filesystem>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodRef<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub namespace: Text<'a>,
    #[serde(borrow)]
    pub uid: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerStats<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub start_time: Text<'a>,
    pub cpu: Option<Cpu>,
    pub memory: Option<Memory>,
    pub rootfs: Option<Filesystem>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cpu {
    pub usage_nano_cores: Option<u64>,
    pub usage_core_nano_seconds: Option<u64>,
}

impl Cpu {
    /// CPUs in use.
    pub fn cores(self) -> Option<f64> {
        self.usage_nano_cores.map(|nanos| nanos as f64 / 1e9)
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Memory {
    pub available_bytes: Option<u64>,
    pub usage_bytes: Option<u64>,
    pub working_set_bytes: Option<u64>,
    pub rss_bytes: Option<u64>,
    pub page_faults: Option<u64>,
    pub major_page_faults: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Filesystem {
    pub available_bytes: Option<u64>,
    pub capacity_bytes: Option<u64>,
    pub used_bytes: Option<u64>,
}

/// The default interface, and all of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Network<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub rx_bytes: Option<u64>,
    pub rx_errors: Option<u64>,
    pub tx_bytes: Option<u64>,
    pub tx_errors: Option<u64>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub interfaces: Vec<Interface<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Interface<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub rx_bytes: Option<u64>,
    pub rx_errors: Option<u64>,
    pub tx_bytes: Option<u64>,
    pub tx_errors: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeStats<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    pub available_bytes: Option<u64>,
    pub capacity_bytes: Option<u64>,
    pub used_bytes: Option<u64>,
    pub inodes: Option<u64>,
    pub inodes_free: Option<u64>,
    pub inodes_used: Option<u64>,
}

/// Nanoseconds since the epoch of a time as the kubelet writes it; 0 when there is none.
pub fn nanos(time: &str) -> u64 {
    time.parse::<jiff::Timestamp>()
        .ok()
        .and_then(|time| u64::try_from(time.as_nanosecond()).ok())
        .unwrap_or(0)
}
