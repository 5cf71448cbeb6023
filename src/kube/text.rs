//! Text in the objects of the API: borrowed while decoding, interned where it is kept.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

/// A string of the document that is being decoded; not copied unless it has escapes. Null is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A map of strings, in the order of the document: labels, annotations, quantities. Null is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs<'a>(pub Vec<(Text<'a>, Text<'a>)>);

impl Pairs<'_> {
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| &**name == key).map(|(_, value)| &**value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Pairs<'de>, E> {
                Ok(Pairs::default())
            }
        }
        deserializer.deserialize_any(PairsVisitor)
    }
}

/// Null means the default, as Go reads it.
pub fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A string that equal objects share.
pub type Interned = Arc<str>;

/// Gives equal strings the same memory: most names, labels and images of a cluster occur many times.
#[derive(Debug, Default)]
pub struct Pool {
    strings: HashSet<Interned>,
    /// When this many strings are known, those that nobody uses are let go.
    sweep_at: usize,
}

const FIRST_SWEEP: usize = 1024;

impl Pool {
    pub fn intern(&mut self, text: &str) -> Interned {
        if let Some(known) = self.strings.get(text) {
            return known.clone();
        }
        if self.strings.len() >= self.sweep_at.max(FIRST_SWEEP) {
            self.sweep();
        }
        let text = Interned::from(text);
        self.strings.insert(text.clone());
        text
    }

    /// Lets go of what nobody uses any more.
    pub fn sweep(&mut self) {
        self.strings.retain(|text| Arc::strong_count(text) > 1);
        self.sweep_at = self.strings.len() * 2;
    }

    pub fn len(&self) -> usize {
        self.strings.len()
    }

    pub fn is_empty(&self) -> bool {
        self.strings.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_share_memory_and_unused_ones_are_let_go() {
        let mut pool = Pool::default();
        let first = pool.intern("shop");
        assert!(Arc::ptr_eq(&first, &pool.intern("shop")));
        for n in 0..10 * FIRST_SWEEP {
            pool.intern(&format!("gone-{n}"));
        }
        assert!(pool.len() <= FIRST_SWEEP + 1, "{} strings are kept", pool.len());
        assert!(Arc::ptr_eq(&first, &pool.intern("shop")));
    }

    #[test]
    fn text_is_borrowed_unless_escaped() {
        let pairs: Pairs = serde_json::from_str(r#"{"a":"plain","b":"es\"caped","c":null}"#).unwrap();
        assert!(matches!(pairs.0[0].1.0, Cow::Borrowed("plain")));
        assert_eq!(pairs.get("b"), Some("es\"caped"));
        assert_eq!(pairs.get("c"), Some(""));
    }
}
