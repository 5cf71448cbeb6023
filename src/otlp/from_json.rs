//! OTLP from JSON: ids in hex, 64-bit integers as texts or numbers, enums as numbers or names, bytes
//! in base64. `null` is what is not there, unknown fields are skipped, nesting has a limit.

mod leaves;
mod messages;

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::logs::ResourceLogs;
use super::metrics::ResourceMetrics;
use super::trace::ResourceSpans;
use crate::pipeline::{Data, Signal};

/// Decodes an export request in JSON. Values nest up to some 40 levels.
pub fn decode(signal: Signal, body: &[u8]) -> Result<Data, serde_json::Error> {
    Ok(match signal {
        Signal::Logs => Data::Logs(serde_json::from_slice::<Of<Request<ResourceLogs>>>(body)?.0.0),
        Signal::Metrics => Data::Metrics(serde_json::from_slice::<Of<Request<ResourceMetrics>>>(body)?.0.0),
        Signal::Traces => Data::Traces(serde_json::from_slice::<Of<Request<ResourceSpans>>>(body)?.0.0),
    })
}

/// The export request around the resources.
struct Request<T>(Vec<T>);

impl<T> Default for Request<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromJson + Resources> FromJson for Request<T> {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        let known = name == T::FIELD;
        if known {
            self.0 = list(map)?;
        }
        Ok(known)
    }
}

/// The field of a request that holds them.
trait Resources {
    const FIELD: &'static str;
}
impl Resources for ResourceLogs {
    const FIELD: &'static str = "resourceLogs";
}
impl Resources for ResourceMetrics {
    const FIELD: &'static str = "resourceMetrics";
}
impl Resources for ResourceSpans {
    const FIELD: &'static str = "resourceSpans";
}

/// A message that is read field by field.
trait FromJson: Default {
    /// Takes the value of that field; false when there is no such field.
    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;
}

/// Reads a message.
struct Of<T>(T);

impl<'de, T: FromJson> Deserialize<'de> for Of<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Message<T>(PhantomData<T>);
        impl<'de, T: FromJson> Visitor<'de> for Message<T> {
            type Value = Of<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_unit<E>(self) -> Result<Of<T>, E> {
                Ok(Of(T::default()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Of<T>, A::Error> {
                let mut message = T::default();
                while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
                    if !message.field(&name, &mut map)? {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Of(message))
            }
        }
        deserializer.deserialize_any(Message(PhantomData))
    }
}

/// The name of a field, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);

/// Reads a list of messages; `null` is an empty one.
struct ListOf<T>(Vec<T>);

impl<'de, T: FromJson> Deserialize<'de> for ListOf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T>(PhantomData<T>);
        impl<'de, T: FromJson> Visitor<'de> for List<T> {
            type Value = ListOf<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_unit<E>(self) -> Result<ListOf<T>, E> {
                Ok(ListOf(Vec::new()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ListOf<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(Of(item)) = seq.next_element()? {
                    items.push(item);
                }
                Ok(ListOf(items))
            }
        }
        deserializer.deserialize_any(List(PhantomData))
    }
}

fn message<'de, T: FromJson, A: MapAccess<'de>>(map: &mut A) -> Result<T, A::Error> {
    Ok(map.next_value::<Of<T>>()?.0)
}

/// A message that is absent when it is `null`.
fn optional<'de, T: FromJson, A: MapAccess<'de>>(map: &mut A) -> Result<Option<T>, A::Error> {
    Ok(map.next_value::<Option<Of<T>>>()?.map(|Of(message)| message))
}

fn list<'de, T: FromJson, A: MapAccess<'de>>(map: &mut A) -> Result<Vec<T>, A::Error> {
    Ok(map.next_value::<ListOf<T>>()?.0)
}

#[cfg(test)]
mod tests;
