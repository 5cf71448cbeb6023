//! `system`: the host itself.

use std::fs;
use std::str::FromStr;

use super::{Detector, Found, Probe};
use crate::otlp::KeyValue;

pub static SYSTEM: Detector = Detector {
    name: "system",
    attributes: &[
        ("host.name", true),
        ("os.type", true),
        ("host.id", false),
        ("host.arch", false),
        ("host.ip", false),
        ("host.mac", false),
        ("host.interface", false),
        ("os.description", false),
        ("os.name", false),
        ("os.version", false),
        ("os.build.id", false),
        ("host.cpu.vendor.id", false),
        ("host.cpu.family", false),
        ("host.cpu.model.id", false),
        ("host.cpu.model.name", false),
        ("host.cpu.stepping", false),
        ("host.cpu.cache.l2.size", false),
    ],
    is_quick: |config| {
        config.system.sources().is_ok_and(|sources| sources.first() == Some(&HostnameSource::Os))
    },
    detect,
};

/// Where the host's name is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostnameSource {
    /// The kernel.
    Os,
    /// The full name that the resolver has for it.
    Dns,
    /// The name that an alias stands for.
    Cname,
    /// The names that the resolver has for its addresses.
    Lookup,
}

impl FromStr for HostnameSource {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "os" => Ok(Self::Os),
            "dns" => Ok(Self::Dns),
            "cname" => Ok(Self::Cname),
            "lookup" => Ok(Self::Lookup),
            other => Err(format!("invalid hostname source \"{other}\": use os, dns, cname or lookup")),
        }
    }
}

fn detect(probe: &Probe<'_>) -> Result<Vec<KeyValue>, String> {
    let mut found = Found::default();
    found.text("host.name", hostname(probe)?);
    found.text("os.type", std::env::consts::OS);
    found.text("host.arch", architecture(std::env::consts::ARCH));
    let id = ["/etc/machine-id", "/var/lib/dbus/machine-id"].into_iter().find_map(|path| probe.file(path));
    found.text("host.id", id.unwrap_or_default().trim());
    if probe.wants("host.ip") {
        let addresses = probe.environment.names.own_addresses();
        found.texts("host.ip", addresses.into_iter().map(|address| address.to_string()));
    }
    if probe.wants("host.mac") || probe.wants("host.interface") {
        let interfaces = interfaces(probe);
        let macs = interfaces.iter().filter(|interface| !interface.mac.is_empty());
        found.texts("host.mac", macs.map(|interface| interface.mac.clone()));
        found.texts("host.interface", interfaces.into_iter().map(|interface| interface.name));
    }
    operating_system(probe, &mut found);
    processor(&probe.file("/proc/cpuinfo").unwrap_or_default(), &mut found);
    Ok(found.0)
}

fn hostname(probe: &Probe<'_>) -> Result<String, String> {
    let names = &probe.environment.names;
    let kernel = names.kernel();
    let sources = probe.config.system.sources()?;
    let full = |name: String| {
        let name = name.trim_end_matches('.').to_owned();
        (!name.is_empty()).then_some(name)
    };
    sources
        .iter()
        .find_map(|source| match source {
            HostnameSource::Os => full(kernel.clone()),
            HostnameSource::Dns => {
                // An alias of the hosts file or of DNS first, then the name its address goes by.
                let canonical = names.canonical(&kernel).and_then(full);
                let reverse =
                    || names.addresses_of(&kernel).into_iter().find_map(|address| names.reverse(address));
                canonical
                    .clone()
                    .filter(|name| name.contains('.'))
                    .or_else(|| reverse().and_then(full).filter(|name| name.contains('.')))
                    .or(canonical)
            }
            HostnameSource::Cname => names.canonical(&kernel).and_then(full),
            HostnameSource::Lookup => {
                names.own_addresses().into_iter().find_map(|address| names.reverse(address).and_then(full))
            }
        })
        .ok_or_else(|| {
            format!(
                "none of the hostname_sources {:?} gives a name: add \"os\" to system::hostname_sources",
                probe.config.system.hostname_sources
            )
        })
}

fn architecture(rust_name: &str) -> &str {
    match rust_name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

struct Interface {
    name: String,
    mac: String,
    index: u32,
}

/// Interfaces that are up, without loopback, in the kernel's order.
fn interfaces(probe: &Probe<'_>) -> Vec<Interface> {
    const UP: u32 = 1;
    const LOOPBACK: u32 = 8;
    let Ok(entries) = fs::read_dir(probe.environment.root.join("sys/class/net")) else { return Vec::new() };
    let mut interfaces: Vec<Interface> = entries
        .flatten()
        .filter_map(|entry| {
            let read = |file| fs::read_to_string(entry.path().join(file)).ok();
            let flags = u32::from_str_radix(read("flags")?.trim().trim_start_matches("0x"), 16).ok()?;
            let mac = read("address").unwrap_or_default().trim().replace(':', "-").to_ascii_uppercase();
            (flags & (UP | LOOPBACK) == UP).then(|| Interface {
                name: entry.file_name().to_string_lossy().into_owned(),
                mac,
                index: read("ifindex").and_then(|index| index.trim().parse().ok()).unwrap_or(u32::MAX),
            })
        })
        .collect();
    interfaces.sort_by_key(|interface| interface.index);
    interfaces
}

fn operating_system(probe: &Probe<'_>, found: &mut Found) {
    let release = ["/etc/os-release", "/usr/lib/os-release"].into_iter().find_map(|path| probe.file(path));
    let release = release.unwrap_or_default();
    let field = |key: &str| {
        let value = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned()
    };
    found.text("os.name", field("NAME"));
    found.text("os.version", field("VERSION_ID"));
    found.text("os.build.id", field("BUILD_ID"));
    if probe.wants("os.description") {
        let uname = rustix::system::uname();
        let kernel = [uname.sysname(), uname.nodename(), uname.release(), uname.version(), uname.machine()]
            .map(|part| part.to_string_lossy().into_owned())
            .join(" ");
        let name = match field("PRETTY_NAME") {
            pretty if pretty.is_empty() => format!("{} {}", field("NAME"), field("VERSION")),
            pretty => pretty,
        };
        found.text("os.description", format!("{} ({kernel})", name.trim()));
    }
}

/// The first processor of `/proc/cpuinfo`; what an architecture does not say stays out.
fn processor(cpuinfo: &str, found: &mut Found) {
    let first = cpuinfo.split("\n\n").next().unwrap_or_default();
    let field = |key: &str| {
        first.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim())
        })
    };
    found.text("host.cpu.vendor.id", field("vendor_id").unwrap_or_default());
    found.text("host.cpu.family", field("cpu family").unwrap_or_default());
    found.text("host.cpu.model.id", field("model").unwrap_or_default());
    found.text("host.cpu.model.name", field("model name").unwrap_or_default());
    found.text("host.cpu.stepping", field("stepping").unwrap_or_default());
    let cache = field("cache size").and_then(|size| size.trim_end_matches("KB").trim().parse::<i64>().ok());
    if let Some(kib) = cache {
        found.0.push(KeyValue::fixed("host.cpu.cache.l2.size", kib));
    }
}
