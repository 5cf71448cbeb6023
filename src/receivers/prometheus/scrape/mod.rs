//! One visit to one target, and what is remembered of it until the next.

mod archive;
mod page;
mod proto;
mod report;
mod series;
mod target;
#[cfg(test)]
mod tests;

pub use page::{Deliver, PageError};
pub use target::{LabelSet, NoTarget, Target};

use std::io::Read;
use std::time::{Instant, SystemTime};

use self::page::Page;
use self::report::Tally;
use self::series::SeriesSet;
use super::client::{HttpClient, HttpError};
use super::config::{Job, Protocol};
use super::convert::{Conversion, Families};
use super::relabel::Label;
use crate::otlp::KeyValue;

/// What a target left behind.
#[derive(Debug, Default)]
pub struct Memory {
    series: SeriesSet,
    families: Families,
    /// What `target_info` said.
    info: Vec<KeyValue>,
    scratch: Vec<Label<'static>>,
    /// Whether it was visited at all.
    reported: bool,
}

/// How a visit went.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Why the target counts as down.
    pub failure: Option<Failure>,
    /// Samples that made no point, by reason.
    pub lost: Vec<(&'static str, u64)>,
    /// Nobody takes what is scraped any more.
    pub stopped: bool,
}

/// Why a scrape failed.
#[derive(Debug)]
pub struct Failure {
    /// Equal for what the reader of the log takes for the same.
    pub kind: &'static str,
    pub message: String,
}

/// The parts of a visit that are the same for all targets.
#[derive(Clone, Copy)]
pub struct Surroundings {
    pub version: &'static str,
    pub trim: bool,
}

impl Memory {
    /// Series that are remembered.
    pub fn series(&self) -> usize {
        self.series.len()
    }

    /// Visits the target.
    pub fn scrape(
        &mut self,
        target: &Target,
        job: &Job,
        client: &HttpClient,
        around: Surroundings,
        deliver: &mut Deliver<'_>,
    ) -> Outcome {
        let began = Instant::now();
        self.visit(
            target,
            job,
            around,
            millis(SystemTime::now()),
            deliver,
            |page, deliver| fetch(page, client, deliver).err(),
            || began.elapsed().as_secs_f64(),
        )
    }

    /// Reads a page that is there already, as if it had been scraped at `now`.
    pub fn take_page(
        &mut self,
        target: &Target,
        job: &Job,
        page: (impl Read, Protocol),
        now: i64,
        around: Surroundings,
        deliver: &mut Deliver<'_>,
    ) -> Outcome {
        let (bytes, protocol) = page;
        self.visit(
            target,
            job,
            around,
            now,
            deliver,
            |page, deliver| {
                read(page, bytes, protocol, deliver).err().map(|error| (failure(&error), error.voids()))
            },
            || 0.0,
        )
    }

    /// Counts the target as down without a visit.
    pub fn refuse(
        &mut self,
        target: &Target,
        job: &Job,
        failure: Failure,
        around: Surroundings,
        deliver: &mut Deliver<'_>,
    ) -> Outcome {
        let now = millis(SystemTime::now());
        self.visit(target, job, around, now, deliver, |_, _| Some((failure, false)), || 0.0)
    }

    #[allow(clippy::too_many_arguments)] // what a visit is made of; each is used once
    fn visit(
        &mut self,
        target: &Target,
        job: &Job,
        around: Surroundings,
        now: i64,
        deliver: &mut Deliver<'_>,
        fetch: impl FnOnce(&mut Page<'_>, &mut Deliver<'_>) -> Option<(Failure, bool)>,
        seconds: impl FnOnce() -> f64,
    ) -> Outcome {
        self.series.begin(job.limits.any_of_page());
        self.families.begin();
        let mut page = self.page(target, job, around, now);
        let failed = fetch(&mut page, deliver);
        let (failure, void) = failed.map_or((None, false), |(failure, void)| (Some(failure), void));
        if void {
            // Nothing of this scrape counts, and so all series are gone.
            page.discard();
        }
        let mut stopped = failure.as_ref().is_some_and(|failure| failure.kind == "stopped");
        if !stopped {
            stopped = page.mark_gone(deliver).is_err();
            page.add_report(failure.is_none(), seconds());
            stopped |= page.hand_on(true, deliver).is_err();
        }
        let (lost, info, scratch) = page.finish();
        self.info = info;
        self.scratch = scratch;
        self.reported = true;
        Outcome { failure: failure.filter(|_| !stopped), lost, stopped }
    }

