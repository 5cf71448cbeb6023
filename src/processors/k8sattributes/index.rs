//! Pods by what resources say about them, readable by all pipelines at once.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use regex::Regex;

use super::association::{Associations, Id};
use super::rules::{IGNORE_ANNOTATION, Rules};
use crate::kube::objects::Pod;
use crate::kube::{Handler, kept_value};
use crate::telemetry::{Counter, Gauge, Telemetry};

/// How long a deleted pod is still found: its last records are on their way.
const GRACE: Duration = Duration::from_mins(2);
/// How often the pods whose time is over are looked for.
const SWEEP: Duration = Duration::from_secs(30);
const SHARDS: usize = 16;

/// The pods that can be associated, by every id they have. Reading takes a lock that only a write
/// to the same sixteenth of the pods holds up.
pub struct PodIndex {
    associations: Arc<Associations>,
    rules: Arc<Rules>,
    exclude: Vec<Regex>,
    shards: [RwLock<Shard>; SHARDS],
    deleted: Mutex<VecDeque<(Instant, Arc<Pod>)>>,
    /// When to sweep next, in milliseconds since `began`.
    next_sweep: AtomicU64,
    began: Instant,
    counters: Counters,
}

type Shard = HashMap<Id, Arc<Pod>, BuildHasherDefault<AlreadyHashed>>;

struct Counters {
    added: Counter,
    updated: Counter,
    deleted: Counter,
    size: Gauge,
}

/// Ids are hashes: half of one is as good as any other hash of it.
#[derive(Default)]
pub struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_ne_bytes(word);
        }
    }
    fn write_u128(&mut self, id: u128) {
        self.0 = id as u64;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

impl PodIndex {
    pub fn new(
        associations: Arc<Associations>,
        rules: Arc<Rules>,
        exclude: Vec<Regex>,
        telemetry: &Telemetry,
    ) -> Self {
        let counters = Counters {
            added: telemetry.counter("otelsvc_k8s_pod_added", &[]),
            updated: telemetry.counter("otelsvc_k8s_pod_updated", &[]),
            deleted: telemetry.counter("otelsvc_k8s_pod_deleted", &[]),
            size: telemetry.gauge("otelsvc_k8s_pod_table_size", &[]),
        };
        Self {
            associations,
            rules,
            exclude,
            shards: Default::default(),
            deleted: Mutex::default(),
            next_sweep: AtomicU64::new(0),
            began: Instant::now(),
            counters,
        }
    }

    pub fn get(&self, id: Id) -> Option<Arc<Pod>> {
        self.shard(id).read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Forgets the pods whose grace is over. Cheap when it is not yet time; `now` may be any
    /// thread's.
    pub fn sweep(&self, now: Instant) {
        let millis = now.duration_since(self.began).as_millis() as u64;
        let due = self.next_sweep.load(Ordering::Relaxed);
        let next = millis + SWEEP.as_millis() as u64;
        if millis < due
            || self.next_sweep.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let mut deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((since, pod)) = deleted.front()
            && now.duration_since(*since) >= GRACE
        {
            for id in self.associations.ids_of(pod, &self.rules) {
                let mut shard = self.shard(id).write().unwrap_or_else(PoisonError::into_inner);
                if shard.get(&id).is_some_and(|known| Arc::ptr_eq(known, pod)) {
                    shard.remove(&id);
                }
            }
            deleted.pop_front();
        }
        drop(deleted);
        self.counters.size.set(self.len() as u64);
    }

    /// How many ids are known.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn shard(&self, id: Id) -> &RwLock<Shard> {
        &self.shards[(id >> 124) as usize % SHARDS]
    }

    fn ignores(&self, pod: &Pod) -> bool {
        kept_value(&pod.annotations, IGNORE_ANNOTATION).is_some_and(|value| &**value == "true")
            || self.exclude.iter().any(|pattern| pattern.is_match(&pod.name))
    }

    fn retire(&self, pod: &Arc<Pod>) {
        let mut deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        deleted.push_back((Instant::now(), pod.clone()));
    }
}

impl Handler<Pod> for PodIndex {
    fn applied(&self, old: Option<&Arc<Pod>>, new: &Arc<Pod>) {
        match old {
            Some(old) => {
                self.counters.updated.add(1);
                let kept = self.associations.ids_of(new, &self.rules);
                // Ids that the pod does not have any more are still found for the grace period.
                if self.associations.ids_of(old, &self.rules).iter().any(|id| !kept.contains(id)) {
                    self.retire(old);
                }
            }
            None => self.counters.added.add(1),
        }
        if self.ignores(new) {
            return;
        }
        for id in self.associations.ids_of(new, &self.rules) {
            let mut shard = self.shard(id).write().unwrap_or_else(PoisonError::into_inner);
            let place = shard.entry(id).or_insert_with(|| new.clone());
            // An address goes from pod to pod: the one that started last has it.
            if place.started <= new.started || place.uid == new.uid {
                *place = new.clone();
            }
        }
        self.sweep(Instant::now());
    }

    fn deleted(&self, old: &Arc<Pod>) {
        self.counters.deleted.add(1);
        self.retire(old);
        self.sweep(Instant::now());
    }
}
