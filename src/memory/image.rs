//! Pages of the binary. The kernel maps many around each one that is touched (sixteen, or a whole
//! folio of up to 2 MiB where the file system keeps such) and leaves them there, so after the start
//! most of the binary counts as resident, though a running pipeline uses a tenth of it. Two things
//! keep that small: what the kernel maps at once ends at a mapping's border, so the mappings are cut
//! into small ones; and now and then all of it is let go.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use procfs::process::{MMPermissions, Process};
use rustix::mm::{Advice, madvise};

/// What comes back at a touch. Each piece costs the kernel 220 bytes; of the demo 8.7 MiB of the binary
/// are resident without pieces, 3.5 with these, 2.6 with pieces of half the size.
const PIECE: usize = 16 << 10;

/// The read-only mappings of the running binary.
pub(super) struct Image {
    mappings: Vec<Range<usize>>,
    page: usize,
    /// A word for each page: see `proc_pid_pagemap(5)`.
    pagemap: File,
}

impl Image {
    pub(super) fn find() -> io::Result<Self> {
        let maps = Process::myself().and_then(|own| own.maps()).map_err(io::Error::other)?;
        let here = Self::find as *const () as u64;
        let Some(code) = maps.iter().find(|map| (map.address.0..map.address.1).contains(&here)) else {
            return Err(io::Error::other("no mapping holds this function"));
        };
        let of_image = |map: &&procfs::process::MemoryMap| {
            (map.dev, map.inode) == (code.dev, code.inode) && !map.perms.contains(MMPermissions::WRITE)
        };
        let range = |map: &procfs::process::MemoryMap| map.address.0 as usize..map.address.1 as usize;
        Ok(Self {
            mappings: maps.iter().filter(of_image).map(range).collect(),
            page: rustix::param::page_size(),
            pagemap: File::open("/proc/self/pagemap")?,
        })
    }

    /// Cuts the mappings. Every second piece is told to stay out of core dumps, where a file's pages
    /// are not anyway: mappings that differ in this are not joined.
    pub(super) fn cut(&self) -> io::Result<()> {
        let piece = PIECE.max(self.page);
        for mapping in &self.mappings {
            let mut at = mapping.start.next_multiple_of(piece);
            while at < mapping.end {
                let end = (at + piece).min(mapping.end);
                // SAFETY: says something of a mapping that exists as long as the process; no page changes.
                unsafe { madvise(at as *mut c_void, end - at, Advice::LinuxDontDump) }?;
                at += 2 * piece;
            }
        }
        Ok(())
    }

    /// Unmaps the pages that are as they are in the file, and says how many bytes they span. Those
    /// still in use come back from the page cache at the next touch, some hundreds of minor faults.
    pub(super) fn let_go(&self) -> io::Result<usize> {
        let mut released = 0;
        for mapping in &self.mappings {
            let mut words = vec![0_u8; mapping.len() / self.page * size_of::<u64>()];
            self.pagemap.read_exact_at(&mut words, (mapping.start / self.page * size_of::<u64>()) as u64)?;
            let words = words.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word));
            let changed: Vec<bool> = words.map(is_copy).collect();
            let mut at = mapping.start;
            for run in changed.chunk_by(|one, next| one == next) {
                let bytes = run.len() * self.page;
                if !run[0] {
                    // SAFETY: pages of a file that nobody wrote into: whatever is dropped is read from
                    // the file again, with the same bytes.
                    unsafe { madvise(at as *mut c_void, bytes, Advice::LinuxDontNeed) }?;
                    released += bytes;
                }
                at += bytes;
            }
        }
        Ok(released)
    }
}

/// The page is a copy of its own: the dynamic linker writes into some before it protects them,
/// debuggers and probes into code.
fn is_copy(word: u64) -> bool {
    const PRESENT: u64 = 1 << 63;
    const SWAPPED: u64 = 1 << 62;
    const OF_FILE: u64 = 1 << 61;
    word & (PRESENT | SWAPPED) != 0 && word & OF_FILE == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Static data that the linker has to write into at the start, and some that it has not.
    static RELOCATED: [&str; 3] = ["one", "two", "three"];
    static PLAIN: [u64; 4] = [1, 2, 3, 4];

    #[test]
    fn code_and_data_are_the_same_after_the_pages_were_let_go() {
        let image = Image::find().unwrap();
        image.cut().unwrap();
        let workers: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..200).map(|n| format!("{n}").len()).sum::<usize>()))
            .collect();
        for _ in 0..20 {
            assert!(image.let_go().unwrap() > 1 << 20);
        }
        assert_eq!(std::hint::black_box(&RELOCATED).concat(), "onetwothree");
        assert_eq!(std::hint::black_box(&PLAIN).iter().sum::<u64>(), 10);
        for worker in workers {
            assert_eq!(worker.join().unwrap(), 490);
        }
    }
}
