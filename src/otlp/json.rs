//! OTLP in JSON: ids in hex, 64-bit integers as texts, enums as numbers, bytes in base64, names in
//! camelCase, and fields of the default value left out.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::logs::{LogRecord, ResourceLogs, ScopeLogs};
use super::metrics::{
    self, Buckets, Exemplar, ExemplarValue, ExponentialHistogramDataPoint, HistogramDataPoint, Metric,
    Number, NumberDataPoint, ResourceMetrics, ScopeMetrics, SummaryDataPoint, ValueAtQuantile,
};
use super::trace::{Event, Link, ResourceSpans, ScopeSpans, Span, Status};
use super::{AnyValue, InstrumentationScope, KeyValue, Resource};
use crate::pipeline::Data;

/// Appends the export request in JSON to `buf`.
pub fn encode(data: &Data, buf: &mut Vec<u8>) {
    let mut serializer = serde_json::Serializer::new(buf);
    Json(data).serialize(&mut serializer).expect("writing JSON with text keys to memory does not fail");
}

/// A message, to be written as JSON.
struct Json<'a, T: ?Sized>(&'a T);

/// Writes the fields of a message that are not of the default value.
struct Fields<M>(M);

type Written<S> = Result<<S as Serializer>::Ok, <S as Serializer>::Error>;

fn fields<S: Serializer>(serializer: S) -> Result<Fields<S::SerializeMap>, S::Error> {
    Ok(Fields(serializer.serialize_map(None)?))
}

impl<M: SerializeMap> Fields<M> {
    fn value<T: Serialize>(&mut self, name: &'static str, value: T) -> Result<&mut Self, M::Error> {
        self.0.serialize_entry(name, &value)?;
        Ok(self)
    }

    /// A field that is left out when it is of the default value.
    fn plain<T: Serialize + Default + PartialEq>(
        &mut self,
        name: &'static str,
        value: T,
    ) -> Result<&mut Self, M::Error> {
        if value == T::default() { Ok(self) } else { self.value(name, value) }
    }

    fn long(&mut self, name: &'static str, value: u64) -> Result<&mut Self, M::Error> {
        if value == 0 { Ok(self) } else { self.value(name, Decimal(value)) }
    }

    fn id(&mut self, name: &'static str, id: &[u8]) -> Result<&mut Self, M::Error> {
        if id.is_empty() { Ok(self) } else { self.value(name, Hex(id)) }
    }

    fn double(&mut self, name: &'static str, value: f64) -> Result<&mut Self, M::Error> {
        if value == 0.0 && value.is_sign_positive() { Ok(self) } else { self.value(name, Double(value)) }
    }

    fn some_double(&mut self, name: &'static str, value: Option<f64>) -> Result<&mut Self, M::Error> {
        match value {
            None => Ok(self),
            Some(value) => self.value(name, Double(value)),
        }
    }

    fn message<T>(&mut self, name: &'static str, message: Option<&T>) -> Result<&mut Self, M::Error>
    where
        for<'a> Json<'a, T>: Serialize,
    {
        match message {
            None => Ok(self),
            Some(message) => self.value(name, Json(message)),
        }
    }

    fn list<T>(&mut self, name: &'static str, list: &[T]) -> Result<&mut Self, M::Error>
    where
        for<'a> Json<'a, T>: Serialize,
    {
        if list.is_empty() { Ok(self) } else { self.value(name, List(list, |item| Json(item))) }
    }
}

/// A list whose items are written as `.1` says.
struct List<'a, T, F>(&'a [T], F);

impl<'a, T, W: Serialize, F: Fn(&'a T) -> W> Serialize for List<'a, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Written<S> {
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            seq.serialize_element(&self.1(item))?;
        }
        seq.end()
    }
}

/// A 64-bit integer, as a text.
struct Decimal<T>(T);

impl<T: std::fmt::Display> Serialize for Decimal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Written<S> {
        serializer.collect_str(&self.0)
    }
}

struct Hex<'a>(&'a [u8]);

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Written<S> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let text: String = digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect();
        serializer.serialize_str(&text)
    }
}

