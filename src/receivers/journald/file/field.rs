//! One field of an entry: `NAME=value`, maybe compressed.

use std::io::Read;

use crate::otlp::Str;

use super::FileError;

/// Bytes kept of a field; more are cut off.
pub const MOST: usize = 1 << 20;
/// Bytes an LZ4 field may have, which comes out in one piece.
const MOST_LZ4: u64 = 16 << 20;
/// Memory for XZ, in KiB, and the window of ZSTD, as a power of two: far beyond what journald uses.
const XZ_MEMORY: u32 = 16 << 10;
const ZSTD_WINDOW: u32 = 23;

const XZ: u8 = 1;
const LZ4: u8 = 2;
const ZSTD: u8 = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: Str,
    pub value: Value,
    /// There was more of it.
    pub cut: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(Str),
    Bytes(Vec<u8>),
}

impl Value {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl Field {
    /// From the payload of a data object, `cut` when there is more of it in the file.
    pub fn parse(payload: &[u8], flags: u8, cut: bool) -> Result<Self, FileError> {
        match flags & (XZ | LZ4 | ZSTD) {
            0 => Self::plain(payload, cut),
            _ if cut => Err(FileError::Bad("a compressed field is larger than the agent reads")),
            XZ => {
                let reader = lzma_rust2::XzReader::new_mem_limit(payload, false, XZ_MEMORY);
                Self::unpacked(reader)
            }
            LZ4 => {
                let (size, block) =
                    payload.split_first_chunk().ok_or(FileError::Bad("a compressed field is broken"))?;
                let size = u64::from_le_bytes(*size);
                if size > MOST_LZ4 {
                    return Err(FileError::Bad("a compressed field is larger than the agent reads"));
                }
                let text = lz4_flex::block::decompress(block, size as usize)
                    .map_err(|_| FileError::Bad("a compressed field is broken"))?;
                Self::plain(&text[..text.len().min(MOST)], text.len() > MOST)
            }
            ZSTD => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(payload)
                    .map_err(|_| FileError::Bad("a compressed field is broken"))?;
                decoder
                    .window_log_max(ZSTD_WINDOW)
                    .map_err(|_| FileError::Bad("a compressed field is broken"))?;
                Self::unpacked(decoder)
            }
            _ => Err(FileError::Bad("a field is compressed in several ways")),
        }
    }

    fn unpacked(reader: impl Read) -> Result<Self, FileError> {
        let mut text = Vec::new();
        reader
            .take(MOST as u64 + 1)
            .read_to_end(&mut text)
            .map_err(|_| FileError::Bad("a compressed field is broken"))?;
        Self::plain(&text[..text.len().min(MOST)], text.len() > MOST)
    }

    fn plain(payload: &[u8], cut: bool) -> Result<Self, FileError> {
        let equals = memchr::memchr(b'=', payload).ok_or(FileError::Bad("a field has no name"))?;
        let name = std::str::from_utf8(&payload[..equals])
            .map_err(|_| FileError::Bad("the name of a field is no text"))?;
        let value = &payload[equals + 1..];
        let value = match std::str::from_utf8(value) {
            Ok(text) => Value::Text(text.into()),
            // The cut went through a character.
            Err(error) if cut && error.error_len().is_none() => {
                Value::Text(String::from_utf8_lossy(&value[..error.valid_up_to()]).into())
            }
            Err(_) => Value::Bytes(value.to_vec()),
        };
        Ok(Self { name: name.into(), value, cut })
    }
}
