//! Where the tree of cgroups is mounted.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The folder whose cgroup is the root of all: programs attached there see every socket of the node.
/// A container that was not given the host's tree sees its own cgroup as the root, which is not it.
pub fn root(configured: &Path) -> Result<PathBuf, String> {
    if !configured.as_os_str().is_empty() {
        return if is_root(configured) {
            Ok(configured.to_owned())
        } else {
            Err(format!("{} is not the root of a cgroup v2 tree", configured.display()))
        };
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let found: Vec<PathBuf> = mounts.lines().filter_map(cgroup2).collect();
    match found.iter().find(|path| is_root(path)) {
        Some(path) => Ok(path.clone()),
        None if found.is_empty() => Err("cgroup v2 is not mounted".to_owned()),
        None => Err(
            "the root of the host's cgroups is not visible: mount the host's /sys/fs/cgroup into the container, \
             and name it in cgroup_path when it is not found"
                .to_owned(),
        ),
    }
}

/// The root has the first inode of its filesystem.
fn is_root(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.ino() == 1) && path.join("cgroup.procs").exists()
}

/// The mount point, if the line of `mountinfo` is about cgroup v2.
fn cgroup2(line: &str) -> Option<PathBuf> {
    let (mount, filesystem) = line.split_once(" - ")?;
    if filesystem.split(' ').next() != Some("cgroup2") {
        return None;
    }
    Some(PathBuf::from(mount.split(' ').nth(4)?.replace("\\040", " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cgroup_v2_is_looked_at() {
        let line = "35 24 0:30 / /sys/fs/cgroup\\040x rw,relatime shared:9 - cgroup2 cgroup2 rw";
        assert_eq!(cgroup2(line), Some(PathBuf::from("/sys/fs/cgroup x")));
        assert_eq!(cgroup2("35 24 0:30 / /sys/fs/cgroup rw - cgroup cgroup rw,cpu"), None);
        assert!(root(Path::new("/proc")).unwrap_err().contains("/proc"));
    }
}
