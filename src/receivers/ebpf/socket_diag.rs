//! The last resort, where no program can be loaded: the kernel's list of TCP sockets (`sock_diag`),
//! and `/proc` for whose they are. It knows the agent's own network namespace, and of connections that
//! come and go between two looks it knows nothing.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::net::IpAddr;

use rustix::net::netlink::SOCK_DIAG;

use super::kernel::records::{FlowKey, Role, TcpStats};
use super::netlink::{Netlink, address, attributes, u32_at, u64_at};

/// Asks for the sockets, and remembers what they had counted.
pub struct SocketDiag {
    kernel: Netlink,
    look: u32,
    known: HashMap<u64, Known>,
    /// Names of processes by the inode of their socket.
    processes: HashMap<u32, String>,
    ephemeral_from: u16,
    is_first: bool,
}

struct Known {
    key: FlowKey,
    sent: u64,
    received: u64,
    retransmits: u32,
    look: u32,
}

/// One socket of the list.
#[derive(Debug, PartialEq)]
struct Entry {
    state: u8,
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
    cookie: u64,
    inode: u32,
    info: Info,
}

/// The fields that are used of `struct tcp_info`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Info {
    /// Microseconds.
    rtt: u32,
    retransmits: u32,
    sent: u64,
    received: u64,
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const TCP: u8 = 6;
const ESTABLISHED: u8 = 1;
const LISTEN: u8 = 10;
/// Established and what comes after, but for `TIME_WAIT`; and who listens.
const STATES: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << LISTEN | 1 << 11;
const INET_DIAG_INFO: u16 = 2;
/// Sockets that are remembered.
const MOST: usize = 200_000;

impl SocketDiag {
    pub fn open() -> io::Result<Self> {
        let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
        let ephemeral_from = range.split_whitespace().next().and_then(|low| low.parse().ok());
        Ok(Self {
            kernel: Netlink::open(Some(SOCK_DIAG))?,
            look: 0,
            known: HashMap::new(),
            processes: HashMap::new(),
            ephemeral_from: ephemeral_from.unwrap_or(32_768),
            is_first: true,
        })
    }

    /// What the connections have counted since the last look.
    pub fn take(&mut self, mut each: impl FnMut(FlowKey, TcpStats)) -> io::Result<()> {
        let mut entries = Vec::new();
        for family in [2, 10] {
            self.list(family, &mut entries)?;
        }
        let (listeners, entries): (Vec<Entry>, Vec<Entry>) =
            entries.into_iter().partition(|entry| entry.state == LISTEN);
        let listening: HashSet<u16> = listeners.iter().map(|entry| entry.local.1).collect();
        if entries.iter().any(|entry| !self.processes.contains_key(&entry.inode)) {
            self.processes = processes();
        }
        self.look = self.look.wrapping_add(1);
        let look = self.look;
        for entry in entries {
            let (key, stats) = self.observe(&entry, &listening, look);
            each(key, stats);
        }
        let mut closed = Vec::new();
        self.known.retain(|_, known| {
            let is_there = known.look == look;
            if !is_there {
                closed.push(known.key);
            }
            is_there
        });
        for key in closed {
            each(key, TcpStats { closed: 1, ..TcpStats::default() });
        }
        self.is_first = false;
        Ok(())
    }

    fn observe(&mut self, entry: &Entry, listening: &HashSet<u16>, look: u32) -> (FlowKey, TcpStats) {
        let role = role(entry.local, entry.remote, listening, self.ephemeral_from);
        let mut stats = TcpStats::default();
        if entry.state == ESTABLISHED {
            stats.active = 1;
            if entry.info.rtt > 0 {
                stats.rtt.record(entry.info.rtt.into());
            }
        }
        let key = match self.known.get_mut(&entry.cookie) {
            Some(known) => {
                stats.sent = entry.info.sent.saturating_sub(known.sent);
                stats.received = entry.info.received.saturating_sub(known.received);
                stats.retransmits = entry.info.retransmits.saturating_sub(known.retransmits).into();
                (known.sent, known.received) = (entry.info.sent, entry.info.received);
                known.retransmits = entry.info.retransmits;
                known.look = look;
                return (known.key, stats);
            }
            None => {
                let (mut local, mut remote) = (entry.local, entry.remote);
                match role {
                    Role::Client => local.1 = 0,
                    Role::Server => remote.1 = 0,
                }
                let process = self.processes.get(&entry.inode).map_or("", String::as_str);
                FlowKey::new(local, remote, TCP, role).with_process(process)
            }
        };
        // What was there at the first look has counted before.
        if !self.is_first {
            (stats.sent, stats.received) = (entry.info.sent, entry.info.received);
            stats.retransmits = entry.info.retransmits.into();
            match role {
                Role::Client => stats.opened = 1,
                Role::Server => stats.accepted = 1,
            }
        }
        if self.known.len() < MOST {
            let Info { sent, received, retransmits, .. } = entry.info;
            self.known.insert(entry.cookie, Known { key, sent, received, retransmits, look });
        }
        (key, stats)
    }

