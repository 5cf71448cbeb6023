//! What scraping costs: a cAdvisor page of a full node, read and converted.
//!
//! `cargo bench --bench prometheus` prints what a page takes in memory first, and fails when a page of
//! ten times the size takes more.

#![allow(clippy::unwrap_used)] // a bench that cannot be set up has failed

use std::io::Read;

use divan::Bencher;
use divan::counter::BytesCount;
use kmagent::config::from_yaml;
use kmagent::pipeline::Data;
use kmagent::receivers::prometheus::exposition::{Dialect, Entry, Lines, Parser};
use kmagent::receivers::prometheus::scrape::{Memory, Surroundings, Target};
use kmagent::receivers::prometheus::{Job, PrometheusConfig, Protocol};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const RECORDED: &str = include_str!("../tests/fixtures/kube/kubelet/metrics-cadvisor.txt");
/// How often the recorded node fits into one of 110 pods: 10 MB.
const NODES: usize = 12;
const NOW: i64 = 1_795_355_870_000;

fn main() {
    #[cfg(feature = "jemalloc")]
    memory();
    divan::main();
}

/// The recorded page with `copies` of every series, each with an id of its own.
fn page(copies: usize) -> String {
    let mut text = String::with_capacity(RECORDED.len() * copies);
    let mut samples = Vec::new();
    let flush = |samples: &mut Vec<&str>, text: &mut String| {
        for copy in 0..copies {
            for line in samples.iter() {
                match line.split_once("id=\"/") {
                    Some((before, after)) => text.push_str(&format!("{before}id=\"/{copy}{after}\n")),
                    None if copy == 0 => text.push_str(&format!("{line}\n")),
                    None => {}
                }
            }
        }
        samples.clear();
    };
    for line in RECORDED.lines() {
        if line.starts_with('#') {
            flush(&mut samples, &mut text);
            text.push_str(line);
            text.push('\n');
        } else {
            samples.push(line);
        }
    }
    flush(&mut samples, &mut text);
    text
}

struct Scraping {
    job: Job,
    target: Target,
    memory: Memory,
}

impl Scraping {
    fn new(more: &str) -> Self {
        let yaml = format!("config: {{scrape_configs: [{{job_name: cadvisor {more}}}]}}");
        let config: PrometheusConfig = from_yaml(&yaml).unwrap();
        let job = config.resolved().remove(0);
        let set = vec![("__address__".to_owned(), "node-a:10250".to_owned())];
        let target = Target::new(&set, &job).unwrap();
        Self { job, target, memory: Memory::default() }
    }

    /// Reads the page; the number of points that came of it.
    fn scrape(&mut self, page: impl Read, watch: &mut dyn FnMut()) -> usize {
        let Self { job, target, memory } = self;
        let around = Surroundings { version: "bench", trim: false };
        let mut points = 0;
        let outcome = memory.take_page(target, job, (page, Protocol::Text0), NOW, around, &mut |piece| {
            watch();
            points += Data::Metrics(piece).items();
            true
        });
        assert!(outcome.failure.is_none() && outcome.lost.is_empty(), "{outcome:?}");
        points
    }
}

fn samples(page: &str) -> usize {
    page.lines().filter(|line| !line.starts_with('#')).count()
}

/// The most that is allocated while a page is read.
#[cfg(feature = "jemalloc")]
fn memory() {
    use tikv_jemalloc_ctl::{epoch, stats};
    let allocated = || {
        epoch::advance().unwrap();
        stats::allocated::read().unwrap()
    };
    let most_of = |copies: usize| {
        let page = page(copies);
        let mut scraping = Scraping::new("");
        scraping.scrape(page.as_bytes(), &mut || {});
        let before = allocated();
        let mut most = 0;
        scraping.scrape(page.as_bytes(), &mut || most = allocated().max(most));
        let kept = before.saturating_sub(page.len()) / samples(&page);
        println!(
            "page of {:.1} MB: {:.1} MiB while it is read, {} series, at most {kept} B kept a series",
            page.len() as f64 / 1e6,
            (most - before) as f64 / f64::from(1 << 20),
            samples(&page)
        );
        most - before
    };
    let (small, large) = (most_of(NODES), most_of(10 * NODES));
    assert!(large < small * 3 / 2 + (1 << 20), "memory grows with the page");
}

/// Reading, converting and remembering: bytes of the page per second.
#[divan::bench]
fn cadvisor_page_of_110_pods(bencher: Bencher) {
    let page = page(NODES);
    let wanted = samples(&page) + 5;
    let mut scraping = Scraping::new("");
    scraping.scrape(page.as_bytes(), &mut || {});
    bencher.counter(BytesCount::new(page.len())).bench_local(|| {
        let points = scraping.scrape(page.as_bytes(), &mut || {});
        assert_eq!(points, wanted);
    });
}

/// The same with rules that drop two thirds of it.
#[divan::bench]
fn cadvisor_page_mostly_dropped(bencher: Bencher) {
    let page = page(NODES);
    let rule = ", metric_relabel_configs: [{source_labels: [__name__], regex: 'container_(cpu|memory)_.*', action: keep}]";
    let mut scraping = Scraping::new(rule);
    scraping.scrape(page.as_bytes(), &mut || {});
    bencher.counter(BytesCount::new(page.len())).bench_local(|| {
        assert!(scraping.scrape(page.as_bytes(), &mut || {}) > 5);
    });
}

/// Reading alone.
#[divan::bench]
fn parse_alone(bencher: Bencher) {
    let page = page(NODES);
    let wanted = samples(&page);
    bencher.counter(BytesCount::new(page.len())).bench(|| {
        let mut lines = Lines::new(page.as_bytes(), 0);
        let mut parser = Parser::new(Dialect::Text);
        let mut found = 0;
        while let Some(line) = lines.next_line().unwrap() {
            let line = std::str::from_utf8(line).unwrap();
            found += usize::from(matches!(parser.parse(line).unwrap(), Some(Entry::Sample(_))));
        }
        assert_eq!(found, wanted);
    });
}
