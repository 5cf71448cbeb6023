//! The kernel can run the eBPF programs.

use std::fs;

use super::super::{Facts, Finding};

const NAME: &str = "kernel";
/// The first release with all that the programs use.
const OLDEST: (u32, u32) = (5, 8);

pub fn check(facts: &Facts) -> Vec<Finding> {
    if !facts.receivers().iter().any(|used| matches!(used.kind, "ebpfreceiver" | "ebpf")) {
        return vec![Finding::skipped(NAME, "no eBPF receiver")];
    }
    let (proc, sys) = (&facts.host.proc, &facts.host.sys);
    let (release, version) = release(facts);
    let mut findings = vec![match version {
        Some(version) if version < OLDEST => Finding::failed(
            NAME,
            format!("Linux {release} is older than 5.8: no eBPF"),
            "update the node, or turn featuresEnabled.ebpf off",
        ),
        Some(_) => Finding::ok(NAME, format!("Linux {release}")),
        None => {
            Finding::warning(NAME, format!("\"{release}\" is no release of Linux that can be compared"), "")
        }
    }];
    if !sys.join("kernel/btf/vmlinux").exists() {
        findings.push(Finding::failed(
            NAME,
            "the kernel has no description of its types (/sys/kernel/btf/vmlinux)",
            "use a kernel built with CONFIG_DEBUG_INFO_BTF, or turn featuresEnabled.ebpf off",
        ));
    }
    let lockdown = fs::read_to_string(sys.join("kernel/security/lockdown")).unwrap_or_default();
    if lockdown.contains("[confidentiality]") {
        findings.push(Finding::warning(
            NAME,
            "the kernel is locked down for confidentiality: some programs may not load",
            "boot with lockdown=integrity, if all of the telemetry is wanted",
        ));
    }
    let mounts = fs::read_to_string(proc.join("self/mountinfo")).unwrap_or_default();
    if !mounts.contains(" - cgroup2 ") {
        findings.push(Finding::warning(
            NAME,
            "no cgroup v2 is visible: bytes of flows are counted another way",
            "mount the host's / with mountPropagation HostToContainer; nodes with cgroup v1 alone have none",
        ));
    }
    findings
}

/// The kernel's release, and its first two numbers.
pub(super) fn release(facts: &Facts) -> (String, Option<(u32, u32)>) {
    let release = fs::read_to_string(facts.host.proc.join("sys/kernel/osrelease")).unwrap_or_default();
    let release = release.trim().to_owned();
    let version = version(&release);
    (release, version)
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
