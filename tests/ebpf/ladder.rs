//! What is left where the kernel, or the user, does not let a program run: the next best takes over and
//! says so.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use kmagent::receivers::ebpf::kernel::Vantage;
use kmagent::telemetry::ComponentState;

use super::net::{Cable, Space};
use super::{Points, Watch, assert_close};

const BYTES: usize = 200_000;
const PORT: u16 = 5201;
const PORT_TEXT: &str = "5201";

struct Said {
    state: ComponentState,
    detail: String,
    vantage: Vantage,
}

/// What `config` tells of a connection from `a` to `b`, seen from `a`: after the connection was made and
/// has sent, and after it was closed. With what the component said of itself.
fn seen_with(config: &'static str) -> Option<(Points, Points, Said)> {
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
        watch.read();
        let mut client = TcpStream::connect((to.as_str(), PORT)).unwrap();
        let mut server = send_to(&listener, &mut client);
        server.write_all(&[1]).unwrap();
        client.read_exact(&mut [0]).unwrap();
        let open = watch.read();
        drop((server, client));
        // The last acknowledgement may still be on its way.
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut closed = watch.read();
        while closed.total("kmagent.tcp.connections.closed", &CLIENT) < 1.0 && Instant::now() < deadline {
            closed = watch.read();
        }
        let vantage = watch.observer.programs().vantage;
        Some((open, closed, Said { state: entry.state, detail: entry.detail, vantage }))
    })
}

const CLIENT: [(&str, &str); 2] = [("server.port", PORT_TEXT), ("connection.role", "client")];

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
    let config = "{features: [tcp], exclude_programs: [every_socket, every_file]}";
    let Some((open, closed, Said { state, detail, .. })) = seen_with(config) else { return };
    if detail.contains("state_changed") {
        return super::skip(&detail).unwrap_or_default();
    }
    assert_eq!(state, ComponentState::Degraded);
    let why = "every_socket, every_file: the configuration has it among exclude_programs";
    assert!(detail.contains(why), "{detail}");
    assert_tcp(&open, &closed, config);
}

#[test]
fn without_a_pass_over_what_is_kept_at_sockets_those_that_processes_have_open_are_passed_over() {
    let config = "{features: [flows, tcp], exclude_programs: [every_socket]}";
    let Some((open, closed, Said { state, detail, vantage })) = seen_with(config) else { return };
    if detail.contains("state_changed") || vantage != Vantage::Sockets {
        return super::skip(&detail).unwrap_or_default();
    }
    assert_eq!(state, ComponentState::Running, "{detail}");
    assert_tcp(&open, &closed, config);
    let flow = [("server.port", PORT_TEXT), ("iface.direction", "egress"), ("direction", "request")];
    let bytes = open.total("obi.network.flow.bytes", &flow);
    let packets = open.total("obi.network.flow.packets", &flow);
    assert_close(bytes - packets * 52.0, BYTES as f64, config);
}

#[test]
fn without_programs_for_tcp_the_list_of_sockets_tells_of_connections() {
    let config = "{features: [tcp], exclude_programs: [state_changed, retransmitted, reset_sent, \
        reset_received, every_socket, every_file, every_tcp, every_udp]}";
    let Some((open, closed, Said { state, detail, .. })) = seen_with(config) else { return };
    assert_eq!(state, ComponentState::Degraded);
    assert!(detail.contains("TCP from the list of sockets"), "{detail}");
    assert_tcp(&open, &closed, config);
    let process = open.of("kmagent.tcp.connections.active", &CLIENT)[0];
    assert!(process.attributes.contains_key("process.executable.name"), "{process:?}");
}

#[test]
fn without_any_program_for_packets_there_are_no_flows_and_tcp_goes_on() {
    let config = "{features: [flows, tcp, dns], exclude_programs: [cgroup_egress, cgroup_ingress, tc_egress, tc_ingress]}";
    let Some((open, closed, Said { state, detail, vantage })) = seen_with(config) else { return };
    assert_eq!((state, vantage), (ComponentState::Degraded, Vantage::Nowhere));
    // Where the kernel can track connections nobody has asked it to, here.
    let without = ["no flows", "flows of the tracked connections"];
    assert!(without.iter().any(|text| detail.starts_with(text)), "{detail}");
    assert_eq!(open.of("obi.network.flow.bytes", &[]).len(), 0);
    assert_tcp(&open, &closed, config);
    for program in ["cgroup_egress", "cgroup_ingress", "tc_egress", "tc_ingress"] {
        assert_eq!(open.total("kmagent.ebpf.program.up", &[("program", program)]), 0.0);
        assert!(detail.contains(program), "{detail}");
    }
}

/// Nothing that looks at packets.
const TRACKED: &str =
    "{features: [flows], exclude_programs: [cgroup_egress, cgroup_ingress, tc_egress, tc_ingress]}";

/// Lets the namespace track connections and count what they send; false when this kernel cannot.
fn track(space: &Space, rules: &str) -> bool {
    space.try_command(&format!(
        "echo 1 > /proc/sys/net/netfilter/nf_conntrack_acct && nft -f - <<'end'
table ip t {{
  chain input {{ type filter hook input priority 0; ct state new accept; }}
  {rules}
}}
end"
    ))
}

