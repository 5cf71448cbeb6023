//! The `otlphttp` exporter with its queue against a real backend.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use kmagent::component::ExporterConfig;
use kmagent::config::from_yaml;
use kmagent::exporters::otlphttp::OtlpHttpConfig;
use kmagent::exporters::sending::{self, RunningExporter};
use kmagent::pipeline::{Batch, Lane, Outcome, Signal, Stop, StopSource};
use kmagent::telemetry::{StatusBoard, Telemetry};

use crate::support::certs::{Authority, tls_front};
use crate::support::data::{batch, context, numbers};
use crate::support::sink::{Reply, TestSink};

/// An exporter at work.
struct Running {
    exporter: RunningExporter,
    telemetry: Telemetry,
    board: StatusBoard,
}

fn start(yaml: &str) -> Running {
    start_until(yaml, Stop::never())
}

fn start_until(yaml: &str, abort: Stop) -> Running {
    let config: OtlpHttpConfig = from_yaml(yaml).unwrap();
    let board = StatusBoard::default();
    let context = context("otlphttp", abort, &board);
    let exporter = config.build(context.clone(), Signal::Logs).unwrap();
    let exporter = sending::start(&config.sending(), Arc::from(exporter), &context, Signal::Logs).unwrap();
    Running { exporter, telemetry: context.telemetry, board }
}

impl Running {
    fn send(&self, batch: Batch) {
        self.exporter.consumer().consume(batch).unwrap();
    }

    /// Why it is not well.
    fn status(&self) -> String {
        self.board.components()["otlphttp"].detail.clone()
    }
}

/// What becomes of one batch of two records sent with that configuration.
fn send_one(yaml: &str) -> (Outcome, Running) {
    let running = start(yaml);
    let (batch, outcomes) = batch([1, 2]);
    running.send(batch);
    (outcome(&outcomes), running)
}

