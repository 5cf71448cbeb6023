//! Messages of both protocols, with and without their framing.

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

fuzz_target!(|text: &str| {
    for operators in [
        "[{type: syslog_parser, protocol: rfc3164, allow_skip_pri_header: true}]",
        "[{type: syslog_parser, protocol: rfc5424}]",
        "[{type: syslog_parser, protocol: rfc5424, enable_octet_counting: true}]",
        "[{type: syslog_parser, protocol: rfc5424, non_transparent_framing_trailer: NUL}]",
    ] {
        let mut out: Vec<Entry> = Vec::new();
        let entry = Entry::new(&Arc::new(Source::default()), 0, 1, AnyValue::from(text));
        chain(operators).process(entry, Instant::now(), &mut out);
        assert_eq!(out.len(), 1, "what cannot be parsed goes on as it is");
    }
});
