//! Items as points in a space of numbers.

use crate::otlp::attributes::find;
use crate::otlp::identity::{Digest, IdentityMap};
use crate::otlp::logs::LogRecord;
use crate::otlp::metrics::NumberDataPoint;
use crate::otlp::trace::{Span, StatusCode};
use crate::otlp::{AnyValue, KeyValue, Str};
use crate::pipeline::Signal;

/// Series whose last value is remembered, for rates of change; more start anew.
const MAX_SERIES: usize = 100_000;

/// What is looked at, in order.
#[derive(Default)]
pub struct Features {
    list: Vec<Feature>,
    /// Time of the last log record, in nanoseconds.
    last_record: Option<u64>,
    /// Time and value of the last point of each series.
    last_points: IdentityMap<(u64, f64)>,
}

enum Feature {
    /// Milliseconds a span took.
    Duration,
    /// 1 for a span that failed.
    Error,
    Value,
    /// Change per second since the last point of the series.
    RateOfChange,
    Severity,
    /// Seconds since the record before.
    TimestampGap,
    /// Bytes of a log record's text.
    MessageLength,
    /// A number among the item's attributes.
    Attribute(Str),
}

impl Features {
    pub fn new(names: &[String], signal: Signal) -> Self {
        let feature = |name: &String| match (signal, name.as_str()) {
            (Signal::Traces, "duration") => Feature::Duration,
            (Signal::Traces, "error") => Feature::Error,
            (Signal::Metrics, "value") => Feature::Value,
            (Signal::Metrics, "rate_of_change") => Feature::RateOfChange,
            (Signal::Logs, "severity_number") => Feature::Severity,
            (Signal::Logs, "timestamp_gap") => Feature::TimestampGap,
            (Signal::Logs, "message_length") => Feature::MessageLength,
            (_, name) => Feature::Attribute(name.into()),
        };
        Self { list: names.iter().map(feature).collect(), ..Self::default() }
    }

    pub fn of_span(&self, span: &Span) -> Vec<f64> {
        let failed = span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32);
        let nanos = span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano);
        let value = |feature: &Feature| match feature {
            Feature::Duration => nanos as f64 / 1e6,
            Feature::Error => f64::from(u8::from(failed)),
            Feature::Attribute(key) => attribute(&span.attributes, key),
            _ => 0.0,
        };
        self.list.iter().map(value).collect()
    }

    pub fn of_record(&mut self, record: &LogRecord) -> Vec<f64> {
        let time = match record.time_unix_nano {
            0 => record.observed_time_unix_nano,
            time => time,
        };
        let gap = self.last_record.replace(time).map_or(0.0, |last| time.saturating_sub(last) as f64 / 1e9);
        let length = record.body.as_ref().and_then(AnyValue::as_str).map_or(0, str::len);
        let value = |feature: &Feature| match feature {
            Feature::Severity => f64::from(record.severity_number),
            Feature::TimestampGap => gap,
            Feature::MessageLength => length as f64,
            Feature::Attribute(key) => attribute(&record.attributes, key),
            _ => 0.0,
        };
        self.list.iter().map(value).collect()
    }

    pub fn of_point(&mut self, resource: &[KeyValue], name: &str, point: &NumberDataPoint) -> Vec<f64> {
        let own = point.value.map_or(0.0, crate::otlp::metrics::Number::as_f64);
        let rates = self.list.iter().any(|feature| matches!(feature, Feature::RateOfChange));
        let rate = if rates { self.rate(resource, name, point, own) } else { 0.0 };
        let value = |feature: &Feature| match feature {
            Feature::Value => own,
            Feature::RateOfChange => rate,
            Feature::Attribute(key) => attribute(&point.attributes, key),
            _ => 0.0,
        };
        self.list.iter().map(value).collect()
    }

    fn rate(&mut self, resource: &[KeyValue], name: &str, point: &NumberDataPoint, value: f64) -> f64 {
        let mut digest = Digest::new();
        digest.attributes(resource);
        digest.text(name);
        digest.attributes(&point.attributes);
        if self.last_points.len() >= MAX_SERIES {
            self.last_points.clear();
        }
        match self.last_points.insert(digest.finish(), (point.time_unix_nano, value)) {
            Some((time, before)) if point.time_unix_nano > time => {
                (value - before) / ((point.time_unix_nano - time) as f64 / 1e9)
            }
            _ => 0.0,
        }
    }
}

/// Numbers, bools as 0 and 1, and texts that are numbers; anything else is 0.
fn attribute(attributes: &[KeyValue], key: &Str) -> f64 {
    match find(attributes, key) {
        Some(AnyValue::Int(value)) => *value as f64,
        Some(AnyValue::Double(value)) => *value,
        Some(AnyValue::Bool(value)) => f64::from(u8::from(*value)),
        Some(AnyValue::String(text)) => text.parse().unwrap_or(0.0),
        _ => 0.0,
    }
}
