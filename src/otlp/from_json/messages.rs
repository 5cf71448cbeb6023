//! The fields of every message.

use serde::de::MapAccess;

use super::leaves::{boolean, bytes, double, doubles, enumeration, id, integer, integers, short, text};
use super::{FromJson, list, message, optional};
use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use crate::otlp::metrics::{
    self, Buckets, Exemplar, ExemplarValue, ExponentialHistogramDataPoint, HistogramDataPoint, Metric,
    Number, NumberDataPoint, ResourceMetrics, ScopeMetrics, SummaryDataPoint, ValueAtQuantile,
};
use crate::otlp::trace::{Event, Link, ResourceSpans, ScopeSpans, Span, Status};
use crate::otlp::{AnyValue, InstrumentationScope, KeyValue, Resource};

const TRACE_ID: usize = 16;
const SPAN_ID: usize = 8;

const SEVERITIES: &[&str] = &[
    "UNSPECIFIED",
    "TRACE",
    "TRACE2",
    "TRACE3",
    "TRACE4",
    "DEBUG",
    "DEBUG2",
    "DEBUG3",
    "DEBUG4",
    "INFO",
    "INFO2",
    "INFO3",
    "INFO4",
    "WARN",
    "WARN2",
    "WARN3",
    "WARN4",
    "ERROR",
    "ERROR2",
    "ERROR3",
    "ERROR4",
    "FATAL",
    "FATAL2",
    "FATAL3",
    "FATAL4",
];
const KINDS: &[&str] = &["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const CODES: &[&str] = &["UNSET", "OK", "ERROR"];
const TEMPORALITIES: &[&str] = &["UNSPECIFIED", "DELTA", "CUMULATIVE"];

fn temporality<'de, A: MapAccess<'de>>(map: &mut A) -> Result<i32, A::Error> {
    enumeration(map, "AGGREGATION_TEMPORALITY_", TEMPORALITIES)
}

/// Implements [`FromJson`]: a name and what becomes of its value, line by line.
macro_rules! message {
    ($message:ty, |$m:ident, $map:ident| { $($name:literal => $read:expr,)* }) => {
        impl FromJson for $message {
            fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, $map: &mut A) -> Result<bool, A::Error> {
                let $m = self;
                match name {
                    $($name => $read,)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

/// `ArrayValue` and `KeyValueList`.
struct Values<T>(Vec<T>);

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromJson> FromJson for Values<T> {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        let known = name == "values";
        if known {
            self.0 = list(map)?;
        }
        Ok(known)
    }
}

message!(AnyValue, |m, map| {
    "stringValue" => *m = AnyValue::String(short(map)?),
    "boolValue" => *m = AnyValue::Bool(boolean(map)?),
    "intValue" => *m = AnyValue::Int(integer(map)?),
    "doubleValue" => *m = double(map)?.map_or(AnyValue::Empty, AnyValue::Double),
    "arrayValue" => *m = AnyValue::Array(message::<Values<AnyValue>, _>(map)?.0),
    "kvlistValue" => *m = AnyValue::Map(message::<Values<KeyValue>, _>(map)?.0),
    "bytesValue" => *m = AnyValue::Bytes(bytes(map)?),
});
message!(KeyValue, |m, map| {
    "key" => m.key = short(map)?,
    "value" => m.value = message(map)?,
});
message!(Resource, |m, map| {
    "attributes" => m.attributes = list(map)?,
    "droppedAttributesCount" => m.dropped_attributes_count = integer(map)?,
});
message!(InstrumentationScope, |m, map| {
    "name" => m.name = text(map)?,
    "version" => m.version = text(map)?,
    "attributes" => m.attributes = list(map)?,
    "droppedAttributesCount" => m.dropped_attributes_count = integer(map)?,
});

message!(ResourceLogs, |m, map| {
    "resource" => m.resource = optional(map)?,
    "scopeLogs" => m.scope_logs = list(map)?,
    "schemaUrl" => m.schema_url = text(map)?,
});
message!(ScopeLogs, |m, map| {
    "scope" => m.scope = optional(map)?,
    "logRecords" => m.log_records = list(map)?,
    "schemaUrl" => m.schema_url = text(map)?,
});
message!(LogRecord, |m, map| {
    "timeUnixNano" => m.time_unix_nano = integer(map)?,
    "observedTimeUnixNano" => m.observed_time_unix_nano = integer(map)?,
    "severityNumber" => m.severity_number = enumeration(map, "SEVERITY_NUMBER_", SEVERITIES)?,
    "severityText" => m.severity_text = text(map)?,
    "body" => m.body = optional(map)?,
    "attributes" => m.attributes = list(map)?,
    "droppedAttributesCount" => m.dropped_attributes_count = integer(map)?,
    "flags" => m.flags = integer(map)?,
    "traceId" => m.trace_id = id(map, TRACE_ID)?,
    "spanId" => m.span_id = id(map, SPAN_ID)?,
    "eventName" => m.event_name = text(map)?,
});

message!(ResourceSpans, |m, map| {
    "resource" => m.resource = optional(map)?,
    "scopeSpans" => m.scope_spans = list(map)?,
    "schemaUrl" => m.schema_url = text(map)?,
});
message!(ScopeSpans, |m, map| {
    "scope" => m.scope = optional(map)?,
    "spans" => m.spans = list(map)?,
    "schemaUrl" => m.schema_url = text(map)?,
});
message!(Span, |m, map| {
    "traceId" => m.trace_id = id(map, TRACE_ID)?,
    "spanId" => m.span_id = id(map, SPAN_ID)?,
    "traceState" => m.trace_state = text(map)?,
    "parentSpanId" => m.parent_span_id = id(map, SPAN_ID)?,
    "flags" => m.flags = integer(map)?,
    "name" => m.name = text(map)?,
    "kind" => m.kind = enumeration(map, "SPAN_KIND_", KINDS)?,
    "startTimeUnixNano" => m.start_time_unix_nano = integer(map)?,
    "endTimeUnixNano" => m.end_time_unix_nano = integer(map)?,
    "attributes" => m.attributes = list(map)?,
    "droppedAttributesCount" => m.dropped_attributes_count = integer(map)?,
    "events" => m.events = list(map)?,
    "droppedEventsCount" => m.dropped_events_count = integer(map)?,
    "links" => m.links = list(map)?,
    "droppedLinksCount" => m.dropped_links_count = integer(map)?,
    "status" => m.status = optional(map)?,
});
message!(Event, |m, map| {
    "timeUnixNano" => m.time_unix_nano = integer(map)?,
    "name" => m.name = text(map)?,
    "attributes" => m.attributes = list(map)?,
    "droppedAttributesCount" => m.dropped_attributes_count = integer(map)?,
});
message!(Link, |m, map| {
    "traceId" => m.trace_id = id(map, TRACE_ID)?,
    "spanId" => m.span_id = id(map, SPAN_ID)?,
    "traceState" => m.trace_state = text(map)?,
    "attributes" => m.attributes = list(map)?,
    "droppedAttributesCount" => m.dropped_attributes_count = integer(map)?,
    "flags" => m.flags = integer(map)?,
});
message!(Status, |m, map| {
    "message" => m.message = text(map)?,
    "code" => m.code = enumeration(map, "STATUS_CODE_", CODES)?,
});

message!(ResourceMetrics, |m, map| {
    "resource" => m.resource = optional(map)?,
    "scopeMetrics" => m.scope_metrics = list(map)?,
    "schemaUrl" => m.schema_url = text(map)?,
});
message!(ScopeMetrics, |m, map| {
    "scope" => m.scope = optional(map)?,
    "metrics" => m.metrics = list(map)?,
    "schemaUrl" => m.schema_url = text(map)?,
});
message!(Metric, |m, map| {
    "name" => m.name = text(map)?,
    "description" => m.description = text(map)?,
    "unit" => m.unit = text(map)?,
    "gauge" => m.data = optional(map)?.map(metrics::Data::Gauge),
    "sum" => m.data = optional(map)?.map(metrics::Data::Sum),
    "histogram" => m.data = optional(map)?.map(metrics::Data::Histogram),
    "exponentialHistogram" => m.data = optional(map)?.map(metrics::Data::ExponentialHistogram),
    "summary" => m.data = optional(map)?.map(metrics::Data::Summary),
    "metadata" => m.metadata = list(map)?,
});
message!(metrics::Gauge, |m, map| {
    "dataPoints" => m.data_points = list(map)?,
});
message!(metrics::Sum, |m, map| {
    "dataPoints" => m.data_points = list(map)?,
    "aggregationTemporality" => m.aggregation_temporality = temporality(map)?,
    "isMonotonic" => m.is_monotonic = boolean(map)?,
});
message!(metrics::Histogram, |m, map| {
    "dataPoints" => m.data_points = list(map)?,
    "aggregationTemporality" => m.aggregation_temporality = temporality(map)?,
});
message!(metrics::ExponentialHistogram, |m, map| {
    "dataPoints" => m.data_points = list(map)?,
    "aggregationTemporality" => m.aggregation_temporality = temporality(map)?,
});
message!(metrics::Summary, |m, map| {
    "dataPoints" => m.data_points = list(map)?,
});
message!(NumberDataPoint, |m, map| {
    "attributes" => m.attributes = list(map)?,
    "startTimeUnixNano" => m.start_time_unix_nano = integer(map)?,
    "timeUnixNano" => m.time_unix_nano = integer(map)?,
    "asDouble" => m.value = double(map)?.map(Number::Double),
    "asInt" => m.value = Some(Number::Int(integer(map)?)),
    "exemplars" => m.exemplars = list(map)?,
    "flags" => m.flags = integer(map)?,
});
message!(HistogramDataPoint, |m, map| {
    "attributes" => m.attributes = list(map)?,
    "startTimeUnixNano" => m.start_time_unix_nano = integer(map)?,
    "timeUnixNano" => m.time_unix_nano = integer(map)?,
    "count" => m.count = integer(map)?,
    "sum" => m.sum = double(map)?,
    "bucketCounts" => m.bucket_counts = integers(map)?,
    "explicitBounds" => m.explicit_bounds = doubles(map)?,
    "exemplars" => m.exemplars = list(map)?,
    "flags" => m.flags = integer(map)?,
    "min" => m.min = double(map)?,
    "max" => m.max = double(map)?,
});
message!(ExponentialHistogramDataPoint, |m, map| {
    "attributes" => m.attributes = list(map)?,
    "startTimeUnixNano" => m.start_time_unix_nano = integer(map)?,
    "timeUnixNano" => m.time_unix_nano = integer(map)?,
    "count" => m.count = integer(map)?,
    "sum" => m.sum = double(map)?,
    "scale" => m.scale = integer(map)?,
    "zeroCount" => m.zero_count = integer(map)?,
    "positive" => m.positive = optional(map)?,
    "negative" => m.negative = optional(map)?,
    "flags" => m.flags = integer(map)?,
    "exemplars" => m.exemplars = list(map)?,
    "min" => m.min = double(map)?,
    "max" => m.max = double(map)?,
    "zeroThreshold" => m.zero_threshold = double(map)?.unwrap_or_default(),
});
message!(Buckets, |m, map| {
    "offset" => m.offset = integer(map)?,
    "bucketCounts" => m.bucket_counts = integers(map)?,
});
message!(SummaryDataPoint, |m, map| {
    "attributes" => m.attributes = list(map)?,
    "startTimeUnixNano" => m.start_time_unix_nano = integer(map)?,
    "timeUnixNano" => m.time_unix_nano = integer(map)?,
    "count" => m.count = integer(map)?,
    "sum" => m.sum = double(map)?.unwrap_or_default(),
    "quantileValues" => m.quantile_values = list(map)?,
    "flags" => m.flags = integer(map)?,
});
message!(ValueAtQuantile, |m, map| {
    "quantile" => m.quantile = double(map)?.unwrap_or_default(),
    "value" => m.value = double(map)?.unwrap_or_default(),
});
message!(Exemplar, |m, map| {
    "filteredAttributes" => m.filtered_attributes = list(map)?,
    "timeUnixNano" => m.time_unix_nano = integer(map)?,
    "asDouble" => m.value = double(map)?.map(ExemplarValue::Double),
    "asInt" => m.value = Some(ExemplarValue::Int(integer(map)?)),
    "spanId" => m.span_id = id(map, SPAN_ID)?,
    "traceId" => m.trace_id = id(map, TRACE_ID)?,
});
