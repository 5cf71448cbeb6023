//! The parts of a journal file, as systemd's "Journal File Format" has them. All numbers are little
//! endian; objects start at multiples of eight.

use super::FileError;

/// Bytes of the header that every version has.
pub const HEADER: usize = 208;
/// Bytes in front of every object: type, flags, size.
pub const OBJECT: u64 = 16;

pub const DATA: u8 = 1;
pub const ENTRY: u8 = 3;
pub const ENTRY_ARRAY: u8 = 6;

const COMPACT: u32 = 1 << 4;
/// XZ, LZ4, keyed hash, ZSTD, compact: what is known of the features a reader must know.
const KNOWN: u32 = 0b1_1111;
const MAGIC: &[u8; 8] = b"LPKSHHRH";

/// A 128-bit id.
pub type Id = [u8; 16];

/// What is read of the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Offsets in entries and arrays have four bytes.
    pub compact: bool,
    /// Nothing will be added any more.
    pub archived: bool,
    /// Whose sequence numbers these are: the same for all files one journald wrote.
    pub seqnum_id: Id,
    pub size: u64,
    /// Offset of the first entry array, 0 = none.
    pub first_array: u64,
    pub entries: u64,
    /// The last entry.
    pub tail_seqnum: u64,
    pub tail_boot: Id,
    /// Microseconds since the epoch.
    pub tail_realtime: u64,
    /// Microseconds since that boot.
    pub tail_monotonic: u64,
}

impl Header {
    pub fn parse(bytes: &[u8; HEADER]) -> Result<Self, FileError> {
        if &bytes[..8] != MAGIC {
            return Err(FileError::Bad("it is no journal file"));
        }
        let incompatible = u32::from_le_bytes(array(bytes, 12));
        if incompatible & !KNOWN != 0 {
            return Err(FileError::Bad("it was written by a newer systemd, in a way that is not known here"));
        }
        let size = u64_at(bytes, 88);
        if size < HEADER as u64 {
            return Err(FileError::Bad("its header is too short"));
        }
        Ok(Self {
            compact: incompatible & COMPACT != 0,
            archived: bytes[16] == 2,
            seqnum_id: array(bytes, 72),
            size,
            first_array: u64_at(bytes, 176),
            entries: u64_at(bytes, 152),
            tail_seqnum: u64_at(bytes, 160),
            tail_boot: array(bytes, 56),
            tail_realtime: u64_at(bytes, 192),
            tail_monotonic: u64_at(bytes, 200),
        })
    }

    /// Bytes of an offset in an entry array.
    pub fn array_item(&self) -> u64 {
        if self.compact { 4 } else { 8 }
    }

    /// Bytes of a reference to a field in an entry.
    pub fn entry_item(&self) -> u64 {
        if self.compact { 4 } else { 16 }
    }

    /// Where the content of a field starts in its object.
    pub fn payload(&self) -> u64 {
        if self.compact { 72 } else { 64 }
    }
}

/// One entry, without its fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub seqnum: u64,
    /// Microseconds since the epoch.
    pub realtime: u64,
    /// Microseconds since that boot.
    pub monotonic: u64,
    pub boot: Id,
    pub xor_hash: u64,
    /// Where the references to its fields are.
    pub items_at: u64,
    pub items: u64,
}

impl Head {
    /// Where the references start in the object.
    pub const ITEMS: u64 = 64;

    /// From the object at `offset`, [`Self::ITEMS`] bytes of it.
    pub fn parse(bytes: &[u8], offset: u64, size: u64, header: &Header) -> Self {
        Self {
            seqnum: u64_at(bytes, 16),
            realtime: u64_at(bytes, 24),
            monotonic: u64_at(bytes, 32),
            boot: array(bytes, 40),
            xor_hash: u64_at(bytes, 56),
            items_at: offset + Self::ITEMS,
            items: (size - Self::ITEMS) / header.entry_item(),
        }
    }
}

/// The bytes at `at`; callers have checked the length.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}
