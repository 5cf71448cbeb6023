//! The instrumentation scope context, and `scope.…` from everywhere below it.

use super::{Access, Item, PathSpec, Slot, View, store};
use crate::otlp::InstrumentationScope;
use crate::ottl::EvalError;
use crate::ottl::value::{Peek, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Attributes,
    DroppedAttributesCount,
    Name,
    SchemaUrl,
    Version,
}

pub const PATHS: &[PathSpec] = &[
    path("attributes", Field::Attributes, "map", Access::Inside),
    PathSpec { name: "cache", field: super::Field::Cache, kind: "map", access: Access::Inside },
    path("dropped_attributes_count", Field::DroppedAttributesCount, "int", Access::ReadWrite),
    path("name", Field::Name, "string", Access::ReadWrite),
    path("schema_url", Field::SchemaUrl, "string", Access::ReadWrite),
    path("version", Field::Version, "string", Access::ReadWrite),
];

const fn path(name: &'static str, field: Field, kind: &'static str, access: Access) -> PathSpec {
    PathSpec { name, field: super::Field::Scope(field), kind, access }
}

#[inline]
pub fn peek<'a>(field: Field, view: &View<'a>) -> Peek<'a> {
    match field {
        Field::Attributes => Peek::Map(view.scope.map_or(&[][..], |scope| &scope.attributes)),
        Field::DroppedAttributesCount => {
            Peek::Int(view.scope.map_or(0, |scope| scope.dropped_attributes_count.into()))
        }
        Field::Name => Peek::Text(view.scope.map_or("", |scope| &scope.name)),
        Field::SchemaUrl => Peek::Text(view.scope_schema_url),
        Field::Version => Peek::Text(view.scope.map_or("", |scope| &scope.version)),
    }
}

pub fn set(field: Field, item: &mut Item<'_>, value: Value<'_>) -> Result<(), EvalError> {
    if field == Field::SchemaUrl {
        return match &mut item.scope {
            Some(scope) => store::text(scope.schema_url, value),
            None => Ok(()),
        };
    }
    let Some(scope) = scope(item) else { return Ok(()) };
    match field {
        Field::Attributes => store::map(&mut scope.attributes, value),
        Field::DroppedAttributesCount => store::uint32(&mut scope.dropped_attributes_count, value),
        Field::Name => store::text(&mut scope.name, value),
        Field::Version | Field::SchemaUrl => store::text(&mut scope.version, value),
    }
}

pub fn slot<'b>(field: Field, item: &'b mut Item<'_>) -> Option<Slot<'b>> {
    match field {
        Field::Attributes => Some(Slot::Map(&mut scope(item)?.attributes)),
        _ => None,
    }
}

fn scope<'b>(item: &'b mut Item<'_>) -> Option<&'b mut InstrumentationScope> {
    Some(item.scope.as_mut()?.scope.get_or_insert_default())
}
