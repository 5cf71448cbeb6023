//! A page on its way into OTLP: labels merged, rules applied, limits held, series remembered.

use std::borrow::Cow;
use std::io::Read;

use xxhash_rust::xxh3::xxh3_64;

use super::report::Tally;
use super::series::{Known, SeriesSet};
use super::target::Target;
use crate::otlp::metrics::ResourceMetrics;
use crate::receivers::prometheus::config::{Job, Limits};
use crate::receivers::prometheus::convert::{Conversion, Families, NativeHistogram, Reduced, STALE, count};
use crate::receivers::prometheus::exposition::{Dialect, Entry, ExpositionError, Lines, Parser, Sample};
use crate::receivers::prometheus::relabel::{Label, Labels, NAME, apply};

/// Where pieces of a scrape go; false when nobody wants more.
pub type Deliver<'a> = dyn FnMut(Vec<ResourceMetrics>) -> bool + 'a;

/// One scrape of one target, as far as it has come.
pub struct Page<'s> {
    pub target: &'s Target,
    pub job: &'s Job,
    pub series: &'s mut SeriesSet,
    pub families: &'s mut Families,
    pub conversion: Conversion<'s>,
    /// When the scrape began, milliseconds since the epoch.
    pub now: i64,
    pub tally: Tally,
    /// Samples that went nowhere, by reason.
    pub lost: Vec<(&'static str, u64)>,
    /// Pieces that wait for the end, because a limit may make the scrape worthless.
    pub held: Option<Vec<ResourceMetrics>>,
    /// The memory of the labels of one sample, for the next.
    pub scratch: Vec<Label<'static>>,
}

/// Why a scrape is worth nothing.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    #[error(transparent)]
    Exposition(#[from] ExpositionError),
    #[error("{limit} exceeded: more than {value}")]
    Limit { limit: &'static str, value: u64 },
    #[error("the agent stops")]
    Stopped,
}

impl PageError {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Exposition(error) => error.kind(),
            Self::Limit { limit, .. } => limit,
            Self::Stopped => "stopped",
        }
    }

    /// Whether what was read before is worth nothing either.
    pub fn voids(&self) -> bool {
        matches!(self, Self::Limit { .. } | Self::Exposition(ExpositionError::TooLarge(_)))
    }
}

/// What a sample is worth, apart from its labels.
pub struct Worth<'a> {
    pub value: f64,
    pub exemplar: Option<&'a str>,
    pub native: Option<NativeHistogram>,
}

/// Points that are held at most for the end of a scrape.
const MOST_HELD: u64 = 2_000_000;

