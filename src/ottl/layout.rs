//! Time layouts in the way of `strptime`, as the collector's functions and operators take them.

use std::fmt::Write;

use jiff::tz::TimeZone;

use super::time::{Civil, NANOS, Time, days_in_month, days_of_date};
use crate::time::{MONTHS, WEEKDAYS};

/// A compiled layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(Field),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Year,
    Year2,
    /// Month, day, hour…: how many digits, and whether a space may stand for the first.
    Month(Digits),
    Day(Digits),
    Hour24,
    Hour12(Digits),
    Minute,
    Second,
    /// Digits of a second after a point: 3, 6 or 9 when written, any when read.
    Fraction(usize),
    MonthShort,
    MonthLong,
    DayShort,
    DayLong,
    UpperAmPm,
    LowerAmPm,
    ZoneName,
    /// `Z` for UTC, or hours and minutes.
    ZoneOrZ,
    Zone {
        colon: bool,
        seconds: bool,
        minutes: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digits {
    Two,
    OneOrTwo,
    SpaceOrTwo,
}

impl Layout {
    pub fn new(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        parse_layout(text, &mut parts)?;
        Ok(Self { parts })
    }

    /// Writes `time` in its own zone.
    pub fn format(&self, time: Time) -> String {
        let at = time.civil();
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Field(field) => format_field(*field, time, at, &mut out),
            }
        }
        out
    }

    /// Reads a time. A zone in the text wins over `zone`; a text without a year means this one
    /// (`now`), or the last if that would be more than a week ahead.
    pub fn parse(&self, text: &str, zone: &TimeZone, now: Time) -> Result<Time, String> {
        let mut found = Found::default();
        let mut rest = text;
        for (i, part) in self.parts.iter().enumerate() {
            rest = match part {
                Part::Literal(literal) => rest
                    .strip_prefix(literal.as_str())
                    .ok_or_else(|| format!("cannot read time {text:?}: expected {literal:?} at {rest:?}"))?,
                Part::Field(field) => found
                    .read(*field, rest)
                    .ok_or_else(|| format!("cannot read time {text:?}: {rest:?} is no {}", field.name()))?,
            };
            // A fraction may follow the seconds though the layout does not say so.
            let comes =
                |point| matches!(self.parts.get(i + 1), Some(Part::Literal(l)) if l.starts_with(point));
            if *part == Part::Field(Field::Second)
                && !comes('.')
                && !comes(',')
                && let Some(digits) = rest.strip_prefix(['.', ','])
            {
                rest = found.read(Field::Fraction(9), digits).unwrap_or(rest);
            }
        }
        if !rest.is_empty() {
            return Err(format!("cannot read time {text:?}: extra text {rest:?}"));
        }
        found.time(zone, now).ok_or_else(|| format!("cannot read time {text:?}: there is no such time"))
    }
}

fn parse_layout(text: &str, parts: &mut Vec<Part>) -> Result<(), String> {
    let mut literal = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            literal.push(c);
            continue;
        }
        let directive = chars.next().ok_or("the layout ends with %: write %% for a percent sign")?;
        let field = match directive {
            'Y' => Field::Year,
            'y' => Field::Year2,
            'm' => Field::Month(Digits::Two),
            'o' => Field::Month(Digits::SpaceOrTwo),
            'q' => Field::Month(Digits::OneOrTwo),
            'b' | 'h' => Field::MonthShort,
            'B' => Field::MonthLong,
            'd' => Field::Day(Digits::Two),
            'e' => Field::Day(Digits::SpaceOrTwo),
            'g' => Field::Day(Digits::OneOrTwo),
            'a' => Field::DayShort,
            'A' => Field::DayLong,
            'H' => Field::Hour24,
            'I' => Field::Hour12(Digits::Two),
            'l' => Field::Hour12(Digits::OneOrTwo),
            'p' => Field::UpperAmPm,
            'P' => Field::LowerAmPm,
            'M' => Field::Minute,
            'S' => Field::Second,
            'L' => Field::Fraction(3),
            'f' => Field::Fraction(6),
            's' => Field::Fraction(9),
            'j' => Field::Zone { colon: true, seconds: false, minutes: true },
            'i' => Field::Zone { colon: false, seconds: false, minutes: false },
            'w' => Field::Zone { colon: false, seconds: true, minutes: true },
            'k' => Field::Zone { colon: true, seconds: true, minutes: true },
            'z' => Field::ZoneOrZ,
            'Z' => Field::ZoneName,
            'n' | 't' | '%' => {
                literal.push(match directive {
                    'n' => '\n',
                    't' => '\t',
                    _ => '%',
                });
                continue;
            }
            _ => {
                let whole = match directive {
                    'D' | 'x' => "%m/%d/%Y",
                    'F' => "%Y-%m-%d",
                    'T' | 'X' => "%H:%M:%S",
                    'r' => "%I:%M:%S %P",
                    'R' => "%H:%M",
                    'c' => "%a %b %d %H:%M:%S %Y",
                    'U' => return Err("%U (week of the year) cannot be read".to_owned()),
                    _ => return Err(format!("unknown directive %{directive} in the time layout")),
                };
                flush(&mut literal, parts);
                parse_layout(whole, parts)?;
                continue;
            }
        };
        flush(&mut literal, parts);
        parts.push(Part::Field(field));
    }
    flush(&mut literal, parts);
    Ok(())
}