fn outcome(outcomes: &Receiver<Outcome>) -> Outcome {
    outcomes.recv_timeout(Duration::from_secs(10)).expect("the source hears of its batch")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[test]
fn a_batch_arrives_whole_compressed_and_is_acknowledged() {
    let sink = TestSink::new();
    let running = start(&format!("endpoint: {}/otlp/\nheaders: {{X-Tenant: blue}}", sink.url()));
    let (batch, outcomes) = batch(1..=1000);
    let sent = batch.data().clone();
    running.send(batch);
    assert_eq!(outcome(&outcomes), Outcome::Delivered);
    assert_eq!(sink.accepted(), [sent]);
    let seen = sink.arrived(|request| {
        assert_eq!(request.path, "/otlp/v1/logs");
        assert!(request.wire_bytes < request.body.len() / 3, "not compressed");
        ["content-encoding", "content-type", "x-tenant", "user-agent"]
            .map(|name| request.header(name).unwrap_or_default().to_owned())
    });
    assert_eq!(seen[0][..3], ["gzip", "application/x-protobuf", "blue"]);
    assert!(seen[0][3].starts_with("kmagent/") && seen[0][3].contains(" (linux/"), "{}", seen[0][3]);
    assert_eq!(running.exporter.wait(soon()).items, 0);
    assert_eq!(running.telemetry.total("otelcol_exporter_sent_log_records"), 1000);
    assert_eq!(running.telemetry.total("otelcol_exporter_queue_size"), 0);
}

#[test]
fn a_backend_that_comes_back_gets_what_it_missed() {
    let sink = TestSink::scripted([Reply::Status(503), Reply::Status(502), Reply::RetryAfter("0".into())]);
    let running = start(&format!("endpoint: {}\nretry_on_failure: {{initial_interval: 10ms}}", sink.url()));
    let (batch, outcomes) = batch([1, 2]);
    running.send(batch);
    assert_eq!(outcome(&outcomes), Outcome::Delivered);
    assert_eq!(sink.accepted().iter().flat_map(numbers).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(sink.arrived(|_| ()).len(), 4);
}

#[test]
fn every_compression_and_encoding_is_understood_by_a_backend() {
    for compression in ["gzip", "zlib", "deflate", "zstd", "snappy", "x-snappy-framed", "lz4", "none", "\"\""]
    {
        let sink = TestSink::new();
        let config = format!("endpoint: {}\ncompression: {compression}", sink.url());
        assert_eq!(send_one(&config).0, Outcome::Delivered, "{compression}");
        assert_eq!(numbers(&sink.accepted()[0]), [1, 2], "{compression}");
    }
    let sink = TestSink::new();
    assert_eq!(
        send_one(&format!("logs_endpoint: {}/logs\nencoding: json", sink.url())).0,
        Outcome::Delivered
    );
    let bodies = sink.arrived(|request| {
        assert_eq!(
            (request.path.as_str(), request.header("content-type")),
            ("/logs", Some("application/json"))
        );
        serde_json::from_slice::<serde_json::Value>(&request.body).unwrap()
    });
    let records = &bodies[0]["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
    assert_eq!(records[1], serde_json::json!({"timeUnixNano": "2", "body": {"stringValue": "line 2"}}));
}

#[test]
fn a_backend_that_takes_small_requests_gets_small_requests() {
    let sink = TestSink::always(Reply::AtMost(3));
    let running = start(&format!("endpoint: {}", sink.url()));
    let (batch, outcomes) = batch(0..20);
    running.send(batch);
    assert_eq!(outcome(&outcomes), Outcome::Delivered);
    assert_eq!(sink.accepted().iter().flat_map(numbers).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    assert_eq!(running.telemetry.total("otelcol_exporter_sent_log_records"), 20);
}

#[test]
fn partial_success_is_a_success_whose_losses_are_counted() {
    let sink = TestSink::always(Reply::Partial(1, "too old"));
    let (outcome, running) = send_one(&format!("endpoint: {}", sink.url()));
    assert_eq!(outcome, Outcome::Delivered);
    assert_eq!(sink.arrived(|_| ()).len(), 1);
    assert_eq!(running.telemetry.total("kmagent_exporter_rejected_items"), 1);
}

#[test]
fn refusals_are_dropped_with_the_reason_on_the_status_board() {
    let sink = TestSink::always(Reply::Status(401));
    let (outcome, running) = send_one(&format!("endpoint: http://user:secret@{}", sink.address()));
    assert_eq!(outcome, Outcome::Dropped);
    let shown = running.status();
    assert!(shown.contains("HTTP Status Code 401") && !shown.contains("secret"), "{shown}");
    let authorization = sink.arrived(|request| request.header("authorization").map(str::to_owned));
    assert_eq!(authorization, [Some("Basic dXNlcjpzZWNyZXQ=".to_owned())]);
}

#[test]
fn a_connection_that_breaks_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        // The first connection ends without an answer, the second one takes the batch.
        drop(listener.accept().unwrap());
        let (mut connection, _) = listener.accept().unwrap();
        let _ = connection.read(&mut [0; 4096]).unwrap();
        connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        let _ = connection.read(&mut [0; 4096]);
    });
    let yaml = format!("endpoint: {url}\nretry_on_failure: {{initial_interval: 10ms}}");
    assert_eq!(send_one(&yaml).0, Outcome::Delivered);
}

/// A backend that answers the first request with `answer`, and more of it for as long as it is read.
fn answering(answer: &'static [u8], more: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let _ = connection.read(&mut [0; 4096]).unwrap();
        connection.write_all(answer).unwrap();
        while !more.is_empty() && connection.write_all(more).is_ok() {}
        let _ = connection.read(&mut [0; 4096]);
    });
    url
}

#[test]
fn cve_2026_61674_an_endless_answer_is_not_read_to_its_end() {
    let head = b"HTTP/1.1 400 Bad\r\nContent-Type: text/plain\r\nContent-Length: 999999999999\r\n\r\n";
    let url = answering(head, &[b'x'; 8192]);
    let (outcome, running) = send_one(&format!("endpoint: {url}"));
    assert_eq!(outcome, Outcome::Dropped);
    assert!(running.status().len() < 1000);
}

#[test]
fn what_is_no_http_is_tried_again_and_not_fatal() {
    let url = answering(b"SSH-2.0-OpenSSH_9.0\r\n", b"");
    let yaml = format!("endpoint: {url}\nretry_on_failure: {{enabled: false}}");
    assert_eq!(send_one(&yaml).0, Outcome::Refused);
}