impl Page<'_> {
    /// Reads a page in a text format to its end.
    pub fn read(
        &mut self,
        source: impl Read,
        dialect: Dialect,
        deliver: &mut Deliver<'_>,
    ) -> Result<(), PageError> {
        let mut lines = Lines::new(source, self.job.limits.body);
        let result = self.read_lines(&mut lines, dialect, deliver);
        self.tally.bytes = lines.total();
        result
    }

    fn read_lines(
        &mut self,
        lines: &mut Lines<impl Read>,
        dialect: Dialect,
        deliver: &mut Deliver<'_>,
    ) -> Result<(), PageError> {
        let mut parser = Parser::new(dialect);
        if dialect == Dialect::OpenMetrics {
            self.conversion.expect_beginnings();
        }
        let mut number = 0;
        loop {
            number += 1;
            let Some(line) = lines.next_line()? else {
                return if dialect == Dialect::OpenMetrics {
                    Err(ExpositionError::NoEnd.into())
                } else {
                    Ok(())
                };
            };
            let Ok(line) = std::str::from_utf8(line) else {
                self.tally.scraped += 1;
                count(&mut self.lost, "invalid_utf8", 1);
                continue;
            };
            match parser.parse(line).map_err(|trouble| ExpositionError::syntax(number, line, trouble))? {
                None => {}
                Some(Entry::Sample(sample)) => {
                    self.sample(&sample)?;
                    if self.conversion.is_full() {
                        self.hand_on(false, deliver)?;
                    }
                }
                Some(Entry::Kind(name, kind)) => {
                    self.families.set_kind(&name, kind);
                    self.conversion.metadata_changed();
                }
                Some(Entry::Help(name, help)) => self.families.set_help(&name, &help),
                Some(Entry::Unit(name, unit)) => self.families.set_unit(&name, unit),
                Some(Entry::End) => return Ok(()),
            }
        }
    }

    /// Hands on what there is, or holds it for the end.
    pub fn hand_on(&mut self, end: bool, deliver: &mut Deliver<'_>) -> Result<(), PageError> {
        let piece = self.conversion.take(end);
        match &mut self.held {
            Some(held) if end => {
                let mut all = std::mem::take(held);
                all.extend(piece);
                return Self::deliver(all, deliver);
            }
            Some(held) if self.tally.kept > MOST_HELD => {
                held.clear();
                return Err(PageError::Limit { limit: "held_samples", value: MOST_HELD });
            }
            Some(held) => held.extend(piece),
            None => return Self::deliver(piece, deliver),
        }
        Ok(())
    }

    fn deliver(piece: Vec<ResourceMetrics>, deliver: &mut Deliver<'_>) -> Result<(), PageError> {
        if piece.is_empty() || deliver(piece) { Ok(()) } else { Err(PageError::Stopped) }
    }

    fn sample(&mut self, sample: &Sample<'_>) -> Result<(), PageError> {
        let worth = Worth { value: sample.value, exemplar: sample.exemplar, native: None };
        self.sample_worth(sample, worth)
    }

    /// Takes one sample.
    pub fn sample_worth(&mut self, sample: &Sample<'_>, worth: Worth<'_>) -> Result<(), PageError> {
        self.tally.scraped += 1;
        let hash = xxh3_64(sample.series.as_bytes());
        let known = self.series.see(hash);
        match known {
            Known::Dropped => return Ok(()),
            Known::Twice => {
                count(&mut self.lost, "duplicate", 1);
                return Ok(());
            }
            Known::NoRoom => count(&mut self.lost, "untracked", 1),
            Known::New | Known::Again => {}
        }
        let own_time = sample.timestamp.filter(|_| self.job.honor_timestamps);
        let kept = self.convert(sample, worth, own_time.unwrap_or(self.now))?;
        if known == Known::New {
            if kept {
                let exempt = own_time.is_some() && !self.job.track_timestamps_staleness;
                self.series.add_kept(hash, (!exempt).then_some(sample.series));
                self.tally.added += 1;
            } else {
                self.series.add_dropped(hash);
            }
        }
        Ok(())
    }

    /// Says of a series, known by its text, that it is gone.
    pub fn gone(&mut self, text: &str) {
        let line = format!("{text} 0");
        let mut parser = Parser::new(Dialect::Text);
        if let Ok(Some(Entry::Sample(sample))) = parser.parse(&line) {
            let kept = self.tally.kept;
            // It was within the limits when it came.
            let _ = self.convert(&sample, Worth { value: STALE, exemplar: None, native: None }, self.now);
            self.tally.kept = kept;
        }
    }

    /// Merges and changes the labels, and adds the sample to its metric; false when the rules drop it.
    fn convert(&mut self, sample: &Sample<'_>, worth: Worth<'_>, time: i64) -> Result<bool, PageError> {
        let Self { job, target, conversion, families, scratch, tally, lost, .. } = self;
        let mut labels = recycle(std::mem::take(scratch));
        let rules = &job.metric_relabel[..];
        merge(sample, target, job.honor_labels, !rules.is_empty(), &mut labels);
        let mut name = sample.name();
        if !rules.is_empty() {
            labels.push(Label { name: Cow::Borrowed(NAME), value: name });
            if !apply(rules, &mut labels) {
                *scratch = recycle(labels);
                return Ok(false);
            }
            let place = labels.iter().position(|label| label.name == NAME);
            name = place.map(|place| labels.swap_remove(place).value).unwrap_or_default();
        }
        for (name, value) in &job.external {
            labels.set(Cow::Borrowed(name), Cow::Borrowed(value));
        }
        if !labels.is_sorted_by(|a, b| a.name < b.name) {
            labels.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            if labels.windows(2).any(|pair| pair[0].name == pair[1].name) {
                count(lost, "duplicate_label", 1);
                *scratch = recycle(labels);
                return Ok(true);
            }
        }
        if job.limits.any_of_labels() {
            check_labels(&job.limits, &name, &labels)?;
        }
        tally.kept += 1;
        if job.limits.samples > 0 && tally.kept > job.limits.samples {
            return Err(PageError::Limit { limit: "sample_limit", value: job.limits.samples });
        }
        if name.is_empty() {
            count(lost, "no_name", 1);
        } else {
            let Worth { value, exemplar, native } = worth;
            let reduced = Reduced { name: &name, labels: &labels, value, time, exemplar };
            match native {
                Some(native) => conversion.add_native(&reduced, native, families),
                None => conversion.add(&reduced, families),
            }
        }
        *scratch = recycle(labels);
        Ok(true)
    }

    /// Adds a sample about the scrape itself: with the target's labels alone, and no rules.
    pub fn report(&mut self, name: &str, value: f64) {
        let mut labels: Vec<Label<'_>> = self
            .target
            .labels
            .iter()
            .map(|(name, value)| Label::new(name.as_str(), value.as_str()))
            .collect();
        for (name, value) in &self.job.external {
            labels.set(Cow::Borrowed(name), Cow::Borrowed(value));
        }
        let reduced = Reduced { name, labels: &labels, value, time: self.now, exemplar: None };
        self.conversion.add(&reduced, self.families);
    }
}

