//! The objects of one resource, with the few fields that are used of each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::list_watch::{Change, Sink};
use super::{Interned, KubeError, Pool};
use crate::pipeline::Stop;

/// A kind of object as it is kept.
pub trait Object: Sized + Send + Sync + PartialEq + 'static {
    /// Which of the fields that cost memory somebody wants.
    type Needs: Clone + Default + Send + Sync + 'static;

    /// Reads the server's JSON; the strings that are kept come from `pool`.
    fn parse(json: &[u8], needs: &Self::Needs, pool: &mut Pool) -> Result<Parsed<Self>, serde_json::Error>;

    /// Adds the fields of `more`; whether that changed anything.
    fn widen(needs: &mut Self::Needs, more: &Self::Needs) -> bool;
}

/// An object with its identity in the cluster.
#[derive(Debug)]
pub struct Parsed<O> {
    /// Empty for objects that are in none.
    pub namespace: Interned,
    pub name: Interned,
    pub object: O,
}

/// Is told of every change, in order, by the thread that follows the cluster. It must not block.
pub trait Handler<O>: Send + Sync {
    fn applied(&self, old: Option<&Arc<O>>, new: &Arc<O>);
    fn deleted(&self, old: &Arc<O>);
}

/// How far the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncState {
    /// The first list is under way.
    Waiting,
    /// The store has been complete once and is kept up to date.
    Done,
    /// The first list fails for now; the text says why.
    Failing(String),
    /// The first list fails and will until a person changes something; the text says what.
    Refused(String),
}

/// The objects, by namespace and name.
pub struct Store<O: Object> {
    objects: RwLock<Objects<O>>,
    intake: Mutex<Intake<O>>,
    needs: Mutex<O::Needs>,
    /// The needs have grown since the last list began.
    widened: AtomicBool,
    sync: Mutex<SyncState>,
    sync_changed: Condvar,
    /// Grows with every change.
    epoch: AtomicU64,
    /// Objects that could not be read, ever.
    unreadable: AtomicU64,
}

type Objects<O> = HashMap<Interned, HashMap<Interned, Slot<O>>>;

struct Slot<O> {
    object: Arc<O>,
    /// The list that named it last.
    list: u32,
}

/// What only the following thread works with, and those who subscribe.
struct Intake<O> {
    pool: Pool,
    handlers: Vec<Arc<dyn Handler<O>>>,
    list: u32,
}

impl<O: Object> Default for Store<O> {
    fn default() -> Self {
        Self {
            objects: RwLock::default(),
            intake: Mutex::new(Intake { pool: Pool::default(), handlers: Vec::new(), list: 0 }),
            needs: Mutex::default(),
            widened: AtomicBool::new(false),
            sync: Mutex::new(SyncState::Waiting),
            sync_changed: Condvar::new(),
            epoch: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
        }
    }
}