#[test]
fn a_backend_that_never_answers_is_left_after_the_timeout_or_when_the_agent_stops() {
    let url = answering(b"", b"");
    let yaml = format!("endpoint: {url}\ntimeout: 100ms\nretry_on_failure: {{enabled: false}}");
    assert_eq!(send_one(&yaml).0, Outcome::Refused);

    let abort = StopSource::new();
    let running = start_until(&format!("endpoint: {}\ntimeout: 0", answering(b"", b"")), abort.stop());
    let (batch, outcomes) = batch([1]);
    running.send(batch);
    let start = Instant::now();
    let waiter = std::thread::spawn(move || running.exporter.wait(soon()));
    std::thread::sleep(Duration::from_millis(50));
    abort.raise();
    assert_eq!(waiter.join().unwrap().items, 1);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(outcome(&outcomes), Outcome::Refused);
}

#[test]
fn an_hour_of_outage_loses_nothing_that_the_queue_has_taken() {
    let sink = TestSink::always(Reply::Status(503));
    let config = "retry_on_failure: {initial_interval: 5ms, max_interval: 5ms, max_elapsed_time: 0}";
    let running = start(&format!("endpoint: {}\n{config}", sink.url()));
    let outcomes: Vec<_> = (0..100)
        .map(|number| {
            let (batch, outcomes) = batch([number]);
            running.send(batch.in_lane(Some(Lane(number % 5))));
            outcomes
        })
        .collect();
    sink.wait_until(|arrived, _| arrived.len() > 50);
    sink.then(Reply::Accept);
    assert!(outcomes.iter().all(|outcomes| outcome(outcomes) == Outcome::Delivered));
    let accepted: Vec<u64> = sink.accepted().iter().flat_map(numbers).collect();
    for lane in 0..5 {
        let order: Vec<u64> = accepted.iter().copied().filter(|number| number % 5 == lane).collect();
        assert_eq!(order, (0..20).map(|n| n * 5 + lane).collect::<Vec<_>>());
    }
    assert_eq!(accepted.len(), 100);
}

// ---------------------------------------------------------------- TLS

/// YAML of a block text, indented.
fn pem(text: &str) -> String {
    text.lines().fold("|\n".to_owned(), |block, line| block + "    " + line + "\n")
}

/// Sends one batch over TLS with these lines in the `tls` section.
fn send_tls(url: &str, tls: &str) -> (Outcome, String) {
    let (outcome, running) =
        send_one(&format!("endpoint: {url}\nretry_on_failure: {{enabled: false}}\ntls:\n{tls}"));
    (outcome, running.status())
}

#[test]
fn a_backend_is_trusted_by_its_authority_alone() {
    let (authority, other) = (Authority::new(), Authority::new());
    let sink = TestSink::new();
    let front = tls_front(&authority.identity(&["localhost", "127.0.0.1"]).server(), sink.address());
    let (by_name, by_address) = (format!("https://localhost:{}", front.port()), format!("https://{front}"));
    for url in [&by_name, &by_address] {
        let trusted = send_tls(url, &format!("  ca_pem: {}", pem(&authority.pem)));
        assert_eq!(trusted.0, Outcome::Delivered, "{}", trusted.1);
        let (outcome, why) = send_tls(url, &format!("  ca_pem: {}", pem(&other.pem)));
        assert_eq!(outcome, Outcome::Refused);
        assert!(why.contains("invalid peer certificate"), "{why}");
        assert_eq!(
            send_tls(url, "  min_version: \"1.2\"").0,
            Outcome::Refused,
            "not an authority of the system"
        );
        assert_eq!(send_tls(url, "  insecure_skip_verify: true").0, Outcome::Delivered);
    }
    assert_eq!(sink.accepted().len(), 4);
}