    fn list(&mut self, family: u8, entries: &mut Vec<Entry>) -> io::Result<()> {
        let mut question = vec![family, TCP, 1 << (INET_DIAG_INFO - 1), 0];
        question.extend(STATES.to_ne_bytes());
        question.resize(56, 0);
        self.kernel.list(SOCK_DIAG_BY_FAMILY, &question, |kind, body| {
            if kind == SOCK_DIAG_BY_FAMILY {
                entries.extend(entry(body));
            }
        })
    }
}

/// Who has opened the connection: whoever listens has not, and clients take ephemeral ports.
fn role(local: (IpAddr, u16), remote: (IpAddr, u16), listening: &HashSet<u16>, ephemeral_from: u16) -> Role {
    let is_here = remote.0 == local.0 || remote.0.is_loopback();
    let is_client = if listening.contains(&local.1) {
        false
    } else if is_here && listening.contains(&remote.1) {
        true
    } else {
        match (local.1 >= ephemeral_from, remote.1 >= ephemeral_from) {
            (true, false) => true,
            (false, true) => false,
            _ => local.1 > remote.1,
        }
    };
    if is_client { Role::Client } else { Role::Server }
}

/// `struct inet_diag_msg` with its attributes.
fn entry(body: &[u8]) -> Option<Entry> {
    const FIXED: usize = 72;
    let fixed = body.get(..FIXED)?;
    let port = |place: usize| u16::from_be_bytes([fixed[place], fixed[place + 1]]);
    let length = match fixed[0] {
        2 => 4,
        10 => 16,
        _ => return None,
    };
    let mut info = Info::default();
    for (kind, value) in attributes(&body[FIXED..]) {
        if kind == INET_DIAG_INFO {
            info = Info {
                rtt: u32_at(value, 68).unwrap_or(0),
                retransmits: u32_at(value, 100).unwrap_or(0),
                sent: u64_at(value, 120).unwrap_or(0),
                received: u64_at(value, 128).unwrap_or(0),
            };
        }
    }
    Some(Entry {
        state: fixed[1],
        local: (address(&fixed[8..8 + length])?, port(4)),
        remote: (address(&fixed[24..24 + length])?, port(6)),
        cookie: u64_at(fixed, 44)?,
        inode: u32_at(fixed, 68)?,
        info,
    })
}

/// Names of the processes by the inodes of their sockets, as far as they may be seen.
fn processes() -> HashMap<u32, String> {
    let mut found = HashMap::new();
    let Ok(processes) = fs::read_dir("/proc") else { return found };
    for process in processes.flatten() {
        if !process.file_name().as_encoded_bytes()[0].is_ascii_digit() {
            continue;
        }
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let mut name = None;
        for file in files.flatten() {
            let Ok(target) = fs::read_link(file.path()) else { continue };
            let inode = target
                .to_str()
                .and_then(|target| target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode {
                let name = name.get_or_insert_with(|| {
                    fs::read_to_string(process.path().join("comm")).unwrap_or_default().trim().to_owned()
                });
                found.insert(inode, name.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_connection_is_seen_with_what_it_has_sent() {
        let mut diag = SocketDiag::open().unwrap();
        diag.take(|_, _| {}).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(&[7; 5000]).unwrap();
        server.read_exact(&mut [0; 5000]).unwrap();
        let mut total = TcpStats::default();
        diag.take(|key, stats| {
            if key.remote_port() == port || key.local_port() == port {
                total.active += stats.active;
                total.received += stats.received;
                total.opened += stats.opened + stats.accepted;
            }
        })
        .unwrap();
        assert_eq!((total.active, total.received, total.opened), (2, 5000, 2));
        drop((client, server));
        let mut closed = 0;
        diag.take(|key, stats| {
            closed += if key.remote_port() == port || key.local_port() == port { stats.closed } else { 0 }
        })
        .unwrap();
        assert!(closed >= 1);
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = entry(&bytes);
        }
    }
}