impl<O: Object> Store<O> {
    /// The object of that name; `namespace` is empty for objects that are in none.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<O>> {
        self.read().get(namespace)?.get(name).map(|slot| slot.object.clone())
    }

    /// All objects, in no order.
    pub fn all(&self) -> Vec<Arc<O>> {
        self.read().values().flat_map(HashMap::values).map(|slot| slot.object.clone()).collect()
    }

    pub fn len(&self) -> usize {
        self.read().values().map(HashMap::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Grows with every change of an object: equal epochs mean equal content.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// How many objects could not be read so far.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// Tells `handler` of all objects there are, and from then on of every change.
    pub fn subscribe(&self, handler: Arc<dyn Handler<O>>) {
        let mut intake = self.intake();
        for object in self.all() {
            handler.applied(None, &object);
        }
        intake.handlers.push(handler);
    }

    /// Ends a subscription.
    pub fn unsubscribe(&self, handler: &Arc<dyn Handler<O>>) {
        self.intake().handlers.retain(|known| !Arc::ptr_eq(known, handler));
    }

    pub fn sync(&self) -> SyncState {
        lock(&self.sync).clone()
    }

    /// Waits until the first list is complete or refused.
    pub fn wait_for_sync(&self, timeout: Duration, stop: &Stop) -> SyncState {
        const STOP_CHECK: Duration = Duration::from_millis(50);
        let deadline = Instant::now() + timeout;
        let mut sync = lock(&self.sync);
        while matches!(*sync, SyncState::Waiting | SyncState::Failing(_)) && !stop.is_raised() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            sync = self
                .sync_changed
                .wait_timeout(sync, left.min(STOP_CHECK))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        sync.clone()
    }

    /// Asks for more fields; whether a new list is needed to get them.
    pub fn widen(&self, more: &O::Needs) -> bool {
        let widened = O::widen(&mut lock(&self.needs), more);
        if widened {
            self.widened.store(true, Ordering::Release);
        }
        widened
    }

    fn read(&self) -> RwLockReadGuard<'_, Objects<O>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Objects<O>> {
        self.objects.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn intake(&self) -> MutexGuard<'_, Intake<O>> {
        lock(&self.intake)
    }

    fn set_sync(&self, new: SyncState) {
        let mut sync = lock(&self.sync);
        if *sync != SyncState::Done {
            *sync = new;
        }
        self.sync_changed.notify_all();
    }

    fn parse(&self, intake: &mut Intake<O>, json: &[u8]) -> Option<Parsed<O>> {
        let needs = lock(&self.needs).clone();
        match O::parse(json, &needs, &mut intake.pool) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                if self.unreadable.fetch_add(1, Ordering::Relaxed) == 0 {
                    log::warn!("passing over an object that cannot be read: {error}");
                }
                None
            }
        }
    }

    fn apply(&self, intake: &mut Intake<O>, parsed: Parsed<O>) {
        let Parsed { namespace, name, object } = parsed;
        let list = intake.list;
        let (old, new) = {
            let mut objects = self.write();
            let names = objects.entry(namespace).or_default();
            match names.get_mut(&name) {
                Some(slot) if *slot.object == object => {
                    slot.list = list;
                    return;
                }
                Some(slot) => {
                    let new = Arc::new(object);
                    slot.list = list;
                    (Some(std::mem::replace(&mut slot.object, new.clone())), new)
                }
                None => {
                    let new = Arc::new(object);
                    names.insert(name, Slot { object: new.clone(), list });
                    (None, new)
                }
            }
        };
        for handler in &intake.handlers {
            handler.applied(old.as_ref(), &new);
        }
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    fn remove(&self, intake: &Intake<O>, namespace: &str, name: &str) {
        let old = {
            let mut objects = self.write();
            let Some(names) = objects.get_mut(namespace) else { return };
            let old = names.remove(name);
            if names.is_empty() {
                objects.remove(namespace);
            }
            old
        };
        if let Some(old) = old {
            self.deleted(intake, &[old.object]);
        }
    }

    /// Removes all objects that `keep` does not want.
    fn retain(&self, intake: &Intake<O>, keep: impl Fn(&Slot<O>) -> bool) {
        let mut gone = Vec::new();
        self.write().retain(|_, names| {
            names.retain(|_, slot| {
                let keep = keep(slot);
                if !keep {
                    gone.push(slot.object.clone());
                }
                keep
            });
            names.shrink_to_fit();
            !names.is_empty()
        });
        self.deleted(intake, &gone);
    }

    fn deleted(&self, intake: &Intake<O>, gone: &[Arc<O>]) {
        for object in gone {
            for handler in &intake.handlers {
                handler.deleted(object);
            }
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The store at the receiving end of a watch.
impl<O: Object> Sink for &Store<O> {
    fn list_started(&mut self) {
        self.widened.store(false, Ordering::Release);
        self.intake().list += 1;
    }

    fn listed(&mut self, object: &[u8]) {
        let mut intake = self.intake();
        if let Some(parsed) = self.parse(&mut intake, object) {
            self.apply(&mut intake, parsed);
        }
    }

    fn list_completed(&mut self) {
        let mut intake = self.intake();
        let list = intake.list;
        self.retain(&intake, |slot| slot.list == list);
        intake.pool.sweep();
        drop(intake);
        self.set_sync(SyncState::Done);
    }

    fn changed(&mut self, change: Change, object: &[u8]) {
        let mut intake = self.intake();
        let Some(parsed) = self.parse(&mut intake, object) else { return };
        match change {
            Change::Added | Change::Modified => self.apply(&mut intake, parsed),
            Change::Deleted => self.remove(&intake, &parsed.namespace, &parsed.name),
        }
    }

    fn vanished(&mut self) {
        let intake = self.intake();
        self.retain(&intake, |_| false);
    }

    fn failed(&mut self, error: &KubeError) {
        self.set_sync(if error.is_lasting() {
            SyncState::Refused(error.to_string())
        } else {
            SyncState::Failing(error.to_string())
        });
    }

    fn wants_list(&mut self) -> bool {
        self.widened.load(Ordering::Acquire)
    }
}
