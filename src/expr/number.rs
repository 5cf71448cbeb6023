//! How Go writes numbers and durations, and reads durations.

use std::fmt::{self, Write};

use jiff::SignedDuration;

/// As Go's `%v`: the shortest form, with an exponent below 1e-4 and from 1e21.
pub(super) fn write_float(f: &mut impl Write, value: f64) -> fmt::Result {
    let size = value.abs();
    if value.is_nan() {
        f.write_str("NaN")
    } else if value.is_infinite() {
        f.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        write!(f, "{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
    } else {
        write!(f, "{value}")
    }
}

/// `1h2m3.5s`, `1.5ms`, `0s`.
pub(super) fn write_duration(f: &mut impl Write, duration: SignedDuration) -> fmt::Result {
    let nanos = duration.as_nanos();
    let size = nanos.unsigned_abs();
    if nanos < 0 {
        f.write_char('-')?;
    }
    let (unit, name) = match size {
        0 => return f.write_str("0s"),
        1..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let mut whole = size / unit;
    if name == "s" {
        if whole >= 3600 {
            write!(f, "{}h", whole / 3600)?;
        }
        if whole >= 60 {
            write!(f, "{}m", whole / 60 % 60)?;
        }
        whole %= 60;
    }
    write!(f, "{whole}")?;
    let width = match unit {
        1 => 0,
        1_000 => 3,
        1_000_000 => 6,
        _ => 9,
    };
    let fraction = size % unit;
    if fraction > 0 {
        let digits = format!("{fraction:0width$}");
        write!(f, ".{}", digits.trim_end_matches('0'))?;
    }
    f.write_str(name)
}

/// `-1.5h`, `2h45m`.
pub(super) fn parse_duration(text: &str) -> Option<SignedDuration> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let size = SignedDuration::try_from(crate::config::types::parse_duration(rest)?).ok()?;
    Some(if negative { -size } else { size })
}
