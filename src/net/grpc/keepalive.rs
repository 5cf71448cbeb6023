//! Notices peers that are gone without a word.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use h2::{Ping, PingPong};

use crate::net::event_loop::Task;

/// Sends a ping after a silence, and gives the connection up when it is not answered.
pub(super) struct Keepalive {
    pings: Option<PingPong>,
    heard: Rc<Cell<Instant>>,
    after: Duration,
    timeout: Duration,
    sent: Option<Instant>,
}

/// Pings are not sent closer together than this.
const CLOSEST: Duration = Duration::from_millis(10);

impl Keepalive {
    pub(super) fn new(
        pings: Option<PingPong>,
        heard: Rc<Cell<Instant>>,
        after: Duration,
        timeout: Duration,
    ) -> Self {
        Self { pings, heard, after, timeout, sent: None }
    }

    /// Ready when the connection is dead.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, task: &Task, now: Instant) -> Poll<()> {
        let Some(pings) = &mut self.pings else { return Poll::Pending };
        if let Some(sent) = self.sent {
            match pings.poll_pong(context) {
                Poll::Ready(Ok(_)) => self.sent = None,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending if now >= sent + self.timeout => return Poll::Ready(()),
                Poll::Pending => {
                    task.wake_at(sent + self.timeout);
                    return Poll::Pending;
                }
            }
        }
        let next = self.heard.get() + self.after;
        if now >= next && pings.send_ping(Ping::opaque()).is_ok() {
            self.sent = Some(now);
            task.wake_at(now + self.timeout);
            context.waker().wake_by_ref();
        } else {
            task.wake_at(next.max(now + CLOSEST));
        }
        Poll::Pending
    }
}
