//! Converters that make ids.

use super::{Args, Function, ParamKind, p};
use crate::ottl::EvalError;
use crate::ottl::context::{ContextKind, RecordRef, View};
use crate::ottl::text::unhex;
use crate::ottl::time::Time;
use crate::ottl::value::{Id, Value};
use crate::uuid;

const BYTES: &[super::Param] = &[p("bytes", ParamKind::Any)];

pub const FUNCTIONS: &[Function] = &[
    Function::converter("IsRootSpan", &[], is_root_span, "Whether the span has no parent.")
        .only(&[ContextKind::Span]),
    Function::converter(
        "ProfileID",
        BYTES,
        |a, v| id(a, v, 16),
        "A profile id from 16 bytes or 32 hex digits.",
    )
    .check(|args| check(args, 16)),
    Function::converter("SpanID", BYTES, |a, v| id(a, v, 8), "A span id from 8 bytes or 16 hex digits.")
        .check(|args| check(args, 8)),
    Function::converter("TraceID", BYTES, |a, v| id(a, v, 16), "A trace id from 16 bytes or 32 hex digits.")
        .check(|args| check(args, 16)),
    Function::converter("UUID", &[], uuid, "A random UUID (version 4)."),
    Function::converter("UUIDv7", &[], uuid_v7, "A UUID that begins with the time (version 7)."),
];

fn is_root_span<'a>(_: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(Value::Bool(match view.record {
        RecordRef::Span(span) => span.parent_span_id.iter().all(|byte| *byte == 0),
        _ => false,
    }))
}

/// A literal of the wrong length is a mistake at start.
fn check(args: &mut Args, len: usize) -> Result<(), (usize, String)> {
    match args.literal(0) {
        Some(literal) => parse(Value::from(literal), len).map(drop).map_err(|error| (0, error.to_string())),
        None => Ok(()),
    }
}

fn id<'a>(args: &'a Args, view: &View<'a>, len: usize) -> Result<Value<'a>, EvalError> {
    parse(args.value(0, view)?, len).map(Value::Id)
}

fn parse(value: Value<'_>, len: usize) -> Result<Id, EvalError> {
    let wrong = EvalError::fixed(match len {
        8 => "a span id has 8 bytes or 16 hex digits",
        _ => "such an id has 16 bytes or 32 hex digits",
    });
    match value {
        Value::Id(id) if id.as_bytes().len() == len => Ok(id),
        Value::Bytes(bytes) if bytes.len() == len => Ok(Id::new(&bytes, len)),
        Value::Text(text) if text.len() == len * 2 => Ok(Id::new(&unhex(&text).ok_or(wrong)?, len)),
        Value::Bytes(_) | Value::Text(_) => Err(wrong),
        other => other.mismatch("bytes or a string"),
    }
}

fn uuid<'a>(_: &'a Args, _: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(Value::text(uuid::random()))
}

fn uuid_v7<'a>(_: &'a Args, _: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(Value::text(uuid::of_time((Time::now().nanos / 1_000_000) as u128)))
}
