//! Receivers over real sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};

use crate::otlp::Attributes;
use crate::pipeline::Outcome;

use super::testing::{Decode, PATIENCE, Running, plan, text};

const TCP: Decode = super::super::tcplog::plan;
const UDP: Decode = super::super::udplog::plan;

#[test]
fn lines_of_many_connections_arrive_and_the_last_one_without_its_end() {
    let mut running = Running::start(TCP, "listen_address: ADDRESS");
    let mut slow = running.connect();
    slow.write_all(b"half of ").unwrap();
    let mut other = running.connect();
    other.write_all(b"one\r\n  two \n\nthree").unwrap();
    assert_eq!(running.expect_texts(2), ["one", "two"]);
    other.shutdown(Shutdown::Write).unwrap();
    assert_eq!(running.expect_texts(1), ["three"]);
    slow.write_all(b"a line\n").unwrap();
    assert_eq!(running.expect_texts(1), ["half of a line"]);
    slow.write_all(b"cut off by the end").unwrap();
    running.wait_for("otelcol_receiver_accepted_log_records", 4);
    let rest: Vec<String> = running.stop().iter().map(text).collect();
    assert!(rest.is_empty() || rest == ["cut off by the end"], "{rest:?}");
}

#[test]
fn a_line_that_is_too_long_comes_in_pieces_and_memory_stays_small() {
    let mut running = Running::start(TCP, "{listen_address: ADDRESS, max_log_size: 64KiB}");
    let mut client = running.connect();
    client.write_all(&vec![b'x'; 200_000]).unwrap();
    client.write_all(b"\nnext\n").unwrap();
    let texts = running.expect_texts(5);
    assert_eq!(texts.iter().map(String::len).collect::<Vec<_>>(), [65536, 65536, 65536, 3392, 4]);
    assert_eq!(running.telemetry.total("otelcol_receiver_socket_split_log_records"), 3);
}

#[test]
fn multiline_records_wait_for_the_next_or_a_second() {
    let yaml = "{listen_address: ADDRESS, multiline: {line_start_pattern: '^START'}}";
    let mut running = Running::start(TCP, yaml);
    let mut client = running.connect();
    client.write_all(b"START 1\n more\nSTART 2\n end\n").unwrap();
    assert_eq!(running.expect_texts(1), ["START 1\n more"]);
    assert_eq!(running.expect_texts(1), ["START 2\n end"]);
}

#[test]
fn one_log_per_packet_is_all_until_the_connection_is_closed() {
    let mut running = Running::start(TCP, "{listen_address: ADDRESS, one_log_per_packet: true}");
    running.connect().write_all(b"two\nlines\n").unwrap();
    assert_eq!(running.expect_texts(1), ["two\nlines"]);
}

#[test]
fn attributes_tell_both_ends() {
    let yaml = "{listen_address: ADDRESS, add_attributes: true, attributes: {a: b}, resource: {r: s}}";
    let mut running = Running::start(TCP, yaml);
    let mut client = running.connect();
    let port = client.local_addr().unwrap().port().to_string();
    client.write_all(b"x\n").unwrap();
    let record = running.expect(1).remove(0);
    assert_eq!(record.attributes.get_str("net.transport"), Some("IP.TCP"));
    assert_eq!(record.attributes.get_str("net.peer.ip"), Some("127.0.0.1"));
    assert_eq!(record.attributes.get_str("net.peer.port"), Some(&*port));
    assert_eq!(record.attributes.get_str("net.host.ip"), Some("127.0.0.1"));
    assert!(record.attributes.get_str("net.peer.name").is_some());
    assert_eq!(record.attributes.get_str("a"), Some("b"));
}

#[test]
fn datagrams_are_records_and_may_hold_several() {
    let mut running = Running::start(UDP, "listen_address: ADDRESS");
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    for datagram in [&b"two\nlines\n\0"[..], b"\0\n", b"second"] {
        client.send_to(datagram, running.address).unwrap();
    }
    assert_eq!(running.expect_texts(2), ["two\nlines", "second"]);
    let yaml = "{listen_address: ADDRESS, multiline: {line_end_pattern: '\\n'}, encoding: latin1}";
    let mut running = Running::start(UDP, yaml);
    client.send_to(b"a\nb\xe9\nc", running.address).unwrap();
    assert_eq!(running.expect_texts(3), ["a", "b\u{e9}", "c"]);
}

