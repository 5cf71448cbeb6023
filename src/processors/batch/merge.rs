//! Joining batches so that each resource and scope is on the wire once.

use crate::otlp::groups::{Group, Scoped};
use crate::otlp::identity::{Digest, IdentityMap};
use crate::pipeline::Data;

/// Where each resource of the collected data is.
#[derive(Default)]
pub struct Places {
    by_resource: IdentityMap<usize>,
    /// How many of the resources are in the map already.
    known: usize,
}

impl Places {
    /// Appends `from` to `into`. Items of a resource and scope that are there already join it and
    /// stay in order; the two must be of one signal.
    pub fn merge(&mut self, into: &mut Data, from: Data) {
        match (into, from) {
            (Data::Logs(into), Data::Logs(from)) => self.merge_groups(into, from),
            (Data::Metrics(into), Data::Metrics(from)) => self.merge_groups(into, from),
            (Data::Traces(into), Data::Traces(from)) => self.merge_groups(into, from),
            _ => unreachable!("a pipeline carries one signal"),
        }
    }

    fn merge_groups<G: Group>(&mut self, into: &mut Vec<G>, from: Vec<G>) {
        for (place, group) in into.iter().enumerate().skip(self.known) {
            self.by_resource.entry(identity(group)).or_insert(place);
        }
        for mut group in from {
            let place = *self.by_resource.entry(identity(&group)).or_insert(into.len());
            match into.get_mut(place) {
                Some(same)
                    if same.resource() == group.resource() && same.schema_url() == group.schema_url() =>
                {
                    for scoped in group.scopes_mut().drain(..) {
                        merge_scope(same.scopes_mut(), scoped);
                    }
                }
                _ => into.push(group),
            }
        }
        self.known = into.len();
    }
}

fn identity<G: Group>(group: &G) -> u128 {
    let mut digest = Digest::new();
    digest.resource(group.resource());
    digest.finish()
}

fn merge_scope<S: Scoped>(into: &mut Vec<S>, mut from: S) {
    let same = into
        .iter_mut()
        .find(|scoped| scoped.scope() == from.scope() && scoped.schema_url() == from.schema_url());
    match same {
        Some(same) => same.items_mut().append(from.items_mut()),
        None => into.push(from),
    }
}
