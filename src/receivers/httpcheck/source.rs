//! All checks at once, and the metrics they make.

use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded, unbounded};

use super::HttpCheckMetric;
use super::check::{Check, Finding};
use crate::otlp::build::{Recorder, resource_metrics};
use crate::otlp::{AnyValue, InstrumentationScope, KeyValue, Str};
use crate::receivers::scraper::{Fault, Run, Scrape, Source};

/// The checks of a receiver.
pub struct HttpChecks {
    checks: Vec<Check>,
    recorder: Recorder<HttpCheckMetric>,
    scope: InstrumentationScope,
    start: u64,
}

/// Checks that run at the same time.
const AT_ONCE: usize = 8;
/// A request to stop is noticed this fast.
const LOOK: Duration = Duration::from_millis(50);
const STACK: usize = 512 << 10;
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl HttpChecks {
    pub fn new(checks: Vec<Check>, enabled: &[bool], start: u64, version: &str) -> Self {
        let scope = InstrumentationScope {
            name: "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/httpcheckreceiver"
                .to_owned(),
            version: version.to_owned(),
            ..InstrumentationScope::default()
        };
        Self { checks, recorder: Recorder::new(enabled), scope, start }
    }

    fn run(&mut self, run: &mut Run<'_>) -> Result<(), Fault> {
        let findings = self.ask(run)?;
        self.recorder.at(self.start, run.now());
        for (check, finding) in self.checks.iter().zip(&findings) {
            if let Some(finding) = finding {
                record(&mut self.recorder, check, finding);
            }
        }
        let metrics = self.recorder.take();
        if !metrics.is_empty() {
            run.push(resource_metrics(Vec::new(), &self.scope, "", metrics));
        }
        Ok(())
    }

    /// Runs the checks side by side; those that a stop has cut short are missing.
    fn ask(&self, run: &Run<'_>) -> Result<Vec<Option<Finding>>, Fault> {
        let checks = &self.checks;
        let mut findings: Vec<Option<Finding>> = checks.iter().map(|_| None).collect();
        let (give, work) = bounded(checks.len());
        for n in 0..checks.len() {
            let _ = give.send(n);
        }
        drop(give);
        let (tell, told) = unbounded();
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(checks.len()) {
                let (work, tell) = (work.clone(), tell.clone());
                let thread = std::thread::Builder::new().name("httpcheck".to_owned()).stack_size(STACK);
                let started = thread.spawn_scoped(scope, move || {
                    for n in work {
                        let _ = tell.send((n, checks[n].run()));
                    }
                });
                started.map_err(|error| Fault::new("thread", format!("cannot start a thread: {error}")))?;
            }
            drop(tell);
            loop {
                match told.recv_timeout(LOOK) {
                    Ok((n, finding)) => findings[n] = Some(finding),
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                    Err(RecvTimeoutError::Timeout) if run.stop.is_raised() => {
                        while work.try_recv().is_ok() {}
                        checks.iter().for_each(Check::interrupt);
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                }
            }
        })?;
        if run.stop.is_raised() {
            // What was cut off says nothing about the target.
            findings.iter_mut().for_each(|finding| *finding = None);
        }
        Ok(findings)
    }
}

impl Source for HttpChecks {
    fn scrape(&mut self, scrape: &mut Scrape<'_>) {
        scrape.run("httpcheck", |run| self.run(run));
    }
}

fn record(recorder: &mut Recorder<HttpCheckMetric>, check: &Check, finding: &Finding) {
    let url = || KeyValue::fixed("http.url", check.url.as_str());
    recorder.int(HttpCheckMetric::Duration, [url()], finding.took.as_millis() as u64);
    if let Some(error) = &finding.error {
        let message = KeyValue::fixed("error.message", error.as_str());
        recorder.int(HttpCheckMetric::Error, [url(), message], 1);
    }
    for (n, class) in CLASSES.into_iter().enumerate() {
        let method = KeyValue::fixed("http.method", check.method.as_str());
        let class = KeyValue::fixed("http.status_class", AnyValue::String(Str::const_new(class)));
        match finding.status {
            Some(status) if usize::from(status / 100) == n + 1 => {
                let code = KeyValue::fixed("http.status_code", i64::from(status));
                recorder.int(HttpCheckMetric::Status, [url(), code, method, class], 1);
            }
            _ => recorder.int(HttpCheckMetric::Status, [url(), method, class], 0),
        }
    }
    if let Some(size) = finding.size {
        recorder.int(HttpCheckMetric::ResponseSize, [url()], size);
    }
    for (kind, passed, failed) in &finding.validations {
        let kind = || KeyValue::fixed("validation.type", *kind);
        recorder.int(HttpCheckMetric::ValidationPassed, [url(), kind()], *passed);
        recorder.int(HttpCheckMetric::ValidationFailed, [url(), kind()], *failed);
    }
}
