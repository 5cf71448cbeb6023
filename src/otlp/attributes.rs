//! Looking up and changing attributes, which OTLP keeps as a list.

use super::{AnyValue, KeyValue, Resource, Str};

/// The value of `key` in a list that is only read.
#[inline]
pub fn find<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a AnyValue> {
    attributes.iter().find(|entry| is_same(&entry.key, key)).map(|entry| &entry.value)
}

/// [`find`] from the end, where what was added last is: for a list that is being made.
#[inline]
pub fn find_from_end<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a AnyValue> {
    position_from_end(attributes, key).map(|place| &attributes[place].value)
}

/// Where `key` is in a list.
#[inline]
pub fn position(attributes: &[KeyValue], key: &str) -> Option<usize> {
    attributes.iter().position(|entry| is_same(&entry.key, key))
}

/// [`position`], looked for from the end.
#[inline]
pub fn position_from_end(attributes: &[KeyValue], key: &str) -> Option<usize> {
    attributes.iter().rposition(|entry| is_same(&entry.key, key))
}

/// Whether two keys are equal. Keys are short and most differ in length or at an end, so a call to
/// compare memory costs more than comparing words here.
#[inline]
pub fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    match (one.first_chunk::<8>(), other.first_chunk::<8>()) {
        (Some(a), Some(b)) if one.len() <= 16 => a == b && one.last_chunk::<8>() == other.last_chunk::<8>(),
        (Some(a), Some(b)) => a == b && one[8..] == other[8..],
        _ => one.first() == other.first() && one == other,
    }
}

/// A number below 256 that few other keys have.
#[inline]
pub(crate) fn mark(key: &str) -> usize {
    match key.as_bytes() {
        [] => 0,
        [one] => usize::from(*one),
        [first, .., last] => {
            usize::from(first.wrapping_mul(31).wrapping_add(*last).wrapping_mul(7) ^ key.len() as u8)
        }
    }
}

/// Attributes of a resource that may not be there.
pub fn attributes_of(resource: Option<&Resource>) -> &[KeyValue] {
    resource.map_or(&[], |resource| &resource.attributes)
}

/// Map-like access to a list of attributes. Lists are short (tens of entries), so a linear search
/// beats any index; keys are unique by the specification and by every method here.
pub trait Attributes {
    fn get(&self, key: &str) -> Option<&AnyValue>;
    fn get_mut(&mut self, key: &str) -> Option<&mut AnyValue>;
    /// Sets `key`, replacing a value that is there.
    fn set(&mut self, key: impl AsRef<str> + Into<Str>, value: impl Into<AnyValue>);
    /// Sets `key` unless it has a value already.
    fn set_default(&mut self, key: impl AsRef<str> + Into<Str>, value: impl Into<AnyValue>);
    /// Takes `key` out, keeping the order of the others.
    fn take(&mut self, key: &str) -> Option<AnyValue>;

    fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }
    fn get_str(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(AnyValue::as_str)
    }
}

impl Attributes for Vec<KeyValue> {
    fn get(&self, key: &str) -> Option<&AnyValue> {
        find(self, key)
    }

    fn get_mut(&mut self, key: &str) -> Option<&mut AnyValue> {
        self.iter_mut().find(|entry| is_same(&entry.key, key)).map(|entry| &mut entry.value)
    }

    fn set(&mut self, key: impl AsRef<str> + Into<Str>, value: impl Into<AnyValue>) {
        match self.get_mut(key.as_ref()) {
            Some(slot) => *slot = value.into(),
            None => self.push(KeyValue::new(key, value)),
        }
    }

    fn set_default(&mut self, key: impl AsRef<str> + Into<Str>, value: impl Into<AnyValue>) {
        if !self.contains(key.as_ref()) {
            self.push(KeyValue::new(key, value));
        }
    }

    fn take(&mut self, key: &str) -> Option<AnyValue> {
        let place = position(self, key)?;
        Some(self.remove(place).value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_of_every_length_are_compared_to_their_end(key in "[ab]{0,40}", at in 0_usize..40) {
            prop_assert!(is_same(&key, &key.clone()));
            prop_assert!(!is_same(&key, &(key.clone() + "a")));
            let mut other = key.clone().into_bytes();
            if let Some(byte) = other.get_mut(at) {
                *byte = b'x';
                prop_assert!(!is_same(&key, std::str::from_utf8(&other).unwrap()));
            }
        }
    }
}
