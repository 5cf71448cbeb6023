//! Where one record ends and the next begins.

use memchr::{memchr, memchr_iter};
use regex::bytes::Regex;

use super::encoding::Encoding;

/// How a file is cut into records.
#[derive(Clone, Debug)]
pub enum Splitter {
    /// At line feeds; one carriage return before goes too.
    Lines,
    /// At line feeds of two bytes.
    WideLines(Encoding),
    /// A record begins where the pattern matches.
    Start { pattern: Regex, omit: bool },
    /// A record ends with a match of the pattern.
    End { pattern: Regex, omit: bool },
    /// Whatever was read is a record.
    Chunks,
}

/// A record in a buffer: its bytes and where the next one starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub start: usize,
    pub end: usize,
    pub next: usize,
}

impl Splitter {
    /// The first whole record in `data`, which starts at a record's start. `searched` bytes at its
    /// beginning are known to hold no end of a line.
    pub fn next(&self, data: &[u8], searched: usize) -> Option<Record> {
        match self {
            Self::Lines => {
                let searched = searched.min(data.len());
                let end = searched + memchr(b'\n', &data[searched..])?;
                Some(Record { start: 0, end, next: end + 1 })
            }
            Self::WideLines(encoding) => {
                let low = usize::from(*encoding == Encoding::Utf16Be);
                memchr_iter(b'\n', data)
                    .filter(|at| at % 2 == low && data.get(at ^ 1) == Some(&0))
                    .map(|at| at & !1)
                    .map(|end| Record { start: 0, end, next: end + 2 })
                    .next()
            }
            Self::Start { pattern, omit } => {
                let first = pattern.find(data)?;
                if first.start() > 0 {
                    // What comes before the first match is a record of its own.
                    let end = first.start();
                    return (first.end() < data.len()).then_some(Record { start: 0, end, next: end });
                }
                // An empty match at the start would find itself for ever.
                let from = first.end().max(1);
                let second = pattern.find_at(data, from.min(data.len()))?;
                if second.end() >= data.len() {
                    return None;
                }
                let start = if *omit { first.end() } else { 0 };
                Some(Record { start, end: second.start(), next: second.start() })
            }
            Self::End { pattern, omit } => {
                let found = pattern.find(data)?;
                // A match at the end of the data might grow with what comes.
                if found.end() == 0 || (found.end() == data.len() && !found.as_bytes().ends_with(b"\n")) {
                    return None;
                }
                let end = if *omit { found.start() } else { found.end() };
                Some(Record { start: 0, end, next: found.end() })
            }
            Self::Chunks => {
                (!data.is_empty()).then_some(Record { start: 0, end: data.len(), next: data.len() })
            }
        }
    }

    /// The rest of the data as a record, when nothing more is expected.
    pub fn rest(&self, data: &[u8]) -> Record {
        let start = match self {
            Self::Start { pattern, omit: true } => {
                pattern.find(data).filter(|found| found.start() == 0).map_or(0, |found| found.end())
            }
            _ => 0,
        };
        Record { start, end: data.len(), next: data.len() }
    }

    /// Bytes at the start of unfinished data that need not be searched again.
    pub fn searched(&self, data: &[u8]) -> usize {
        if matches!(self, Self::Lines) { data.len() } else { 0 }
    }
}

/// Which blanks are cut off records.
#[derive(Clone, Copy, Debug)]
pub struct Trim {
    pub start: bool,
    pub end: bool,
    pub encoding: Encoding,
}

