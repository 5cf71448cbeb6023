//! What is left where the kernel, or the user, does not let a program run: the next best takes over and
//! says so.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use kmagent::receivers::ebpf::kernel::Vantage;
use kmagent::telemetry::ComponentState;

use super::net::Cable;
use super::{Points, Watch, assert_close};

const BYTES: usize = 200_000;
const PORT: u16 = 5201;

/// What `config` tells of a connection from `a` to `b`, seen from `a`: after the connection was made and
/// has sent, and after it was closed. With what the component said of itself.
fn seen_with(config: &'static str) -> Option<(Points, Points, String, Vantage)> {
    if !rustix::process::geteuid().is_root() {
        return super::skip("it needs root");
    }
    let cable = Cable::new();
    let to = cable.address(2);
    let bind = to.clone();
    let listener = cable.b.run(move || TcpListener::bind((bind, PORT)).unwrap());
    cable.a.run(move || {
        let mut watch = Watch::start(config, &[])?;
        let entry = watch.board.components()["receiver:ebpfreceiver"].clone();
        assert_eq!(entry.state, ComponentState::Degraded, "{}", entry.detail);
        watch.read();
        let mut client = TcpStream::connect((to.as_str(), PORT)).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let reader = std::thread::spawn(move || {
            server.read_exact(&mut vec![0; BYTES]).unwrap();
            server
        });
        client.write_all(&vec![7; BYTES]).unwrap();
        let mut server = reader.join().unwrap();
        server.write_all(&[1]).unwrap();
        client.read_exact(&mut [0]).unwrap();
        let open = watch.read();
        drop((server, client));
        Some((open, watch.read(), entry.detail, watch.observer.programs().vantage))
    })
}

const CLIENT: [(&str, &str); 2] = [("server.port", "5201"), ("connection.role", "client")];

/// What every rung can tell of TCP.
fn assert_tcp(open: &Points, closed: &Points, config: &str) {
    let sent = [CLIENT[0], CLIENT[1], ("direction", "transmit")];
    assert_close(open.total("obi.stat.tcp.io", &sent), BYTES as f64, config);
    assert_eq!(open.total("kmagent.tcp.connections.opened", &CLIENT), 1.0, "{config}");
    assert_eq!(open.total("kmagent.tcp.connections.active", &CLIENT), 1.0, "{config}");
    assert!(open.total("obi.stat.tcp.rtt", &CLIENT) >= 1.0, "{config}");
    assert_eq!(closed.total("kmagent.tcp.connections.closed", &CLIENT), 1.0, "{config}");
    assert_eq!(closed.total("kmagent.tcp.connections.active", &CLIENT), 0.0, "{config}");
}

#[test]
fn without_the_store_of_sockets_connections_are_known_by_their_address() {
    let config = "{features: [tcp], exclude_programs: [every_socket]}";
    let Some((open, closed, detail, _)) = seen_with(config) else { return };
    if detail.contains("state_changed") {
        return super::skip(&detail).unwrap_or_default();
    }
    assert!(detail.contains("every_socket: the configuration has it among exclude_programs"), "{detail}");
    assert_tcp(&open, &closed, config);
}

#[test]
fn without_programs_for_tcp_the_list_of_sockets_tells_of_connections() {
    let config = "{features: [tcp], exclude_programs: [state_changed, retransmitted, reset_sent, \
        reset_received, every_socket, every_tcp, every_udp]}";
    let Some((open, closed, detail, _)) = seen_with(config) else { return };
    assert!(detail.contains("TCP from the list of sockets"), "{detail}");
    assert_tcp(&open, &closed, config);
    let process = open.of("kmagent.tcp.connections.active", &CLIENT)[0];
    assert!(process.attributes.contains_key("process.executable.name"), "{process:?}");
}

#[test]
fn without_any_program_for_packets_there_are_no_flows_and_tcp_goes_on() {
    let config = "{features: [flows, tcp, dns], exclude_programs: [cgroup_egress, cgroup_ingress, tc_egress, tc_ingress]}";
    let Some((open, closed, detail, vantage)) = seen_with(config) else { return };
    assert_eq!(vantage, Vantage::Nowhere);
    assert!(detail.starts_with("no flows"), "{detail}");
    assert_eq!(open.of("obi.network.flow.bytes", &[]).len(), 0);
    assert_tcp(&open, &closed, config);
    for program in ["cgroup_egress", "cgroup_ingress", "tc_egress", "tc_ingress"] {
        assert_eq!(open.total("kmagent.ebpf.program.up", &[("program", program)]), 0.0);
        assert!(detail.contains(program), "{detail}");
    }
}
