//! 128-bit hashes of what identifies telemetry: resources, scopes, metrics, attribute sets.
//!
//! A series is looked up by its hash alone, without keeping or comparing its identity: with 128
//! bits and a seed drawn at start, two series of a million meet with a chance below 10⁻²⁶, and
//! nobody outside can make them meet. Attributes hash the same in any order.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

use crate::otlp::{AnyValue, InstrumentationScope, KeyValue, Resource};

/// The hash of an identity.
pub type Identity = u128;

/// Streams fields into a hash. Fields are told apart by their length, kinds by a tag.
#[derive(Clone, Copy)]
pub struct Digest {
    low: u64,
    high: u64,
}

struct Seed {
    low: u64,
    high: u64,
}

static SEED: LazyLock<Seed> = LazyLock::new(|| Seed {
    low: RandomState::new().build_hasher().finish(),
    high: RandomState::new().build_hasher().finish(),
});

// Odd constants with about half of their bits set: digits of pi.
const MIX_LOW: u64 = 0x243f_6a88_85a3_08d3;
const MIX_HIGH: u64 = 0x1319_8a2e_0370_7345;

/// The product of two numbers, folded: every bit of the result depends on every bit of both.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

impl Digest {
    pub fn new() -> Self {
        let seed = &*SEED;
        Self { low: seed.low, high: seed.high }
    }

    pub fn number(&mut self, value: u64) {
        self.low = fold(self.low ^ value, MIX_LOW ^ self.high.rotate_left(23));
        self.high = fold(self.high ^ value.rotate_left(32), MIX_HIGH ^ self.low.rotate_left(41));
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.number(u64::from_le_bytes(word));
        }
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub fn value(&mut self, value: &AnyValue) {
        match value {
            AnyValue::Empty => self.number(0),
            AnyValue::String(text) => {
                self.number(1);
                self.text(text);
            }
            AnyValue::Bool(value) => self.number(2 + u64::from(*value)),
            AnyValue::Int(value) => {
                self.number(4);
                self.number(*value as u64);
            }
            AnyValue::Double(value) => {
                self.number(5);
                self.number(value.to_bits());
            }
            AnyValue::Array(items) => {
                self.number(6);
                self.number(items.len() as u64);
                items.iter().for_each(|item| self.value(item));
            }
            AnyValue::Map(entries) => {
                self.number(7);
                self.attributes(entries);
            }
            AnyValue::Bytes(bytes) => {
                self.number(8);
                self.bytes(bytes);
            }
        }
    }

    /// The order of the attributes does not count.
    pub fn attributes(&mut self, attributes: &[KeyValue]) {
        let mut sum: u128 = 0;
        for entry in attributes {
            let mut digest = Self::new();
            digest.text(&entry.key);
            digest.value(&entry.value);
            sum = sum.wrapping_add(digest.finish());
        }
        self.number(attributes.len() as u64);
        self.number(sum as u64);
        self.number((sum >> 64) as u64);
    }

    pub fn resource(&mut self, resource: Option<&Resource>) {
        self.attributes(super::attributes::attributes_of(resource));
    }

    /// Name and version, as the collector identifies scopes.
    pub fn scope(&mut self, scope: Option<&InstrumentationScope>) {
        let (name, version) = scope.map_or(("", ""), |scope| (&scope.name, &scope.version));
        self.text(name);
        self.text(version);
    }

    pub fn finish(mut self) -> Identity {
        self.number(MIX_HIGH);
        u128::from(self.high) << 64 | u128::from(self.low)
    }
}

/// A hasher for maps keyed by [`Identity`]: the key is a hash already.
#[derive(Clone, Copy, Default)]
pub struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only identities are keys of such maps")
    }
    fn write_u128(&mut self, identity: u128) {
        self.0 = identity as u64;
    }
}

/// A map from identities.
pub type IdentityMap<V> = std::collections::HashMap<Identity, V, std::hash::BuildHasherDefault<Hashed>>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn of(attributes: &[KeyValue]) -> Identity {
        let mut digest = Digest::new();
        digest.attributes(attributes);
        digest.finish()
    }

    #[test]
    fn the_order_of_attributes_does_not_count_but_everything_else_does() {
        let (a, b) = (KeyValue::new("a", 1), KeyValue::new("b", 2));
        assert_eq!(of(&[a.clone(), b.clone()]), of(&[b.clone(), a.clone()]));
        let different = [
            vec![],
            vec![a.clone()],
            vec![a.clone(), a.clone()],
            vec![a.clone(), b],
            vec![KeyValue::new("a", 2), KeyValue::new("b", 1)],
            vec![KeyValue::new("a", "1")],
            vec![KeyValue::new("a", 1.0)],
            vec![KeyValue::new("a", AnyValue::Empty)],
            vec![KeyValue::new("a", false)],
            vec![KeyValue::new("a", vec![AnyValue::Int(1)])],
            vec![KeyValue::new("a", vec![a.clone()])],
            vec![KeyValue::new("a", AnyValue::Bytes(vec![1]))],
            vec![KeyValue::new("a", AnyValue::Bytes(vec![1, 0]))],
            vec![KeyValue::new("ab", "c")],
            vec![KeyValue::new("a", "bc")],
        ];
        let hashes: HashSet<Identity> = different.iter().map(|attributes| of(attributes)).collect();
        assert_eq!(hashes.len(), different.len());
    }

    #[test]
    fn near_identities_spread_over_all_bits() {
        let hashes: Vec<Identity> = (0..100_000).map(|n: i64| of(&[KeyValue::new("n", n)])).collect();
        for shift in [0, 32, 64, 96] {
            let parts: HashSet<u32> = hashes.iter().map(|hash| (hash >> shift) as u32).collect();
            // Of 100,000 random 32-bit numbers about one meets another.
            assert!(parts.len() > 99_980, "bits {shift}: {}", parts.len());
        }
    }
}
