//! What the kernel calls its reasons to drop a packet: they differ from version to version, so they
//! are read from its own type information.

use std::collections::HashMap;

use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::Enum;

/// Names by number, and the number that is no drop.
#[derive(Debug, Default)]
pub struct Reasons {
    names: HashMap<u32, String>,
    pub consumed: Option<u32>,
}

impl Reasons {
    pub fn of_kernel() -> Self {
        let Ok(btf) = Btf::from_vmlinux() else { return Self::default() };
        let Some(reasons) = btf.type_by_name::<Enum<'_>>("skb_drop_reason") else { return Self::default() };
        let mut found = Self::default();
        for member in reasons.iter() {
            let Some(name) = member.name.and_then(|name| name.to_str()) else { continue };
            let Ok(number) = u32::try_from(member.value) else { continue };
            match name {
                "SKB_CONSUMED" => found.consumed = Some(number),
                "SKB_NOT_DROPPED_YET" | "SKB_DROP_REASON_MAX" | "SKB_DROP_REASON_SUBSYS_MASK" => {}
                _ => {
                    let name = name.strip_prefix("SKB_DROP_REASON_").unwrap_or(name);
                    found.names.insert(number, name.to_ascii_lowercase());
                }
            }
        }
        found
    }

    /// The name in lower case, without what all have in common; the number when there is none.
    pub fn name(&self, reason: u32) -> String {
        match self.names.get(&reason) {
            Some(name) => name.clone(),
            // Parts of the kernel (wireless, switches) have reasons of their own.
            None if reason >> 16 != 0 => format!("subsystem_{}_{}", reason >> 16, reason & 0xffff),
            None => format!("reason_{reason}"),
        }
    }
}