/// A double; JSON has no numbers for the ones that are not finite, so they are texts.
struct Double(f64);

impl Serialize for Double {
    fn serialize<S: Serializer>(&self, serializer: S) -> Written<S> {
        match self.0 {
            value if value.is_nan() => serializer.serialize_str("NaN"),
            f64::INFINITY => serializer.serialize_str("Infinity"),
            f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
            value => serializer.serialize_f64(value),
        }
    }
}

struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Written<S> {
        serializer.serialize_str(&BASE64_STANDARD.encode(self.0))
    }
}

/// Implements `Serialize` for `Json<$message>`; `$write` puts the fields.
macro_rules! message {
    ($message:ty, |$m:ident, $fields:ident| $write:expr) => {
        impl Serialize for Json<'_, $message> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Written<S> {
                let $m = self.0;
                let mut $fields = fields(serializer)?;
                $write;
                $fields.0.end()
            }
        }
    };
}

impl Serialize for Json<'_, Data> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Written<S> {
        let mut fields = fields(serializer)?;
        match self.0 {
            Data::Logs(all) => fields.list("resourceLogs", all)?,
            Data::Metrics(all) => fields.list("resourceMetrics", all)?,
            Data::Traces(all) => fields.list("resourceSpans", all)?,
        };
        fields.0.end()
    }
}

impl Serialize for Json<'_, AnyValue> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Written<S> {
        let mut fields = fields(serializer)?;
        match self.0 {
            AnyValue::Empty => &mut fields,
            AnyValue::String(text) => fields.value("stringValue", text.as_str())?,
            AnyValue::Bool(value) => fields.value("boolValue", value)?,
            AnyValue::Int(value) => fields.value("intValue", Decimal(value))?,
            AnyValue::Double(value) => fields.value("doubleValue", Double(*value))?,
            AnyValue::Array(items) => fields.value("arrayValue", Values(items))?,
            AnyValue::Map(entries) => fields.value("kvlistValue", Values(entries))?,
            AnyValue::Bytes(bytes) => fields.value("bytesValue", Base64(bytes))?,
        };
        fields.0.end()
    }
}

/// `ArrayValue` and `KeyValueList`: an object around a list.
struct Values<'a, T>(&'a [T]);

impl<T> Serialize for Values<'_, T>
where
    for<'a> Json<'a, T>: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Written<S> {
        let mut fields = fields(serializer)?;
        fields.list("values", self.0)?;
        fields.0.end()
    }
}

message!(KeyValue, |m, f| f.plain("key", m.key.as_str())?.message("value", Some(&m.value))?);
message!(Resource, |m, f| {
    f.list("attributes", &m.attributes)?.plain("droppedAttributesCount", m.dropped_attributes_count)?
});
message!(InstrumentationScope, |m, f| {
    f.plain("name", m.name.as_str())?.plain("version", m.version.as_str())?;
    f.list("attributes", &m.attributes)?.plain("droppedAttributesCount", m.dropped_attributes_count)?
});

message!(ResourceLogs, |m, f| {
    f.message("resource", m.resource.as_ref())?.list("scopeLogs", &m.scope_logs)?;
    f.plain("schemaUrl", m.schema_url.as_str())?
});
message!(ScopeLogs, |m, f| {
    f.message("scope", m.scope.as_ref())?.list("logRecords", &m.log_records)?;
    f.plain("schemaUrl", m.schema_url.as_str())?
});
message!(LogRecord, |m, f| {
    f.long("timeUnixNano", m.time_unix_nano)?.long("observedTimeUnixNano", m.observed_time_unix_nano)?;
    f.plain("severityNumber", m.severity_number)?.plain("severityText", m.severity_text.as_str())?;
    f.message("body", m.body.as_ref())?.list("attributes", &m.attributes)?;
    f.plain("droppedAttributesCount", m.dropped_attributes_count)?.plain("flags", m.flags)?;
    f.id("traceId", &m.trace_id)?.id("spanId", &m.span_id)?.plain("eventName", m.event_name.as_str())?
});

