//! The status page, over HTTP from the real binary: what it says, what it may do, and that hostile data
//! stays data.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use kmagent::otlp::{AnyValue, KeyValue, Resource};
use kmagent::pipeline::Data;
use serde_json::Value;

use crate::otlp_agent::post;
use crate::support::agent::{Agent, PATIENCE, free_port, wait_for};
use crate::support::data::logs;
use crate::support::sink::TestSink;

const HOSTILE: &str = "</script><script>document.title='taken over'</script><img src=x onerror=alert(1)>";

struct Setup {
    agent: Agent,
    health: u16,
    otlp: u16,
    _dir: tempfile::TempDir,
    _sink: TestSink,
}

fn start(debug: bool) -> Setup {
    let (dir, sink) = (tempfile::tempdir().unwrap(), TestSink::new());
    let (health, otlp) = (free_port(), free_port());
    let config = format!(
        "extensions: {{ health_check/page: {{ endpoint: 127.0.0.1:{health}, debug: {{ enabled: {debug} }} }} }}
receivers:
  otlp: {{ protocols: {{ http: {{ endpoint: 127.0.0.1:{otlp} }} }} }}
  hostmetrics: {{ initial_delay: 1ms, collection_interval: 20ms, scrapers: {{ load: }} }}
processors:
  batch: {{ timeout: 10ms }}
  filter/nothing: {{ error_mode: ignore, logs: {{ log_record: ['body == \"never\"'] }} }}
exporters:
  otlphttp: {{ endpoint: '{}', headers: {{ Authorization: the-secret-key }} }}
service:
  extensions: [health_check/page, health_check]
  pipelines:
    metrics: {{ receivers: [hostmetrics], exporters: [otlphttp] }}
    logs/in: {{ receivers: [otlp], processors: [filter/nothing, batch], exporters: [otlphttp] }}
    traces: {{ receivers: [otlp], exporters: [otlphttp] }}
",
        sink.url()
    );
    let mut agent = Agent::start(dir.path(), &config);
    agent.wait_ready();
    Setup { agent, health, otlp, _dir: dir, _sink: sink }
}

impl Setup {
    /// Status, head and body.
    fn get(&self, target: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.health)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {target} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
    }

    fn json(&self, target: &str) -> Value {
        let (status, head, body) = self.get(target);
        assert!(status == 200 && head.contains("Content-Type: application/json"), "{target}: {head}");
        serde_json::from_str(&body).unwrap()
    }

    fn send_hostile(&self) {
        let mut data = logs(1..4);
        let Data::Logs(all) = &mut data else { panic!("logs were made") };
        all[0].resource = Some(Resource {
            attributes: vec![KeyValue::fixed("service.name", HOSTILE)],
            ..Resource::default()
        });
        for record in &mut all[0].scope_logs[0].log_records {
            record.body = Some(AnyValue::from(HOSTILE));
        }
        assert!(post(self.otlp, "/v1/logs", &data));
    }
}

fn component<'a>(state: &'a Value, pipeline: &str, tap: &str) -> &'a Value {
    let pipelines = state["pipelines"].as_array().unwrap();
    let found = pipelines.iter().find(|one| one["id"] == pipeline).unwrap();
    let all = ["receivers", "processors", "exporters"].map(|kind| found[kind].as_array().unwrap());
    all.into_iter().flatten().find(|one| one["tap"] == tap).unwrap_or_else(|| panic!("{tap} in {found}"))
}

#[test]
fn the_status_page_is_off_unless_enabled() {
    let setup = start(false);
    // The health check's own path matches everything.
    let (_, head, body) = setup.get("/debug");
    assert!(head.contains("Content-Type: application/json") && body.contains("Server available"), "{body}");
    assert!(!setup.get("/debug/config.yaml").2.contains("receivers"));
}

