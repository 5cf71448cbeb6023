//! Entries on their way out, grouped by resource and scope into one batch.

use std::sync::Arc;

use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::otlp::{InstrumentationScope, KeyValue, Resource, Str};
use crate::pipeline::{Ack, Batch, Data};

use super::entry::{Entry, FileId, Origin};
use super::operators::Sink;

/// Records per batch.
const RECORDS: usize = 1000;
/// Bytes per batch, roughly.
const BYTES: usize = 256 << 10;

/// What an encoded record has beside its texts: times, severity, keys and lengths.
const RECORD_AROUND: usize = 40;
/// The same of an attribute.
const ATTRIBUTE_AROUND: usize = 8;

/// Collects entries until a batch is full.
#[derive(Default)]
pub struct Outbox {
    groups: Vec<Group>,
    records: usize,
    bytes: usize,
    encoded: usize,
    /// Attributes of the last record.
    width: usize,
    /// Records of the largest group of the last batch.
    expected: usize,
    /// Files with records in here or read since the last batch.
    files: Vec<FileId>,
}

/// The records of one resource and scope.
struct Group {
    resource: Arc<Vec<KeyValue>>,
    scope: Str,
    records: Vec<LogRecord>,
    /// Of each record, so that those of a file can be taken out again.
    origins: Vec<(Origin, Vec<Origin>)>,
}

/// A full batch.
pub struct Parcel {
    pub data: Data,
    pub records: usize,
    /// In memory.
    pub bytes: usize,
    /// When encoded, roughly.
    pub encoded: usize,
}

impl Parcel {
    pub fn into_batch(self, ack: Ack) -> Batch {
        Batch::new(self.data, ack).of_about(self.encoded)
    }
}

impl Outbox {
    pub fn is_full(&self) -> bool {
        self.records >= RECORDS || self.bytes >= BYTES
    }

    /// No records are in it.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// How many attributes the next record will have, most likely: as many as the last one.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Notes that a file was read, whether that made records or not.
    pub fn touch(&mut self, file: FileId) {
        if self.files.last() != Some(&file) && !self.files.contains(&file) {
            self.files.push(file);
        }
    }

    /// Takes the files that were read or have records in here.
    pub fn take_files(&mut self) -> Vec<FileId> {
        std::mem::take(&mut self.files)
    }

    /// Takes everything; `None` when there are no records.
    pub fn take(&mut self) -> Option<Parcel> {
        if self.is_empty() {
            return None;
        }
        let groups = std::mem::take(&mut self.groups);
        self.expected = groups.iter().map(|group| group.records.len()).max().unwrap_or(0);
        let mut logs: Vec<ResourceLogs> = Vec::with_capacity(groups.len());
        let mut last: Option<Arc<Vec<KeyValue>>> = None;
        for group in groups {
            let scope_logs = ScopeLogs {
                scope: Some(InstrumentationScope { name: group.scope.into_string(), ..Default::default() }),
                log_records: group.records,
                schema_url: String::new(),
            };
            match logs.last_mut() {
                Some(same) if last.as_ref().is_some_and(|last| Arc::ptr_eq(last, &group.resource)) => {
                    same.scope_logs.push(scope_logs);
                }
                _ => logs.push(ResourceLogs {
                    resource: Some(Resource {
                        attributes: Vec::clone(&group.resource),
                        dropped_attributes_count: 0,
                    }),
                    scope_logs: vec![scope_logs],
                    schema_url: String::new(),
                }),
            }
            last = Some(group.resource);
        }
        let (records, bytes, encoded) = (self.records, self.bytes, self.encoded);
        (self.records, self.bytes, self.encoded) = (0, 0, 0);
        Some(Parcel { data: Data::Logs(logs), records, bytes, encoded })
    }