    /// Says of all there was that it is gone: the target is no more.
    pub fn end(&mut self, target: &Target, job: &Job, around: Surroundings, deliver: &mut Deliver<'_>) {
        if !self.reported {
            return;
        }
        self.series.begin(false);
        let mut page = self.page(target, job, around, millis(SystemTime::now()));
        if page.mark_gone(deliver).is_ok() {
            page.end_report();
            // Whether anybody listens makes no difference to the end.
            let _ = page.hand_on(true, deliver);
        }
        *self = Self::default();
    }

    fn page<'s>(&'s mut self, target: &'s Target, job: &'s Job, around: Surroundings, now: i64) -> Page<'s> {
        let info = std::mem::take(&mut self.info);
        Page {
            target,
            job,
            series: &mut self.series,
            families: &mut self.families,
            conversion: Conversion::new(&target.identity, info, around.version, around.trim),
            now,
            tally: Tally::default(),
            lost: Vec::new(),
            held: job.limits.any_of_page().then(Vec::new),
            scratch: std::mem::take(&mut self.scratch),
        }
    }
}

impl Page<'_> {
    fn discard(&mut self) {
        self.series.revoke();
        self.conversion.take(true);
        if let Some(held) = &mut self.held {
            held.clear();
        }
        self.tally.kept = 0;
        self.tally.added = 0;
    }

    /// Markers for the series that were not seen.
    fn mark_gone(&mut self, deliver: &mut Deliver<'_>) -> Result<(), PageError> {
        self.conversion.metadata_changed();
        let mut texts = std::mem::take(self.series);
        let mut result = Ok(());
        texts.sweep(&mut |text| {
            if result.is_ok() {
                self.gone(text);
                if self.conversion.is_full() {
                    result = self.hand_on(false, deliver);
                }
            }
        });
        *self.series = texts;
        result
    }

    fn finish(self) -> (Vec<(&'static str, u64)>, Vec<KeyValue>, Vec<Label<'static>>) {
        let mut lost = self.lost;
        for (reason, samples) in &self.conversion.lost {
            super::convert::count(&mut lost, reason, *samples);
        }
        if self.families.left_out > 0 {
            super::convert::count(&mut lost, "metadata", std::mem::take(&mut self.families.left_out));
        }
        (lost, self.conversion.into_info(), self.scratch)
    }
}

/// Asks the target and reads its answer; also whether a failure voids what came before it.
fn fetch(page: &mut Page<'_>, client: &HttpClient, deliver: &mut Deliver<'_>) -> Result<(), (Failure, bool)> {
    let (job, target) = (page.job, page.target);
    let timeout = target.timeout.as_secs_f64().to_string();
    let headers =
        [("accept", job.accept.as_str()), ("x-prometheus-scrape-timeout-seconds", timeout.as_str())];
    let answer = client.get(&target.url, &headers, job.compression, target.timeout);
    let response = answer.map_err(|error| (unanswered(&error), false))?;
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let protocol = Protocol::of_content_type(kind).unwrap_or(job.fallback);
    let body = response.into_body().into_with_config().limit(u64::MAX).reader();
    read(page, body, protocol, deliver).map_err(|error| (failure(&error), error.voids()))
}

fn read(
    page: &mut Page<'_>,
    source: impl Read,
    protocol: Protocol,
    deliver: &mut Deliver<'_>,
) -> Result<(), PageError> {
    match protocol.dialect() {
        Some(dialect) => page.read(source, dialect, deliver),
        None => page.read_protobuf(source, deliver),
    }
}

fn failure(error: &PageError) -> Failure {
    Failure { kind: error.kind(), message: error.to_string() }
}

fn unanswered(error: &HttpError) -> Failure {
    let kind = match error {
        HttpError::File { .. } | HttpError::BadHeader(_) => "credentials",
        HttpError::Status(_) => "status",
        HttpError::Request(ureq::Error::Timeout(_)) => "timeout",
        HttpError::Request(_) => "transport",
    };
    Failure { kind, message: error.to_string() }
}

fn millis(time: SystemTime) -> i64 {
    (crate::time::unix_nanos(time) / 1_000_000) as i64
}
