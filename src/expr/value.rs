//! What expressions compute with: views into a record, and the little that is computed.

use std::cmp::Ordering;
use std::rc::Rc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::otlp::attributes::find;
use crate::otlp::{AnyValue, KeyValue, Str};

use super::clock::Moment;
use super::types::Type;

/// A value. Cloning never copies text, lists or maps: they are borrowed from the record (or the
/// expression), or shared.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text<'a>),
    Bytes(&'a [u8]),
    List(List<'a>),
    Map(Map<'a>),
    Time(Moment),
    Duration(SignedDuration),
    Zone(TimeZone),
}

/// Borrowed or computed text.
#[derive(Clone, Debug)]
pub enum Text<'a> {
    Borrowed(&'a str),
    Computed(Rc<str>),
}

#[derive(Clone, Debug)]
pub enum List<'a> {
    Borrowed(&'a [AnyValue]),
    Computed(Rc<[Value<'a>]>),
    /// The integers from the first to the second, both included.
    Range(i64, i64),
}

#[derive(Clone, Debug)]
pub enum Map<'a> {
    Borrowed(&'a [KeyValue]),
    Computed(Rc<[(Text<'a>, Value<'a>)]>),
}

impl<'a> Text<'a> {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Computed(text) => text,
        }
    }

    /// A part of this text: borrowed when it was.
    pub(super) fn slice(&self, range: std::ops::Range<usize>) -> Text<'a> {
        match self {
            Self::Borrowed(text) => Text::Borrowed(&text[range]),
            Self::Computed(text) => Text::Computed(text[range].into()),
        }
    }
}

impl List<'_> {
    pub fn len(&self) -> usize {
        match self {
            Self::Borrowed(items) => items.len(),
            Self::Computed(items) => items.len(),
            Self::Range(from, to) => usize::try_from(to.saturating_sub(*from).saturating_add(1)).unwrap_or(0),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> List<'a> {
    pub fn get(&self, index: usize) -> Option<Value<'a>> {
        match self {
            Self::Borrowed(items) => items.get(index).map(Value::from),
            Self::Computed(items) => items.get(index).cloned(),
            Self::Range(from, _) => {
                (index < self.len()).then(|| Value::Int(from.saturating_add_unsigned(index as u64)))
            }
        }
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Value<'a>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl<'a> Map<'a> {
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        match self {
            Self::Borrowed(entries) => find(entries, key).map(Value::from),
            Self::Computed(entries) => {
                entries.iter().find(|(name, _)| name.as_str() == key).map(|(_, value)| value.clone())
            }
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Borrowed(entries) => entries.len(),
            Self::Computed(entries) => entries.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl Iterator<Item = (Text<'a>, Value<'a>)> + '_ {
        (0..self.len()).map(|index| match self {
            Self::Borrowed(entries) => {
                (Text::Borrowed(&entries[index].key), Value::from(&entries[index].value))
            }
            Self::Computed(entries) => entries[index].clone(),
        })
    }
}

impl<'a> From<&'a AnyValue> for Value<'a> {
    fn from(value: &'a AnyValue) -> Self {
        match value {
            AnyValue::Empty => Self::Nil,
            AnyValue::String(text) => Self::Text(Text::Borrowed(text)),
            AnyValue::Bool(value) => Self::Bool(*value),
            AnyValue::Int(value) => Self::Int(*value),
            AnyValue::Double(value) => Self::Float(*value),
            AnyValue::Array(items) => Self::List(List::Borrowed(items)),
            AnyValue::Map(entries) => Self::Map(Map::Borrowed(entries)),
            AnyValue::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

impl<'a> From<&'a [KeyValue]> for Value<'a> {
    fn from(entries: &'a [KeyValue]) -> Self {
        Self::Map(Map::Borrowed(entries))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Text::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Text::Computed(text.into()))
    }
}

impl<'a> Value<'a> {
    pub(super) fn list(items: Vec<Value<'a>>) -> Self {
        Self::List(List::Computed(items.into()))
    }

    pub fn kind(&self) -> Type {
        match self {
            Self::Nil => Type::Nil,
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Float(_) => Type::Float,
            Self::Text(_) => Type::String,
            Self::Bytes(_) => Type::Bytes,
            Self::List(_) => Type::List,
            Self::Map(_) => Type::Map,
            Self::Time(_) => Type::Time,
            Self::Duration(_) => Type::Duration,
            Self::Zone(_) => Type::Zone,
        }
    }

    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// Order of two numbers, texts, times or durations; `None` for other pairs and for NaN.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.as_str().cmp(b.as_str())),
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(b)),
            (Self::Duration(a), Self::Duration(b)) => Some(a.cmp(b)),
            _ => self.as_float()?.partial_cmp(&other.as_float()?),
        }
    }

    /// Copies the value out of the record, as an attribute or body.
    pub fn to_any(&self) -> AnyValue {
        match self {
            Self::Nil => AnyValue::Empty,
            Self::Bool(value) => AnyValue::Bool(*value),
            Self::Int(value) => AnyValue::Int(*value),
            Self::Float(value) => AnyValue::Double(*value),
            Self::Text(text) => AnyValue::String(Str::new(text.as_str())),
            Self::Bytes(bytes) => AnyValue::Bytes(bytes.to_vec()),
            Self::List(List::Borrowed(items)) => AnyValue::Array(items.to_vec()),
            Self::List(list) => AnyValue::Array(list.iter().map(|item| item.to_any()).collect()),
            Self::Map(Map::Borrowed(entries)) => AnyValue::Map(entries.to_vec()),
            Self::Map(map) => AnyValue::Map(
                map.iter().map(|(key, value)| KeyValue::new(key.as_str(), value.to_any())).collect(),
            ),
            Self::Time(_) | Self::Duration(_) | Self::Zone(_) => AnyValue::String(self.to_string().into()),
        }
    }
}

/// Equality of the language: numbers by value whatever their kind, lists and maps deeply, and
/// different kinds are different without being an error.
impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a.as_str() == b.as_str(),
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a == b)
            }
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, value)| b.get(key.as_str()).is_some_and(|v| v == value))
            }
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Duration(a), Self::Duration(b)) => a == b,
            (Self::Zone(a), Self::Zone(b)) => a == b,
            _ => matches!((self.as_float(), other.as_float()), (Some(a), Some(b)) if a == b),
        }
    }
}

/// As the function `string()` writes it.
impl std::fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nil => f.write_str("<nil>"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => super::number::write_float(f, *value),
            Self::Text(text) => f.write_str(text.as_str()),
            Self::Bytes(bytes) => {
                f.write_str("[")?;
                for (n, byte) in bytes.iter().enumerate() {
                    write!(f, "{}{byte}", if n > 0 { " " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::List(list) => {
                f.write_str("[")?;
                for (n, item) in list.iter().enumerate() {
                    write!(f, "{}{item}", if n > 0 { " " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Map(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
                f.write_str("map[")?;
                for (n, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{}:{value}", if n > 0 { " " } else { "" }, key.as_str())?;
                }
                f.write_str("]")
            }
            Self::Time(time) => write!(f, "{time}"),
            Self::Duration(duration) => super::number::write_duration(f, *duration),
            Self::Zone(zone) => f.write_str(zone.iana_name().unwrap_or("Local")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_small() {
        assert!(size_of::<Value>() <= 32, "{}", size_of::<Value>());
    }
}
