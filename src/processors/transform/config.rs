//! The statement lists of the configuration: single statements, or groups with a context.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

/// What becomes of an error while a statement runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorMode {
    /// Logged once; the next statement runs.
    Ignore,
    /// The next statement runs.
    Silent,
    /// Logged once; the other statements of the group do not run on the item.
    #[default]
    Propagate,
}

/// One entry of a statement list.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A statement whose paths name their context.
    Flat(String),
    Group(GroupConfig),
}

/// Statements that run on the same kind of item.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupConfig {
    /// Inferred when it is left out.
    pub context: Option<String>,
    /// That of the processor when it is left out.
    pub error_mode: Option<ErrorMode>,
    /// The statements run on an item for which one of these holds, or there are none.
    pub conditions: Vec<String>,
    pub statements: Vec<String>,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Entry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a statement, or a group with \"context\" and \"statements\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Entry, E> {
                Ok(Entry::Flat(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
                GroupConfig::deserialize(MapAccessDeserializer::new(map)).map(Entry::Group)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
