//! The line formats of container runtimes, parsed from bytes.

use std::borrow::Cow;

use serde::de::{Deserializer, MapAccess, Visitor};

use crate::otlp::{AnyValue, KeyValue};

use super::super::Problem;
use super::Format;

/// One line of a CRI runtime: `2026-11-22T13:52:19.123456789Z stdout F text`.
#[derive(Debug, PartialEq, Eq)]
pub struct CriLine<'a> {
    pub time: &'a [u8],
    pub stream: Stream,
    /// `F` or `P`, in theory with further tags after `:`.
    pub tag: &'a [u8],
    /// Where the text starts in the line.
    pub text_at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl CriLine<'_> {
    /// The runtime cut the line here; the rest follows.
    pub fn is_partial(&self) -> bool {
        self.tag == b"P" || self.tag.starts_with(b"P:")
    }
}

/// Parses a CRI line. cri-o writes times with a numeric offset, containerd in UTC with `Z`.
pub fn parse_cri(line: &[u8], format: Format) -> Option<CriLine<'_>> {
    let time_end = memchr::memchr(b' ', line)?;
    let time = &line[..time_end];
    let utc = *time.last()? == b'Z' && !time[..time.len() - 1].contains(&b'Z');
    let fits = match format {
        Format::Containerd => utc,
        Format::Crio => !time.contains(&b'Z'),
        Format::Auto => utc || !time.contains(&b'Z'),
        Format::Docker => false,
    };
    let rest = &line[time_end + 1..];
    let stream = match rest.get(..7)? {
        b"stdout " => Stream::Stdout,
        b"stderr " => Stream::Stderr,
        _ => return None,
    };
    let tags = &rest[7..];
    let tag_len = memchr::memchr(b' ', tags).unwrap_or(tags.len());
    let text_at = (time_end + 8 + tag_len + 1).min(line.len());
    fits.then_some(CriLine { time, stream, tag: &tags[..tag_len], text_at })
}

/// One line of Docker's `json-file` driver.
#[derive(Debug, Default, PartialEq)]
pub struct DockerLine<'a> {
    pub log: Cow<'a, str>,
    pub stream: Option<Cow<'a, str>>,
    pub time: Option<Cow<'a, str>>,
    /// Every other key, such as `attrs`.
    pub others: Vec<KeyValue>,
}

/// Parses `{"log":"text\n","stream":"stdout","time":"…"}`.
pub fn parse_docker(line: &str) -> Result<DockerLine<'_>, Problem> {
    let mut json = serde_json::Deserializer::from_str(line);
    let parsed = json.deserialize_map(DockerVisitor).and_then(|parsed| json.end().map(|()| parsed));
    parsed.map_err(|error| format!("the line is no Docker JSON: {error}").into())
}

struct DockerVisitor;

impl<'de> Visitor<'de> for DockerVisitor {
    type Value = DockerLine<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DockerLine<'de>, A::Error> {
        let mut line = DockerLine::default();
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "log" => line.log = map.next_value::<Text<'de>>()?.0,
                "stream" => line.stream = Some(map.next_value::<Text<'de>>()?.0),
                "time" => line.time = Some(map.next_value::<Text<'de>>()?.0),
                _ => line.others.push(KeyValue::new(&*key, any_value(map.next_value()?))),
            }
        }
        Ok(line)
    }
}

/// A text that is borrowed when it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn any_value(value: serde_json::Value) -> AnyValue {
    match value {
        serde_json::Value::Null => AnyValue::Empty,
        serde_json::Value::Bool(value) => value.into(),
        // As upstream, which reads every JSON number as a float.
        serde_json::Value::Number(number) => number.as_f64().map_or(AnyValue::Empty, AnyValue::from),
        serde_json::Value::String(text) => text.into(),
        serde_json::Value::Array(items) => AnyValue::Array(items.into_iter().map(any_value).collect()),
        serde_json::Value::Object(map) => {
            AnyValue::Map(map.into_iter().map(|(key, value)| KeyValue::new(key, any_value(value))).collect())
        }
    }
}

