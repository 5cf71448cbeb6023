//! From a field to the entry's timestamp.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use crate::expr::gotime::{self, Parsed};
use crate::otlp::AnyValue;

use super::super::super::entry::Entry;
use super::super::parsing::{Change, MISSING};
use super::super::{Field, Problem};
use super::LayoutType;
use super::epoch::Epoch;
use super::strptime::{self, StrptimeError};

/// Sets the timestamp from a field.
#[derive(Clone, Debug)]
pub struct Time {
    from: Field,
    layout: Layout,
    zone: TimeZone,
}

#[derive(Clone, Debug)]
pub enum Layout {
    Go(gotime::Layout),
    Epoch(Epoch),
}

/// Why a layout is not taken.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    #[error(transparent)]
    Strptime(#[from] StrptimeError),
    #[error("invalid epoch layout \"{0}\": write s, ms, us, ns, s.ms, s.us or s.ns")]
    Epoch(String),
}

impl Layout {
    pub fn new(kind: LayoutType, layout: &str) -> Result<Self, LayoutError> {
        Ok(match kind {
            LayoutType::Strptime => Self::Go(gotime::Layout::new(&strptime::to_go(layout)?)),
            LayoutType::Gotime => Self::Go(gotime::Layout::new(layout)),
            LayoutType::Epoch => {
                Self::Epoch(Epoch::new(layout).ok_or_else(|| LayoutError::Epoch(layout.to_owned()))?)
            }
        })
    }
}

/// A zone by its IANA name; without one that of this process.
pub fn zone(location: &str) -> Result<TimeZone, String> {
    match location {
        "" | "Local" => Ok(without_rules(TimeZone::system())),
        "UTC" => Ok(TimeZone::UTC),
        name => TimeZone::get(name).map_err(|_| {
            format!("\"{name}\" is no known time zone: write an IANA name such as \"Europe/Paris\"")
        }),
    }
}

/// A zone whose offset never changes has nothing to look up, such as a node that keeps UTC.
fn without_rules(zone: TimeZone) -> TimeZone {
    if zone.following(Timestamp::MIN).next().is_some() {
        return zone;
    }
    TimeZone::fixed(zone.to_offset(Timestamp::UNIX_EPOCH))
}

impl Time {
    pub fn new(from: Field, layout: Layout, zone: TimeZone) -> Self {
        Self { from, layout, zone }
    }

    pub fn run(&self, entry: &mut Entry) -> Result<(), Problem> {
        let value = self.from.get(entry).ok_or(MISSING)?;
        let nanos = match &self.layout {
            Layout::Epoch(epoch) => epoch.parse(value)?,
            Layout::Go(layout) => {
                let text = match value {
                    AnyValue::String(text) => text.as_str(),
                    AnyValue::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| NOT_TEXT)?,
                    _ => return Err(NOT_TEXT.into()),
                };
                self.go(layout, text)?
            }
        };
        entry.timestamp = u64::try_from(nanos).map_err(|_| "the time is before 1970 or after 2554")?;
        Ok(())
    }

    fn go(&self, layout: &gotime::Layout, text: &str) -> Result<i128, Problem> {
        let mut parsed = layout.parse(text).map_err(|error| match error {
            gotime::ParseError::Mismatch => "the time does not have the form of the layout",
            gotime::ParseError::Extra => "there is text after the time",
            gotime::ParseError::Range => "a part of the time is out of its range",
        })?;
        if parsed.date_time.year() == 0 {
            parsed = with_year(&parsed, &Zoned::now());
        }
        let moment = parsed.resolve(&self.zone).ok_or("the time has an unknown zone")?;
        Ok(moment.timestamp().as_nanosecond())
    }
}

const NOT_TEXT: &str = "the time is not a string";

/// A time without a year is of this year, or of the last one when it would be more than a week ahead.
pub fn with_year(parsed: &Parsed, now: &Zoned) -> Parsed {
    let in_year = |year: i16| {
        let old = parsed.date_time;
        let date = Date::new(year, old.month(), old.day()).or_else(|_| Date::new(year, old.month(), 28));
        DateTime::from_parts(date.unwrap_or(old.date()), old.time())
    };
    let this = Parsed { date_time: in_year(now.year()), zone: parsed.zone.clone() };
    let limit = now.timestamp() + SignedDuration::from_hours(7 * 24);
    let moment = this.resolve(now.time_zone()).map_or(Timestamp::MIN, crate::expr::Moment::timestamp);
    if moment > limit {
        return Parsed { date_time: in_year(now.year() - 1), zone: this.zone };
    }
    this
}

impl Change for Time {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        self.run(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::Offset;

    #[test]
    fn only_a_zone_that_never_changes_becomes_an_offset() {
        let zone = |name| without_rules(TimeZone::get(name).unwrap());
        assert_eq!(zone("Etc/UTC").to_fixed_offset().unwrap(), Offset::UTC);
        assert_eq!(zone("Etc/GMT-3").to_fixed_offset().unwrap(), Offset::constant(3));
        assert!(zone("Europe/Paris").to_fixed_offset().is_err());
        assert!(zone("Asia/Tokyo").to_fixed_offset().is_err());
    }

    #[test]
    fn a_time_without_a_year_is_of_this_year_or_the_last() {
        let layout = gotime::Layout::new("Jan _2 15:04:05");
        let now: Zoned = "2024-01-03T00:00:00[UTC]".parse().unwrap();
        for (text, want) in [
            ("Jan  2 10:00:00", "2024-01-02T10:00:00"),
            ("Jan  9 10:00:00", "2024-01-09T10:00:00"),
            ("Jan 11 10:00:00", "2023-01-11T10:00:00"),
            ("Dec 31 23:59:59", "2023-12-31T23:59:59"),
            ("Feb 29 00:00:00", "2023-02-28T00:00:00"),
        ] {
            let parsed = with_year(&layout.parse(text).unwrap(), &now);
            assert_eq!(parsed.date_time.to_string(), want, "{text}");
        }
    }
}
