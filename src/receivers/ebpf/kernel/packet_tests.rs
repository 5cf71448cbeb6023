//! The programs' reading of headers (`bpf/packet.h`), run by the kernel on packets made here. Needs root
//! and a kernel that takes the programs; else every test says so and passes.

use libbpf_rs::{MapCore, MapFlags, Object, ProgramInput};

use super::batch::Batches;
use super::objects::{Recipe, Settings, map};
use super::records::{FlowKey, Lost, Traffic};

const IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/flow.bpf.o"));
const V4: u16 = 0x0800;
const V6: u16 = 0x86dd;
const UDP: u8 = 17;

/// The program at an interface, which is given packets by hand.
struct Bench(Object);

impl Bench {
    fn new() -> Option<Self> {
        let settings = Settings {
            sampling: 1,
            reason_consumed: u32::MAX,
            hierarchy: 0,
            ephemeral_from: 32_768,
            dns_port: 53,
            count_flows: true,
            capture_dns: true,
            directions: 3,
            socket_store: true,
            cgroup_v1: false,
            count_tcp: true,
            beacon: "nobody".to_owned(),
        };
        let sizes = [("flows", 4096), ("tcp", 64), ("dns", 4096)];
        let recipe = Recipe { image: IMAGE, settings: &settings, sizes: &sizes, shared: &[], exclude: &[] };
        let (object, refused) = recipe.load(&["tc_ingress"]);
        if object.is_none() {
            eprintln!("skipped: {refused:?}");
        }
        object.map(Self)
    }

    /// Lets the program see a frame of Ethernet; false when this kernel runs no program on one like it.
    fn give(&self, frame: &[u8]) -> bool {
        let program = self.0.progs_mut().find(|program| program.name() == "tc_ingress").unwrap();
        let input = ProgramInput { data_in: Some(frame), ..ProgramInput::default() };
        program.test_run(input).is_ok()
    }

    fn take(&self) -> Vec<(FlowKey, Traffic)> {
        let flows = map(&self.0, "flows").unwrap();
        let mut taken = Vec::new();
        let each = |key: &[u8], value: &[u8]| {
            taken.push((FlowKey::read(key).unwrap(), Traffic::read_all(value)));
        };
        Batches::default().take(&flows, each).unwrap();
        taken
    }

    fn malformed(&self) -> u64 {
        let lost = map(&self.0, "lost").unwrap();
        let cpus = lost.lookup_percpu(&(Lost::Malformed as u32).to_ne_bytes(), MapFlags::ANY).unwrap();
        cpus.unwrap().iter().map(|cpu| Traffic::read(cpu).packets).sum()
    }
}

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], &kind.to_be_bytes()[..], payload].concat()
}

/// A tag of a VLAN, and what it is before.
fn tagged(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&[0, 7], &kind.to_be_bytes()[..], payload].concat()
}

/// From port 40000 to 7777, with 100 bytes.
fn udp() -> Vec<u8> {
    let words = [40_000_u16, 7777, 108, 0].map(u16::to_be_bytes).concat();
    [words, vec![7; 100]].concat()
}

