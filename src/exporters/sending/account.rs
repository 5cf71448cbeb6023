//! What became of the batches of one exporter: its metrics, its line on the status board and the
//! few lines it writes to the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::component::Context;
use crate::pipeline::Signal;
use crate::telemetry::{ComponentState, Counter, Gauge, StatusHandle};

/// How long a backend is down before the log is told again.
const REMINDER: Duration = Duration::from_mins(5);
/// Least time between two lines of a kind.
const LINE_INTERVAL: Duration = Duration::from_mins(1);

pub(super) struct Account {
    /// `otlphttp (logs)`: what log lines begin with.
    name: String,
    signal: Signal,
    sent: Counter,
    send_failed: Counter,
    enqueue_failed: Counter,
    in_flight: Gauge,
    attempts: AtomicU64,
    queue_size: Gauge,
    status: StatusHandle,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// From the first failure to the next success.
    outage: Option<Outage>,
    last_retry_line: Option<Instant>,
    last_loss_line: Option<Instant>,
    last_storage_line: Option<Instant>,
    /// Items lost since the last line about it.
    lost: usize,
}

struct Outage {
    since: Instant,
    /// The log was told, so it is told of the end as well.
    announced: bool,
}

/// Why items are given up; they count as `send_failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The backend refuses them, or the exporter cannot send them.
    Permanent,
    /// `max_elapsed_time` is over, or retry is off.
    GaveUp,
    /// One item that is too large for the backend.
    TooLarge,
    /// They cannot be read from the queue on disk.
    Damaged,
}

impl Account {
    pub(super) fn new(context: &Context, signal: Signal, capacity: usize) -> Self {
        let exporter = context.id.to_string();
        let counter = |name| context.telemetry.counter(name, &[("exporter", &exporter)]);
        let gauge =
            |name| context.telemetry.gauge(name, &[("exporter", &exporter), ("data_type", signal.name())]);
        let names = Names::of(signal);
        gauge("otelcol_exporter_queue_capacity").set(capacity as u64);
        context.status.set(ComponentState::Running, "");
        Self {
            name: format!("{exporter} ({signal})"),
            signal,
            sent: counter(names.sent),
            send_failed: counter(names.send_failed),
            enqueue_failed: counter(names.enqueue_failed),
            in_flight: gauge("otelcol_exporter_in_flight_requests"),
            attempts: AtomicU64::new(0),
            queue_size: gauge("otelcol_exporter_queue_size"),
            status: context.status.clone(),
            state: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn queue_size(&self, size: usize) {
        self.queue_size.set(size as u64);
    }

    pub(super) fn attempt_begins(&self) {
        self.in_flight.set(self.attempts.fetch_add(1, Ordering::Relaxed) + 1);
    }

    pub(super) fn attempt_ends(&self) {
        self.in_flight.set(self.attempts.fetch_sub(1, Ordering::Relaxed) - 1);
    }

    pub(super) fn not_enqueued(&self, items: usize) {
        self.enqueue_failed.add(items as u64);
    }

    pub(super) fn delivered(&self, items: usize, now: Instant) {
        self.sent.add(items as u64);
        if let Some(outage) = self.lock().outage.take() {
            self.status.set(ComponentState::Running, "");
            if outage.announced {
                let down = now.saturating_duration_since(outage.since);
                log::info!("{}: exporting works again after {down:.0?}", self.name);
            }
        }
    }

    /// An attempt failed and will be repeated. One line when that begins and a reminder now and
    /// then, also for a backend that comes and goes.
    pub(super) fn will_retry(&self, message: &str, delay: Duration, now: Instant) {
        let mut state = self.lock();
        let interval = if state.outage.is_some() { REMINDER } else { LINE_INTERVAL };
        let due = is_due(state.last_retry_line, interval, now);
        self.goes_wrong(&mut state, message, now);
        if due {
            state.last_retry_line = Some(now);
            if let Some(outage) = &mut state.outage {
                outage.announced = true;
            }
            drop(state);
            log::warn!("{}: exporting failed, will retry, next in {delay:.1?}: {message}", self.name);
        }
    }

    /// Items are given up.
    pub(super) fn lost(&self, loss: Loss, items: usize, message: &str, now: Instant) {
        self.send_failed.add(items as u64);
        let mut state = self.lock();
        self.goes_wrong(&mut state, message, now);
        state.lost += items;
        if !is_due(state.last_loss_line, LINE_INTERVAL, now) {
            return;
        }
        state.last_loss_line = Some(now);
        let lost = std::mem::take(&mut state.lost);
        drop(state);
        let why = match loss {
            Loss::Permanent => "the backend will not take them",
            Loss::GaveUp => "retry gave up",
            Loss::TooLarge => "a single item is too large for the backend",
            Loss::Damaged => "the queue on disk is damaged",
        };
        log::error!("{}: gave up {lost} {}, {why}: {message}", self.name, self.signal.items());
    }

    fn goes_wrong(&self, state: &mut State, message: &str, now: Instant) {
        if state.outage.is_none() {
            state.outage = Some(Outage { since: now, announced: false });
            self.status.set(ComponentState::Degraded, message);
        }
    }

    /// The queue on disk takes nothing now: one line, and another one when a minute has passed.
    pub(super) fn not_stored(&self, error: &std::io::Error, now: Instant) {
        let mut state = self.lock();
        if is_due(state.last_storage_line, LINE_INTERVAL, now) {
            state.last_storage_line = Some(now);
            drop(state);
            log::error!("{}: cannot write the queue, its sources wait: {error}", self.name);
        }
    }

    /// Items that are still here when the agent stops.
    pub(super) fn left_behind(&self, items: usize) {
        self.send_failed.add(items as u64);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_due(last: Option<Instant>, interval: Duration, now: Instant) -> bool {
    last.is_none_or(|last| now.saturating_duration_since(last) >= interval)
}

struct Names {
    sent: &'static str,
    send_failed: &'static str,
    enqueue_failed: &'static str,
}

impl Names {
    fn of(signal: Signal) -> Self {
        match signal {
            Signal::Logs => Self {
                sent: "otelcol_exporter_sent_log_records",
                send_failed: "otelcol_exporter_send_failed_log_records",
                enqueue_failed: "otelcol_exporter_enqueue_failed_log_records",
            },
            Signal::Metrics => Self {
                sent: "otelcol_exporter_sent_metric_points",
                send_failed: "otelcol_exporter_send_failed_metric_points",
                enqueue_failed: "otelcol_exporter_enqueue_failed_metric_points",
            },
            Signal::Traces => Self {
                sent: "otelcol_exporter_sent_spans",
                send_failed: "otelcol_exporter_send_failed_spans",
                enqueue_failed: "otelcol_exporter_enqueue_failed_spans",
            },
        }
    }
}
