//! Cumulative values by their labels, bounded: what has no room is counted as "other".

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use super::attributes::{Labels, Shown};
use super::resolve::Resolved;

/// The series of one family of metrics. `K` is what the kernel counts by.
pub struct Table<K, V> {
    pub shown: Shown,
    limit: usize,
    ttl: u64,
    /// Where a key's values go; saves asking again who it is.
    by_key: HashMap<K, u32, Seed>,
    by_labels: HashMap<Arc<Labels>, u32>,
    entries: Vec<Option<Entry<V>>>,
    free: Vec<u32>,
    /// Keys that had no room of their own since it was asked for last.
    folded: u64,
}

/// One series.
pub struct Entry<V> {
    pub labels: Arc<Labels>,
    pub value: V,
    /// Since when it counts, nanoseconds since the epoch.
    pub start: u64,
    seen: u64,
}

/// What the user does not want goes nowhere.
const NOWHERE: u32 = u32::MAX;

impl<K: Eq + Hash + Clone, V: Default> Table<K, V> {
    /// `ttl` in nanoseconds.
    pub fn new(shown: Shown, limit: usize, ttl: u64) -> Self {
        Self {
            shown,
            limit,
            ttl,
            by_key: HashMap::with_hasher(Seed(fastrand::u64(..))),
            by_labels: HashMap::new(),
            entries: Vec::new(),
            free: Vec::new(),
            folded: 0,
        }
    }

    /// The value that counts for that key; `None` when the user does not want it. A new one counts
    /// from `start`; `now` is the time of this reading.
    pub fn value(
        &mut self,
        key: &K,
        start: u64,
        now: u64,
        resolve: impl FnOnce() -> Resolved,
    ) -> Option<&mut V> {
        let slot = match self.by_key.get(key) {
            Some(slot) => *slot,
            None => {
                let Resolved { labels, is_settled } = resolve();
                let (slot, is_settled) = match labels {
                    None => (NOWHERE, is_settled),
                    Some(labels) => {
                        let slot = self.slot(labels.reduce(self.shown), start);
                        (slot, is_settled && !self.is_other(slot))
                    }
                };
                if is_settled {
                    if self.by_key.len() >= self.limit * 2 {
                        self.by_key.clear();
                    }
                    self.by_key.insert(key.clone(), slot);
                }
                slot
            }
        };
        let entry = self.entries.get_mut(slot as usize)?.as_mut()?;
        entry.seen = now;
        Some(&mut entry.value)
    }

    /// Answers of earlier may be wrong: asks for every key again.
    pub fn forget_keys(&mut self) {
        self.by_key.clear();
    }

    /// Forgets series that nothing was heard of.
    pub fn sweep(&mut self, now: u64) {
        let mut gone = 0;
        for (slot, place) in self.entries.iter_mut().enumerate() {
            if place.as_ref().is_some_and(|entry| now.saturating_sub(entry.seen) > self.ttl)
                && let Some(entry) = place.take()
            {
                self.by_labels.remove(&entry.labels);
                self.free.push(slot as u32);
                gone += 1;
            }
        }
        if gone > 0 {
            self.by_key.retain(|_, slot| {
                *slot == NOWHERE || self.entries.get(*slot as usize).is_some_and(Option::is_some)
            });
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry<V>> {
        self.entries.iter().flatten()
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().flatten().map(|entry| &mut entry.value)
    }

    pub fn len(&self) -> usize {
        self.by_labels.len()
    }

    /// How many times something was counted as "other" since the last call.
    pub fn take_folded(&mut self) -> u64 {
        std::mem::take(&mut self.folded)
    }

    /// Bytes of memory, without what several series share.
    pub fn memory(&self) -> u64 {
        let entries = self.entries.capacity() * size_of::<Option<Entry<V>>>();
        let labels = self.by_labels.len() * (size_of::<Labels>() + 16);
        let maps = self.by_labels.capacity() * size_of::<(usize, u32, u8)>()
            + self.by_key.capacity() * size_of::<(K, u32, u8)>();
        (entries + labels + maps) as u64
    }

    fn is_other(&self, slot: u32) -> bool {
        self.entries.get(slot as usize).and_then(Option::as_ref).is_some_and(|entry| entry.labels.is_other)
    }

    fn slot(&mut self, mut labels: Labels, start: u64) -> u32 {
        if let Some(slot) = self.by_labels.get(&labels) {
            return *slot;
        }
        if self.by_labels.len() >= self.limit {
            self.folded += 1;
            labels = Labels {
                is_other: true,
                direction: labels.direction,
                role: labels.role,
                protocol: labels.protocol,
                ..Labels::default()
            };
            if let Some(slot) = self.by_labels.get(&labels) {
                return *slot;
            }
        }
        let labels = Arc::new(labels);
        let entry = Some(Entry { labels: labels.clone(), value: V::default(), start, seen: start });
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        self.by_labels.insert(labels, slot);
        slot
    }
}

/// Hashes what is written at once, with a seed that peers cannot know.
#[derive(Clone, Copy)]
pub struct Seed(u64);

pub struct SeededHasher(u64);

impl BuildHasher for Seed {
    type Hasher = SeededHasher;
    fn build_hasher(&self) -> SeededHasher {
        SeededHasher(self.0)
    }
}

impl Hasher for SeededHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::receivers::ebpf::attributes::{Family, Selections};
    use crate::receivers::ebpf::mistakes::Mistakes;

    fn table(limit: usize) -> Table<u16, u64> {
        let selections = Selections::new(&BTreeMap::new(), &mut Mistakes::new(&mut Vec::new()));
        Table::new(selections.of(Family::Flow), limit, 100)
    }

    fn add(table: &mut Table<u16, u64>, port: u16, now: u64) {
        let resolve = || {
            let labels = Labels { server_port: port, protocol: 6, ..Labels::default() };
            Resolved { labels: (port != 9).then_some(labels), is_settled: true }
        };
        if let Some(value) = table.value(&port, now, now, resolve) {
            *value += 1;
        }
    }

    #[test]
    fn what_has_no_room_is_counted_as_other_and_nothing_is_lost() {
        let mut table = table(3);
        for port in 100..200 {
            add(&mut table, port, 1);
            add(&mut table, port, 2);
        }
        assert_eq!(table.len(), 4);
        assert_eq!(table.iter().map(|entry| entry.value).sum::<u64>(), 200);
        let other = table.iter().find(|entry| entry.labels.is_other).unwrap();
        assert_eq!((other.value, other.labels.protocol), (194, 6));
        assert_eq!(table.take_folded(), 194);
        assert_eq!(table.take_folded(), 0);
    }

    #[test]
    fn room_comes_back_when_flows_end() {
        let mut table = table(3);
        for port in 100..103 {
            add(&mut table, port, 1);
        }
        add(&mut table, 102, 90);
        table.sweep(150);
        assert_eq!(table.len(), 1);
        add(&mut table, 500, 151);
        add(&mut table, 102, 151);
        assert_eq!(
            table.iter().map(|entry| (entry.labels.server_port, entry.value, entry.start)).max(),
            Some((500, 1, 151))
        );
        assert_eq!(table.iter().map(|entry| entry.value).max(), Some(3));
    }

    #[test]
    fn what_nobody_wants_goes_nowhere() {
        let mut table = table(3);
        add(&mut table, 9, 1);
        add(&mut table, 9, 2);
        assert_eq!(table.len(), 0);
    }
}