fn flush(literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal)));
    }
}

fn format_field(field: Field, time: Time, at: Civil, out: &mut String) {
    let hour12 = if at.hour.is_multiple_of(12) { 12 } else { at.hour % 12 };
    let digits = |value: u8, digits: Digits, out: &mut String| {
        let _ = match digits {
            Digits::Two => write!(out, "{value:02}"),
            Digits::OneOrTwo => write!(out, "{value}"),
            Digits::SpaceOrTwo => write!(out, "{value:2}"),
        };
    };
    let month = MONTHS[usize::from(at.month - 1)];
    let day = WEEKDAYS[usize::from(at.weekday)];
    // Writing to a string does not fail.
    let _ = match field {
        Field::Year => write!(out, "{:04}", at.year),
        Field::Year2 => write!(out, "{:02}", at.year.rem_euclid(100)),
        Field::Month(width) => {
            digits(at.month, width, out);
            Ok(())
        }
        Field::Day(width) => {
            digits(at.day, width, out);
            Ok(())
        }
        Field::Hour24 => write!(out, "{:02}", at.hour),
        Field::Hour12(width) => {
            digits(hour12, width, out);
            Ok(())
        }
        Field::Minute => write!(out, "{:02}", at.minute),
        Field::Second => write!(out, "{:02}", at.second),
        Field::Fraction(digits) => out.write_str(&format!("{:09}", at.nanosecond)[..digits]),
        Field::MonthShort => out.write_str(&month[..3]),
        Field::MonthLong => out.write_str(month),
        Field::DayShort => out.write_str(&day[..3]),
        Field::DayLong => out.write_str(day),
        Field::UpperAmPm => out.write_str(if at.hour < 12 { "AM" } else { "PM" }),
        Field::LowerAmPm => out.write_str(if at.hour < 12 { "am" } else { "pm" }),
        Field::ZoneName if time.offset == 0 => out.write_str("UTC"),
        Field::ZoneOrZ if time.offset == 0 => out.write_str("Z"),
        Field::ZoneName | Field::ZoneOrZ => {
            format_zone(time.offset, false, false, true, out);
            Ok(())
        }
        Field::Zone { colon, seconds, minutes } => {
            format_zone(time.offset, colon, seconds, minutes, out);
            Ok(())
        }
    };
}

fn format_zone(offset: i32, colon: bool, seconds: bool, minutes: bool, out: &mut String) {
    let size = offset.unsigned_abs();
    let colon = if colon { ":" } else { "" };
    out.push(if offset < 0 { '-' } else { '+' });
    // Writing to a string does not fail.
    let _ = write!(out, "{:02}", size / 3600);
    if minutes {
        let _ = write!(out, "{colon}{:02}", size / 60 % 60);
    }
    if seconds {
        let _ = write!(out, "{colon}{:02}", size % 60);
    }
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Self::Year | Self::Year2 => "year",
            Self::Month(_) | Self::MonthShort | Self::MonthLong => "month",
            Self::Day(_) => "day of the month",
            Self::Hour24 | Self::Hour12(_) => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
            Self::Fraction(_) => "fraction of a second",
            Self::DayShort | Self::DayLong => "day of the week",
            Self::UpperAmPm | Self::LowerAmPm => "am or pm",
            Self::ZoneName | Self::ZoneOrZ | Self::Zone { .. } => "time zone",
        }
    }
}

/// What was read so far.
#[derive(Default)]
struct Found {
    year: Option<i64>,
    month: Option<u8>,
    day: Option<u8>,
    hour: u8,
    pm: Option<bool>,
    minute: u8,
    second: u8,
    nanosecond: u32,
    offset: Option<i32>,
    zone: Option<String>,
}

