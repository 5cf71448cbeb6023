//! What every scraping receiver shares: when to scrape, how to go on when a part fails, what to
//! count and what to say in the log.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use log::Level;

use crate::component::{Context, Receiver, RunError};
use crate::config::Issues;
use crate::otlp::metrics::ResourceMetrics;
use crate::pipeline::{Ack, Data, Outputs, Stop};
use crate::telemetry::{Causes, ComponentState, Counter};
use crate::time::unix_nanos;

/// When to scrape: `collection_interval`, `initial_delay` and `timeout` of the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub interval: Duration,
    pub initial_delay: Duration,
    /// How long one scrape may take; zero = as long as it takes.
    pub timeout: Duration,
}

impl Schedule {
    /// `collection_interval: 1m`, `initial_delay: 1s`, no timeout.
    pub const DEFAULT: Self = Self {
        interval: Duration::from_secs(60),
        initial_delay: Duration::from_secs(1),
        timeout: Duration::ZERO,
    };

    pub fn check(&self, issues: &mut Issues) {
        if self.interval.is_zero() {
            issues.error("collection_interval", "must be longer than zero: write \"60s\"");
        }
    }
}

/// Time, so that tests need not wait.
pub trait Clock: Send + Sync {
    fn monotonic(&self) -> Instant;
    fn wall(&self) -> SystemTime;
    /// Sleeps until `until`; returns true at once when `stop` is raised.
    fn wait(&self, until: Instant, stop: &Stop) -> bool;
}

/// The clocks of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
    fn wait(&self, until: Instant, stop: &Stop) -> bool {
        stop.wait(until.saturating_duration_since(Instant::now()))
    }
}

/// Where metrics are scraped from.
pub trait Source: Send {
    /// Scrapes once, calling [`Scrape::run`] for each scraper of the receiver.
    fn scrape(&mut self, scrape: &mut Scrape<'_>);
}

/// A receiver that scrapes a [`Source`] on a [`Schedule`].
pub struct Scraping<S> {
    schedule: Schedule,
    source: S,
    clock: Arc<dyn Clock>,
    context: Context,
    reporter: Reporter,
}

impl<S: Source> Scraping<S> {
    pub fn new(schedule: Schedule, source: S, clock: Arc<dyn Clock>, context: Context) -> Self {
        let reporter = Reporter::new(&context);
        Self { schedule, source, clock, context, reporter }
    }

    /// One scrape now: its data, all scrapers together.
    pub fn scrape(&mut self, stop: &Stop) -> Vec<ResourceMetrics> {
        let timeout = self.schedule.timeout;
        let mut scrape = Scrape {
            clock: &*self.clock,
            stop,
            deadline: (!timeout.is_zero()).then(|| self.clock.monotonic() + timeout),
            out: Vec::new(),
            reporter: &mut self.reporter,
            failed: None,
        };
        self.source.scrape(&mut scrape);
        let Scrape { out, failed, .. } = scrape;
        match failed {
            Some(detail) => self.context.status.set(ComponentState::Degraded, detail),
            None => self.context.status.set(ComponentState::Running, ""),
        }
        out
    }
}

impl<S: Source> Receiver for Scraping<S> {
    fn counts_itself(&self) -> bool {
        true
    }

    fn run(mut self: Box<Self>, outputs: Outputs, stop: Stop) -> Result<(), RunError> {
        let id = self.context.id.to_string();
        let labels = [("receiver", id.as_str()), ("transport", "")];
        let accepted = self.context.telemetry.counter("otelcol_receiver_accepted_metric_points", &labels);
        let refused = self.context.telemetry.counter("otelcol_receiver_refused_metric_points", &labels);
        self.context.status.set(ComponentState::Running, "");

        let mut next = self.clock.monotonic() + self.schedule.initial_delay;
        while !self.clock.wait(next, &stop) {
            let data = Data::Metrics(self.scrape(&stop));
            let points = data.items() as u64;
            if points > 0 && !outputs.send(data, Ack::none()) {
                refused.add(points);
                break;
            }
            accepted.add(points);
            next = next_tick(next, self.schedule.interval, self.clock.monotonic());
        }
        self.context.status.set(ComponentState::Stopped, "");
        Ok(())
    }
}

/// The first tick after `now`: ticks that passed during a long scrape are dropped.
pub fn next_tick(last: Instant, interval: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(last).as_nanos() / interval.as_nanos().max(1);
    let ticks = u32::try_from(late).unwrap_or(u32::MAX).saturating_add(1);
    last + interval.saturating_mul(ticks)
}

/// One scrape of a receiver.
pub struct Scrape<'a> {
    clock: &'a dyn Clock,
    stop: &'a Stop,
    deadline: Option<Instant>,
    out: Vec<ResourceMetrics>,
    reporter: &'a mut Reporter,
    failed: Option<String>,
}

/// One scraper's share in a scrape.
pub struct Run<'a> {
    pub clock: &'a dyn Clock,
    pub stop: &'a Stop,
    /// When the scrape must be over.
    pub deadline: Option<Instant>,
    out: &'a mut Vec<ResourceMetrics>,
    faults: Vec<(Fault, u64)>,
}

