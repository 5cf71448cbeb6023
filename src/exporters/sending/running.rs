//! An exporter at work: how the graph starts it, feeds it and ends it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::account::Account;
use super::deliver::Delivery;
use super::direct::Direct;
use super::durable::{Entry, Log};
use super::queue::Queue;
use super::{Clock, Sending, SystemClock};
use crate::component::{BuildError, Context, Exporter};
use crate::config::ComponentId;
use crate::pipeline::{Batch, Consumer, Signal, StopSource};

/// How long attempts that were interrupted may take to return.
const GRACE: Duration = Duration::from_secs(1);

/// What takes the batches of an exporter: its queue, or nothing in between.
pub(super) trait Intake: Consumer {
    fn delivery(&self) -> &Delivery;
    /// Takes what another intake had taken already, whatever the limits.
    fn adopt(&self, batch: Batch);
    /// Takes nothing any more.
    fn close(&self);
    /// Waits until all is delivered, `until`, or the end of the agent.
    fn drain(&self, until: Instant);
    /// Keeps all that waits for a successor or refuses it, and waits for attempts under way until
    /// `grace`. Returns how many items were refused.
    fn abandon(&self, grace: Instant) -> usize;
}

/// An exporter with its queue, its threads and its account.
#[derive(Clone)]
pub struct RunningExporter {
    intake: Arc<dyn Intake>,
}

/// What an exporter could not deliver before it had to end. Their sources were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undelivered {
    pub items: usize,
}

/// Puts queue and retry around `exporter`. No thread runs before there is a batch.
pub fn start(
    settings: &Sending,
    exporter: Arc<dyn Exporter>,
    context: &Context,
    signal: Signal,
) -> Result<RunningExporter, BuildError> {
    start_with(settings, exporter, context, signal, Arc::new(SystemClock))
}

/// [`start`] with a clock of one's own.
pub fn start_with(
    settings: &Sending,
    exporter: Arc<dyn Exporter>,
    context: &Context,
    signal: Signal,
    clock: Arc<dyn Clock>,
) -> Result<RunningExporter, BuildError> {
    let queue = settings.queue();
    let stored = match queue.and_then(|queue| queue.storage.as_ref()) {
        Some(id) => Some(open_log(id, context, signal)?),
        None => None,
    };
    let delivery = Delivery {
        exporter,
        retry: settings.retry_on_failure.clone(),
        clock,
        account: Account::new(context, signal, queue.map_or(0, |queue| queue.queue_size)),
        closing: StopSource::new(),
        give_up: StopSource::new(),
        abort: context.abort.clone(),
        durable: stored.is_some(),
        kept: Mutex::default(),
    };
    let intake: Arc<dyn Intake> = match queue {
        Some(queue) => Arc::new(Queue::start(queue.clone(), delivery, stored)),
        None => Arc::new(Direct::new(delivery)),
    };
    Ok(RunningExporter { intake })
}

/// Opens the queue on disk, with what it still holds.
fn open_log(id: &ComponentId, context: &Context, signal: Signal) -> Result<(Log, Vec<Entry>), BuildError> {
    let storage = context.host.storage(id).ok_or_else(|| {
        BuildError(format!(
            "sending_queue::storage: \"{id}\" is no storage extension in use: list it in service::extensions"
        ))
    })?;
    Log::open(storage.as_ref(), context, signal)
        .map_err(|error| BuildError(format!("sending_queue::storage: {error}")))
}

impl RunningExporter {
    /// Where the pipelines send their batches.
    pub fn consumer(&self) -> Arc<dyn Consumer> {
        self.intake.clone()
    }

    /// See [`Exporter::sends_encoded`](crate::component::Exporter::sends_encoded).
    pub fn sends_encoded(&self) -> bool {
        self.intake.delivery().exporter.sends_encoded()
    }

    /// Takes nothing any more. What is there is still delivered; a wait between two attempts ends
    /// at once, and later ones are short.
    pub fn close(&self) {
        self.intake.close();
        self.intake.delivery().closing.raise();
    }

    /// Closes, waits until all is delivered, and gives up what is not when `deadline` has passed or
    /// the context's `abort` is raised. Returns within a second of that.
    pub fn wait(&self, deadline: Instant) -> Undelivered {
        self.close();
        self.intake.drain(deadline);
        let delivery = self.intake.delivery();
        delivery.give_up.raise();
        delivery.exporter.interrupt();
        Undelivered { items: self.intake.abandon(Instant::now() + GRACE) }
    }

    /// Ends like [`RunningExporter::wait`], but refuses nothing: what is not delivered by `deadline`
    /// is returned, in order, for the exporter that replaces this one.
    pub fn retire(&self, deadline: Instant) -> Vec<Batch> {
        let delivery = self.intake.delivery();
        *delivery.kept() = Some(Vec::new());
        self.wait(deadline);
        delivery.kept().take().unwrap_or_default()
    }

    /// Takes over what the exporter that this one replaces could not deliver, whatever the limits.
    pub fn adopt(&self, batches: Vec<Batch>) {
        batches.into_iter().for_each(|batch| self.intake.adopt(batch));
    }
}

impl std::fmt::Debug for RunningExporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RunningExporter({})", self.intake.delivery().account.name())
    }
}
