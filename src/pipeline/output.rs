//! Where a component sends its batches.

use std::sync::Arc;

use super::{Ack, Batch, Data, Outcome, Signal};
use crate::telemetry::{Counter, Tap, Taps, Telemetry};

/// A batch that was not taken.
#[derive(Debug)]
pub enum Rejected {
    /// There is no room now: try again later.
    Full(Batch),
    /// The agent stops and takes nothing any more.
    Stopped(Batch),
}

impl Rejected {
    /// Tells the source that its batch was refused.
    pub fn refuse(self) {
        match self {
            Self::Full(batch) | Self::Stopped(batch) => batch.ack.settle(Outcome::Refused),
        }
    }
}

/// Takes batches: the head of a pipeline, the queue of an exporter, a connector.
pub trait Consumer: Send + Sync {
    /// Takes the batch, waiting for room as long as the agent runs.
    fn consume(&self, batch: Batch) -> Result<(), Rejected>;

    /// Takes the batch if there is room now.
    fn try_consume(&self, batch: Batch) -> Result<(), Rejected>;

    /// Does in this thread what is to be done with the batch, without waiting for room. Hands it back if
    /// that cannot be.
    fn consume_here(&self, batch: Batch) -> Result<(), Batch> {
        Err(batch)
    }
}

impl Consumer for super::ChannelSender {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.send(batch)
    }
    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.try_send(batch)
    }
}

/// Sends to every consumer of one signal; the data is shared, not copied.
#[derive(Clone, Default)]
pub struct Output {
    consumers: Vec<Arc<dyn Consumer>>,
    counts: Option<Counts>,
    reads: bool,
    tap: Tap,
}

/// What a receiver handed in, by outcome.
#[derive(Clone)]
struct Counts {
    accepted: Counter,
    refused: Counter,
}

impl Output {
    pub fn new(consumers: Vec<Arc<dyn Consumer>>) -> Self {
        Self { consumers, counts: None, reads: false, tap: Tap::default() }
    }

    /// Says that a processor behind it looks at the telemetry.
    pub(super) fn that_reads(self, reads: bool) -> Self {
        Self { reads, ..self }
    }

    /// Whether a processor behind it looks at the telemetry: it has to be decoded.
    pub fn reads(&self) -> bool {
        self.reads
    }

    /// Hands the batch to all consumers, waiting for room in each. A consumer that takes nothing
    /// any more refuses its copy through the acknowledgement; the others still get theirs.
    /// Returns false when the agent stops: there is no sense in sending more.
    pub fn send(&self, batch: Batch) -> bool {
        let Some((last, others)) = self.consumers.split_last() else { return true };
        self.tap.pass(&batch);
        let items = self.count(&batch);
        let mut open = true;
        for consumer in others {
            open &= settle(consumer.consume(batch.clone()));
        }
        open &= settle(last.consume(batch));
        self.add(items, open);
        open
    }

    /// For network receivers, which can ask their client to try later: hands the batch back when
    /// the first consumer has no room. Once one has taken it the others are waited for.
    pub fn try_send(&self, batch: Batch) -> Result<(), Rejected> {
        self.offer(batch, |first, batch| first.try_consume(batch))
    }

    /// [`Output::try_send`] for a receiver with nothing else to do: if it can be, the work behind is
    /// done in its thread.
    pub fn try_send_here(&self, batch: Batch) -> Result<(), Rejected> {
        if self.consumers.len() > 1 {
            return self.try_send(batch);
        }
        self.offer(batch, |only, batch| only.consume_here(batch).or_else(|batch| only.try_consume(batch)))
    }

    fn offer(
        &self,
        batch: Batch,
        take: impl FnOnce(&dyn Consumer, Batch) -> Result<(), Rejected>,
    ) -> Result<(), Rejected> {
        let Some((first, others)) = self.consumers.split_first() else { return Ok(()) };
        self.tap.pass(&batch);
        let items = self.count(&batch);
        let copy = (!others.is_empty()).then(|| batch.clone());
        let taken = take(first.as_ref(), batch);
        self.add(items, taken.is_ok());
        taken?;
        if let Some(copy) = copy {
            for consumer in others {
                settle(consumer.consume(copy.clone()));
            }
        }
        Ok(())
    }

    fn count(&self, batch: &Batch) -> u64 {
        if self.counts.is_some() { batch.items() as u64 } else { 0 }
    }

    fn add(&self, items: u64, accepted: bool) {
        if let Some(counts) = &self.counts {
            if accepted { &counts.accepted } else { &counts.refused }.add(items);
        }
    }
}

fn settle(result: Result<(), Rejected>) -> bool {
    result.map_err(Rejected::refuse).is_ok()
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Output({} consumers)", self.consumers.len())
    }
}

/// The outputs of a receiver or connector: one per signal that a pipeline wants from it.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    pub logs: Option<Output>,
    pub metrics: Option<Output>,
    pub traces: Option<Output>,
}

impl Outputs {
    pub fn of(&self, signal: Signal) -> Option<&Output> {
        match signal {
            Signal::Logs => self.logs.as_ref(),
            Signal::Metrics => self.metrics.as_ref(),
            Signal::Traces => self.traces.as_ref(),
        }
    }

    pub fn set(&mut self, signal: Signal, output: Output) {
        match signal {
            Signal::Logs => self.logs = Some(output),
            Signal::Metrics => self.metrics = Some(output),
            Signal::Traces => self.traces = Some(output),
        }
    }

    /// Counts what is sent as accepted or refused by the receiver `id`.
    pub fn counted(mut self, telemetry: &Telemetry, id: &str) -> Self {
        let labels = [("receiver", id)];
        let names = [
            (&mut self.logs, "otelcol_receiver_accepted_log_records", "otelcol_receiver_refused_log_records"),
            (
                &mut self.metrics,
                "otelcol_receiver_accepted_metric_points",
                "otelcol_receiver_refused_metric_points",
            ),
            (&mut self.traces, "otelcol_receiver_accepted_spans", "otelcol_receiver_refused_spans"),
        ];
        for (output, accepted, refused) in names {
            if let Some(output) = output {
                output.counts = Some(Counts {
                    accepted: telemetry.counter(accepted, &labels),
                    refused: telemetry.counter(refused, &labels),
                });
            }
        }
        self
    }

    /// Lets what is sent be looked at, as what the node of that name sends.
    pub fn tapped(mut self, taps: &Taps, name: &str) -> Self {
        for signal in Signal::ALL {
            if let Some(mut output) = self.of(signal).cloned() {
                output.tap = taps.tap(&format!("{name}/{signal}"));
                self.set(signal, output);
            }
        }
        self
    }

    /// Sends `data` to the pipelines of its signal, waiting for room; see [`Output::send`].
    pub fn send(&self, data: Data, ack: Ack) -> bool {
        match self.of(data.signal()) {
            Some(output) => output.send(Batch::new(data, ack)),
            None => true,
        }
    }
}
