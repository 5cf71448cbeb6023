//! Attribute values: `opentelemetry.proto.common.v1.AnyValue` and `KeyValue`.

use prost::DecodeError;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{
    DecodeContext, WireType, bool, bytes, double, encode_key, encode_varint, int64, message, skip_field,
    string,
};

use super::encode::field_len;

/// Text that lives inline up to 24 bytes and costs nothing to make from a literal
/// ([`Str::const_new`]): attribute keys and most values never reach the allocator.
pub type Str = compact_str::CompactString;

/// An attribute or a log body: `opentelemetry.proto.common.v1.AnyValue`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum AnyValue {
    /// The message without a value (`nil` in the configuration languages).
    #[default]
    Empty,
    String(Str),
    Bool(bool),
    Int(i64),
    Double(f64),
    Array(Vec<AnyValue>),
    Map(Vec<KeyValue>),
    Bytes(Vec<u8>),
}

/// One attribute: `opentelemetry.proto.common.v1.KeyValue`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyValue {
    pub key: Str,
    pub value: AnyValue,
}

impl KeyValue {
    pub fn new(key: impl Into<Str>, value: impl Into<AnyValue>) -> Self {
        Self { key: key.into(), value: value.into() }
    }

    /// An attribute whose key is a literal: the key is not copied.
    pub fn fixed(key: &'static str, value: impl Into<AnyValue>) -> Self {
        Self { key: Str::const_new(key), value: value.into() }
    }
}

impl AnyValue {
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&[KeyValue]> {
        match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Bytes this value takes in memory beside the enum itself, roughly: what byte-bounded queues count.
    pub fn heap_size(&self) -> usize {
        match self {
            Self::String(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Array(items) => {
                items.iter().map(Self::heap_size).sum::<usize>() + items.len() * size_of::<Self>()
            }
            Self::Map(entries) => entries
                .iter()
                .map(|entry| entry.key.len() + entry.value.heap_size() + size_of::<KeyValue>())
                .sum(),
            Self::Empty | Self::Bool(_) | Self::Int(_) | Self::Double(_) => 0,
        }
    }
}

impl From<&str> for AnyValue {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}
impl From<String> for AnyValue {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}
impl From<Str> for AnyValue {
    fn from(text: Str) -> Self {
        Self::String(text)
    }
}
impl From<bool> for AnyValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<i64> for AnyValue {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}
impl From<f64> for AnyValue {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}
impl From<Vec<AnyValue>> for AnyValue {
    fn from(items: Vec<AnyValue>) -> Self {
        Self::Array(items)
    }
}
impl From<Vec<KeyValue>> for AnyValue {
    fn from(entries: Vec<KeyValue>) -> Self {
        Self::Map(entries)
    }
}

// Field numbers of AnyValue's `oneof value`.
pub(super) const STRING: u32 = 1;
const BOOL: u32 = 2;
const INT: u32 = 3;
const DOUBLE: u32 = 4;
const ARRAY: u32 = 5;
const MAP: u32 = 6;
const BYTES: u32 = 7;
// Field numbers of KeyValue; ArrayValue and KeyValueList hold their items in field 1.
pub(super) const KEY: u32 = 1;
pub(super) const VALUE: u32 = 2;
const ITEMS: u32 = 1;

fn put_str(tag: u32, text: &str, buf: &mut impl BufMut) {
    encode_key(tag, WireType::LengthDelimited, buf);
    encode_varint(text.len() as u64, buf);
    buf.put_slice(text.as_bytes());
}

fn items_len<M: prost::Message>(items: &[M]) -> usize {
    message::encoded_len_repeated(ITEMS, items)
}

fn put_items<M: prost::Message>(tag: u32, items: &[M], buf: &mut impl BufMut) {
    encode_key(tag, WireType::LengthDelimited, buf);
    encode_varint(items_len(items) as u64, buf);
    message::encode_repeated(ITEMS, items, buf);
}

/// Reads the wrapper message (`ArrayValue`, `KeyValueList`) around a list of items.
fn merge_items<M: prost::Message + Default>(
    wire_type: WireType,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<Vec<M>, DecodeError> {
    let mut wrapper = Items(Vec::new());
    message::merge(wire_type, &mut wrapper, buf, ctx)?;
    Ok(wrapper.0)
}

#[derive(Debug, Default)]
struct Items<M>(Vec<M>);

impl<M: prost::Message + Default> prost::Message for Items<M> {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        message::encode_repeated(ITEMS, &self.0, buf);
    }
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            ITEMS => message::merge_repeated(wire_type, &mut self.0, buf, ctx),
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }
    fn encoded_len(&self) -> usize {
        items_len(&self.0)
    }
    fn clear(&mut self) {
        self.0.clear();
    }
}

impl prost::Message for AnyValue {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        match self {
            Self::Empty => {}
            Self::String(text) => put_str(STRING, text, buf),
            Self::Bool(value) => bool::encode(BOOL, value, buf),
            Self::Int(value) => int64::encode(INT, value, buf),
            Self::Double(value) => double::encode(DOUBLE, value, buf),
            Self::Array(items) => put_items(ARRAY, items, buf),
            Self::Map(entries) => put_items(MAP, entries, buf),
            Self::Bytes(value) => bytes::encode(BYTES, value, buf),
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        *self = match tag {
            STRING => {
                let mut text = String::new();
                string::merge(wire_type, &mut text, buf, ctx)?;
                Self::String(text.into())
            }
            BOOL => {
                let mut value = false;
                bool::merge(wire_type, &mut value, buf, ctx)?;
                Self::Bool(value)
            }
            INT => {
                let mut value = 0;
                int64::merge(wire_type, &mut value, buf, ctx)?;
                Self::Int(value)
            }
            DOUBLE => {
                let mut value = 0.0;
                double::merge(wire_type, &mut value, buf, ctx)?;
                Self::Double(value)
            }
            ARRAY => Self::Array(merge_items(wire_type, buf, ctx)?),
            MAP => Self::Map(merge_items(wire_type, buf, ctx)?),
            BYTES => {
                let mut value = Vec::new();
                bytes::merge(wire_type, &mut value, buf, ctx)?;
                Self::Bytes(value)
            }
            _ => return skip_field(wire_type, tag, buf, ctx),
        };
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::String(text) => field_len(STRING, text.len()),
            Self::Bool(value) => bool::encoded_len(BOOL, value),
            Self::Int(value) => int64::encoded_len(INT, value),
            Self::Double(value) => double::encoded_len(DOUBLE, value),
            Self::Array(items) => field_len(ARRAY, items_len(items)),
            Self::Map(entries) => field_len(MAP, items_len(entries)),
            Self::Bytes(value) => bytes::encoded_len(BYTES, value),
        }
    }

