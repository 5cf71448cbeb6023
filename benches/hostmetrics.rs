//! What one scrape of the host costs: all scrapers, 300 processes and more.
//!
//! `cargo bench --bench hostmetrics` prints the CPU time of a scrape, user and kernel together,
//! before divan's table of wall-clock times. The floor is 8 ms.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kmagent::component::{Context, NoHost};
use kmagent::config::from_yaml;
use kmagent::pipeline::{Data, Stop};
use kmagent::receivers::hostmetrics::{HostMetricsConfig, HostSource, Paths};
use kmagent::receivers::scraper::{Scraping, SystemClock};
use kmagent::telemetry::{StatusBoard, Telemetry};
use rustix::time::{ClockId, clock_gettime};

/// Processes on the host during the measurement: those that are there and as many more as it takes.
const PROCESSES: usize = 300;

// The allocator of the product.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Every scraper, with what the stock configuration of a node switches on beside the defaults.
const STOCK: &str = include_str!("../tests/fixtures/hostmetrics/stock.yaml");
/// Milliseconds.
const FLOOR: f64 = 8.0;

const PROCESS_ONLY: &str = "scrapers: {process: {metrics: {process.cpu.utilization: {enabled: true}}}}";
const WITHOUT_PROCESS: &str = "scrapers: {cpu: {}, disk: {}, filesystem: {}, load: {}, memory: {}, network: {}, paging: {}, system: {}}";
const NETWORK_ONLY: &str = "scrapers: {network: {}}";

/// Processes that live as long as this does.
struct Crowd(Vec<Child>);

impl Crowd {
    fn gather() -> Self {
        let sleep = || Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().expect("sleep starts");
        let present = std::fs::read_dir("/proc").expect("this is Linux").flatten();
        let present =
            present.filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit()).count();
        // A few of those that are there may end meanwhile.
        let crowd = Self((present..PROCESSES + 10).map(|_| sleep()).collect());
        // Until they are through what is read again of young processes.
        std::thread::sleep(Duration::from_secs(6));
        crowd
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn scraping(config: &str) -> Scraping<HostSource> {
    let config: HostMetricsConfig = from_yaml(config).expect("the config is right");
    let paths = Paths::resolve("", |_| None).expect("this is the host");
    let context = Context {
        id: "hostmetrics".parse().expect("an id"),
        pipeline: None,
        telemetry: Telemetry::new(),
        status: StatusBoard::default().handle("receiver:hostmetrics"),
        abort: Stop::never(),
        host: Arc::new(NoHost),
    };
    config.scraping(paths, Arc::new(SystemClock), context).expect("it can be built")
}

/// CPU time of this thread and of all its helpers, in microseconds.
fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn report(name: &str, config: &str, least_resources: usize) {
    const SCRAPES: usize = 100;
    let mut scraping = scraping(config);
    let first = scraping.scrape(&Stop::never());
    let resources = first.len();
    assert!(resources >= least_resources, "{name}: {resources} resources");
    let points = Data::Metrics(first).items();
    assert!(points >= least_resources, "{name}: {points} points");
    let mut times: Vec<f64> = (0..SCRAPES)
        .map(|_| {
            let before = cpu_time();
            let metrics = scraping.scrape(&Stop::never());
            let spent = cpu_time() - before;
            assert!(metrics.len() >= least_resources);
            spent
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let (median, worst) = (times[SCRAPES / 2] / 1e3, times[SCRAPES - 1] / 1e3);
    println!(
        "{name}: {median:.2} ms CPU per scrape (worst {worst:.2}), {resources} resources, {points} points"
    );
    assert!(median < FLOOR, "{name}: a scrape must take less than {FLOOR} ms of CPU");
}

fn main() {
    let _crowd = Crowd::gather();
    report("stock, all scrapers", STOCK, PROCESSES);
    report("process alone", PROCESS_ONLY, PROCESSES);
    report("all but process", WITHOUT_PROCESS, 1);
    report("network alone", NETWORK_ONLY, 1);
    divan::main();
}

#[divan::bench]
fn all_scrapers(bencher: divan::Bencher<'_, '_>) {
    let mut scraping = scraping(STOCK);
    bencher.bench_local(|| scraping.scrape(&Stop::never()));
}
