//! Encoding and compressing requests, with buffers that are used again.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::net::compression::{Codec, Compressor};
use crate::pipeline::Batch;

/// Room that a buffer keeps for the next batch, and how many are kept.
const KEPT_ROOM: usize = 1 << 20;
const KEPT_SPARE: usize = 2;

/// Makes the bodies of one exporter.
pub struct Packer {
    compression: Option<(Codec, i32)>,
    /// Buffers for raw bodies and compressors that nobody uses just now: encoding keeps a core busy,
    /// so there are few of them, and none is held while the backend is waited for.
    spare: Mutex<Vec<(Vec<u8>, Compressor)>>,
}

impl Packer {
    /// Compresses with that codec and level.
    pub fn new(compression: Option<(Codec, i32)>) -> Self {
        Self { compression, spare: Mutex::default() }
    }

    /// The encoded export request of a batch, compressed.
    pub fn pack_request(&self, batch: &Batch) -> io::Result<Vec<u8>> {
        if let (Some(compression), Some(pieces)) = (self.compression, batch.encoded()) {
            return self.packed(compression, |_, compressor, packed| {
                compressor.compress_pieces(pieces, packed)?;
                packed.shrink_to_fit();
                Ok(())
            });
        }
        self.pack(|raw| {
            raw.reserve(batch.bytes());
            batch.encode(raw);
        })
    }

    /// What `encode` writes, compressed.
    pub fn pack(&self, encode: impl FnOnce(&mut Vec<u8>)) -> io::Result<Vec<u8>> {
        let Some(compression) = self.compression else {
            let mut raw = Vec::new();
            encode(&mut raw);
            return Ok(raw);
        };
        self.packed(compression, |raw, compressor, packed| {
            encode(raw);
            compressor.compress(raw, packed)
        })
    }

    /// What `work` makes with an empty buffer and a compressor that are used again.
    fn packed(
        &self,
        (codec, level): (Codec, i32),
        work: impl FnOnce(&mut Vec<u8>, &mut Compressor, &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<Vec<u8>> {
        let (mut raw, mut compressor) = match self.spare().pop() {
            Some(spare) => spare,
            None => (Vec::new(), Compressor::new(codec, level)?),
        };
        let mut packed = Vec::new();
        work(&mut raw, &mut compressor, &mut packed)?;
        self.keep(raw, compressor);
        Ok(packed)
    }

    fn keep(&self, mut raw: Vec<u8>, compressor: Compressor) {
        raw.clear();
        raw.shrink_to(KEPT_ROOM);
        let mut spare = self.spare();
        if spare.len() < KEPT_SPARE {
            spare.push((raw, compressor));
        }
    }

    fn spare(&self) -> MutexGuard<'_, Vec<(Vec<u8>, Compressor)>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
