//! From a decoded request into the pipelines, and the answer that follows from it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::net::event_loop::Task;
use crate::net::grpc::{Code, Status};
use crate::pipeline::{Ack, Batch, Content, Data, Outcome, Output, Outputs, Rejected, Signal};
use crate::telemetry::{Counter, Telemetry};

/// When to come back after "no room".
const RETRY: Duration = Duration::from_secs(1);
/// A client is told to try again when its batch is stuck for this long; most have gone by then.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A body of this size may still begin when there is no room, up to twice the limit: one client that
/// fills the room must not shut out the small requests of the others.
const SMALL: usize = 64 << 10;

/// What all connections of a receiver share.
pub(super) struct Intake {
    outputs: Outputs,
    /// Bytes of requests being received or waiting for their answer.
    in_flight: AtomicUsize,
    most_in_flight: usize,
    no_room: Counter,
    malformed: Counter,
}

impl Intake {
    pub(super) fn new(outputs: Outputs, most_in_flight: usize, telemetry: &Telemetry, id: &str) -> Self {
        let counter = |reason| {
            telemetry.counter("kmagent_receiver_refused_requests", &[("receiver", id), ("reason", reason)])
        };
        Self {
            outputs,
            in_flight: AtomicUsize::new(0),
            most_in_flight,
            no_room: counter("no_room"),
            malformed: counter("malformed"),
        }
    }

    /// Whether a pipeline wants this signal from the receiver.
    pub(super) fn wants(&self, signal: Signal) -> bool {
        self.outputs.of(signal).is_some()
    }

    pub(super) fn reserve(&self, more: isize) -> bool {
        let Ok(bytes) = usize::try_from(more) else {
            self.in_flight.fetch_sub(more.unsigned_abs(), Ordering::Relaxed);
            return true;
        };
        let before = self.in_flight.fetch_add(bytes, Ordering::Relaxed);
        let limit = if bytes <= SMALL / 4 { self.most_in_flight * 2 } else { self.most_in_flight };
        if before == 0 || before + bytes <= limit {
            return true;
        }
        self.in_flight.fetch_sub(bytes, Ordering::Relaxed);
        self.no_room.add(1);
        false
    }

    pub(super) fn note_malformed(&self) {
        self.malformed.add(1);
    }

    /// The telemetry in the body of a request. Where a processor will look at it, it is decoded here:
    /// these threads are several, that of a pipeline is one.
    pub(super) fn opened(&self, signal: Signal, body: Bytes) -> Result<Content, prost::DecodeError> {
        if self.outputs.of(signal).is_some_and(Output::reads) {
            return Data::decode(signal, &body).map(Content::from);
        }
        Content::received(signal, body)
    }

    /// Sends the telemetry into the pipelines and waits until somebody has taken it.
    pub(super) async fn take(&self, content: Content, peer: IpAddr, task: &Task) -> Result<(), Status> {
        let Some(output) = self.outputs.of(content.signal()) else { return Ok(()) };
        if content.items() == 0 {
            return Ok(());
        }
        let settled = Arc::new(Settled::default());
        let notify = settled.clone();
        let mut batch = Batch::new(content, Ack::until_taken(move |outcome| notify.settle(outcome)));
        batch.peer = Some(peer);
        match output.try_send(batch) {
            Ok(()) => {}
            Err(Rejected::Full(_)) => {
                return Err(Status::retry(
                    Code::ResourceExhausted,
                    "the pipeline is full: try again later",
                    RETRY,
                ));
            }
            Err(Rejected::Stopped(_)) => return Err(unavailable("the agent is stopping")),
        }
        let waited = std::future::poll_fn(|context| settled.poll(context));
        match task.until(Instant::now() + LONGEST_WAIT, waited).await {
            Some(Outcome::Delivered) => Ok(()),
            Some(Outcome::Dropped) => {
                Err(Status::new(Code::Internal, "the backend refused the data: it was dropped"))
            }
            Some(Outcome::Refused) => Err(unavailable("the data was not delivered: try again")),
            None => Err(unavailable("the pipeline is stuck: try again")),
        }
    }
}

fn unavailable(message: &str) -> Status {
    Status::retry(Code::Unavailable, message, RETRY)
}

/// The end of a batch, told by whichever thread settles it.
#[derive(Default)]
struct Settled(Mutex<(Option<Outcome>, Option<Waker>)>);

impl Settled {
    fn settle(&self, outcome: Outcome) {
        let waker = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 = Some(outcome);
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Outcome> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.0 {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                state.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
