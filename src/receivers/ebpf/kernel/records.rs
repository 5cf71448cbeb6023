//! What the programs write, as in `bpf/shared.h`.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};

/// Who talks to whom, seen from the socket on this node: `struct flow_key`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FlowKey([u8; FlowKey::SIZE]);

/// The way of packets, as the local socket sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// Which end of the connection the local socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Client,
    Server,
}

/// Bytes and packets: `struct flow_stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub bytes: u64,
    pub packets: u64,
}

/// Counts per bucket and the sum of what was measured: `struct histogram`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    pub sum: u64,
    pub counts: [u32; BUCKETS],
}

/// Buckets of a histogram: one for each of [`BOUNDS`] and one for what is above.
pub const BUCKETS: usize = 18;
/// Upper bounds of the buckets, in the unit of the histogram.
pub const BOUNDS: [u32; BUCKETS - 1] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// Why connections fail, in the order of `enum failure`.
pub const FAILURES: [&str; 6] =
    ["refused", "reset", "timed_out", "host_unreachable", "net_unreachable", "other"];

/// The health of the TCP connections of one flow: `struct tcp_stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpStats {
    pub opened: u64,
    pub accepted: u64,
    pub closed: u64,
    pub failed: [u64; FAILURES.len()],
    pub sent: u64,
    pub received: u64,
    /// Segments.
    pub retransmits: u64,
    /// Bytes.
    pub retransmitted: u64,
    pub resets_sent: u64,
    pub resets_received: u64,
    pub zero_windows_sent: u64,
    pub zero_windows_received: u64,
    pub out_of_order: u64,
    pub listen_drops: u64,
    pub active: u64,
    /// Microseconds.
    pub connect: Histogram,
    /// Microseconds.
    pub rtt: Histogram,
    /// Milliseconds.
    pub lifetime: Histogram,
}

/// What a dropped packet was: `struct drop_key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DropKey {
    pub cgroup: u64,
    pub reason: u32,
    pub protocol: u8,
    pub family: u8,
    /// Empty when it is not known.
    pub interface: String,
}

/// A DNS message on its way: `struct dns_event`.
#[derive(Clone, Copy, Debug)]
pub struct DnsEvent<'a> {
    /// Monotonic, nanoseconds.
    pub time: u64,
    pub key: FlowKey,
    /// Not longer than 512 bytes; what was longer is cut off.
    pub payload: &'a [u8],
}

/// What was missed, in the order of `enum lost`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    Ingress,
    Egress,
    Malformed,
    Tcp,
    Drops,
    Dns,
    /// No loss: all that was looked at. The programs tell it only when not every packet is counted.
    Seen,
    /// No loss: sockets of which something is known.
    Sockets,
}

impl Lost {
    pub const ALL: [Self; 8] = [
        Self::Ingress,
        Self::Egress,
        Self::Malformed,
        Self::Tcp,
        Self::Drops,
        Self::Dns,
        Self::Seen,
        Self::Sockets,
    ];
}

impl FlowKey {
    pub const SIZE: usize = 72;

    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// A key of an observation that no program made.
    pub fn new(local: (IpAddr, u16), remote: (IpAddr, u16), protocol: u8, role: Role) -> Self {
        let mut key = Self([0; Self::SIZE]);
        key.0[8..24].copy_from_slice(&mapped(local.0).octets());
        key.0[24..40].copy_from_slice(&mapped(remote.0).octets());
        key.0[56..58].copy_from_slice(&local.1.to_ne_bytes());
        key.0[58..60].copy_from_slice(&remote.1.to_ne_bytes());
        key.0[60] = protocol;
        key.0[61] = if local.0.is_ipv4() { 4 } else { 6 };
        key.0[63] = if role == Role::Client { 1 } else { 2 };
        key
    }

    pub fn with_cgroup(mut self, cgroup: u64) -> Self {
        self.0[..8].copy_from_slice(&cgroup.to_ne_bytes());
        self
    }

    pub fn with_process(mut self, name: &str) -> Self {
        let length = name.len().min(15);
        self.0[40..40 + length].copy_from_slice(&name.as_bytes()[..length]);
        self
    }

