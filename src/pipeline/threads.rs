//! Threads named after their component, whose end is always noticed.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::component::RunError;

/// How a thread ended.
#[derive(Debug)]
pub enum Ended {
    /// It returned because it was asked to, or had nothing left to do.
    Done,
    /// It gave up.
    Failed(RunError),
    /// It panicked: a bug. The message says where.
    Panicked(String),
}

/// The end of one thread.
#[derive(Debug)]
pub struct Event {
    pub component: String,
    pub ended: Ended,
}

/// A group of threads. The kernel shows the first 15 bytes of a thread's name.
#[derive(Debug)]
pub struct Threads {
    /// How many of each name: one that is being replaced may still finish its last batch.
    running: BTreeMap<String, usize>,
    ended: Receiver<Event>,
    report: Sender<Event>,
}

impl Threads {
    pub fn new() -> Self {
        let (report, ended) = unbounded();
        Self { running: BTreeMap::new(), ended, report }
    }

    /// Starts a thread. A panic in it is caught, told apart and reported; it never ends silently.
    pub fn spawn(
        &mut self,
        component: impl Into<String>,
        run: impl FnOnce() -> Result<(), RunError> + Send + 'static,
    ) -> std::io::Result<()> {
        let component = component.into();
        let report = self.report.clone();
        let name = thread_name(&component);
        let owned = component.clone();
        std::thread::Builder::new().name(name).spawn(move || {
            let ended = match catch_unwind(AssertUnwindSafe(run)) {
                Ok(Ok(())) => Ended::Done,
                Ok(Err(error)) => Ended::Failed(error),
                Err(payload) => Ended::Panicked(panic_message(payload.as_ref())),
            };
            // Nobody listens any more only after the shutdown deadline.
            _ = report.send(Event { component, ended });
        })?;
        *self.running.entry(owned).or_default() += 1;
        Ok(())
    }

    /// Ends of threads, as they happen: for `select!`. Tell [`Threads::note`] of what was received.
    pub fn ends(&self) -> &Receiver<Event> {
        &self.ended
    }

    /// An end was received from [`Threads::ends`].
    pub fn note(&mut self, event: &Event) {
        if let Some(threads) = self.running.get_mut(&event.component) {
            *threads -= 1;
            if *threads == 0 {
                self.running.remove(&event.component);
            }
        }
    }

    /// Whether a thread of that name belongs to this group and runs.
    pub fn owns(&self, component: &str) -> bool {
        self.running.contains_key(component)
    }

    /// Waits until all threads have ended, but no longer than `deadline`. Returns how many are
    /// left; `seen` hears of each end.
    pub fn join(&mut self, deadline: Instant, seen: impl FnMut(&Self, Event)) -> usize {
        self.join_some(|_| true, deadline, seen)
    }

    /// [`Threads::join`] for the threads whose name is `wanted`.
    pub fn join_some(
        &mut self,
        wanted: impl Fn(&str) -> bool,
        deadline: Instant,
        mut seen: impl FnMut(&Self, Event),
    ) -> usize {
        let left = |threads: &Self| -> usize {
            threads.running.iter().filter(|(name, _)| wanted(name)).map(|(_, count)| count).sum()
        };
        while left(self) > 0 {
            let Ok(event) = self.ended.recv_deadline(deadline) else { break };
            self.note(&event);
            seen(self, event);
        }
        left(self)
    }
}

impl Default for Threads {
    fn default() -> Self {
        Self::new()
    }
}

/// `receiver:filelog/containers` → `filelog/containers`: the part that fits what `top -H` shows.
fn thread_name(component: &str) -> String {
    component.split_once(':').map_or(component, |(_, id)| id).replace('\0', "")
}

/// The text of a panic's payload.
pub fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
