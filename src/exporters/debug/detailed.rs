//! Verbosity `detailed`: every field.

use std::fmt::{Result, Write};

use super::text::{Hex, Time, Typed};
use super::walk::{self, Show};
use crate::otlp::logs::LogRecord;
use crate::otlp::metrics::{self, Buckets, Exemplar, ExemplarValue, Metric, Temporality};
use crate::otlp::trace::{Span, SpanKind, StatusCode};
use crate::otlp::{AnyValue, InstrumentationScope, KeyValue, Resource};
use crate::pipeline::{Data, Signal};

pub(super) fn write(data: &Data, out: &mut String) {
    walk::write(data, &Detailed, out);
}

struct Detailed;

impl Show for Detailed {
    fn resource(
        &self,
        signal: Signal,
        index: usize,
        schema: &str,
        resource: Option<&Resource>,
        out: &mut String,
    ) -> Result {
        let kind = match signal {
            Signal::Logs => "ResourceLog",
            Signal::Metrics => "ResourceMetrics",
            Signal::Traces => "ResourceSpans",
        };
        writeln!(out, "{kind} #{index}\nResource SchemaURL: {schema}")?;
        attributes("Resource attributes", resource.map_or(&[], |resource| &resource.attributes), out)
    }

    fn scope(
        &self,
        signal: Signal,
        index: usize,
        schema: &str,
        scope: Option<&InstrumentationScope>,
        out: &mut String,
    ) -> Result {
        let kind = match signal {
            Signal::Logs => "ScopeLogs",
            Signal::Metrics => "ScopeMetrics",
            Signal::Traces => "ScopeSpans",
        };
        writeln!(out, "{kind} #{index}\n{kind} SchemaURL: {schema}")?;
        let none = InstrumentationScope::default();
        let scope = scope.unwrap_or(&none);
        writeln!(out, "InstrumentationScope {} {}", scope.name, scope.version)?;
        attributes("InstrumentationScope attributes", &scope.attributes, out)
    }

    fn log(&self, index: usize, record: &LogRecord, out: &mut String) -> Result {
        writeln!(out, "LogRecord #{index}")?;
        log(record, out)
    }

    fn metric(&self, index: usize, one: &Metric, out: &mut String) -> Result {
        writeln!(out, "Metric #{index}")?;
        metric(one, out)
    }

    fn span(&self, index: usize, one: &Span, out: &mut String) -> Result {
        writeln!(out, "Span #{index}")?;
        span(one, out)
    }
}

fn attributes(title: &str, attributes: &[KeyValue], out: &mut String) -> Result {
    if attributes.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}:")?;
    attributes.iter().try_for_each(|entry| writeln!(out, "     -> {}: {}", entry.key, Typed(&entry.value)))
}

fn log(record: &LogRecord, out: &mut String) -> Result {
    writeln!(out, "ObservedTimestamp: {}", Time(record.observed_time_unix_nano))?;
    writeln!(out, "Timestamp: {}", Time(record.time_unix_nano))?;
    writeln!(out, "SeverityText: {}", record.severity_text)?;
    let number = record.severity_number;
    writeln!(out, "SeverityNumber: {}({number})", severity(number))?;
    if !record.event_name.is_empty() {
        writeln!(out, "EventName: {}", record.event_name)?;
    }
    writeln!(out, "Body: {}", Typed(record.body.as_ref().unwrap_or(&AnyValue::Empty)))?;
    attributes("Attributes", &record.attributes, out)?;
    writeln!(out, "Trace ID: {}\nSpan ID: {}", Hex(&record.trace_id), Hex(&record.span_id))?;
    writeln!(out, "Flags: {}", record.flags)
}

/// `Info`, `Info2` … for the numbers of severities.
fn severity(number: i32) -> String {
    if number == 0 {
        return "Unspecified".to_owned();
    }
    let names = ["Trace", "Debug", "Info", "Warn", "Error", "Fatal"];
    let (name, step) = match usize::try_from(number - 1) {
        Ok(index) => (names.get(index / 4), index % 4 + 1),
        Err(_) => (None, 1),
    };
    match (name, step) {
        (None, _) => String::new(),
        (Some(name), 1) => (*name).to_owned(),
        (Some(name), step) => format!("{name}{step}"),
    }
}

