//! How much memory the agent uses, and how much there is.

use std::fs;
use std::path::Path;

/// Bytes in use: what the allocator has handed out, or without jemalloc the resident set.
pub fn used() -> Option<u64> {
    allocated().or_else(resident)
}

#[cfg(feature = "jemalloc")]
fn allocated() -> Option<u64> {
    // A process that runs on another allocator links jemalloc without using it: next to nothing
    // is allocated from it then.
    const IN_USE: usize = 128 << 10;
    tikv_jemalloc_ctl::epoch::advance().ok()?;
    tikv_jemalloc_ctl::stats::allocated::read().ok().filter(|bytes| *bytes > IN_USE).map(|bytes| bytes as u64)
}

#[cfg(not(feature = "jemalloc"))]
fn allocated() -> Option<u64> {
    None
}

fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Bytes the agent may use at most: the limit of its container, or the memory of the host.
pub fn total() -> Option<u64> {
    total_below(Path::new("/"))
}

fn total_below(root: &Path) -> Option<u64> {
    let host = host_memory(root);
    let container = cgroup_limit(root);
    match (container, host) {
        // cgroup v1 writes "no limit" as a number near the largest there is.
        (Some(container), Some(host)) => Some(container.min(host)),
        (container, host) => container.or(host),
    }
}

fn host_memory(root: &Path) -> Option<u64> {
    let meminfo = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The tightest limit of the cgroups the agent is in. Inside a container the agent's own cgroup is
/// mostly the root of what it sees; outside, the path says which one it is.
fn cgroup_limit(root: &Path) -> Option<u64> {
    let cgroups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let of = |controller: &str| {
        cgroups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let controllers = fields.next()?;
            let path = fields.next()?;
            controllers.split(',').any(|name| name == controller).then(|| path.to_owned())
        })
    };
    let v2 = limits_upwards(&root.join("sys/fs/cgroup"), &of("").unwrap_or_default(), "memory.max");
    let v1 = || {
        let mount = root.join("sys/fs/cgroup/memory");
        limits_upwards(&mount, &of("memory").unwrap_or_default(), "memory.limit_in_bytes")
    };
    v2.or_else(v1)
}

/// The lowest limit from the cgroup up to the root of the mount.
fn limits_upwards(mount: &Path, cgroup: &str, file: &str) -> Option<u64> {
    let own = mount.join(cgroup.trim_start_matches('/'));
    own.ancestors()
        .take_while(|directory| directory.starts_with(mount))
        .filter_map(|directory| fs::read_to_string(directory.join(file)).ok()?.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn the_memory_there_is_is_that_of_the_container_or_of_the_host() {
        let meminfo = ("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 1 kB\n");
        let v2 = ("sys/fs/cgroup/memory.max", "4096\n");
        let unlimited = ("sys/fs/cgroup/memory.max", "max\n");
        let v1 = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "8192\n");
        let v1_unlimited = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        let nested = ("sys/fs/cgroup/pod/memory.max", "2048");
        for (files, want) in [
            (vec![meminfo], Some(1_024_000)),
            (vec![meminfo, v2], Some(4096)),
            (vec![meminfo, unlimited], Some(1_024_000)),
            (vec![meminfo, v1], Some(8192)),
            (vec![meminfo, v1_unlimited], Some(1_024_000)),
            (vec![meminfo, v2, nested, ("proc/self/cgroup", "0::/pod/container\n")], Some(2048)),
            (vec![v1, ("proc/self/cgroup", "5:cpu,memory:/\n")], Some(8192)),
            (vec![], None),
        ] {
            let root = host(&files);
            assert_eq!(total_below(root.path()), want, "{files:?}");
        }
    }

    #[test]
    fn the_memory_in_use_is_known_here() {
        assert!(used().unwrap() > 100_000);
        assert!(total().unwrap() > used().unwrap());
    }
}
