//! Lines of container runtimes, whole, cut or no such lines at all, in any order.

#![no_main]

use std::sync::Arc;
use std::time::Instant;

use kmagent::config::{Decoder, Node, from_yaml};
use kmagent::otlp::AnyValue;
use kmagent::receivers::filelog::entry::{Entry, Source};
use kmagent::receivers::filelog::operators::{Chain, Plan, Site};
use libfuzzer_sys::fuzz_target;

fn chain(operators: &str) -> Chain {
    let nodes: Vec<Node> = from_yaml(operators).expect("valid YAML");
    let whole: Node = from_yaml("{}").expect("valid YAML");
    let mut decoder = Decoder::new(&whole);
    let site = Site { first: true, trim_end: true, utf8: true };
    Plan::decode(&nodes, "operators", site, &mut decoder.issues()).expect("a valid plan").build()
}

fuzz_target!(|data: &[u8]| {
    let mut chain = chain("[{type: container, add_metadata_from_filepath: false}]");
    let source = Arc::new(Source::default());
    let mut out: Vec<Entry> = Vec::new();
    for (place, line) in data.split(|byte| *byte == b'\n').enumerate() {
        let body = match std::str::from_utf8(line) {
            Ok(text) => AnyValue::from(text),
            Err(_) => AnyValue::Bytes(line.to_vec()),
        };
        chain.process(Entry::new(&source, place as u64, 1, body), Instant::now(), &mut out);
    }
    chain.flush(Instant::now(), &mut out);
});
