//! The span event context.

use super::{Access, PathSpec, Slot, store};
use crate::otlp::trace::Event;
use crate::ottl::EvalError;
use crate::ottl::time::Time;
use crate::ottl::value::{Peek, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Attributes,
    DroppedAttributesCount,
    EventIndex,
    Name,
    Time,
    TimeUnixNano,
}

pub const PATHS: &[PathSpec] = &[
    path("attributes", Field::Attributes, "map", Access::Inside),
    PathSpec { name: "cache", field: super::Field::Cache, kind: "map", access: Access::Inside },
    path("dropped_attributes_count", Field::DroppedAttributesCount, "int", Access::ReadWrite),
    path("event_index", Field::EventIndex, "int", Access::Read),
    path("name", Field::Name, "string", Access::ReadWrite),
    path("time", Field::Time, "time", Access::ReadWrite),
    path("time_unix_nano", Field::TimeUnixNano, "int", Access::ReadWrite),
];

const fn path(name: &'static str, field: Field, kind: &'static str, access: Access) -> PathSpec {
    PathSpec { name, field: super::Field::SpanEvent(field), kind, access }
}

/// A field that the event holds as it is.
pub fn peek(field: Field, event: &Event, index: usize) -> Peek<'_> {
    match field {
        Field::Attributes => Peek::Map(&event.attributes),
        Field::DroppedAttributesCount => Peek::Int(event.dropped_attributes_count.into()),
        Field::EventIndex => Peek::Int(index as i64),
        Field::Name => Peek::Text(&event.name),
        Field::Time => Peek::Computed,
        Field::TimeUnixNano => Peek::Int(event.time_unix_nano as i64),
    }
}

/// The other fields.
pub fn compute(field: Field, event: &Event) -> Value<'_> {
    match field {
        Field::Time => Value::Time(Time::of_unix_nano(event.time_unix_nano)),
        _ => Value::Nil,
    }
}

pub fn set(field: Field, event: &mut Event, value: Value<'_>) -> Result<(), EvalError> {
    match field {
        Field::Attributes => store::map(&mut event.attributes, value),
        Field::DroppedAttributesCount => store::uint32(&mut event.dropped_attributes_count, value),
        // Read-only: refused when the statement is compiled.
        Field::EventIndex => Ok(()),
        Field::Name => store::text(&mut event.name, value),
        Field::Time => store::time(&mut event.time_unix_nano, value),
        Field::TimeUnixNano => store::uint64(&mut event.time_unix_nano, value),
    }
}

pub fn slot(field: Field, event: &mut Event) -> Option<Slot<'_>> {
    match field {
        Field::Attributes => Some(Slot::Map(&mut event.attributes)),
        _ => None,
    }
}
