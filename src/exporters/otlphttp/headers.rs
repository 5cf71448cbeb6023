//! The headers a user adds to every request.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::types::Secret;

/// Names and values, from a map or from a list of `name` and `value`. Values are never printed.
#[derive(Clone, Debug, Default)]
pub struct Headers(pub Vec<(String, Secret)>);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    value: Option<Secret>,
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Headers;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of header names to values, or a list of \"name\" and \"value\"")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Option<Secret>>()? {
                    headers.push((name, value.unwrap_or_default()));
                }
                Ok(Headers(headers))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some(entry) = list.next_element::<Entry>()? {
                    headers.push((entry.name, entry.value.unwrap_or_default()));
                }
                Ok(Headers(headers))
            }
            fn visit_unit<E>(self) -> Result<Headers, E> {
                Ok(Headers::default())
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Headers {
    /// The headers as the wire takes them; the error names the header and never its value.
    pub fn to_map(&self) -> Result<HeaderMap, String> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.0 {
            let key =
                HeaderName::try_from(name.as_str()).map_err(|_| format!("\"{name}\" is no header name"))?;
            let mut value = HeaderValue::try_from(value.reveal()).map_err(|_| {
                format!(
                    "the value of \"{name}\" has characters that no header may have, such as a line break"
                )
            })?;
            value.set_sensitive(true);
            map.insert(key, value);
        }
        Ok(map)
    }
}
