//! The bytes of a segment: records one after another.
//!
//! A record is a header of 24 bytes (little endian) and an encoded export request: its length, the
//! CRC-32 of all that follows, items, signal, lane (all ones: none).

use std::collections::HashSet;

use crate::pipeline::{Batch, Lane, Signal};

pub const HEADER: usize = 24;
/// No request is larger: a length beyond is damage.
const MOST: usize = 1 << 30;
const NO_LANE: u64 = u64::MAX;
/// A note of a delivered record: its number and the same with all bits turned.
const NOTE: usize = 8;

/// One record of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Counted from the start of the segment, damaged ones included.
    pub number: u32,
    pub offset: u64,
    pub length: usize,
    pub items: usize,
    pub signal: Signal,
    pub lane: Option<Lane>,
}

/// What is wrong with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It ends in the middle of a record, as when a write was interrupted.
    Torn,
    /// Records cannot be read: at least this many.
    Records { lost: u64 },
}

/// What is in a segment.
#[derive(Debug)]
pub struct Scan {
    pub records: Vec<Record>,
    /// Numbers given, to damaged records too.
    pub numbers: u32,
    /// Where the last whole record ends.
    pub end: u64,
    pub damage: Option<Damage>,
}

impl Scan {
    /// Reads a segment; only the last one of a queue may have a torn end.
    pub fn of(bytes: &[u8], is_last: bool) -> Self {
        let mut scan = Self { records: Vec::new(), numbers: 0, end: 0, damage: None };
        let mut offset = 0;
        let mut lost = 0;
        while offset < bytes.len() {
            let rest = &bytes[offset..];
            let Some(total) = total_length(rest).filter(|total| *total <= rest.len()) else {
                // The rest cannot be told apart.
                if is_last && lost == 0 {
                    scan.damage = Some(Damage::Torn);
                    return scan;
                }
                lost += 1;
                scan.end = bytes.len() as u64;
                break;
            };
            match Record::read(&rest[..total], scan.numbers, offset as u64) {
                Some(record) => scan.records.push(record),
                None if is_last && lost == 0 && total == rest.len() => {
                    scan.damage = Some(Damage::Torn);
                    return scan;
                }
                None => lost += 1,
            }
            scan.numbers += 1;
            offset += total;
            scan.end = offset as u64;
        }
        if lost > 0 {
            scan.damage = Some(Damage::Records { lost });
        }
        scan
    }
}

impl Record {
    /// The request in the bytes of a record, when they are whole.
    pub fn check(bytes: &[u8]) -> Option<&[u8]> {
        let sum = u32::from_le_bytes(*bytes.get(4..8)?.first_chunk()?);
        (total_length(bytes)? == bytes.len() && crc32fast::hash(&bytes[8..]) == sum).then(|| &bytes[HEADER..])
    }

    fn read(bytes: &[u8], number: u32, offset: u64) -> Option<Self> {
        let request = Self::check(bytes)?;
        let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let lane = u64::from_le_bytes(*bytes.get(16..)?.first_chunk()?);
        Some(Self {
            number,
            offset,
            length: request.len(),
            items: word(8)? as usize,
            signal: Signal::ALL.get(word(12)? as usize).copied()?,
            lane: (lane != NO_LANE).then_some(Lane(lane)),
        })
    }
}

/// Length of the record at the start of `bytes`, by its header.
fn total_length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.get(..HEADER)?.first_chunk()?) as usize;
    (1..=MOST).contains(&length).then_some(HEADER + length)
}

/// Appends the record of a batch, and returns the length of its request.
pub fn write(batch: &Batch, into: &mut Vec<u8>) -> usize {
    let start = into.len();
    into.resize(start + HEADER, 0);
    batch.encode(into);
    let length = into.len() - start - HEADER;
    let signal = Signal::ALL.iter().position(|signal| *signal == batch.signal()).unwrap_or_default();
    let header = &mut into[start..];
    header[..4].copy_from_slice(&(length as u32).to_le_bytes());
    header[8..12].copy_from_slice(&(batch.items() as u32).to_le_bytes());
    header[12..16].copy_from_slice(&(signal as u32).to_le_bytes());
    header[16..24].copy_from_slice(&batch.lane.map_or(NO_LANE, |Lane(lane)| lane).to_le_bytes());
    let sum = crc32fast::hash(&header[8..]);
    header[4..8].copy_from_slice(&sum.to_le_bytes());
    length
}

/// What is noted of a delivered record.
pub fn done_note(number: u32) -> [u8; NOTE] {
    let mut note = [0; NOTE];
    note[..4].copy_from_slice(&number.to_le_bytes());
    note[4..].copy_from_slice(&(!number).to_le_bytes());
    note
}

/// The numbers in a file of notes; what is torn or damaged counts as not noted.
pub fn read_done(bytes: &[u8]) -> HashSet<u32> {
    let notes = bytes.chunks_exact(NOTE).filter_map(|note| {
        let number = u32::from_le_bytes(*note.first_chunk()?);
        (note == done_note(number)).then_some(number)
    });
    notes.collect()
}
