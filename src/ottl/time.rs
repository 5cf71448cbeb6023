//! Points in time and spans of time.

use std::fmt;

/// Nanoseconds between two points in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub i64);

/// A point in time, with the offset of the zone it was given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Since the Unix epoch: years 1677 to 2262.
    pub nanos: i64,
    /// Seconds east of UTC.
    pub offset: i32,
}

/// A [`Time`] as calendar and clock show it in its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub nanosecond: u32,
    /// 0 = Sunday.
    pub weekday: u8,
}

pub const NANOS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;

impl Time {
    pub fn utc(nanos: i64) -> Self {
        Self { nanos, offset: 0 }
    }

    /// The time of an OTLP field.
    pub fn of_unix_nano(nanos: u64) -> Self {
        Self::utc(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    /// The wall clock now, in UTC.
    pub fn now() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self::utc(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
    }

    pub fn civil(self) -> Civil {
        let seconds = self.nanos.div_euclid(NANOS) + i64::from(self.offset);
        let days = seconds.div_euclid(DAY);
        let second = seconds.rem_euclid(DAY);
        let (year, month, day) = date_of_days(days);
        Civil {
            year,
            month,
            day,
            hour: (second / 3600) as u8,
            minute: (second / 60 % 60) as u8,
            second: (second % 60) as u8,
            nanosecond: self.nanos.rem_euclid(NANOS) as u32,
            weekday: (days + 4).rem_euclid(7) as u8,
        }
    }
}

/// Date of a number of days since the epoch (Howard Hinnant's `civil_from_days`).
fn date_of_days(days: i64) -> (i64, u8, u8) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u8;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u8;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

/// Days since the epoch of a date.
pub fn days_of_date(year: i64, month: u8, day: u8) -> i64 {
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = (i64::from(month) + 9) % 12;
    let doy = (153 * mp + 2) / 5 + i64::from(day) - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// Days in a month.
pub fn days_in_month(year: i64, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Time {
    /// RFC 3339, with as many digits of the second as needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.civil();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            at.year, at.month, at.day, at.hour, at.minute, at.second
        )?;
        if at.nanosecond != 0 {
            let digits = format!("{:09}", at.nanosecond);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        if self.offset == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.unsigned_abs() / 60;
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl fmt::Display for Span {
    /// Go's form: `1h2m3.5s`, `1.5ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let (unit, name) = match nanos {
            0 => return f.write_str("0s"),
            1..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            _ => (1_000_000_000, "s"),
        };
        let seconds = nanos / 1_000_000_000;
        let mut whole = nanos / unit;
        if unit == 1_000_000_000 {
            if seconds >= 3600 {
                write!(f, "{}h", seconds / 3600)?;
            }
            if seconds >= 60 {
                write!(f, "{}m", seconds / 60 % 60)?;
            }
            whole = seconds % 60;
        }
        write!(f, "{whole}")?;
        let fraction = nanos % unit;
        if fraction > 0 {
            let width = unit.ilog10() as usize;
            write!(f, ".{}", format!("{fraction:0width$}").trim_end_matches('0'))?;
        }
        f.write_str(name)
    }
}

impl Span {
    /// Go's duration syntax with an optional sign: `-1.5h`, `300ms`.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if rest.starts_with('+') {
            return None;
        }
        let nanos = crate::config::types::parse_duration(rest)?.as_nanos();
        let nanos = i64::try_from(nanos).ok()?;
        Some(Self(if negative { -nanos } else { nanos }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_with_the_calendar() {
        for (nanos, offset, want) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 0, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400 * NANOS, 0, "2000-02-29T00:00:00Z"),
            (1_700_000_000 * NANOS + 120_000_000, 19_800, "2023-11-15T03:43:20.12+05:30"),
            (i64::MAX, 0, "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, 0, "1677-09-21T00:12:43.145224192Z"),
        ] {
            assert_eq!(Time { nanos, offset }.to_string(), want);
        }
        assert_eq!(Time::utc(0).civil().weekday, 4);
        assert_eq!(days_of_date(2000, 2, 29), 951_782_400 / DAY);
    }

    #[test]
    fn spans_read_and_write_as_in_go() {
        for text in ["1h2m3.5s", "300ms", "1.5µs", "-1h0m0s", "0s", "2m0.000000001s"] {
            assert_eq!(Span::parse(text).map(|span| span.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Span::parse("1 hour"), None);
        assert_eq!(Span::parse("--1h"), None);
    }
}
