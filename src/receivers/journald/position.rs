//! How far the journals were read: one point for every journald that wrote them.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::file::{Head, Id};

/// An entry, by all that tells it from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub seqnum: u64,
    pub boot: Id,
    /// Microseconds since the epoch.
    pub realtime: u64,
    /// Microseconds since that boot.
    pub monotonic: u64,
    pub xor_hash: u64,
}

impl From<&Head> for Point {
    fn from(head: &Head) -> Self {
        Self {
            seqnum: head.seqnum,
            boot: head.boot,
            realtime: head.realtime,
            monotonic: head.monotonic,
            xor_hash: head.xor_hash,
        }
    }
}

/// The last entry that was read of each journald, by the id of its sequence numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(BTreeMap<Id, Point>);

impl Positions {
    pub fn get(&self, seqnum_id: &Id) -> Option<&Point> {
        self.0.get(seqnum_id)
    }

    pub fn set(&mut self, seqnum_id: Id, point: Point) {
        self.0.insert(seqnum_id, point);
    }

    /// Whether the entry was read already. After a crash of the machine journald may count from
    /// where the disk was: what a later boot wrote later is new, whatever its number.
    pub fn is_past(&self, seqnum_id: &Id, head: &Head) -> bool {
        self.0.get(seqnum_id).is_some_and(|point| {
            head.seqnum <= point.seqnum && (head.boot == point.boot || head.realtime <= point.realtime)
        })
    }

    /// Forgets what is not in `known`: journals that are gone.
    pub fn retain(&mut self, known: impl Fn(&Id) -> bool) {
        self.0.retain(|id, _| known(id));
    }

    /// No more than so many.
    pub fn is_within(&self, most: usize) -> bool {
        self.0.len() <= most
    }

    /// As a list of cursors.
    pub fn save(&self) -> Vec<String> {
        self.0.iter().map(|(id, point)| cursor(id, point)).collect()
    }

    /// From a list of cursors; what is none is left out.
    pub fn load(cursors: &[String]) -> Self {
        Self(cursors.iter().filter_map(|text| parse(text)).collect())
    }
}

/// The entry's cursor, as `journalctl` writes it.
pub fn cursor(seqnum_id: &Id, point: &Point) -> String {
    let Point { seqnum, boot, realtime, monotonic, xor_hash } = point;
    let (id, boot) = (hex(seqnum_id), hex(boot));
    format!("s={id};i={seqnum:x};b={boot};m={monotonic:x};t={realtime:x};x={xor_hash:x}")
}

pub fn hex(id: &Id) -> String {
    id.iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A 128-bit id in hexadecimal digits, with or without dashes.
pub fn parse_id(text: &str) -> Option<Id> {
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    let valid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid.then(|| u128::from_str_radix(&digits, 16).ok()).flatten().map(u128::to_be_bytes)
}

fn parse(cursor: &str) -> Option<(Id, Point)> {
    let part = |key: &str| {
        cursor.split(';').find_map(|part| part.strip_prefix(key).and_then(|rest| rest.strip_prefix('=')))
    };
    let number = |key| u64::from_str_radix(part(key)?, 16).ok();
    let point = Point {
        seqnum: number("i")?,
        boot: parse_id(part("b")?)?,
        realtime: number("t")?,
        monotonic: number("m")?,
        xor_hash: number("x")?,
    };
    Some((parse_id(part("s")?)?, point))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_as_cursors() {
        let point = Point { seqnum: 0x1f, boot: [7; 16], realtime: 99, monotonic: 3, xor_hash: u64::MAX };
        let mut positions = Positions::default();
        positions.set([0xab; 16], point);
        let saved = positions.save();
        assert_eq!(saved[0].split(';').nth(1), Some("i=1f"));
        assert_eq!(Positions::load(&saved), positions);
        assert_eq!(Positions::load(&["s=1;i=x".to_owned(), String::new()]), Positions::default());
    }

    #[test]
    fn numbers_that_a_crashed_machine_counts_again_are_new() {
        let mut positions = Positions::default();
        let head = Head { seqnum: 100, boot: [1; 16], realtime: 1000, ..Head::default() };
        positions.set([0; 16], (&head).into());
        assert!(positions.is_past(&[0; 16], &Head { seqnum: 50, ..head }));
        assert!(!positions.is_past(&[0; 16], &Head { seqnum: 101, ..head }));
        let later = Head { seqnum: 50, boot: [2; 16], realtime: 1001, ..head };
        assert!(!positions.is_past(&[0; 16], &later));
        assert!(!positions.is_past(&[9; 16], &head), "another journald");
    }
}
