//! The data point context, for points of every metric type.

use super::{Access, PathSpec, Slot, store};
use crate::otlp::AnyValue;
use crate::otlp::metrics::{
    Buckets, Data, Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, Number,
    NumberDataPoint, SummaryDataPoint,
};
use crate::ottl::EvalError;
use crate::ottl::time::Time;
use crate::ottl::value::{Peek, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Attributes,
    BucketCounts,
    Count,
    Exemplars,
    ExplicitBounds,
    Flags,
    Negative,
    NegativeBucketCounts,
    NegativeOffset,
    Positive,
    PositiveBucketCounts,
    PositiveOffset,
    QuantileValues,
    Scale,
    StartTime,
    StartTimeUnixNano,
    Sum,
    Time,
    TimeUnixNano,
    ValueDouble,
    ValueInt,
    ZeroCount,
}

pub const PATHS: &[PathSpec] = &[
    path("attributes", Field::Attributes, "map", Access::Inside),
    path("bucket_counts", Field::BucketCounts, "list", Access::ReadWrite),
    PathSpec { name: "cache", field: super::Field::Cache, kind: "map", access: Access::Inside },
    path("count", Field::Count, "int", Access::ReadWrite),
    path("exemplars", Field::Exemplars, "exemplars", Access::Read),
    path("explicit_bounds", Field::ExplicitBounds, "list", Access::ReadWrite),
    path("flags", Field::Flags, "int", Access::ReadWrite),
    path("negative", Field::Negative, "buckets", Access::Read),
    path("negative.bucket_counts", Field::NegativeBucketCounts, "list", Access::ReadWrite),
    path("negative.offset", Field::NegativeOffset, "int", Access::ReadWrite),
    path("positive", Field::Positive, "buckets", Access::Read),
    path("positive.bucket_counts", Field::PositiveBucketCounts, "list", Access::ReadWrite),
    path("positive.offset", Field::PositiveOffset, "int", Access::ReadWrite),
    path("quantile_values", Field::QuantileValues, "quantile values", Access::Read),
    path("scale", Field::Scale, "int", Access::ReadWrite),
    path("start_time", Field::StartTime, "time", Access::ReadWrite),
    path("start_time_unix_nano", Field::StartTimeUnixNano, "int", Access::ReadWrite),
    path("sum", Field::Sum, "float", Access::ReadWrite),
    path("time", Field::Time, "time", Access::ReadWrite),
    path("time_unix_nano", Field::TimeUnixNano, "int", Access::ReadWrite),
    path("value_double", Field::ValueDouble, "float", Access::ReadWrite),
    path("value_int", Field::ValueInt, "int", Access::ReadWrite),
    path("zero_count", Field::ZeroCount, "int", Access::ReadWrite),
];

const fn path(name: &'static str, field: Field, kind: &'static str, access: Access) -> PathSpec {
    PathSpec { name, field: super::Field::DataPoint(field), kind, access }
}