    pub fn with_direction(mut self, direction: Direction) -> Self {
        self.0[62] = u8::from(direction == Direction::Egress);
        self
    }

    pub fn with_local_port(mut self, port: u16) -> Self {
        self.0[56..58].copy_from_slice(&port.to_ne_bytes());
        self
    }

    pub fn with_interface(mut self, index: u32) -> Self {
        self.0[64..68].copy_from_slice(&index.to_ne_bytes());
        self
    }

    /// Cgroup of the local socket; 0 when it is not known.
    pub fn cgroup(&self) -> u64 {
        u64_at(&self.0, 0)
    }

    pub fn local(&self) -> IpAddr {
        address(&self.0[8..24])
    }

    pub fn remote(&self) -> IpAddr {
        address(&self.0[24..40])
    }

    /// Name of the process that owns the local socket; empty when it is not known.
    pub fn process(&self) -> &str {
        text(&self.0[40..56])
    }

    /// 0 for the port of a client.
    pub fn local_port(&self) -> u16 {
        u16_at(&self.0, 56)
    }

    pub fn remote_port(&self) -> u16 {
        u16_at(&self.0, 58)
    }

    pub fn protocol(&self) -> u8 {
        self.0[60]
    }

    pub fn is_v6(&self) -> bool {
        self.0[61] == 6
    }

    pub fn direction(&self) -> Direction {
        if self.0[62] == 1 { Direction::Egress } else { Direction::Ingress }
    }

    pub fn role(&self) -> Role {
        if self.0[63] == 1 { Role::Client } else { Role::Server }
    }

    /// Index of the interface; 0 when it is none of the agent's network namespace.
    pub fn interface(&self) -> u32 {
        u32_at(&self.0, 64)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Hash for FlowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

impl std::fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} {:?} {} {}:{} - {}:{} \"{}\" cgroup {} interface {}",
            self.direction(),
            self.role(),
            self.protocol(),
            self.local(),
            self.local_port(),
            self.remote(),
            self.remote_port(),
            self.process(),
            self.cgroup(),
            self.interface()
        )
    }
}

impl Traffic {
    pub const SIZE: usize = 16;

    pub fn read(bytes: &[u8]) -> Self {
        Self { bytes: u64_at(bytes, 0), packets: u64_at(bytes, 8) }
    }

    /// The sum over all CPUs.
    pub fn read_all(bytes: &[u8]) -> Self {
        bytes.chunks_exact(Self::SIZE).map(Self::read).fold(Self::default(), Self::plus)
    }

    pub fn plus(self, more: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(more.bytes),
            packets: self.packets.saturating_add(more.packets),
        }
    }

    /// What was added since `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(before.bytes),
            packets: self.packets.saturating_sub(before.packets),
        }
    }
}

impl Histogram {
    const SIZE: usize = 8 + 4 * BUCKETS;

    fn read(bytes: &[u8]) -> Self {
        let mut counts = [0; BUCKETS];
        for (n, count) in counts.iter_mut().enumerate() {
            *count = u32_at(bytes, 8 + 4 * n);
        }
        Self { sum: u64_at(bytes, 0), counts }
    }

    /// Adds one measurement.
    pub fn record(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.sum += value;
    }
}

/// The bucket that a measurement falls into.
pub fn bucket(value: u64) -> usize {
    BOUNDS.iter().position(|bound| value <= u64::from(*bound)).unwrap_or(BUCKETS - 1)
}

