//! The span context, and `span.…` from its events.

use super::{Access, PathSpec, Slot, store};
use crate::otlp::trace::{Span, Status};
use crate::ottl::EvalError;
use crate::ottl::text::hex;
use crate::ottl::time::Time;
use crate::ottl::value::{Id, Peek, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Attributes,
    DroppedAttributesCount,
    DroppedEventsCount,
    DroppedLinksCount,
    EndTime,
    EndTimeUnixNano,
    Events,
    Flags,
    Kind,
    KindDeprecatedString,
    KindString,
    Links,
    Name,
    ParentSpanId,
    ParentSpanIdString,
    SpanId,
    SpanIdString,
    StartTime,
    StartTimeUnixNano,
    Status,
    StatusCode,
    StatusMessage,
    TraceId,
    TraceIdString,
    TraceState,
}

pub const PATHS: &[PathSpec] = &[
    path("attributes", Field::Attributes, "map", Access::Inside),
    PathSpec { name: "cache", field: super::Field::Cache, kind: "map", access: Access::Inside },
    path("dropped_attributes_count", Field::DroppedAttributesCount, "int", Access::ReadWrite),
    path("dropped_events_count", Field::DroppedEventsCount, "int", Access::ReadWrite),
    path("dropped_links_count", Field::DroppedLinksCount, "int", Access::ReadWrite),
    path("end_time", Field::EndTime, "time", Access::ReadWrite),
    path("end_time_unix_nano", Field::EndTimeUnixNano, "int", Access::ReadWrite),
    path("events", Field::Events, "span events", Access::Read),
    path("flags", Field::Flags, "int", Access::ReadWrite),
    path("kind", Field::Kind, "int", Access::ReadWrite),
    path("kind.deprecated_string", Field::KindDeprecatedString, "string", Access::ReadWrite),
    path("kind.string", Field::KindString, "string", Access::ReadWrite),
    path("links", Field::Links, "span links", Access::Read),
    path("name", Field::Name, "string", Access::ReadWrite),
    path("parent_span_id", Field::ParentSpanId, "id", Access::ReadWrite),
    path("parent_span_id.string", Field::ParentSpanIdString, "string", Access::ReadWrite),
    path("span_id", Field::SpanId, "id", Access::ReadWrite),
    path("span_id.string", Field::SpanIdString, "string", Access::ReadWrite),
    path("start_time", Field::StartTime, "time", Access::ReadWrite),
    path("start_time_unix_nano", Field::StartTimeUnixNano, "int", Access::ReadWrite),
    path("status", Field::Status, "status", Access::Read),
    path("status.code", Field::StatusCode, "int", Access::ReadWrite),
    path("status.message", Field::StatusMessage, "string", Access::ReadWrite),
    path("trace_id", Field::TraceId, "id", Access::ReadWrite),
    path("trace_id.string", Field::TraceIdString, "string", Access::ReadWrite),
    path("trace_state", Field::TraceState, "string", Access::Inside),
];

const fn path(name: &'static str, field: Field, kind: &'static str, access: Access) -> PathSpec {
    PathSpec { name, field: super::Field::Span(field), kind, access }
}

/// Names of the span kinds by number, as the SDKs and as Jaeger write them.
const KINDS: [(&str, &str); 6] = [
    ("Unspecified", "SPAN_KIND_UNSPECIFIED"),
    ("Internal", "SPAN_KIND_INTERNAL"),
    ("Server", "SPAN_KIND_SERVER"),
    ("Client", "SPAN_KIND_CLIENT"),
    ("Producer", "SPAN_KIND_PRODUCER"),
    ("Consumer", "SPAN_KIND_CONSUMER"),
];

/// A field that the span holds as it is.
pub fn peek(field: Field, span: &Span) -> Peek<'_> {
    let kind = || usize::try_from(span.kind).ok().and_then(|kind| KINDS.get(kind));
    match field {
        Field::Attributes => Peek::Map(&span.attributes),
        Field::DroppedAttributesCount => Peek::Int(span.dropped_attributes_count.into()),
        Field::DroppedEventsCount => Peek::Int(span.dropped_events_count.into()),
        Field::DroppedLinksCount => Peek::Int(span.dropped_links_count.into()),
        Field::EndTimeUnixNano => Peek::Int(span.end_time_unix_nano as i64),
        Field::Flags => Peek::Int(span.flags.into()),
        Field::Kind => Peek::Int(span.kind.into()),
        Field::KindDeprecatedString => Peek::Text(kind().map_or("", |names| names.1)),
        Field::KindString => Peek::Text(kind().map_or("", |names| names.0)),
        Field::Name => Peek::Text(&span.name),
        Field::StartTimeUnixNano => Peek::Int(span.start_time_unix_nano as i64),
        Field::StatusCode => Peek::Int(span.status.as_ref().map_or(0, |status| status.code.into())),
        Field::StatusMessage => Peek::Text(span.status.as_ref().map_or("", |status| &status.message)),
        Field::TraceState => Peek::Text(&span.trace_state),
        _ => Peek::Computed,
    }
}

