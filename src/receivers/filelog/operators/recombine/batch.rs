//! The entries of one source that belong together.

use std::time::Instant;

use crate::otlp::{AnyValue, Str};

use super::super::super::entry::Entry;
use super::super::Field;
use super::Base;

/// Entries on their way to become one. A single entry stays as it is: nothing is copied until a
/// second one comes.
pub struct Batch {
    /// The entry whose fields survive; its text is in `text` from the second entry on.
    entry: Entry,
    text: Option<String>,
    pub entries: usize,
    /// Whether the first or last entry was seen.
    pub matched: bool,
    /// When it must be handed on; `None` = never because of time.
    pub due: Option<Instant>,
}

impl Batch {
    pub fn new(entry: Entry, matched: bool, due: Option<Instant>) -> Self {
        Self { entry, text: None, entries: 1, matched, due }
    }

    /// Adds an entry with its text, which `field` is known to hold.
    pub fn add(&mut self, mut entry: Entry, field: &Field, with: &str, base: Base) {
        let text = self.text.get_or_insert_with(|| take_text(&mut self.entry, field));
        if !text.is_empty() {
            text.push_str(with);
        }
        text.push_str(field.get(&entry).and_then(AnyValue::as_str).unwrap_or_default());
        self.entries += 1;
        match base {
            Base::Oldest => self.entry.absorb_origin(&entry),
            Base::Newest => {
                entry.absorb_origin(&self.entry);
                self.entry = entry;
            }
        }
    }

    /// Bytes of the combined text.
    pub fn len(&self, field: &Field) -> usize {
        match &self.text {
            Some(text) => text.len(),
            None => field.get(&self.entry).and_then(AnyValue::as_str).map_or(0, str::len),
        }
    }

    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The combined entry.
    pub fn finish(mut self, field: &Field) -> Entry {
        self.put_text(field);
        self.entry
    }

    /// Begins anew with `entry`, which becomes the combined one.
    pub fn exchange(&mut self, entry: &mut Entry, due: Option<Instant>, field: &Field) {
        self.put_text(field);
        std::mem::swap(&mut self.entry, entry);
        (self.entries, self.matched, self.due) = (1, true, due);
    }

    fn put_text(&mut self, field: &Field) {
        if let Some(text) = self.text.take() {
            // A place for text never refuses it: roots but the body are not allowed here.
            let _ = field.set(&mut self.entry, AnyValue::String(Str::from(text)));
        }
    }
}

/// Moves the text out of the entry, without a copy when it is long.
fn take_text(entry: &mut Entry, field: &Field) -> String {
    match field.remove(entry) {
        Some(AnyValue::String(text)) => text.into_string(),
        _ => String::new(),
    }
}
