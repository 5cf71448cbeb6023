//! Programs at the interfaces, where none can be at the sockets; and the counters of interfaces.

use std::net::UdpSocket;
use std::process::Command;

use kmagent::receivers::ebpf::kernel::Vantage;

use super::net::Cable;
use super::traffic::{send, sink};
use super::{Points, Watch, assert_close};

/// Runs `body` in a thread of namespace `a`, whose interfaces the receiver watches.
fn at_interfaces<T: Send + 'static>(
    cable: &Cable,
    config: &'static str,
    body: impl FnOnce(&mut Watch) -> T + Send + 'static,
) -> Option<T> {
    cable.a.run(move || {
        let mut watch = Watch::start(config, &["flows"])?;
        Some(body(&mut watch))
    })
}

/// Bytes without headers, and packets.
fn payload(points: &Points, flow: &[(&str, &str)], header: f64) -> (f64, f64) {
    let packets = points.total("obi.network.flow.packets", flow);
    (points.total("obi.network.flow.bytes", flow) - packets * header, packets)
}

fn tcp_agrees(address: impl Fn(&Cable, u32) -> String, header: f64) {
    const CONNECTIONS: usize = 20;
    const BYTES: usize = 250_000;
    let cable = Cable::new();
    let (from, to) = (address(&cable, 1), address(&cable, 2));
    let (port, server) = sink(&cable, to.clone(), 5201, CONNECTIONS);
    let target = to.clone();
    let points = at_interfaces(&cable, "{cgroup_path: /nowhere}", move |watch| {
        assert_eq!(watch.observer.programs().vantage, Vantage::Interfaces);
        let entry = watch.board.components()["receiver:ebpfreceiver"].clone();
        assert!(entry.detail.contains("flows at the network interfaces"), "{}", entry.detail);
        assert!(entry.detail.contains("/nowhere is not the root of a cgroup v2 tree"), "{}", entry.detail);
        send(&target, port, CONNECTIONS, BYTES);
        watch.read()
    });
    let Some(points) = points else { return };
    assert_eq!(server.join().unwrap(), CONNECTIONS * BYTES);
    let sent = (CONNECTIONS * BYTES) as f64;
    let flow = |side, direction| {
        [
            ("src.address", if direction == "request" { from.as_str() } else { to.as_str() }),
            ("server.port", "5201"),
            ("transport", "TCP"),
            ("iface", "va"),
            ("iface.direction", side),
            ("direction", direction),
        ]
    };
    let (bytes, packets) = payload(&points, &flow("egress", "request"), header);
    assert_close(bytes, sent, "on its way out");
    assert!(packets > sent / 1500.0, "{packets} packets as on the wire");
    let (bytes, packets) = payload(&points, &flow("ingress", "response"), header);
    assert!(packets > 0.0 && bytes < sent / 100.0, "acknowledgements carry nothing: {bytes}");
    assert_eq!(points.of("obi.network.flow.bytes", &flow("egress", "request")).len(), 1, "one flow");
    // The connections are told by the programs for TCP, which need no cgroup.
    let client = [("dst.address", to.as_str()), ("server.port", "5201"), ("connection.role", "client")];
    let told = points.total("kmagent.tcp.connections.opened", &client);
    assert!(
        told == 20.0 || points.total("kmagent.ebpf.program.up", &[("program", "state_changed")]) == 0.0,
        "{told}"
    );
    for side in ["egress", "ingress"] {
        let unseen =
            points.total("kmagent.ebpf.interface.unseen", &[("iface", "va"), ("iface.direction", side)]);
        assert!(unseen < sent / 100.0, "{side}: {unseen} bytes of the interface are in no flow");
    }
}

#[test]
fn tcp_at_the_interfaces_agrees_with_what_was_sent() {
    tcp_agrees(Cable::address, 52.0);
}

#[test]
fn tcp_over_ipv6_at_the_interfaces_agrees_too() {
    tcp_agrees(Cable::address_v6, 72.0);
}

