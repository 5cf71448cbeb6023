//! Header lines at the beginning of a file, whose fields go to all its records.

use std::sync::Arc;

use crate::otlp::Attributes;

use super::engine::Engine;
use super::entry::{Entry, FileId, Source};
use super::handoff::Now;

impl Engine {
    /// Takes a line of the header; false when the line is none: the header has ended.
    pub(super) fn take_header(&mut self, id: FileId, line: &[u8], now: Now) -> bool {
        let Some(header) = &self.settings.header else { return false };
        let (Some(chain), Some(file)) = (&mut self.header, self.registry.get_mut(id)) else { return false };
        if !header.pattern.is_match(line) {
            return false;
        }
        let body = self.settings.encoding.decode(line, header.operators.takes_raw());
        let mut parsed = Vec::new();
        chain.process(Entry::new(&file.source, 0, now.wall, body), now.instant, &mut parsed);
        let mut attributes = file.source.attributes.clone();
        for attribute in parsed.into_iter().flat_map(|entry| entry.attributes.into_vec()) {
            attributes.set(attribute.key, attribute.value);
        }
        file.source = Arc::new(Source {
            attributes,
            id: file.source.id,
            lineage: file.source.lineage,
            path: file.source.path.clone(),
            resource: Arc::clone(&file.source.resource),
        });
        true
    }

    /// The header of the file is complete: the source of its records.
    pub(super) fn end_header(&mut self, id: FileId) -> Arc<Source> {
        let Some(file) = self.registry.get_mut(id) else { return Arc::default() };
        file.in_header = false;
        let source = Arc::clone(&file.source);
        self.save_identity(id);
        source
    }
}