#[test]
fn operators_work_and_what_they_hold_is_sent_at_the_end() {
    let yaml = "{listen_address: ADDRESS, operators: [{type: recombine, combine_field: body, \
                is_last_entry: 'body endsWith \".\"'}]}";
    let mut running = Running::start(TCP, yaml);
    let mut client = running.connect();
    client.write_all(b"one\ntwo.\nthree\n").unwrap();
    assert_eq!(running.expect_texts(1), ["one\ntwo."]);
    drop(client);
    running.wait_for("otelcol_receiver_accepted_log_records", 1);
    assert!(running.stop().iter().map(text).all(|text| text == "three"));
}

#[test]
fn what_is_refused_is_sent_again_when_that_is_configured() {
    let yaml = "{listen_address: ADDRESS, retry_on_failure: {enabled: true, initial_interval: 1ms}}";
    let mut running = Running::start(TCP, yaml);
    running.connect().write_all(b"stubborn\n").unwrap();
    for _ in 0..2 {
        let batch = running.batches.recv_timeout(PATIENCE).unwrap();
        batch.ack.settle(Outcome::Refused);
    }
    assert_eq!(running.expect_texts(1), ["stubborn"]);
    let running = Running::start(TCP, "listen_address: ADDRESS");
    running.connect().write_all(b"lost\n").unwrap();
    running.batches.recv_timeout(PATIENCE).unwrap().ack.settle(Outcome::Refused);
    assert_eq!(running.telemetry.total("otelcol_receiver_refused_log_records"), 1);
}

#[test]
fn clients_with_tls_are_served_and_others_cost_nothing() {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, private) = (key.cert.pem(), key.signing_key.serialize_pem());
    let yaml = serde_json::json!({
        "listen_address": "ADDRESS", "tls": {"cert_pem": cert, "key_pem": private},
    });
    let mut running = Running::start(TCP, &yaml.to_string());
    let mut plain = running.connect();
    plain.write_all(b"no handshake at all, just text\n").unwrap();
    assert_eq!(plain.read(&mut [0; 64]).map_or(0, |_| 0), 0);
    let tls = crate::net::tls::ClientTls { insecure_skip_verify: true, ..Default::default() };
    let config = tls.build(&[]).unwrap().config;
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(config, name).unwrap();
    let mut client = rustls::StreamOwned::new(connection, running.connect());
    let long = "y".repeat(100_000);
    client.write_all(format!("secret\n{long}\n").as_bytes()).unwrap();
    assert_eq!(running.expect_texts(2), ["secret", long.as_str()]);
    running.wait_for("otelcol_receiver_socket_refused_connections", 1);
}

#[test]
fn hundreds_of_connections_are_one_thread() {
    const CONNECTIONS: usize = 300;
    let mut running = Running::start(TCP, "listen_address: ADDRESS");
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    let mut clients: Vec<TcpStream> = (0..CONNECTIONS).map(|_| running.connect()).collect();
    for client in &mut clients {
        client.write_all(b"x\n").unwrap();
    }
    running.expect(CONNECTIONS);
    assert!(threads() < before + CONNECTIONS * 2 / 3, "other tests start some, but not that many");
    drop(clients);
    running.stop();
}

#[test]
fn wrong_keys_are_told_at_start() {
    for (decode, yaml, want) in [
        (TCP, "{}", "listen_address"),
        (TCP, "listen_address: nowhere", "must be an address to listen on"),
        (TCP, "{listen_address: ':1', max_log_size: 1}", "must be at least 65536"),
        (TCP, "{listen_address: ':1', encoding: klingon}", "unsupported encoding"),
        (TCP, "{listen_address: ':1', tls: {}}", "needs a certificate"),
        (TCP, "{listen_address: ':1', async: {}}", "async"),
        (UDP, "{listen_address: ':1', tls: {}}", "tls"),
        (UDP, "{listen_address: ':1', operators: [{type: no}]}", "unsupported type"),
    ] {
        let error = plan(decode, yaml).err().unwrap_or_else(|| panic!("{yaml} is accepted"));
        assert!(error.contains(want), "{yaml}: {error}");
    }
    let all = "{listen_address: ':1', async: {readers: 2, processors: 2, max_queue_length: 5}, one_log_per_packet: true, \
               add_attributes: true, encoding: utf-8, preserve_leading_whitespaces: true, storage: file_storage, \
               preserve_trailing_whitespaces: true, retry_on_failure: {enabled: true}}";
    plan(UDP, all).unwrap();
}
