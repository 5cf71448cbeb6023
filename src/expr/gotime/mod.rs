//! Go's reference-time layouts (`2006-01-02T15:04:05Z07:00`): the same leniency and the same
//! strictness, since that is what configurations were written against.

mod reader;
mod stamp;
mod write;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

use self::reader::Reader;
use self::stamp::Look;
use super::clock::Moment;
use crate::time::{MONTHS, WEEKDAYS};

/// A layout taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    parts: Vec<Part>,
    /// What is between date and time when the layout begins as [`stamp`] reads it.
    stamp: Option<u8>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(Box<str>),
    ShortYear,
    LongYear,
    MonthName {
        long: bool,
    },
    Month {
        two: bool,
    },
    WeekdayName {
        long: bool,
    },
    Day {
        two: bool,
        space: bool,
    },
    YearDay {
        space: bool,
    },
    Hour24,
    Hour12 {
        two: bool,
    },
    Minute {
        two: bool,
    },
    Second {
        two: bool,
    },
    Meridiem {
        upper: bool,
    },
    /// Numeric zone; `z` also reads and writes `Z` for UTC.
    Offset {
        z: bool,
        colon: bool,
        minutes: bool,
        seconds: bool,
    },
    ZoneName,
    /// Fraction of a second after `.` or `,`: exactly that many digits, or any number or none.
    Fraction {
        separator: char,
        digits: usize,
        exact: bool,
    },
}

/// What a text says, before zones are looked up. Year 0 means that it names none.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub date_time: DateTime,
    pub zone: Zone,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Zone {
    Unknown,
    Utc,
    Offset(Offset),
    /// An abbreviation such as `CEST`.
    Name(String),
}

/// Why a text does not fit a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("the text does not have the form of the layout")]
    Mismatch,
    #[error("there is text after the time")]
    Extra,
    #[error("a part of the time is out of its range")]
    Range,
}

/// The elements of a layout by their text, longest first where one begins another.
const ELEMENTS: &[(&str, Part)] = &[
    ("January", Part::MonthName { long: true }),
    ("Jan", Part::MonthName { long: false }),
    ("Monday", Part::WeekdayName { long: true }),
    ("Mon", Part::WeekdayName { long: false }),
    ("MST", Part::ZoneName),
    ("002", Part::YearDay { space: false }),
    ("01", Part::Month { two: true }),
    ("02", Part::Day { two: true, space: false }),
    ("03", Part::Hour12 { two: true }),
    ("04", Part::Minute { two: true }),
    ("05", Part::Second { two: true }),
    ("06", Part::ShortYear),
    ("15", Part::Hour24),
    ("1", Part::Month { two: false }),
    ("2006", Part::LongYear),
    ("2", Part::Day { two: false, space: false }),
    ("__2", Part::YearDay { space: true }),
    ("_2", Part::Day { two: false, space: true }),
    ("3", Part::Hour12 { two: false }),
    ("4", Part::Minute { two: false }),
    ("5", Part::Second { two: false }),
    ("PM", Part::Meridiem { upper: true }),
    ("pm", Part::Meridiem { upper: false }),
    ("-070000", Part::Offset { z: false, colon: false, minutes: true, seconds: true }),
    ("-07:00:00", Part::Offset { z: false, colon: true, minutes: true, seconds: true }),
    ("-0700", Part::Offset { z: false, colon: false, minutes: true, seconds: false }),
    ("-07:00", Part::Offset { z: false, colon: true, minutes: true, seconds: false }),
    ("-07", Part::Offset { z: false, colon: false, minutes: false, seconds: false }),
    ("Z070000", Part::Offset { z: true, colon: false, minutes: true, seconds: true }),
    ("Z07:00:00", Part::Offset { z: true, colon: true, minutes: true, seconds: true }),
    ("Z0700", Part::Offset { z: true, colon: false, minutes: true, seconds: false }),
    ("Z07:00", Part::Offset { z: true, colon: true, minutes: true, seconds: false }),
    ("Z07", Part::Offset { z: true, colon: false, minutes: false, seconds: false }),
];