fn v4(options: &[u8], fragment: u16, payload: &[u8]) -> Vec<u8> {
    let length = (20 + options.len() + payload.len()) as u16;
    let mut packet = vec![0x40 | (5 + options.len() / 4) as u8, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, UDP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    [packet, options.to_vec(), payload.to_vec()].concat()
}

/// With extension headers: each its number, and itself behind its first byte.
fn v6(extensions: &[(u8, &[u8])], payload: &[u8]) -> Vec<u8> {
    let mut following = Vec::new();
    for (n, (_, rest)) in extensions.iter().enumerate() {
        following.push(extensions.get(n + 1).map_or(UDP, |(kind, _)| *kind));
        following.extend(*rest);
    }
    following.extend(payload);
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((following.len() as u16).to_be_bytes());
    packet.extend([extensions.first().map_or(UDP, |(kind, _)| *kind), 64]);
    packet.extend("fd00::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    packet.extend("fd00::2".parse::<std::net::Ipv6Addr>().unwrap().octets());
    [packet, following].concat()
}

#[test]
fn options_extensions_fragments_and_tags_are_read() {
    let Some(bench) = Bench::new() else { return };
    let padding: &[u8] = &[0, 1, 4, 0, 0, 0, 0];
    let long: &[u8] = &[1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let authentication: &[u8] = &[4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];
    let first_fragment: &[u8] = &[0, 0, 1, 0, 0, 0, 9];
    let later_fragment: &[u8] = &[0, 0x10, 1, 0, 0, 0, 9];
    let plain = v4(&[], 0, &udp());
    // Name, frame, whether the ports can be told, length from the network header on.
    let cases: Vec<(&str, Vec<u8>, bool, usize)> = vec![
        ("IPv4", ethernet(V4, &plain), true, 128),
        ("options", ethernet(V4, &v4(&[1; 40], 0, &udp())), true, 168),
        ("first fragment", ethernet(V4, &v4(&[], 0x2000, &udp())), true, 128),
        ("later fragment", ethernet(V4, &v4(&[1; 8], 5, &udp())), false, 136),
        ("padding of the link", ethernet(V4, &[plain.clone(), vec![0; 18]].concat()), true, 128),
        ("a VLAN", ethernet(0x8100, &tagged(V4, &plain)), true, 128),
        ("a VLAN in another", ethernet(0x88a8, &tagged(0x8100, &tagged(V6, &v6(&[], &udp())))), true, 148),
        ("IPv6", ethernet(V6, &v6(&[], &udp())), true, 148),
        ("hop by hop", ethernet(V6, &v6(&[(0, padding)], &udp())), true, 156),
        (
            "all",
            ethernet(V6, &v6(&[(0, long), (60, padding), (43, padding), (51, authentication)], &udp())),
            true,
            204,
        ),
        ("first of IPv6", ethernet(V6, &v6(&[(44, first_fragment)], &udp())), true, 156),
        ("later of IPv6", ethernet(V6, &v6(&[(60, padding), (44, later_fragment)], &udp())), false, 164),
    ];
    for (name, frame, has_ports, length) in cases {
        assert!(bench.give(&frame), "{name}");
        let taken = bench.take();
        let [(key, traffic)] = taken[..] else { panic!("{name}: {taken:?}") };
        assert_eq!(key.protocol(), UDP, "{name}");
        assert_eq!(key.local_port(), if has_ports { 7777 } else { 0 }, "{name}");
        assert_eq!(traffic, Traffic { bytes: length as u64, packets: 1 }, "{name}");
        let (local, remote) = if key.is_v6() { ("fd00::2", "fd00::1") } else { ("10.0.0.2", "10.0.0.1") };
        assert_eq!((key.local(), key.remote()), (local.parse().unwrap(), remote.parse().unwrap()), "{name}");
    }
    assert_eq!(bench.malformed(), 0);
}

#[test]
fn what_cannot_be_read_is_counted_and_what_is_not_ip_is_left() {
    let Some(bench) = Bench::new() else { return };
    let plain = v4(&[], 0, &udp());
    let mut short_header = plain.clone();
    short_header[0] = 0x44;
    let mut other_version = plain.clone();
    other_version[0] = 0x65;
    let broken = [
        ethernet(V4, &plain[..19]),
        ethernet(V4, &plain[..22]),
        ethernet(V4, &short_header),
        ethernet(V4, &other_version),
        ethernet(V6, &v6(&[], &[])[..39]),
        ethernet(V6, &v6(&[(0, &[200, 0, 0, 0, 0, 0, 0])], &udp())),
        ethernet(0x8100, &[0, 7, 8]),
    ];
    let mut given = 0;
    for frame in &broken {
        // Newer kernels refuse to run programs on frames that are too short for what they say they are.
        given += u64::from(bench.give(frame));
        assert_eq!(bench.malformed(), given, "{frame:?}");
    }
    assert!(given >= 3, "{given} of them were looked at");
    assert!(bench.give(&ethernet(0x0806, &[0; 28])));
    assert!(bench.give(&ethernet(0x8100, &tagged(0x0806, &[0; 28]))));
    assert_eq!(bench.malformed(), given);
    assert_eq!(bench.take(), []);
}

#[test]
fn any_bytes_are_one_packet_or_none() {
    let Some(bench) = Bench::new() else { return };
    let mut random = fastrand::Rng::with_seed(7);
    let mut given = 0;
    for _ in 0..3000 {
        let kind = [V4, V6, 0x8100, 0x88a8, 0x0806][random.usize(..5)];
        let mut payload: Vec<u8> = (0..random.usize(1..120)).map(|_| random.u8(..)).collect();
        // Half of them get further than the first byte.
        if random.bool() {
            payload[0] = if kind == V4 { 0x40 | random.u8(..16) } else { 0x60 };
        }
        let malformed = bench.malformed();
        given += u32::from(bench.give(&ethernet(kind, &payload)));
        let counted: u64 = bench.take().iter().map(|(_, traffic)| traffic.packets).sum();
        assert!(counted + bench.malformed() - malformed <= 2, "a message of DNS may be malformed too");
    }
    assert!(given >= 1000, "{given} of them were looked at");
}
