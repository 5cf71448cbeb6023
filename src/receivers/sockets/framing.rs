//! Where one record ends and the next begins in what a connection brings.

use memchr::memchr;

use super::super::filelog::encoding::Encoding;
use super::super::filelog::split::Splitter;

/// How a stream is cut into records.
#[derive(Clone, Debug)]
pub enum Framing {
    /// By line ends or patterns.
    Split(Splitter),
    /// `123 ` and so many bytes (RFC 6587). The length stays in front.
    Octets,
    /// A zero byte ends each.
    Nul,
    /// All until the connection is closed.
    Whole,
}

/// Digits of a length.
const DIGITS: usize = 10;

/// What to do with the bytes at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// These are a record, and the next one starts at `next`.
    Record { start: usize, end: usize, next: usize },
    /// So many bytes of a record that is too long.
    Piece(usize),
    /// More has to come.
    Wait,
    /// This is not what was agreed on: there is no telling where a record starts.
    Nonsense,
}

impl Framing {
    /// The first record of `data`, which starts where a record starts and of which `searched` bytes
    /// hold no end of one. With `last` nothing follows, or nothing has for a while.
    pub fn cut(&self, data: &[u8], searched: usize, max: usize, encoding: Encoding, last: bool) -> Cut {
        if data.is_empty() {
            return Cut::Wait;
        }
        let found = match self {
            Self::Split(splitter) => splitter.next(data, searched).map(|r| (r.start, r.end, r.next)),
            Self::Nul => {
                let searched = searched.min(data.len());
                memchr(0, &data[searched..]).map(|at| (0, searched + at, searched + at + 1))
            }
            Self::Whole => None,
            Self::Octets => match counted(data) {
                Counted::All(end) if end > max.saturating_add(DIGITS + 1) => return Cut::Nonsense,
                Counted::All(end) => (end <= data.len()).then_some((0, end, end)),
                Counted::Unknown => None,
                Counted::Nonsense if last => None,
                Counted::Nonsense => return Cut::Nonsense,
            },
        };
        match found {
            Some((start, end, _)) if end - start > max && !matches!(self, Self::Octets) => {
                Cut::Piece(encoding.cut(&data[start..end], max).max(1) + start)
            }
            Some((start, end, next)) => Cut::Record { start, end, next },
            None if data.len() > max && !matches!(self, Self::Octets) => {
                Cut::Piece(encoding.cut(data, max).max(1))
            }
            None if last => {
                let start = match self {
                    Self::Split(splitter) => splitter.rest(data).start,
                    _ => 0,
                };
                Cut::Record { start, end: data.len(), next: data.len() }
            }
            None => Cut::Wait,
        }
    }

    /// Bytes of unfinished data that need not be searched again.
    pub fn searched(&self, data: &[u8]) -> usize {
        match self {
            Self::Split(splitter) => splitter.searched(data),
            Self::Nul => data.len(),
            _ => 0,
        }
    }

    /// A record whose end only the next one shows: it is sent when that takes long.
    pub fn waits_for_next(&self) -> bool {
        matches!(self, Self::Split(Splitter::Start { .. } | Splitter::End { .. }))
    }
}

enum Counted {
    /// Bytes of the whole frame.
    All(usize),
    Unknown,
    Nonsense,
}

fn counted(data: &[u8]) -> Counted {
    let digits = data.iter().take(DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
    let text = std::str::from_utf8(&data[..digits]).unwrap_or_default();
    if data[0] == b'0' || digits > DIGITS {
        return Counted::Nonsense;
    }
    match (data.get(digits), text.parse::<usize>()) {
        (Some(byte), Ok(length)) if byte.is_ascii_whitespace() => {
            Counted::All(length.saturating_add(digits + 1))
        }
        (None, _) => Counted::Unknown,
        _ => Counted::Nonsense,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(framing: &Framing, data: &[u8]) -> Cut {
        framing.cut(data, 0, 8, Encoding::Utf8, false)
    }

    fn record(end: usize, next: usize) -> Cut {
        Cut::Record { start: 0, end, next }
    }

    #[test]
    fn counted_frames_keep_their_length_and_nonsense_is_seen() {
        let octets = Framing::Octets;
        assert_eq!(cut(&octets, b"5 hello3 abc"), record(7, 7));
        for (data, want) in [
            (&b"5 hel"[..], Cut::Wait),
            (b"1", Cut::Wait),
            (b"<13>hello", Cut::Nonsense),
            (b"0 ", Cut::Nonsense),
            (b"99999 x", Cut::Nonsense),
            (b"12345678901 x", Cut::Nonsense),
            (b"5x", Cut::Nonsense),
        ] {
            assert_eq!(cut(&octets, data), want, "{data:?}");
        }
        assert_eq!(octets.cut(b"9 rest", 0, 8, Encoding::Utf8, true), record(6, 6), "the end of it all");
    }

    #[test]
    fn long_records_are_cut_and_ends_found() {
        let lines = Framing::Split(Splitter::Lines);
        assert_eq!(cut(&lines, b"ab\ncd"), record(2, 3));
        assert_eq!(cut(&lines, b"ab"), Cut::Wait);
        assert_eq!(cut(&lines, b"0123456789"), Cut::Piece(8));
        assert_eq!(cut(&lines, b"0123456789\n"), Cut::Piece(8));
        assert_eq!(cut(&Framing::Nul, b"ab\0cd"), record(2, 3));
        assert_eq!(cut(&Framing::Whole, b"ab\ncd"), Cut::Wait);
        assert_eq!(Framing::Whole.cut(b"ab\ncd", 0, 8, Encoding::Utf8, true), record(5, 5));
    }
}
