//! Which labels or annotations of an object are kept.

use std::collections::BTreeSet;

use regex::Regex;

use super::{Interned, Pairs, Pool};

/// A set of keys: named ones and those that match a pattern.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    all: bool,
    names: BTreeSet<String>,
    patterns: Vec<Regex>,
}

/// Labels or annotations that are kept.
pub type Kept = Box<[(Interned, Interned)]>;

impl Keys {
    /// Every key.
    pub fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }

    pub fn add(&mut self, name: &str) {
        self.names.insert(name.to_owned());
    }

    pub fn add_pattern(&mut self, pattern: Regex) {
        if self.patterns.iter().all(|known| known.as_str() != pattern.as_str()) {
            self.patterns.push(pattern);
        }
    }

    pub fn is_empty(&self) -> bool {
        !self.all && self.names.is_empty() && self.patterns.is_empty()
    }

    pub fn wants(&self, key: &str) -> bool {
        self.all || self.names.contains(key) || self.patterns.iter().any(|pattern| pattern.is_match(key))
    }

    /// Adds `more`; whether that changed anything.
    pub fn widen(&mut self, more: &Self) -> bool {
        let before = self.names.len() + self.patterns.len();
        self.names.extend(more.names.iter().cloned());
        for pattern in &more.patterns {
            self.add_pattern(pattern.clone());
        }
        let grown = more.all && !self.all;
        self.all |= more.all;
        grown || self.names.len() + self.patterns.len() > before
    }

    /// The pairs that are wanted, sorted by key.
    pub fn keep(&self, pairs: &Pairs<'_>, pool: &mut Pool) -> Kept {
        if self.is_empty() {
            return Kept::default();
        }
        let mut kept: Vec<_> = pairs
            .0
            .iter()
            .filter(|(key, _)| self.wants(key))
            .map(|(key, value)| (pool.intern(key), pool.intern(value)))
            .collect();
        kept.sort_unstable();
        kept.into_boxed_slice()
    }
}

/// The value of a key that was kept.
pub fn kept_value<'a>(kept: &'a Kept, key: &str) -> Option<&'a Interned> {
    kept.iter().find(|(name, _)| &**name == key).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_only_grow() {
        let mut keys = Keys::default();
        let mut more = Keys::default();
        assert!(!keys.widen(&more));
        more.add("app");
        more.add_pattern(Regex::new("^team/").unwrap());
        assert!(keys.widen(&more));
        assert!(!keys.widen(&more));
        assert!(keys.wants("app") && keys.wants("team/a") && !keys.wants("my-team/a"));
        assert!(keys.widen(&Keys::everything()) && !keys.widen(&Keys::everything()));
        assert!(keys.wants("my-team/a") && !keys.is_empty());
    }
}