impl Layout {
    pub fn new(layout: &str) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = layout;
        while let Some(c) = rest.chars().next() {
            let element = if rest.starts_with("_2006") { None } else { element(rest) };
            match element {
                Some((len, part)) => {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal).into()));
                    }
                    parts.push(part);
                    rest = &rest[len..];
                }
                None => {
                    literal.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.into()));
        }
        Self { stamp: stamp::separator(&parts), parts }
    }

    /// Reads a text.
    pub fn parse(&self, text: &str) -> Result<Parsed, ParseError> {
        let mut reader = Reader { rest: text };
        let mut fields = Fields::default();
        let mut from = 0;
        if let Some(separator) = self.stamp {
            match stamp::read(text.as_bytes(), separator, &mut fields) {
                Look::Fits => {
                    from = stamp::PARTS;
                    reader.skip(stamp::LEN);
                }
                Look::Mismatch => return Err(ParseError::Mismatch),
                Look::Unsure => {}
            }
        }
        for n in from..self.parts.len() {
            fields.read(&self.parts[n], self.parts.get(n + 1), &mut reader)?;
        }
        if !reader.rest.is_empty() {
            return Err(ParseError::Extra);
        }
        fields.finish()
    }

    /// Writes a time.
    pub fn format(&self, moment: Moment) -> String {
        let civil = moment.civil();
        let mut text = String::new();
        for part in &self.parts {
            // Writing into a string does not fail.
            let _ = write::write_part(&mut text, part, civil, moment.offset());
        }
        text
    }
}

fn element(rest: &str) -> Option<(usize, Part)> {
    if let Some(separator @ ('.' | ',')) = rest.chars().next() {
        let digits = &rest[1..];
        let exact = digits.starts_with('0');
        let len = digits.bytes().take_while(|b| *b == if exact { b'0' } else { b'9' }).count();
        let ends = !digits[len..].starts_with(|c: char| c.is_ascii_digit());
        return (len > 0 && ends).then_some((len + 1, Part::Fraction { separator, digits: len, exact }));
    }
    ELEMENTS.iter().find_map(|(name, part)| {
        let after = rest.strip_prefix(name)?;
        // "Janet" and "Month" are no names of a month and a day.
        let short = matches!(part, Part::MonthName { long: false } | Part::WeekdayName { long: false });
        if short && after.starts_with(|c: char| c.is_ascii_lowercase()) {
            return None;
        }
        Some((name.len(), part.clone()))
    })
}

#[derive(Default)]
struct Fields {
    year: i32,
    month: Option<i32>,
    day: Option<i32>,
    year_day: Option<i32>,
    hour: i32,
    minute: i32,
    second: i32,
    nanos: i32,
    pm: Option<bool>,
    zone: Option<Zone>,
}

fn in_range(value: i32, range: std::ops::RangeInclusive<i32>) -> Result<i32, ParseError> {
    if range.contains(&value) { Ok(value) } else { Err(ParseError::Range) }
}

