//! Workloads: how many pods they want and have.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use super::full::Body;
use super::meta::Meta;
use crate::kube::{Interned, Pool, Text, nullable};

/// Deployments, replica sets and replication controllers.
#[derive(Debug, PartialEq)]
pub struct Replicas {
    /// `spec.replicas`.
    pub desired: Option<i64>,
    pub available: i64,
}

#[derive(Debug, PartialEq)]
pub struct StatefulSet {
    /// `spec.replicas`.
    pub desired: Option<i64>,
    pub ready: i64,
    pub current: i64,
    pub updated: i64,
    pub available: i64,
}

/// Numbers of nodes.
#[derive(Debug, PartialEq)]
pub struct DaemonSet {
    pub current: i64,
    pub desired: i64,
    pub misscheduled: i64,
    pub ready: i64,
}

#[derive(Debug, PartialEq)]
pub struct Job {
    pub active: i64,
    pub failed: i64,
    pub succeeded: i64,
    pub completions: Option<i64>,
    pub parallelism: Option<i64>,
}

#[derive(Debug, PartialEq)]
pub struct CronJob {
    pub active: i64,
    pub schedule: Interned,
    pub concurrency_policy: Interned,
}

#[derive(Debug, PartialEq)]
pub struct Autoscaler {
    pub max: i64,
    pub min: Option<i64>,
    pub current: i64,
    pub desired: i64,
    /// What is scaled.
    pub target_api_version: Interned,
    pub target_kind: Interned,
    pub target_name: Interned,
}

/// The parts of any workload; a kind has some of them.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    spec: RawSpec<'a>,
    #[serde(deserialize_with = "nullable")]
    status: RawStatus,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSpec<'a> {
    replicas: Option<i64>,
    completions: Option<i64>,
    parallelism: Option<i64>,
    #[serde(borrow)]
    schedule: Text<'a>,
    #[serde(borrow)]
    concurrency_policy: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    max_replicas: i64,
    min_replicas: Option<i64>,
    #[serde(borrow, deserialize_with = "nullable")]
    scale_target_ref: RawTarget<'a>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawTarget<'a> {
    #[serde(borrow)]
    api_version: Text<'a>,
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawStatus {
    #[serde(deserialize_with = "nullable")]
    available_replicas: i64,
    #[serde(deserialize_with = "nullable")]
    ready_replicas: i64,
    #[serde(deserialize_with = "nullable")]
    current_replicas: i64,
    #[serde(deserialize_with = "nullable")]
    updated_replicas: i64,
    #[serde(deserialize_with = "nullable")]
    desired_replicas: i64,
    #[serde(deserialize_with = "nullable")]
    current_number_scheduled: i64,
    #[serde(deserialize_with = "nullable")]
    desired_number_scheduled: i64,
    #[serde(deserialize_with = "nullable")]
    number_misscheduled: i64,
    #[serde(deserialize_with = "nullable")]
    number_ready: i64,
    active: Active,
    #[serde(deserialize_with = "nullable")]
    failed: i64,
    #[serde(deserialize_with = "nullable")]
    succeeded: i64,
}

/// Of a job the number of its pods, of a cron job the list of its jobs: how many there are.
#[derive(Default)]
struct Active(i64);

impl<'de> Deserialize<'de> for Active {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Count;
        impl<'de> Visitor<'de> for Count {
            type Value = Active;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a list")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Active, E> {
                Ok(Active(i64::try_from(number).unwrap_or(i64::MAX)))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Active, E> {
                Ok(Active(number))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Active, E> {
                Ok(Active::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Active, A::Error> {
                let mut count = 0;
                while items.next_element::<de::IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Active(count))
            }
        }
        deserializer.deserialize_any(Count)
    }
}

impl Body for Replicas {
    fn read<'a>(json: &'a [u8], _: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error> {
        let Raw { metadata, spec, status } = serde_json::from_slice(json)?;
        Ok((metadata, Self { desired: spec.replicas, available: status.available_replicas }))
    }
}

impl Body for StatefulSet {
    fn read<'a>(json: &'a [u8], _: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error> {
        let Raw { metadata, spec, status } = serde_json::from_slice(json)?;
        let body = Self {
            desired: spec.replicas,
            ready: status.ready_replicas,
            current: status.current_replicas,
            updated: status.updated_replicas,
            available: status.available_replicas,
        };
        Ok((metadata, body))
    }
}

impl Body for DaemonSet {
    fn read<'a>(json: &'a [u8], _: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error> {
        let Raw { metadata, status, .. } = serde_json::from_slice(json)?;
        let body = Self {
            current: status.current_number_scheduled,
            desired: status.desired_number_scheduled,
            misscheduled: status.number_misscheduled,
            ready: status.number_ready,
        };
        Ok((metadata, body))
    }
}

impl Body for Job {
    fn read<'a>(json: &'a [u8], _: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error> {
        let Raw { metadata, spec, status } = serde_json::from_slice(json)?;
        let body = Self {
            active: status.active.0,
            failed: status.failed,
            succeeded: status.succeeded,
            completions: spec.completions,
            parallelism: spec.parallelism,
        };
        Ok((metadata, body))
    }
}

impl Body for CronJob {
    fn read<'a>(json: &'a [u8], pool: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error> {
        let Raw { metadata, spec, status } = serde_json::from_slice(json)?;
        let body = Self {
            active: status.active.0,
            schedule: pool.intern(&spec.schedule),
            concurrency_policy: pool.intern(&spec.concurrency_policy),
        };
        Ok((metadata, body))
    }
}

impl Body for Autoscaler {
    fn read<'a>(json: &'a [u8], pool: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error> {
        let Raw { metadata, spec, status } = serde_json::from_slice(json)?;
        let target = &spec.scale_target_ref;
        let body = Self {
            max: spec.max_replicas,
            min: spec.min_replicas,
            current: status.current_replicas,
            desired: status.desired_replicas,
            target_api_version: pool.intern(&target.api_version),
            target_kind: pool.intern(&target.kind),
            target_name: pool.intern(&target.name),
        };
        Ok((metadata, body))
    }
}
