use std::sync::Mutex;

use super::*;
use crate::component::NoHost;
use crate::otlp::metrics::{Data as MetricData, Gauge, Metric, NumberDataPoint, ScopeMetrics};
use crate::pipeline::{Batch, Consumer, Output, Rejected, StopSource};
use crate::telemetry::{StatusBoard, Telemetry};

/// Time that passes when somebody waits for it.
struct FakeClock {
    start: Instant,
    passed: Mutex<Duration>,
    /// When to raise the stop.
    end: Duration,
    stop: StopSource,
}

impl FakeClock {
    fn new(end: Duration) -> Arc<Self> {
        let stop = StopSource::new();
        Arc::new(Self { start: Instant::now(), passed: Mutex::default(), end, stop })
    }
    fn passed(&self) -> Duration {
        *self.passed.lock().unwrap()
    }
    fn pass(&self, time: Duration) {
        *self.passed.lock().unwrap() += time;
    }
}

impl Clock for FakeClock {
    fn monotonic(&self) -> Instant {
        self.start + self.passed()
    }
    fn wall(&self) -> SystemTime {
        std::time::UNIX_EPOCH + self.passed()
    }
    fn wait(&self, until: Instant, stop: &Stop) -> bool {
        let until = until.saturating_duration_since(self.start);
        if until > self.end {
            self.stop.raise();
        } else {
            self.pass(until.saturating_sub(self.passed()));
        }
        stop.is_raised()
    }
}

struct Collected(Mutex<Vec<Batch>>);

impl Consumer for Collected {
    fn consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.0.lock().unwrap().push(batch);
        Ok(())
    }
    fn try_consume(&self, batch: Batch) -> Result<(), Rejected> {
        self.consume(batch)
    }
}

fn context() -> Context {
    Context {
        id: "fake".parse().unwrap(),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle("receiver:fake"),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    }
}

/// Metrics with so many points.
fn metrics(points: usize) -> ResourceMetrics {
    let data = MetricData::Gauge(Gauge { data_points: vec![NumberDataPoint::default(); points] });
    let metric = Metric { data: Some(data), ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() }
}

struct Scripted<F>(F);

impl<F: FnMut(&mut Scrape<'_>) + Send> Source for Scripted<F> {
    fn scrape(&mut self, scrape: &mut Scrape<'_>) {
        (self.0)(scrape);
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Runs until `end`; when each scrape began, and what was sent.
fn run(
    schedule: Schedule,
    end: f64,
    mut body: impl FnMut(&FakeClock, &mut Scrape<'_>) + Send + 'static,
) -> (Vec<f64>, Vec<Batch>, Telemetry) {
    let clock = FakeClock::new(seconds(end));
    let times = Arc::new(Mutex::new(Vec::new()));
    let source = {
        let (times, clock) = (times.clone(), clock.clone());
        Scripted(move |scrape: &mut Scrape<'_>| {
            times.lock().unwrap().push(clock.passed().as_secs_f64());
            body(&clock, scrape);
        })
    };
    let context = context();
    let telemetry = context.telemetry.clone();
    let collected = Arc::new(Collected(Mutex::default()));
    let outputs = Outputs { metrics: Some(Output::new(vec![collected.clone()])), ..Outputs::default() };
    let stop = clock.stop.stop();
    Box::new(Scraping::new(schedule, source, clock.clone(), context)).run(outputs, stop).unwrap();
    let batches = std::mem::take(&mut *collected.0.lock().unwrap());
    let times = times.lock().unwrap().clone();
    (times, batches, telemetry)
}

fn schedule(interval: f64, delay: f64) -> Schedule {
    Schedule { interval: seconds(interval), initial_delay: seconds(delay), timeout: Duration::ZERO }
}

#[test]
fn the_first_scrape_comes_after_the_initial_delay_and_then_one_per_interval() {
    let (times, ..) = run(schedule(10.0, 1.0), 35.0, |_, _| {});
    assert_eq!(times, [1.0, 11.0, 21.0, 31.0]);
}

#[test]
fn ticks_missed_during_a_long_scrape_are_dropped() {
    let mut first = true;
    let (times, ..) = run(schedule(10.0, 0.0), 60.0, move |clock, _| {
        if std::mem::take(&mut first) {
            clock.pass(seconds(25.0));
        }
    });
    assert_eq!(times, [0.0, 30.0, 40.0, 50.0, 60.0]);
}

#[test]
fn what_was_scraped_is_sent_in_one_batch_although_a_scraper_fails() {
    let (_, batches, telemetry) = run(schedule(10.0, 0.0), 5.0, |_, scrape| {
        scrape.run("good", |run| {
            run.push(metrics(3));
            Ok(())
        });
        scrape.run("partial", |run| {
            run.push(metrics(2));
            run.fault(Cause::new("a"), 5, || "no luck".into());
            Ok(())
        });
        scrape.run("bad", |run| {
            run.push(metrics(7));
            Err(Fault { points: 4, ..Fault::new("all", "nothing works") })
        });
    });
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].items(), 5);
    assert_eq!(telemetry.total("otelcol_scraper_scraped_metric_points"), 5);
    assert_eq!(telemetry.total("otelcol_scraper_errored_metric_points"), 9);
    assert_eq!(telemetry.total("otelcol_receiver_accepted_metric_points"), 5);
}

