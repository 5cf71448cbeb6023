//! gzip and zlib of whole bodies, by libdeflate: up to half as fast again as what works in steps, and
//! two to three times when it decompresses.
#![allow(unsafe_code, reason = "libdeflate is a C library")]

use std::ffi::c_int;
use std::io;
use std::ptr::NonNull;

use libdeflate_sys as sys;

/// What is around the compressed data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapping {
    Gzip,
    Zlib,
}

/// Packs one body after another. Its state has 0.7 MiB, at level 1 0.2.
pub(super) struct Packer {
    state: NonNull<sys::libdeflate_compressor>,
    wrapping: Wrapping,
}

// SAFETY: the state is memory of its own, bound to no thread, and nothing works on it through a shared
// reference.
unsafe impl Send for Packer {}

impl Packer {
    /// `level` is 0 to 12; from 10 on the state has 9 MiB.
    pub(super) fn new(wrapping: Wrapping, level: u32) -> io::Result<Self> {
        // SAFETY: the options live as long as the call, and their functions are those of one allocator.
        let state = unsafe { sys::libdeflate_alloc_compressor_ex(level as c_int, &memory()) };
        let state = NonNull::new(state).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { state, wrapping })
    }

    /// Replaces the content of `output`, which gets room for what cannot be compressed at all: what is
    /// not written of that costs no memory.
    pub(super) fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        let state = self.state.as_ptr();
        // SAFETY: the state is alive until it is dropped, and asking needs no more.
        let most = unsafe {
            match self.wrapping {
                Wrapping::Gzip => sys::libdeflate_gzip_compress_bound(state, input.len()),
                Wrapping::Zlib => sys::libdeflate_zlib_compress_bound(state, input.len()),
            }
        };
        output.clear();
        output.reserve(most);
        let room = output.spare_capacity_mut();
        let (from, length) = (input.as_ptr().cast(), input.len());
        let (to, most) = (room.as_mut_ptr().cast(), room.len());
        // SAFETY: both ranges are valid for the call and part of each other nowhere; no more than `most`
        // bytes are written, and as many of them as are returned.
        unsafe {
            let size = match self.wrapping {
                Wrapping::Gzip => sys::libdeflate_gzip_compress(state, from, length, to, most),
                Wrapping::Zlib => sys::libdeflate_zlib_compress(state, from, length, to, most),
            };
            if size == 0 {
                return Err(io::Error::other("the body does not fit the room that was made for it"));
            }
            output.set_len(size);
        }
        Ok(())
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        // SAFETY: it was made by this library and is freed once.
        unsafe { sys::libdeflate_free_compressor(self.state.as_ptr()) }
    }
}

/// The checksum at the end of a body.
pub(super) struct Checksum {
    wrapping: Wrapping,
    value: u32,
}

impl Checksum {
    pub(super) fn new(wrapping: Wrapping) -> Self {
        let value = match wrapping {
            Wrapping::Gzip => 0,
            Wrapping::Zlib => 1,
        };
        Self { wrapping, value }
    }

    pub(super) fn add(&mut self, content: &[u8]) {
        let (from, length) = (content.as_ptr().cast(), content.len());
        // SAFETY: the range is valid for the call and only read.
        self.value = unsafe {
            match self.wrapping {
                Wrapping::Gzip => sys::libdeflate_crc32(self.value, from, length),
                Wrapping::Zlib => sys::libdeflate_adler32(self.value, from, length),
            }
        };
    }

    pub(super) fn value(&self) -> u32 {
        self.value
    }
}

/// Deflate makes no more than this of a byte.
const MOST_GROWTH: usize = 1032;

