//! Batches on their way. Who sends through a socket does not send again: with `retry_on_failure` the
//! receiver keeps what is refused and tries again, else it is counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::pipeline::{Ack, Batch, Lane, Outcome, Output, Stop};

use super::super::filelog::handoff::send_patiently;
use super::super::filelog::outbox::Parcel;
use super::super::records::RetryOnFailure;
use super::meters::Meters;

/// Bytes kept for another try; then the receiver waits.
const KEPT: usize = 16 << 20;
/// How long to wait at a time for what is kept.
const TURN: Duration = Duration::from_millis(50);

pub struct Delivery {
    output: Output,
    lane: Lane,
    stop: Stop,
    retry: RetryOnFailure,
    meters: Meters,
    kept: HashMap<u64, Kept>,
    bytes: usize,
    next: u64,
    sender: Sender<(u64, Outcome)>,
    outcomes: Receiver<(u64, Outcome)>,
}

struct Kept {
    batch: Batch,
    bytes: usize,
    since: Instant,
    pause: Duration,
    /// When it is sent again; `None` while it is on its way.
    due: Option<Instant>,
}

impl Delivery {
    pub fn new(output: Output, lane: Lane, stop: Stop, retry: RetryOnFailure, meters: Meters) -> Self {
        let (sender, outcomes) = unbounded();
        Self { output, lane, stop, retry, meters, kept: HashMap::new(), bytes: 0, next: 0, sender, outcomes }
    }

    /// Sends a batch, waiting for room as long as the agent runs.
    pub fn send(&mut self, parcel: Parcel) {
        self.meters.accepted.add(parcel.records as u64);
        if !self.retry.enabled {
            let (refused, records) = (self.meters.refused.clone(), parcel.records as u64);
            let ack = Ack::new(move |outcome| {
                if outcome == Outcome::Refused {
                    refused.add(records);
                }
            });
            let batch = parcel.into_batch(ack).in_lane(Some(self.lane));
            send_patiently(&self.output, batch, true, &self.stop);
            return;
        }
        while self.bytes > KEPT && !self.stop.wait(TURN) {
            self.retry(Instant::now());
        }
        let number = self.next;
        self.next += 1;
        let bytes = parcel.bytes;
        let batch = parcel.into_batch(Ack::none()).in_lane(Some(self.lane));
        let (since, pause) = (Instant::now(), self.retry.initial_interval);
        self.bytes += bytes;
        self.kept.insert(number, Kept { batch, bytes, since, pause, due: None });
        self.attempt(number);
    }

    fn attempt(&mut self, number: u64) {
        let Some(kept) = self.kept.get_mut(&number) else { return };
        kept.due = None;
        let sender = self.sender.clone();
        let mut batch = kept.batch.clone();
        batch.ack = Ack::new(move |outcome| {
            // The receiver may have ended: then nobody tries again.
            let _ = sender.send((number, outcome));
        });
        send_patiently(&self.output, batch, true, &self.stop);
    }

    /// Takes outcomes, and sends again what is due.
    pub fn retry(&mut self, now: Instant) {
        while let Ok((number, outcome)) = self.outcomes.try_recv() {
            let Some(kept) = self.kept.get_mut(&number) else { continue };
            let limit = self.retry.max_elapsed_time;
            let over = !limit.is_zero() && now.duration_since(kept.since) >= limit;
            if outcome == Outcome::Refused && !over && !self.stop.is_raised() {
                kept.due = Some(now + kept.pause);
                kept.pause = (kept.pause * 2).min(self.retry.max_interval);
                continue;
            }
            if outcome == Outcome::Refused {
                self.meters.refused.add(kept.batch.items() as u64);
            }
            self.bytes -= kept.bytes;
            self.kept.remove(&number);
        }
        let mut due: Vec<u64> = self
            .kept
            .iter()
            .filter(|(_, kept)| kept.due.is_some_and(|due| due <= now))
            .map(|(n, _)| *n)
            .collect();
        due.sort_unstable();
        for number in due {
            self.attempt(number);
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.kept.values().filter_map(|kept| kept.due).min()
    }
}
