//! Threads that each poll many connections, without an async runtime.
//!
//! A connection is a future that is polled by one thread for its whole life: when its socket becomes
//! readable or writable (`epoll`, edge-triggered), when something wakes it, and when a time it asked
//! for has come. An idle connection costs its buffers, not a stack.

mod slots;
mod socket;
mod task;

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Context;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use self::slots::Slots;
pub use self::socket::Socket;
pub use self::task::Task;
use self::task::{Inbox, Message};
use crate::pipeline::{Stop, panic_message};

/// What runs in a loop: a connection, or the accepting of connections.
pub type Job = Pin<Box<dyn Future<Output = ()>>>;
/// Makes a [`Job`] in the thread that will run it; `None` when there is nothing to run after all.
pub type Start = Box<dyn FnOnce(Rc<Task>) -> Option<Job> + Send>;

/// Events taken from the kernel at a time.
const EVENTS: usize = 256;

/// Several loops that share the work.
pub struct Loops {
    inboxes: Arc<[Arc<Inbox>]>,
    next: Arc<AtomicUsize>,
    ended: Receiver<()>,
}

/// Starts jobs in the loops.
#[derive(Clone)]
pub struct Spawner {
    inboxes: Arc<[Arc<Inbox>]>,
    next: Arc<AtomicUsize>,
}

impl Loops {
    /// Starts `threads` loops whose threads have that name.
    pub fn start(name: &str, threads: usize) -> io::Result<Self> {
        let mut inboxes = Vec::new();
        let (ends, ended) = unbounded();
        for _ in 0..threads.max(1) {
            let inbox = Arc::new(Inbox::new()?);
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(&epoll, inbox.event(), epoll::EventData::new_u64(WAKE), flags)?;
            let end = End(ends.clone());
            inboxes.push(inbox.clone());
            std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                let _end = end;
                Loop::new(inbox, epoll).run();
            })?;
        }
        Ok(Self { inboxes: inboxes.into(), next: Arc::default(), ended })
    }

    pub fn spawner(&self) -> Spawner {
        Spawner { inboxes: self.inboxes.clone(), next: self.next.clone() }
    }

    /// Waits for the request to stop; true when a loop ended before.
    pub fn wait(&self, stop: &Stop) -> bool {
        crossbeam_channel::select! {
            recv(stop.channel()) -> _ => false,
            recv(self.ended) -> _ => true,
        }
    }

    /// Tells all jobs to end, drops those that have not after `grace`, and waits for the threads.
    pub fn stop(self, grace: Duration) {
        let deadline = Instant::now() + grace;
        for inbox in self.inboxes.iter() {
            inbox.send(Message::Stop(deadline));
        }
        let deadline = deadline + Duration::from_millis(500);
        // A thread that hangs is not waited for any longer.
        while self.ended.recv_deadline(deadline).is_ok() {}
    }
}

/// Tells that a thread has ended, however it did.
struct End(Sender<()>);

impl Drop for End {
    fn drop(&mut self) {
        _ = self.0.send(());
    }
}

impl Spawner {
    /// Starts a job in the loop whose turn it is.
    pub fn spawn(&self, start: Start) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.inboxes.len();
        self.inboxes[turn].send(Message::Start(start));
    }
}

/// One thread's loop.
struct Loop {
    shared: Rc<task::Shared>,
    inbox: Arc<Inbox>,
    slots: Slots,
    /// Keys of the jobs to poll next.
    ready: Vec<u64>,
    /// Jobs still there at this time are dropped.
    end: Option<Instant>,
}

/// The key of the event descriptor that wakes the loop.
const WAKE: u64 = u64::MAX;

impl Loop {
    fn new(inbox: Arc<Inbox>, epoll: OwnedFd) -> Self {
        let shared = Rc::new(task::Shared::new(epoll));
        Self { shared, inbox, slots: Slots::default(), ready: Vec::new(), end: None }
    }

    fn run(&mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            self.read_inbox();
            for key in std::mem::take(&mut self.ready) {
                self.poll(key);
            }
            if let Some(end) = self.end
                && (self.slots.is_empty() || Instant::now() >= end)
            {
                return;
            }
            self.wait(&mut events);
            self.ready.extend(events.drain(..).map(|event: epoll::Event| event.data.u64()));
            self.wake_due();
        }
    }

    fn read_inbox(&mut self) {
        for message in self.inbox.take() {
            match message {
                Message::Wake(key) => self.ready.push(key),
                Message::Start(start) if self.end.is_none() => {
                    let key = self.slots.reserve();
                    let task = Rc::new(Task::in_loop(self.shared.clone(), self.inbox.clone(), key));
                    match start(task.clone()) {
                        Some(job) => {
                            self.slots.fill(key, job, task);
                            self.ready.push(key);
                        }
                        None => self.slots.free(key),
                    }
                }
                // What arrives at the end is closed by dropping it.
                Message::Start(_) => {}
                Message::Stop(end) => {
                    self.end = Some(end);
                    self.shared.due_at(end);
                    self.shared.stopping.set(true);
                    self.ready.extend(self.slots.keys());
                }
            }
        }
    }

    fn poll(&mut self, key: u64) {
        let Some((job, task)) = self.slots.get(key) else { return };
        task.begin_turn();
        let waker = task.waker();
        let polled = catch_unwind(AssertUnwindSafe(|| job.as_mut().poll(&mut Context::from_waker(&waker))));
        match polled {
            Ok(polled) if polled.is_pending() => return,
            Ok(_) => {}
            // A bug that a client may know how to set off: it costs its own connection.
            Err(payload) => log::error!(
                "a connection panicked and was closed, this is a bug: {}",
                panic_message(payload.as_ref())
            ),
        }
        self.slots.free(key);
    }

    fn wait(&self, events: &mut Vec<epoll::Event>) {
        let mut timeout = self.shared.due.get().map(|due| due.saturating_duration_since(Instant::now()));
        if !self.ready.is_empty() || !self.inbox.fall_asleep() {
            timeout = Some(Duration::ZERO);
        }
        let timeout = timeout
            .map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) });
        if let Err(error) = epoll::wait(&self.shared.epoll, spare_capacity(events), timeout.as_ref())
            && error != rustix::io::Errno::INTR
        {
            log::error!("cannot wait for connections: {error}");
        }
        self.inbox.wake_up();
    }

    /// Polls the jobs whose time has come.
    fn wake_due(&mut self) {
        let Some(due) = self.shared.due.get() else { return };
        let now = Instant::now();
        if now < due {
            return;
        }
        let mut next = self.end;
        for (key, task) in self.slots.tasks() {
            match task.due() {
                Some(due) if due <= now => {
                    task.clear_due();
                    self.ready.push(key);
                }
                Some(due) => next = Some(next.map_or(due, |next| next.min(due))),
                None => {}
            }
        }
        self.shared.due.set(next);
    }
}
