//! The host that is read: where its `/proc`, `/sys`, `/etc` and `/dev` are, its boot time, and the
//! reads that several scrapers share within one scrape.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::parse::{self, lines};
use super::process::stat::{Task, Tasks};
use crate::component::BuildError;
use crate::receivers::scraper::{Fault, Run};

/// Clock ticks per second in `/proc`: fixed by the kernel's ABI on every architecture that runs
/// Kubernetes.
pub const USER_HZ: u64 = 100;

/// Where the host's trees are.
#[derive(Clone, Debug)]
pub struct Paths {
    /// Prefix of a mountpoint of the host; empty when this is the host.
    pub root: PathBuf,
    pub proc: PathBuf,
    pub sys: PathBuf,
    pub etc: PathBuf,
    pub dev: PathBuf,
    /// A file to read mounts from in place of `<proc>/1/mountinfo`.
    pub mountinfo: Option<PathBuf>,
}

impl Paths {
    /// The trees below `root_path`, unless the environment (`HOST_PROC`, `HOST_SYS`, `HOST_ETC`,
    /// `HOST_DEV`, `HOST_PROC_MOUNTINFO`) says otherwise.
    pub fn resolve(root_path: &str, env: impl Fn(&str) -> Option<String>) -> Result<Self, BuildError> {
        let root = root_path.trim_end_matches('/');
        if !root.is_empty() && !Path::new(root).is_dir() {
            return Err(BuildError::new(format!(
                "invalid root_path: \"{root_path}\" is no directory here: mount the host's root there, or leave it out"
            )));
        }
        let variable = |name| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let tree = |name, tree| variable(name).unwrap_or_else(|| PathBuf::from(format!("{root}/{tree}")));
        Ok(Self {
            root: root.into(),
            proc: tree("HOST_PROC", "proc"),
            sys: tree("HOST_SYS", "sys"),
            etc: tree("HOST_ETC", "etc"),
            dev: tree("HOST_DEV", "dev"),
            mountinfo: variable("HOST_PROC_MOUNTINFO"),
        })
    }

    /// A path of the host as seen from here.
    pub fn on_host(&self, path: &str) -> PathBuf {
        if self.root.as_os_str().is_empty() {
            return path.into();
        }
        let mut full = self.root.clone().into_os_string();
        full.push(path);
        full.into()
    }
}

/// The host, with what is read once per scrape.
pub struct Host {
    pub paths: Paths,
    proc: OwnedFd,
    buffer: Buffer,
    /// `/proc/stat`, which three scrapers look at.
    stat: Buffer,
    stat_is_fresh: bool,
    /// Seconds since the Unix epoch.
    boot_seconds: u64,
    tasks: Tasks,
    tasks_are_fresh: bool,
    pub page_size: u64,
}

impl Host {
    pub fn open(paths: Paths) -> Result<Self, BuildError> {
        let proc = open_dir(&paths.proc).map_err(|error| {
            BuildError::new(format!("cannot open {}: {error}; is root_path right?", paths.proc.display()))
        })?;
        let mut host = Self {
            proc,
            buffer: Buffer::default(),
            stat: Buffer::default(),
            stat_is_fresh: false,
            boot_seconds: 0,
            tasks: Tasks::default(),
            tasks_are_fresh: false,
            page_size: rustix::param::page_size() as u64,
            paths,
        };
        // A missing file is no reason not to start: the scrapers that need it will say so.
        let _ = host.kernel_stat();
        Ok(host)
    }

    /// Forgets what the last scrape has read.
    pub fn begin_scrape(&mut self) {
        self.stat_is_fresh = false;
        self.tasks_are_fresh = false;
    }

    /// When the host came up, nanoseconds since the Unix epoch.
    pub fn boot_time(&self) -> u64 {
        self.boot_seconds * 1_000_000_000
    }

    /// When something started that the kernel dates in clock ticks since boot.
    pub fn time_of(&self, ticks: u64) -> u64 {
        self.boot_time().saturating_add(ticks.saturating_mul(1_000_000_000 / USER_HZ))
    }

