//! The process has the capabilities that components need.

use std::fs;

use super::super::{Facts, Finding};
use super::kernel;

const NAME: &str = "capabilities";

const DAC_READ_SEARCH: (&str, u32) = ("DAC_READ_SEARCH", 2);
const NET_ADMIN: (&str, u32) = ("NET_ADMIN", 12);
const SYS_PTRACE: (&str, u32) = ("SYS_PTRACE", 19);
const SYS_ADMIN: u32 = 21;
const SYS_RESOURCE: (&str, u32) = ("SYS_RESOURCE", 24);
const PERFMON: (&str, u32) = ("PERFMON", 38);
const BPF: (&str, u32) = ("BPF", 39);

pub fn check(facts: &Facts) -> Vec<Finding> {
    let status = fs::read_to_string(facts.host.proc.join("self/status")).unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    let Some(effective) = effective else {
        return vec![Finding::skipped(NAME, "the kernel does not tell them")];
    };
    // Since then the memory of eBPF maps is no longer locked memory, whose limit would have to be raised.
    let accounts_maps = kernel::release(facts).1.is_some_and(|version| version >= (5, 11));
    let mut findings = Vec::new();
    for used in facts.receivers() {
        let (wanted, cost): (&[(&str, u32)], _) = match used.kind {
            "ebpfreceiver" | "ebpf" => (&[BPF, PERFMON, NET_ADMIN, SYS_RESOURCE], "no program can be loaded"),
            "filelog" => (&[DAC_READ_SEARCH], "files of other users than root cannot be read"),
            "hostmetrics"
                if used.settings.get("scrapers").is_some_and(|all| all.get("process").is_some()) =>
            {
                (&[SYS_PTRACE], "I/O and executables of other users' processes cannot be read")
            }
            _ => continue,
        };
        let has = |bit: u32| effective & (1 << bit) != 0;
        // The right to all came before those of its own for BPF.
        let implied = |bit: u32| has(SYS_ADMIN) && (bit == BPF.1 || bit == PERFMON.1);
        let unneeded = |bit: u32| bit == SYS_RESOURCE.1 && accounts_maps;
        let missing: Vec<&str> = wanted
            .iter()
            .filter(|(_, bit)| !has(*bit) && !implied(*bit) && !unneeded(*bit))
            .map(|(name, _)| *name)
            .collect();
        findings.push(if missing.is_empty() {
            Finding::ok(NAME, format!("{}: all that it needs", used.id))
        } else {
            let message = format!("{}: {} missing: {cost}", used.id, missing.join(", "));
            let fix =
                format!("add to the container's securityContext.capabilities.add: [{}]", missing.join(", "));
            if wanted.len() > 1 {
                Finding::failed(NAME, message, fix)
            } else {
                Finding::warning(NAME, message, fix)
            }
        });
    }
    if findings.is_empty() {
        findings.push(Finding::skipped(NAME, "no component needs any"));
    }
    findings
}