fn span(span: &Span, out: &mut String) -> Result {
    let kind = SpanKind::try_from(span.kind).unwrap_or(SpanKind::Unspecified);
    let status = span.status.clone().unwrap_or_default();
    let code = StatusCode::try_from(status.code).unwrap_or(StatusCode::Unset);
    for (label, value) in [
        ("Trace ID", Hex(&span.trace_id).to_string()),
        ("Parent ID", Hex(&span.parent_span_id).to_string()),
        ("ID", Hex(&span.span_id).to_string()),
        ("Name", span.name.clone()),
        ("Kind", format!("{kind:?}")),
    ] {
        writeln!(out, "    {label:<15}: {value}")?;
    }
    if !span.trace_state.is_empty() {
        writeln!(out, "    {:<15}: {}", "TraceState", span.trace_state)?;
    }
    for (label, value) in [
        ("Start time", Time(span.start_time_unix_nano).to_string()),
        ("End time", Time(span.end_time_unix_nano).to_string()),
        ("Status code", format!("{code:?}")),
        ("Status message", status.message),
    ] {
        writeln!(out, "    {label:<15}: {value}")?;
    }
    for (label, dropped) in [
        ("DroppedAttributesCount", span.dropped_attributes_count),
        ("DroppedEventsCount", span.dropped_events_count),
        ("DroppedLinksCount", span.dropped_links_count),
    ] {
        if dropped > 0 {
            writeln!(out, "    {label:<15}: {dropped}")?;
        }
    }
    attributes("Attributes", &span.attributes, out)?;
    if !span.events.is_empty() {
        writeln!(out, "Events:")?;
    }
    for (index, event) in span.events.iter().enumerate() {
        writeln!(out, "SpanEvent #{index}\n     -> Name: {}", event.name)?;
        writeln!(out, "     -> Timestamp: {}", Time(event.time_unix_nano))?;
        writeln!(out, "     -> DroppedAttributesCount: {}", event.dropped_attributes_count)?;
        attributes("     -> Attributes", &event.attributes, out)?;
    }
    if !span.links.is_empty() {
        writeln!(out, "Links:")?;
    }
    for (index, link) in span.links.iter().enumerate() {
        writeln!(out, "SpanLink #{index}\n     -> Trace ID: {}", Hex(&link.trace_id))?;
        writeln!(out, "     -> ID: {}\n     -> TraceState: {}", Hex(&link.span_id), link.trace_state)?;
        writeln!(out, "     -> DroppedAttributesCount: {}", link.dropped_attributes_count)?;
        attributes("     -> Attributes", &link.attributes, out)?;
    }
    Ok(())
}

fn metric(metric: &Metric, out: &mut String) -> Result {
    use metrics::Data;
    let kind = match &metric.data {
        None => "Empty",
        Some(Data::Gauge(_)) => "Gauge",
        Some(Data::Sum(_)) => "Sum",
        Some(Data::Histogram(_)) => "Histogram",
        Some(Data::ExponentialHistogram(_)) => "ExponentialHistogram",
        Some(Data::Summary(_)) => "Summary",
    };
    writeln!(out, "Descriptor:\n     -> Name: {}", metric.name)?;
    writeln!(out, "     -> Description: {}\n     -> Unit: {}", metric.description, metric.unit)?;
    writeln!(out, "     -> DataType: {kind}")?;
    match &metric.data {
        None => Ok(()),
        Some(Data::Gauge(gauge)) => numbers(&gauge.data_points, out),
        Some(Data::Sum(sum)) => {
            writeln!(out, "     -> IsMonotonic: {}", sum.is_monotonic)?;
            temporality(sum.aggregation_temporality, out)?;
            numbers(&sum.data_points, out)
        }
        Some(Data::Histogram(histogram)) => {
            temporality(histogram.aggregation_temporality, out)?;
            for (index, point) in histogram.data_points.iter().enumerate() {
                point_head("HistogramDataPoints", index, &point.attributes, out)?;
                times(point.start_time_unix_nano, point.time_unix_nano, out)?;
                statistics(point.count, point.sum, point.min, point.max, out)?;
                for (index, bound) in point.explicit_bounds.iter().enumerate() {
                    writeln!(out, "ExplicitBounds #{index}: {bound:.6}")?;
                }
                for (index, count) in point.bucket_counts.iter().enumerate() {
                    writeln!(out, "Buckets #{index}, Count: {count}")?;
                }
                exemplars(&point.exemplars, out)?;
            }
            Ok(())
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            temporality(histogram.aggregation_temporality, out)?;
            for (index, point) in histogram.data_points.iter().enumerate() {
                point_head("ExponentialHistogramDataPoints", index, &point.attributes, out)?;
                times(point.start_time_unix_nano, point.time_unix_nano, out)?;
                statistics(point.count, point.sum, point.min, point.max, out)?;
                buckets(point.scale, point.negative.as_ref(), -1.0, out)?;
                if point.zero_count != 0 {
                    writeln!(out, "Bucket [0, 0], Count: {}", point.zero_count)?;
                }
                buckets(point.scale, point.positive.as_ref(), 1.0, out)?;
                exemplars(&point.exemplars, out)?;
            }
            Ok(())
        }
        Some(Data::Summary(summary)) => {
            for (index, point) in summary.data_points.iter().enumerate() {
                point_head("SummaryDataPoints", index, &point.attributes, out)?;
                times(point.start_time_unix_nano, point.time_unix_nano, out)?;
                writeln!(out, "Count: {}\nSum: {:.6}", point.count, point.sum)?;
                for (index, quantile) in point.quantile_values.iter().enumerate() {
                    let (at, value) = (quantile.quantile, quantile.value);
                    writeln!(out, "QuantileValue #{index}: Quantile {at:.6}, Value {value:.6}")?;
                }
            }
            Ok(())
        }
    }
}

