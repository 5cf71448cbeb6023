//! The metric context, and `metric.…` from its data points.

use super::{Access, PathSpec, Slot, store};
use crate::otlp::metrics::{Data, Metric};
use crate::ottl::EvalError;
use crate::ottl::value::{Peek, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    AggregationTemporality,
    DataPoints,
    Description,
    IsMonotonic,
    Metadata,
    Name,
    Type,
    Unit,
}

pub const PATHS: &[PathSpec] = &[
    path("aggregation_temporality", Field::AggregationTemporality, "int", Access::ReadWrite),
    PathSpec { name: "cache", field: super::Field::Cache, kind: "map", access: Access::Inside },
    path("data_points", Field::DataPoints, "data points", Access::Read),
    path("description", Field::Description, "string", Access::ReadWrite),
    path("is_monotonic", Field::IsMonotonic, "bool", Access::ReadWrite),
    path("metadata", Field::Metadata, "map", Access::Inside),
    path("name", Field::Name, "string", Access::ReadWrite),
    path("type", Field::Type, "int", Access::Read),
    path("unit", Field::Unit, "string", Access::ReadWrite),
];

const fn path(name: &'static str, field: Field, kind: &'static str, access: Access) -> PathSpec {
    PathSpec { name, field: super::Field::Metric(field), kind, access }
}

/// A field that the metric holds as it is.
#[inline]
pub fn peek(field: Field, metric: &Metric) -> Peek<'_> {
    match field {
        Field::AggregationTemporality => match &metric.data {
            Some(Data::Sum(sum)) => Peek::Int(sum.aggregation_temporality.into()),
            Some(Data::Histogram(histogram)) => Peek::Int(histogram.aggregation_temporality.into()),
            Some(Data::ExponentialHistogram(histogram)) => {
                Peek::Int(histogram.aggregation_temporality.into())
            }
            _ => Peek::Nil,
        },
        Field::DataPoints => Peek::Computed,
        Field::Description => Peek::Text(&metric.description),
        Field::IsMonotonic => match &metric.data {
            Some(Data::Sum(sum)) => Peek::Bool(sum.is_monotonic),
            _ => Peek::Nil,
        },
        Field::Metadata => Peek::Map(&metric.metadata),
        Field::Name => Peek::Text(&metric.name),
        Field::Type => Peek::Int(match &metric.data {
            None => 0,
            Some(Data::Gauge(_)) => 1,
            Some(Data::Sum(_)) => 2,
            Some(Data::Histogram(_)) => 3,
            Some(Data::ExponentialHistogram(_)) => 4,
            Some(Data::Summary(_)) => 5,
        }),
        Field::Unit => Peek::Text(&metric.unit),
    }
}

/// The other fields.
pub fn compute(field: Field, metric: &Metric) -> Value<'_> {
    match (field, &metric.data) {
        (Field::DataPoints, Some(data)) => Value::Items { kind: "data points", count: data.len() },
        _ => Value::Nil,
    }
}

/// A field that the metric's type does not have stays as it is.
pub fn set(field: Field, metric: &mut Metric, value: Value<'_>) -> Result<(), EvalError> {
    match field {
        Field::AggregationTemporality => match &mut metric.data {
            Some(Data::Sum(sum)) => store::int32(&mut sum.aggregation_temporality, value),
            Some(Data::Histogram(histogram)) => store::int32(&mut histogram.aggregation_temporality, value),
            Some(Data::ExponentialHistogram(histogram)) => {
                store::int32(&mut histogram.aggregation_temporality, value)
            }
            _ => Ok(()),
        },
        Field::Description => store::text(&mut metric.description, value),
        Field::IsMonotonic => {
            let monotonic = value.as_bool()?;
            if let Some(Data::Sum(sum)) = &mut metric.data {
                sum.is_monotonic = monotonic;
            }
            Ok(())
        }
        Field::Metadata => store::map(&mut metric.metadata, value),
        Field::Name => store::text(&mut metric.name, value),
        Field::Unit => store::text(&mut metric.unit, value),
        // Read-only: refused when the statement is compiled.
        Field::DataPoints | Field::Type => Ok(()),
    }
}

pub fn slot(field: Field, metric: &mut Metric) -> Option<Slot<'_>> {
    match field {
        Field::Metadata => Some(Slot::Map(&mut metric.metadata)),
        _ => None,
    }
}
