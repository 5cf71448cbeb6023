//! HTTP/2 by hand: what its specification forbids, and what attackers did with it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use proptest::prop_assert;
use proptest::test_runner::{Config, TestRunner};

use super::{Served, connect, encoded, logs};
use crate::support::agent::wait_for;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        bytes.push(text.len() as u8);
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// The headers of a call: POST and http from the static table, the rest as literals.
fn call_headers(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    for (name, value) in
        [(":path", path), (":authority", "x"), ("content-type", "application/grpc"), ("te", "trailers")]
    {
        block.extend(literal(name, value));
    }
    block
}

const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// A connection that has said hello.
fn h2(served: &Served) -> TcpStream {
    let mut stream = connect(served.grpc);
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).unwrap();
    stream
}

/// Reads frames until one of that kind comes; `None` when the connection ends before.
fn until(stream: &mut TcpStream, kind: u8) -> Option<(u8, Vec<u8>)> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).ok()?;
        if head[3] == kind {
            return Some((head[4], payload));
        }
    }
}

fn goaway_code(stream: &mut TcpStream) -> Option<u32> {
    let (_, payload) = until(stream, GOAWAY)?;
    Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()))
}

#[test]
fn protocol_errors_end_their_connection_with_the_code_of_their_kind() {
    let served = Served::start();
    let headers = call_headers(LOGS);
    let cases: Vec<(&str, Vec<u8>, u32)> = vec![
        ("DATA on stream 0", frame(DATA, 0, 0, b"x"), 1),
        ("DATA on an idle stream", frame(DATA, 0, 1, b"x"), 1),
        ("HEADERS on an even stream", frame(HEADERS, 4, 2, &headers), 1),
        ("SETTINGS with a length that is no multiple of six", frame(SETTINGS, 0, 0, b"xxxxx"), 6),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1, &[]), 1),
        ("PING of the wrong length", frame(PING, 0, 0, b"x"), 6),
        ("RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, &[0, 0, 0, 8]), 1),
        ("RST_STREAM on an idle stream", frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), 1),
        ("WINDOW_UPDATE of zero", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), 1),
        ("a window beyond its limit", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), 3),
        ("CONTINUATION without HEADERS", frame(CONTINUATION, 4, 1, &headers), 1),
        (
            "another frame within a header block",
            [frame(HEADERS, 0, 1, &headers), frame(PING, 0, 0, &[0; 8])].concat(),
            1,
        ),
        (
            "a header block that HPACK cannot read",
            frame(HEADERS, 4, 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            9,
        ),
        ("a frame beyond the frame size", frame(DATA, 0, 1, &vec![0; 70_000]), 6),
    ];
    for (what, bytes, code) in cases {
        let mut stream = h2(&served);
        _ = stream.write_all(&bytes);
        // For a bad length and for a bad header block h2 says that it is an error of the protocol, which
        // it is.
        let told = goaway_code(&mut stream);
        assert!(told == Some(code) || (matches!(code, 6 | 9) && told == Some(1)), "{what}: {told:?}");
        assert_eq!(until(&mut stream, 0xff), None, "{what}: the connection stays open");
    }
    served.still_works();
}

#[test]
fn cve_2023_44487_rapid_resets_end_the_connection() {
    let served = Served::start();
    let mut stream = h2(&served);
    let headers = call_headers(LOGS);
    for number in 0..5000_u32 {
        let id = number * 2 + 1;
        let both = [frame(HEADERS, 4, id, &headers), frame(RST_STREAM, 0, id, &[0, 0, 0, 8])].concat();
        if stream.write_all(&both).is_err() {
            break;
        }
    }
    assert_eq!(goaway_code(&mut stream), Some(11), "ENHANCE_YOUR_CALM");
    served.still_works();
}

#[test]
fn cve_2024_27316_a_flood_of_continuations_ends_the_connection() {
    let served = Served::start();
    let mut stream = h2(&served);
    _ = stream.write_all(&frame(HEADERS, 0, 1, &call_headers(LOGS)));
    let more = literal("x", &"y".repeat(120)).repeat(100);
    for _ in 0..5000 {
        if stream.write_all(&frame(CONTINUATION, 0, 1, &more)).is_err() {
            break;
        }
    }
    assert!(goaway_code(&mut stream).is_some_and(|code| code != 0) || until(&mut stream, 0xff).is_none());
    served.still_works();
}

#[test]
fn cve_2016_6581_an_hpack_bomb_is_refused() {
    let served = Served::start();
    let mut stream = h2(&served);
    // One entry of 3,000 bytes into the dynamic table, then thousands of references to it.
    let mut block = call_headers(LOGS);
    block.extend([0x40, 1, b'x', 0x7f, 0xb9, 0x16]);
    block.extend(vec![b'y'; 3000]);
    block.extend(vec![0xbe; 10_000]);
    _ = stream.write_all(&frame(HEADERS, 5, 1, &block));
    let refused = until(&mut stream, HEADERS);
    // 431 or a reset: either way no call, and the memory of one entry.
    if let Some((_, payload)) = refused {
        assert!(!payload.is_empty());
    }
    served.still_works();
}

