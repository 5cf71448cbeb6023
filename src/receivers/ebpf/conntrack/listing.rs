//! The tracked connections as text: one a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::IpAddr;

use super::super::kernel::records::Traffic;
use super::entry::{Entry, Tuple};

pub const FILE: &str = "/proc/net/nf_conntrack";

pub fn read(mut each: impl FnMut(Entry)) -> io::Result<()> {
    let mut lines = BufReader::with_capacity(64 << 10, File::open(FILE)?);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        entry(&line).into_iter().for_each(&mut each);
        line.clear();
    }
    Ok(())
}

/// `ipv4 2 tcp 6 431999 ESTABLISHED src=… dst=… sport=… dport=… packets=… bytes=… src=… … zone=0 use=2`:
/// the second `src` begins what packets in answer have.
fn entry(line: &str) -> Option<Entry> {
    let mut words = line.split_ascii_whitespace();
    let protocol = words.nth(3)?.parse().ok()?;
    let mut ways = [Way::default(); 2];
    let mut way = None;
    let mut zone = 0;
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        if key == "src" {
            way = Some(way.map_or(0, |_| 1));
        }
        if key == "zone" {
            zone = value.parse().ok()?;
        }
        if let Some(way) = way {
            ways[way].take(key, value);
        }
    }
    let [original, reply] = ways;
    Some(Entry {
        original: original.tuple(protocol)?,
        reply: reply.tuple(protocol)?,
        counted: original.counted().zip(reply.counted()).map(<[_; 2]>::from),
        zone,
        // Connections have no number here.
        id: 0,
    })
}

#[derive(Clone, Copy, Default)]
struct Way {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    ports: [u16; 2],
    packets: Option<u64>,
    bytes: Option<u64>,
}

impl Way {
    fn take(&mut self, key: &str, value: &str) {
        match key {
            "src" => self.source = value.parse().ok(),
            "dst" => self.destination = value.parse().ok(),
            "sport" => self.ports[0] = value.parse().unwrap_or(0),
            "dport" => self.ports[1] = value.parse().unwrap_or(0),
            "packets" => self.packets = value.parse().ok(),
            "bytes" => self.bytes = value.parse().ok(),
            _ => {}
        }
    }

    fn tuple(&self, protocol: u8) -> Option<Tuple> {
        let [from, to] = self.ports;
        Some(Tuple { protocol, source: (self.source?, from), destination: (self.destination?, to) })
    }

    fn counted(&self) -> Option<Traffic> {
        Some(Traffic { packets: self.packets?, bytes: self.bytes? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "ipv4     2 tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.96.0.1 sport=40000 dport=80 \
        packets=3 bytes=180 src=10.0.1.7 dst=10.0.0.1 sport=8080 dport=40000 packets=2 bytes=4000 [ASSURED] \
        mark=0 zone=5 use=2";

    #[test]
    fn a_line_says_who_talks_to_whom_and_who_answers() {
        let found = entry(LINE).unwrap();
        assert_eq!((found.original.protocol, found.zone), (6, 5));
        assert_eq!(found.original.destination, ("10.96.0.1".parse().unwrap(), 80));
        assert_eq!(found.reply.source, ("10.0.1.7".parse().unwrap(), 8080));
        let [sent, received] = found.counted.unwrap();
        assert_eq!((sent.packets, sent.bytes, received.packets, received.bytes), (3, 180, 2, 4000));
        let uncounted = entry(
            "ipv6 10 udp 17 29 src=fd00::1 dst=fd00::2 sport=5 dport=53 [UNREPLIED] src=fd00::2 dst=fd00::1 \
             sport=53 dport=5 mark=0 zone=0 use=2",
        );
        assert_eq!(uncounted.unwrap().counted, None);
        assert_eq!(entry("ipv4 2 tcp 6 1 src=10.0.0.1 dst=10.0.0.2"), None, "no answer's half");
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_a_panic(line in "(src=|dst=|zone=|sport=|bytes=|[0-9a-f:.= ]){0,40}", at in 0_usize..200) {
            let _ = entry(&line);
            let _ = entry(&format!("ipv4 2 tcp 6 {line}"));
            let _ = LINE.get(..at).map(entry);
        }
    }
}