#[test]
fn a_scraper_sees_when_its_time_is_over() {
    let timed = Schedule { timeout: seconds(2.0), ..schedule(10.0, 0.0) };
    let (times, ..) = run(timed, 0.0, |clock, scrape| {
        let deadline = clock.monotonic() + seconds(2.0);
        scrape.run("slow", |run| {
            assert_eq!(run.deadline, Some(deadline));
            assert!(!run.is_over());
            clock.pass(seconds(2.0));
            assert!(run.is_over());
            Ok(())
        });
    });
    assert_eq!(times.len(), 1);
}

#[test]
fn a_raised_stop_ends_a_scrape_between_scrapers() {
    let (_, batches, _) = run(schedule(10.0, 0.0), 0.0, |clock, scrape| {
        clock.stop.raise();
        scrape.run("late", |_| panic!("it must not run"));
    });
    assert!(batches.is_empty());
}

/// contrib#20435: a thousand unreadable processes at every interval filled the log.
#[test]
fn contrib_20435_a_thousand_faults_of_one_cause_are_one_line_once() {
    let mut reporter = Reporter::new(&context());
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    let mut lines = Vec::new();
    for _ in 0..3 {
        let clock = FakeClock::new(Duration::ZERO);
        let mut run = Run {
            clock: &*clock,
            stop: &Stop::never(),
            deadline: None,
            out: &mut Vec::new(),
            faults: Vec::new(),
        };
        for pid in 0..1000 {
            run.fault(Cause::io("pid/io", &denied), 2, || format!("cannot read {pid}"));
        }
        let faults = std::mem::take(&mut run.faults);
        lines.extend(reporter.report("process", 0, faults, None).lines);
    }
    assert_eq!(
        lines,
        [(Level::Warn, "cannot read 0 (and 999 more like it); this cause is logged once".to_owned())]
    );
    assert_eq!(reporter.context.telemetry.total("otelcol_scraper_errored_metric_points"), 6000);
}

#[test]
fn a_failure_is_said_once_and_again_after_it_was_gone() {
    let mut reporter = Reporter::new(&context());
    let mut levels = |failure: Option<&'static str>| -> Vec<Level> {
        let failure = failure.map(|what| Fault::new(what, "broken"));
        reporter.report("cpu", 0, Vec::new(), failure).lines.into_iter().map(|(level, _)| level).collect()
    };
    assert_eq!(levels(Some("a")), [Level::Error]);
    assert!(levels(Some("a")).is_empty());
    assert_eq!(levels(Some("b")), [Level::Error]);
    assert_eq!(levels(None), [Level::Info]);
    assert!(levels(None).is_empty());
    assert_eq!(levels(Some("a")), [Level::Error]);
}
