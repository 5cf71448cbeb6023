//! Bytes, packets and connections agree with what was sent.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::net::Cable;
use super::{Watch, assert_close};

/// A server in `b` that reads all connections to their end, and how many bytes it got. Port 0: any.
pub fn sink(cable: &Cable, address: String, port: u16, connections: usize) -> (u16, JoinHandle<usize>) {
    let (bound, told) = mpsc::channel();
    let server = cable.b.spawn(move || {
        let listener = TcpListener::bind((address.as_str(), port)).unwrap();
        bound.send(listener.local_addr().unwrap().port()).unwrap();
        let mut total = 0;
        let mut buffer = vec![0; 65_536];
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().unwrap();
            loop {
                match stream.read(&mut buffer).unwrap() {
                    0 => break,
                    n => total += n,
                }
            }
        }
        total
    });
    (told.recv().unwrap(), server)
}

/// So many bytes in each of so many connections, one after the other.
pub fn send(target: &str, port: u16, connections: usize, bytes: usize) {
    for _ in 0..connections {
        let mut stream = TcpStream::connect((target, port)).unwrap();
        stream.write_all(&vec![1; bytes]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // Until the server has closed: everything is acknowledged then.
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
}

fn agrees(address: impl Fn(&Cable, u32) -> String, header: f64, family: &'static str) {
    const CONNECTIONS: usize = 20;
    const BYTES: usize = 250_000;
    let Some(mut watch) = Watch::start("{features: [flows, tcp]}", &["flows", "tcp", "sockets"]) else {
        return;
    };
    let cable = Cable::new();
    let (from, to) = (address(&cable, 1), address(&cable, 2));
    let (port, server) = sink(&cable, to.clone(), 0, CONNECTIONS);
    let before = cable.a.sent("va");
    let target = to.clone();
    cable.a.run(move || send(&target, port, CONNECTIONS, BYTES));
    assert_eq!(server.join().unwrap(), CONNECTIONS * BYTES);
    let after = cable.a.sent("va");
    let points = watch.read();
    let port = port.to_string();
    let sent = (CONNECTIONS * BYTES) as f64;

    let about =
        [("src.address", from.as_str()), ("dst.address", to.as_str()), ("server.port", port.as_str())];
    let with = |more: &[(&'static str, &'static str)]| {
        about.iter().copied().chain(more.iter().copied()).collect::<Vec<(&str, &str)>>()
    };
    let client = with(&[("connection.role", "client")]);
    let accepting = with(&[("connection.role", "server")]);
    assert_eq!(points.total("kmagent.tcp.connections.opened", &client), CONNECTIONS as f64);
    assert_eq!(points.total("kmagent.tcp.connections.accepted", &accepting), CONNECTIONS as f64);
    assert_eq!(points.total("kmagent.tcp.connections.closed", &client), CONNECTIONS as f64);
    assert_close(
        points.total("obi.stat.tcp.io", &with(&[("connection.role", "client"), ("direction", "transmit")])),
        sent,
        "acknowledged",
    );
    assert_close(
        points.total("obi.stat.tcp.io", &with(&[("connection.role", "server"), ("direction", "receive")])),
        sent,
        "received",
    );
    assert!(points.total("kmagent.tcp.connect.duration", &client) == CONNECTIONS as f64);
    assert!(points.total("kmagent.tcp.connection.duration", &client) == CONNECTIONS as f64);
    assert!(points.total("obi.stat.tcp.rtt", &client) >= CONNECTIONS as f64);

    // What is on the wire is the payload and the headers of every packet.
    for side in ["egress", "ingress"] {
        let flow = with(&[
            ("iface.direction", side),
            ("transport", "TCP"),
            ("network.type", family),
            ("direction", "request"),
        ]);
        let (bytes, packets) =
            (points.total("obi.network.flow.bytes", &flow), points.total("obi.network.flow.packets", &flow));
        assert_close(bytes - packets * header, sent, side);
        assert!(packets > sent / 1500.0, "{side}: {packets} packets as on the wire");
    }
    // The interface counts what is cut into segments later as one packet, with the header of Ethernet.
    let egress = with(&[("iface.direction", "egress")]);
    let (bytes, packets) =
        (points.total("obi.network.flow.bytes", &egress), points.total("obi.network.flow.packets", &egress));
    let saved = packets - (after.1 - before.1);
    let counted = after.0 - before.0 - 14.0 * (after.1 - before.1);
    assert_close(bytes - saved.max(0.0) * header, counted, "the interface");
    // One client, one server: connections are one flow at each end.
    assert_eq!(points.of("obi.network.flow.bytes", &egress).len(), 1);
}

#[test]
fn tcp_bytes_and_connections_agree_with_what_was_sent() {
    agrees(Cable::address, 52.0, "ipv4");
}

#[test]
fn tcp_over_ipv6_agrees_too() {
    agrees(Cable::address_v6, 72.0, "ipv6");
}

#[test]
fn udp_is_counted_to_the_byte() {
    let Some(mut watch) = Watch::start("{features: [flows]}", &["flows"]) else { return };
    let cable = Cable::new();
    let (to, from) = (cable.address(2), cable.address(1));
    let server_address = to.clone();
    let server = cable.b.run(move || UdpSocket::bind((server_address, 9999)).unwrap());
    let target = to.clone();
    cable.a.run(move || {
        let socket = UdpSocket::bind((from, 0)).unwrap();
        for _ in 0..1000 {
            socket.send_to(&[7; 500], (target.as_str(), 9999)).unwrap();
        }
    });
    let mut buffer = [0; 600];
    for _ in 0..100 {
        server.recv(&mut buffer).unwrap();
    }
    let points = watch.read();
    let flow = [
        ("dst.address", to.as_str()),
        ("server.port", "9999"),
        ("transport", "UDP"),
        ("iface.direction", "egress"),
    ];
    assert_eq!(points.total("obi.network.flow.packets", &flow), 1000.0);
    assert_eq!(points.total("obi.network.flow.bytes", &flow), 528.0 * 1000.0);
}

/// A connection that is written to and read from, with a reading after each turn.
fn lives_on(config: &str) {
    const BYTES: usize = 300_000;
    let Some(mut watch) = Watch::start(config, &["flows"]) else { return };
    let cable = Cable::new();
    let to = cable.address(2);
    let bind = to.clone();
    let listener = cable.b.run(move || TcpListener::bind((bind, 5201)).unwrap());
    let target = to.clone();
    let mut client = cable.a.run(move || TcpStream::connect((target, 5201)).unwrap());
    let (mut server, _) = listener.accept().unwrap();
    let flow = |side, direction| {
        [("server.port", "5201"), ("transport", "TCP"), ("iface.direction", side), ("direction", direction)]
    };
    for turn in 1..=3_u32 {
        let writer = std::thread::spawn(move || {
            client.write_all(&vec![1; BYTES]).unwrap();
            client
        });
        server.read_exact(&mut vec![0; BYTES]).unwrap();
        client = writer.join().unwrap();
        let points = watch.read();
        for (side, direction) in [("egress", "request"), ("ingress", "request")] {
            let flow = flow(side, direction);
            let bytes = points.total("obi.network.flow.bytes", &flow);
            let packets = points.total("obi.network.flow.packets", &flow);
            assert_close(bytes - packets * 52.0, f64::from(turn) * BYTES as f64, side);
        }
        for (side, direction) in [("egress", "response"), ("ingress", "response")] {
            let flow = flow(side, direction);
            let bytes = points.total("obi.network.flow.bytes", &flow);
            let packets = points.total("obi.network.flow.packets", &flow);
            assert!(
                packets > 0.0 && bytes / packets < 80.0,
                "{side}: acknowledgements, {bytes} in {packets}"
            );
        }
        let (seen, missed) =
            (points.total("kmagent.ebpf.bytes", &[]), points.total("kmagent.ebpf.missed", &[]));
        assert!(
            seen >= f64::from(turn) * 2.0 * BYTES as f64 && missed == 0.0,
            "{seen} seen, {missed} missed"
        );
    }
}

#[test]
fn a_connection_that_lives_on_is_counted_at_every_reading() {
    lives_on("{features: [flows, tcp]}");
}

#[test]
fn without_a_pass_over_sockets_connections_that_live_on_are_counted_too() {
    lives_on("{features: [flows]}");
    lives_on("{features: [flows, tcp], exclude_programs: [every_socket]}");
    lives_on("{features: [flows, tcp], exclude_programs: [every_socket, every_file]}");
}

#[test]
fn a_connection_that_was_there_before_the_agent_is_counted_from_then_on_with_its_process() {
    const BYTES: usize = 300_000;
    // Other tests run beside this one until it watches, and count what is sent to their port.
    const PORT: u16 = 5299;
    if !rustix::process::geteuid().is_root() {
        return super::skip("it needs root").unwrap_or_default();
    }
    let cable = Cable::new();
    let to = cable.address(2);
    let bind = to.clone();
    let listener = cable.b.run(move || TcpListener::bind((bind, PORT)).unwrap());
    let client = cable.a.run(move || TcpStream::connect((to, PORT)).unwrap());
    let (mut server, _) = listener.accept().unwrap();
    let mut send = || {
        let writer = client.try_clone();
        let writer = std::thread::spawn(move || writer.unwrap().write_all(&vec![1; BYTES]).unwrap());
        server.read_exact(&mut vec![0; BYTES]).unwrap();
        writer.join().unwrap();
    };
    send();
    let Some(mut watch) = Watch::start("{features: [flows, tcp]}", &["flows", "sockets"]) else { return };
    send();
    let points = watch.read();
    for side in ["egress", "ingress"] {
        let flow = [("server.port", "5299"), ("iface.direction", side), ("direction", "request")];
        let bytes = points.total("obi.network.flow.bytes", &flow);
        let packets = points.total("obi.network.flow.packets", &flow);
        assert_close(bytes - packets * 52.0, BYTES as f64, side);
        let known = points.of("obi.network.flow.bytes", &flow);
        assert!(
            known.iter().all(|point| point.attributes.contains_key("process.executable.name")),
            "{known:?}"
        );
    }
    let open = [("server.port", "5299"), ("connection.role", "client")];
    assert_eq!(points.total("kmagent.tcp.connections.active", &open), 1.0);
    drop((client, server));
    assert_eq!(watch.read().total("kmagent.tcp.connections.active", &open), 0.0);
}

#[test]
fn headers_with_options_and_extensions_are_read() {
    let Some(mut watch) = Watch::start("{features: [flows]}", &["flows"]) else { return };
    let cable = Cable::new();
    let targets = [cable.address(2), cable.address_v6(2)];
    for target in targets.clone() {
        cable.a.run(move || {
            let socket = UdpSocket::bind((if target.contains(':') { "::" } else { "0.0.0.0" }, 0)).unwrap();
            // Larger than the cable: fragments, of which only the first has ports.
            socket.send_to(&[7; 4000], (target.as_str(), 7777)).unwrap();
        });
    }
    let points = watch.read();
    for target in &targets {
        let flow = [("dst.address", target.as_str()), ("iface.direction", "egress"), ("transport", "UDP")];
        let bytes = points.total("obi.network.flow.bytes", &flow);
        assert!((4008.0..4200.0).contains(&bytes), "{target}: {bytes}");
    }
    assert_eq!(points.total("kmagent.ebpf.missed", &[("reason", "malformed")]), 0.0);
}

#[test]
fn flows_without_room_are_other_and_nothing_is_lost() {
    let Some(mut watch) = Watch::start("{features: [flows], max_flows: 16}", &["flows"]) else { return };
    let cable = Cable::new();
    let (from, to) = (cable.address(1), cable.address(2));
    cable.a.run(move || {
        let socket = UdpSocket::bind((from, 50_000)).unwrap();
        for port in 1000..1200 {
            socket.send_to(&[7; 100], (to.as_str(), port)).unwrap();
        }
    });
    let points = watch.read();
    let all = points.total("obi.network.flow.packets", &[("iface.direction", "egress")]);
    assert!(all >= 200.0, "{all}");
    let other =
        points.total("obi.network.flow.packets", &[("dst.name", "other"), ("iface.direction", "egress")]);
    assert!(other >= 180.0, "{other}");
    assert!(points.total("kmagent.ebpf.missed", &[("reason", "flow_map_full")]) >= 180.0);
}
