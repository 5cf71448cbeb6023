//! Settings of jemalloc, compiled in, and the return of memory that is not used.
//!
//! Measured on the musl build with three producers and an encoder: jemalloc serves four times the
//! records of musl's own allocator. Two arenas and a decay of five seconds give the memory of a burst
//! back within seconds; the default keeps most of it, and with one second the memory of requests goes
//! back to the kernel and comes again page by page. Its background thread wakes for no less than 4 MB
//! an arena, so [`decay`] is called every second, and [`give_back`] now and then. What is larger than
//! 4 KiB is in no thread's cache.
#![allow(unsafe_code)]

/// Returns the pages to the kernel that have held nothing for a while. Takes microseconds per MiB.
pub(super) fn decay() {
    #[cfg(feature = "jemalloc")]
    jemalloc::tell(c"arena.4096.decay");
}

/// Returns all pages to the kernel that hold nothing.
pub(super) fn give_back() {
    #[cfg(feature = "jemalloc")]
    jemalloc::tell(c"arena.4096.purge");
}

#[cfg(feature = "jemalloc")]
mod jemalloc {
    use std::ffi::{CStr, c_char};
    use std::ptr::null_mut;

    /// A C string that jemalloc reads at start.
    #[repr(transparent)]
    pub struct Settings(*const c_char);

    // SAFETY: the pointer is to a literal that nobody writes.
    unsafe impl Sync for Settings {}

    // SAFETY: jemalloc declares this symbol weak, as `const char *`, for programs to define; the name
    // is that of the prefixed build of `tikv-jemalloc-sys`.
    #[unsafe(export_name = "_rjem_malloc_conf")]
    pub static SETTINGS: Settings = Settings(
        c"dirty_decay_ms:5000,muzzy_decay_ms:0,background_thread:true,narenas:2,tcache_max:4096".as_ptr(),
    );

    /// Tells something to all arenas: 4096 stands for them in a name (MALLCTL_ARENAS_ALL).
    pub fn tell(name: &CStr) {
        // SAFETY: the name is a C string, and these controls neither read nor write a value.
        let refused =
            unsafe { tikv_jemalloc_sys::mallctl(name.as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
        debug_assert_eq!(refused, 0, "jemalloc knows the control");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_can_be_given_back_at_any_time() {
        super::decay();
        super::give_back();
    }
}