impl Fields {
    fn read(&mut self, part: &Part, next: Option<&Part>, text: &mut Reader) -> Result<(), ParseError> {
        match part {
            Part::Literal(literal) => text.literal(literal)?,
            Part::ShortYear => {
                let year = text.digits(2)?;
                self.year = if year >= 69 { 1900 + year } else { 2000 + year };
            }
            Part::LongYear => self.year = text.digits(4)?,
            Part::MonthName { long } => self.month = Some(text.lookup(&MONTHS, *long)? as i32 + 1),
            Part::Month { two } => self.month = Some(in_range(text.number(*two)?, 1..=12)?),
            Part::WeekdayName { long } => {
                text.lookup(&WEEKDAYS, *long)?;
            }
            Part::Day { two, space } => {
                if *space && text.byte(0) == Some(b' ') {
                    text.skip(1);
                }
                self.day = Some(text.number(*two)?);
            }
            Part::YearDay { space } => {
                let mut blanks = 0;
                while *space && blanks < 2 && text.byte(0) == Some(b' ') {
                    text.skip(1);
                    blanks += 1;
                }
                self.year_day = Some(text.digits(3 - blanks)?);
            }
            Part::Hour24 => self.hour = in_range(text.number(false)?, 0..=23)?,
            Part::Hour12 { two } => self.hour = in_range(text.number(*two)?, 0..=12)?,
            Part::Minute { two } => self.minute = in_range(text.number(*two)?, 0..=59)?,
            Part::Second { two } => {
                self.second = in_range(text.number(*two)?, 0..=59)?;
                // A fraction is read even when the layout has none.
                let digits = text.fraction_len();
                if digits > 0 && !matches!(next, Some(Part::Fraction { .. })) {
                    self.nanos = text.fraction(digits)?;
                }
            }
            Part::Meridiem { upper } => {
                let pm = match (text.rest.get(..2), upper) {
                    (Some("PM"), true) | (Some("pm"), false) => true,
                    (Some("AM"), true) | (Some("am"), false) => false,
                    _ => return Err(ParseError::Mismatch),
                };
                self.pm = Some(pm);
                text.skip(2);
            }
            Part::Offset { z, colon, minutes, seconds } => {
                if *z && text.byte(0) == Some(b'Z') {
                    text.skip(1);
                    self.zone = Some(Zone::Utc);
                } else {
                    self.zone = Some(Zone::Offset(offset(text, *colon, *minutes, *seconds)?));
                }
            }
            Part::ZoneName => {
                if text.rest.starts_with("UTC") {
                    text.skip(3);
                    self.zone = Some(Zone::Utc);
                } else {
                    let len = text.zone_name_len().ok_or(ParseError::Mismatch)?;
                    let name = text.rest[..len].to_owned();
                    text.skip(len);
                    // A numeric zone wins over a name.
                    if !matches!(self.zone, Some(Zone::Offset(_))) {
                        self.zone = Some(Zone::Name(name));
                    }
                }
            }
            Part::Fraction { digits, exact: true, .. } => self.nanos = text.fraction(*digits)?,
            Part::Fraction { exact: false, .. } => {
                let digits = text.fraction_len();
                if digits > 0 {
                    self.nanos = text.fraction(digits)?;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Parsed, ParseError> {
        let hour = match self.pm {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let year = i16::try_from(self.year).map_err(|_| ParseError::Range)?;
        let date = match (self.year_day, self.month, self.day) {
            (Some(year_day), None, None) => {
                let year_day = i16::try_from(year_day).map_err(|_| ParseError::Range)?;
                Date::new(year, 1, 1)
                    .and_then(|first| first.with().day_of_year(year_day).build())
                    .map_err(|_| ParseError::Range)?
            }
            (_, month, day) => Date::new(year, month.unwrap_or(1) as i8, day.unwrap_or(1) as i8)
                .map_err(|_| ParseError::Range)?,
        };
        let time = Time::new(hour as i8, self.minute as i8, self.second as i8, self.nanos)
            .map_err(|_| ParseError::Range)?;
        Ok(Parsed { date_time: DateTime::from_parts(date, time), zone: self.zone.unwrap_or(Zone::Unknown) })
    }
}

fn offset(text: &mut Reader, colon: bool, minutes: bool, seconds: bool) -> Result<Offset, ParseError> {
    let sign = match text.byte(0) {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(ParseError::Mismatch),
    };
    text.skip(1);
    let mut total = in_range(text.digits(2)?, 0..=24)? * 3600;
    for (unit, wanted) in [(60, minutes), (1, seconds)] {
        if wanted {
            if colon {
                text.rest = text.rest.strip_prefix(':').ok_or(ParseError::Mismatch)?;
            }
            total += in_range(text.digits(2)?, 0..=60)? * unit;
        }
    }
    Offset::from_seconds(sign * total).map_err(|_| ParseError::Range)
}

impl Parsed {
    /// The moment, taking `default` for texts without a zone. `None` for an unknown abbreviation
    /// and for dates out of range.
    pub fn resolve(&self, default: &TimeZone) -> Option<Moment> {
        match &self.zone {
            Zone::Unknown => Moment::in_zone(self.date_time, default),
            Zone::Utc => Moment::at_offset(self.date_time, Offset::UTC),
            Zone::Offset(offset) => Moment::at_offset(self.date_time, *offset),
            Zone::Name(name) => match numeric_zone(name) {
                Some(offset) => Moment::at_offset(self.date_time, offset),
                None => Moment::in_zone(self.date_time, &TimeZone::get(name).ok()?),
            },
        }
    }
}

/// `GMT-8`, `+03`.
fn numeric_zone(name: &str) -> Option<Offset> {
    let hours = name.strip_prefix("GMT").unwrap_or(name);
    if name == "GMT" {
        return Some(Offset::UTC);
    }
    if !hours.starts_with(['+', '-']) {
        return None;
    }
    Offset::from_hours(hours.parse().ok()?).ok()
}

/// Now, in UTC.
pub(super) fn now() -> Moment {
    Moment::new(Timestamp::now(), Offset::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(layout: &str, text: &str) -> Result<String, ParseError> {
        let parsed = Layout::new(layout).parse(text)?;
        let moment = parsed.resolve(&TimeZone::UTC).ok_or(ParseError::Range)?;
        Ok(moment.timestamp().to_string())
    }

    const RFC3339: &str = "2006-01-02T15:04:05.999999999Z07:00";
    const LOCAL: &str = "2006-01-02 15:04:05.999999999";

    #[test]
    fn parsing_is_as_lenient_and_as_strict_as_go() {
        for (layout, text, want) in [
            (RFC3339, "2024-05-06T07:08:09Z", Ok("2024-05-06T07:08:09Z")),
            (RFC3339, "2024-05-06T07:08:09.5Z", Ok("2024-05-06T07:08:09.5Z")),
            (RFC3339, "2024-05-06T07:08:09.123456789123+02:00", Ok("2024-05-06T05:08:09.123456789Z")),
            (RFC3339, "2024-05-06T07:08:09", Err(ParseError::Mismatch)),
            (RFC3339, "2024-05-06T07:08:09+0200", Err(ParseError::Mismatch)),
            (RFC3339, "2024-05-06 07:08:09Z", Err(ParseError::Mismatch)),
            (RFC3339, "2024-02-30T07:08:09Z", Err(ParseError::Range)),
            (RFC3339, "2024-13-01T07:08:09Z", Err(ParseError::Range)),
            (RFC3339, "2024-05-06T24:08:09Z", Err(ParseError::Range)),
            (LOCAL, "2024-05-06 07:08:09", Ok("2024-05-06T07:08:09Z")),
            (LOCAL, "2024-05-06 07:08:09,25", Ok("2024-05-06T07:08:09.25Z")),
            (LOCAL, "2024-05-06 07:08:09 more", Err(ParseError::Extra)),
            ("15:04:05", "07:08:09.5", Ok("0000-01-01T07:08:09.5Z")),
            ("15:04:05.000", "07:08:09.5", Err(ParseError::Mismatch)),
            ("15:04:05.000", "07:08:09.500", Ok("0000-01-01T07:08:09.5Z")),
            ("15:04:05.000", "07:08:09", Err(ParseError::Mismatch)),
            ("2006-01-02 03:04:05 PM", "2024-05-06 07:08:09 PM", Ok("2024-05-06T19:08:09Z")),
            ("2006-01-02 3:04 pm", "2024-05-06 12:08 am", Ok("2024-05-06T00:08:00Z")),
            ("Jan _2 2006", "may  6 2024", Ok("2024-05-06T00:00:00Z")),
            ("Monday, January 2 2006", "TUESDAY, May 16 2024", Ok("2024-05-16T00:00:00Z")),
            ("02/Jan/2006:15:04:05 -0700", "06/May/2024:07:08:09 +0130", Ok("2024-05-06T05:38:09Z")),
            ("2006-01-02 15:04 MST", "2024-05-06 07:08 UTC", Ok("2024-05-06T07:08:00Z")),
            ("2006-01-02 15:04 MST", "2024-05-06 07:08 GMT-8", Ok("2024-05-06T15:08:00Z")),
            ("2006-002", "2024-060", Ok("2024-02-29T00:00:00Z")),
            ("06-1-2", "69-1-2", Ok("1969-01-02T00:00:00Z")),
            ("06-1-2", "68-11-12", Ok("2068-11-12T00:00:00Z")),
            ("_2006", "_2024", Ok("2024-01-01T00:00:00Z")),
        ] {
            assert_eq!(parse(layout, text), want.map(str::to_owned), "{layout} ← {text}");
        }
    }

    proptest! {
        #[test]
        fn a_beginning_read_at_once_is_what_its_parts_say(
            date in "(20[0-9]{2}|2[0-9x]{3}|[0-9]{3})-[01]?[0-9]-[0-3]?[0-9]?",
            between in "[T ]| {2}|",
            time in "[0-2]?[0-9]:[0-6][0-9]:[0-6]?[0-9](|\\.[0-9]{0,4}|,5)",
            zone in "|Z|\\+02:00|é",
        ) {
            let text = format!("{date}{between}{time}{zone}");
            for layout in [RFC3339, LOCAL, "2006-01-02T15:04:05.000", "2006-01-02 15:04:05"] {
                let layout = Layout::new(layout);
                prop_assert!(layout.stamp.is_some());
                let by_parts = Layout { stamp: None, ..layout.clone() };
                prop_assert_eq!(layout.parse(&text), by_parts.parse(&text), "{}", text);
            }
        }
    }

    #[test]
    fn formatting_writes_what_parsing_reads() {
        let moment =
            Moment::at_offset("2024-05-06T17:08:09.0125".parse().unwrap(), Offset::constant(2)).unwrap();
        for (layout, want) in [
            ("2006-01-02T15:04:05.999Z07:00", "2024-05-06T17:08:09.012+02:00"),
            ("Mon Jan _2 3:04:05.000000 PM 06", "Mon May  6 5:08:09.012500 PM 24"),
            ("Monday 002 -0700 MST", "Monday 127 +0200 +02"),
        ] {
            assert_eq!(Layout::new(layout).format(moment), want);
        }
    }

    #[test]
    fn names_inside_words_are_text() {
        assert_eq!(Layout::new("Month").parts, [Part::Literal("Month".into())]);
        assert_eq!(Layout::new("Janet").parts, [Part::Literal("Janet".into())]);
    }
}
