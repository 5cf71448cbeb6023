//! The text form of values: what `body.string`, `String(…)` and text arguments see.

use std::fmt::Write;

use super::EvalError;
use super::limits;
use super::value::{Text, Value};
use crate::otlp::{AnyValue, KeyValue};

/// The text form of a value; nil has none.
pub fn text_of(value: Value<'_>) -> Result<Option<Text<'_>>, EvalError> {
    Ok(Some(match value {
        Value::Nil => return Ok(None),
        Value::Text(text) => text,
        Value::Bool(value) => Text::Borrowed(if value { "true" } else { "false" }),
        Value::Int(value) => owned(|out| write!(out, "{value}")),
        Value::Double(value) => Text::Owned(float(value).into()),
        Value::Bytes(bytes) => Text::Owned(hex(&bytes).into()),
        Value::Id(id) => Text::Owned(hex(id.as_bytes()).into()),
        Value::Map(entries) => Text::Owned(json_map(&entries)?.into()),
        Value::List(items) => Text::Owned(json_list(&items)?.into()),
        Value::Time(time) => Text::Owned(time.to_string().into()),
        Value::Duration(span) => Text::Owned(span.to_string().into()),
        Value::Items { .. } => return value.mismatch("a value with a text form"),
    }))
}

fn owned<'a>(write: impl FnOnce(&mut crate::otlp::Str) -> std::fmt::Result) -> Text<'a> {
    let mut out = crate::otlp::Str::default();
    // Writing to a string does not fail.
    let _ = write(&mut out);
    Text::Owned(out)
}

/// Text form of a stored value as `body.string` gives it; an empty one is empty.
pub fn text_of_any(value: &AnyValue) -> Result<Text<'_>, EvalError> {
    match value {
        AnyValue::Bytes(bytes) => Ok(Text::Owned(base64(bytes).into())),
        other => Ok(text_of(Value::from(other))?.unwrap_or(Text::Borrowed(""))),
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The shortest text that reads back as `value`, with an exponent for very small and large ones,
/// as JSON writes numbers.
pub fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = value.abs();
    if value != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        // 1e21 is written 1e+21.
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
            _ => text,
        };
    }
    format!("{value}")
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)].into());
        out.push(DIGITS[usize::from(byte & 15)].into());
    }
    out
}

/// The bytes that `digits` stand for.
pub fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.as_bytes().chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// A map as JSON, keys in order.
pub fn json_map(entries: &[KeyValue]) -> Result<String, EvalError> {
    let mut out = String::new();
    put_map(&mut out, entries)?;
    Ok(out)
}

/// A list as JSON.
pub fn json_list(items: &[AnyValue]) -> Result<String, EvalError> {
    let mut out = String::new();
    put_list(&mut out, items)?;
    Ok(out)
}

fn put_map(out: &mut String, entries: &[KeyValue]) -> Result<(), EvalError> {
    // The collector writes the keys of a map in alphabetical order.
    let mut sorted: Vec<&KeyValue> = entries.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    out.push('{');
    for (i, entry) in sorted.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        put_text(out, &entry.key);
        out.push(':');
        put_any(out, &entry.value)?;
    }
    out.push('}');
    Ok(())
}

fn put_list(out: &mut String, items: &[AnyValue]) -> Result<(), EvalError> {
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        put_any(out, item)?;
    }
    out.push(']');
    Ok(())
}

fn put_any(out: &mut String, value: &AnyValue) -> Result<(), EvalError> {
    limits::check_text(out.len())?;
    match value {
        AnyValue::Empty => out.push_str("null"),
        AnyValue::String(text) => put_text(out, text),
        AnyValue::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        AnyValue::Int(value) => {
            let _ = write!(out, "{value}");
        }
        AnyValue::Double(value) if value.is_finite() => out.push_str(&float(*value)),
        AnyValue::Double(value) => put_text(out, &float(*value)),
        AnyValue::Array(items) => put_list(out, items)?,
        AnyValue::Map(entries) => put_map(out, entries)?,
        AnyValue::Bytes(bytes) => put_text(out, &base64(bytes)),
    }
    Ok(())
}

fn put_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The longest start of `text` that is at most `len` bytes long and ends between letters.
pub fn cut(text: &str, len: usize) -> &str {
    &text[..text.floor_char_boundary(len)]
}
