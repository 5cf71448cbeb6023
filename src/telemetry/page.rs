//! The page with the agent's own metrics, in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Instant;

use super::usage::Usage;
use super::{ComponentState, Kind, Sample, StatusBoard, Telemetry};
use crate::config::MetricsConfig;
use crate::net::pages::{Answer, Server};

/// Where the page is, and how its names are formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageSettings {
    /// `host:port`; none when it is turned off.
    endpoint: Option<String>,
    names: Names,
}

impl PageSettings {
    pub fn of(config: &MetricsConfig) -> Self {
        Self { endpoint: config.endpoint(), names: Names::of(config) }
    }
}

/// The page being served; dropping it closes the port.
pub struct MetricsPage {
    telemetry: Telemetry,
    board: StatusBoard,
    started: Instant,
    settings: Option<PageSettings>,
    /// The server, and where it listens.
    server: Option<(Server, SocketAddr)>,
}

impl MetricsPage {
    /// A page that is not served yet.
    pub fn new(telemetry: &Telemetry, board: &StatusBoard) -> Self {
        Self {
            telemetry: telemetry.clone(),
            board: board.clone(),
            started: Instant::now(),
            settings: None,
            server: None,
        }
    }

    /// Serves the page where the settings say, and no longer elsewhere. A port that is taken costs
    /// the page and a warning, not the agent: telemetry of others goes before its own.
    pub fn serve(&mut self, settings: PageSettings) {
        if self.settings.as_ref() == Some(&settings) {
            return;
        }
        self.server = None;
        if let Some(endpoint) = &settings.endpoint {
            match self.start(endpoint, settings.names) {
                Ok((server, address)) => {
                    log::info!("own metrics are at http://{address}/metrics");
                    self.server = Some((server, address));
                }
                Err(error) => log::warn!(
                    "own metrics cannot be served on {endpoint}: {error}; set another port in \
                     service::telemetry::metrics::readers, or the level to none"
                ),
            }
        }
        self.settings = Some(settings);
    }

    /// Where it listens, if it does.
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(|(_, address)| *address)
    }

    fn start(&self, endpoint: &str, names: Names) -> std::io::Result<(Server, SocketAddr)> {
        let addresses: Vec<SocketAddr> = endpoint.to_socket_addrs()?.collect();
        let listener = TcpListener::bind(&addresses[..])?;
        let address = listener.local_addr()?;
        let source = Source {
            telemetry: self.telemetry.clone(),
            board: self.board.clone(),
            names,
            started: self.started,
        };
        let server = Server::start(listener, "metrics", Arc::new(move |target| source.answer(target)))?;
        Ok((server, address))
    }
}

/// How names are formed: a reader that is configured gets suffixes, the default one does not, as
/// dashboards of the collector know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Names {
    type_suffix: bool,
    units: bool,
}

impl Names {
    fn of(config: &MetricsConfig) -> Self {
        let page =
            config.readers.iter().find_map(|reader| reader.pull.as_ref()?.exporter.prometheus.as_ref());
        Self {
            type_suffix: page.is_some_and(|page| !page.without_type_suffix),
            units: page.is_some_and(|page| !page.without_units),
        }
    }

    fn full(self, name: &str, unit: &str, kind: Kind) -> String {
        let mut full = name.to_owned();
        if self.units && !unit.is_empty() && !full.ends_with(unit) {
            full.push('_');
            full.push_str(unit);
        }
        if self.type_suffix && kind == Kind::Counter && !is_part_of_histogram(name) {
            full.push_str("_total");
        }
        full
    }
}

/// Counters that make up a distribution have a suffix that says so.
fn is_part_of_histogram(name: &str) -> bool {
    ["_bucket", "_count", "_sum"].iter().any(|suffix| name.ends_with(suffix))
}

struct Source {
    telemetry: Telemetry,
    board: StatusBoard,
    names: Names,
    started: Instant,
}

/// Values of one metric: labels and value, as text.
type Values = Vec<(String, String)>;

impl Source {
    fn answer(&self, target: &str) -> Answer {
        match target.split(['?', '#']).next() {
            Some("/metrics") => Answer::new(200, "text/plain; version=0.0.4; charset=utf-8", self.page()),
            _ => Answer::new(404, "text/plain; charset=utf-8", "the metrics are at /metrics\n"),
        }
    }

