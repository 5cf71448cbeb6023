//! Folders that components read or write are there.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::super::facts::{Used, folder_of};
use super::super::{Facts, Finding};

const NAME: &str = "mounts";

pub fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for used in facts.receivers() {
        match used.kind {
            "hostmetrics" => findings.extend(host_root(&used)),
            "filelog" => findings.extend(logs(&used)),
            "journald" => findings.extend(journal(&used)),
            _ => {}
        }
    }
    for used in facts.extensions() {
        if used.kind == "file_storage" {
            findings.push(storage(&used));
        }
    }
    if facts.processors().iter().any(|used| used.kind == "memory_limiter") {
        findings.push(cgroup(&facts.host.sys));
    }
    if findings.is_empty() {
        findings.push(Finding::skipped(NAME, "no component reads or writes files"));
    }
    findings
}

fn host_root(used: &Used<'_>) -> Option<Finding> {
    let root = used.text("root_path")?;
    let stat = Path::new(root).join("proc/stat");
    Some(match fs::metadata(&stat) {
        Ok(_) => Finding::ok(NAME, format!("{}: the host is at {root}", used.id)),
        Err(error) => Finding::failed(
            NAME,
            format!("{}: {} cannot be read: {error}", used.id, stat.display()),
            format!("mount the host's / at {root}, read-only, with mountPropagation HostToContainer"),
        ),
    })
}

fn logs(used: &Used<'_>) -> Vec<Finding> {
    let mut folders: Vec<&Path> = used.list("include").into_iter().map(folder_of).collect();
    folders.sort();
    folders.dedup();
    let look = |folder: &Path| match fs::read_dir(folder) {
        Ok(_) => Finding::ok(NAME, format!("{}: {} can be read", used.id, folder.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Finding::failed(
            NAME,
            format!("{}: {} is not there", used.id, folder.display()),
            "mount the host's /var/log at /var/log, read-only",
        ),
        Err(error) => Finding::failed(
            NAME,
            format!("{}: {} cannot be read: {error}", used.id, folder.display()),
            "run as user 0, with the capability DAC_READ_SEARCH for files of other users",
        ),
    };
    folders.into_iter().map(look).collect()
}

fn journal(used: &Used<'_>) -> Option<Finding> {
    let folder = used.text("directory")?;
    Some(match fs::read_dir(folder) {
        Ok(_) => Finding::ok(NAME, format!("{}: {folder} can be read", used.id)),
        Err(error) => Finding::failed(
            NAME,
            format!("{}: {folder} cannot be read: {error}", used.id),
            "mount the host's /var/log; a node that keeps its journal in memory has it in /run/log/journal",
        ),
    })
}

fn storage(used: &Used<'_>) -> Finding {
    const DEFAULT: &str = "/var/lib/otelcol/file_storage";
    let folder = Path::new(used.text("directory").unwrap_or(DEFAULT));
    let file = folder.join(".kmagent-doctor");
    let write = || {
        if used.settings.get("create_directory").is_some_and(|create| create.as_bool() == Some(true)) {
            fs::create_dir_all(folder)?;
        }
        fs::write(&file, b"")?;
        fs::remove_file(&file)
    };
    match write() {
        Ok(()) => Finding::ok(NAME, format!("{}: {} can be written", used.id, folder.display())),
        Err(error) => Finding::failed(
            NAME,
            format!(
                "{}: {} cannot be written: {error}; offsets are lost at a restart",
                used.id,
                folder.display()
            ),
            format!("mount a folder of the node at {} (hostPath, DirectoryOrCreate)", folder.display()),
        ),
    }
}

fn cgroup(sys: &Path) -> Finding {
    let cgroup = sys.join("fs/cgroup");
    let limits = ["memory.max", "memory/memory.limit_in_bytes"];
    match limits.iter().find_map(|name| fs::read_to_string(cgroup.join(name)).ok()) {
        // Version 1 says "none" with a number close to the largest there is.
        Some(limit) if limit.trim().parse::<u64>().is_ok_and(|bytes| bytes < 1 << 60) => {
            Finding::ok(NAME, format!("memory_limiter: the container's limit is {} bytes", limit.trim()))
        }
        _ => Finding::warning(
            NAME,
            "memory_limiter: the container has no memory limit that can be seen: percentages are of the host's memory",
            "set resources.limits.memory, and do not mount the host's /sys/fs/cgroup over the container's",
        ),
    }
}
