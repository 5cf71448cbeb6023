//! `ObjectMeta`, as far as it is read.

use serde::Deserialize;

use crate::kube::{Interned, Pairs, Pool, Text, nullable};

/// The metadata of any object, borrowed from its JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub namespace: Text<'a>,
    #[serde(borrow)]
    pub uid: Text<'a>,
    #[serde(borrow)]
    pub creation_timestamp: Text<'a>,
    #[serde(borrow)]
    pub labels: Pairs<'a>,
    #[serde(borrow)]
    pub annotations: Pairs<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub owner_references: Vec<OwnerReference<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct OwnerReference<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    uid: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    controller: bool,
}

/// The object that made another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub kind: Interned,
    pub name: Interned,
    pub uid: Interned,
}

impl Meta<'_> {
    /// Kind and name of the owner that manages the object.
    pub fn controller(&self, pool: &mut Pool) -> Option<(Interned, Interned)> {
        let owner = self.owner_references.iter().find(|owner| owner.controller)?;
        Some((pool.intern(&owner.kind), pool.intern(&owner.name)))
    }

    pub fn owners(&self, pool: &mut Pool) -> Box<[Owner]> {
        self.owner_references
            .iter()
            .map(|owner| Owner {
                kind: pool.intern(&owner.kind),
                name: pool.intern(&owner.name),
                uid: pool.intern(&owner.uid),
            })
            .collect()
    }
}

/// Seconds since the epoch of a time as the API writes it; 0 when there is none.
pub(super) fn seconds(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second)
}
