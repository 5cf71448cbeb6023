//! What network interfaces have counted, held against the flows: the rest was seen by no program.

use std::collections::{BTreeMap, HashMap};

use super::kernel::Interface;
use super::kernel::records::{Direction, FlowKey, Traffic};
use super::metrics::{self as info, Points, Span};
use crate::otlp::KeyValue;

/// The interfaces of the agent's network namespace, since the receiver began.
#[derive(Default)]
pub struct Reconciliation {
    ends: HashMap<(u32, Direction), End>,
    /// Bytes in flows of this reading.
    news: HashMap<(u32, Direction), u64>,
}

/// One direction of an interface.
struct End {
    name: String,
    /// What it had counted when it was met.
    before: Traffic,
    /// Bytes, from the network header on.
    in_flows: u64,
    unseen: u64,
}

/// Header of Ethernet, which flows do not count; nearly all interfaces have it.
const LINK_HEADER: u64 = 14;

impl Reconciliation {
    /// Bytes that a flow has counted.
    pub fn see(&mut self, key: &FlowKey, bytes: u64) {
        if key.interface() != 0 {
            *self.news.entry((key.interface(), key.direction())).or_default() += bytes;
        }
    }

    /// Compares, at the end of a reading; `is_watched`: its packets should be among the flows.
    pub fn settle(
        &mut self,
        interfaces: &BTreeMap<i32, Interface>,
        is_watched: impl Fn(i32, Direction) -> bool,
    ) {
        self.ends.retain(|(index, direction), _| {
            let index = *index as i32;
            interfaces.contains_key(&index) && is_watched(index, *direction)
        });
        for (index, interface) in interfaces {
            for (direction, counted) in
                [(Direction::Ingress, interface.received), (Direction::Egress, interface.sent)]
            {
                if !is_watched(*index, direction) {
                    continue;
                }
                let key = (*index as u32, direction);
                let end = self.ends.entry(key).or_insert_with(|| End {
                    name: interface.name.clone(),
                    before: counted,
                    in_flows: 0,
                    unseen: 0,
                });
                end.in_flows += self.news.remove(&key).unwrap_or(0);
                let counted = counted.since(end.before);
                let payload = counted.bytes.saturating_sub(counted.packets * LINK_HEADER);
                // What passes between the two looks is made up for at the next.
                end.unseen = end.unseen.max(payload.saturating_sub(end.in_flows));
            }
        }
        self.news.clear();
    }

    pub fn emit(&self, span: Span) -> Points {
        let mut points = Points::new(info::UNSEEN);
        for ((_, direction), end) in &self.ends {
            let attributes = vec![
                KeyValue::fixed("iface", end.name.as_str()),
                KeyValue::fixed("iface.direction", direction.name()),
            ];
            points.number(span, attributes, end.unseen);
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receivers::ebpf::kernel::records::Role;

    fn unseen(reconciliation: &Reconciliation, direction: Direction) -> u64 {
        reconciliation.ends[&(3, direction)].unseen
    }

    #[test]
    fn what_an_interface_has_counted_and_no_flow_has_is_told() {
        let traffic = |bytes, packets| Traffic { bytes, packets };
        let table =
            |received, sent| BTreeMap::from([(3, Interface { name: "eth0".to_owned(), received, sent })]);
        let local = ("10.0.0.1".parse().unwrap(), 80);
        let remote = ("10.0.0.2".parse().unwrap(), 0);
        let key = FlowKey::new(local, remote, 6, Role::Server).with_interface(3);
        let mut reconciliation = Reconciliation::default();
        reconciliation.settle(&table(traffic(5000, 9), traffic(0, 0)), |_, _| true);
        assert_eq!(unseen(&reconciliation, Direction::Ingress), 0, "what was before does not count");

        reconciliation.see(&key, 1000);
        reconciliation.settle(&table(traffic(5000 + 1500 + 2 * 14, 11), traffic(0, 0)), |_, _| true);
        assert_eq!(unseen(&reconciliation, Direction::Ingress), 500);
        assert_eq!(unseen(&reconciliation, Direction::Egress), 0);

        // It never falls, though more is in flows than the interface had counted when it was asked.
        reconciliation.see(&key, 900);
        reconciliation.settle(&table(traffic(5000 + 1500 + 2 * 14, 11), traffic(0, 0)), |_, _| true);
        assert_eq!(unseen(&reconciliation, Direction::Ingress), 500);

        reconciliation.settle(&BTreeMap::new(), |_, _| true);
        assert!(reconciliation.ends.is_empty(), "it is gone");
    }
}
