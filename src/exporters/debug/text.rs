//! Values, ids and times the way upstream's debug exporter writes them.

use std::fmt::{self, Display, Write};

use base64::prelude::{BASE64_STANDARD, Engine};

use crate::otlp::{AnyValue, KeyValue};

/// A value as text: strings as they are, maps and lists as JSON with sorted keys.
pub(super) struct Text<'a>(pub &'a AnyValue);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            AnyValue::Empty => Ok(()),
            AnyValue::String(text) => f.write_str(text),
            AnyValue::Bool(value) => write!(f, "{value}"),
            AnyValue::Int(value) => write!(f, "{value}"),
            AnyValue::Double(value) => Number(*value).fmt(f),
            AnyValue::Bytes(bytes) => f.write_str(&BASE64_STANDARD.encode(bytes)),
            AnyValue::Array(_) | AnyValue::Map(_) => json(self.0, f),
        }
    }
}

fn json(value: &AnyValue, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        AnyValue::Empty => f.write_str("null"),
        AnyValue::Bool(_) | AnyValue::Int(_) => Text(value).fmt(f),
        AnyValue::Double(number) if number.is_finite() => Number(*number).fmt(f),
        AnyValue::Double(_) | AnyValue::String(_) | AnyValue::Bytes(_) => quoted(&Text(value).to_string(), f),
        AnyValue::Array(items) => {
            f.write_char('[')?;
            for (index, item) in items.iter().enumerate() {
                f.write_str(if index == 0 { "" } else { "," })?;
                json(item, f)?;
            }
            f.write_char(']')
        }
        AnyValue::Map(entries) => {
            let mut sorted: Vec<&KeyValue> = entries.iter().collect();
            sorted.sort_by(|a, b| a.key.cmp(&b.key));
            f.write_char('{')?;
            for (index, entry) in sorted.into_iter().enumerate() {
                f.write_str(if index == 0 { "" } else { "," })?;
                quoted(&entry.key, f)?;
                f.write_char(':')?;
                json(&entry.value, f)?;
            }
            f.write_char('}')
        }
    }
}

fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(&serde_json::to_string(text).unwrap_or_default())
}

/// A double in the shortest form, with an exponent below 1e-6 and from 1e21.
pub(super) struct Number(pub f64);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        match value {
            _ if value.is_nan() => f.write_str("NaN"),
            f64::INFINITY => f.write_str("Infinity"),
            f64::NEG_INFINITY => f.write_str("-Infinity"),
            _ if value == 0.0 || (1e-6..1e21).contains(&value.abs()) => write!(f, "{value}"),
            _ => {
                let text = format!("{value:e}");
                match text.split_once('e') {
                    Some((digits, exponent)) if !exponent.starts_with('-') => {
                        write!(f, "{digits}e+{exponent}")
                    }
                    _ => f.write_str(&text),
                }
            }
        }
    }
}

/// A value with its type: `Str(text)`, `Int(5)`.
pub(super) struct Typed<'a>(pub &'a AnyValue);

impl Display for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0 {
            AnyValue::Empty => "Empty",
            AnyValue::String(_) => "Str",
            AnyValue::Bool(_) => "Bool",
            AnyValue::Int(_) => "Int",
            AnyValue::Double(_) => "Double",
            AnyValue::Array(_) => "Slice",
            AnyValue::Map(_) => "Map",
            AnyValue::Bytes(_) => "Bytes",
        };
        write!(f, "{kind}({})", Text(self.0))
    }
}

/// `k=v k=v`, with what goes in between.
pub(super) struct Pairs<'a>(pub &'a [KeyValue], pub &'static str);

impl Display for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { self.1 })?;
            write!(f, "{}={}", entry.key, Text(&entry.value))?;
        }
        Ok(())
    }
}

/// An id in hex; an id of zeros is none.
pub(super) struct Hex<'a>(pub &'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A time in nanoseconds since the epoch: `2020-02-11 20:26:13.000000789 +0000 UTC`.
pub(super) struct Time(pub u64);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) => {
                let zoned = time.to_zoned(jiff::tz::TimeZone::UTC);
                write!(f, "{} +0000 UTC", zoned.datetime().to_string().replace('T', " "))
            }
            Err(_) => write!(f, "{} ns", self.0),
        }
    }
}
