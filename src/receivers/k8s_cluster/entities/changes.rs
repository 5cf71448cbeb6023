//! What has changed since the receiver looked last, from the threads that follow the cluster.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Describe, EntityKind};
use crate::kube::{Handler, Object};

/// An object before and after.
pub struct Change {
    pub kind: EntityKind,
    pub old: Option<Arc<dyn Describe>>,
    pub new: Option<Arc<dyn Describe>>,
}

/// Changes in their order. Nothing is kept before [`Changes::begin`].
#[derive(Default)]
pub struct Changes {
    live: AtomicBool,
    queue: Mutex<Vec<Change>>,
    overflown: AtomicBool,
}

/// Changes of objects that wait at most; deletions always do, as there are no more than objects.
const LIMIT: usize = 20_000;

impl Changes {
    /// From now on changes are kept: to be called before all entities are told for the first time.
    pub fn begin(&self) {
        self.live.store(true, Ordering::Release);
    }

    /// Takes what has come, and whether there was more than could be kept.
    pub fn take(&self) -> (Vec<Change>, bool) {
        let queue = std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner));
        (queue, self.overflown.swap(false, Ordering::AcqRel))
    }

    fn add(&self, change: Change) {
        if !self.live.load(Ordering::Acquire) {
            return;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() >= LIMIT && change.new.is_some() {
            self.overflown.store(true, Ordering::Release);
        } else {
            queue.push(change);
        }
    }
}

/// Hears of the changes of one kind.
pub struct Listener {
    kind: EntityKind,
    changes: Arc<Changes>,
}

impl Listener {
    pub fn new(kind: EntityKind, changes: Arc<Changes>) -> Self {
        Self { kind, changes }
    }
}

impl<O: Object + Describe> Handler<O> for Listener {
    fn applied(&self, old: Option<&Arc<O>>, new: &Arc<O>) {
        let old = old.cloned().map(|old| old as Arc<dyn Describe>);
        self.changes.add(Change { kind: self.kind, old, new: Some(new.clone()) });
    }
    fn deleted(&self, old: &Arc<O>) {
        self.changes.add(Change { kind: self.kind, old: Some(old.clone()), new: None });
    }
}
