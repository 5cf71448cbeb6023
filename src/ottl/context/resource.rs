//! The resource context, and `resource.…` from everywhere below it.

use super::{Access, Item, PathSpec, Slot, View, store};
use crate::otlp::Resource;
use crate::ottl::EvalError;
use crate::ottl::value::{Peek, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Attributes,
    DroppedAttributesCount,
    SchemaUrl,
}

pub const PATHS: &[PathSpec] = &[
    path("attributes", Field::Attributes, "map", Access::Inside),
    PathSpec { name: "cache", field: super::Field::Cache, kind: "map", access: Access::Inside },
    path("dropped_attributes_count", Field::DroppedAttributesCount, "int", Access::ReadWrite),
    path("schema_url", Field::SchemaUrl, "string", Access::ReadWrite),
];

const fn path(name: &'static str, field: Field, kind: &'static str, access: Access) -> PathSpec {
    PathSpec { name, field: super::Field::Resource(field), kind, access }
}

#[inline]
pub fn peek<'a>(field: Field, view: &View<'a>) -> Peek<'a> {
    match field {
        Field::Attributes => Peek::Map(view.resource.map_or(&[][..], |resource| &resource.attributes)),
        Field::DroppedAttributesCount => {
            Peek::Int(view.resource.map_or(0, |resource| resource.dropped_attributes_count.into()))
        }
        Field::SchemaUrl => Peek::Text(view.resource_schema_url),
    }
}

pub fn set(field: Field, item: &mut Item<'_>, value: Value<'_>) -> Result<(), EvalError> {
    match field {
        Field::Attributes => store::map(&mut resource(item).attributes, value),
        Field::DroppedAttributesCount => store::uint32(&mut resource(item).dropped_attributes_count, value),
        Field::SchemaUrl => store::text(item.resource_schema_url, value),
    }
}

pub fn slot<'b>(field: Field, item: &'b mut Item<'_>) -> Option<Slot<'b>> {
    match field {
        Field::Attributes => Some(Slot::Map(&mut resource(item).attributes)),
        _ => None,
    }
}

fn resource<'b>(item: &'b mut Item<'_>) -> &'b mut Resource {
    item.resource.get_or_insert_default()
}
