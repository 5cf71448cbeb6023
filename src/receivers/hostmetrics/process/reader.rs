//! Reads the files of one process, and says what is wrong with them once per cause.

use std::io;

use super::super::host::{Buffer, Host};
use super::super::parse::{fields, keyed, lines, next_number};
use super::super::users::Users;
use super::identity::{Attributes, COMM_LENGTH, Identity};
use super::known::{Stale, Visit};
use super::stat::{Task, is_gone, path};
use crate::otlp::Str;
use crate::receivers::scraper::{Cause, Run};

/// Which kinds of errors are not told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Muted {
    pub exe: bool,
    pub io: bool,
    pub user: bool,
    pub cgroup: bool,
    pub command: bool,
    pub other: bool,
}

pub struct Reader {
    pub attributes: Attributes,
    muted: Muted,
    users: Users,
    buffer: Buffer,
}

/// `/proc/<pid>/io`
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Io {
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub read_calls: u64,
    pub write_calls: u64,
}

/// `/proc/<pid>/status`, of the main thread.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The real user id.
    uid: Option<u32>,
    pub pending_signals: u64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
}

/// In this first part of its life a process sets itself up: drops its privileges, is put into its
/// cgroup. What is read of it then is read again.
const SETTLING: u64 = 5_000_000_000;

impl Reader {
    pub fn new(attributes: Attributes, muted: Muted) -> Self {
        Self { attributes, muted, users: Users::default(), buffer: Buffer::default() }
    }

    pub fn begin_scrape(&mut self, host: &Host) {
        if self.attributes.owner {
            self.users.refresh(&host.paths.etc.join("passwd"));
        }
    }

    /// The identity of a process, read as far as what is known of it may be out of date; `age` in
    /// nanoseconds. `None` when the process is to be skipped.
    pub fn identify<'a>(
        &mut self,
        task: &Task,
        visit: Visit<'a>,
        age: u64,
        host: &Host,
        run: &mut Run<'_>,
    ) -> Option<&'a Identity> {
        let Visit { identity, stale, is_settled } = visit;
        let on = self.attributes;
        if stale != Stale::Nothing {
            let is_named_in_full = task.is_kernel_thread || task.comm.len() < COMM_LENGTH;
            let is_wanted = on.command || on.command_line || !is_named_in_full;
            if is_wanted && !task.is_kernel_thread {
                self.command(task, identity, host, run)?;
            } else {
                identity.set_command(&task.comm, b"");
            }
        }
        if stale == Stale::All {
            if on.executable_path && !task.is_kernel_thread {
                identity.path = self.executable(task.pid, host, run);
            }
            if on.owner {
                identity.owner = self.owner(task.pid, host, run);
            }
            if on.cgroup {
                identity.cgroup = Some(self.cgroup(task.pid, host, run)?);
            }
            *is_settled = age >= SETTLING;
        }
        Some(identity)
    }

    fn command(
        &mut self,
        task: &Task,
        identity: &mut Identity,
        host: &Host,
        run: &mut Run<'_>,
    ) -> Option<()> {
        match self.buffer.read_once(host.proc_dir(), path(task.pid, "cmdline").as_str()) {
            Ok(()) => identity.set_command(&task.comm, self.buffer.text()),
            Err(error) if is_gone(&error) => return None,
            Err(error) => {
                identity.set_command(&task.comm, b"");
                fault(self.muted.command, "cmdline", task.pid, &error, run);
            }
        }
        Some(())
    }

    /// The target of `/proc/<pid>/exe`; empty when it has none.
    fn executable(&mut self, pid: u32, host: &Host, run: &mut Run<'_>) -> Str {
        let (link, muted) = (path(pid, "exe"), self.muted.exe);
        match rustix::fs::readlinkat(host.proc_dir(), link.as_str(), Vec::new()) {
            Ok(target) => Str::from_utf8_lossy(target.as_bytes()),
            Err(error) => {
                let error = error.into();
                if !is_gone(&error) {
                    fault(muted, "exe", pid, &error, run);
                }
                Str::default()
            }
        }
    }

    fn owner(&mut self, pid: u32, host: &Host, run: &mut Run<'_>) -> Option<Str> {
        let uid = match self.read(pid, "status", host) {
            Ok(text) => parse_status(text).uid?,
            Err(error) => {
                if !is_gone(&error) {
                    fault(self.muted.user, "status", pid, &error, run);
                }
                return None;
            }
        };
        let name = self.users.name(uid).cloned();
        if name.is_none() && !self.muted.user {
            run.fault(Cause::new("user without a name"), 0, || {
                format!(
                    "user {uid} of process {pid} has no name in {}",
                    host.paths.etc.join("passwd").display()
                )
            });
        }
        name
    }

    /// The text of `/proc/<pid>/cgroup`; a process without is skipped.
    fn cgroup(&mut self, pid: u32, host: &Host, run: &mut Run<'_>) -> Option<Str> {
        match self.read(pid, "cgroup", host) {
            Ok(text) => Some(Str::from_utf8_lossy(text.trim_ascii_end())),
            Err(error) => {
                if !is_gone(&error) {
                    fault(self.muted.cgroup, "cgroup", pid, &error, run);
                }
                None
            }
        }
    }

    pub fn io(&mut self, pid: u32, host: &Host, run: &mut Run<'_>) -> Option<Io> {
        let muted = self.muted.io;
        match self.read(pid, "io", host) {
            Ok(text) => Some(parse_io(text)),
            Err(error) => {
                if !is_gone(&error) {
                    fault(muted, "io", pid, &error, run);
                }
                None
            }
        }
    }

    pub fn status(&mut self, pid: u32, host: &Host, run: &mut Run<'_>) -> Option<Status> {
        let muted = self.muted.other;
        match self.read(pid, "status", host) {
            Ok(text) => Some(parse_status(text)),
            Err(error) => {
                if !is_gone(&error) {
                    fault(muted, "status", pid, &error, run);
                }
                None
            }
        }
    }

    /// How many descriptors are open: the size of the directory since Linux 6.2, its entries before.
    pub fn open_files(&mut self, pid: u32, host: &Host, run: &mut Run<'_>) -> Option<u64> {
        let directory = path(pid, "fd");
        let count = rustix::fs::statat(host.proc_dir(), directory.as_str(), rustix::fs::AtFlags::empty())
            .map_err(io::Error::from)
            .and_then(|stat| match u64::try_from(stat.st_size) {
                Ok(0) | Err(_) => {
                    let entries = std::fs::read_dir(host.paths.proc.join(directory.as_str()))?;
                    Ok(entries.flatten().count() as u64)
                }
                Ok(count) => Ok(count),
            });
        count
            .map_err(|error| {
                if !is_gone(&error) {
                    fault(self.muted.other, "fd", pid, &error, run);
                }
            })
            .ok()
    }

    fn read(&mut self, pid: u32, file: &str, host: &Host) -> io::Result<&[u8]> {
        self.buffer.read_once(host.proc_dir(), path(pid, file).as_str())?;
        Ok(self.buffer.text())
    }
}

