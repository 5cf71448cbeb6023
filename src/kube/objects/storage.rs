//! Persistent volumes and the claims to them.

use serde::Deserialize;

use super::full::Body;
use super::meta::Meta;
use crate::kube::{Interned, Pairs, Pool, Text, nullable, quantity};

/// A persistent volume.
#[derive(Debug, PartialEq)]
pub struct Volume {
    pub phase: Interned,
    /// Bytes.
    pub capacity: Option<i64>,
    pub storage_class: Interned,
    pub reclaim_policy: Interned,
}

/// A claim to a persistent volume.
#[derive(Debug, PartialEq)]
pub struct VolumeClaim {
    pub phase: Interned,
    /// Bytes that it has; none unless it is bound.
    pub capacity: Option<i64>,
    /// Bytes that it wants.
    pub request: Option<i64>,
    pub storage_class: Interned,
    pub volume: Interned,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    spec: RawSpec<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    status: RawStatus<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSpec<'a> {
    #[serde(borrow)]
    capacity: Pairs<'a>,
    #[serde(borrow)]
    storage_class_name: Text<'a>,
    #[serde(borrow)]
    persistent_volume_reclaim_policy: Text<'a>,
    #[serde(borrow)]
    volume_name: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    resources: RawRequests<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRequests<'a> {
    #[serde(borrow)]
    requests: Pairs<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawStatus<'a> {
    #[serde(borrow)]
    phase: Text<'a>,
    #[serde(borrow)]
    capacity: Pairs<'a>,
}

fn storage(pairs: &Pairs<'_>) -> Option<i64> {
    pairs.get("storage").and_then(quantity::whole)
}

impl Body for Volume {
    fn read<'a>(json: &'a [u8], pool: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error> {
        let Raw { metadata, spec, status } = serde_json::from_slice(json)?;
        let body = Self {
            phase: pool.intern(&status.phase),
            capacity: storage(&spec.capacity),
            storage_class: pool.intern(&spec.storage_class_name),
            reclaim_policy: pool.intern(&spec.persistent_volume_reclaim_policy),
        };
        Ok((metadata, body))
    }
}

impl Body for VolumeClaim {
    fn read<'a>(json: &'a [u8], pool: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error> {
        let Raw { metadata, spec, status } = serde_json::from_slice(json)?;
        let body = Self {
            phase: pool.intern(&status.phase),
            capacity: storage(&status.capacity),
            request: storage(&spec.resources.requests),
            storage_class: pool.intern(&spec.storage_class_name),
            volume: pool.intern(&spec.volume_name),
        };
        Ok((metadata, body))
    }
}
