//! What an expression gives: borrowed from the telemetry where it can be.

use std::borrow::Cow;

use super::EvalError;
use super::time::{Span, Time};
use crate::otlp::attributes::find;
use crate::otlp::{AnyValue, KeyValue, Str};

/// A value on its way through an expression. Nothing in it is copied from the telemetry until an
/// editor stores it.
#[derive(Clone, Debug, Default)]
pub enum Value<'a> {
    #[default]
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Text<'a>),
    Bytes(Cow<'a, [u8]>),
    /// A trace, span or profile id; all zeros when it is not set.
    Id(Id),
    Map(Cow<'a, [KeyValue]>),
    List(Cow<'a, [AnyValue]>),
    Time(Time),
    Duration(Span),
    /// A list of the data model that the language can count and compare with nil, nothing more:
    /// data points, span events, links.
    Items {
        kind: &'static str,
        count: usize,
    },
}

/// A value that lies in the telemetry as it is: small, copied freely, nothing to drop. Conditions
/// are decided on these wherever they can be.
#[derive(Clone, Copy, Debug)]
pub enum Peek<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Map(&'a [KeyValue]),
    List(&'a [AnyValue]),
    /// It has to be made: a [`Value`] can hold it.
    Computed,
}

impl Peek<'_> {
    /// The value under `key`; nil when it is missing or when this is nil.
    #[inline]
    pub fn at_key(self, key: &str) -> Result<Self, EvalError> {
        match self {
            Self::Map(entries) => Ok(find(entries, key).map_or(Self::Nil, Self::from)),
            Self::Nil | Self::Computed => Ok(self),
            other => Value::from(other).at_key(key).map(|_| Self::Nil),
        }
    }

    /// The item at `index`; nil when this is nil.
    pub fn at_index(self, index: i64) -> Result<Self, EvalError> {
        match self {
            Self::List(items) => {
                let item = usize::try_from(index).ok().and_then(|place| items.get(place));
                item.map(Self::from).ok_or(EvalError::OutOfRange(index))
            }
            Self::Nil | Self::Computed => Ok(self),
            other => Value::from(other).at_index(index).map(|_| Self::Nil),
        }
    }
}

impl<'a> From<&'a AnyValue> for Peek<'a> {
    #[inline]
    fn from(value: &'a AnyValue) -> Self {
        match value {
            AnyValue::Empty => Self::Nil,
            AnyValue::String(text) => Self::Text(text),
            AnyValue::Bool(value) => Self::Bool(*value),
            AnyValue::Int(value) => Self::Int(*value),
            AnyValue::Double(value) => Self::Double(*value),
            AnyValue::Array(items) => Self::List(items),
            AnyValue::Map(entries) => Self::Map(entries),
            AnyValue::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

impl<'a> From<Peek<'a>> for Value<'a> {
    #[inline]
    fn from(peek: Peek<'a>) -> Self {
        match peek {
            Peek::Nil | Peek::Computed => Self::Nil,
            Peek::Bool(value) => Self::Bool(value),
            Peek::Int(value) => Self::Int(value),
            Peek::Double(value) => Self::Double(value),
            Peek::Text(text) => Self::Text(Text::Borrowed(text)),
            Peek::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
            Peek::Map(entries) => Self::Map(Cow::Borrowed(entries)),
            Peek::List(items) => Self::List(Cow::Borrowed(items)),
        }
    }
}

/// A text, borrowed or made.
#[derive(Clone, Debug)]
pub enum Text<'a> {
    Borrowed(&'a str),
    Owned(Str),
}

/// The bytes of an id, inline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    bytes: [u8; 16],
    len: u8,
}

impl Id {
    /// An id of `len` bytes; the protocol leaves unset ids empty, here they are zeros. What is
    /// longer than the id is cut, as only broken telemetry has it.
    pub fn new(found: &[u8], len: usize) -> Self {
        let mut bytes = [0; 16];
        let given = found.len().min(len);
        bytes[..given].copy_from_slice(&found[..given]);
        Self { bytes, len: len as u8 }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub fn is_zero(&self) -> bool {
        self.bytes == [0; 16]
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(text) => text,
        }
    }
}

impl Text<'_> {
    pub fn into_str(self) -> Str {
        match self {
            Self::Borrowed(text) => text.into(),
            Self::Owned(text) => text,
        }
    }
}

impl<'a> Value<'a> {
    /// What the type is called in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Double(_) => "float",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Id(_) => "id",
            Self::Map(_) => "map",
            Self::List(_) => "list",
            Self::Time(_) => "time",
            Self::Duration(_) => "duration",
            Self::Items { kind, .. } => kind,
        }
    }

    /// Fails because of this value's type.
    pub fn mismatch<T>(&self, expected: &'static str) -> Result<T, EvalError> {
        Err(EvalError::Type { expected, found: self.kind() })
    }

    /// Nil, or bytes of no length, which the language takes for nil.
    pub fn is_nil(&self) -> bool {
        match self {
            Self::Nil => true,
            Self::Bytes(bytes) => bytes.is_empty(),
            _ => false,
        }
    }

    pub fn text(text: impl Into<Str>) -> Self {
        Self::Text(Text::Owned(text.into()))
    }

    /// The value as telemetry can hold it.
    pub fn into_any(self) -> Result<AnyValue, EvalError> {
        Ok(match self {
            Self::Nil => AnyValue::Empty,
            Self::Bool(value) => AnyValue::Bool(value),
            Self::Int(value) => AnyValue::Int(value),
            Self::Double(value) => AnyValue::Double(value),
            Self::Text(text) => AnyValue::String(text.into_str()),
            Self::Bytes(bytes) => AnyValue::Bytes(bytes.into_owned()),
            Self::Map(entries) => AnyValue::Map(entries.into_owned()),
            Self::List(items) => AnyValue::Array(items.into_owned()),
            Self::Time(_) => {
                return Err(EvalError::fixed(
                    "an attribute cannot hold a time: use UnixNano(…) or FormatTime(…)",
                ));
            }
            Self::Duration(_) => {
                return Err(EvalError::fixed(
                    "an attribute cannot hold a duration: use Seconds(…) or String(…)",
                ));
            }
            Self::Id(_) => {
                return Err(EvalError::fixed(
                    "an attribute cannot hold an id: use its text, such as trace_id.string",
                ));
            }
            Self::Items { .. } => return self.mismatch("a value that an attribute can hold"),
        })
    }

    pub fn into_text(self) -> Result<Text<'a>, EvalError> {
        match self {
            Self::Text(text) => Ok(text),
            other => other.mismatch("string"),
        }
    }

    pub fn into_map(self) -> Result<Cow<'a, [KeyValue]>, EvalError> {
        match self {
            Self::Map(entries) => Ok(entries),
            other => other.mismatch("map"),
        }
    }

    pub fn into_list(self) -> Result<Cow<'a, [AnyValue]>, EvalError> {
        match self {
            Self::List(items) => Ok(items),
            other => other.mismatch("list"),
        }
    }

    pub fn as_int(&self) -> Result<i64, EvalError> {
        match self {
            Self::Int(value) => Ok(*value),
            other => other.mismatch("int"),
        }
    }

    pub fn as_bool(&self) -> Result<bool, EvalError> {
        match self {
            Self::Bool(value) => Ok(*value),
            other => other.mismatch("bool"),
        }
    }

    pub fn as_double(&self) -> Result<f64, EvalError> {
        match self {
            Self::Double(value) => Ok(*value),
            other => other.mismatch("float"),
        }
    }

    /// The value under `key`; nil when it is missing or when this is nil.
    pub fn at_key(self, key: &str) -> Result<Value<'a>, EvalError> {
        match self {
            Self::Nil => Ok(Self::Nil),
            Self::Map(Cow::Borrowed(entries)) => Peek::Map(entries).at_key(key).map(Self::from),
            Self::Map(Cow::Owned(entries)) => Ok(entries
                .into_iter()
                .find(|entry| entry.key == key)
                .map_or(Self::Nil, |entry| Self::from(entry.value))),
            other => Err(EvalError::StringIndex(go_kind(other.kind()))),
        }
    }

    /// The item at `index`; nil when this is nil.
    pub fn at_index(self, index: i64) -> Result<Value<'a>, EvalError> {
        let place = usize::try_from(index).map_err(|_| EvalError::OutOfRange(index));
        match self {
            Self::Nil => Ok(Self::Nil),
            Self::List(Cow::Borrowed(items)) => Peek::List(items).at_index(index).map(Self::from),
            Self::List(Cow::Owned(items)) => {
                items.into_iter().nth(place?).map(Self::from).ok_or(EvalError::OutOfRange(index))
            }
            other => Err(EvalError::IntIndex(go_kind(other.kind()))),
        }
    }
}