fn temporality(value: i32, out: &mut String) -> Result {
    let name = Temporality::try_from(value).unwrap_or(Temporality::Unspecified);
    writeln!(out, "     -> AggregationTemporality: {name:?}")
}

fn point_head(kind: &str, index: usize, point: &[KeyValue], out: &mut String) -> Result {
    writeln!(out, "{kind} #{index}")?;
    attributes("Data point attributes", point, out)
}

fn times(start: u64, time: u64, out: &mut String) -> Result {
    writeln!(out, "StartTimestamp: {}\nTimestamp: {}", Time(start), Time(time))
}

fn numbers(points: &[metrics::NumberDataPoint], out: &mut String) -> Result {
    for (index, point) in points.iter().enumerate() {
        point_head("NumberDataPoints", index, &point.attributes, out)?;
        times(point.start_time_unix_nano, point.time_unix_nano, out)?;
        match point.value {
            None => {}
            Some(metrics::Number::Int(value)) => writeln!(out, "Value: {value}")?,
            Some(metrics::Number::Double(value)) => writeln!(out, "Value: {value:.6}")?,
        }
        exemplars(&point.exemplars, out)?;
    }
    Ok(())
}

fn statistics(count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>, out: &mut String) -> Result {
    writeln!(out, "Count: {count}")?;
    for (label, value) in [("Sum", sum), ("Min", min), ("Max", max)] {
        if let Some(value) = value {
            writeln!(out, "{label}: {value:.6}")?;
        }
    }
    Ok(())
}

fn buckets(scale: i32, buckets: Option<&Buckets>, sign: f64, out: &mut String) -> Result {
    let Some(buckets) = buckets else { return Ok(()) };
    let base = 2_f64.powf(2_f64.powi(-scale));
    for (index, count) in buckets.bucket_counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let at = f64::from(buckets.offset) + index as f64;
        let (low, high) = (sign * base.powf(at), sign * base.powf(at + 1.0));
        if sign < 0.0 {
            writeln!(out, "Bucket [{high:.6}, {low:.6}), Count: {count}")?;
        } else {
            writeln!(out, "Bucket ({low:.6}, {high:.6}], Count: {count}")?;
        }
    }
    Ok(())
}

fn exemplars(exemplars: &[Exemplar], out: &mut String) -> Result {
    if !exemplars.is_empty() {
        writeln!(out, "Exemplars:")?;
    }
    for (index, exemplar) in exemplars.iter().enumerate() {
        writeln!(out, "Exemplar #{index}\n     -> Trace ID: {}", Hex(&exemplar.trace_id))?;
        writeln!(out, "     -> Span ID: {}", Hex(&exemplar.span_id))?;
        writeln!(out, "     -> Timestamp: {}", Time(exemplar.time_unix_nano))?;
        match exemplar.value {
            None => {}
            Some(ExemplarValue::Int(value)) => writeln!(out, "     -> Value: {value}")?,
            Some(ExemplarValue::Double(value)) => writeln!(out, "     -> Value: {value:.6}")?,
        }
        attributes("     -> FilteredAttributes", &exemplar.filtered_attributes, out)?;
    }
    Ok(())
}