/// The content of a gzip body whose one member says how long it is, when that is no more than `limit`.
/// `None` for every other body, and for a member that lies: those are for a decoder that works in
/// steps. So a body is decompressed twice at most, and both times no more than `limit` of it.
pub(super) fn one_member(body: &[u8], limit: usize) -> Option<Vec<u8>> {
    let size = u32::from_le_bytes(*body.last_chunk()?) as usize;
    if size > limit.min(body.len().saturating_mul(MOST_GROWTH)) {
        return None;
    }
    let mut content: Vec<u8> = Vec::with_capacity(size);
    let (mut read, mut written) = (0, 0);
    // SAFETY: the options live as long as the call, and their functions are those of one allocator.
    let state = NonNull::new(unsafe { sys::libdeflate_alloc_decompressor_ex(&memory()) })?;
    // SAFETY: the state is alive, and freed once after its only use. Both ranges are valid and apart;
    // no more than `size` bytes are written, and as many of them as `written` says on success.
    let is_whole = unsafe {
        let result = sys::libdeflate_gzip_decompress_ex(
            state.as_ptr(),
            body.as_ptr().cast(),
            body.len(),
            content.as_mut_ptr().cast(),
            size,
            &raw mut read,
            &raw mut written,
        );
        sys::libdeflate_free_decompressor(state.as_ptr());
        result == sys::libdeflate_result_LIBDEFLATE_SUCCESS && read == body.len()
    };
    if !is_whole {
        return None;
    }
    // SAFETY: that many bytes were written, and there was room for them.
    unsafe { content.set_len(written) };
    Some(content)
}

/// Where the states live: in the agent's own heap, not in a second one of the C library.
fn memory() -> sys::libdeflate_options {
    sys::libdeflate_options {
        sizeof_options: size_of::<sys::libdeflate_options>(),
        #[cfg(feature = "jemalloc")]
        malloc_func: Some(tikv_jemalloc_sys::malloc),
        #[cfg(feature = "jemalloc")]
        free_func: Some(tikv_jemalloc_sys::free),
        #[cfg(not(feature = "jemalloc"))]
        malloc_func: None,
        #[cfg(not(feature = "jemalloc"))]
        free_func: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        Packer::new(Wrapping::Gzip, 1).unwrap().compress(content, &mut packed).unwrap();
        packed
    }

    #[test]
    fn other_decoders_read_what_is_packed() {
        let text = "telemetry ".repeat(5000);
        let (mut first, mut second, mut packed) = (String::new(), String::new(), Vec::new());
        flate2::read::GzDecoder::new(&*gzip(text.as_bytes())).read_to_string(&mut first).unwrap();
        Packer::new(Wrapping::Zlib, 9).unwrap().compress(text.as_bytes(), &mut packed).unwrap();
        flate2::read::ZlibDecoder::new(&*packed).read_to_string(&mut second).unwrap();
        assert!(first == text && second == text);
    }

    #[test]
    fn a_member_gets_the_room_that_it_says_it_needs() {
        let content = one_member(&gzip(&vec![7; 100_000]), 100_000).unwrap();
        assert_eq!((content.len(), content.capacity()), (100_000, 100_000));
        assert_eq!(one_member(&gzip(b""), 0).as_deref(), Some(&b""[..]));
    }

    #[test]
    fn what_is_no_single_honest_member_is_left_to_others() {
        let (one, other) = (gzip(b"telemetry"), gzip(b"something"));
        assert!(one_member(&one, 8).is_none(), "more than the limit");
        assert!(one_member(&[one.clone(), other].concat(), 100).is_none(), "two members of one length");
        assert!(one_member(&[&one[..], &9_u32.to_le_bytes()].concat(), 100).is_none(), "a tail");
        for size in [0_u32, 8, 10, 1000, u32::MAX] {
            let mut lying = one.clone();
            let place = lying.len() - 4;
            lying[place..].copy_from_slice(&size.to_le_bytes());
            assert!(one_member(&lying, 100_000).is_none(), "{size}");
        }
        for length in 0..one.len() {
            assert!(one_member(&one[..length], 1 << 30).is_none(), "cut after {length}");
        }
    }
}