/// The names the collector's own messages use for value types.
fn go_kind(kind: &'static str) -> &'static str {
    match kind {
        "string" => "Str",
        "int" => "Int",
        "float" => "Double",
        "bool" => "Bool",
        "bytes" => "Bytes",
        "map" => "Map",
        "list" => "Slice",
        other => other,
    }
}

impl<'a> From<&'a AnyValue> for Value<'a> {
    fn from(value: &'a AnyValue) -> Self {
        Self::from(Peek::from(value))
    }
}

impl From<AnyValue> for Value<'_> {
    fn from(value: AnyValue) -> Self {
        match value {
            AnyValue::Empty => Self::Nil,
            AnyValue::String(text) => Self::Text(Text::Owned(text)),
            AnyValue::Bool(value) => Self::Bool(value),
            AnyValue::Int(value) => Self::Int(value),
            AnyValue::Double(value) => Self::Double(value),
            AnyValue::Array(items) => Self::List(Cow::Owned(items)),
            AnyValue::Map(entries) => Self::Map(Cow::Owned(entries)),
            AnyValue::Bytes(bytes) => Self::Bytes(Cow::Owned(bytes)),
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Text::Borrowed(text))
    }
}

impl<'a> From<&'a [KeyValue]> for Value<'a> {
    fn from(entries: &'a [KeyValue]) -> Self {
        Self::Map(Cow::Borrowed(entries))
    }
}

impl From<Vec<KeyValue>> for Value<'_> {
    fn from(entries: Vec<KeyValue>) -> Self {
        Self::Map(Cow::Owned(entries))
    }
}

impl From<Vec<AnyValue>> for Value<'_> {
    fn from(items: Vec<AnyValue>) -> Self {
        Self::List(Cow::Owned(items))
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_no_larger_than_its_text_and_a_word() {
        assert!(size_of::<Value<'_>>() <= 32, "{}", size_of::<Value<'_>>());
    }
}
