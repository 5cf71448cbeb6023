//! Putting values into the typed fields of the data model; a value of another type is an error.

use crate::otlp::KeyValue;
use crate::ottl::EvalError;
use crate::ottl::time::Time;
use crate::ottl::value::Value;

pub fn text(target: &mut String, value: Value<'_>) -> Result<(), EvalError> {
    match value {
        Value::Text(text) => {
            target.clear();
            target.push_str(&text);
            Ok(())
        }
        other => other.mismatch("string"),
    }
}

pub fn map(target: &mut Vec<KeyValue>, value: Value<'_>) -> Result<(), EvalError> {
    *target = value.into_map()?.into_owned();
    Ok(())
}

pub fn int32(target: &mut i32, value: Value<'_>) -> Result<(), EvalError> {
    *target = ranged(&value)?;
    Ok(())
}

pub fn uint32(target: &mut u32, value: Value<'_>) -> Result<(), EvalError> {
    *target = ranged(&value)?;
    Ok(())
}

pub fn uint64(target: &mut u64, value: Value<'_>) -> Result<(), EvalError> {
    *target = ranged(&value)?;
    Ok(())
}

pub fn double(target: &mut f64, value: Value<'_>) -> Result<(), EvalError> {
    *target = value.as_double()?;
    Ok(())
}

fn ranged<T: TryFrom<i64>>(value: &Value<'_>) -> Result<T, EvalError> {
    let number = value.as_int()?;
    T::try_from(number).map_err(|_| EvalError::text(format!("{number} does not fit into the field")))
}

pub fn time(target: &mut u64, value: Value<'_>) -> Result<(), EvalError> {
    match value {
        Value::Time(Time { nanos, .. }) => {
            *target =
                u64::try_from(nanos).map_err(|_| EvalError::fixed("a time before 1970 cannot be stored"))?;
            Ok(())
        }
        other => other.mismatch("time"),
    }
}

/// A trace or span id of `len` bytes; zeros are stored as no id.
pub fn id(target: &mut Vec<u8>, len: usize, value: Value<'_>) -> Result<(), EvalError> {
    match value {
        Value::Id(id) if id.as_bytes().len() == len => put_id(target, id.as_bytes()),
        Value::Bytes(bytes) if bytes.len() == len => put_id(target, &bytes),
        other => return other.mismatch(if len == 16 { "trace id" } else { "span id" }),
    }
    Ok(())
}

/// The same from hex digits.
pub fn hex_id(target: &mut Vec<u8>, len: usize, value: Value<'_>) -> Result<(), EvalError> {
    let text = value.into_text()?;
    let bytes = crate::ottl::text::unhex(&text).filter(|bytes| bytes.len() == len);
    let wrong = if len == 16 { "a trace id has 32 hex digits" } else { "a span id has 16 hex digits" };
    put_id(target, &bytes.ok_or(EvalError::fixed(wrong))?);
    Ok(())
}

fn put_id(target: &mut Vec<u8>, bytes: &[u8]) {
    target.clear();
    if bytes.iter().any(|byte| *byte != 0) {
        target.extend_from_slice(bytes);
    }
}