/// Nanoseconds since the epoch of an RFC 3339 time with any number of fraction digits.
pub fn parse_time(text: &[u8]) -> Option<u64> {
    let digits = |range: std::ops::Range<usize>| -> Option<u32> {
        text.get(range)?.iter().try_fold(0_u32, |number, &byte| {
            byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
        })
    };
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if text.len() < 20 || separators.iter().any(|&(at, byte)| text[at] != byte) {
        return None;
    }
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let mut at = 19;
    let mut nanos = 0_u64;
    if text[at] == b'.' {
        at += 1;
        let mut scale = 100_000_000;
        while let Some(digit) = text.get(at).filter(|byte| byte.is_ascii_digit()) {
            nanos += u64::from(digit - b'0') * scale;
            scale /= 10;
            at += 1;
        }
    }
    let offset = match text.get(at)? {
        b'Z' if at + 1 == text.len() => 0,
        sign @ (b'+' | b'-') if at + 6 == text.len() && text[at + 3] == b':' => {
            let (hours, minutes) = (digits(at + 1..at + 3)?, digits(at + 4..at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = i64::from(hours * 3600 + minutes * 60);
            if *sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let seconds =
        days_since_epoch(year, month, day) * 86_400 + i64::from(hour * 3600 + minute * 60 + second) - offset;
    u64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days_since_epoch(year: u32, month: u32, day: u32) -> i64 {
    // Years start in March here, so that the leap day is the last one.
    let year = i64::from(year) - i64::from(month <= 2);
    let month = i64::from((month + 9) % 12);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// What is trimmed from the ends of lines.
pub const BLANKS: [char; 4] = ['\r', '\n', '\t', ' '];

/// Whether a line can only be Docker's.
pub fn looks_like_docker(line: &[u8]) -> bool {
    line.first() == Some(&b'{')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cri_lines_of_both_runtimes() {
        let line = b"2026-11-22T13:52:19.123456789Z stdout F some text";
        let parsed = parse_cri(line, Format::Auto).unwrap();
        assert_eq!(&line[parsed.text_at..], b"some text");
        assert_eq!((parsed.stream, parsed.tag, parsed.is_partial()), (Stream::Stdout, &b"F"[..], false));
        let crio = b"2026-11-22T13:52:19.123456789+01:00 stderr P half";
        let parsed = parse_cri(crio, Format::Auto).unwrap();
        assert_eq!((parsed.stream, parsed.is_partial()), (Stream::Stderr, true));
        assert!(parse_cri(crio, Format::Containerd).is_none());
        assert!(parse_cri(line, Format::Crio).is_none());
    }

    #[test]
    fn a_cri_line_may_have_no_text_and_no_blank_after_the_tag() {
        for line in [&b"2026-11-22T13:52:19Z stdout F"[..], b"2026-11-22T13:52:19Z stdout F "] {
            let parsed = parse_cri(line, Format::Auto).unwrap();
            assert_eq!(&line[parsed.text_at..], b"");
        }
        for line in [&b""[..], b"x", b"x stdout", b"2026Z stdin F x", b" stdout F x"] {
            assert!(parse_cri(line, Format::Containerd).is_none(), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn docker_lines_keep_further_keys() {
        let line = parse_docker(
            r#"{"log":"a \"b\"\n","stream":"stderr","attrs":{"tag":"x","n":1},"time":"2026-01-01T00:00:00Z"}"#,
        )
        .unwrap();
        assert_eq!((&*line.log, line.stream.as_deref()), ("a \"b\"\n", Some("stderr")));
        assert_eq!(line.others[0].value.as_map().unwrap().len(), 2);
        for bad in ["{", "[]", "{} x", r#"{"log":1}"#, ""] {
            assert!(parse_docker(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_those_of_jiff() {
        for text in [
            "2026-11-22T13:52:19.123456789Z",
            "2026-11-22T13:52:19Z",
            "1970-01-01T00:00:00Z",
            "2024-02-29T23:59:59.5Z",
            "2026-11-22T13:52:19.123456789+05:30",
            "2000-03-01T00:00:00.000000001-11:00",
        ] {
            let want = text.parse::<jiff::Timestamp>().unwrap().as_nanosecond();
            assert_eq!(parse_time(text.as_bytes()).map(i128::from), Some(want), "{text}");
        }
        for text in [
            "",
            "2026-11-22",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T13:52:19",
            "2026-11-22T13:52:19.Zx",
            "2026-11-22 13:52:19Z",
            "2026-11-22T13:52:19+0530",
        ] {
            assert_eq!(parse_time(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_a_parser_panic(line in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_cri(&line, Format::Auto);
            let _ = parse_time(&line);
            let _ = parse_docker(&String::from_utf8_lossy(&line));
        }

        #[test]
        fn any_time_is_that_of_jiff(seconds in 0_i64..10_000_000_000, nanos in 0_i32..1_000_000_000) {
            let time = jiff::Timestamp::new(seconds, nanos).unwrap();
            prop_assert_eq!(parse_time(time.to_string().as_bytes()).map(i128::from), Some(time.as_nanosecond()));
        }
    }
}