/// Sends datagrams and waits for the answer to each.
fn ask(socket: &UdpSocket, to: &str, count: usize) {
    let mut answer = [0; 200];
    for _ in 0..count {
        socket.send_to(&[7; 1000], to).unwrap();
        socket.recv(&mut answer).unwrap();
    }
}

/// Answers every datagram with one of 200 bytes until the test ends.
fn answer_at(space: &Space, address: &str) {
    let address = address.to_owned();
    let socket = space.run(move || UdpSocket::bind(address).unwrap());
    std::thread::spawn(move || {
        let mut question = [0; 2000];
        while let Ok((_, from)) = socket.recv_from(&mut question) {
            let _ = socket.send_to(&[1; 200], from);
        }
    });
}

#[test]
fn without_any_program_for_packets_the_tracked_connections_tell_of_flows_and_who_really_answers() {
    if !rustix::process::geteuid().is_root() {
        return super::skip("it needs root").unwrap_or_default();
    }
    let cable = Cable::new();
    let to = cable.address(2);
    let rules = format!(
        "chain output {{ type nat hook output priority -100; ip daddr 10.96.0.1 tcp dport 80 dnat to {to}:{PORT}; }}"
    );
    if !track(&cable.a, &rules) {
        return super::skip("this kernel does not track connections").unwrap_or_default();
    }
    cable.a.command(&format!("ip route add 10.96.0.0/16 via {to}"));
    let bind = to.clone();
    let listener = cable.b.run(move || TcpListener::bind((bind, PORT)).unwrap());
    let datagrams = format!("{to}:7000");
    answer_at(&cable.b, &datagrams);
    let points = cable.a.run(move || {
        let mut watch = Watch::start(TRACKED, &[])?;
        let detail = watch.board.components()["receiver:ebpfreceiver"].detail.clone();
        assert!(detail.starts_with("flows of the tracked connections"), "{detail}");
        let mut client = TcpStream::connect("10.96.0.1:80").unwrap();
        let mut server = send_to(&listener, &mut client);
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        ask(&socket, &datagrams, 50);
        watch.read();
        // What was told is not told again, and what comes is added.
        ask(&socket, &datagrams, 30);
        server.write_all(&[1]).unwrap();
        client.read_exact(&mut [0]).unwrap();
        Some(watch.read())
    });
    let Some(points) = points else { return };
    let flow = |port: &'static str, direction| {
        [("dst.address", to.as_str()), ("server.port", port), ("direction", direction)]
    };
    let of_tcp = flow(PORT_TEXT, "request");
    let (bytes, packets) =
        (points.total("obi.network.flow.bytes", &of_tcp), points.total("obi.network.flow.packets", &of_tcp));
    assert_close(bytes - packets * 52.0, BYTES as f64, "behind the address of a service");
    assert_eq!(points.of("obi.network.flow.bytes", &[("dst.address", "10.96.0.1")]).len(), 0);
    let of_udp = flow("7000", "request");
    assert_eq!(points.total("obi.network.flow.packets", &of_udp), 80.0);
    assert_eq!(points.total("obi.network.flow.bytes", &of_udp), 80.0 * 1028.0);
    let answers = [("src.address", to.as_str()), ("server.port", "7000"), ("direction", "response")];
    assert_eq!(points.total("obi.network.flow.bytes", &answers), 80.0 * 228.0);
    assert_eq!(points.total("kmagent.ebpf.program.up", &[("program", "conntrack")]), 1.0);
}

#[test]
fn without_any_program_for_packets_forwarded_connections_are_flows_too() {
    if !rustix::process::geteuid().is_root() {
        return super::skip("it needs root").unwrap_or_default();
    }
    let cable = Cable::new();
    let behind = cable.behind_a();
    let rules = "chain after { type nat hook postrouting priority 100; masquerade; }";
    if !track(&cable.a, rules) {
        return super::skip("this kernel does not track connections").unwrap_or_default();
    }
    let (from, to) = (cable.address_behind(2), cable.address(2));
    let datagrams = format!("{to}:7000");
    answer_at(&cable.b, &datagrams);
    let points = cable.a.run(move || {
        let mut watch = Watch::start(TRACKED, &[])?;
        behind.run(move || ask(&UdpSocket::bind("0.0.0.0:0").unwrap(), &datagrams, 40));
        Some(watch.read())
    });
    let Some(points) = points else { return };
    let ends = [("src.address", from.as_str()), ("dst.address", to.as_str()), ("direction", "request")];
    assert_eq!(points.total("obi.network.flow.packets", &ends), 40.0);
    assert_eq!(points.total("obi.network.flow.bytes", &ends), 40.0 * 1028.0);
}

/// Accepts the client and sends it on its way: what comes back has read all of its bytes.
fn send_to(listener: &TcpListener, client: &mut TcpStream) -> TcpStream {
    let (mut server, _) = listener.accept().unwrap();
    let reader = std::thread::spawn(move || {
        server.read_exact(&mut vec![0; BYTES]).unwrap();
        server
    });
    client.write_all(&vec![7; BYTES]).unwrap();
    reader.join().unwrap()
}
