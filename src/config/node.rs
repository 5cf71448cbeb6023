//! A YAML value with its place in the file.

use serde::{Deserialize, Deserializer};

/// A part of the configuration that is decoded later, by whoever knows its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub(super) value: serde_yaml::Value,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { value: serde_yaml::Value::deserialize(deserializer)? })
    }
}