message!(ResourceSpans, |m, f| {
    f.message("resource", m.resource.as_ref())?.list("scopeSpans", &m.scope_spans)?;
    f.plain("schemaUrl", m.schema_url.as_str())?
});
message!(ScopeSpans, |m, f| {
    f.message("scope", m.scope.as_ref())?.list("spans", &m.spans)?;
    f.plain("schemaUrl", m.schema_url.as_str())?
});
message!(Span, |m, f| {
    f.id("traceId", &m.trace_id)?.id("spanId", &m.span_id)?.plain("traceState", m.trace_state.as_str())?;
    f.id("parentSpanId", &m.parent_span_id)?.plain("flags", m.flags)?;
    f.plain("name", m.name.as_str())?.plain("kind", m.kind)?;
    f.long("startTimeUnixNano", m.start_time_unix_nano)?.long("endTimeUnixNano", m.end_time_unix_nano)?;
    f.list("attributes", &m.attributes)?.plain("droppedAttributesCount", m.dropped_attributes_count)?;
    f.list("events", &m.events)?.plain("droppedEventsCount", m.dropped_events_count)?;
    f.list("links", &m.links)?.plain("droppedLinksCount", m.dropped_links_count)?;
    f.message("status", m.status.as_ref())?
});
message!(Event, |m, f| {
    f.long("timeUnixNano", m.time_unix_nano)?.plain("name", m.name.as_str())?;
    f.list("attributes", &m.attributes)?.plain("droppedAttributesCount", m.dropped_attributes_count)?
});
message!(Link, |m, f| {
    f.id("traceId", &m.trace_id)?.id("spanId", &m.span_id)?.plain("traceState", m.trace_state.as_str())?;
    f.list("attributes", &m.attributes)?.plain("droppedAttributesCount", m.dropped_attributes_count)?;
    f.plain("flags", m.flags)?
});
message!(Status, |m, f| f.plain("message", m.message.as_str())?.plain("code", m.code)?);