    /// Takes out every record that a part of `file` is in. Origins in other files of those go to
    /// `others`.
    pub fn discard(&mut self, file: FileId, others: &mut dyn FnMut(Origin)) {
        for group in &mut self.groups {
            let mut stays = Vec::with_capacity(group.records.len());
            group.origins.retain(|(origin, also)| {
                let origins = std::iter::once(origin).chain(also);
                let touched = origins.clone().any(|origin| origin.file == file);
                if touched {
                    origins.filter(|origin| origin.file != file).for_each(|origin| others(*origin));
                }
                stays.push(!touched);
                !touched
            });
            let mut stays = stays.into_iter();
            group.records.retain(|_| stays.next().unwrap_or(true));
        }
        self.groups.retain(|group| !group.records.is_empty());
        self.records = self.groups.iter().map(|group| group.records.len()).sum();
        self.files.retain(|known| *known != file);
    }

    /// The group of that resource and scope: the last one used, nearly always.
    fn group(&mut self, entry: &Entry) -> &mut Group {
        let same =
            |group: &Group| Arc::ptr_eq(&group.resource, &entry.resource) && group.scope == entry.scope_name;
        let expected = self.expected;
        // An operator may have given each entry a resource of its own: compare what is in it.
        let equal = |group: &Group| *group.resource == *entry.resource && group.scope == entry.scope_name;
        let place = match self.groups.last() {
            Some(last) if same(last) => self.groups.len() - 1,
            _ => self
                .groups
                .iter()
                .rposition(same)
                .or_else(|| self.groups.iter().rposition(equal))
                .unwrap_or_else(|| {
                    self.groups.push(Group {
                        resource: Arc::clone(&entry.resource),
                        scope: entry.scope_name.clone(),
                        records: Vec::with_capacity(expected),
                        origins: Vec::with_capacity(expected),
                    });
                    self.groups.len() - 1
                }),
        };
        &mut self.groups[place]
    }
}

impl Sink for Outbox {
    fn accept(&mut self, mut entry: Entry) {
        let text = entry.text_size();
        self.width = entry.attributes.len();
        self.bytes += size_of::<LogRecord>() + self.width * size_of::<KeyValue>() + text;
        self.encoded += RECORD_AROUND + self.width * ATTRIBUTE_AROUND + text;
        self.records += 1;
        self.touch(entry.origin.file);
        for place in 0..entry.also.len() {
            self.touch(entry.also[place].file);
        }
        let (origin, also) = (entry.origin, std::mem::take(&mut entry.also));
        let group = self.group(&entry);
        group.origins.push((origin, also));
        group.records.push(entry.into_record());
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Source;
    use super::*;
    use crate::otlp::Attributes;

    fn source(id: FileId) -> Arc<Source> {
        let resource = Arc::new(vec![KeyValue::fixed("file", id as i64)]);
        Arc::new(Source { id, resource, ..Source::default() })
    }

    fn logs(outbox: &mut Outbox) -> Vec<ResourceLogs> {
        match outbox.take().unwrap().data {
            Data::Logs(logs) => logs,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn records_are_grouped_by_resource_even_when_each_has_its_own_copy() {
        let (one, two) = (source(1), source(2));
        let mut outbox = Outbox::default();
        for (from, text) in [(&one, "a"), (&two, "b"), (&one, "c")] {
            outbox.accept(Entry::new(from, 0, 7, text.into()));
        }
        for _ in 0..2 {
            let mut entry = Entry::new(&one, 0, 7, "own".into());
            entry.resource_mut().set("extra", true);
            outbox.accept(entry);
        }
        assert_eq!(outbox.take_files(), [1, 2]);
        let sizes: Vec<usize> = logs(&mut outbox).iter().map(|r| r.scope_logs[0].log_records.len()).collect();
        assert_eq!(sizes, [2, 1, 2]);
        assert!(outbox.take().is_none());
    }

    #[test]
    fn the_records_of_a_file_can_be_taken_out_again() {
        let mut outbox = Outbox::default();
        outbox.accept(Entry::new(&source(1), 0, 7, "a".into()));
        let mut joined = Entry::new(&source(2), 5, 7, "b".into());
        joined.absorb_origin(&Entry::new(&source(1), 9, 7, "c".into()));
        outbox.accept(joined);
        let mut others = Vec::new();
        outbox.discard(1, &mut |origin| others.push(origin));
        assert!(outbox.is_empty());
        assert_eq!(others, [Origin { file: 2, start: 5 }]);
    }
}
