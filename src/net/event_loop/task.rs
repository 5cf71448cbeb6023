//! What a connection's future has to do with the thread that polls it: wake-ups, times, its share of
//! a turn.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use rustix::event::{EventfdFlags, epoll, eventfd};

use super::Start;

/// Most bytes a connection reads before the others have their turn.
const TURN: usize = 512 << 10;

/// One job's side of its loop. Futures hold it to ask for wake-ups at a time.
pub struct Task {
    shared: Rc<Shared>,
    wake: Arc<LoopWaker>,
    due: Cell<Option<Instant>>,
    budget: Cell<usize>,
}

/// What the tasks of a loop share with it.
pub(super) struct Shared {
    pub epoll: OwnedFd,
    /// The earliest time any task asked for, or earlier.
    pub due: Cell<Option<Instant>>,
    pub stopping: Cell<bool>,
}

impl Shared {
    pub(super) fn new(epoll: OwnedFd) -> Self {
        Self { epoll, due: Cell::new(None), stopping: Cell::new(false) }
    }

    pub(super) fn due_at(&self, time: Instant) {
        self.due.set(Some(self.due.get().map_or(time, |due| due.min(time))));
    }
}

impl Task {
    pub(super) fn in_loop(shared: Rc<Shared>, inbox: Arc<Inbox>, key: u64) -> Self {
        let wake = Arc::new(LoopWaker { inbox, key, queued: AtomicBool::new(false) });
        Self { shared, wake, due: Cell::new(None), budget: Cell::new(TURN) }
    }

    /// Has the task polled whenever something happens to `source`, until that is closed.
    pub fn watch(&self, source: impl AsFd) -> io::Result<()> {
        let flags =
            epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        Ok(epoll::add(&self.shared.epoll, source, epoll::EventData::new_u64(self.wake.key), flags)?)
    }

    /// Whether the loop is to end: take no new work.
    pub fn is_stopping(&self) -> bool {
        self.shared.stopping.get()
    }

    /// Has the task polled at `time`, or earlier. Holds for one time: ask again at each poll.
    pub fn wake_at(&self, time: Instant) {
        self.due.set(Some(self.due.get().map_or(time, |due| due.min(time))));
        self.shared.due_at(time);
    }

    /// Waits for `future`, but not beyond `deadline`.
    pub async fn until<F: Future>(&self, deadline: Instant, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        std::future::poll_fn(|context: &mut Context<'_>| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            if Instant::now() >= deadline {
                return Poll::Ready(None);
            }
            self.wake_at(deadline);
            Poll::Pending
        })
        .await
    }

    /// Whether the task may go on reading in this turn.
    pub(super) fn may_read(&self) -> bool {
        self.budget.get() > 0
    }

    pub(super) fn has_read(&self, bytes: usize) {
        self.budget.set(self.budget.get().saturating_sub(bytes));
    }

    pub(super) fn begin_turn(&self) {
        self.budget.set(TURN);
        self.wake.queued.store(false, Ordering::Release);
    }

    /// Wakes the task from any thread.
    pub fn waker(&self) -> Waker {
        Waker::from(self.wake.clone())
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due.get()
    }

    pub(super) fn clear_due(&self) {
        self.due.set(None);
    }
}

pub(super) enum Message {
    Wake(u64),
    Start(Start),
    Stop(Instant),
}

/// What other threads tell a loop.
pub(super) struct Inbox {
    messages: Mutex<Vec<Message>>,
    asleep: AtomicBool,
    event: OwnedFd,
}

impl Inbox {
    pub(super) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { messages: Mutex::default(), asleep: AtomicBool::new(false), event })
    }

    pub(super) fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    pub(super) fn send(&self, message: Message) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        if self.asleep.swap(false, Ordering::SeqCst) {
            // Fails only when the counter is full, and then the loop is awake.
            _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }

    pub(super) fn take(&self) -> Vec<Message> {
        std::mem::take(&mut self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on a message writes to the event descriptor. False when there is one already.
    pub(super) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(super) fn wake_up(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }
}

struct LoopWaker {
    inbox: Arc<Inbox>,
    key: u64,
    /// It is in the inbox already.
    queued: AtomicBool,
}

impl Wake for LoopWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.inbox.send(Message::Wake(self.key));
        }
    }
}
