//! Settings of jemalloc, compiled in.
//!
//! Measured on the musl build with three producers and an encoder: jemalloc serves four times the
//! records of musl's own allocator. Two arenas and a decay of one second give the memory of a burst
//! back (124 MB → 6 MB within 3 s) at no cost in speed; the default keeps most of it.
#![cfg(feature = "jemalloc")]
#![allow(unsafe_code)]

use std::ffi::c_char;

/// A C string that jemalloc reads at start.
#[repr(transparent)]
pub struct Settings(*const c_char);

// SAFETY: the pointer is to a literal that nobody writes.
unsafe impl Sync for Settings {}

// SAFETY: jemalloc declares this symbol weak, as `const char *`, for programs to define; the name
// is that of the prefixed build of `tikv-jemalloc-sys`.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static SETTINGS: Settings =
    Settings(c"dirty_decay_ms:1000,muzzy_decay_ms:0,background_thread:true,narenas:2".as_ptr());
