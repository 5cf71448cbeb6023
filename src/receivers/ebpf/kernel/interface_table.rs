//! The network interfaces of the calling thread's network namespace, and what they have counted. Not
//! from `/sys`, which shows the namespace it was mounted in.

use std::collections::BTreeMap;
use std::fs;

use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};

use super::records::Traffic;

/// An interface and its counters since it was made; bytes with the headers of its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub received: Traffic,
    pub sent: Traffic,
}

/// All interfaces, by index; none when they cannot be read.
pub fn present() -> BTreeMap<i32, Interface> {
    let Ok(table) = fs::read_to_string("/proc/thread-self/net/dev") else { return BTreeMap::new() };
    let Ok(any) = socket(AddressFamily::INET, SocketType::DGRAM, None) else { return BTreeMap::new() };
    let interfaces = table.lines().filter_map(interface);
    let index = |interface: Interface| {
        let index = name_to_index(&any, &interface.name).ok()?;
        Some((i32::try_from(index).ok()?, interface))
    };
    interfaces.filter_map(index).collect()
}

/// A line of the table: its name and sixteen counters, eight for what was received and eight for what was sent.
fn interface(line: &str) -> Option<Interface> {
    let (name, counters) = line.split_once(':')?;
    let mut counters = counters.split_ascii_whitespace().map(str::parse::<u64>);
    let received = Traffic { bytes: counters.next()?.ok()?, packets: counters.next()?.ok()? };
    let mut counters = counters.skip(6);
    let sent = Traffic { bytes: counters.next()?.ok()?, packets: counters.next()?.ok()? };
    Some(Interface { name: name.trim().to_owned(), received, sent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_bytes_and_packets_of_both_ways() {
        let line = "  eth0: 1296 7 0 0 0 0 0 1     4386      31    0    0    0     0       0          0";
        let traffic = |bytes, packets| Traffic { bytes, packets };
        let wanted =
            Interface { name: "eth0".to_owned(), received: traffic(1296, 7), sent: traffic(4386, 31) };
        assert_eq!(interface(line), Some(wanted));
        assert_eq!(interface("Inter-|   Receive                 |  Transmit"), None);
        assert_eq!(interface("lo: 1 2 3"), None);
        assert!(present().values().any(|interface| interface.name == "lo"));
    }
}