/// A data point to read.
#[derive(Clone, Copy)]
pub enum PointRef<'a> {
    Number(&'a NumberDataPoint),
    Histogram(&'a HistogramDataPoint),
    Exponential(&'a ExponentialHistogramDataPoint),
    Summary(&'a SummaryDataPoint),
}

/// A data point to change.
pub enum PointMut<'a> {
    Number(&'a mut NumberDataPoint),
    Histogram(&'a mut HistogramDataPoint),
    Exponential(&'a mut ExponentialHistogramDataPoint),
    Summary(&'a mut SummaryDataPoint),
}

/// The same expression for every kind of point.
macro_rules! on_any {
    ($kind:ident, $point:expr, $name:ident => $result:expr) => {
        match $point {
            $kind::Number($name) => $result,
            $kind::Histogram($name) => $result,
            $kind::Exponential($name) => $result,
            $kind::Summary($name) => $result,
        }
    };
}

impl<'a> PointRef<'a> {
    pub fn of(metric: &'a Metric, point: usize) -> Option<Self> {
        Some(match metric.data.as_ref()? {
            Data::Gauge(gauge) => Self::Number(gauge.data_points.get(point)?),
            Data::Sum(sum) => Self::Number(sum.data_points.get(point)?),
            Data::Histogram(histogram) => Self::Histogram(histogram.data_points.get(point)?),
            Data::ExponentialHistogram(histogram) => Self::Exponential(histogram.data_points.get(point)?),
            Data::Summary(summary) => Self::Summary(summary.data_points.get(point)?),
        })
    }
}

impl<'a> PointMut<'a> {
    pub fn of(metric: &'a mut Metric, point: usize) -> Option<Self> {
        Some(match metric.data.as_mut()? {
            Data::Gauge(gauge) => Self::Number(gauge.data_points.get_mut(point)?),
            Data::Sum(sum) => Self::Number(sum.data_points.get_mut(point)?),
            Data::Histogram(histogram) => Self::Histogram(histogram.data_points.get_mut(point)?),
            Data::ExponentialHistogram(histogram) => Self::Exponential(histogram.data_points.get_mut(point)?),
            Data::Summary(summary) => Self::Summary(summary.data_points.get_mut(point)?),
        })
    }
}

/// A field that the point holds as it is.
#[inline]
pub fn peek(field: Field, point: PointRef<'_>) -> Peek<'_> {
    match field {
        Field::Attributes => on_any!(PointRef, point, p => Peek::Map(&p.attributes)),
        Field::Flags => on_any!(PointRef, point, p => Peek::Int(p.flags.into())),
        Field::StartTimeUnixNano => on_any!(PointRef, point, p => Peek::Int(p.start_time_unix_nano as i64)),
        Field::TimeUnixNano => on_any!(PointRef, point, p => Peek::Int(p.time_unix_nano as i64)),
        _ => match (point, field) {
            (PointRef::Number(point), Field::ValueDouble) => match point.value {
                Some(Number::Double(value)) => Peek::Double(value),
                _ => Peek::Double(0.0),
            },
            (PointRef::Number(point), Field::ValueInt) => match point.value {
                Some(Number::Int(value)) => Peek::Int(value),
                _ => Peek::Int(0),
            },
            _ => Peek::Computed,
        },
    }
}

/// The other fields.
pub fn compute(field: Field, point: PointRef<'_>) -> Value<'_> {
    match field {
        Field::StartTime => {
            on_any!(PointRef, point, p => Value::Time(Time::of_unix_nano(p.start_time_unix_nano)))
        }
        Field::Time => on_any!(PointRef, point, p => Value::Time(Time::of_unix_nano(p.time_unix_nano))),
        _ => match point {
            PointRef::Number(point) if field == Field::Exemplars => exemplars(&point.exemplars),
            PointRef::Number(_) => Value::Nil,
            PointRef::Histogram(point) => get_histogram(field, point),
            PointRef::Exponential(point) => get_exponential(field, point),
            PointRef::Summary(point) => get_summary(field, point),
        },
    }
}

fn get_histogram(field: Field, point: &HistogramDataPoint) -> Value<'_> {
    match field {
        Field::BucketCounts => counts(&point.bucket_counts),
        Field::Count => Value::Int(point.count as i64),
        Field::Exemplars => exemplars(&point.exemplars),
        Field::ExplicitBounds => Value::from(
            point.explicit_bounds.iter().map(|bound| AnyValue::Double(*bound)).collect::<Vec<_>>(),
        ),
        Field::Sum => Value::Double(point.sum.unwrap_or_default()),
        _ => Value::Nil,
    }
}

fn get_exponential(field: Field, point: &ExponentialHistogramDataPoint) -> Value<'_> {
    let offset = |buckets: &Option<Buckets>| Value::Int(buckets.as_ref().map_or(0, |b| b.offset.into()));
    let bucket_counts =
        |buckets: &Option<Buckets>| counts(buckets.as_ref().map_or(&[], |b| &b.bucket_counts));
    match field {
        Field::Count => Value::Int(point.count as i64),
        Field::Exemplars => exemplars(&point.exemplars),
        Field::Negative | Field::Positive => Value::Items { kind: "buckets", count: 1 },
        Field::NegativeBucketCounts => bucket_counts(&point.negative),
        Field::NegativeOffset => offset(&point.negative),
        Field::PositiveBucketCounts => bucket_counts(&point.positive),
        Field::PositiveOffset => offset(&point.positive),
        Field::Scale => Value::Int(point.scale.into()),
        Field::Sum => Value::Double(point.sum.unwrap_or_default()),
        Field::ZeroCount => Value::Int(point.zero_count as i64),
        _ => Value::Nil,
    }
}

fn get_summary(field: Field, point: &SummaryDataPoint) -> Value<'_> {
    match field {
        Field::Count => Value::Int(point.count as i64),
        Field::QuantileValues => Value::Items { kind: "quantile values", count: point.quantile_values.len() },
        Field::Sum => Value::Double(point.sum),
        _ => Value::Nil,
    }
}

fn exemplars<'a>(exemplars: &[Exemplar]) -> Value<'a> {
    Value::Items { kind: "exemplars", count: exemplars.len() }
}

fn counts<'a>(counts: &[u64]) -> Value<'a> {
    Value::from(counts.iter().map(|count| AnyValue::Int(*count as i64)).collect::<Vec<_>>())
}

/// A field that points of this type do not have stays as it is.
pub fn set(field: Field, point: PointMut<'_>, value: Value<'_>) -> Result<(), EvalError> {
    match field {
        Field::Attributes => on_any!(PointMut, point, p => store::map(&mut p.attributes, value)),
        Field::Flags => on_any!(PointMut, point, p => store::uint32(&mut p.flags, value)),
        Field::StartTime => on_any!(PointMut, point, p => store::time(&mut p.start_time_unix_nano, value)),
        Field::StartTimeUnixNano => {
            on_any!(PointMut, point, p => store::uint64(&mut p.start_time_unix_nano, value))
        }
        Field::Time => on_any!(PointMut, point, p => store::time(&mut p.time_unix_nano, value)),
        Field::TimeUnixNano => on_any!(PointMut, point, p => store::uint64(&mut p.time_unix_nano, value)),
        _ => match point {
            PointMut::Number(point) => set_number(field, point, value),
            PointMut::Histogram(point) => set_histogram(field, point, value),
            PointMut::Exponential(point) => set_exponential(field, point, value),
            PointMut::Summary(point) => set_summary(field, point, value),
        },
    }
}

fn set_number(field: Field, point: &mut NumberDataPoint, value: Value<'_>) -> Result<(), EvalError> {
    match field {
        Field::ValueDouble => point.value = Some(Number::Double(value.as_double()?)),
        Field::ValueInt => point.value = Some(Number::Int(value.as_int()?)),
        _ => {}
    }
    Ok(())
}

fn set_histogram(field: Field, point: &mut HistogramDataPoint, value: Value<'_>) -> Result<(), EvalError> {
    match field {
        Field::BucketCounts => set_counts(&mut point.bucket_counts, value),
        Field::Count => store::uint64(&mut point.count, value),
        Field::ExplicitBounds => {
            let bounds = value.into_list()?;
            point.explicit_bounds =
                bounds.iter().map(|bound| Value::from(bound).as_double()).collect::<Result<_, _>>()?;
            Ok(())
        }
        Field::Sum => store::double(point.sum.get_or_insert_default(), value),
        _ => Ok(()),
    }
}

fn set_exponential(
    field: Field,
    point: &mut ExponentialHistogramDataPoint,
    value: Value<'_>,
) -> Result<(), EvalError> {
    match field {
        Field::Count => store::uint64(&mut point.count, value),
        Field::NegativeBucketCounts => {
            set_counts(&mut point.negative.get_or_insert_default().bucket_counts, value)
        }
        Field::NegativeOffset => store::int32(&mut point.negative.get_or_insert_default().offset, value),
        Field::PositiveBucketCounts => {
            set_counts(&mut point.positive.get_or_insert_default().bucket_counts, value)
        }
        Field::PositiveOffset => store::int32(&mut point.positive.get_or_insert_default().offset, value),
        Field::Scale => store::int32(&mut point.scale, value),
        Field::Sum => store::double(point.sum.get_or_insert_default(), value),
        Field::ZeroCount => store::uint64(&mut point.zero_count, value),
        _ => Ok(()),
    }
}

fn set_summary(field: Field, point: &mut SummaryDataPoint, value: Value<'_>) -> Result<(), EvalError> {
    match field {
        Field::Count => store::uint64(&mut point.count, value),
        Field::Sum => store::double(&mut point.sum, value),
        _ => Ok(()),
    }
}

fn set_counts(target: &mut Vec<u64>, value: Value<'_>) -> Result<(), EvalError> {
    let counts = value.into_list()?;
    let count = |item: &AnyValue| {
        let count = Value::from(item).as_int()?;
        u64::try_from(count).map_err(|_| EvalError::fixed("a bucket count must not be negative"))
    };
    *target = counts.iter().map(count).collect::<Result<_, _>>()?;
    Ok(())
}

pub fn slot(field: Field, point: PointMut<'_>) -> Option<Slot<'_>> {
    match field {
        Field::Attributes => Some(Slot::Map(on_any!(PointMut, point, p => &mut p.attributes))),
        _ => None,
    }
}
