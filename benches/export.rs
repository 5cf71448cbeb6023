//! What a batch of container logs costs on its way into a request: encode and compress.
//!
//! Throughput is of the raw request body. Before anything is measured the compressed body is decoded
//! and compared with the batch; the size per record is printed beside, since a cheaper level pays
//! with bytes on the wire.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::BytesCount;
use kmagent::net::compression::{Codec, Compressor, decompress};
use kmagent::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use kmagent::otlp::{KeyValue, Resource, json};
use kmagent::pipeline::{Data, Signal};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const PODS: usize = 20;
const RECORDS: usize = 10_000;

fn main() {
    let data = container_logs();
    let mut body = Vec::new();
    data.encode(&mut body);
    println!("raw request: {} bytes, {:.1} a record", body.len(), body.len() as f64 / RECORDS as f64);
    for (codec, level) in VARIANTS {
        let mut packed = Vec::new();
        Compressor::new(codec, level)
            .expect("a valid level")
            .compress(&body, &mut packed)
            .expect("compresses");
        let unpacked = decompress(codec, &packed, body.len()).expect("decompresses");
        let decoded = Data::decode(Signal::Logs, &unpacked).expect("decodes");
        assert!(decoded == data, "{} {level}: the batch came out changed", codec.name());
        println!("{} {level}: {:.1} bytes a record", codec.name(), packed.len() as f64 / RECORDS as f64);
    }
    divan::main();
}

/// Codecs and levels; 0 is what users get who do not choose.
const VARIANTS: [(Codec, i32); 9] = [
    (Codec::Gzip, 0),
    (Codec::Gzip, 1),
    (Codec::Gzip, 2),
    (Codec::Gzip, 3),
    (Codec::Gzip, 6),
    (Codec::Zstd, 0),
    (Codec::Zstd, 3),
    (Codec::Snappy, 0),
    (Codec::Lz4, 0),
];

#[divan::bench(args = VARIANTS.map(|(codec, level)| Variant(codec, level)))]
fn encode_and_compress(bencher: Bencher<'_, '_>, variant: Variant) {
    let data = container_logs();
    let (mut body, mut packed) = (Vec::new(), Vec::new());
    let mut compressor = Compressor::new(variant.0, variant.1).expect("a valid level");
    bencher.counter(BytesCount::new(data.encoded_len())).bench_local(|| {
        body.clear();
        black_box(&data).encode(&mut body);
        compressor.compress(&body, &mut packed).expect("compresses");
        packed.len()
    });
}

#[divan::bench]
fn encode(bencher: Bencher<'_, '_>) {
    let data = container_logs();
    let mut body = Vec::new();
    bencher.counter(BytesCount::new(data.encoded_len())).bench_local(|| {
        body.clear();
        black_box(&data).encode(&mut body);
        body.len()
    });
}

#[divan::bench]
fn encode_json(bencher: Bencher<'_, '_>) {
    let data = container_logs();
    let mut body = Vec::new();
    json::encode(&data, &mut body);
    bencher.counter(BytesCount::new(body.len())).bench_local(|| {
        body.clear();
        json::encode(black_box(&data), &mut body);
        body.len()
    });
}

#[derive(Clone, Copy)]
struct Variant(Codec, i32);

impl std::fmt::Display for Variant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0.name(), self.1)
    }
}

/// The logs of a node: bodies of about 230 bytes, Kubernetes attributes on the resources, file
/// attributes on the records.
fn container_logs() -> Data {
    let mut random = Random(42);
    let resources = (0..PODS).map(|pod| {
        let log_records = (0..RECORDS / PODS).map(|line| record(pod, line, &mut random)).collect();
        ResourceLogs {
            resource: Some(resource(pod)),
            scope_logs: vec![ScopeLogs { log_records, ..ScopeLogs::default() }],
            schema_url: "https://opentelemetry.io/schemas/1.6.1".to_owned(),
        }
    });
    Data::Logs(resources.collect())
}

fn resource(pod: usize) -> Resource {
    let app = ["checkout", "cart", "payment", "frontend"][pod % 4];
    let attributes = vec![
        KeyValue::fixed("k8s.cluster.name", "production-eu-1"),
        KeyValue::fixed("k8s.node.name", "ip-10-0-42-17.eu-west-1.compute.internal"),
        KeyValue::fixed("k8s.namespace.name", "shop"),
        KeyValue::fixed("k8s.pod.name", format!("{app}-7d9c5b6f4-{pod:05x}")),
        KeyValue::fixed("k8s.pod.uid", format!("6f1c1b0e-9d3a-4f6e-8b1a-{pod:012x}")),
        KeyValue::fixed("k8s.deployment.name", app),
        KeyValue::fixed("k8s.container.name", app),
        KeyValue::fixed("k8s.container.restart_count", "0"),
        KeyValue::fixed("service.name", app),
        KeyValue::fixed("host.name", "ip-10-0-42-17"),
    ];
    Resource { attributes, ..Resource::default() }
}

fn record(pod: usize, line: usize, random: &mut Random) -> LogRecord {
    let time = 1_760_000_000_000_000_000 + (line as u64) * 7_000_000 + random.below(1_000_000);
    let level = ["info", "info", "info", "warn", "error"][random.below(5) as usize];
    let path =
        ["/api/v1/orders", "/api/v1/cart/items", "/healthz", "/api/v1/products"][random.below(4) as usize];
    let body = format!(
        "{{\"ts\":\"2025-10-09T08:53:20.{:06}Z\",\"level\":\"{level}\",\"msg\":\"request finished\",\"method\":\"GET\",\
         \"path\":\"{path}/{}\",\"status\":{},\"duration_ms\":{}.{:03},\"request_id\":\"{:016x}{:016x}\",\
         \"remote\":\"10.0.{}.{}\",\"user\":\"u{}\"}}",
        random.below(1_000_000),
        random.below(100_000),
        [200, 200, 201, 404, 500][random.below(5) as usize],
        random.below(900),
        random.below(1000),
        random.next(),
        random.next(),
        random.below(256),
        random.below(256),
        random.below(50_000),
    );
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time + 40_000_000,
        severity_number: 9,
        severity_text: level.to_owned(),
        body: Some(body.into()),
        attributes: vec![
            KeyValue::fixed("log.iostream", "stdout"),
            KeyValue::fixed("logtag", "F"),
            KeyValue::fixed("log.file.path", format!("/var/log/pods/shop_app-{pod}/app/0.log")),
        ],
        ..LogRecord::default()
    }
}

/// The same numbers in every run: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