    /// All of a file below `/proc`; `name` is its path there.
    pub fn read(&mut self, name: &'static str) -> Result<&[u8], Fault> {
        let path = || self.paths.proc.join(name);
        self.buffer.read_all(&self.proc, name).map_err(|error| Fault::io(name, &path().display(), &error))?;
        Ok(self.buffer.text())
    }

    /// `/proc/stat`, read once per scrape.
    pub fn kernel_stat(&mut self) -> Result<&[u8], Fault> {
        if !self.stat_is_fresh {
            let path = || self.paths.proc.join("stat");
            self.stat
                .read_all(&self.proc, "stat")
                .map_err(|error| Fault::io("stat", &path().display(), &error))?;
            self.stat_is_fresh = true;
            let btime = lines(self.stat.text()).filter_map(parse::keyed).find(|(key, _)| *key == b"btime");
            if let Some((_, seconds)) = btime {
                self.set_boot_time(seconds);
            }
        }
        Ok(self.stat.text())
    }

    /// The kernel derives the boot time from the wall clock anew each time, so that it wavers by a
    /// second: that must not move the start of every series. A step of the clock must.
    fn set_boot_time(&mut self, seconds: u64) {
        if seconds.abs_diff(self.boot_seconds) > 2 && seconds <= u64::MAX / 1_000_000_000 {
            self.boot_seconds = seconds;
        }
    }

    /// Every process, read once per scrape.
    pub fn tasks(&mut self, run: &mut Run<'_>) -> Result<&[Task], Fault> {
        if !self.tasks_are_fresh {
            self.tasks
                .read(&self.proc, &mut self.buffer, run)
                .map_err(|error| Fault::io("list of processes", &self.paths.proc.display(), &error))?;
            self.tasks_are_fresh = true;
        }
        Ok(&self.tasks.all)
    }

    /// Takes the processes of this scrape, for one who needs the host beside them; see
    /// [`Host::put_tasks`].
    pub fn take_tasks(&mut self, run: &mut Run<'_>) -> Result<Tasks, Fault> {
        self.tasks(run)?;
        Ok(std::mem::take(&mut self.tasks))
    }

    pub fn put_tasks(&mut self, tasks: Tasks) {
        self.tasks = tasks;
    }

    pub fn proc_dir(&self) -> &OwnedFd {
        &self.proc
    }
}

pub fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// A reused buffer for whole files.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    len: usize,
}

/// No file of `/proc` is read beyond this: nothing sane is longer.
const FILE_LIMIT: usize = 64 << 20;
const FIRST_SIZE: usize = 16 << 10;

impl Buffer {
    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Reads all of a file; `dir` is where a relative `path` starts.
    pub fn read_all(&mut self, dir: impl AsFd, path: impl rustix::path::Arg) -> io::Result<()> {
        let file = self.open(dir, path)?;
        loop {
            if self.len == self.bytes.len() {
                if self.len >= FILE_LIMIT {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                self.bytes.resize(self.len * 2, 0);
            }
            match rustix::io::read(&file, &mut self.bytes[self.len..]) {
                Ok(0) => return Ok(()),
                Ok(read) => self.len += read,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads the start of a file with one call: all of it for the files of a process, which the
    /// kernel makes in one piece, up to 16 KiB.
    pub fn read_once(&mut self, dir: impl AsFd, path: impl rustix::path::Arg) -> io::Result<()> {
        let file = self.open(dir, path)?;
        loop {
            match rustix::io::read(&file, &mut self.bytes[..]) {
                Ok(read) => {
                    self.len = read;
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn open(&mut self, dir: impl AsFd, path: impl rustix::path::Arg) -> io::Result<OwnedFd> {
        self.len = 0;
        if self.bytes.is_empty() {
            self.bytes.resize(FIRST_SIZE, 0);
        }
        Ok(rustix::fs::openat(dir, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    }
}