#[test]
fn the_status_page_shows_pipelines_rates_queues_and_passing_data() {
    let setup = start(true);
    let (status, head, page) = setup.get("/debug");
    assert_eq!(status, 200);
    assert!(head.contains("Content-Type: text/html; charset=utf-8"), "{head}");
    assert!(head.contains("Content-Security-Policy: default-src 'none'; script-src 'sha256-"), "{head}");
    assert!(head.contains("X-Content-Type-Options: nosniff") && head.contains("Cache-Control: no-store"));
    assert!(page.starts_with("<!doctype html>"));

    let taps = [
        "receiver:otlp/logs",
        "processor:filter/nothing in logs/in",
        "processor:batch in logs/in",
        "exporter:otlphttp/logs",
    ];
    let state = setup.json("/debug/state.json");
    for tap in taps {
        assert_eq!(component(&state, "logs/in", tap)["items"], 0, "{tap}");
    }
    assert_eq!(component(&state, "logs/in", taps[3])["queue"]["size"], 0);
    assert!(component(&state, "logs/in", taps[3])["queue"]["capacity"].as_u64().unwrap() > 0);
    assert_eq!(component(&state, "traces", "receiver:otlp/traces")["state"], "running");
    assert!(state["agent"]["rss"].as_u64().unwrap() > 1 << 20);

    for tap in taps {
        let empty = setup.json(&format!("/debug/tap.json?component={}", tap.replace(' ', "%20")));
        assert_eq!(empty["samples"].as_array().unwrap().len(), 0, "{tap}");
    }
    setup.send_hostile();
    wait_for("the counts of all components", || {
        let state = setup.json("/debug/state.json");
        taps.iter().all(|tap| component(&state, "logs/in", tap)["items"] == 3)
    });
    for tap in taps {
        let (_, head, body) = setup.get(&format!("/debug/tap.json?component={}", tap.replace(' ', "+")));
        assert!(head.contains("Content-Type: application/json"), "{head}");
        let shown: Value = serde_json::from_str(&body).unwrap();
        let samples = shown["samples"].as_array().unwrap();
        assert_eq!(samples.len(), 3, "{tap}: {shown}");
        let record = &samples[0]["data"]["resourceLogs"][0];
        assert_eq!(record["scopeLogs"][0]["logRecords"][0]["body"]["stringValue"], HOSTILE, "{tap}");
        assert_eq!(record["resource"]["attributes"][0]["value"]["stringValue"], HOSTILE, "{tap}");
    }
    assert_eq!(setup.get("/debug/tap.json?component=processor:none").0, 404);

    let (_, head, config) = setup.get("/debug/config.yaml");
    assert!(head.contains("Content-Type: text/plain"), "{head}");
    assert!(config.contains("filter/nothing") && !config.contains("the-secret-key"), "{config}");
    assert_eq!(setup.agent.get("/readyz").unwrap().0, 200);
}

/// Receivers that count themselves were counted by the pipelines as well.
#[test]
fn what_a_receiver_takes_in_counts_once() {
    let setup = start(true);
    let items = |state: &Value, tap: &str| component(state, "metrics", tap)["items"].as_u64().unwrap();
    let mut state = Value::Null;
    wait_for("some scrapes", || {
        state = setup.json("/debug/state.json");
        items(&state, "exporter:otlphttp/metrics") > 150
    });
    let (taken, sent) =
        (items(&state, "receiver:hostmetrics/metrics"), items(&state, "exporter:otlphttp/metrics"));
    assert!(taken >= sent && taken < sent + 100, "{taken} taken in, {sent} sent");
}

#[test]
fn contents_of_the_status_page_never_become_markup_in_a_browser() {
    let Some(browser) = browser() else {
        println!("skipped: there is no Chromium");
        return;
    };
    let setup = start(true);
    let opened = setup.json("/debug/tap.json?component=receiver:otlp/logs");
    assert!(opened["samples"].as_array().unwrap().is_empty());
    let profile = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}/debug#tap=receiver:otlp/logs", setup.health);
    // A browser that starts slowly comes when the tap has closed again.
    let mut looks = (0..4).map(|_| {
        setup.json("/debug/tap.json?component=receiver:otlp/logs");
        setup.send_hostile();
        dump(&browser, profile.path(), &url)
    });
    let dom = looks.find(|dom| dom.contains("/script&gt;")).expect("the page shows what passes");
    assert!(dom.contains("<title>kmagent</title>"), "{dom}");
    assert!(dom.contains("filter/nothing") && dom.contains("/script&gt;&lt;script&gt;"), "{dom}");
    assert!(!dom.contains("<img") && dom.matches("<script").count() == 1, "{dom}");
}

/// A browser without a window, if there is one.
fn browser() -> Option<String> {
    let given = std::env::var("CHROMIUM").ok();
    let names = given.into_iter().chain(["chromium", "chromium-browser", "google-chrome"].map(str::to_owned));
    names
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|o| o.status.success()))
}

/// The document after a while of its script's work.
fn dump(browser: &str, profile: &Path, url: &str) -> String {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-quic"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--virtual-time-budget=3000", "--dump-dom", url])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
