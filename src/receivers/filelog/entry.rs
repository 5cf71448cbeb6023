//! A log record on its way through the operators.

use std::sync::{Arc, LazyLock};

use crate::otlp::logs::LogRecord;
use crate::otlp::marked::Marked;
use crate::otlp::{AnyValue, KeyValue, Str};

/// Names one file (one generation of it) for the life of its offsets, over restarts too.
pub type FileId = u64;

/// What all records of one file share.
#[derive(Debug, Default)]
pub struct Source {
    pub id: FileId,
    /// The same for all generations of a path: records that were cut by a rotation belong together.
    pub lineage: u64,
    /// The path by which the file was found first. It stays when the file is renamed.
    pub path: String,
    /// Attributes every record starts with.
    pub attributes: Marked,
    /// Resource attributes every record starts with.
    pub resource: Arc<Vec<KeyValue>>,
}

/// Where in a file a record starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub file: FileId,
    pub start: u64,
}

/// A log record with what the operators need to know about where it comes from.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Nanoseconds since the epoch, 0 = not known.
    pub timestamp: u64,
    /// When it was read: nanoseconds since the epoch.
    pub observed: u64,
    /// OTLP severity number, 0 = not known.
    pub severity: i32,
    pub severity_text: String,
    pub body: AnyValue,
    pub attributes: Marked,
    /// Shared by the records of a file until an operator changes it ([`Entry::resource_mut`]).
    pub resource: Arc<Vec<KeyValue>>,
    pub scope_name: Str,
    /// 16 bytes, or empty.
    pub trace_id: Vec<u8>,
    /// 8 bytes, or empty.
    pub span_id: Vec<u8>,
    /// W3C trace flags.
    pub flags: u32,
    pub source: Arc<Source>,
    /// Its first byte. An operator that joins entries keeps the first origin here …
    pub origin: Origin,
    /// … and notes here the first one of each *other* file that went into it.
    pub also: Vec<Origin>,
}

/// Most attributes that room is made for before they come.
const MOST_ROOM: usize = 32;

static NO_SOURCE: LazyLock<Arc<Source>> = LazyLock::new(Arc::default);

impl Entry {
    /// An entry as it comes from its file: body, the file's attributes and resource.
    pub fn new(source: &Arc<Source>, start: u64, observed: u64, body: AnyValue) -> Self {
        // Room for what `container` adds.
        Self::with_room(source, start, observed, body, source.attributes.len() + 3)
    }

    /// The same with room for so many attributes, so that the list is allocated once.
    pub fn with_room(source: &Arc<Source>, start: u64, observed: u64, body: AnyValue, room: usize) -> Self {
        let own = &source.attributes;
        let mut attributes = Marked::with_capacity(room.clamp(own.len(), own.len() + MOST_ROOM));
        attributes.append(own);
        Self {
            timestamp: 0,
            observed,
            severity: 0,
            severity_text: String::new(),
            body,
            attributes,
            resource: Arc::clone(&source.resource),
            scope_name: Str::const_new(""),
            trace_id: Vec::new(),
            span_id: Vec::new(),
            flags: 0,
            origin: Origin { file: source.id, start },
            source: Arc::clone(source),
            also: Vec::new(),
        }
    }

    /// The resource attributes, to change for this entry alone.
    pub fn resource_mut(&mut self) -> &mut Vec<KeyValue> {
        Arc::make_mut(&mut self.resource)
    }

    /// Notes that `other` went into this entry, so that its offset is not committed before this one's.
    pub fn absorb_origin(&mut self, other: &Entry) {
        for origin in std::iter::once(&other.origin).chain(&other.also) {
            let known =
                std::iter::once(&mut self.origin).chain(&mut self.also).find(|o| o.file == origin.file);
            match known {
                Some(known) => known.start = known.start.min(origin.start),
                None => self.also.push(*origin),
            }
        }
    }

    /// Where it comes from: its own origin and those of the entries it absorbed.
    pub fn origins(&self) -> impl Iterator<Item = Origin> {
        std::iter::once(self.origin).chain(self.also.iter().copied())
    }

    /// Bytes of its texts: the body, the keys and values of its attributes.
    pub fn text_size(&self) -> usize {
        let attributes = self.attributes.iter().map(|a| a.key.len() + a.value.heap_size());
        self.body.heap_size() + attributes.sum::<usize>()
    }

    /// The OTLP record; resource and scope are grouped by the batch.
    pub fn into_record(self) -> LogRecord {
        LogRecord {
            time_unix_nano: self.timestamp,
            severity_number: self.severity,
            severity_text: self.severity_text,
            body: Some(self.body),
            attributes: self.attributes.into_vec(),
            flags: self.flags,
            trace_id: self.trace_id,
            span_id: self.span_id,
            observed_time_unix_nano: self.observed,
            ..LogRecord::default()
        }
    }
}

/// Costs no allocation: operators take entries with [`std::mem::take`].
impl Default for Entry {
    fn default() -> Self {
        Self {
            timestamp: 0,
            observed: 0,
            severity: 0,
            severity_text: String::new(),
            body: AnyValue::Empty,
            attributes: Marked::default(),
            resource: Arc::clone(&NO_SOURCE.resource),
            scope_name: Str::const_new(""),
            trace_id: Vec::new(),
            span_id: Vec::new(),
            flags: 0,
            source: Arc::clone(&NO_SOURCE),
            origin: Origin::default(),
            also: Vec::new(),
        }
    }
}
