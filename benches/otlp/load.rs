//! What is sent, and the clients that send it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use kmagent::net::compression::{Codec, Compressor};
use kmagent::net::grpc::client::{Call, CallError, Channel, Target};
use kmagent::net::grpc::{Code, message};
use kmagent::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use kmagent::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use kmagent::otlp::{KeyValue, Resource};
use kmagent::pipeline::{Data, Stop};
use ureq::http::{HeaderMap, HeaderValue};

use crate::rig::{Agent, PATIENCE};

/// Spans or log records of a request.
pub const ITEMS: usize = 1000;
/// How many send at the same time.
pub const CLIENTS: usize = 4;

/// Spans with eight attributes.
pub fn spans() -> Data {
    let span = |number: usize| {
        let text = |key: &'static str, value: &str| KeyValue::fixed(key, value);
        Span {
            trace_id: (number as u128 * 7919).to_be_bytes().to_vec(),
            span_id: (number as u64 * 104_729).to_be_bytes().to_vec(),
            name: "GET /api/v1/carts/{id}".into(),
            kind: 2,
            start_time_unix_nano: 1_700_000_000_000_000_000 + number as u64 * 1_000_003,
            end_time_unix_nano: 1_700_000_000_004_000_000 + number as u64 * 1_000_003,
            attributes: vec![
                text("http.request.method", "GET"),
                text("url.path", &format!("/api/v1/carts/{}", number * 31 % 9973)),
                text("server.address", "cart.shop.svc.cluster.local"),
                KeyValue::fixed("http.response.status_code", 200_i64),
                text("user_agent.original", "okhttp/4.12.0"),
                text("network.protocol.version", "1.1"),
                KeyValue::fixed("server.port", 8080_i64),
                text("client.address", &format!("10.42.{}.{}", number % 16, number % 250)),
            ],
            ..Span::default()
        }
    };
    let scope_spans = vec![ScopeSpans { spans: (0..ITEMS).map(span).collect(), ..ScopeSpans::default() }];
    let resource =
        Resource { attributes: vec![KeyValue::fixed("service.name", "cart")], ..Resource::default() };
    Data::Traces(vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }])
}

/// Access logs of a service, some 300 bytes each as they are on the wire.
pub fn logs(seed: u64) -> Data {
    let record = |number: usize| {
        let turn = seed * 1000 + number as u64;
        let path = ["/api/v1/orders", "/api/v1/cart/items", "/api/v1/products"][number * number % 3];
        let status = if number % 50 == 7 { 404 } else { 200 };
        let text = format!(
            "{{\"level\":\"info\",\"logger\":\"http.access\",\"msg\":\"request finished\",\"method\":\"GET\",\
             \"path\":\"{path}/{}\",\"status\":{status},\"duration_ms\":{},\"upstream\":\"orders-v2:8080\"}}",
            turn * 7919 % 10_000,
            turn * turn % 97
        );
        LogRecord {
            time_unix_nano: 1_700_000_000_000_000_000 + turn * 10_000_000,
            severity_number: 9,
            severity_text: "INFO".to_owned(),
            body: Some(text.into()),
            attributes: vec![
                KeyValue::fixed("log.iostream", "stdout"),
                KeyValue::fixed("code.namespace", "com.example.shop.orders.HttpAccessLog"),
                KeyValue::fixed("thread.name", "http-nio-8080-exec"),
            ],
            ..LogRecord::default()
        }
    };
    let scope_logs =
        vec![ScopeLogs { log_records: (0..ITEMS).map(record).collect(), ..ScopeLogs::default() }];
    let resource =
        Resource { attributes: vec![KeyValue::fixed("service.name", "orders")], ..Resource::default() };
    Data::Logs(vec![ResourceLogs { resource: Some(resource), scope_logs, ..ResourceLogs::default() }])
}

/// The body of a request with `data`.
pub fn body(data: &Data, compression: &str) -> Vec<u8> {
    let mut raw = Vec::new();
    data.encode(&mut raw);
    if compression == "none" {
        return raw;
    }
    let mut packed = Vec::new();
    Compressor::new(Codec::Gzip, 0).and_then(|mut gzip| gzip.compress(&raw, &mut packed)).expect("gzip");
    packed
}

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

fn channel(port: u16) -> Channel {
    let address = format!("127.0.0.1:{port}");
    Channel::new(Target { authority: address.clone(), address, tls: None, keepalive: None })
}

/// Sends a request again each time it is called. An error when the agent said that it is to be tried
/// again later, with the status that said so.
pub type Sender = Box<dyn FnMut() -> Result<(), &'static str> + Send>;

fn grpc_sender(port: u16, body: Vec<u8>, compression: &str) -> Sender {
    let channel = channel(port);
    let message = message::framed(&body, compression != "none");
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("te", HeaderValue::from_static("trailers"));
    if compression != "none" {
        headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
    }
    Box::new(move || {
        let call = Call {
            path: EXPORT,
            headers: headers.clone(),
            message: message.clone(),
            timeout: Some(PATIENCE),
        };
        match channel.unary(call, &Stop::never()) {
            Ok(_) => Ok(()),
            Err(CallError::Status(status)) => match status.code {
                Code::ResourceExhausted => Err("RESOURCE_EXHAUSTED"),
                Code::Unavailable => Err("UNAVAILABLE"),
                _ => panic!("{status}"),
            },
            Err(CallError::Transport(message)) => panic!("{message}"),
            Err(CallError::Stopped) => unreachable!("nobody stops it"),
        }
    })
}

pub fn http_sender(port: u16, path: &str, body: &[u8], compression: &str) -> Sender {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it connects");
    stream.set_nodelay(true).expect("a socket");
    let encoding = if compression == "none" { "" } else { "Content-Encoding: gzip\r\n" };
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n{encoding}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    Box::new(move || {
        stream.write_all(&request).expect("the agent reads");
        let mut answer = Vec::new();
        let mut piece = [0; 1024];
        loop {
            let n = stream.read(&mut piece).expect("the agent answers");
            assert!(n > 0, "the agent closed the connection");
            answer.extend_from_slice(&piece[..n]);
            let text = String::from_utf8_lossy(&answer);
            let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            if rest.len() >= length.and_then(|text| text.parse().ok()).unwrap_or(0) {
                return match head.get(..12) {
                    Some("HTTP/1.1 200") => Ok(()),
                    Some("HTTP/1.1 429") => Err("429"),
                    Some("HTTP/1.1 503") => Err("503"),
                    _ => panic!("{head}"),
                };
            }
        }
    })
}

/// Sends [`spans`].
pub fn sender(agent: &Agent, protocol: &str, compression: &str) -> Sender {
    let body = body(&spans(), compression);
    match protocol {
        "grpc" => grpc_sender(agent.grpc, body, compression),
        _ => http_sender(agent.http, "/v1/traces", &body, compression),
    }
}

/// Sends until it is taken.
pub fn send(sender: &mut Sender) {
    while sender().is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
}