#[test]
fn the_name_of_a_backend_is_checked_or_the_one_given_instead() {
    let authority = Authority::new();
    let sink = TestSink::new();
    let front = tls_front(&authority.identity(&["backend.example"]).server(), sink.address());
    let (url, ca) = (format!("https://{front}"), format!("  ca_pem: {}", pem(&authority.pem)));
    let (outcome, why) = send_tls(&url, &ca);
    assert_eq!(outcome, Outcome::Refused);
    assert!(why.contains("not valid for name"), "{why}");
    let named = send_tls(&url, &format!("{ca}\n  server_name_override: backend.example"));
    assert_eq!(named.0, Outcome::Delivered, "{}", named.1);
}

#[test]
fn a_client_certificate_is_shown_to_a_backend_that_wants_one() {
    let (authority, other) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let sink = TestSink::new();
    let mut server = authority.identity(&["localhost"]).server();
    server.client_ca_file = Some(file("ca.pem", &authority.pem));
    let url = format!("https://localhost:{}", tls_front(&server, sink.address()).port());
    let ca = format!("  ca_file: {}", file("ca.pem", &authority.pem).display());
    assert_eq!(send_tls(&url, &ca).0, Outcome::Refused, "no certificate");
    for (signer, want) in [(&authority, Outcome::Delivered), (&other, Outcome::Refused)] {
        let client = signer.identity(&["agent"]);
        let (cert, key) = (file("cert.pem", &client.cert), file("key.pem", &client.key));
        let tls = format!("{ca}\n  cert_file: {}\n  key_file: {}", cert.display(), key.display());
        assert_eq!(send_tls(&url, &tls).0, want);
    }
}

#[test]
fn a_renewed_client_certificate_is_used_without_a_restart() {
    let (authority, other) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let install = |signer: &Authority| {
        let client = signer.identity(&["agent"]);
        std::fs::write(path("cert.pem"), &client.cert).unwrap();
        std::fs::write(path("key.pem"), &client.key).unwrap();
    };
    std::fs::write(path("ca.pem"), &authority.pem).unwrap();
    let sink = TestSink::new();
    let mut server = authority.identity(&["localhost"]).server();
    server.client_ca_file = Some(path("ca.pem"));
    let url = format!("https://localhost:{}", tls_front(&server, sink.address()).port());
    install(&other);
    let folder = folder.path().display();
    let running = start(&format!(
        "endpoint: {url}\nretry_on_failure: {{initial_interval: 20ms, max_interval: 20ms}}\ntls:\n  \
         ca_file: {folder}/ca.pem\n  cert_file: {folder}/cert.pem\n  key_file: {folder}/key.pem\n  \
         reload_interval: 1ms"
    ));
    let (batch, outcomes) = batch([1]);
    running.send(batch);
    assert!(outcomes.recv_timeout(Duration::from_millis(100)).is_err(), "the first certificate is refused");
    install(&authority);
    assert_eq!(outcome(&outcomes), Outcome::Delivered);
}

#[test]
fn a_minimum_version_is_insisted_on() {
    let authority = Authority::new();
    let sink = TestSink::new();
    let mut server = authority.identity(&["localhost"]).server();
    server.max_version = Some(kmagent::net::tls::Version::V1_2);
    let url = format!("https://localhost:{}", tls_front(&server, sink.address()).port());
    let ca = format!("  ca_pem: {}", pem(&authority.pem));
    assert_eq!(send_tls(&url, &ca).0, Outcome::Delivered);
    assert_eq!(send_tls(&url, &format!("{ca}\n  min_version: \"1.3\"")).0, Outcome::Refused);
}

#[test]
fn a_bad_client_certificate_is_an_error_at_start_and_no_panic() {
    let (one, other) = (Authority::new().identity(&["a"]), Authority::new().identity(&["b"]));
    for (cert, key) in [(&*one.cert, &*other.key), ("nonsense", &*one.key), (&*one.cert, "nonsense")] {
        let yaml = format!("endpoint: https://h\ntls:\n  cert_pem: {}  key_pem: {}", pem(cert), pem(key));
        let config: OtlpHttpConfig = from_yaml(&yaml).unwrap();
        let built = config.build(context("otlphttp", Stop::never(), &StatusBoard::default()), Signal::Logs);
        assert!(built.is_err_and(|error| error.to_string().starts_with("tls: ")));
    }
}
