//! Quotas: what a namespace, or several on OpenShift, may use and uses.

use serde::Deserialize;

use super::full::Body;
use super::meta::Meta;
use crate::kube::{Interned, Pairs, Pool, Text, nullable, quantity};

/// Amounts by resource: hard limits and what is used of them.
#[derive(Debug, Default, PartialEq)]
pub struct Quota {
    pub hard: Box<[(Interned, i64)]>,
    pub used: Box<[(Interned, i64)]>,
}

#[derive(Debug, PartialEq)]
pub struct ResourceQuota(pub Quota);

/// A quota over several namespaces.
#[derive(Debug, PartialEq)]
pub struct ClusterResourceQuota {
    pub total: Quota,
    pub namespaces: Box<[(Interned, Quota)]>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    status: RawQuota<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawQuota<'a> {
    #[serde(borrow)]
    hard: Pairs<'a>,
    #[serde(borrow)]
    used: Pairs<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawCluster<'a> {
    #[serde(borrow)]
    metadata: Meta<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    status: RawClusterStatus<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawClusterStatus<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    total: RawQuota<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    namespaces: Vec<RawApplied<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawApplied<'a> {
    #[serde(borrow)]
    namespace: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    status: RawQuota<'a>,
}

impl RawQuota<'_> {
    fn keep(&self, pool: &mut Pool) -> Quota {
        let mut keep = |pairs: &Pairs<'_>| {
            let mut amounts: Vec<_> = pairs
                .0
                .iter()
                .filter_map(|(resource, text)| Some((pool.intern(resource), amount(resource, text)?)))
                .collect();
            amounts.sort_unstable();
            amounts.into_boxed_slice()
        };
        Quota { hard: keep(&self.hard), used: keep(&self.used) }
    }
}

/// Requests and limits of CPU count in thousandths; `cpu` alone does not, as upstream has it.
fn amount(resource: &str, text: &str) -> Option<i64> {
    if resource.ends_with(".cpu") { quantity::thousandths(text) } else { quantity::whole(text) }
}

impl Body for ResourceQuota {
    fn read<'a>(json: &'a [u8], pool: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error> {
        let Raw { metadata, status } = serde_json::from_slice(json)?;
        Ok((metadata, Self(status.keep(pool))))
    }
}

impl Body for ClusterResourceQuota {
    fn read<'a>(json: &'a [u8], pool: &mut Pool) -> Result<(Meta<'a>, Self), serde_json::Error> {
        let RawCluster { metadata, status } = serde_json::from_slice(json)?;
        let namespaces = status
            .namespaces
            .iter()
            .map(|applied| (pool.intern(&applied.namespace), applied.status.keep(pool)))
            .collect();
        Ok((metadata, Self { total: status.total.keep(pool), namespaces }))
    }
}
