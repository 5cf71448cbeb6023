//! What tells one file's content from another's: its first bytes, and the bytes before an offset.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The first bytes of a file: how many, and their hash. Only the hash is kept, since ten thousand
/// files would otherwise hold ten megabytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    pub len: u32,
    hash: [u8; 16],
}

impl Fingerprint {
    pub fn of(head: &[u8]) -> Self {
        if head.is_empty() {
            return Self::default();
        }
        let digest: [u8; 32] = Sha256::digest(head).into();
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        Self { len: head.len() as u32, hash }
    }

    /// Whether a file that begins with `head` can be this one, grown. An empty file says nothing.
    pub fn is_start_of(&self, head: &[u8]) -> bool {
        head.get(..self.len as usize).is_some_and(|start| Self::of(start) == *self)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({} bytes, {:02x}{:02x}…)", self.len, self.hash[0], self.hash[1])
    }
}

/// The bytes right before an offset. When others are there the file was rewritten, even if it is
/// longer than before and begins alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    len: u8,
    crc: u32,
}

impl Anchor {
    /// How many bytes are looked at.
    pub const LEN: usize = 64;

    /// The anchor of the offset at the end of `before`.
    pub fn at_end_of(before: &[u8]) -> Self {
        let bytes = &before[before.len().saturating_sub(Self::LEN)..];
        Self { len: bytes.len() as u8, crc: crc32fast::hash(bytes) }
    }

    pub fn len(self) -> usize {
        usize::from(self.len)
    }

    /// Whether `bytes`, [`Anchor::len`] of them, are those seen before.
    pub fn holds(self, bytes: &[u8]) -> bool {
        bytes.len() == self.len() && crc32fast::hash(bytes) == self.crc
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_knows_its_file_when_it_has_grown() {
        let short = Fingerprint::of(b"begin");
        assert!(short.is_start_of(b"begin and more") && short.is_start_of(b"begin"));
        assert!(!short.is_start_of(b"begi") && !short.is_start_of(b"begun and more"));
        assert!(Fingerprint::of(b"").is_start_of(b"anything"));
    }

    #[test]
    fn an_anchor_sees_a_rewritten_file() {
        let before = [b'x'; 200];
        let anchor = Anchor::at_end_of(&before);
        assert_eq!(anchor.len(), 64);
        assert!(anchor.holds(&before[..64]));
        assert!(!anchor.holds(&[b'y'; 64]) && !anchor.holds(&before[..63]));
        assert!(Anchor::default().holds(b""));
    }
}