#[test]
fn a_flood_of_pings_or_settings_whose_answers_nobody_reads_is_bounded() {
    let served = Served::start();
    for bytes in [frame(PING, 0, 0, &[1; 8]), frame(SETTINGS, 0, 0, &[])] {
        let mut stream = h2(&served);
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let many = bytes.repeat(1000);
        for _ in 0..200 {
            if stream.write_all(&many).is_err() {
                break;
            }
        }
        served.still_works();
    }
}

#[test]
fn pings_are_answered_and_a_stop_says_goaway() {
    let served = Served::start();
    let mut stream = h2(&served);
    stream.write_all(&frame(PING, 0, 0, b"12345678")).unwrap();
    assert_eq!(until(&mut stream, PING), Some((1, b"12345678".to_vec())));
    served.stop.raise();
    assert_eq!(goaway_code(&mut stream), Some(0));
}

#[test]
fn idle_old_and_dead_connections_are_ended_as_configured() {
    let keepalive = |keys: &str| format!("{{keepalive: {{server_parameters: {{{keys}}}}}}}");
    for keys in ["max_connection_idle: 100ms", "max_connection_age: 100ms, max_connection_age_grace: 100ms"] {
        let served = Served::with(&keepalive(keys), "{}");
        let mut stream = h2(&served);
        assert_eq!(goaway_code(&mut stream), Some(0), "{keys}");
    }
    let served = Served::with(&keepalive("time: 50ms, timeout: 100ms"), "{}");
    let mut stream = h2(&served);
    assert!(until(&mut stream, PING).is_some(), "the server asks whether anybody is there");
    assert_eq!(until(&mut stream, 0xff), None, "and nobody was");
}

/// The status of one call with that message bytes.
fn call(served: &Served, path: &str, message: &[u8]) -> String {
    let mut stream = h2(served);
    stream
        .write_all(&[frame(HEADERS, 4, 1, &call_headers(path)), frame(DATA, 1, 1, message)].concat())
        .unwrap();
    let mut seen = String::new();
    while let Some((flags, payload)) = until(&mut stream, HEADERS) {
        seen.push_str(&String::from_utf8_lossy(&payload));
        if flags & 1 == 1 {
            break;
        }
    }
    seen
}

#[test]
fn odd_calls_get_a_status() {
    let served = Served::start();
    let framed = |flag: u8, length: u32, body: &[u8]| [&[flag], &length.to_be_bytes()[..], body].concat();
    let body = encoded(&logs(1));
    for (what, path, message) in [
        ("an unknown method", "/x.Y/Z", framed(0, body.len() as u32, &body)),
        ("no message", LOGS, Vec::new()),
        ("half a prefix", LOGS, vec![0, 0]),
        ("a message that is cut", LOGS, framed(0, 100, &body[..10])),
        ("two messages", LOGS, framed(0, body.len() as u32, &body).repeat(2)),
        ("an unknown flag", LOGS, framed(7, body.len() as u32, &body)),
        ("a length of four gigabytes", LOGS, framed(0, u32::MAX, &body)),
        ("compressed without saying how", LOGS, framed(1, body.len() as u32, &body)),
        ("no protobuf", LOGS, framed(0, 2, &[0xff, 0xff])),
    ] {
        let _ = call(&served, path, &message);
        assert!(served.taken().is_empty(), "{what}");
    }
    call(&served, LOGS, &framed(0, body.len() as u32, &body));
    wait_for("the good call", || served.taken().len() == 1);
}

/// Frames of right length: kind, flags, stream and length are a byte each.
fn frames(mut bytes: &[u8]) -> Vec<u8> {
    let mut sent = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    while let Some(([kind, flags, stream, length], rest)) = bytes.split_first_chunk() {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(*length % 32)));
        sent.extend(frame(kind % 11, *flags, u32::from(stream % 8), payload));
        bytes = rest;
    }
    sent
}

#[test]
fn whatever_frames_come_the_connection_ends_with_its_client_and_others_are_served() {
    let served = Served::start();
    let mut runner = TestRunner::new(Config::with_cases(200));
    let bytes = proptest::collection::vec(proptest::num::u8::ANY, 0..300);
    let result = runner.run(&bytes, |bytes| {
        let mut stream = connect(served.grpc);
        // The server may have said goodbye already.
        _ = stream.write_all(&frames(&bytes)).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        prop_assert!(end.is_ok() || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
        Ok(())
    });
    result.unwrap();
    served.still_works();
}
