//! Fields as numbers and as texts.

use std::borrow::Cow;

use serde_json::Value;

use crate::kube::quantity;

/// A field as a number: numbers, booleans, and of texts words of truth, times (in seconds since the
/// epoch), percentages (as a ratio) and quantities.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::String(text) => {
            let word = text.trim();
            if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("yes") {
                return Some(1.0);
            }
            if ["false", "no", "unknown"].iter().any(|no| word.eq_ignore_ascii_case(no)) {
                return Some(0.0);
            }
            if let Some(percent) = word.strip_suffix('%') {
                return percent.trim().parse::<f64>().ok().map(|percent| percent / 100.0);
            }
            quantity::parse(word).or_else(|| {
                let time = word.parse::<jiff::Timestamp>().ok()?;
                Some(time.as_millisecond() as f64 / 1000.0)
            })
        }
        _ => None,
    }
}

/// A field as the text of a label; nothing for lists, maps and null.
pub fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}