impl TcpStats {
    pub const SIZE: usize = 8 * 21 + 3 * Histogram::SIZE;

    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::SIZE {
            return None;
        }
        let mut place = 0;
        let mut next = || {
            place += 8;
            u64_at(bytes, place - 8)
        };
        let mut stats = Self { opened: next(), accepted: next(), closed: next(), ..Self::default() };
        for failed in &mut stats.failed {
            *failed = next();
        }
        for field in [
            &mut stats.sent,
            &mut stats.received,
            &mut stats.retransmits,
            &mut stats.retransmitted,
            &mut stats.resets_sent,
            &mut stats.resets_received,
            &mut stats.zero_windows_sent,
            &mut stats.zero_windows_received,
            &mut stats.out_of_order,
            &mut stats.listen_drops,
            &mut stats.active,
        ] {
            *field = next();
        }
        let _spare = next();
        let histogram = |n: usize| Histogram::read(&bytes[8 * 21 + n * Histogram::SIZE..]);
        (stats.connect, stats.rtt, stats.lifetime) = (histogram(0), histogram(1), histogram(2));
        Some(stats)
    }
}

impl DropKey {
    pub const SIZE: usize = 40;

    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::SIZE {
            return None;
        }
        // The kernel keeps other things in that place for some packets.
        let interface = text(&bytes[16..32]);
        let is_name = interface.bytes().all(|byte| byte.is_ascii_graphic());
        Some(Self {
            cgroup: u64_at(bytes, 0),
            reason: u32_at(bytes, 8),
            protocol: bytes[12],
            family: bytes[13],
            interface: if is_name { interface.to_owned() } else { String::new() },
        })
    }
}

impl<'a> DnsEvent<'a> {
    const HEAD: usize = 8 + FlowKey::SIZE + 8;

    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let head = bytes.get(..Self::HEAD)?;
        let kept = u32_at(head, 8 + FlowKey::SIZE + 4) as usize;
        Some(Self {
            time: u64_at(head, 0),
            key: FlowKey::read(&head[8..8 + FlowKey::SIZE])?,
            payload: bytes.get(Self::HEAD..Self::HEAD + kept)?,
        })
    }
}

/// Path of a cgroup: `struct cgroup_path`. `None` when it is none.
pub fn cgroup_path(bytes: &[u8]) -> Option<&str> {
    let length = u32_at(bytes.get(..4)?, 0) as usize;
    std::str::from_utf8(bytes.get(4..4 + length)?).ok().filter(|path| path.starts_with('/'))
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn address(bytes: &[u8]) -> IpAddr {
    let octets: [u8; 16] = bytes.try_into().expect("the caller cuts sixteen bytes");
    IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()
}

fn text(bytes: &[u8]) -> &str {
    let length = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let bytes = &bytes[..length];
    // A name that is cut within a character keeps what is whole.
    std::str::from_utf8(bytes)
        .unwrap_or_else(|error| std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default())
}

fn u16_at(bytes: &[u8], place: usize) -> u16 {
    u16::from_ne_bytes(bytes[place..place + 2].try_into().expect("two bytes"))
}

fn u32_at(bytes: &[u8], place: usize) -> u32 {
    u32::from_ne_bytes(bytes[place..place + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], place: usize) -> u64 {
    u64::from_ne_bytes(bytes[place..place + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_what_it_was_made_of() {
        let local = ("10.0.0.1".parse().unwrap(), 0);
        let remote = ("fd00::7".parse().unwrap(), 443);
        let key = FlowKey::new(local, remote, 6, Role::Client)
            .with_cgroup(77)
            .with_process("a name of many letters")
            .with_direction(Direction::Egress)
            .with_interface(3);
        assert_eq!((key.local(), key.local_port()), local);
        assert_eq!((key.remote(), key.remote_port()), remote);
        assert_eq!((key.protocol(), key.role(), key.direction()), (6, Role::Client, Direction::Egress));
        assert_eq!((key.cgroup(), key.process(), key.interface()), (77, "a name of many ", 3));
        assert_eq!(FlowKey::read(key.as_bytes()), Some(key));
    }

    #[test]
    fn what_the_kernel_writes_is_never_taken_at_its_word() {
        for length in 0..700 {
            let bytes = vec![0xff; length];
            let _ = FlowKey::read(&bytes).map(|key| format!("{key:?}"));
            let _ = TcpStats::read(&bytes);
            let _ = DropKey::read(&bytes);
            let _ = DnsEvent::read(&bytes);
            let _ = cgroup_path(&bytes);
            let _ = Traffic::read_all(&bytes);
        }
    }
}