fn fault(is_muted: bool, file: &'static str, pid: u32, error: &io::Error, run: &mut Run<'_>) {
    if !is_muted {
        run.fault(Cause::io(file, error), 1, || format!("cannot read /proc/{pid}/{file}: {error}"));
    }
}

fn parse_io(text: &[u8]) -> Io {
    let mut io = Io::default();
    for (key, value) in lines(text).filter_map(keyed) {
        match key {
            b"syscr" => io.read_calls = value,
            b"syscw" => io.write_calls = value,
            b"read_bytes" => io.read_bytes = value,
            b"write_bytes" => io.write_bytes = value,
            _ => {}
        }
    }
    io
}

fn parse_status(text: &[u8]) -> Status {
    let mut status = Status::default();
    for line in lines(text) {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let mut value = fields(&line[colon + 1..]);
        match &line[..colon] {
            b"Uid" => status.uid = next_number(&mut value).and_then(|uid| u32::try_from(uid).ok()),
            // Sets of signals as bits: those of the thread and those of the process.
            b"SigPnd" | b"ShdPnd" => {
                let set = value.next().and_then(|set| std::str::from_utf8(set).ok());
                let set = set.and_then(|set| u64::from_str_radix(set, 16).ok()).unwrap_or(0);
                status.pending_signals += u64::from(set.count_ones());
            }
            b"voluntary_ctxt_switches" => status.voluntary_switches = next_number(&mut value).unwrap_or(0),
            b"nonvoluntary_ctxt_switches" => {
                status.involuntary_switches = next_number(&mut value).unwrap_or(0);
            }
            _ => {}
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_tells_the_real_user_and_counts_pending_signals() {
        let text = b"Name:\tsh\nUid:\t1000\t0\t0\t0\nSigPnd:\t0000000000000001\nShdPnd:\t0000000000000006\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t8";
        let status = parse_status(text);
        assert_eq!(
            status,
            Status { uid: Some(1000), pending_signals: 3, voluntary_switches: 7, involuntary_switches: 8 }
        );
        assert_eq!(parse_status(b"Uid:\t-1\nUid\nSigPnd:\tzz\n:"), Status::default());
    }

    #[test]
    fn io_counts_what_reached_the_disk() {
        let io = parse_io(b"rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 0\n");
        assert_eq!(io, Io { read_bytes: 5, write_bytes: 6, read_calls: 3, write_calls: 4 });
    }
}