    fn clear(&mut self) {
        *self = Self::Empty;
    }
}

impl prost::Message for KeyValue {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        if !self.key.is_empty() {
            put_str(KEY, &self.key, buf);
        }
        if !self.value.is_empty() {
            message::encode(VALUE, &self.value, buf);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            KEY => {
                let mut text = String::new();
                string::merge(wire_type, &mut text, buf, ctx)?;
                self.key = text.into();
                Ok(())
            }
            VALUE => message::merge(wire_type, &mut self.value, buf, ctx),
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        let key = if self.key.is_empty() { 0 } else { field_len(KEY, self.key.len()) };
        let value = if self.value.is_empty() { 0 } else { message::encoded_len(VALUE, &self.value) };
        key + value
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[test]
    fn every_kind_of_value_survives_the_wire() {
        let value = AnyValue::Map(vec![
            KeyValue::fixed("text", "short"),
            KeyValue::fixed("long", "x".repeat(100)),
            KeyValue::fixed("none", AnyValue::Empty),
            KeyValue::fixed("no", false),
            KeyValue::fixed("n", -7),
            KeyValue::fixed("d", 0.0),
            KeyValue::fixed("list", vec![AnyValue::Empty, AnyValue::Bytes(vec![0, 255])]),
            KeyValue::fixed("empty list", Vec::<AnyValue>::new()),
        ]);
        let wire = value.encode_to_vec();
        assert_eq!(wire.len(), value.encoded_len());
        assert_eq!(AnyValue::decode(&wire[..]).unwrap(), value);
    }

    #[test]
    fn a_value_is_no_larger_than_its_text() {
        assert!(size_of::<AnyValue>() <= 32);
        assert!(size_of::<KeyValue>() <= 56);
    }
}