impl Scrape<'_> {
    /// Runs one scraper. What it pushed is kept unless it fails as a whole; what went wrong is
    /// counted and logged, once per cause.
    pub fn run(&mut self, scraper: &'static str, body: impl FnOnce(&mut Run<'_>) -> Result<(), Fault>) {
        if self.stop.is_raised() {
            return;
        }
        let before = self.out.len();
        let mut run = Run {
            clock: self.clock,
            stop: self.stop,
            deadline: self.deadline,
            out: &mut self.out,
            faults: Vec::new(),
        };
        let result = body(&mut run);
        let faults = std::mem::take(&mut run.faults);
        if result.is_err() {
            self.out.truncate(before);
        }
        let scraped = points(&self.out[before..]);
        let report = self.reporter.report(scraper, scraped, faults, result.err());
        for (level, text) in report.lines {
            log::log!(level, "{}: scraper {scraper}: {text}", self.reporter.receiver);
        }
        self.failed = self.failed.take().or(report.failure);
    }
}

fn points(metrics: &[ResourceMetrics]) -> u64 {
    let metrics =
        metrics.iter().flat_map(|resource| &resource.scope_metrics).flat_map(|scope| &scope.metrics);
    metrics.filter_map(|metric| metric.data.as_ref()).map(|data| data.len() as u64).sum()
}

impl Run<'_> {
    pub fn push(&mut self, metrics: ResourceMetrics) {
        self.out.push(metrics);
    }

    /// Wall clock, nanoseconds since the Unix epoch.
    pub fn now(&self) -> u64 {
        unix_nanos(self.clock.wall())
    }

    /// Whether the scraper has to end with what it has: shutdown, or the timeout has passed.
    pub fn is_over(&self) -> bool {
        self.stop.is_raised() || self.deadline.is_some_and(|deadline| self.clock.monotonic() >= deadline)
    }

    /// A part of the scrape failed and cost `points` data points. The first message of each cause
    /// is the one that is shown, so it is made only then.
    pub fn fault(&mut self, cause: Cause, points: u64, message: impl FnOnce() -> String) {
        match self.faults.iter_mut().find(|(fault, _)| fault.cause == cause) {
            Some((fault, times)) => {
                fault.points += points;
                *times += 1;
            }
            None => self.faults.push((Fault { cause, points, message: message() }, 1)),
        }
    }
}

/// What makes two faults the same to the one who reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cause {
    /// What was tried, without the names that differ each time.
    what: &'static str,
    kind: Option<io::ErrorKind>,
}

impl Cause {
    pub fn new(what: &'static str) -> Self {
        Self { what, kind: None }
    }

    pub fn io(what: &'static str, error: &io::Error) -> Self {
        Self { what, kind: Some(error.kind()) }
    }

    /// Whether a file was missing.
    pub fn is_not_found(&self) -> bool {
        self.kind == Some(io::ErrorKind::NotFound)
    }
}

/// Something that went wrong in a scrape.
#[derive(Debug)]
pub struct Fault {
    pub cause: Cause,
    /// Data points that are missing because of it, as far as can be told.
    pub points: u64,
    /// A lowercase fragment that says what to do.
    pub message: String,
}

impl Fault {
    pub fn new(what: &'static str, message: impl Into<String>) -> Self {
        Self { cause: Cause::new(what), points: 0, message: message.into() }
    }

    pub fn io(what: &'static str, path: &dyn std::fmt::Display, error: &io::Error) -> Self {
        Self { cause: Cause::io(what, error), points: 0, message: format!("cannot read {path}: {error}") }
    }
}

/// Counts and logs what scrapes bring.
struct Reporter {
    context: Context,
    receiver: String,
    counters: HashMap<&'static str, Counters>,
    said: Causes<(&'static str, Cause)>,
}

struct Counters {
    scraped: Counter,
    errored: Counter,
    /// Why the scraper failed as a whole the last time.
    failing: Option<Cause>,
}

impl Reporter {
    fn new(context: &Context) -> Self {
        Self {
            context: context.clone(),
            receiver: context.id.to_string(),
            counters: HashMap::new(),
            said: Causes::new(),
        }
    }

    /// Counts one run of a scraper.
    fn report(
        &mut self,
        scraper: &'static str,
        scraped: u64,
        faults: Vec<(Fault, u64)>,
        failure: Option<Fault>,
    ) -> Report {
        let Self { context, receiver, counters, said } = self;
        let counters = counters.entry(scraper).or_insert_with(|| {
            let labels = [("receiver", receiver.as_str()), ("scraper", scraper)];
            Counters {
                scraped: context.telemetry.counter("otelcol_scraper_scraped_metric_points", &labels),
                errored: context.telemetry.counter("otelcol_scraper_errored_metric_points", &labels),
                failing: None,
            }
        });
        counters.scraped.add(scraped);
        let mut lines = Vec::new();
        for (fault, times) in faults {
            counters.errored.add(fault.points);
            if said.is_new((scraper, fault.cause)) {
                let more =
                    if times > 1 { format!(" (and {} more like it)", times - 1) } else { String::new() };
                lines.push((Level::Warn, format!("{}{more}; this cause is logged once", fault.message)));
            }
        }
        // A failure that went away is news when it comes back.
        let failing = failure.as_ref().map(|failure| failure.cause);
        let before = std::mem::replace(&mut counters.failing, failing);
        if let Some(gone) = before.filter(|before| failing != Some(*before)) {
            said.forget(&(scraper, gone));
            if failing.is_none() {
                lines.push((Level::Info, "works again".to_owned()));
            }
        }
        if let Some(failure) = &failure {
            counters.errored.add(failure.points);
            if said.is_new((scraper, failure.cause)) {
                lines.push((
                    Level::Error,
                    format!("{}; it is tried again at every interval", failure.message),
                ));
            }
        }
        Report { lines, failure: failure.map(|failure| format!("scraper {scraper}: {}", failure.message)) }
    }
}

/// What there is to say about one run of a scraper.
struct Report {
    lines: Vec<(Level, String)>,
    /// Why it failed as a whole.
    failure: Option<String>,
}

#[cfg(test)]
mod tests;