    fn page(&self) -> String {
        let mut metrics: BTreeMap<String, (Kind, Values)> = BTreeMap::new();
        for Sample { name, labels, kind, value } in self.telemetry.snapshot() {
            let full = self.names.full(name, "", kind);
            let (_, values) = metrics.entry(full).or_insert_with(|| (kind, Vec::new()));
            values.push((labels_text(&labels), value.to_string()));
        }
        let usage = Usage::new();
        let uptime = self.started.elapsed().as_secs_f64();
        for (name, unit, kind, value) in [
            ("otelcol_process_cpu_seconds", "seconds", Kind::Counter, usage.cpu_seconds),
            ("otelcol_process_memory_rss", "bytes", Kind::Gauge, usage.rss as f64),
            ("otelcol_process_uptime", "seconds", Kind::Counter, uptime),
            ("kmagent_ready", "", Kind::Gauge, f64::from(u8::from(self.board.ready_since().is_some()))),
        ] {
            let one = vec![(String::new(), value.to_string())];
            metrics.insert(self.names.full(name, unit, kind), (kind, one));
        }
        let states = self.board.components().into_iter().map(|(component, entry)| {
            let healthy = matches!(entry.state, ComponentState::Starting | ComponentState::Running);
            (labels_text(&[("component", component)]), u8::from(healthy).to_string())
        });
        metrics.insert("kmagent_component_healthy".to_owned(), (Kind::Gauge, states.collect()));

        let mut page = format!(
            "# TYPE target_info gauge\ntarget_info{{service_name=\"kmagent\",service_version=\"{}\"}} 1\n",
            env!("CARGO_PKG_VERSION")
        );
        for (name, (kind, values)) in &metrics {
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            // Writing to a string cannot fail.
            _ = writeln!(page, "# TYPE {name} {kind}");
            for (labels, value) in values {
                _ = writeln!(page, "{name}{labels} {value}");
            }
        }
        page
    }
}

fn labels_text(labels: &[(&'static str, String)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let pairs: Vec<String> = labels
        .iter()
        .map(|(key, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("{}=\"{value}\"", key.replace(['.', '-', '/'], "_"))
        })
        .collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;
    use crate::config::{TelemetryConfig, from_yaml};

    fn settings(yaml: &str) -> PageSettings {
        PageSettings::of(&from_yaml::<TelemetryConfig>(yaml).unwrap().metrics)
    }

    fn page(yaml: &str) -> (MetricsPage, Telemetry, StatusBoard) {
        let (telemetry, board) = (Telemetry::new(), StatusBoard::default());
        let mut page = MetricsPage::new(&telemetry, &board);
        page.serve(settings(yaml));
        (page, telemetry, board)
    }

    fn get(page: &MetricsPage, path: &str) -> String {
        let mut stream = TcpStream::connect(page.address().unwrap()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    const READER: &str = "metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 0}}}}]}";

    #[test]
    fn the_page_has_the_collectors_names_labels_and_the_process() {
        let (page, telemetry, board) = page(READER);
        telemetry
            .counter("otelcol_receiver_accepted_spans", &[("receiver", "otlp"), ("net.kind", "a\"b\\c\n")])
            .add(3);
        telemetry.gauge("otelcol_exporter_queue_size", &[("exporter", "otlphttp")]).set(7);
        board.handle("receiver:otlp").set(ComponentState::Degraded, "why");
        board.set_ready(true);
        let answer = get(&page, "/metrics");
        for line in [
            "HTTP/1.1 200",
            "# TYPE otelcol_receiver_accepted_spans_total counter\n",
            "otelcol_receiver_accepted_spans_total{receiver=\"otlp\",net_kind=\"a\\\"b\\\\c\\n\"} 3\n",
            "otelcol_exporter_queue_size{exporter=\"otlphttp\"} 7\n",
            "# TYPE otelcol_process_memory_rss_bytes gauge\n",
            "\notelcol_process_cpu_seconds_total ",
            "\notelcol_process_uptime_seconds_total ",
            "kmagent_component_healthy{component=\"receiver:otlp\"} 0\n",
            "kmagent_ready 1\n",
        ] {
            assert!(answer.contains(line), "{line:?} is not in {answer}");
        }
        assert!(get(&page, "/other").starts_with("HTTP/1.1 404"));
    }

    #[test]
    fn the_default_reader_and_the_old_address_have_names_without_suffixes() {
        let default: TelemetryConfig = from_yaml("").unwrap();
        let names = Names::of(&default.metrics);
        assert_eq!(
            names.full("otelcol_exporter_sent_spans", "", Kind::Counter),
            "otelcol_exporter_sent_spans"
        );
        let (page, telemetry, _) = page("metrics: {address: '127.0.0.1:0'}");
        telemetry.counter("otelcol_exporter_sent_spans", &[]).add(1);
        let answer = get(&page, "/metrics");
        assert!(answer.contains("\notelcol_exporter_sent_spans 1\n"), "{answer}");
        assert!(answer.contains("\notelcol_process_memory_rss "), "{answer}");
    }

    #[test]
    fn a_port_that_is_taken_costs_the_page_alone() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut page, ..) = page(&format!("metrics: {{address: '{}'}}", taken.local_addr().unwrap()));
        assert_eq!(page.address(), None);
        page.serve(settings(READER));
        assert!(get(&page, "/metrics").starts_with("HTTP/1.1 200"));
    }

    #[test]
    fn the_page_follows_its_configuration() {
        let (mut page, ..) = page(READER);
        let first = page.address().unwrap();
        page.serve(settings(READER));
        assert_eq!(page.address(), Some(first), "what has not changed goes on");
        page.serve(settings("metrics: {address: '127.0.0.1:0'}"));
        assert_ne!(page.address(), Some(first));
        page.serve(settings("metrics: {level: none}"));
        assert_eq!(page.address(), None);
        assert!(TcpStream::connect(first).is_err());
    }
}
