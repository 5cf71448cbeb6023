//! [`Node`] as the field of a config struct.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::diagnostic::Place;
use super::node::{Entry, Node, Value};

/// The newtype name by which [`Node`] asks for the node itself.
pub(super) const NODE: &str = "$node";
/// The newtype name by which [`super::types::section`] asks for an optional section: a value, nothing
/// when it is turned off, or unit when it is there without content.
pub(super) const SECTION: &str = "$section";

thread_local! {
    /// A node on its way from the deserializer to [`Node::deserialize`]: `serde` has no way for a
    /// value of the format's own.
    pub(super) static HANDED_OVER: Cell<Option<Node>> = const { Cell::new(None) };
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NODE, NodeVisitor)
    }
}

/// Takes the node that was handed over; from any other format it builds one without a place.
struct NodeVisitor;

impl NodeVisitor {
    fn node(value: Value) -> Node {
        Node::new(value, Place::default())
    }
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(HANDED_OVER.take().unwrap_or_default())
    }
    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::default())
    }
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Node, D::Error> {
        inner.deserialize_any(self)
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Node, D::Error> {
        inner.deserialize_any(self)
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        Ok(Self::node(Value::Bool(value)))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        Ok(Self::node(Value::Int(value.into())))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        Ok(Self::node(Value::Int(value.into())))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        Ok(Self::node(Value::Float(value)))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Node, E> {
        Ok(Self::node(Value::String(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Self::node(Value::List(items)))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = access.next_entry()? {
            entries.push(Entry { key, key_place: Place::default(), value });
        }
        Ok(Self::node(Value::Map(entries)))
    }
}
