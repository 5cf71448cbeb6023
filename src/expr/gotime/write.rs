//! Writes the elements of a layout.

use std::fmt::Write;

use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::Part;
use crate::time::{MONTHS, WEEKDAYS};

/// Writes one element.
pub fn write_part(out: &mut String, part: &Part, at: DateTime, offset: Offset) -> std::fmt::Result {
    let hour12 = (at.hour() + 11) % 12 + 1;
    match part {
        Part::Literal(literal) => out.write_str(literal),
        Part::ShortYear => write!(out, "{:02}", at.year().rem_euclid(100)),
        Part::LongYear => write!(out, "{:04}", at.year()),
        Part::MonthName { long } => {
            let name = MONTHS[at.month() as usize - 1];
            out.write_str(if *long { name } else { &name[..3] })
        }
        Part::Month { two: true } => write!(out, "{:02}", at.month()),
        Part::Month { two: false } => write!(out, "{}", at.month()),
        Part::WeekdayName { long } => {
            let name = WEEKDAYS[at.weekday().to_sunday_zero_offset() as usize];
            out.write_str(if *long { name } else { &name[..3] })
        }
        Part::Day { two: true, .. } => write!(out, "{:02}", at.day()),
        Part::Day { space: true, .. } => write!(out, "{:2}", at.day()),
        Part::Day { .. } => write!(out, "{}", at.day()),
        Part::YearDay { space: true } => write!(out, "{:3}", at.day_of_year()),
        Part::YearDay { space: false } => write!(out, "{:03}", at.day_of_year()),
        Part::Hour24 => write!(out, "{:02}", at.hour()),
        Part::Hour12 { two: true } => write!(out, "{hour12:02}"),
        Part::Hour12 { two: false } => write!(out, "{hour12}"),
        Part::Minute { two: true } => write!(out, "{:02}", at.minute()),
        Part::Minute { two: false } => write!(out, "{}", at.minute()),
        Part::Second { two: true } => write!(out, "{:02}", at.second()),
        Part::Second { two: false } => write!(out, "{}", at.second()),
        Part::Meridiem { upper } => out.write_str(match (at.hour() >= 12, upper) {
            (true, true) => "PM",
            (true, false) => "pm",
            (false, true) => "AM",
            (false, false) => "am",
        }),
        Part::Offset { z: true, .. } if offset == Offset::UTC => out.write_char('Z'),
        Part::Offset { colon, minutes, seconds, .. } => {
            let total = offset.seconds().abs();
            out.write_char(if offset.is_negative() { '-' } else { '+' })?;
            write!(out, "{:02}", total / 3600)?;
            for (value, wanted) in [(total / 60 % 60, minutes), (total % 60, seconds)] {
                if *wanted {
                    write!(out, "{}{value:02}", if *colon { ":" } else { "" })?;
                }
            }
            Ok(())
        }
        Part::ZoneName if offset == Offset::UTC => out.write_str("UTC"),
        Part::ZoneName => {
            let minutes = offset.seconds().abs() / 60;
            out.write_char(if offset.is_negative() { '-' } else { '+' })?;
            write!(out, "{:02}", minutes / 60)?;
            if minutes % 60 == 0 { Ok(()) } else { write!(out, "{:02}", minutes % 60) }
        }
        Part::Fraction { separator, digits, exact } => {
            let all = format!("{:09}", at.subsec_nanosecond());
            let cut = &all[..(*digits).min(9)];
            let cut = if *exact { cut } else { cut.trim_end_matches('0') };
            if cut.is_empty() { Ok(()) } else { write!(out, "{separator}{cut}") }
        }
    }
}
