//! The way of batches from a receiver's thread into the pipelines, and of their outcomes back: also
//! after the thread has ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver as Channel, Sender, unbounded};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::pipeline::{Ack, Batch, Lane, Outcome, Output, Rejected, Stop};
use crate::time::now_unix_nanos;

use super::outbox::Parcel;

/// How long a thread waits for acknowledgements after the request to stop.
pub const LAST_ACKS: Duration = Duration::from_millis(500);

/// A moment: for intervals and for timestamps.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub instant: Instant,
    /// Nanoseconds since the epoch.
    pub wall: u64,
}

impl Now {
    pub fn get() -> Self {
        Self { instant: Instant::now(), wall: now_unix_nanos() }
    }
}

/// Where batches go.
pub trait Outlet {
    /// Sends the batch; its outcome comes back with `number`. Without `more` to read, the work behind may
    /// be done in this thread. False when nothing is taken any more.
    fn send(&mut self, parcel: Parcel, number: u64, more: bool) -> bool;
}

/// What keeps offsets, when its thread has ended.
pub trait Late: Send {
    fn settle(&mut self, number: u64, outcome: Outcome);
    /// Makes what was committed durable.
    fn save(&mut self);
}

/// Where acknowledgements arrive: a channel, and a descriptor that wakes the thread.
pub struct Acks {
    sender: Sender<(u64, Outcome)>,
    wake: OwnedFd,
    late: Mutex<Option<Box<dyn Late>>>,
}

impl Acks {
    pub fn new() -> io::Result<(Arc<Self>, Channel<(u64, Outcome)>)> {
        let (sender, channel) = unbounded();
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok((Arc::new(Self { sender, wake, late: Mutex::new(None) }), channel))
    }

    /// Waits for an acknowledgement, for `also` to become readable, or for the time.
    pub fn wait(&self, until: Instant, also: Option<BorrowedFd<'_>>) {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut fds = vec![PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN)];
        fds.extend(also.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        // An interrupted wait is a short one.
        let _ = poll(&mut fds, Some(&timeout));
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
    }

    /// The thread ends: `settle` takes the outcomes that have arrived, what it returns takes the
    /// others as they come.
    pub fn leave(&self, settle: impl FnOnce() -> Box<dyn Late>) {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        *late = Some(settle());
    }

    fn notify(&self, number: u64, outcome: Outcome) {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(late) = &mut *late {
            // The agent stops and the thread has gone: the offset is saved before the last batch
            // counts as settled.
            late.settle(number, outcome);
            late.save();
        } else {
            // The thread may just be ending: then nobody needs to know.
            let _ = self.sender.send((number, outcome));
            let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        }
    }
}

/// Sends batches to the pipelines.
pub struct Pipe {
    pub output: Output,
    pub acks: Arc<Acks>,
    pub lane: Lane,
    pub stop: Stop,
}

impl Outlet for Pipe {
    fn send(&mut self, parcel: Parcel, number: u64, more: bool) -> bool {
        let acks = Arc::clone(&self.acks);
        let ack = Ack::new(move |outcome| acks.notify(number, outcome));
        let batch = parcel.into_batch(ack).in_lane(Some(self.lane));
        send_patiently(&self.output, batch, more, &self.stop)
    }
}

/// Sends a batch, waiting for room as long as the agent runs; see [`Outlet::send`] for `more`. False when
/// it was refused because the agent stops.
pub fn send_patiently(output: &Output, mut batch: Batch, more: bool, stop: &Stop) -> bool {
    let first = if more { Output::try_send } else { Output::try_send_here };
    let mut pause = Duration::from_millis(1);
    loop {
        batch = match first(output, batch) {
            Ok(()) => return true,
            Err(Rejected::Stopped(batch)) => {
                batch.ack.settle(Outcome::Refused);
                return false;
            }
            Err(Rejected::Full(batch)) => batch,
        };
        // Back-pressure: the pipeline has no room. Reading waits, not longer than the agent runs.
        if stop.wait(pause) {
            return match output.try_send(batch) {
                Ok(()) => true,
                Err(rejected) => {
                    rejected.refuse();
                    false
                }
            };
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