/// The labels of the page with those of the target. Job and instance of the target are left to the
/// conversion unless rules may want to see them.
fn merge<'a>(sample: &Sample<'a>, target: &'a Target, honor: bool, all: bool, labels: &mut Vec<Label<'a>>) {
    labels.reserve(sample.labels.len() + target.labels.len() + 1);
    let mut conflict = false;
    for (name, value) in sample.labels() {
        if value.is_empty() {
            continue;
        }
        conflict |= target.labels.iter().any(|(own, _)| *own == *name);
        labels.push(Label { name, value });
    }
    if conflict && !honor {
        rename_conflicting(target, labels);
    }
    for (name, value) in &target.labels {
        let left_out = !all && matches!(name.as_str(), "job" | "instance");
        let overruled = conflict && honor && labels.iter().any(|label| label.name == *name);
        if !left_out && !overruled {
            labels.push(Label { name: Cow::Borrowed(name), value: Cow::Borrowed(value) });
        }
    }
}

/// A label of the page that the target has too gets the prefix `exported_`, as often as it takes.
fn rename_conflicting(target: &Target, labels: &mut [Label<'_>]) {
    for n in 0..labels.len() {
        if !target.labels.iter().any(|(own, _)| *own == *labels[n].name) {
            continue;
        }
        let mut name = labels[n].name.clone().into_owned();
        loop {
            name.insert_str(0, "exported_");
            let taken = target.labels.iter().any(|(own, _)| *own == name)
                || labels.iter().any(|label| *label.name == *name);
            if !taken {
                break;
            }
        }
        labels[n].name = Cow::Owned(name);
    }
}

fn check_labels(limits: &Limits, name: &str, labels: &[Label<'_>]) -> Result<(), PageError> {
    let exceeded = |limit, value| Err(PageError::Limit { limit, value });
    let over = |length: usize, limit: u64| limit > 0 && length as u64 > limit;
    if over(labels.len() + 1, limits.labels) {
        return exceeded("label_limit", limits.labels);
    }
    if over(name.len(), limits.value_length) {
        return exceeded("label_value_length_limit", limits.value_length);
    }
    for label in labels {
        if over(label.name.len(), limits.name_length) {
            return exceeded("label_name_length_limit", limits.name_length);
        }
        if over(label.value.len(), limits.value_length) {
            return exceeded("label_value_length_limit", limits.value_length);
        }
    }
    Ok(())
}

/// The memory of the vector for labels of another lifetime.
fn recycle<'b>(mut labels: Vec<Label<'_>>) -> Vec<Label<'b>> {
    labels.clear();
    // Nothing is left to convert: the standard library keeps the allocation.
    labels.into_iter().map(|label| Label::new(label.name.into_owned(), label.value.into_owned())).collect()
}
