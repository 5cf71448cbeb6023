//! Requests and calls, good ones, odd ones, slow ones and too many.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kmagent::component::{ExportError, Exporter};
use kmagent::config::{Decoder, Node, from_yaml};
use kmagent::exporters;
use kmagent::net::compression::{Codec, Compressor};
use kmagent::pipeline::{Data, Outcome, Signal};
use prost::Message;

use super::{INSECURE, JSON, PROTO, Served, as_json, connect, context, encoded, logs, metrics, send, traces};
use crate::support::agent::wait_for;
use crate::support::certs::Authority;
use crate::support::data::log_of_size;

#[test]
fn all_signals_arrive_over_http_in_both_encodings_and_every_compression() {
    let served = Served::start();
    for (path, data) in [("/v1/logs", logs(3)), ("/v1/metrics", metrics(3)), ("/v1/traces", traces(3))] {
        let answer = served.post(path, PROTO, &encoded(&data));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("Content-Type: application/x-protobuf\r\nContent-Length: 0\r\n"), "{answer}");
        let answer = served.post(path, JSON, &as_json(&data));
        assert!(answer.ends_with("\r\n\r\n{\"partialSuccess\":{}}"), "{answer}");
        assert_eq!(served.taken(), [data.clone(), data]);
        served.pipeline.taken.lock().unwrap().clear();
    }
    for codec in Codec::ALL {
        let mut packed = Vec::new();
        Compressor::new(codec, 0).unwrap().compress(&encoded(&logs(50)), &mut packed).unwrap();
        let headers = format!("{PROTO}Content-Encoding: {}\r\n", codec.name());
        let answer = served.post("/v1/logs", &headers, &packed);
        assert!(answer.starts_with("HTTP/1.1 200"), "{codec:?}: {answer}");
    }
    assert_eq!(served.taken(), vec![logs(50); Codec::ALL.len()]);
    let peer = served.pipeline.taken.lock().unwrap()[0].peer;
    assert_eq!(peer, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
}

