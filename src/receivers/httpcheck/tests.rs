//! A server that answers as told, and one that is not there.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use super::*;
use crate::component::{Context, NoHost};
use crate::config::{Decoder, Node, from_yaml};
use crate::otlp::Attributes;
use crate::otlp::metrics::{Data, NumberDataPoint};
use crate::pipeline::Stop;
use crate::receivers::scraper::SystemClock;
use crate::telemetry::{StatusBoard, Telemetry};

/// Answers every request with that status and body; its address, and what it was asked.
fn server(status: u16, body: &'static str) -> (String, crossbeam_channel::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, asked) = crossbeam_channel::unbounded();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut buffer = [0; 4096];
            let mut text = String::new();
            while !text.contains("\r\n\r\n") {
                let read = socket.read(&mut buffer).unwrap();
                text.push_str(&String::from_utf8_lossy(&buffer[..read]));
                if read == 0 {
                    break;
                }
            }
            let _ = tell.send(text);
            let length = body.len();
            let _ = write!(
                socket,
                "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    (url, asked)
}

fn scrape(yaml: &str) -> Vec<(String, NumberDataPoint)> {
    let config: HttpCheckConfig = from_yaml(yaml).unwrap();
    let context = Context {
        id: "httpcheck".parse().unwrap(),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle("httpcheck"),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    };
    let mut scraping = config.scraping(Arc::new(SystemClock), context).unwrap();
    let all = scraping.scrape(&Stop::never());
    let metrics = all.into_iter().flat_map(|r| r.scope_metrics).flat_map(|scope| scope.metrics);
    metrics
        .flat_map(|metric| {
            let points = match metric.data.unwrap() {
                Data::Gauge(gauge) => gauge.data_points,
                Data::Sum(sum) => {
                    assert!(!sum.is_monotonic && sum.data_points[0].start_time_unix_nano > 0);
                    sum.data_points
                }
                other => panic!("{other:?}"),
            };
            points.into_iter().map(move |point| (metric.name.clone(), point))
        })
        .collect()
}

fn of<'a>(all: &'a [(String, NumberDataPoint)], name: &str) -> Vec<&'a NumberDataPoint> {
    all.iter().filter(|(known, _)| known == name).map(|(_, point)| point).collect()
}

#[test]
fn the_class_of_the_status_is_one_and_the_others_are_zero() {
    let (url, asked) = server(404, "");
    let all = scrape(&format!(
        "{{targets: [{{endpoint: '{url}/x', method: POST, body: '{{}}', auto_content_type: true, headers: {{a: b}}}}]}}"
    ));
    let status = of(&all, "httpcheck.status");
    assert_eq!(status.len(), 5);
    for point in status {
        let class = point.attributes.get_str("http.status_class").unwrap();
        let value = point.value.unwrap().as_f64();
        assert_eq!(value, f64::from(u8::from(class == "4xx")));
        assert_eq!(point.attributes.contains("http.status_code"), class == "4xx");
        assert_eq!(point.attributes.get_str("http.method"), Some("POST"));
    }
    assert_eq!(of(&all, "httpcheck.duration").len(), 1);
    assert!(of(&all, "httpcheck.error").is_empty());
    let request = asked.recv().unwrap().to_lowercase();
    assert!(request.starts_with("post /x ") && request.contains("a: b"), "{request}");
    assert!(request.contains("content-type: application/json"), "{request}");
}

#[test]
fn a_target_that_does_not_answer_is_an_error_and_no_failed_scrape() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (url, _asked) = server(200, "");
    let all = scrape(&format!("{{targets: [{{endpoints: ['http://{free}', '{url}']}}]}}"));
    assert_eq!(of(&all, "httpcheck.error").len(), 1);
    let one = of(&all, "httpcheck.status").iter().filter(|p| p.value.unwrap().as_f64() == 1.0).count();
    assert_eq!((of(&all, "httpcheck.status").len(), one), (10, 1));
}

#[test]
fn bodies_are_validated() {
    let (url, _asked) = server(200, r#"{"state":{"ok":[true]}}"#);
    let all = scrape(&format!(
        "
targets:
  - endpoint: {url}
    validations:
      - {{contains: state, not_contains: error, json_path: state.ok.0, equals: 'true'}}
      - {{max_size: 5}}
      - {{regex: '^x'}}
metrics:
  httpcheck.response.size: {{enabled: true}}
  httpcheck.validation.passed: {{enabled: true}}
  httpcheck.validation.failed: {{enabled: true}}
"
    ));
    let sum = |name: &str| of(&all, name).iter().map(|p| p.value.unwrap().as_f64()).sum::<f64>();
    assert_eq!((sum("httpcheck.validation.passed"), sum("httpcheck.validation.failed")), (3.0, 2.0));
    assert_eq!(sum("httpcheck.response.size"), 23.0);
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let check = |yaml: &str| {
        let node: Node = from_yaml(yaml).unwrap();
        let mut decoder = Decoder::new(&node);
        (TYPE.decode)(&mut decoder);
        decoder.found().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for (yaml, wanted) in [
        ("{}", "no targets configured"),
        ("targets: [{method: GET}]", "\"endpoint\" must be specified"),
        ("targets: [{endpoint: 'localhost:80'}]", "must be in the form of <scheme>://<hostname>[:<port>]"),
        ("targets: [{endpoints: ['http://a', b]}]", "targets::0::endpoints::1"),
        (
            "targets: [{endpoint: 'http://a', validations: [{regex: 'a('}]}]",
            "targets::0::validations::0::regex",
        ),
        ("targets: [{endpoint: 'http://a', auth: {authenticator: x}}]", "is not part of this agent"),
        (
            "{targets: [{endpoint: 'http://a'}], metrics: {httpcheck.stat: {enabled: true}}}",
            "no metric has this name",
        ),
    ] {
        let found = check(yaml);
        assert!(found.contains(wanted), "{yaml}: {found}");
    }
}
