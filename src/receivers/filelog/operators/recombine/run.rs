//! The operator itself.

use std::collections::HashMap;
use std::time::Instant;

use crate::otlp::{AnyValue, Str};

use super::super::super::entry::{Entry, FileId, Origin};
use super::super::expression::problem;
use super::super::{Emitter, Operator, Problem, Verdict};
use super::batch::Batch;
use super::{Mark, Settings};

/// The source of entries that name none.
const DEFAULT_SOURCE: &str = "DefaultSourceIdentifier";

pub struct Recombine {
    settings: Settings,
    places: HashMap<Str, usize>,
    sources: Vec<Source>,
    /// Where the last entry went: the next one mostly goes there too.
    last: usize,
    /// Sources with a batch.
    filling: usize,
    /// No batch is due before that.
    earliest: Option<Instant>,
}

struct Source {
    name: Str,
    batch: Option<Batch>,
}

impl Recombine {
    pub fn new(settings: Settings) -> Self {
        Self { settings, places: HashMap::new(), sources: Vec::new(), last: 0, filling: 0, earliest: None }
    }

    /// The place of the entry's source.
    fn place(&mut self, entry: &Entry) -> usize {
        let name = match self.settings.source.get(entry) {
            Some(AnyValue::String(name)) if !name.is_empty() => name,
            _ => DEFAULT_SOURCE,
        };
        if self.sources.get(self.last).is_some_and(|source| source.name == name) {
            return self.last;
        }
        let place = match self.places.get(name) {
            Some(place) => *place,
            None => {
                let place = self.sources.len();
                self.sources.push(Source { name: Str::from(name), batch: None });
                self.places.insert(Str::from(name), place);
                place
            }
        };
        self.last = place;
        place
    }

    fn take(&mut self, place: usize) -> Option<Entry> {
        let batch = self.sources[place].batch.take()?;
        self.filling -= 1;
        Some(batch.finish(&self.settings.field))
    }

    /// When a batch that starts now is handed on at the latest.
    fn due(&mut self, now: Instant) -> Option<Instant> {
        let wait = self.settings.flush_after;
        let due = (!wait.is_zero()).then(|| now + wait)?;
        self.earliest = Some(self.earliest.map_or(due, |earliest| earliest.min(due)));
        Some(due)
    }

    fn start(&mut self, place: usize, entry: Entry, matched: bool, out: &mut Emitter<'_>) {
        if self.filling >= self.settings.max_sources {
            self.flush(out);
        }
        let due = self.due(out.now);
        self.sources[place].batch = Some(Batch::new(entry, matched, due));
        self.filling += 1;
    }

    /// Adds the entry to its source's batch; true when that must be handed on now.
    fn add(&mut self, place: usize, entry: Entry, matched: bool, out: &mut Emitter<'_>) -> bool {
        let settings = &self.settings;
        match &mut self.sources[place].batch {
            Some(batch) => {
                batch.add(entry, &settings.field, &settings.with, settings.base);
                batch.matched |= matched;
            }
            None => self.start(place, entry, matched, out),
        }
        let settings = &self.settings;
        self.sources[place].batch.as_ref().is_some_and(|batch| {
            settings.is_full(batch.entries, batch.matched, || batch.len(&settings.field))
        })
    }
}

impl Operator for Recombine {
    fn process(&mut self, entry: &mut Entry, out: &mut Emitter<'_>) -> Result<Verdict, Problem> {
        let matched = self.settings.program.test(entry).map_err(|error| problem(&error))?;
        // Nothing can be joined to it or it to anything: it goes its way alone, with its value.
        let Some(AnyValue::String(text)) = self.settings.field.get(entry) else {
            return Err("combine_field is missing or no string".into());
        };
        let place = self.place(entry);
        if matched && self.settings.mark == Mark::First && !self.settings.is_full(1, true, || text.len()) {
            let due = self.due(out.now);
            if let Some(batch) = &mut self.sources[place].batch {
                batch.exchange(entry, due, &self.settings.field);
                return Ok(Verdict::Pass);
            }
        }
        let entry = std::mem::take(entry);
        let full = match self.settings.mark {
            Mark::First => {
                if matched && let Some(before) = self.take(place) {
                    out.emit(before);
                }
                self.add(place, entry, matched, out)
            }
            Mark::Last => self.add(place, entry, matched, out) || matched,
        };
        if full && let Some(combined) = self.take(place) {
            out.emit(combined);
        }
        Ok(Verdict::Taken)
    }

    fn deadline(&self) -> Option<Instant> {
        self.earliest.filter(|_| self.filling > 0)
    }

    fn tick(&mut self, out: &mut Emitter<'_>) {
        self.earliest = None;
        for place in 0..self.sources.len() {
            match self.sources[place].batch.as_ref().map(|batch| batch.due) {
                Some(Some(due)) if due <= out.now => {
                    if let Some(combined) = self.take(place) {
                        out.emit(combined);
                    }
                }
                Some(Some(due)) => {
                    self.earliest = Some(self.earliest.map_or(due, |earliest| earliest.min(due)));
                }
                _ => {}
            }
        }
    }

    fn flush(&mut self, out: &mut Emitter<'_>) {
        for place in 0..self.sources.len() {
            if let Some(combined) = self.take(place) {
                out.emit(combined);
            }
        }
        self.earliest = None;
    }

    fn held(&self, visit: &mut dyn FnMut(Origin)) {
        for batch in self.sources.iter().filter_map(|source| source.batch.as_ref()) {
            batch.entry().origins().for_each(&mut *visit);
        }
    }

    fn rewind(&mut self, file: FileId, others: &mut dyn FnMut(Origin)) {
        for source in &mut self.sources {
            let Some(batch) = &source.batch else { continue };
            if batch.entry().origins().any(|origin| origin.file == file) {
                batch.entry().origins().filter(|origin| origin.file != file).for_each(&mut *others);
                source.batch = None;
                self.filling -= 1;
            }
        }
    }

    fn forget(&mut self, _: FileId) {
        // Sources have names, not files: those without a batch are made again when they come back.
        self.sources.retain(|source| source.batch.is_some());
        self.places = self.sources.iter().enumerate().map(|(at, source)| (source.name.clone(), at)).collect();
        self.last = 0;
    }
}
