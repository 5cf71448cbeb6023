//! What stands in the place of a masked text.

use std::borrow::Cow;
use std::fmt::Write;

use md5::Md5;
use regex::Regex;
use sha1::Sha1;
use sha3::{Digest, Sha3_256};

#[derive(Clone, Copy, Debug)]
pub enum Mask {
    Stars,
    /// Lower-case hexadecimal digits of the text's hash.
    Hash(Hash),
}

#[derive(Clone, Copy, Debug)]
pub enum Hash {
    Md5,
    Sha1,
    Sha3,
}

impl Mask {
    pub fn of(self, text: &str) -> String {
        match self {
            Self::Stars => "****".to_owned(),
            Self::Hash(Hash::Md5) => hex(&Md5::digest(text)),
            Self::Hash(Hash::Sha1) => hex(&Sha1::digest(text)),
            Self::Hash(Hash::Sha3) => hex(&Sha3_256::digest(text)),
        }
    }

    /// The text with every match of any of the patterns masked, one pattern after the other.
    pub fn matches<'a>(self, patterns: &[Regex], text: &'a str) -> Cow<'a, str> {
        patterns.iter().fold(Cow::Borrowed(text), |text, pattern| {
            match pattern.replace_all(&text, |found: &regex::Captures<'_>| self.of(&found[0])) {
                Cow::Borrowed(_) => text,
                Cow::Owned(masked) => Cow::Owned(masked),
            }
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