message!(ResourceMetrics, |m, f| {
    f.message("resource", m.resource.as_ref())?.list("scopeMetrics", &m.scope_metrics)?;
    f.plain("schemaUrl", m.schema_url.as_str())?
});
message!(ScopeMetrics, |m, f| {
    f.message("scope", m.scope.as_ref())?.list("metrics", &m.metrics)?;
    f.plain("schemaUrl", m.schema_url.as_str())?
});
message!(Metric, |m, f| {
    f.plain("name", m.name.as_str())?.plain("description", m.description.as_str())?;
    f.plain("unit", m.unit.as_str())?;
    match &m.data {
        None => &mut f,
        Some(metrics::Data::Gauge(gauge)) => f.message("gauge", Some(gauge))?,
        Some(metrics::Data::Sum(sum)) => f.message("sum", Some(sum))?,
        Some(metrics::Data::Histogram(histogram)) => f.message("histogram", Some(histogram))?,
        Some(metrics::Data::ExponentialHistogram(h)) => f.message("exponentialHistogram", Some(h))?,
        Some(metrics::Data::Summary(summary)) => f.message("summary", Some(summary))?,
    }
    .list("metadata", &m.metadata)?
});
message!(metrics::Gauge, |m, f| f.list("dataPoints", &m.data_points)?);
message!(metrics::Sum, |m, f| {
    f.list("dataPoints", &m.data_points)?.plain("aggregationTemporality", m.aggregation_temporality)?;
    f.plain("isMonotonic", m.is_monotonic)?
});
message!(metrics::Histogram, |m, f| {
    f.list("dataPoints", &m.data_points)?.plain("aggregationTemporality", m.aggregation_temporality)?
});
message!(metrics::ExponentialHistogram, |m, f| {
    f.list("dataPoints", &m.data_points)?.plain("aggregationTemporality", m.aggregation_temporality)?
});
message!(metrics::Summary, |m, f| f.list("dataPoints", &m.data_points)?);
message!(NumberDataPoint, |m, f| {
    f.list("attributes", &m.attributes)?;
    f.long("startTimeUnixNano", m.start_time_unix_nano)?.long("timeUnixNano", m.time_unix_nano)?;
    match m.value {
        None => &mut f,
        Some(Number::Double(value)) => f.value("asDouble", Double(value))?,
        Some(Number::Int(value)) => f.value("asInt", Decimal(value))?,
    }
    .list("exemplars", &m.exemplars)?
    .plain("flags", m.flags)?
});
message!(HistogramDataPoint, |m, f| {
    f.list("attributes", &m.attributes)?;
    f.long("startTimeUnixNano", m.start_time_unix_nano)?.long("timeUnixNano", m.time_unix_nano)?;
    f.long("count", m.count)?.some_double("sum", m.sum)?;
    longs(&mut f, "bucketCounts", &m.bucket_counts)?;
    if !m.explicit_bounds.is_empty() {
        f.value("explicitBounds", List(&m.explicit_bounds, |bound: &f64| Double(*bound)))?;
    }
    f.list("exemplars", &m.exemplars)?.plain("flags", m.flags)?;
    f.some_double("min", m.min)?.some_double("max", m.max)?
});
message!(ExponentialHistogramDataPoint, |m, f| {
    f.list("attributes", &m.attributes)?;
    f.long("startTimeUnixNano", m.start_time_unix_nano)?.long("timeUnixNano", m.time_unix_nano)?;
    f.long("count", m.count)?.some_double("sum", m.sum)?.plain("scale", m.scale)?;
    f.long("zeroCount", m.zero_count)?.message("positive", m.positive.as_ref())?;
    f.message("negative", m.negative.as_ref())?.plain("flags", m.flags)?;
    f.list("exemplars", &m.exemplars)?.some_double("min", m.min)?.some_double("max", m.max)?;
    f.double("zeroThreshold", m.zero_threshold)?
});
message!(Buckets, |m, f| {
    f.plain("offset", m.offset)?;
    longs(&mut f, "bucketCounts", &m.bucket_counts)?
});
message!(SummaryDataPoint, |m, f| {
    f.list("attributes", &m.attributes)?;
    f.long("startTimeUnixNano", m.start_time_unix_nano)?.long("timeUnixNano", m.time_unix_nano)?;
    f.long("count", m.count)?.double("sum", m.sum)?;
    f.list("quantileValues", &m.quantile_values)?.plain("flags", m.flags)?
});
message!(ValueAtQuantile, |m, f| f.double("quantile", m.quantile)?.double("value", m.value)?);
message!(Exemplar, |m, f| {
    f.list("filteredAttributes", &m.filtered_attributes)?.long("timeUnixNano", m.time_unix_nano)?;
    match m.value {
        None => &mut f,
        Some(ExemplarValue::Double(value)) => f.value("asDouble", Double(value))?,
        Some(ExemplarValue::Int(value)) => f.value("asInt", Decimal(value))?,
    }
    .id("spanId", &m.span_id)?
    .id("traceId", &m.trace_id)?
});

