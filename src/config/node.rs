//! A YAML value with its place in the file.

use std::fmt;

use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::Xxh3;

use super::decode::Issues;
use super::diagnostic::{Place, join};

/// A part of the configuration. As a field of a config struct it is decoded later, by whoever
/// knows its type, and still knows its place in the file.
///
/// Equality looks at the value alone, not at the place.
#[derive(Clone, Default)]
pub struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
    /// The text of a scalar that came whole from `${…}`: what a text field gets.
    pub(super) original: Option<String>,
    /// It came from a variable that holds a secret: never shown.
    pub(super) secret: bool,
}

/// The value of a [`Node`]. Integers are those of `i64` and `u64`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    String(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a map with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_place: Place,
    pub value: Node,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.value == other.value
    }
}

/// What a [`Node`] holds. `Display` gives the words for error messages: `a map`, `text`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bool,
    Int,
    Float,
    String,
    List,
    Map,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Int => "an integer",
            Self::Float => "a number",
            Self::String => "text",
            Self::List => "a list",
            Self::Map => "a map",
        })
    }
}

impl Node {
    pub(super) fn new(value: Value, place: Place) -> Self {
        Self { value, place, original: None, secret: false }
    }

    pub fn kind(&self) -> Kind {
        match self.value {
            Value::Null => Kind::Null,
            Value::Bool(_) => Kind::Bool,
            Value::Int(_) => Kind::Int,
            Value::Float(_) => Kind::Float,
            Value::String(_) => Kind::String,
            Value::List(_) => Kind::List,
            Value::Map(_) => Kind::Map,
        }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The text of a string, or of a scalar that came from a variable.
    pub fn as_str(&self) -> Option<&str> {
        match self.value {
            Value::List(_) | Value::Map(_) => None,
            _ => self.text(),
        }
    }

    /// The text that a text field gets: even a variable that reads as a list is text there.
    pub(super) fn text(&self) -> Option<&str> {
        match (&self.original, &self.value) {
            (Some(text), _) | (None, Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// How a scalar shows in messages; empty for a map or a list.
    pub(super) fn scalar_text(&self) -> String {
        match &self.value {
            Value::Null | Value::List(_) | Value::Map(_) => String::new(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::String(text) => text.clone(),
        }
    }

    /// Calls `change` on this node and all below it.
    pub(super) fn walk(&mut self, change: &mut dyn FnMut(&mut Node)) {
        change(self);
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.walk(change)),
            Value::Map(entries) => entries.iter_mut().for_each(|entry| entry.value.walk(change)),
            _ => {}
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// An integer that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self.value {
            Value::Int(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// A float or an integer.
    pub fn as_f64(&self) -> Option<f64> {
        match self.value {
            Value::Float(value) => Some(value),
            Value::Int(value) => Some(value as f64),
            _ => None,
        }
    }

    /// The value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The entries of a map in the order of the file; none for anything else.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.map().iter().map(|entry| (entry.key.as_str(), &entry.value))
    }

    pub(super) fn map(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// A digest of the value, without places: equal for equal values, in whatever file they stand.
    pub fn digest(&self) -> u64 {
        let mut hasher = Xxh3::new();
        self.feed(&mut hasher);
        hasher.digest()
    }

    fn feed(&self, hasher: &mut Xxh3) {
        // The kind and the length first, so that no two values are the same bytes.
        let mut part = |kind: u8, bytes: &[u8]| {
            hasher.update(&[kind]);
            hasher.update(&bytes.len().to_le_bytes());
            hasher.update(bytes);
        };
        match &self.value {
            Value::Null => part(0, &[]),
            Value::Bool(value) => part(1, &[u8::from(*value)]),
            Value::Int(value) => part(2, &value.to_le_bytes()),
            Value::Float(value) => part(3, &value.to_le_bytes()),
            Value::String(text) => part(4, text.as_bytes()),
            Value::List(items) => {
                part(5, &items.len().to_le_bytes());
                items.iter().for_each(|item| item.feed(hasher));
            }
            Value::Map(entries) => {
                part(6, &entries.len().to_le_bytes());
                for entry in entries {
                    hasher.update(&entry.key.len().to_le_bytes());
                    hasher.update(entry.key.as_bytes());
                    entry.value.feed(hasher);
                }
            }
        }
        if let Some(original) = &self.original {
            hasher.update(original.as_bytes());
        }
    }

    /// Calls `seen` with every text in this node and below it.
    pub fn scalars<'a>(&'a self, seen: &mut dyn FnMut(&'a str)) {
        match &self.value {
            Value::List(items) => items.iter().for_each(|item| item.scalars(seen)),
            Value::Map(entries) => entries.iter().for_each(|entry| entry.value.scalars(seen)),
            _ => {
                if let Some(text) = self.as_str() {
                    seen(text);
                }
            }
        }
    }

    /// Decodes this part of a section. `path` is where it is in the section of `issues`, parts
    /// joined with `::`; whatever is wrong goes there, with its place.
    pub fn decode<T: DeserializeOwned>(&self, path: &str, issues: &mut Issues) -> Option<T> {
        let path = join(issues.path(), path);
        super::decode::decode(self, &path, issues.found())
    }

    /// Levels of maps and lists.
    pub(super) fn depth(&self) -> usize {
        let below = match &self.value {
            Value::List(items) => items.iter().map(Self::depth).max(),
            Value::Map(entries) => entries.iter().map(|entry| entry.value.depth()).max(),
            _ => return 0,
        };
        1 + below.unwrap_or(0)
    }

    /// The node at `path`, or the last one on the way to it that exists.
    pub(super) fn nearest(&self, path: &str) -> &Node {
        let mut node = self;
        for part in path.split("::") {
            let next = match &node.value {
                Value::List(items) => part.parse().ok().and_then(|i: usize| items.get(i)),
                _ => node.get(part),
            };
            match next {
                Some(child) => node = child,
                None => break,
            }
        }
        node
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value && self.original == other.original
    }
}

/// Shows the value as YAML in one line, secrets masked.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            _ if self.secret => f.write_str("[REDACTED]"),
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value:?}"),
            Value::String(text) => write!(f, "{text:?}"),
            Value::List(items) => f.debug_list().entries(items).finish(),
            Value::Map(entries) => f.debug_map().entries(entries.iter().map(|e| (&e.key, &e.value))).finish(),
        }
    }
}
