//! A list of attributes that many look into while it is made. Most of what they look for is not there,
//! and the marks of the keys tell that without a look at each of them.

use std::ops::Deref;

use super::attributes::{self, Attributes, mark};
use super::{AnyValue, KeyValue, Str};

/// Attributes, and a bit for each mark that one of their keys has. A bit may stay when its key goes.
#[derive(Clone, Debug, Default)]
pub struct Marked {
    list: Vec<KeyValue>,
    marks: u64,
}

impl Marked {
    pub fn with_capacity(attributes: usize) -> Self {
        Self { list: Vec::with_capacity(attributes), marks: 0 }
    }

    /// Where the key is.
    #[inline]
    pub fn position(&self, key: &str) -> Option<usize> {
        if self.marks & bit(key) == 0 {
            return None;
        }
        attributes::position_from_end(&self.list, key)
    }

    /// The value at a place.
    pub fn value_mut(&mut self, place: usize) -> &mut AnyValue {
        &mut self.list[place].value
    }

    /// Appends an attribute whose key is not there.
    pub fn push(&mut self, attribute: KeyValue) {
        self.marks |= bit(&attribute.key);
        self.list.push(attribute);
    }

    /// Appends attributes whose keys are not there.
    pub fn append(&mut self, others: &Self) {
        self.marks |= others.marks;
        self.list.extend_from_slice(&others.list);
    }

    /// The value of the key, which is there with an empty one from now on if it was not.
    pub fn slot(&mut self, key: &Str) -> &mut AnyValue {
        let place = self.position(key).unwrap_or_else(|| {
            self.push(KeyValue { key: key.clone(), value: AnyValue::Empty });
            self.list.len() - 1
        });
        &mut self.list[place].value
    }

    /// Sets all of `new`.
    pub fn merge(&mut self, new: Vec<KeyValue>) {
        if self.list.is_empty() {
            *self = new.into();
            return;
        }
        new.into_iter().for_each(|attribute| self.set(attribute.key, attribute.value));
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn into_vec(self) -> Vec<KeyValue> {
        self.list
    }
}

/// To read all of them. To change a key without its mark there is no way.
impl Deref for Marked {
    type Target = [KeyValue];

    fn deref(&self) -> &[KeyValue] {
        &self.list
    }
}

impl From<Vec<KeyValue>> for Marked {
    fn from(list: Vec<KeyValue>) -> Self {
        let marks = list.iter().fold(0, |marks, attribute| marks | bit(&attribute.key));
        Self { list, marks }
    }
}

impl Attributes for Marked {
    #[inline]
    fn get(&self, key: &str) -> Option<&AnyValue> {
        self.position(key).map(|place| &self.list[place].value)
    }

    fn get_mut(&mut self, key: &str) -> Option<&mut AnyValue> {
        let place = self.position(key)?;
        Some(&mut self.list[place].value)
    }

    fn set(&mut self, key: impl AsRef<str> + Into<Str>, value: impl Into<AnyValue>) {
        match self.position(key.as_ref()) {
            Some(place) => self.list[place].value = value.into(),
            None => self.push(KeyValue::new(key, value)),
        }
    }

    fn set_default(&mut self, key: impl AsRef<str> + Into<Str>, value: impl Into<AnyValue>) {
        if self.position(key.as_ref()).is_none() {
            self.push(KeyValue::new(key, value));
        }
    }

    fn take(&mut self, key: &str) -> Option<AnyValue> {
        let place = self.position(key)?;
        Some(self.list.remove(place).value)
    }
}

#[inline]
fn bit(key: &str) -> u64 {
    1 << (mark(key) % u64::BITS as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Set(String),
        SetDefault(String),
        Slot(String),
        Take(String),
        Merge(Vec<String>),
        Append(Vec<String>),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = || "[a-e]{1,3}";
        prop_oneof![
            8 => key().prop_map(Step::Set),
            2 => key().prop_map(Step::SetDefault),
            4 => key().prop_map(Step::Slot),
            4 => key().prop_map(Step::Take),
            2 => prop::collection::vec(key(), 0..4).prop_map(Step::Merge),
            1 => prop::collection::vec("[x-z]{1,3}", 0..3).prop_map(Step::Append),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn marks_hide_nothing_and_the_list_is_the_one_without_them(steps in prop::collection::vec(step(), 0..40)) {
            let (mut marked, mut plain) = (Marked::default(), Vec::new());
            for (n, step) in steps.into_iter().enumerate() {
                let n = n as i64;
                let named = |keys: Vec<String>| -> Vec<KeyValue> {
                    keys.into_iter().map(|key| KeyValue::new(key, n)).collect()
                };
                match step {
                    Step::Set(key) => {
                        marked.set(&*key, n);
                        plain.set(&*key, n);
                    }
                    Step::SetDefault(key) => {
                        marked.set_default(&*key, n);
                        plain.set_default(&*key, n);
                    }
                    Step::Slot(key) => {
                        *marked.slot(&key.as_str().into()) = n.into();
                        plain.set(&*key, n);
                    }
                    Step::Take(key) => prop_assert_eq!(marked.take(&key), plain.take(&key)),
                    Step::Merge(mut keys) => {
                        keys.sort();
                        keys.dedup();
                        marked.merge(named(keys.clone()));
                        named(keys).into_iter().for_each(|new| plain.set(new.key, new.value));
                    }
                    Step::Append(mut keys) => {
                        keys.retain(|key| plain.iter().all(|known| known.key != *key));
                        keys.sort();
                        keys.dedup();
                        marked.append(&named(keys.clone()).into());
                        plain.extend(named(keys));
                    }
                    Step::Clear => {
                        marked.clear();
                        plain.clear();
                    }
                }
                prop_assert_eq!(&*marked, &plain[..]);
                for attribute in &plain {
                    prop_assert_eq!(marked.get(&attribute.key), Some(&attribute.value));
                }
            }
        }
    }
}