impl Trim {
    /// The record without blanks (and without the carriage return of its line end).
    pub fn apply<'a>(&self, record: &'a [u8]) -> &'a [u8] {
        match self.encoding {
            Encoding::Nop => record,
            Encoding::Utf16Le => self.wide(record, 0),
            Encoding::Utf16Be => self.wide(record, 1),
            _ => self.narrow(record),
        }
    }

    fn narrow<'a>(&self, mut record: &'a [u8]) -> &'a [u8] {
        if self.end {
            while let [rest @ .., last] = record
                && is_blank(*last)
            {
                record = rest;
            }
        } else if let [rest @ .., b'\r'] = record {
            record = rest;
        }
        if self.start {
            while let [first, rest @ ..] = record
                && is_blank(*first)
            {
                record = rest;
            }
        }
        record
    }

    fn wide<'a>(&self, mut record: &'a [u8], low: usize) -> &'a [u8] {
        let blank = |unit: &[u8]| unit[low ^ 1] == 0 && is_blank(unit[low]);
        if self.end {
            while record.len() >= 2 && record.len().is_multiple_of(2) && blank(&record[record.len() - 2..]) {
                record = &record[..record.len() - 2];
            }
        } else if let [rest @ .., a, b] = record
            && [*a, *b][low] == b'\r'
            && [*a, *b][low ^ 1] == 0
        {
            record = rest;
        }
        if self.start {
            while record.len() >= 2 && blank(&record[..2]) {
                record = &record[2..];
            }
        }
        record
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | b'\t' | b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All whole records and what is left.
    fn split<'a>(splitter: &Splitter, mut data: &'a [u8]) -> (Vec<&'a [u8]>, &'a [u8]) {
        let mut records = Vec::new();
        while let Some(record) = splitter.next(data, 0) {
            assert!(record.next > 0, "no progress");
            records.push(&data[record.start..record.end]);
            data = &data[record.next..];
        }
        (records, data)
    }

    fn pattern(text: &str) -> Regex {
        Regex::new(&format!("(?m){text}")).unwrap()
    }

    #[test]
    fn lines_end_at_line_feeds() {
        assert_eq!(split(&Splitter::Lines, b"a\n\nb\r\nc"), (vec![&b"a"[..], b"", b"b\r"], &b"c"[..]));
    }

    #[test]
    fn wide_lines_end_at_aligned_line_feeds() {
        let le = Splitter::WideLines(Encoding::Utf16Le);
        assert_eq!(split(&le, b"a\0\n\0b\0"), (vec![&b"a\0"[..]], &b"b\0"[..]));
        let be = Splitter::WideLines(Encoding::Utf16Be);
        // U+0A00 holds the byte of a line feed without being one.
        assert_eq!(split(&be, b"\x0a\0\0\n\0b"), (vec![&b"\x0a\0"[..]], &b"\0b"[..]));
    }

    #[test]
    fn a_start_pattern_begins_records_and_the_last_one_waits() {
        let splitter = Splitter::Start { pattern: pattern("^LOG"), omit: false };
        let (records, rest) = split(&splitter, b"junk\nLOG 1\n at x\nLOG 2\nLOG 3\n");
        assert_eq!(records, [&b"junk\n"[..], b"LOG 1\n at x\n", b"LOG 2\n"]);
        assert_eq!(rest, b"LOG 3\n");
        let omit = Splitter::Start { pattern: pattern("LOG"), omit: true };
        assert_eq!(split(&omit, b"LOG1LOG2LOG3").0, [&b"1"[..], b"2"]);
        assert_eq!(omit.rest(b"LOG3"), Record { start: 3, end: 4, next: 4 });
    }

    #[test]
    fn an_end_pattern_ends_records() {
        let splitter = Splitter::End { pattern: pattern("END\n"), omit: false };
        assert_eq!(split(&splitter, b"a\nEND\nbEND\nc"), (vec![&b"a\nEND\n"[..], b"bEND\n"], &b"c"[..]));
        let omit = Splitter::End { pattern: pattern(";"), omit: true };
        assert_eq!(split(&omit, b"a;b;c").0, [&b"a"[..], b"b"]);
    }

    #[test]
    fn a_pattern_that_matches_nothing_at_all_makes_no_endless_loop() {
        for splitter in [
            Splitter::Start { pattern: pattern("x*"), omit: false },
            Splitter::End { pattern: pattern("x*"), omit: false },
            Splitter::End { pattern: pattern("^"), omit: true },
        ] {
            let _ = split(&splitter, b"abcxxabc\nabc");
        }
    }

    #[test]
    fn trimming_takes_blanks_from_the_ends_it_may() {
        let trim = |start, end| Trim { start, end, encoding: Encoding::Utf8 };
        for (start, end, want) in [
            (true, true, &b"a b"[..]),
            (false, true, b"\t a b"),
            (true, false, b"a b \t"),
            (false, false, b"\t a b \t"),
        ] {
            assert_eq!(trim(start, end).apply(b"\t a b \t\r"), want);
        }
        assert_eq!(trim(true, true).apply(b" \r\n"), b"");
        let wide = Trim { start: true, end: true, encoding: Encoding::Utf16Le };
        assert_eq!(wide.apply(b" \0a\0\r\0"), b"a\0");
    }
}
