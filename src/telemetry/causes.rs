//! One warning per cause, not per record.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Remembers which causes were warned about. Bounded: when `LIMIT` different causes are known it
/// forgets them all, so that a stream of new causes still shows up, at a trickle.
#[derive(Debug)]
pub struct Causes<K> {
    known: Mutex<HashSet<K>>,
}

const LIMIT: usize = 1024;

impl<K: Hash + Eq> Causes<K> {
    pub fn new() -> Self {
        Self { known: Mutex::new(HashSet::new()) }
    }

    /// Whether this cause is new, so that a line in the log is due.
    pub fn is_new(&self, cause: K) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= LIMIT {
            known.clear();
        }
        known.insert(cause)
    }

    /// The cause is gone: when it comes back it is news again.
    pub fn forget(&self, cause: &K) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(cause);
    }
}

impl<K: Hash + Eq> Default for Causes<K> {
    fn default() -> Self {
        Self::new()
    }
}
