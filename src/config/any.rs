//! YAML values as attribute values.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::node::{Node, Value};
use crate::otlp::{AnyValue, KeyValue};

/// A number beyond `i64` becomes a double; a variable gives its parsed value.
impl From<&Node> for AnyValue {
    fn from(node: &Node) -> Self {
        match &node.value {
            Value::Null => Self::Empty,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => {
                i64::try_from(*value).map_or_else(|_| Self::Double(*value as f64), Self::Int)
            }
            Value::Float(value) => Self::Double(*value),
            Value::String(text) => Self::String(text.as_str().into()),
            Value::List(items) => Self::Array(items.iter().map(Self::from).collect()),
            Value::Map(entries) => Self::Map(
                entries
                    .iter()
                    .map(|entry| KeyValue::new(entry.key.as_str(), Self::from(&entry.value)))
                    .collect(),
            ),
        }
    }
}

impl<'de> Deserialize<'de> for AnyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = AnyValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E: de::Error>(self) -> Result<AnyValue, E> {
        Ok(AnyValue::Empty)
    }
    fn visit_none<E: de::Error>(self) -> Result<AnyValue, E> {
        Ok(AnyValue::Empty)
    }
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<AnyValue, D::Error> {
        AnyValue::deserialize(inner)
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<AnyValue, E> {
        Ok(AnyValue::Bool(value))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<AnyValue, E> {
        Ok(AnyValue::Int(value))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<AnyValue, E> {
        Ok(i64::try_from(value).map_or_else(|_| AnyValue::Double(value as f64), AnyValue::Int))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<AnyValue, E> {
        Ok(AnyValue::Double(value))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<AnyValue, E> {
        Ok(AnyValue::String(text.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<AnyValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(AnyValue::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<AnyValue, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = access.next_entry::<String, AnyValue>()? {
            entries.push(KeyValue::new(key, value));
        }
        Ok(AnyValue::Map(entries))
    }
}
