//! What goes wrong with connections, and with packets.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use super::net::Cable;
use super::{Watch, assert_close, skip};

#[test]
fn refused_and_timed_out_connects_are_told_apart() {
    let Some(mut watch) = Watch::start("{features: [tcp]}", &["tcp"]) else { return };
    let cable = Cable::new();
    // Nobody has that address, and nobody says so: the SYN is sent twice, then it is over.
    cable.a.command(&format!("ip neigh add {} lladdr 02:00:00:00:00:99 dev va", cable.address(9)));
    let (there, nobody) = (cable.address(2), cable.address(9));
    let (open, lost) = (there.clone(), nobody.clone());
    cable.a.run(move || {
        std::fs::write("/proc/sys/net/ipv4/tcp_syn_retries", "1").unwrap();
        for _ in 0..5 {
            let error = TcpStream::connect((open.as_str(), 81)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        }
        let error = TcpStream::connect((lost.as_str(), 82)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        // The program loses patience before the kernel does.
        let target: SocketAddr = format!("{lost}:83").parse().unwrap();
        TcpStream::connect_timeout(&target, Duration::from_millis(50)).unwrap_err();
    });
    let points = watch.read();
    let failed = |address: &str, port: &str, reason: &str| {
        let with = [
            ("dst.address", address),
            ("server.port", port),
            ("reason", reason),
            ("connection.role", "client"),
        ];
        points.total("obi.stat.tcp.failed.connections", &with)
    };
    assert_eq!(failed(&there, "81", "refused"), 5.0);
    assert_eq!(failed(&there, "81", "timed_out"), 0.0);
    assert_eq!(failed(&nobody, "82", "timed_out"), 1.0);
    assert_eq!(failed(&nobody, "83", "other"), 1.0);
    assert!(
        points.total("obi.stat.tcp.retransmits", &[("dst.address", nobody.as_str()), ("server.port", "82")])
            >= 1.0
    );
    assert_eq!(points.total("kmagent.tcp.connections.opened", &[("dst.address", there.as_str())]), 0.0);
}

#[test]
fn a_connection_that_lives_on_is_told_of_at_every_reading() {
    let Some(mut watch) = Watch::start("{features: [tcp]}", &["tcp", "sockets"]) else { return };
    let cable = Cable::new();
    let address = cable.address(2);
    let (port, told) = mpsc::channel();
    let server_address = address.clone();
    let server = cable.b.spawn(move || {
        let listener = TcpListener::bind((server_address, 0)).unwrap();
        port.send(listener.local_addr().unwrap().port()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 1000];
        while stream.read_exact(&mut buffer).is_ok() {
            stream.write_all(&buffer).unwrap();
        }
        // Closed with the answer unread at the other end: a reset.
        stream
    });
    let port = told.recv().unwrap();
    let target = address.clone();
    let mut client = cable.a.run(move || TcpStream::connect((target, port)).unwrap());
    let port = port.to_string();
    let with =
        [("dst.address", address.as_str()), ("server.port", port.as_str()), ("connection.role", "client")];
    let mut rtts = 0.0;
    for round in 1..=3 {
        client.write_all(&[7; 1000]).unwrap();
        client.read_exact(&mut [0; 1000]).unwrap();
        let points = watch.read();
        assert_eq!(points.total("kmagent.tcp.connections.active", &with), 1.0);
        let sent: Vec<_> = with.iter().copied().chain([("direction", "transmit")]).collect();
        assert_close(points.total("obi.stat.tcp.io", &sent), 1000.0 * f64::from(round), "so far");
        let rtt = points.of("obi.stat.tcp.rtt", &with)[0].clone();
        assert!(rtt.value > rtts && rtt.sum > 0.0 && rtt.sum < 1.0, "{rtt:?}");
        rtts = rtt.value;
    }
    client.shutdown(std::net::Shutdown::Write).unwrap();
    drop(server.join().unwrap());
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    let points = watch.read();
    assert_eq!(points.total("kmagent.tcp.connections.active", &with), 0.0);
    assert_eq!(points.total("kmagent.tcp.connections.closed", &with), 1.0);
}

#[test]
fn packets_that_are_lost_are_seen_as_retransmits_and_drops() {
    let Some(mut watch) = Watch::start("{features: [tcp, drops]}", &["tcp", "drops"]) else { return };
    let cable = Cable::new();
    let netem = cable.a.try_command("tc qdisc add dev va root netem loss 5%");
    let nft = !netem
        && cable.b.try_command(
            "nft add table inet t && nft add chain inet t in '{ type filter hook input priority 0; }' \
             && nft add rule inet t in tcp dport 5555 numgen inc mod 20 == 7 drop",
        );
    if !netem
        && !nft
        && !cable.b.try_command(
            "iptables -A INPUT -p tcp --dport 5555 -m statistic --mode nth --every 20 --packet 7 -j DROP",
        )
    {
        return skip("neither netem nor nftables nor iptables can lose packets here").unwrap_or_default();
    }
    let address = cable.address(2);
    let server_address = address.clone();
    let listener = cable.b.run(move || TcpListener::bind((server_address, 5555)).unwrap());
    let target = address.clone();
    let client = cable.a.spawn(move || {
        let mut stream = TcpStream::connect((target, 5555)).unwrap();
        stream.set_nodelay(true).unwrap();
        for _ in 0..200 {
            stream.write_all(&[7; 4000]).unwrap();
            std::thread::yield_now();
        }
    });
    let (mut stream, _) = listener.accept().unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    client.join().unwrap();
    assert_eq!(all.len(), 800_000);
    let points = watch.read();
    let with = [("dst.address", address.as_str()), ("server.port", "5555"), ("connection.role", "client")];
    assert!(points.total("obi.stat.tcp.retransmits", &with) >= 1.0);
    assert!(points.total("kmagent.tcp.retransmitted", &with) >= 100.0);
    if !netem {
        let dropped = points.total(
            "kmagent.network.drop.packets",
            &[("reason", "netfilter_drop"), ("iface", "vb"), ("transport", "TCP")],
        );
        assert!(dropped >= 1.0, "{:?}", points.of("kmagent.network.drop.packets", &[]));
    }
}

#[test]
fn a_packet_for_nobody_is_dropped_with_that_reason() {
    let Some(mut watch) = Watch::start("{features: [drops]}", &["drops"]) else { return };
    let cable = Cable::new();
    let address = cable.address(2);
    cable.a.run(move || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        for _ in 0..50 {
            socket.send_to(&[7; 100], (address.as_str(), 1)).unwrap();
        }
    });
    let points = watch.read();
    let dropped = points.total(
        "kmagent.network.drop.packets",
        &[("reason", "no_socket"), ("transport", "UDP"), ("iface", "vb")],
    );
    assert_eq!(dropped, 50.0, "{:?}", points.of("kmagent.network.drop.packets", &[]));
    let bytes = points.total("kmagent.network.drop.bytes", &[("reason", "no_socket"), ("iface", "vb")]);
    assert!(bytes >= 5000.0, "{bytes}");
}

#[test]
fn a_full_queue_of_a_listener_and_a_reader_that_does_not_read_are_seen() {
    let Some(mut watch) = Watch::start("{features: [flows, tcp]}", &["flows", "tcp", "sockets"]) else {
        return;
    };
    let cable = Cable::new();
    let address = cable.address(2);
    let server_address = address.clone();
    let listener = cable.b.run(move || {
        std::fs::write("/proc/sys/net/core/somaxconn", "1").unwrap();
        TcpListener::bind((server_address, 6666)).unwrap()
    });
    let target = address.clone();
    let clients = cable.a.run(move || {
        let target: SocketAddr = format!("{target}:6666").parse().unwrap();
        (0..6)
            .filter_map(|_| TcpStream::connect_timeout(&target, Duration::from_millis(200)).ok())
            .collect::<Vec<_>>()
    });
    let (_accepted, _) = listener.accept().unwrap();
    let mut client = clients.into_iter().next().unwrap();
    client.set_nonblocking(true).unwrap();
    // Until both buffers are full and the peer says stop.
    let data = vec![7; 65_536];
    let mut idle = 0;
    while idle < 50 {
        match client.write(&data) {
            Ok(1..) => idle = 0,
            Ok(0) => panic!("the connection is closed"),
            Err(_) => {
                idle += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    let points = watch.read();
    let with = [("server.port", "6666"), ("direction", "transmit"), ("connection.role", "server")];
    assert!(points.total("kmagent.tcp.zero_windows", &with) >= 1.0);
    assert!(points.total("kmagent.tcp.listen.drops", &[("server.port", "6666")]) >= 1.0);
}