#[test]
fn what_is_wrong_with_a_request_is_said_with_the_right_status() {
    let served = Served::start();
    let body = encoded(&logs(1));
    for (path, headers, body, want) in [
        ("/v1/nothing", PROTO, &body[..], "404 Not Found"),
        ("/v1/logs/", PROTO, &body[..], "404 Not Found"),
        ("/v1/logs", "", &body[..], "415 Unsupported"),
        ("/v1/logs", "Content-Type: text/plain\r\n", &body[..], "415 unsupported media type"),
        ("/v1/logs", PROTO, b"\xff\xff", "HTTP/1.1 400"),
        ("/v1/logs", PROTO, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "HTTP/1.1 400"),
        ("/v1/logs", JSON, b"{\"resourceLogs\":[{]}", "\"code\":3"),
        ("/v1/logs", JSON, b"", "\"code\":3"),
        (
            "/v1/logs",
            "Content-Type: application/json\r\nContent-Encoding: br\r\n",
            b"{}",
            "unsupported Content-Encoding",
        ),
        ("/v1/logs", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", b"{}", "not valid gzip"),
        ("/v1/logs", JSON, b"{}", "HTTP/1.1 200"),
        ("/v1/logs?x=y", JSON, b"{}", "HTTP/1.1 200"),
    ] {
        let answer = served.post(path, headers, body);
        assert!(answer.contains(want), "{path} {headers}: {answer}");
    }
    let get = served.raw("GET /v1/logs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(
        get.starts_with("HTTP/1.1 405") && get.ends_with("405 method not allowed, supported: [POST]"),
        "{get}"
    );
    assert!(served.taken().is_empty(), "empty requests go nowhere");
}

#[test]
fn malformed_framing_is_refused_and_never_smuggled() {
    let served = Served::start();
    let post = "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    for (rest, want) in [
        ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", "400"),
        ("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "400"),
        ("Content-Length: +2\r\n\r\n{}", "400"),
        ("Content-Length: 99999999999999999999999\r\n\r\n", "400"),
        ("Content-Length: 99999999999\r\n\r\n", "413"),
        ("Transfer-Encoding: gzip, chunked\r\n\r\n", "501"),
        ("Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", "400"),
        ("Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n", "400"),
        ("Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n", "400"),
        ("Transfer-Encoding: chunked\r\n\r\n2\r\n{}x0\r\n\r\n", "400"),
        ("Host: y\r\n\r\n", "400"),
        ("X : y\r\n\r\n", "400"),
    ] {
        let answer = served.raw(format!("{post}{rest}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {want}")), "{rest}: {answer}");
    }
    assert!(served.raw("\x16\x03\x01\x02\x00\x01").starts_with("HTTP/1.1 400"), "TLS on a plain port");
    assert!(served.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").starts_with("HTTP/1.1 505"));
    let header = format!("{post}X: {}\r\n\r\n", "y".repeat(100_000));
    assert!(served.raw(header).starts_with("HTTP/1.1 431"));
    let many = format!("{post}{}\r\n", "X: y\r\n".repeat(1000));
    assert!(served.raw(many).starts_with("HTTP/1.1 431"));
    served.still_works();
}

#[test]
fn chunks_pipelining_and_continue_are_understood() {
    let served = Served::start();
    let chunk = "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                 Transfer-Encoding: chunked\r\n\r\n1;ext=1\r\n{\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n";
    let last = "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 2\r\nConnection: close\r\n\r\n{}";
    let answers = served.raw(format!("{chunk}{chunk}{last}"));
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");

    let mut stream = connect(served.http);
    stream
        .write_all(
            last.replace("Content-Type", "Expect: 100-continue\r\nContent-Type")
                .split("{}")
                .next()
                .unwrap()
                .as_bytes(),
        )
        .unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn browsers_of_allowed_origins_may_send() {
    let served = Served::with(
        "{}",
        "{cors: {allowed_origins: ['https://*.example.com'], allowed_headers: [X-Key], max_age: 60}}",
    );
    let ask = |origin: &str, headers: &str| {
        served.raw(format!(
            "OPTIONS /v1/traces HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: {headers}\r\n\r\n"
        ))
    };
    let yes = ask("https://app.example.com", "content-type,x-key");
    assert!(yes.starts_with("HTTP/1.1 204") && yes.contains("Access-Control-Max-Age: 60"), "{yes}");
    assert!(yes.contains("Access-Control-Allow-Origin: https://app.example.com\r\n"), "{yes}");
    assert!(!ask("https://evil.com", "content-type").contains("Access-Control-Allow-Origin"));
    assert!(!ask("https://app.example.com", "x-other").contains("Access-Control-Allow-Origin"));
    let headers = format!("{JSON}Origin: https://app.example.com\r\n");
    assert!(
        served
            .post("/v1/traces", &headers, b"{}")
            .contains("Access-Control-Allow-Origin: https://app.example.com")
    );
}

#[test]
fn cve_2024_36129_a_decompression_bomb_of_any_codec_is_refused() {
    let served = Served::with("{max_recv_msg_size_mib: 1}", "{max_request_body_size: 1048576}");
    let zeros = vec![0; 64 << 20];
    for codec in Codec::ALL {
        let (mut bomb, mut nested) = (Vec::new(), Vec::new());
        Compressor::new(codec, 0).unwrap().compress(&zeros, &mut bomb).unwrap();
        let headers = format!("{PROTO}Content-Encoding: {}\r\n", codec.name());
        let answer = served.post("/v1/logs", &headers, &bomb);
        assert!(answer.starts_with("HTTP/1.1 413"), "{codec:?}: {answer}");
        Compressor::new(codec, 0).unwrap().compress(&bomb, &mut nested).unwrap();
        let twice = format!("{PROTO}Content-Encoding: {0}, {0}\r\n", codec.name());
        assert!(served.post("/v1/logs", &twice, &nested).starts_with("HTTP/1.1 400"), "{codec:?}");
    }
    let exporter = served.exporter("{tls: {insecure: true}, compression: zstd}", Signal::Logs);
    let result = send(exporter.as_ref(), log_of_size(8 << 20));
    assert!(
        matches!(result, Err(ExportError::TooLarge { .. } | ExportError::Permanent { .. })),
        "{result:?}"
    );
    served.still_works();
}

#[test]
fn all_signals_arrive_over_grpc_with_every_compression() {
    let served = Served::start();
    for compression in ["none", "gzip", "snappy", "zstd"] {
        let keys = format!("{{tls: {{insecure: true}}, compression: {compression}}}");
        for data in [logs(20), metrics(20), traces(20)] {
            let exporter = served.exporter(&keys, data.signal());
            send(exporter.as_ref(), data.clone()).unwrap();
            send(exporter.as_ref(), data.clone()).unwrap();
            assert_eq!(served.taken(), [data.clone(), data], "{compression}");
            served.pipeline.taken.lock().unwrap().clear();
        }
    }
}

#[test]
fn many_calls_run_side_by_side_and_large_messages_pass_the_windows() {
    let served = Served::with("{max_recv_msg_size_mib: 32}", "{}");
    let exporter: Arc<dyn Exporter> =
        served.exporter("{tls: {insecure: true}, compression: none}", Signal::Logs).into();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let exporter = exporter.clone();
            std::thread::spawn(move || {
                for _ in 0..20 {
                    send(exporter.as_ref(), logs(50)).unwrap();
                }
                send(exporter.as_ref(), log_of_size(5 << 20)).unwrap();
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(served.taken().iter().map(Data::items).sum::<usize>(), 8 * (20 * 50 + 1));
}

#[test]
fn a_full_pipeline_is_told_to_the_client_with_a_time_to_come_back() {
    let served = Served::start();
    served.pipeline.full.store(true, Ordering::SeqCst);
    let answer = served.post("/v1/logs", JSON, &as_json(&logs(1)));
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("Retry-After: 1\r\n"), "{answer}");
    assert!(answer.contains("google.rpc.RetryInfo"), "{answer}");
    let exporter = served.exporter(INSECURE, Signal::Logs);
    let result = send(exporter.as_ref(), logs(1));
    assert!(
        matches!(&result, Err(ExportError::Retry { after: Some(after), .. }) if after.as_secs() == 1),
        "{result:?}"
    );
    served.pipeline.full.store(false, Ordering::SeqCst);
    for (outcome, status) in [(Outcome::Refused, "503"), (Outcome::Dropped, "500")] {
        *served.pipeline.refuse.lock().unwrap() = Some(outcome);
        let answer = served.post("/v1/logs", PROTO, &encoded(&logs(1)));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        let result = send(exporter.as_ref(), logs(1)).unwrap_err();
        assert_eq!(matches!(result, ExportError::Retry { .. }), outcome == Outcome::Refused, "{result:?}");
    }
    *served.pipeline.refuse.lock().unwrap() = None;
    send(exporter.as_ref(), logs(1)).unwrap();
    served.still_works();
}

#[test]
fn messages_beyond_the_limit_are_refused_and_the_connection_goes_on() {
    let served = Served::with("{max_recv_msg_size_mib: 1}", "{}");
    let exporter = served.exporter("{tls: {insecure: true}, compression: none}", Signal::Logs);
    let result = send(exporter.as_ref(), log_of_size(2 << 20));
    assert!(matches!(result, Err(ExportError::TooLarge { .. })), "{result:?}");
    send(exporter.as_ref(), logs(1)).unwrap();
}

#[test]
fn tls_with_and_without_client_certificates_on_both_protocols() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (server, client) = (authority.identity(&["localhost"]), authority.identity(&["client"]));
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (cert, key) = (file("c.pem", &server.cert), file("k.pem", &server.key));
    let own =
        format!("cert_file: {}, key_file: {}", file("cc.pem", &client.cert), file("ck.pem", &client.key));
    let ca = ca.display();
    for mutual in [false, true] {
        let asks = if mutual { format!(", client_ca_file: {ca}") } else { String::new() };
        let keys = format!("{{tls: {{cert_file: {cert}, key_file: {key}{asks}}}}}");
        let served = Served::with(&keys, &keys);
        let with = served.exporter(&format!("{{tls: {{ca_file: {ca}, {own}}}}}"), Signal::Logs);
        send(with.as_ref(), logs(2)).unwrap();
        let without = served.exporter(&format!("{{tls: {{ca_file: {ca}}}}}"), Signal::Logs);
        assert_eq!(send(without.as_ref(), logs(1)).is_ok(), !mutual);
        let stranger = served.exporter("{tls: {insecure_skip_verify: false}}", Signal::Logs);
        assert!(send(stranger.as_ref(), logs(1)).is_err(), "the server's certificate must be checked");
        let plain = served.exporter(INSECURE, Signal::Logs);
        assert!(send(plain.as_ref(), logs(1)).is_err());

        let yaml =
            format!("{{endpoint: 'https://localhost:{}', tls: {{ca_file: {ca}, {own}}}}}", served.http);
        let node: Node = from_yaml(&yaml).unwrap();
        let config = (exporters::otlphttp::TYPE.decode)(&mut Decoder::new(&node)).unwrap();
        let http = config.build(context(&served.telemetry, "otlphttp"), Signal::Logs).unwrap();
        send(http.as_ref(), logs(3)).unwrap();
        let items: usize = served.taken().iter().map(Data::items).sum();
        assert_eq!(items, if mutual { 5 } else { 6 });
    }
}

#[test]
fn slow_clients_are_cut_off_and_good_ones_do_not_notice() {
    let served = Served::with("{}", "{read_header_timeout: 200ms, read_timeout: 200ms, idle_timeout: 300ms}");
    let started = Instant::now();
    let mut slow: Vec<TcpStream> = (0..50).map(|_| connect(served.http)).collect();
    for (place, stream) in slow.iter_mut().enumerate() {
        let text = match place % 3 {
            0 => "",
            1 => "POST /v1/logs HTTP/1.1\r\nHo",
            _ => {
                "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
            }
        };
        stream.write_all(text.as_bytes()).unwrap();
    }
    served.still_works();
    for stream in &mut slow {
        let mut rest = Vec::new();
        _ = stream.read_to_end(&mut rest);
    }
    assert!(started.elapsed() < Duration::from_secs(5));
    // A gRPC client that says nothing is a connection and no more; one that speaks nonsense is cut off.
    let _silent = connect(served.grpc);
    let mut nonsense = connect(served.grpc);
    nonsense.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut rest = Vec::new();
    _ = nonsense.read_to_end(&mut rest);
    served.still_works();
}

#[test]
fn protobuf_that_nests_without_end_is_refused() {
    let served = Served::start();
    let nest = |depth: usize| {
        let mut value = Vec::new();
        for _ in 0..depth {
            // ArrayValue { values: [ … ] } in AnyValue
            let mut inner = vec![0x0a];
            prost::encoding::encode_varint(value.len() as u64, &mut inner);
            inner.extend(&value);
            value = vec![0x2a];
            prost::encoding::encode_varint(inner.len() as u64, &mut value);
            value.extend(&inner);
        }
        // body, record, scope, resource
        for tag in [0x2a, 0x12, 0x12, 0x0a] {
            let mut outer = vec![tag];
            prost::encoding::encode_varint(value.len() as u64, &mut outer);
            outer.extend(&value);
            value = outer;
        }
        value
    };
    assert!(served.post("/v1/logs", PROTO, &nest(20)).starts_with("HTTP/1.1 200"));
    assert!(served.post("/v1/logs", PROTO, &nest(2000)).starts_with("HTTP/1.1 400"));
    assert!(kmagent::otlp::export::ExportLogsServiceRequest::decode(&nest(2000)[..]).is_err());
}

#[test]
fn more_than_fits_is_refused_and_the_room_is_given_back() {
    let served = Served::with("{}", "{max_request_body_size: 67108864}");
    // Bodies that never end, until the room for all of them is used.
    let head = format!("POST /v1/logs HTTP/1.1\r\nHost: x\r\n{PROTO}Content-Length: 20000000\r\n\r\n");
    let mut greedy = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(served.http);
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&vec![0; 15_000_000]));
        greedy.push(stream);
    }
    wait_for("one of them to be refused", || served.telemetry.total("kmagent_receiver_refused_requests") > 0);
    served.still_works();
    drop(greedy);
    let large = encoded(&log_of_size(8 << 20));
    wait_for("a large one to pass again", || {
        served.post("/v1/logs", PROTO, &large).starts_with("HTTP/1.1 200")
    });
}
