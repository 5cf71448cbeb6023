//! Log operators: the stock chain, and the common short ones, over lines as a container runtime
//! writes them.
//!
//! `cargo bench --bench operators`

use std::sync::Arc;
use std::time::Instant;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use kmagent::config::{Decoder, Node, from_yaml};
use kmagent::otlp::{AnyValue, Attributes, KeyValue};
use kmagent::receivers::filelog::entry::{Entry, Source};
use kmagent::receivers::filelog::operators::{Chain, Plan, Site};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const LINES: usize = 1000;

fn main() {
    divan::main();
}

fn stock() -> Node {
    let yaml = include_str!("../tests/fixtures/stock/daemonset.yaml");
    let config: Node = from_yaml(yaml).expect("valid YAML");
    let receiver =
        config.get("receivers").and_then(|all| all.get("filelog/containers")).expect("the receiver");
    receiver.get("operators").expect("its operators").clone()
}

fn chain(operators: &Node) -> Chain {
    let mut decoder = Decoder::new(operators);
    let site = Site { first: true, trim_end: true, utf8: true };
    Plan::decode(operators.items(), "operators", site, &mut decoder.issues())
        .expect("valid operators")
        .build()
}

fn short(yaml: &str) -> Chain {
    chain(&from_yaml(yaml).expect("valid YAML"))
}

/// About 230 bytes each.
fn json(n: usize) -> String {
    format!(
        "2024-05-06T07:08:09.{n:09}Z stdout F {{\"timestamp\":\"2024-05-06T07:08:09.{n:09}Z\",\"level\":\"info\",\"logger\":\"http\",\"msg\":\"GET /products/{n}\",\"status\":200,\"duration_ms\":12.5,\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}}"
    )
}

fn plain(n: usize) -> String {
    format!(
        "2024-05-06T07:08:09.{n:09}Z stdout F 2024-05-06 07:08:09.{:03} INFO 1 --- [nio-8080-exec-3] com.shop.cart.web.CartController : cart {n} loaded for customer number 4711 with seventeen positions, now priced in euros for the checkout page",
        n % 1000
    )
}

fn entries(line: impl Fn(usize) -> String) -> (Vec<Entry>, usize) {
    let path = "/var/log/pods/shop_cart-6dc4d95bd9-2fxpg_581364ad-059e-44a4-988c-e02d9550a2be/cart/0.log";
    let source = Arc::new(Source {
        id: 1,
        lineage: 1,
        path: path.into(),
        attributes: ["log.file.name_resolved", "log.file.path", "log.file.path_resolved"]
            .map(|key| KeyValue::new(key, path))
            .to_vec()
            .into(),
        resource: Arc::default(),
    });
    let lines: Vec<String> = (0..LINES).map(line).collect();
    let bytes = lines.iter().map(String::len).sum();
    let entry = |(n, line): (usize, String)| Entry::new(&source, n as u64, 1, AnyValue::from(line));
    (lines.into_iter().enumerate().map(entry).collect(), bytes)
}

fn half(n: usize) -> String {
    if n.is_multiple_of(2) { json(n) } else { plain(n) }
}

/// Runs the chain over a thousand lines, having checked once that it does its work.
fn measure(bencher: Bencher, mut chain: Chain, line: impl Fn(usize) -> String, check: impl Fn(&[Entry])) {
    let (lines, bytes) = entries(line);
    let mut out = Vec::with_capacity(LINES);
    let mut once = |entries: Vec<Entry>| {
        let now = Instant::now();
        for entry in entries {
            chain.process(entry, now, &mut out);
        }
        chain.flush(now, &mut out);
        std::mem::replace(&mut out, Vec::with_capacity(LINES))
    };
    let checked = once(lines.clone());
    assert_eq!(checked.len(), LINES);
    check(&checked);
    bencher
        .counter(BytesCount::new(bytes))
        .counter(ItemsCount::new(LINES))
        .with_inputs(|| lines.clone())
        .bench_local_values(once);
}

fn is_stock(out: &[Entry]) {
    for (n, entry) in out.iter().enumerate() {
        assert_eq!(entry.severity, 9, "{entry:?}");
        assert!(entry.attributes.contains("timestamp_extracted"), "{n}: {entry:?}");
        assert_eq!(entry.resource.len(), 5, "{n}: {entry:?}");
    }
}

#[divan::bench]
fn stock_half_json(bencher: Bencher) {
    measure(bencher, chain(&stock()), half, is_stock);
}

#[divan::bench]
fn stock_json(bencher: Bencher) {
    measure(bencher, chain(&stock()), json, is_stock);
}

#[divan::bench]
fn stock_plain(bencher: Bencher) {
    measure(bencher, chain(&stock()), plain, is_stock);
}

#[divan::bench]
fn container(bencher: Bencher) {
    measure(bencher, short("[{type: container}]"), half, |out| {
        assert!(out.iter().all(|entry| entry.timestamp > 0));
    });
}

#[divan::bench]
fn container_and_json_parser(bencher: Bencher) {
    measure(bencher, short("[{type: container}, {type: json_parser}]"), json, |out| {
        assert!(out.iter().all(|entry| entry.attributes.contains("duration_ms")));
    });
}

#[divan::bench]
fn filter(bencher: Bencher) {
    let yaml = "[{type: filter, expr: 'attributes[\"log.file.path\"] == nil or body contains \"nowhere\"'}]";
    measure(bencher, short(yaml), half, |_| {});
}

#[divan::bench]
fn false_conditions(bencher: Bencher) {
    let one = "{type: noop, if: 'attributes.a != nil and attributes.a.b != nil and attributes.c == nil'}";
    let yaml = format!("[{}]", [one; 10].join(","));
    measure(bencher, short(&yaml), half, |_| {});
}

#[divan::bench]
fn regex_parser(bencher: Bencher) {
    let yaml = r"[{type: regex_parser, regex: '^(?P<time>\S+) (?P<stream>stdout|stderr) (?P<tag>[FP]) (?P<text>.*)$'}]";
    measure(bencher, short(yaml), half, |out| {
        assert!(out.iter().all(|entry| entry.attributes.contains("tag")));
    });
}
