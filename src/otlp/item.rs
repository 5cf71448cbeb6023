//! How items are written: what `prost` writes, without measuring attributes that need no measuring.
//! Nearly all are texts, whose lengths give those of what is around them.

use prost::Message;
use prost::encoding::{WireType, bytes, fixed32, fixed64, int32, message, string, uint32};

use super::any::{KEY, STRING, VALUE};
use super::encode::{field_len, put_head};
use super::logs::LogRecord;
use super::metrics::Metric;
use super::trace::Span;
use super::{AnyValue, KeyValue};

/// A log record, metric or span as its scope holds it.
pub trait Item: Message + Sized {
    /// Appends the encoded message to `buf`.
    fn write(&self, buf: &mut Vec<u8>) {
        self.encode_raw(buf);
    }
}

impl Item for Metric {}

impl Item for Span {}

// Field numbers of LogRecord.
const TIME: u32 = 1;
const SEVERITY: u32 = 2;
const SEVERITY_TEXT: u32 = 3;
const BODY: u32 = 5;
const ATTRIBUTES: u32 = 6;
const DROPPED_ATTRIBUTES: u32 = 7;
const FLAGS: u32 = 8;
const TRACE_ID: u32 = 9;
const SPAN_ID: u32 = 10;
const OBSERVED: u32 = 11;
const EVENT_NAME: u32 = 12;

impl Item for LogRecord {
    fn write(&self, buf: &mut Vec<u8>) {
        if self.time_unix_nano != 0 {
            fixed64::encode(TIME, &self.time_unix_nano, buf);
        }
        if self.severity_number != 0 {
            int32::encode(SEVERITY, &self.severity_number, buf);
        }
        if !self.severity_text.is_empty() {
            string::encode(SEVERITY_TEXT, &self.severity_text, buf);
        }
        match &self.body {
            Some(AnyValue::String(text)) => put_text_value(BODY, text, buf),
            Some(body) => message::encode(BODY, body, buf),
            None => {}
        }
        self.attributes.iter().for_each(|attribute| put_attribute(ATTRIBUTES, attribute, buf));
        if self.dropped_attributes_count != 0 {
            uint32::encode(DROPPED_ATTRIBUTES, &self.dropped_attributes_count, buf);
        }
        if self.flags != 0 {
            fixed32::encode(FLAGS, &self.flags, buf);
        }
        if !self.trace_id.is_empty() {
            bytes::encode(TRACE_ID, &self.trace_id, buf);
        }
        if !self.span_id.is_empty() {
            bytes::encode(SPAN_ID, &self.span_id, buf);
        }
        if self.observed_time_unix_nano != 0 {
            fixed64::encode(OBSERVED, &self.observed_time_unix_nano, buf);
        }
        if !self.event_name.is_empty() {
            string::encode(EVENT_NAME, &self.event_name, buf);
        }
    }
}

/// Key and text of an attribute whose lengths, and those of all around them, take one byte each.
const SHORT: usize = 127 - 6;

fn put_attribute(tag: u32, attribute: &KeyValue, buf: &mut Vec<u8>) {
    let key = attribute.key.as_bytes();
    match &attribute.value {
        AnyValue::String(text) if !key.is_empty() && key.len() + text.len() <= SHORT => {
            let text = text.as_bytes();
            let value = 2 + text.len();
            let all = 2 + key.len() + 2 + value;
            buf.reserve(2 + all);
            buf.extend_from_slice(&[head(tag), all as u8, head(KEY), key.len() as u8]);
            buf.extend_from_slice(key);
            buf.extend_from_slice(&[head(VALUE), value as u8, head(STRING), text.len() as u8]);
            buf.extend_from_slice(text);
        }
        AnyValue::String(text) if !key.is_empty() => {
            let value = field_len(STRING, text.len());
            put_head(tag, field_len(KEY, key.len()) + field_len(VALUE, value), buf);
            put_head(KEY, key.len(), buf);
            buf.extend_from_slice(key);
            put_text_value(VALUE, text, buf);
        }
        _ => message::encode(tag, attribute, buf),
    }
}

/// A value that is a text.
fn put_text_value(tag: u32, text: &str, buf: &mut Vec<u8>) {
    put_head(tag, field_len(STRING, text.len()), buf);
    put_head(STRING, text.len(), buf);
    buf.extend_from_slice(text.as_bytes());
}

/// The key of a field with a length, for the numbers below 16.
const fn head(tag: u32) -> u8 {
    (tag << 3) as u8 | WireType::LengthDelimited as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = AnyValue> {
        let text = prop_oneof!["[a-zé]{0,12}", "[a-z]{110,140}", "[a-z]{16370,16390}"];
        let leaf = prop_oneof![
            4 => text.prop_map(AnyValue::from),
            1 => Just(AnyValue::Empty),
            1 => any::<bool>().prop_map(AnyValue::from),
            1 => any::<i64>().prop_map(AnyValue::from),
            1 => any::<f64>().prop_map(AnyValue::from),
            1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(AnyValue::Bytes),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            let entry = ("[a-z]{0,4}", inner.clone()).prop_map(|(key, value)| KeyValue::new(key, value));
            prop_oneof![
                prop::collection::vec(inner, 0..3).prop_map(AnyValue::Array),
                prop::collection::vec(entry, 0..3).prop_map(AnyValue::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_log_record_is_written_as_prost_writes_it(
            body in prop::option::of(value()),
            attributes in prop::collection::vec(("[a-z.]{0,30}", value()), 0..6),
            full in any::<bool>(),
        ) {
            let mut record = LogRecord {
                body,
                attributes: attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect(),
                ..LogRecord::default()
            };
            if full {
                record.time_unix_nano = 1;
                record.severity_number = 300;
                record.severity_text = "INFO".to_owned();
                record.dropped_attributes_count = 2;
                record.flags = 1;
                record.trace_id = vec![7; 16];
                record.span_id = vec![8; 8];
                record.observed_time_unix_nano = 9;
                record.event_name = "event".to_owned();
            }
            let mut written = Vec::new();
            record.write(&mut written);
            prop_assert!(written == record.encode_to_vec());
        }
    }
}
