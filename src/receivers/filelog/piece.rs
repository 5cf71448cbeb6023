//! The next piece of a file to handle: a record, or a part of one that is too long.

use super::plan::Settings;

/// A part of the data at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The record: empty when everything is dropped.
    pub start: usize,
    pub end: usize,
    /// Where the next piece starts.
    pub next: usize,
    /// Bytes dropped because the record was too long.
    pub dropped: usize,
}

/// Finds the next piece of `data`, of which `searched` bytes hold no end of a record. With `flush`
/// a last record without its end is one too. `skipping` is true while the rest of a truncated
/// record is dropped.
pub fn next_piece(
    settings: &Settings,
    data: &[u8],
    searched: usize,
    flush: bool,
    skipping: &mut bool,
) -> Option<Piece> {
    if data.is_empty() {
        return None;
    }
    let limit = settings.max_log_size;
    let record = settings.splitter.next(data, searched);
    if *skipping {
        let next = record.map_or(data.len(), |record| record.next);
        *skipping = record.is_none();
        return Some(Piece { start: 0, end: 0, next, dropped: record.map_or(next, |record| record.end) });
    }
    let (start, end, next) = match record {
        Some(record) => (record.start, record.end, record.next),
        None if data.len() > limit => (0, data.len(), data.len()),
        None if flush => {
            let rest = settings.splitter.rest(data);
            (rest.start, rest.end, rest.next)
        }
        None => return None,
    };
    if end - start <= limit {
        return Some(Piece { start, end, next, dropped: 0 });
    }
    let cut = start + settings.encoding.cut(&data[start..end], limit);
    if settings.truncate {
        // Without its end in sight the rest is dropped as it comes.
        *skipping = record.is_none();
        Some(Piece { start, end: cut, next, dropped: end - cut })
    } else {
        Some(Piece { start, end: cut, next: cut, dropped: 0 })
    }
}