fn longs<'f, M: SerializeMap>(
    fields: &'f mut Fields<M>,
    name: &'static str,
    values: &[u64],
) -> Result<&'f mut Fields<M>, M::Error> {
    if values.is_empty() {
        Ok(fields)
    } else {
        fields.value(name, List(values, |value: &u64| Decimal(*value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(data: &Data) -> serde_json::Value {
        let mut buf = Vec::new();
        encode(data, &mut buf);
        serde_json::from_slice(&buf).unwrap()
    }

    #[test]
    fn logs_have_hex_ids_text_integers_and_every_kind_of_value() {
        let attributes = vec![
            KeyValue::fixed("n", i64::MIN),
            KeyValue::fixed("d", 0.5),
            KeyValue::fixed("b", false),
            KeyValue::fixed("none", AnyValue::Empty),
            KeyValue::fixed("raw", AnyValue::Bytes(vec![0, 1, 255, 4])),
            KeyValue::fixed("map", vec![KeyValue::fixed("k", "v")]),
            KeyValue::fixed("list", vec![AnyValue::from(1), AnyValue::from("x")]),
        ];
        let record = LogRecord {
            time_unix_nano: u64::MAX,
            severity_number: 9,
            body: Some("hi \"there\"\n".into()),
            attributes,
            trace_id: (0..16).collect(),
            span_id: vec![0xab; 8],
            ..LogRecord::default()
        };
        let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
        let data = Data::Logs(vec![ResourceLogs { scope_logs, schema_url: "u".into(), resource: None }]);
        let want = json!({"resourceLogs": [{"schemaUrl": "u", "scopeLogs": [{"logRecords": [{
        "timeUnixNano": "18446744073709551615",
        "severityNumber": 9,
        "body": {"stringValue": "hi \"there\"\n"},
        "traceId": "000102030405060708090a0b0c0d0e0f",
        "spanId": "abababababababab",
        "attributes": [
            {"key": "n", "value": {"intValue": "-9223372036854775808"}},
            {"key": "d", "value": {"doubleValue": 0.5}},
            {"key": "b", "value": {"boolValue": false}},
            {"key": "none", "value": {}},
            {"key": "raw", "value": {"bytesValue": "AAH/BA=="}},
            {"key": "map", "value": {"kvlistValue": {"values": [
                {"key": "k", "value": {"stringValue": "v"}}]}}},
            {"key": "list", "value": {"arrayValue": {"values": [
                {"intValue": "1"}, {"stringValue": "x"}]}}},
        ]}]}]}]});
        assert_eq!(written(&data), want);
    }

    #[test]
    fn metrics_keep_zero_values_and_numbers_that_are_not_finite() {
        let points = [Number::Int(0), Number::Double(0.0), Number::Double(f64::NAN)];
        let data_points =
            points.map(|value| NumberDataPoint { value: Some(value), ..NumberDataPoint::default() }).to_vec();
        let histogram = metrics::Histogram {
            data_points: vec![HistogramDataPoint {
                count: 3,
                sum: Some(0.0),
                bucket_counts: vec![1, 2],
                explicit_bounds: vec![0.0],
                ..HistogramDataPoint::default()
            }],
            aggregation_temporality: 2,
        };
        let metric = |name: &str, data| Metric { name: name.into(), data: Some(data), ..Metric::default() };
        let metrics = vec![
            metric(
                "s",
                metrics::Data::Sum(metrics::Sum { data_points, is_monotonic: true, ..Default::default() }),
            ),
            metric("h", metrics::Data::Histogram(histogram)),
        ];
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let data = Data::Metrics(vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }]);
        let want = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
            {"name": "s", "sum": {"isMonotonic": true, "dataPoints": [
                {"asInt": "0"}, {"asDouble": 0.0}, {"asDouble": "NaN"}]}},
            {"name": "h", "histogram": {"aggregationTemporality": 2, "dataPoints": [
                {"count": "3", "sum": 0.0, "bucketCounts": ["1", "2"], "explicitBounds": [0.0]}]}},
        ]}]}]});
        assert_eq!(written(&data), want);
    }

    #[test]
    fn spans_have_their_parents_events_links_and_status() {
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            parent_span_id: vec![3; 8],
            name: "GET".into(),
            kind: 2,
            start_time_unix_nano: 5,
            end_time_unix_nano: 6,
            events: vec![Event { name: "e".into(), ..Event::default() }],
            links: vec![Link { flags: 1, ..Link::default() }],
            status: Some(Status { code: 2, message: "no".into() }),
            ..Span::default()
        };
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        let data = Data::Traces(vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }]);
        let want = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
            "traceId": "01".repeat(16), "spanId": "02".repeat(8), "parentSpanId": "03".repeat(8),
            "name": "GET", "kind": 2, "startTimeUnixNano": "5", "endTimeUnixNano": "6",
            "events": [{"name": "e"}], "links": [{"flags": 1}],
            "status": {"message": "no", "code": 2}}]}]}]});
        assert_eq!(written(&data), want);
    }
}
