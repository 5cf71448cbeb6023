//! Encoding and compressing requests, with buffers that are used again.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::net::compression::{Codec, Compressor};
use crate::pipeline::Batch;

/// Room that a buffer keeps for the next batch, and how many are kept.
const KEPT_ROOM: usize = 1 << 20;
const KEPT_SPARE: usize = 2;

/// Makes the bodies of one exporter.
pub struct Packer {
    compression: Option<(Codec, i32)>,
    /// Packing keeps a core busy and has buffers of the size of its batch: no more batches are packed at
    /// a time than there are cores, whatever the number of consumers.
    cores: usize,
    state: Mutex<State>,
    /// A batch is packed.
    packed: Condvar,
}

#[derive(Default)]
struct State {
    packing: usize,
    /// Buffers for raw bodies and compressors that nobody uses just now.
    spare: Vec<(Vec<u8>, Compressor)>,
}

impl Packer {
    /// Compresses with that codec and level.
    pub fn new(compression: Option<(Codec, i32)>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { compression, cores, state: Mutex::default(), packed: Condvar::new() }
    }

    /// The encoded export request of a batch, compressed.
    pub fn pack_request(&self, batch: &Batch) -> io::Result<Vec<u8>> {
        if let (Some(compression), Some(pieces)) = (self.compression, batch.encoded()) {
            return self
                .packed(compression, |_, compressor, packed| compressor.compress_pieces(pieces, packed));
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

    /// What `work` makes with an empty buffer and a compressor when its turn comes, in no more memory
    /// than it takes: the body is held for as long as the backend is waited for.
    fn packed(
        &self,
        (codec, level): (Codec, i32),
        work: impl FnOnce(&mut Vec<u8>, &mut Compressor, &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<Vec<u8>> {
        let _turn = self.turn();
        let spare = self.state().spare.pop();
        let (mut raw, mut compressor) = match spare {
            Some(spare) => spare,
            None => (Vec::new(), Compressor::new(codec, level)?),
        };
        let mut packed = Vec::new();
        work(&mut raw, &mut compressor, &mut packed)?;
        packed.shrink_to_fit();
        self.keep(raw, compressor);
        Ok(packed)
    }

    fn keep(&self, mut raw: Vec<u8>, compressor: Compressor) {
        raw.clear();
        raw.shrink_to(KEPT_ROOM);
        let mut state = self.state();
        if state.spare.len() < KEPT_SPARE {
            state.spare.push((raw, compressor));
        }
    }

    /// Waits until fewer batches are packed than there are cores.
    fn turn(&self) -> Turn<'_> {
        let mut state = self.state();
        while state.packing >= self.cores {
            state = self.packed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.packing += 1;
        Turn(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to pack a batch, until it is dropped.
struct Turn<'a>(&'a Packer);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state().packing -= 1;
        self.0.packed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::compression::decompress;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_batches_are_packed_at_a_time_than_there_are_cores() {
        let packer = Packer { cores: 2, ..Packer::new(Some((Codec::Gzip, 0))) };
        let (packing, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let body = packer.pack(|raw| {
                            most.fetch_max(packing.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            std::thread::yield_now();
                            raw.extend_from_slice(b"telemetry");
                            packing.fetch_sub(1, Ordering::SeqCst);
                        });
                        assert_eq!(decompress(Codec::Gzip, &body.unwrap(), 100).unwrap(), b"telemetry");
                    }
                });
            }
        });
        assert!(most.into_inner() <= 2 && packer.state().spare.len() <= KEPT_SPARE);
    }

    #[test]
    fn a_panic_while_packing_leaves_room_for_the_next_batch() {
        let packer = Packer { cores: 1, ..Packer::new(Some((Codec::Gzip, 0))) };
        let outcome = catch_unwind(AssertUnwindSafe(|| packer.pack(|_| panic!("a bad batch"))));
        assert!(outcome.is_err());
        assert!(packer.pack(|raw| raw.push(1)).is_ok());
    }

    #[test]
    fn a_body_is_held_in_no_more_memory_than_it_takes() {
        let packer = Packer::new(Some((Codec::Gzip, 0)));
        let body = packer.pack(|raw| raw.resize(1 << 20, b' ')).unwrap();
        assert_eq!(body.capacity(), body.len());
    }
}
