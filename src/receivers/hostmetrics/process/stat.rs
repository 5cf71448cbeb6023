//! Every process: `/proc/<pid>/stat`.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{RawDir, SeekFrom};

use super::super::host::Buffer;
use super::super::parse::{next_number, number};
use crate::otlp::Str;
use crate::receivers::scraper::{Cause, Run};

/// One process as `/proc/<pid>/stat` has it; times in clock ticks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    pub pid: u32,
    /// Up to 15 bytes of the executable's name; more for kernel threads.
    pub comm: Str,
    pub state: u8,
    pub parent: u32,
    pub is_kernel_thread: bool,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub user: u64,
    pub system: u64,
    pub threads: u64,
    /// Since boot.
    pub started: u64,
    pub virtual_bytes: u64,
    pub resident_pages: u64,
    pub io_wait: u64,
    /// Addresses of code, stack and arguments: an `exec` changes them. 0 for processes of others
    /// when this one has no right to trace them.
    pub image: u64,
}

/// `PF_KTHREAD` in the flags of a process.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// All processes, in buffers that are used again for each scrape.
#[derive(Debug, Default)]
pub struct Tasks {
    pub all: Vec<Task>,
    listing: Vec<u8>,
    directory: Option<OwnedFd>,
}

/// Bytes of the listing of `/proc` per call to the kernel.
const LISTING: usize = 32 << 10;

impl Tasks {
    pub fn read(&mut self, proc: &OwnedFd, buffer: &mut Buffer, run: &mut Run<'_>) -> io::Result<()> {
        self.all.clear();
        self.listing.reserve_exact(LISTING);
        let directory = match &self.directory {
            Some(directory) => {
                rustix::fs::seek(directory, SeekFrom::Start(0))?;
                directory
            }
            // A descriptor of our own: its place in the listing is ours alone.
            None => self.directory.insert(rustix::fs::openat(
                proc,
                ".",
                rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC,
                rustix::fs::Mode::empty(),
            )?),
        };
        let mut listing = RawDir::new(directory, self.listing.spare_capacity_mut());
        while let Some(entry) = listing.next() {
            let Some(pid) = number(entry?.file_name().to_bytes()) else { continue };
            let Ok(pid) = u32::try_from(pid) else { continue };
            if run.is_over() {
                run.fault(Cause::new("processes not read"), 0, || {
                    "the scrape was over before all processes were read".to_owned()
                });
                break;
            }
            match buffer.read_once(proc, path(pid, "stat").as_str()) {
                Ok(()) => match Task::parse(buffer.text()) {
                    Some(task) => self.all.push(task),
                    None => {
                        run.fault(Cause::new("pid/stat"), 0, || {
                            format!("cannot understand /proc/{pid}/stat")
                        });
                    }
                },
                Err(error) if is_gone(&error) => {}
                Err(error) => run.fault(Cause::io("pid/stat", &error), 0, || {
                    format!("cannot read /proc/{pid}/stat: {error}")
                }),
            }
        }
        Ok(())
    }
}

/// `<pid>/<file>`, on the stack.
pub fn path(pid: u32, file: &str) -> Str {
    compact_str::format_compact!("{pid}/{file}")
}

/// Whether a read failed because the process has ended: nothing to complain about.
pub fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

impl Task {
    /// `pid (comm) state ppid …`: the name may hold blanks and parentheses, so it ends at the last.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let open = memchr::memchr(b'(', text)?;
        let close = memchr::memrchr(b')', text).filter(|close| *close > open)?;
        let pid = u32::try_from(number(text[..open].trim_ascii())?).ok()?;
        let rest = text[close + 1..].trim_ascii();
        let mut fields = rest.split(|byte| *byte == b' ');
        let state = *fields.next()?.first()?;
        // Field numbers of proc_pid_stat(5); the state is field 3.
        let parent = u32::try_from(next_number(&mut fields)?).ok()?; // 4
        let flags = number(fields.nth(4)?)?; // 9
        let minor_faults = next_number(&mut fields)?; // 10
        let major_faults = number(fields.nth(1)?)?; // 12
        let user = number(fields.nth(1)?)?; // 14
        let system = next_number(&mut fields)?; // 15
        let threads = number(fields.nth(4)?)?; // 20
        let started = number(fields.nth(1)?)?; // 22
        let virtual_bytes = next_number(&mut fields)?; // 23
        let resident_pages = next_number(&mut fields)?; // 24
        let code = number(fields.nth(1)?)?; // 26
        let stack = number(fields.nth(1)?)?; // 28
        let io_wait = number(fields.nth(13)?)?; // 42
        // Field 48, since Linux 3.5.
        let arguments = fields.nth(5).and_then(number).unwrap_or(0);
        Some(Self {
            pid,
            comm: Str::from_utf8_lossy(&text[open + 1..close]),
            state,
            parent,
            is_kernel_thread: flags & KERNEL_THREAD != 0,
            minor_faults,
            major_faults,
            user,
            system,
            threads,
            started,
            virtual_bytes,
            resident_pages,
            io_wait,
            image: code ^ stack.rotate_left(21) ^ arguments.rotate_left(42),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "S 1 1 1 0 -1 4194560 100 200 3 4 50 60 7 8 20 0 9 0 1000 4096000 250 18446744073709551615 11 12 13 14 15 0 0 0 0 0 0 0 17 1 0 0 42 0 0 45 46 47 48 49 50 51 0";

    #[test]
    fn names_with_blanks_and_parentheses_do_not_shift_the_fields() {
        for name in ["sh", "tmux: server", ") S 1 (", "a) R 2 (b", "(sd-pam)", ""] {
            let task = Task::parse(format!("77 ({name}) {REST}\n").as_bytes()).unwrap();
            assert_eq!((task.pid, task.comm.as_str(), task.state, task.parent), (77, name, b'S', 1));
            assert_eq!((task.minor_faults, task.major_faults, task.user, task.system), (100, 3, 50, 60));
            assert_eq!(
                (task.threads, task.started, task.virtual_bytes, task.resident_pages),
                (9, 1000, 4_096_000, 250)
            );
            assert_eq!(task.io_wait, 42);
        }
    }

    #[test]
    fn an_exec_shows_in_the_image() {
        let parse = |rest: &str| Task::parse(format!("1 (a) {rest}").as_bytes()).unwrap();
        let image = parse(REST).image;
        for (old, new) in [(" 11 12 ", " 99 12 "), (" 13 14 ", " 99 14 "), (" 48 49 ", " 99 49 ")] {
            assert_ne!(parse(&REST.replace(old, new)).image, image, "{old}");
        }
    }

    #[test]
    fn cut_and_hostile_lines_are_no_process() {
        let line = format!("77 (sh) {REST}");
        let complete = line.find(" 42 ").unwrap() + 3;
        for length in 0..complete {
            // A line may be cut inside its last number.
            if length != complete - 1 {
                assert_eq!(Task::parse(&line.as_bytes()[..length]), None, "{length}");
            }
        }
        for line in ["x (a) S 1", "-1 (a) S", "1 )a( S 1 1", "1 () ", "99999999999 (a) S 1"] {
            assert_eq!(Task::parse(line.as_bytes()), None, "{line}");
        }
    }
}
