//! Pages of the binary. The kernel maps sixteen around each one that is touched and keeps them, so
//! after the start most of the binary counts as resident, though a running pipeline uses a fifth of
//! it (10.6 MB of code mapped, 2.4 MB used within 25 s, with host metrics and logs).
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;

use procfs::process::{MMPermissions, MemoryMap, Process};
use rustix::mm::{Advice, madvise};

/// Unmaps the pages of this binary that were only ever read, and says how many bytes they span. Those
/// still in use come back from the page cache at the next touch, some 150 minor faults.
pub(super) fn let_go() -> io::Result<u64> {
    let maps = Process::myself().and_then(|own| own.smaps()).map_err(io::Error::other)?;
    let here = let_go as *const () as u64;
    let Some(code) = maps.iter().find(|map| (map.address.0..map.address.1).contains(&here)) else {
        return Err(io::Error::other("no mapping holds this function"));
    };
    let image = (code.dev, code.inode);
    let mut released = 0;
    for map in maps.iter().filter(|map| (map.dev, map.inode) == image && is_as_in_the_file(map)) {
        let (start, end) = map.address;
        // SAFETY: a mapping of a file that cannot be written and of which no page was: whatever is
        // dropped is read from the file again, with the same bytes.
        unsafe { madvise(start as *mut c_void, (end - start) as usize, Advice::LinuxDontNeed) }?;
        released += end - start;
    }
    Ok(released)
}

/// Read-only, and no page is a copy of its own: the dynamic linker writes into some before it
/// protects them, debuggers into code.
fn is_as_in_the_file(map: &MemoryMap) -> bool {
    let own = |key| map.extension.map.get(key).copied();
    map.inode != 0
        && !map.perms.contains(MMPermissions::WRITE)
        && own("Anonymous") == Some(0)
        && own("Swap") == Some(0)
}

#[cfg(test)]
mod tests {
    /// Static data that the linker has to write into at the start, and some that it has not.
    static RELOCATED: [&str; 3] = ["one", "two", "three"];
    static PLAIN: [u64; 4] = [1, 2, 3, 4];

    #[test]
    fn code_and_data_are_the_same_after_the_pages_were_let_go() {
        let workers: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..200).map(|n| format!("{n}").len()).sum::<usize>()))
            .collect();
        for _ in 0..20 {
            assert!(super::let_go().unwrap() > 1 << 20);
        }
        assert_eq!(std::hint::black_box(&RELOCATED).concat(), "onetwothree");
        assert_eq!(std::hint::black_box(&PLAIN).iter().sum::<u64>(), 10);
        for worker in workers {
            assert_eq!(worker.join().unwrap(), 490);
        }
    }
}
