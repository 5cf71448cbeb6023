//! What containers ask for and may take.

use serde::Deserialize;

use crate::kube::{Pairs, quantity};

/// A resource of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// In CPUs.
    Cpu,
    /// In bytes, as the others.
    Memory,
    Storage,
    EphemeralStorage,
}

/// Which end of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Request,
    Limit,
}

/// One request or limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amount {
    pub bound: Bound,
    pub measure: Measure,
    pub value: f64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawResources<'a> {
    #[serde(borrow)]
    requests: Pairs<'a>,
    #[serde(borrow)]
    limits: Pairs<'a>,
}

impl Measure {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Cpu, "cpu"),
        (Self::Memory, "memory"),
        (Self::Storage, "storage"),
        (Self::EphemeralStorage, "ephemeral-storage"),
    ];
}

impl RawResources<'_> {
    pub fn amounts(&self) -> Box<[Amount]> {
        let of = |bound: Bound, pairs: &Pairs<'_>| {
            Measure::ALL
                .into_iter()
                .filter_map(|(measure, key)| {
                    let text = pairs.get(key)?;
                    let value = match measure {
                        Measure::Cpu => quantity::thousandths(text)? as f64 / 1000.0,
                        _ => quantity::whole(text)? as f64,
                    };
                    Some(Amount { bound, measure, value })
                })
                .collect::<Vec<_>>()
        };
        let mut amounts = of(Bound::Request, &self.requests);
        amounts.extend(of(Bound::Limit, &self.limits));
        amounts.into_boxed_slice()
    }
}
