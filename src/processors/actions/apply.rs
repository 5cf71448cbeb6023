//! Running actions on a list of attributes.

use regex::Regex;

use super::convert::{Conversion, hash};
use crate::otlp::attributes::{find, position};
use crate::otlp::{AnyValue, Attributes, KeyValue, Str};

/// A checked list of actions.
#[derive(Debug)]
pub struct Actions {
    list: Vec<Action>,
    /// By action: the bit of the key without which nothing happens, if there is one.
    needed: Vec<Keys>,
    /// How long these keys are, by a bit for each length.
    lengths: u64,
}

#[derive(Debug)]
pub struct Action {
    /// Empty for the actions that have a [`Target`].
    pub key: Str,
    pub operation: Operation,
}

#[derive(Debug)]
pub enum Operation {
    /// Sets the key when it is absent.
    Insert(Source),
    /// Sets the key when it is there.
    Update(Source),
    Upsert(Source),
    Delete(Target),
    Hash(Target),
    /// Sets one attribute per named group when the text at the key matches.
    Extract {
        pattern: Regex,
        names: Vec<Str>,
    },
    Convert(Conversion),
}

/// Where a value comes from.
#[derive(Debug)]
pub enum Source {
    Value(AnyValue),
    Attribute { from: Str, default: Option<AnyValue> },
    Nothing,
}

/// Which attributes `delete` and `hash` act upon: the key, and every key the pattern finds a match in.
#[derive(Debug)]
pub struct Target {
    pub key: Option<Str>,
    pub pattern: Option<Regex>,
}

impl Actions {
    pub fn new(mut list: Vec<Action>) -> Self {
        list.retain(|action| !action.keeps_what_is_there());
        let needed = list.iter().map(|action| action.needs().map_or(Keys(0), Keys::holding)).collect();
        let lengths = list.iter().filter_map(Action::needs).fold(0, |all, key| all | length_bit(key));
        Self { list, needed, lengths }
    }

    /// Nothing ever changes.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether the actions change anything: data that is shared is not copied for nothing.
    ///
    /// As long as no action has changed anything, each sees the attributes as they came, so one
    /// look per action is enough.
    pub fn change(&self, attributes: &[KeyValue]) -> bool {
        if self.is_empty() {
            return false;
        }
        let may_matter = attributes.iter().filter(|entry| length_bit(&entry.key) & self.lengths != 0);
        let keys = Keys(may_matter.fold(0, |all, entry| all | Keys::holding(&entry.key).0));
        let mut both = self.list.iter().zip(&self.needed);
        both.any(|(action, needed)| keys.may_hold(*needed) && action.changes(attributes))
    }

    pub fn apply(&self, attributes: &mut Vec<KeyValue>) {
        for action in &self.list {
            action.apply(attributes);
        }
    }
}

/// Which keys may be in a list, by a bit for each: most actions are about keys that are not there.
#[derive(Clone, Copy, Debug)]
struct Keys(u64);

impl Keys {
    /// Keys differ in their length and their end rather than in their beginning.
    fn holding(key: impl AsRef<str>) -> Self {
        let key = key.as_ref();
        let end = key.as_bytes().last_chunk::<4>().map_or(0, |end| u32::from_ne_bytes(*end));
        let mixed = (end ^ key.len() as u32).wrapping_mul(0x9E37_79B9);
        Self(1 << (mixed >> 26))
    }

    fn may_hold(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

fn length_bit(key: &str) -> u64 {
    1 << (key.len() % 64)
}

impl Action {
    /// The attribute that is changed or that a value is set from, if nothing happens without it.
    fn needs(&self) -> Option<&Str> {
        match &self.operation {
            Operation::Insert(Source::Attribute { from, default: None })
            | Operation::Update(Source::Attribute { from, default: None })
            | Operation::Upsert(Source::Attribute { from, default: None }) => Some(from),
            Operation::Update(_) | Operation::Extract { .. } | Operation::Convert(_) => Some(&self.key),
            _ => None,
        }
    }

    /// It sets a key to the value that the key has.
    fn keeps_what_is_there(&self) -> bool {
        match &self.operation {
            Operation::Insert(source) | Operation::Update(source) | Operation::Upsert(source) => {
                matches!(source, Source::Attribute { from, default: None } if *from == self.key)
            }
            _ => false,
        }
    }

    fn changes(&self, attributes: &[KeyValue]) -> bool {
        let current = find(attributes, &self.key);
        match &self.operation {
            Operation::Insert(source) => current.is_none() && source.get(attributes).is_some(),
            Operation::Update(source) => {
                current.is_some() && source.get(attributes).is_some_and(|value| current != Some(value))
            }
            Operation::Upsert(source) => source.get(attributes).is_some_and(|value| current != Some(value)),
            Operation::Delete(target) | Operation::Hash(target) => {
                attributes.iter().any(|entry| target.matches(&entry.key))
            }
            Operation::Extract { pattern, .. } => {
                current.and_then(AnyValue::as_str).is_some_and(|text| pattern.is_match(text))
            }
            Operation::Convert(conversion) => current.is_some_and(|value| conversion.apply(value).is_some()),
        }
    }

    fn apply(&self, attributes: &mut Vec<KeyValue>) {
        match &self.operation {
            Operation::Insert(source) => {
                if find(attributes, &self.key).is_none()
                    && let Some(value) = source.get(attributes).cloned()
                {
                    attributes.push(KeyValue { key: self.key.clone(), value });
                }
            }
            Operation::Update(source) => {
                if let Some(place) = position(attributes, &self.key)
                    && let Some(value) = source.get(attributes).cloned()
                {
                    attributes[place].value = value;
                }
            }
            Operation::Upsert(source) => {
                if let Some(value) = source.get(attributes).cloned() {
                    match attributes.get_mut(&self.key) {
                        Some(slot) => *slot = value,
                        None => attributes.push(KeyValue { key: self.key.clone(), value }),
                    }
                }
            }
            Operation::Delete(target) => attributes.retain(|entry| !target.matches(&entry.key)),
            Operation::Hash(target) => {
                for entry in attributes.iter_mut().filter(|entry| target.matches(&entry.key)) {
                    entry.value = AnyValue::String(hash(&entry.value));
                }
            }
            Operation::Extract { pattern, names } => self.extract(pattern, names, attributes),
            Operation::Convert(conversion) => {
                if let Some(value) = attributes.get_mut(&self.key) {
                    match conversion.apply(value) {
                        Some(converted) => *value = converted,
                        None => log::debug!("attribute \"{}\" is left as it is: not convertible", self.key),
                    }
                }
            }
        }
    }

    fn extract(&self, pattern: &Regex, names: &[Str], attributes: &mut Vec<KeyValue>) {
        let Some(captures) = attributes.get_str(&self.key).and_then(|text| pattern.captures(text)) else {
            return;
        };
        let found: Vec<AnyValue> =
            captures.iter().skip(1).map(|group| group.map_or("", |group| group.as_str()).into()).collect();
        for (name, value) in names.iter().zip(found) {
            attributes.set(name.clone(), value);
        }
    }
}

impl Source {
    fn get<'a>(&'a self, attributes: &'a [KeyValue]) -> Option<&'a AnyValue> {
        match self {
            Self::Value(value) => Some(value),
            Self::Attribute { from, default } => find(attributes, from).or(default.as_ref()),
            Self::Nothing => None,
        }
    }
}

impl Target {
    fn matches(&self, key: &Str) -> bool {
        self.key.as_ref() == Some(key) || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(key))
    }
}
