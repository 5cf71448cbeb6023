//! The log record context.

use super::{Access, PathSpec, Slot, store};
use crate::otlp::AnyValue;
use crate::otlp::logs::LogRecord;
use crate::ottl::EvalError;
use crate::ottl::text::{hex, text_of_any};
use crate::ottl::time::Time;
use crate::ottl::value::{Id, Peek, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Attributes,
    Body,
    BodyString,
    DroppedAttributesCount,
    EventName,
    Flags,
    ObservedTime,
    ObservedTimeUnixNano,
    SeverityNumber,
    SeverityText,
    SpanId,
    SpanIdString,
    Time,
    TimeUnixNano,
    TraceId,
    TraceIdString,
}

pub const PATHS: &[PathSpec] = &[
    path("attributes", Field::Attributes, "map", Access::Inside),
    path("body", Field::Body, "any", Access::Inside),
    path("body.string", Field::BodyString, "string", Access::ReadWrite),
    PathSpec { name: "cache", field: super::Field::Cache, kind: "map", access: Access::Inside },
    path("dropped_attributes_count", Field::DroppedAttributesCount, "int", Access::ReadWrite),
    path("event_name", Field::EventName, "string", Access::ReadWrite),
    path("flags", Field::Flags, "int", Access::ReadWrite),
    path("observed_time", Field::ObservedTime, "time", Access::ReadWrite),
    path("observed_time_unix_nano", Field::ObservedTimeUnixNano, "int", Access::ReadWrite),
    path("severity_number", Field::SeverityNumber, "int", Access::ReadWrite),
    path("severity_text", Field::SeverityText, "string", Access::ReadWrite),
    path("span_id", Field::SpanId, "id", Access::ReadWrite),
    path("span_id.string", Field::SpanIdString, "string", Access::ReadWrite),
    path("time", Field::Time, "time", Access::ReadWrite),
    path("time_unix_nano", Field::TimeUnixNano, "int", Access::ReadWrite),
    path("trace_id", Field::TraceId, "id", Access::ReadWrite),
    path("trace_id.string", Field::TraceIdString, "string", Access::ReadWrite),
];

const fn path(name: &'static str, field: Field, kind: &'static str, access: Access) -> PathSpec {
    PathSpec { name, field: super::Field::Log(field), kind, access }
}

/// A field that the record holds as it is.
#[inline]
pub fn peek(field: Field, record: &LogRecord) -> Peek<'_> {
    match field {
        Field::Attributes => Peek::Map(&record.attributes),
        Field::Body => record.body.as_ref().map_or(Peek::Nil, Peek::from),
        Field::DroppedAttributesCount => Peek::Int(record.dropped_attributes_count.into()),
        Field::EventName => Peek::Text(&record.event_name),
        Field::Flags => Peek::Int(record.flags.into()),
        Field::ObservedTimeUnixNano => Peek::Int(record.observed_time_unix_nano as i64),
        Field::SeverityNumber => Peek::Int(record.severity_number.into()),
        Field::SeverityText => Peek::Text(&record.severity_text),
        Field::TimeUnixNano => Peek::Int(record.time_unix_nano as i64),
        Field::BodyString => match &record.body {
            Some(AnyValue::String(text)) => Peek::Text(text),
            Some(_) => Peek::Computed,
            None => Peek::Text(""),
        },
        _ => Peek::Computed,
    }
}

/// The other fields.
pub fn compute(field: Field, record: &LogRecord) -> Result<Value<'_>, EvalError> {
    Ok(match field {
        Field::BodyString => match &record.body {
            Some(body) => Value::Text(text_of_any(body)?),
            None => Value::Nil,
        },
        Field::ObservedTime => Value::Time(Time::of_unix_nano(record.observed_time_unix_nano)),
        Field::SpanId => Value::Id(Id::new(&record.span_id, 8)),
        Field::SpanIdString => Value::text(hex(&record.span_id)),
        Field::Time => Value::Time(Time::of_unix_nano(record.time_unix_nano)),
        Field::TraceId => Value::Id(Id::new(&record.trace_id, 16)),
        Field::TraceIdString => Value::text(hex(&record.trace_id)),
        _ => Value::Nil,
    })
}

pub fn set(field: Field, record: &mut LogRecord, value: Value<'_>) -> Result<(), EvalError> {
    match field {
        Field::Attributes => store::map(&mut record.attributes, value),
        Field::Body => {
            record.body = Some(value.into_any()?);
            Ok(())
        }
        Field::BodyString => {
            record.body = Some(AnyValue::String(value.into_text()?.into_str()));
            Ok(())
        }
        Field::DroppedAttributesCount => store::uint32(&mut record.dropped_attributes_count, value),
        Field::EventName => store::text(&mut record.event_name, value),
        Field::Flags => store::uint32(&mut record.flags, value),
        Field::ObservedTime => store::time(&mut record.observed_time_unix_nano, value),
        Field::ObservedTimeUnixNano => store::uint64(&mut record.observed_time_unix_nano, value),
        Field::SeverityNumber => store::int32(&mut record.severity_number, value),
        Field::SeverityText => store::text(&mut record.severity_text, value),
        Field::SpanId => store::id(&mut record.span_id, 8, value),
        Field::SpanIdString => store::hex_id(&mut record.span_id, 8, value),
        Field::Time => store::time(&mut record.time_unix_nano, value),
        Field::TimeUnixNano => store::uint64(&mut record.time_unix_nano, value),
        Field::TraceId => store::id(&mut record.trace_id, 16, value),
        Field::TraceIdString => store::hex_id(&mut record.trace_id, 16, value),
    }
}

pub fn slot(field: Field, record: &mut LogRecord) -> Option<Slot<'_>> {
    match field {
        Field::Attributes => Some(Slot::Map(&mut record.attributes)),
        Field::Body => Some(Slot::Any(record.body.get_or_insert_default())),
        _ => None,
    }
}
