//! The eBPF receiver in the real kernel: network namespaces, sockets and cgroups made here. Needs root
//! and a kernel that takes the programs; else every test says so and passes.

mod attribution;
mod behaviour;
mod dns;
mod interfaces;
mod ladder;
mod net;
mod tcp;
mod traffic;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kmagent::component::{Context, NoHost};
use kmagent::config::from_yaml;
use kmagent::otlp::metrics::Data;
use kmagent::otlp::{AnyValue, KeyValue};
use kmagent::pipeline::Stop;
use kmagent::receivers::ebpf::{Cluster, EbpfConfig, Observer, Settings};
use kmagent::telemetry::{StatusBoard, Telemetry};

/// One at a time: some count what is in the kernel.
static ONE: Mutex<()> = Mutex::new(());

/// The receiver without its thread, so that a test says when it reads.
struct Watch {
    observer: Observer,
    board: StatusBoard,
    telemetry: Telemetry,
    _alone: MutexGuard<'static, ()>,
}

/// A data point: name of the metric, attributes, value; of a histogram count and sum.
#[derive(Clone, Debug)]
struct Point {
    metric: String,
    attributes: BTreeMap<String, String>,
    value: f64,
    sum: f64,
}

struct Points(Vec<Point>);

impl Watch {
    /// `None` when the kernel does not let us; `features` are what the test cannot do without.
    fn start(config: &str, features: &[&str]) -> Option<Self> {
        Self::start_in(config, features, None)
    }

    fn start_in(config: &str, features: &[&str], cluster: Option<Cluster>) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return skip("it needs root");
        }
        let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let board = StatusBoard::default();
        let telemetry = Telemetry::new();
        let observer = Observer::start(Arc::new(settings(config)), cluster, context(&board, &telemetry));
        if let Some(feature) = features.iter().find(|feature| !observer.programs().tells(feature)) {
            let why: Vec<_> =
                observer.programs().reports().iter().filter(|report| report.feature == *feature).collect();
            return skip(&format!("the kernel does not take the programs for {feature}: {why:?}"));
        }
        Some(Self { observer, board, telemetry, _alone: alone })
    }

    /// Everything that was counted until now.
    fn read(&mut self) -> Points {
        self.observer.read();
        let mut points = Vec::new();
        self.observer.emit(|resource| {
            for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                flatten(&metric.name, metric.data.unwrap(), &mut points);
            }
            true
        });
        Points(points)
    }
}

impl Points {
    fn of(&self, metric: &str, with: &[(&str, &str)]) -> Vec<&Point> {
        let fits = |point: &&Point| {
            point.metric == metric
                && with
                    .iter()
                    .all(|(key, value)| point.attributes.get(*key).map_or("", String::as_str) == *value)
        };
        self.0.iter().filter(fits).collect()
    }

    /// The sum of the values.
    fn total(&self, metric: &str, with: &[(&str, &str)]) -> f64 {
        self.of(metric, with).iter().map(|point| point.value).sum()
    }
}

fn settings(config: &str) -> Settings {
    let config: EbpfConfig = from_yaml(config).unwrap();
    Settings::resolve(&config, &|_| None).unwrap()
}

fn context(board: &StatusBoard, telemetry: &Telemetry) -> Context {
    Context {
        id: "ebpfreceiver".parse().unwrap(),
        pipeline: None,
        telemetry: telemetry.clone(),
        status: board.handle("receiver:ebpfreceiver"),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    }
}

fn flatten(metric: &str, data: Data, points: &mut Vec<Point>) {
    let mut push = |attributes: &[KeyValue], value: f64, sum: f64| {
        let text = |value: &AnyValue| match value {
            AnyValue::Int(number) => number.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        let attributes = attributes.iter().map(|entry| (entry.key.to_string(), text(&entry.value))).collect();
        points.push(Point { metric: metric.to_owned(), attributes, value, sum });
    };
    match data {
        Data::Sum(sum) => {
            sum.data_points.iter().for_each(|p| push(&p.attributes, p.value.unwrap().as_f64(), 0.0))
        }
        Data::Gauge(gauge) => {
            gauge.data_points.iter().for_each(|p| push(&p.attributes, p.value.unwrap().as_f64(), 0.0));
        }
        Data::Histogram(histogram) => {
            histogram.data_points.iter().for_each(|p| push(&p.attributes, p.count as f64, p.sum.unwrap()));
        }
        other => panic!("{other:?}"),
    }
}

/// Says why a test is not run.
fn skip<T>(why: &str) -> Option<T> {
    eprintln!("skipped: {why}");
    None
}

#[track_caller]
fn assert_close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() <= want * 0.01, "{what}: {got}, expected {want} within 1 %");
}
