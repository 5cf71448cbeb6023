//! JSON text to values, with bounds on what hostile text can make.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;

use super::{EvalError, limits};
use crate::otlp::{AnyValue, KeyValue, Str};

/// A map or a list; every number a float, as the language has it; of equal keys the last wins.
pub fn parse(text: &str) -> Result<AnyValue, EvalError> {
    let count = Cell::new(0);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Seed { depth: 0, count: &count };
    let value = seed
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| EvalError::text(format!("invalid JSON: {error}")))?;
    match value {
        AnyValue::Map(_) | AnyValue::Array(_) => Ok(value),
        _ => Err(EvalError::fixed("the JSON text is neither an object nor an array")),
    }
}

#[derive(Clone, Copy)]
struct Seed<'c> {
    depth: usize,
    /// Values made so far.
    count: &'c Cell<usize>,
}

impl Seed<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= limits::DEPTH {
            return Err(E::custom(format!("nested deeper than {} levels", limits::DEPTH)));
        }
        Ok(Self { depth: self.depth + 1, count: self.count })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = AnyValue;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<AnyValue, D::Error> {
        self.count.set(self.count.get() + 1);
        if self.count.get() > limits::VALUES {
            return Err(D::Error::custom(format!("more than {} values", limits::VALUES)));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = AnyValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: Error>(self) -> Result<AnyValue, E> {
        Ok(AnyValue::Empty)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<AnyValue, E> {
        Ok(AnyValue::Bool(value))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<AnyValue, E> {
        Ok(AnyValue::Double(value as f64))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<AnyValue, E> {
        Ok(AnyValue::Double(value as f64))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<AnyValue, E> {
        Ok(AnyValue::Double(value))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<AnyValue, E> {
        Ok(AnyValue::from(value))
    }
    fn visit_string<E: Error>(self, value: String) -> Result<AnyValue, E> {
        Ok(AnyValue::from(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<AnyValue, A::Error> {
        let deeper = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(deeper)? {
            items.push(item);
        }
        Ok(AnyValue::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnyValue, A::Error> {
        let deeper = self.deeper()?;
        let mut entries = Entries::default();
        while let Some(Key(key)) = map.next_key()? {
            let value = map.next_value_seed(deeper)?;
            entries.set(key, value);
        }
        Ok(AnyValue::Map(entries.list))
    }
}

/// A key, copied once at most.
struct Key(Str);

impl<'de> serde::Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Key, E> {
                Ok(Key(text.into()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Entries with unique keys; large objects get an index.
#[derive(Default)]
struct Entries {
    list: Vec<KeyValue>,
    places: HashMap<Str, usize>,
}

impl Entries {
    fn set(&mut self, key: Str, value: AnyValue) {
        const SMALL: usize = 32;
        if self.list.len() == SMALL && self.places.is_empty() {
            self.places.extend(self.list.iter().enumerate().map(|(i, entry)| (entry.key.clone(), i)));
        }
        let place = if self.places.is_empty() {
            self.list.iter().position(|entry| entry.key == key)
        } else {
            self.places.get(&key).copied()
        };
        if let Some(place) = place {
            self.list[place].value = value;
            return;
        }
        if !self.places.is_empty() {
            self.places.insert(key.clone(), self.list.len());
        }
        self.list.push(KeyValue { key, value });
    }
}
