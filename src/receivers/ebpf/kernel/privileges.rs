//! Which capabilities the agent has.

use std::fs;

/// What the programs need, with their bit in the kernel's sets.
const NEEDED: [(&str, u32); 3] = [("CAP_BPF", 39), ("CAP_PERFMON", 38), ("CAP_NET_ADMIN", 12)];
/// Holds all the rights of the others.
const SYS_ADMIN: u32 = 21;

/// Those that are missing.
pub fn missing() -> Vec<&'static str> {
    missing_in(&fs::read_to_string("/proc/self/status").unwrap_or_default())
}

fn missing_in(status: &str) -> Vec<&'static str> {
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or(0);
    let has = |bit: u32| effective >> bit & 1 == 1;
    NEEDED
        .iter()
        .filter(|(name, bit)| !has(*bit) && (*name == "CAP_NET_ADMIN" || !has(SYS_ADMIN)))
        .map(|(name, _)| *name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(missing_in("CapEff:\t000001ffffffffff\n"), Vec::<&str>::new());
        assert_eq!(missing_in("CapEff:\t0000000000000000\n"), ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"]);
        assert_eq!(missing_in("CapEff:\t0000004000001000\n"), ["CAP_BPF"]);
        assert_eq!(missing_in(""), ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"]);
    }
}
