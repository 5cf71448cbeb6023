//! Functions that turn values of one kind into another.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::error::EvalError;
use super::super::json;
use super::super::value::{List, Map, Text, Value};
use super::{Budget, text, wrong};
use crate::otlp::{AnyValue, Str};

type Result<'a> = std::result::Result<Value<'a>, EvalError>;

pub fn type_name<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    Ok(Value::from(match &args[0] {
        Value::Time(_) => "time.Time",
        Value::Duration(_) => "time.Duration",
        Value::Zone(_) => "time.Location",
        Value::Bytes(_) => "array",
        other => other.kind().name(),
    }))
}

fn bad_text(operation: &'static str, text: &str, reason: &'static str) -> EvalError {
    let end = text.floor_char_boundary(64);
    EvalError::BadText { operation, text: Str::new(&text[..end]), reason: Str::const_new(reason) }
}

pub fn int<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match &args[0] {
        Value::Int(value) => Ok(Value::Int(*value)),
        Value::Float(value) => Ok(Value::Int(*value as i64)),
        Value::Text(text) => match text.as_str().parse() {
            Ok(value) => Ok(Value::Int(value)),
            Err(_) => Err(bad_text("int", text.as_str(), "it is not an integer")),
        },
        other => wrong("int", "a number or a string", other),
    }
}

pub fn float<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    match &args[0] {
        Value::Text(text) => match text.as_str().parse() {
            Ok(value) => Ok(Value::Float(value)),
            Err(_) => Err(bad_text("float", text.as_str(), "it is not a number")),
        },
        other => match other.as_float() {
            Some(value) => Ok(Value::Float(value)),
            None => wrong("float", "a number or a string", other),
        },
    }
}

pub fn string<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    if let Value::Text(_) = &args[0] {
        return Ok(args[0].clone());
    }
    budget.spend(weight(&args[0]))?;
    Ok(args[0].to_string().into())
}

/// About how long a value is when written out.
fn weight(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.as_str().len(),
        Value::Bytes(bytes) => 4 * bytes.len(),
        Value::List(list) => list.len() + list.iter().map(|item| weight(&item)).sum::<usize>(),
        Value::Map(map) => map.iter().map(|(key, value)| key.as_str().len() + weight(&value)).sum(),
        _ => 8,
    }
}

pub fn to_json<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let mut out = String::new();
    budget.spend(weight(&args[0]))?;
    write_json(&args[0], 0, &mut out)?;
    Ok(out.into())
}

/// Indented by two blanks a level, keys sorted.
fn write_json(value: &Value, depth: usize, out: &mut String) -> std::result::Result<(), EvalError> {
    fn line(out: &mut String, depth: usize) {
        out.push('\n');
        (0..depth).for_each(|_| out.push_str("  "));
    }
    match value {
        Value::Nil => out.push_str("null"),
        Value::Text(text) => json::write_text(out, text.as_str()),
        Value::Bytes(bytes) => json::write_text(out, &STANDARD.encode(bytes)),
        Value::Float(value) if !value.is_finite() => {
            return Err(EvalError::Other("toJSON cannot write a number that is not finite"));
        }
        Value::List(list) if list.is_empty() => out.push_str("[]"),
        Value::List(list) => {
            out.push('[');
            for (n, item) in list.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                line(out, depth + 1);
                write_json(&item, depth + 1, out)?;
            }
            line(out, depth);
            out.push(']');
        }
        Value::Map(map) if map.is_empty() => out.push_str("{}"),
        Value::Map(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
            out.push('{');
            for (n, (key, value)) in entries.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                line(out, depth + 1);
                json::write_text(out, key.as_str());
                out.push_str(": ");
                write_json(value, depth + 1, out)?;
            }
            line(out, depth);
            out.push('}');
        }
        Value::Duration(duration) => out.push_str(&duration.as_nanos().to_string()),
        Value::Time(_) | Value::Zone(_) => json::write_text(out, &value.to_string()),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => out.push_str(&value.to_string()),
    }
    Ok(())
}

pub fn from_json<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let source = text(args, 0, "fromJSON")?;
    budget.spend(source.len())?;
    match json::parse(source, json::Numbers::Float) {
        Ok(value) => Ok(owned(value)),
        Err(error) => Err(EvalError::BadText {
            operation: "fromJSON",
            text: Str::new(&source[..source.floor_char_boundary(64)]),
            reason: Str::from(error.to_string()),
        }),
    }
}

/// A value that keeps its own data.
fn owned<'a>(value: AnyValue) -> Value<'a> {
    match value {
        AnyValue::Empty | AnyValue::Bytes(_) => Value::Nil,
        AnyValue::Bool(value) => Value::Bool(value),
        AnyValue::Int(value) => Value::Int(value),
        AnyValue::Double(value) => Value::Float(value),
        AnyValue::String(text) => Value::Text(Text::Computed(text.as_str().into())),
        AnyValue::Array(items) => Value::List(List::Computed(items.into_iter().map(owned).collect())),
        AnyValue::Map(entries) => Value::Map(Map::Computed(
            entries
                .into_iter()
                .map(|entry| (Text::Computed(entry.key.as_str().into()), owned(entry.value)))
                .collect(),
        )),
    }
}

pub fn to_base64<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let source = text(args, 0, "toBase64")?;
    budget.spend(source.len())?;
    Ok(STANDARD.encode(source).into())
}

pub fn from_base64<'a>(args: &[Value<'a>], budget: &mut Budget) -> Result<'a> {
    let source = text(args, 0, "fromBase64")?;
    budget.spend(source.len())?;
    match STANDARD.decode(source) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned().into()),
        Err(_) => Err(bad_text("fromBase64", source, "it is not base64")),
    }
}

pub fn env<'a>(args: &[Value<'a>], _: &mut Budget) -> Result<'a> {
    Ok(std::env::var(text(args, 0, "env")?).unwrap_or_default().into())
}
