//! What the connections have counted since they were looked at last.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::IpAddr;

use rustix::net::netlink::NETFILTER;

use super::super::kernel::records::{Direction, FlowKey, Role, Traffic};
use super::super::netlink::Netlink;
use super::entry::{Entry, Tuple};
use super::listing;

/// Asks for the connections, and remembers what they had counted.
pub struct Conntrack {
    source: Source,
    known: HashMap<(Tuple, u16), Known>,
    look: u32,
    is_first: bool,
}

enum Source {
    Kernel(Netlink),
    Listing,
}

struct Known {
    /// Another one is another connection with the same addresses and ports.
    id: u32,
    counted: [Traffic; 2],
    look: u32,
}

/// What a connection has counted since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    protocol: u8,
    /// Who has sent the first packet.
    client: (IpAddr, u16),
    /// Who answers, whatever address the client has asked.
    server: (IpAddr, u16),
    sent: Traffic,
    received: Traffic,
}

const IS_LOADED: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
const COUNTS: &str = "/proc/sys/net/netfilter/nf_conntrack_acct";
/// `IPCTNL_MSG_CT_GET` and `IPCTNL_MSG_CT_NEW` of the subsystem `NFNL_SUBSYS_CTNETLINK`.
const GET: u16 = 0x101;
const NEW: u16 = 0x100;
/// Connections that are remembered: some 30 MiB.
const MOST: usize = 200_000;

impl Conntrack {
    /// Finds out whether connections are tracked and may be seen. The error says what is missing and what
    /// to do.
    pub fn open() -> Result<Self, String> {
        // Asking would load it, and with it the tracking of all connections.
        if !fs::exists(IS_LOADED).unwrap_or(false) {
            return Err(
                "this kernel tracks no connections: it does when a firewall or kube-proxy asks it to \
                 (modprobe nf_conntrack)"
                    .to_owned(),
            );
        }
        let refused = match Netlink::open(Some(NETFILTER)).map(Source::Kernel).and_then(Self::started) {
            Ok(conntrack) => return Ok(conntrack),
            Err(error) => error,
        };
        Self::started(Source::Listing).map_err(|error| {
            format!(
                "the tracked connections cannot be read: {refused}, {}: {error}: give the agent the capability \
                 CAP_NET_ADMIN",
                listing::FILE
            )
        })
    }

    /// What was there before has counted before.
    fn started(source: Source) -> io::Result<Self> {
        let mut conntrack = Self { source, known: HashMap::new(), look: 0, is_first: true };
        conntrack.take(|_| {})?;
        Ok(conntrack)
    }

    /// Whether the kernel counts what the connections that are made from now on send.
    pub fn counts() -> bool {
        fs::read_to_string(COUNTS).is_ok_and(|text| text.trim() == "1")
    }

    /// Bytes that are taken by what is remembered.
    pub fn memory(&self) -> u64 {
        (self.known.capacity() * size_of::<((Tuple, u16), Known)>()) as u64
    }

    /// What the connections have counted since the last look; how many had no room to be remembered, and are
    /// not told. What nobody counts, because it was there before somebody began to, is not told either.
    pub fn take(&mut self, mut each: impl FnMut(&Connection)) -> io::Result<u64> {
        self.look = self.look.wrapping_add(1);
        let Self { source, known, look, is_first } = self;
        let mut without_room = 0;
        let mut observe = |entry: Entry| match observe(known, &entry, *look, *is_first) {
            Observed::News(connection) => each(&connection),
            Observed::Nothing => {}
            Observed::WithoutRoom => without_room += 1,
        };
        match source {
            // All families.
            Source::Kernel(kernel) => kernel.list(GET, &[0; 4], |kind, body| {
                if kind == NEW {
                    Entry::read(body).into_iter().for_each(&mut observe);
                }
            })?,
            Source::Listing => listing::read(&mut observe)?,
        }
        // The list is not of one moment: one that is not in it may be in the next.
        self.known.retain(|_, known| self.look.wrapping_sub(known.look) <= 1);
        self.is_first = false;
        Ok(without_room)
    }
}

enum Observed {
    News(Connection),
    Nothing,
    WithoutRoom,
}

fn observe(known: &mut HashMap<(Tuple, u16), Known>, entry: &Entry, look: u32, is_first: bool) -> Observed {
    let Some(counted) = entry.counted else { return Observed::Nothing };
    let key = (entry.original, entry.zone);
    let has_room = known.len() < MOST;
    let before = match known.get_mut(&key) {
        Some(known) => {
            let has_fallen = (0..2).any(|way| counted[way].packets < known.counted[way].packets);
            let is_same = known.id == entry.id && !has_fallen;
            let before = if is_same { known.counted } else { <[Traffic; 2]>::default() };
            (known.id, known.counted, known.look) = (entry.id, counted, look);
            before
        }
        None if has_room => {
            known.insert(key, Known { id: entry.id, counted, look });
            if is_first { counted } else { <[Traffic; 2]>::default() }
        }
        None => return Observed::WithoutRoom,
    };
    let [sent, received] = [counted[0].since(before[0]), counted[1].since(before[1])];
    if sent.packets == 0 && received.packets == 0 {
        return Observed::Nothing;
    }
    Observed::News(Connection {
        protocol: entry.original.protocol,
        client: entry.original.source,
        server: entry.reply.source,
        sent,
        received,
    })
}