impl Found {
    /// Reads one field and returns what follows it.
    fn read<'t>(&mut self, field: Field, text: &'t str) -> Option<&'t str> {
        let rest = match field {
            Field::Year => {
                let (year, rest) = number(text, 4, 4)?;
                self.year = Some(year.into());
                rest
            }
            Field::Year2 => {
                let (year, rest) = number(text, 2, 2)?;
                self.year = Some(i64::from(year) + if year >= 69 { 1900 } else { 2000 });
                rest
            }
            Field::Month(width) => {
                let (month, rest) = small(text, width)?;
                self.month = Some(month);
                (1..=12).contains(&month).then_some(rest)?
            }
            Field::Day(width) => {
                let (day, rest) = small(text, width)?;
                self.day = Some(day);
                (1..=31).contains(&day).then_some(rest)?
            }
            Field::Hour24 => {
                let (hour, rest) = small(text, Digits::Two)?;
                self.hour = hour;
                (hour < 24).then_some(rest)?
            }
            Field::Hour12(width) => {
                let (hour, rest) = small(text, width)?;
                self.hour = hour;
                (hour <= 12).then_some(rest)?
            }
            Field::Minute => {
                let (minute, rest) = small(text, Digits::Two)?;
                self.minute = minute;
                (minute < 60).then_some(rest)?
            }
            Field::Second => {
                let (second, rest) = small(text, Digits::Two)?;
                self.second = second;
                (second < 60).then_some(rest)?
            }
            Field::Fraction(_) => {
                let len = text.bytes().take_while(u8::is_ascii_digit).count();
                let digits = &text[..len.min(9)];
                let value: u32 = digits.parse().ok()?;
                self.nanosecond = value * 10_u32.pow(9 - digits.len() as u32);
                &text[len..]
            }
            Field::MonthShort | Field::MonthLong => {
                let (month, rest) = name(text, &MONTHS, field == Field::MonthShort)?;
                self.month = Some(month as u8 + 1);
                rest
            }
            Field::DayShort | Field::DayLong => name(text, &WEEKDAYS, field == Field::DayShort)?.1,
            Field::UpperAmPm | Field::LowerAmPm => {
                let half = text.get(..2)?.to_ascii_lowercase();
                self.pm = Some(match half.as_str() {
                    "am" => false,
                    "pm" => true,
                    _ => return None,
                });
                &text[2..]
            }
            Field::ZoneOrZ if text.starts_with('Z') => {
                self.offset = Some(0);
                &text[1..]
            }
            Field::ZoneOrZ => self.read_zone(text, false, false, true)?,
            Field::Zone { colon, seconds, minutes } => self.read_zone(text, colon, seconds, minutes)?,
            Field::ZoneName => {
                let len = text.bytes().take_while(u8::is_ascii_alphabetic).count();
                if !(1..=5).contains(&len) {
                    return None;
                }
                match &text[..len] {
                    "UTC" | "GMT" | "Z" => self.offset = Some(0),
                    name => self.zone = Some(name.to_owned()),
                }
                &text[len..]
            }
        };
        Some(rest)
    }

    fn read_zone<'t>(&mut self, text: &'t str, colon: bool, seconds: bool, minutes: bool) -> Option<&'t str> {
        let sign = match text.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let (hours, mut rest) = number(&text[1..], 2, 2)?;
        let mut offset = hours * 3600;
        for unit in [minutes.then_some(60), seconds.then_some(1)].into_iter().flatten() {
            if colon {
                rest = rest.strip_prefix(':')?;
            }
            let (value, after) = number(rest, 2, 2)?;
            offset += (value < 60).then_some(value * unit)?;
            rest = after;
        }
        self.offset = Some(sign * i32::try_from(offset).ok()?);
        Some(rest)
    }

    fn time(self, zone: &TimeZone, now: Time) -> Option<Time> {
        let hour = match self.pm {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let at = |year: i64| {
            let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
            if day > days_in_month(year, month) {
                return None;
            }
            let days = days_of_date(year, month, day);
            let seconds =
                days * 86_400 + i64::from(hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
            let offset = match (self.offset, &self.zone) {
                (Some(offset), _) => offset,
                (None, Some(name)) => offset_at(&TimeZone::get(name).ok()?, seconds)?,
                (None, None) => offset_at(zone, seconds)?,
            };
            let nanos =
                (seconds - i64::from(offset)).checked_mul(NANOS)?.checked_add(self.nanosecond.into())?;
            Some(Time { nanos, offset })
        };
        const WEEK: i64 = 7 * 86_400 * NANOS;
        if let Some(year) = self.year {
            return at(year);
        }
        let year = now.civil().year;
        at(year).filter(|time| time.nanos.saturating_sub(now.nanos) <= WEEK).or_else(|| at(year - 1))
    }
}

/// The offset of a zone at a local time, given as if it were UTC.
fn offset_at(zone: &TimeZone, local_seconds: i64) -> Option<i32> {
    let local = jiff::Timestamp::from_second(local_seconds).ok()?;
    let local = jiff::tz::Offset::UTC.to_datetime(local);
    zone.to_ambiguous_timestamp(local).compatible().ok().map(|t| zone.to_offset(t).seconds())
}

/// `min` to `max` digits.
fn number(text: &str, min: usize, max: usize) -> Option<(u32, &str)> {
    let len = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if len < min {
        return None;
    }
    Some((text[..len].parse().ok()?, &text[len..]))
}

fn small(text: &str, width: Digits) -> Option<(u8, &str)> {
    let (value, rest) = match width {
        Digits::Two => number(text, 2, 2)?,
        Digits::OneOrTwo => number(text, 1, 2)?,
        Digits::SpaceOrTwo => number(text.strip_prefix(' ').unwrap_or(text), 1, 2)?,
    };
    Some((value as u8, rest))
}

/// The place of the name that `text` begins with, in any case.
fn name<'t>(text: &'t str, names: &[&str], short: bool) -> Option<(usize, &'t str)> {
    names.iter().enumerate().find_map(|(place, name)| {
        let name = if short { &name[..3] } else { name };
        let found = text.get(..name.len())?;
        found.eq_ignore_ascii_case(name).then(|| (place, &text[name.len()..]))
    })
}