#[test]
fn udp_at_the_interfaces_is_counted_to_the_byte() {
    let cable = Cable::new();
    let to = cable.address(2);
    let points = at_interfaces(&cable, "{network: {source: tc}, features: [flows]}", move |watch| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        for _ in 0..1000 {
            socket.send_to(&[7; 500], (to.as_str(), 9999)).unwrap();
        }
        watch.read()
    });
    let Some(points) = points else { return };
    let flow = [("dst.address", cable.address(2)), ("server.port", "9999".to_owned())];
    let flow = flow.each_ref().map(|(key, value)| (*key, value.as_str()));
    assert_eq!(points.total("obi.network.flow.packets", &flow), 1000.0);
    assert_eq!(points.total("obi.network.flow.bytes", &flow), 528.0 * 1000.0);
    let seen = points.total("kmagent.ebpf.bytes", &[]);
    assert!(seen >= 528_000.0, "{seen} bytes looked at");
}

#[test]
fn lookups_are_measured_at_the_interfaces_too() {
    let cable = Cable::new();
    let address = cable.address(2);
    let bind = address.clone();
    let resolver = cable.b.run(move || UdpSocket::bind((bind, 53)).unwrap());
    let target = address.clone();
    let points = at_interfaces(&cable, "{cgroup_path: /nowhere, features: [dns]}", move |watch| {
        let client = UdpSocket::bind("0.0.0.0:0").unwrap();
        client.connect((target.as_str(), 53)).unwrap();
        for id in 0..3 {
            client.send(&super::dns::query(id, "www.example.com")).unwrap();
            let mut buffer = [0; 600];
            let (length, from) = resolver.recv_from(&mut buffer).unwrap();
            std::thread::sleep(super::dns::DELAY);
            buffer[2] |= 0x80;
            resolver.send_to(&buffer[..length], from).unwrap();
            client.recv(&mut [0; 600]).unwrap();
        }
        watch.read()
    });
    let Some(points) = points else { return };
    let took = points.of("dns.lookup.duration", &[("dst.address", address.as_str())])[0].clone();
    assert_eq!(took.value, 3.0);
    let each = took.sum / took.value;
    let delay = super::dns::DELAY.as_secs_f64();
    assert!((delay..delay * 1.5).contains(&each), "{each} s a lookup");
}

#[test]
fn what_an_interface_counts_and_no_socket_gets_is_told() {
    let cable = Cable::new();
    let from = cable.address(2);
    let to = cable.address(1);
    let points = cable.a.run({
        let namespace = cable.b.name().to_owned();
        move || {
            let mut watch = Watch::start("{features: [flows]}", &["flows", "processes"])?;
            let sent = std::thread::spawn(move || {
                super::net::enter(&namespace);
                let socket = UdpSocket::bind((from.as_str(), 0)).unwrap();
                for _ in 0..50 {
                    socket.send_to(&[7; 100], (to.as_str(), 1)).unwrap();
                }
            });
            sent.join().unwrap();
            Some(watch.read())
        }
    });
    let Some(points) = points else { return };
    let unseen =
        points.total("kmagent.ebpf.interface.unseen", &[("iface", "va"), ("iface.direction", "ingress")]);
    // Fifty packets for a port of nobody, and a few of the neighbours' protocols.
    assert!((50.0 * 128.0..50.0 * 128.0 + 1000.0).contains(&unseen), "{unseen}");
}

#[test]
fn interfaces_may_come_and_go() {
    let cable = Cable::new();
    let namespace = cable.a.name().to_owned();
    at_interfaces(&cable, "{network: {source: tc}, features: [flows]}", move |watch| {
        let run = |command: &str| {
            let output = Command::new("ip").args(["netns", "exec", &namespace, "sh", "-c", command]).output();
            String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
        };
        run("ip link add vx type veth peer name vy && ip link set vx up && ip link set vy up");
        watch.read();
        let filters = run("tc filter show dev vx ingress; tc filter show dev vx egress");
        assert_eq!(filters.matches("bpf chain").count(), 4, "{filters}");
        run("ip link del vx");
        let points = watch.read();
        assert_eq!(points.of("kmagent.ebpf.interface.unseen", &[("iface", "vx")]).len(), 0);
        assert_eq!(points.of("kmagent.ebpf.interface.unseen", &[("iface", "va")]).len(), 2);
    });
}

#[test]
fn where_sockets_cannot_be_watched_the_interfaces_are() {
    let cable = Cable::new();
    for config in [
        "{cgroup_path: /nowhere, features: [flows]}",
        "{exclude_programs: [cgroup_egress, cgroup_ingress], features: [flows]}",
    ] {
        let vantage = at_interfaces(&cable, config, |watch| watch.observer.programs().vantage);
        assert!(vantage.is_none_or(|vantage| vantage == Vantage::Interfaces), "{config}");
    }
}
