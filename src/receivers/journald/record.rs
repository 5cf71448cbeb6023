//! From the fields of an entry to the body of a record.

use std::sync::Arc;

use crate::otlp::{AnyValue, Attributes, KeyValue, Str};

use super::file::{Field, Value};
use super::journal::Entry;
use super::position::{Point, cursor, hex};

/// How bodies are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form {
    /// Fields of any length; otherwise those over [`LONG`] bytes are left empty, but `MESSAGE`.
    pub all: bool,
    /// A `MESSAGE` that is no UTF-8 becomes text, not a list of numbers.
    pub message_to_text: bool,
}

/// Bytes of name and value from which a field is left empty without `all`.
const LONG: usize = 4096;
/// Bytes of all fields of an entry, at most; those beyond are left empty.
const MOST: usize = 4 << 20;

/// The body, and how many fields were cut or left empty against the will of the configuration.
pub fn body(entry: &Entry, fields: &[Arc<Field>], form: Form) -> (AnyValue, u64) {
    let mut map: Vec<KeyValue> = Vec::with_capacity(fields.len() + 5);
    let mut room = MOST;
    let mut cut = 0;
    for field in fields {
        let len = field.value.bytes().len();
        let is_message = field.name == "MESSAGE";
        let value = if !form.all && !is_message && field.name.len() + 1 + len >= LONG {
            AnyValue::Empty
        } else if len > room || (field.cut && !is_message) {
            cut += 1;
            AnyValue::Empty
        } else {
            cut += u64::from(field.cut);
            room -= len;
            value_of(&field.value, is_message && form.message_to_text)
        };
        add(&mut map, &field.name, value);
    }
    let point = Point::from(&entry.head);
    map.push(KeyValue::fixed("__CURSOR", cursor(&entry.seqnum_id, &point)));
    map.push(KeyValue::fixed("__MONOTONIC_TIMESTAMP", entry.head.monotonic.to_string()));
    map.push(KeyValue::fixed("__SEQNUM", entry.head.seqnum.to_string()));
    map.push(KeyValue::fixed("__SEQNUM_ID", hex(&entry.seqnum_id)));
    map.set_default("_BOOT_ID", hex(&entry.head.boot));
    (AnyValue::Map(map), cut)
}

/// A field that is there several times becomes a list.
fn add(map: &mut Vec<KeyValue>, name: &Str, value: AnyValue) {
    match map.get_mut(name) {
        Some(AnyValue::Array(values)) if !is_numbers(values) => values.push(value),
        Some(known) => *known = AnyValue::Array(vec![std::mem::take(known), value]),
        None => map.push(KeyValue { key: name.clone(), value }),
    }
}

/// Whether a list stands for bytes.
fn is_numbers(values: &[AnyValue]) -> bool {
    values.first().is_none_or(|first| matches!(first, AnyValue::Int(_)))
}

fn value_of(value: &Value, to_text: bool) -> AnyValue {
    match value {
        Value::Text(text) => AnyValue::String(text.clone()),
        Value::Bytes(bytes) if to_text => AnyValue::String(String::from_utf8_lossy(bytes).into()),
        Value::Bytes(bytes) => {
            AnyValue::Array(bytes.iter().map(|byte| AnyValue::Int((*byte).into())).collect())
        }
    }
}