impl Connection {
    /// The flows of both directions, seen from the end on this node: the client's, when both are or none.
    pub fn flows(&self, mut is_here: impl FnMut(IpAddr) -> bool) -> [(FlowKey, Traffic); 2] {
        let (client, server) = ((self.client.0, 0), self.server);
        if !is_here(client.0) && is_here(server.0) {
            let key = FlowKey::new(server, client, self.protocol, Role::Server);
            [
                (key.with_direction(Direction::Ingress), self.sent),
                (key.with_direction(Direction::Egress), self.received),
            ]
        } else {
            let key = FlowKey::new(client, server, self.protocol, Role::Client);
            [
                (key.with_direction(Direction::Egress), self.sent),
                (key.with_direction(Direction::Ingress), self.received),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(port: u16, id: u32, counted: Option<[u64; 2]>) -> Entry {
        let client = ("10.0.0.1".parse().unwrap(), port);
        let tuple = |source, destination| Tuple { protocol: 17, source, destination };
        let traffic = |bytes| Traffic { bytes, packets: bytes.min(1) };
        Entry {
            original: tuple(client, ("10.96.0.1".parse().unwrap(), 80)),
            reply: tuple(("10.0.1.7".parse().unwrap(), 8080), client),
            counted: counted.map(|counted| counted.map(traffic)),
            zone: 0,
            id,
        }
    }

    fn news(known: &mut HashMap<(Tuple, u16), Known>, entry: &Entry, is_first: bool) -> Option<(u64, u64)> {
        match observe(known, entry, 1, is_first) {
            Observed::News(connection) => Some((connection.sent.bytes, connection.received.bytes)),
            _ => None,
        }
    }

    #[test]
    fn only_what_was_counted_since_the_last_look_is_told() {
        let mut known = HashMap::new();
        assert_eq!(news(&mut known, &entry(1, 7, Some([100, 10])), true), None, "it was there before");
        let grown = Entry {
            counted: Some([100, 11].map(|bytes| Traffic { bytes, packets: 2 })),
            ..entry(1, 7, None)
        };
        assert_eq!(news(&mut known, &grown, false), Some((0, 1)));
        assert_eq!(news(&mut known, &grown, false), None);
        assert_eq!(news(&mut known, &entry(2, 8, Some([50, 5])), false), Some((50, 5)), "it is new");
        assert_eq!(news(&mut known, &entry(2, 9, Some([30, 3])), false), Some((30, 3)), "it is another");
        let many =
            Entry { counted: Some([30, 3].map(|bytes| Traffic { bytes, packets: 3 })), ..entry(2, 9, None) };
        assert_eq!(news(&mut known, &many, false), Some((0, 0)), "packets alone");
        assert_eq!(
            news(&mut known, &entry(2, 9, Some([20, 2])), false),
            Some((20, 2)),
            "fewer: another, too"
        );
        assert!(matches!(observe(&mut known, &entry(3, 1, None), 1, false), Observed::Nothing));
    }

    #[test]
    fn behind_the_address_of_a_service_the_one_who_answers_is_told() {
        let mut known = HashMap::new();
        let Observed::News(connection) = observe(&mut known, &entry(5, 1, Some([9, 4])), 1, false) else {
            panic!("it has counted")
        };
        let server: IpAddr = "10.0.1.7".parse().unwrap();
        let [(out, sent), (back, received)] = connection.flows(|address| address != server);
        assert_eq!((out.remote(), out.remote_port(), out.local_port()), (server, 8080, 0));
        assert_eq!((out.role(), out.direction(), sent.bytes), (Role::Client, Direction::Egress, 9));
        assert_eq!((back.direction(), received.bytes), (Direction::Ingress, 4));
        let [(key, sent), _] = connection.flows(|address| address == server);
        assert_eq!((key.local(), key.local_port(), key.remote_port()), (server, 8080, 0));
        assert_eq!((key.role(), key.direction(), sent.bytes), (Role::Server, Direction::Ingress, 9));
    }

    #[test]
    fn more_connections_than_there_is_room_for_are_told_to_be_missing() {
        let mut known = HashMap::new();
        for port in 0..MOST {
            let mut entry = entry((port % 60_000) as u16, 1, Some([1, 1]));
            entry.zone = (port / 60_000) as u16;
            known.insert(
                (entry.original, entry.zone),
                Known { id: 1, counted: entry.counted.unwrap(), look: 1 },
            );
        }
        assert!(matches!(
            observe(&mut known, &entry(60_001, 1, Some([1, 1])), 1, false),
            Observed::WithoutRoom
        ));
        assert_eq!(known.len(), MOST);
    }
}
