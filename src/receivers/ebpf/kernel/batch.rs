//! Takes all entries out of a map in large pieces.
//!
//! The wrapper crate reads batches of plain maps only, not of maps with a value per CPU, hence this
//! module's one call into libbpf.
#![allow(unsafe_code, reason = "the batch call of libbpf takes raw buffers")]

use std::io;
use std::os::fd::AsRawFd;

use libbpf_rs::{MapCore, MapFlags, libbpf_sys};

/// Entries that are read at once: a hash bucket must fit in as a whole.
const PIECE: usize = 4096;
/// A batch that ends early is asked again, but not for ever: entries are added all the time.
const MOST_ROUNDS: usize = 1024;

/// Buffers, kept from one reading to the next.
#[derive(Debug, Default)]
pub struct Batches {
    keys: Vec<u8>,
    values: Vec<u8>,
    /// The kernel has no batches.
    one_by_one: bool,
}

impl Batches {
    /// Removes every entry of `map` and hands it to `each`: its key and its value, for a map per CPU
    /// the values of all CPUs one after another.
    pub fn take(&mut self, map: &impl MapCore, mut each: impl FnMut(&[u8], &[u8])) -> io::Result<()> {
        let key_size = map.key_size() as usize;
        let value_size = value_size(map)?;
        if !self.one_by_one {
            match self.take_in_pieces(map, key_size, value_size, &mut each) {
                Err(error) if has_no_batches(&error) => self.one_by_one = true,
                result => return result,
            }
        }
        take_one_by_one(map, &mut each)
    }

    fn take_in_pieces(
        &mut self,
        map: &impl MapCore,
        key_size: usize,
        value_size: usize,
        each: &mut impl FnMut(&[u8], &[u8]),
    ) -> io::Result<()> {
        let piece = PIECE.min(map.max_entries().max(1) as usize);
        self.keys.resize(piece * key_size, 0);
        self.values.resize(piece * value_size, 0);
        let mut position = [0_u32; 2];
        let mut started = false;
        for _ in 0..MOST_ROUNDS {
            let mut count = piece as u32;
            let result = self.call(map, &mut position, started, &mut count);
            let end = match &result {
                Ok(()) => false,
                // The end of the map; what `count` says was read all the same.
                Err(error) if error.kind() == io::ErrorKind::NotFound => true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return result,
            };
            let count = count as usize;
            for (key, value) in
                self.keys.chunks_exact(key_size).zip(self.values.chunks_exact(value_size)).take(count)
            {
                each(key, value);
            }
            if end {
                break;
            }
            started = true;
        }
        Ok(())
    }

    fn call(
        &mut self,
        map: &impl MapCore,
        position: &mut [u32; 2],
        started: bool,
        count: &mut u32,
    ) -> io::Result<()> {
        let at = position.as_mut_ptr();
        let from = if started { at } else { std::ptr::null_mut() };
        // SAFETY: the buffers have room for `count` keys and values of the map's own sizes, one value
        // for each possible CPU where the map has those; hash maps keep four bytes in `position`.
        let result = unsafe {
            libbpf_sys::bpf_map_lookup_and_delete_batch(
                map.as_fd().as_raw_fd(),
                from.cast(),
                at.cast(),
                self.keys.as_mut_ptr().cast(),
                self.values.as_mut_ptr().cast(),
                count,
                std::ptr::null(),
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-result)) }
    }
}

/// `EINVAL` and `ENOTSUPP`: batches came with 5.6, for some maps later.
fn has_no_batches(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(22 | 524 | 95))
}

fn value_size(map: &impl MapCore) -> io::Result<usize> {
    let size = map.value_size() as usize;
    if !map.map_type().is_percpu() {
        return Ok(size);
    }
    let cpus = libbpf_rs::num_possible_cpus().map_err(io::Error::other)?;
    Ok(size.next_multiple_of(8) * cpus)
}

fn take_one_by_one(map: &impl MapCore, each: &mut impl FnMut(&[u8], &[u8])) -> io::Result<()> {
    let keys: Vec<Vec<u8>> = map.keys().collect();
    for key in keys {
        let value = if map.map_type().is_percpu() {
            map.lookup_percpu(&key, MapFlags::ANY).map(|value| value.map(|cpus| cpus.concat()))
        } else {
            map.lookup(&key, MapFlags::ANY)
        };
        if let Some(value) = value.map_err(io::Error::other)? {
            each(&key, &value);
        }
        // Another CPU cannot have deleted it; that it is gone is no fault.
        let _ = map.delete(&key);
    }
    Ok(())
}
