//! Messages over real sockets.

use std::io::{Read, Write};
use std::net::UdpSocket;

use crate::otlp::{AnyValue, Attributes};

use super::super::sockets::testing::{Running, plan};

const BSD: &str = "<34>Oct 11 22:14:15 host su[12]: failed for lonvick";
const NEW: &str = "<165>1 2003-10-11T22:14:15.003Z host app 8710 ID47 [sd@1 k=\"v\"] \u{feff}text";

#[test]
fn messages_over_udp_become_records() {
    let mut running = Running::start(
        super::plan,
        "{protocol: rfc3164, location: Europe/Berlin, udp: {listen_address: ADDRESS}}",
    );
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(format!("{BSD}\n").as_bytes(), running.address).unwrap();
    let record = running.expect(1).remove(0);
    assert_eq!(record.body, Some(BSD.into()));
    assert_eq!((record.severity_number, record.severity_text.as_str()), (18, "crit"));
    assert_eq!(record.attributes.get("facility"), Some(&AnyValue::Int(4)));
    assert_eq!(record.attributes.get_str("appname"), Some("su"));
    // 22:14:15 in Berlin is 20:14:15, and the year is this one or the last.
    assert_eq!(record.time_unix_nano / 1_000_000_000 % 86400, 20 * 3600 + 14 * 60 + 15);
}

#[test]
fn counted_and_trailed_messages_over_tcp() {
    for (framing, stream) in [
        ("enable_octet_counting: true", format!("{} {NEW}{} {NEW}", NEW.len(), NEW.len())),
        ("non_transparent_framing_trailer: NUL", format!("{NEW}\0{NEW}\0")),
        ("non_transparent_framing_trailer: LF", format!("{NEW}\n{NEW}\n")),
        ("on_error: send", format!("{NEW}\r\n{NEW}\n")),
    ] {
        let yaml = format!("{{protocol: RFC5424, {framing}, tcp: {{listen_address: ADDRESS}}}}");
        let mut running = Running::start(super::plan, &yaml);
        let mut client = running.connect();
        // In the smallest pieces.
        for byte in stream.as_bytes() {
            client.write_all(&[*byte]).unwrap();
        }
        for record in running.expect(2) {
            assert_eq!(record.attributes.get_str("message"), Some("text"), "{framing}");
            assert_eq!(record.attributes.get_str("msg_id"), Some("ID47"));
        }
    }
}

#[test]
fn nonsense_where_a_length_should_be_ends_the_connection() {
    let yaml = "{protocol: rfc5424, enable_octet_counting: true, tcp: {listen_address: ADDRESS}}";
    let mut running = Running::start(super::plan, yaml);
    let mut client = running.connect();
    client.write_all(format!("{} {NEW}no length here", NEW.len()).as_bytes()).unwrap();
    running.expect(1);
    assert_eq!(client.read(&mut [0; 8]).unwrap_or(0), 0, "closed");
    assert_eq!(running.telemetry.total("otelcol_receiver_socket_dropped_bytes"), 14);
}

#[test]
fn a_message_that_is_none_goes_on_as_it_is_or_is_dropped_and_counted() {
    let yaml = "{protocol: rfc5424, tcp: {listen_address: ADDRESS}, operators: [{type: add, field: attributes.seen, value: yes}]}";
    let mut running = Running::start(super::plan, yaml);
    running.connect().write_all(b"hello\n").unwrap();
    let record = running.expect(1).remove(0);
    assert_eq!((record.body, record.attributes.len()), (Some("hello".into()), 1));
    let running =
        Running::start(super::plan, "{protocol: rfc5424, on_error: drop, tcp: {listen_address: ADDRESS}}");
    running.connect().write_all(b"hello\n").unwrap();
    running.wait_for("otelcol_receiver_dropped_log_records", 1);
    let yaml = "{protocol: rfc3164, allow_skip_pri_header: true, tcp: {listen_address: ADDRESS}}";
    let mut running = Running::start(super::plan, yaml);
    running.connect().write_all(format!("{}\n", &BSD[4..]).as_bytes()).unwrap();
    assert_eq!(running.expect(1)[0].attributes.get_str("message"), Some("failed for lonvick"));
}

#[test]
fn wrong_keys_are_told_at_start() {
    for (yaml, want) in [
        ("{tcp: {listen_address: ':1'}}", "missing field 'protocol'"),
        ("{protocol: rfc1, tcp: {listen_address: ':1'}}", "unsupported protocol version: rfc1"),
        ("{protocol: rfc5424}", "need tcp config or udp config"),
        (
            "{protocol: rfc3164, enable_octet_counting: true, tcp: {listen_address: ':1'}}",
            "rfc5424 over tcp only",
        ),
        (
            "{protocol: rfc5424, enable_octet_counting: true, udp: {listen_address: ':1'}}",
            "rfc5424 over tcp only",
        ),
        (
            "{protocol: rfc5424, non_transparent_framing_trailer: X, tcp: {listen_address: ':1'}}",
            "write LF or NUL",
        ),
        (
            "{protocol: rfc5424, enable_octet_counting: true, allow_skip_pri_header: true, tcp: {listen_address: ':1'}}",
            "exclude each other",
        ),
        ("{protocol: rfc3164, location: Atlantis, tcp: {listen_address: ':1'}}", "Atlantis"),
        ("{protocol: rfc3164, on_error: explode, tcp: {listen_address: ':1'}}", "explode"),
        ("{protocol: rfc3164, tcp: {listen_address: x}}", "must be an address to listen on"),
    ] {
        let error = plan(super::plan, yaml).err().unwrap_or_else(|| panic!("{yaml} is accepted"));
        assert!(error.contains(want), "{yaml}: {error}");
    }
}