/// The other fields.
pub fn compute(field: Field, span: &Span) -> Value<'_> {
    match field {
        Field::EndTime => Value::Time(Time::of_unix_nano(span.end_time_unix_nano)),
        Field::Events => Value::Items { kind: "span events", count: span.events.len() },
        Field::Links => Value::Items { kind: "span links", count: span.links.len() },
        Field::ParentSpanId => Value::Id(Id::new(&span.parent_span_id, 8)),
        Field::ParentSpanIdString => Value::text(hex(&span.parent_span_id)),
        Field::SpanId => Value::Id(Id::new(&span.span_id, 8)),
        Field::SpanIdString => Value::text(hex(&span.span_id)),
        Field::StartTime => Value::Time(Time::of_unix_nano(span.start_time_unix_nano)),
        Field::Status => Value::Items { kind: "status", count: 1 },
        Field::TraceId => Value::Id(Id::new(&span.trace_id, 16)),
        Field::TraceIdString => Value::text(hex(&span.trace_id)),
        _ => Value::Nil,
    }
}

pub fn set(field: Field, span: &mut Span, value: Value<'_>) -> Result<(), EvalError> {
    match field {
        Field::Attributes => store::map(&mut span.attributes, value),
        Field::DroppedAttributesCount => store::uint32(&mut span.dropped_attributes_count, value),
        Field::DroppedEventsCount => store::uint32(&mut span.dropped_events_count, value),
        Field::DroppedLinksCount => store::uint32(&mut span.dropped_links_count, value),
        Field::EndTime => store::time(&mut span.end_time_unix_nano, value),
        Field::EndTimeUnixNano => store::uint64(&mut span.end_time_unix_nano, value),
        Field::Flags => store::uint32(&mut span.flags, value),
        Field::Kind => store::int32(&mut span.kind, value),
        Field::KindDeprecatedString | Field::KindString => {
            let name = value.into_text()?;
            let kind = KINDS.iter().position(|names| names.0 == &*name || names.1 == &*name);
            span.kind =
                kind.ok_or_else(|| EvalError::text(format!("unknown span kind \"{}\"", &*name)))? as i32;
            Ok(())
        }
        Field::Name => store::text(&mut span.name, value),
        Field::ParentSpanId => store::id(&mut span.parent_span_id, 8, value),
        Field::ParentSpanIdString => store::hex_id(&mut span.parent_span_id, 8, value),
        Field::SpanId => store::id(&mut span.span_id, 8, value),
        Field::SpanIdString => store::hex_id(&mut span.span_id, 8, value),
        Field::StartTime => store::time(&mut span.start_time_unix_nano, value),
        Field::StartTimeUnixNano => store::uint64(&mut span.start_time_unix_nano, value),
        Field::StatusCode => store::int32(&mut status(span).code, value),
        Field::StatusMessage => store::text(&mut status(span).message, value),
        Field::TraceId => store::id(&mut span.trace_id, 16, value),
        Field::TraceIdString => store::hex_id(&mut span.trace_id, 16, value),
        Field::TraceState => store::text(&mut span.trace_state, value),
        // Read-only: refused when the statement is compiled.
        Field::Events | Field::Links | Field::Status => Ok(()),
    }
}

pub fn slot(field: Field, span: &mut Span) -> Option<Slot<'_>> {
    match field {
        Field::Attributes => Some(Slot::Map(&mut span.attributes)),
        _ => None,
    }
}

fn status(span: &mut Span) -> &mut Status {
    span.status.get_or_insert_default()
}

/// The value of one member of a W3C `tracestate`.
pub fn state_get<'a>(state: &'a str, key: &str) -> Value<'a> {
    members(state).find(|(name, _)| *name == key).map_or(Value::Nil, |(_, value)| Value::from(value))
}

/// Sets one member of a `tracestate`; the newest stands first, as the specification wants it.
pub fn state_set(state: &str, key: &str, value: &str) -> String {
    let mut out = format!("{key}={value}");
    for (name, value) in members(state).filter(|(name, _)| *name != key) {
        out.extend([",", name, "=", value]);
    }
    out
}

fn members(state: &str) -> impl Iterator<Item = (&str, &str)> {
    state.split(',').filter_map(|member| member.trim().split_once('='))
}
