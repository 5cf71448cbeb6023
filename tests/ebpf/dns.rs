//! Lookups against a resolver that takes its time.

use std::net::UdpSocket;
use std::time::Duration;

use super::Watch;
use super::net::Cable;

pub const DELAY: Duration = Duration::from_millis(40);

pub fn query(id: u16, name: &str) -> Vec<u8> {
    let mut bytes = vec![(id >> 8) as u8, id as u8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

#[test]
fn latency_codes_and_timeouts_of_lookups_are_measured() {
    let Some(mut watch) = Watch::start("{features: [dns], dns: {timeout: 300ms, name_depth: 2}}", &["flows"])
    else {
        return;
    };
    let cable = Cable::new();
    let address = cable.address(2);
    let bind = address.clone();
    let resolver = cable.b.run(move || UdpSocket::bind((bind, 53)).unwrap());
    let server = std::thread::spawn(move || {
        let mut buffer = [0; 600];
        for n in 0..6 {
            let (length, client) = resolver.recv_from(&mut buffer).unwrap();
            if n == 5 {
                break;
            }
            std::thread::sleep(DELAY);
            let mut answer = buffer[..length].to_vec();
            answer[2] |= 0x80;
            answer[3] = if n == 4 { 3 } else { 0 };
            resolver.send_to(&answer, client).unwrap();
        }
    });
    let target = address.clone();
    let client = cable.a.run(move || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect((target.as_str(), 53)).unwrap();
        socket
    });
    for id in 0..6_u16 {
        let name = if id == 4 { "no.such.example.org" } else { "www.shop.example.com" };
        client.send(&query(id, name)).unwrap();
        if id < 5 {
            client.recv(&mut [0; 600]).unwrap();
        }
    }
    // Nonsense on the port of DNS is no lookup.
    client.send(b"GET / HTTP/1.1").unwrap();
    server.join().unwrap();
    std::thread::sleep(Duration::from_millis(320));
    let points = watch.read();
    let good = [
        ("dst.address", address.as_str()),
        ("dns.question.name", "example.com"),
        ("dns.response.code", "NOERROR"),
    ];
    let bad = [
        ("dst.address", address.as_str()),
        ("dns.question.name", "example.org"),
        ("dns.response.code", "NXDOMAIN"),
    ];
    assert_eq!(points.total("kmagent.dns.responses", &good), 4.0);
    assert_eq!(points.total("kmagent.dns.responses", &bad), 1.0);
    assert_eq!(points.total("kmagent.dns.queries", &[("dst.address", address.as_str())]), 6.0);
    assert_eq!(points.total("kmagent.dns.timeouts", &good[..2]), 1.0);
    let took = points.of("dns.lookup.duration", &good)[0].clone();
    let each = took.sum / took.value;
    assert_eq!(took.value, 4.0);
    assert!((DELAY.as_secs_f64()..DELAY.as_secs_f64() * 1.5).contains(&each), "{each} s a lookup");
    assert_eq!(points.of("dns.lookup.duration", &bad)[0].attributes["error.type"], "NXDOMAIN");
    assert!(points.total("kmagent.ebpf.missed", &[("reason", "dns_malformed")]) >= 1.0);
}
