//! Operators as a user meets them: YAML in, entries through, entries out.

mod parsers;
mod properties;
mod recombine;
mod routing;
mod stock;
mod transformers;

use std::sync::Arc;
use std::time::Instant;

use crate::config::{Decoder, Node, from_yaml};
use crate::expr::json::{self, Numbers};
use crate::otlp::AnyValue;

use super::super::entry::{Entry, Source};
use super::{Chain, Plan, Site};

/// Checks a list of operators given as YAML; the messages when something is wrong.
fn plan(yaml: &str) -> Result<Plan, String> {
    let nodes: Vec<Node> = from_yaml(yaml)?;
    let site = Site { first: false, trim_end: true, utf8: true };
    let whole: Node = from_yaml("{}")?;
    let mut decoder = Decoder::new(&whole);
    let plan = Plan::decode(&nodes, "operators", site, &mut decoder.issues());
    let found: Vec<String> = decoder.found().iter().map(ToString::to_string).collect();
    plan.ok_or_else(|| found.join("\n"))
}

fn chain(yaml: &str) -> Chain {
    plan(yaml).unwrap_or_else(|error| panic!("{yaml}\n{error}")).build()
}

/// Why a config is refused.
fn refusal(yaml: &str) -> String {
    match plan(yaml) {
        Ok(_) => panic!("this should be refused: {yaml}"),
        Err(message) => message,
    }
}

fn value(text: &str) -> AnyValue {
    json::parse(text, Numbers::Int).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// An entry from `{"body": …, "attributes": {…}, "resource": {…}}`.
fn entry(text: &str) -> Entry {
    let mut entry = Entry { observed: 1, ..Entry::default() };
    let AnyValue::Map(parts) = value(text) else { panic!("no object: {text}") };
    for part in parts {
        match (part.key.as_str(), part.value) {
            ("body", body) => entry.body = body,
            ("attributes", AnyValue::Map(map)) => entry.attributes = map.into(),
            ("resource", AnyValue::Map(map)) => entry.resource = Arc::new(map),
            (other, _) => panic!("unknown part {other}"),
        }
    }
    entry
}

fn line(text: &str) -> Entry {
    Entry { body: AnyValue::from(text), observed: 1, ..Entry::default() }
}

/// An entry as JSON without what is unset, keys sorted.
fn show(entry: &Entry) -> String {
    fn sorted(value: &AnyValue) -> String {
        match value {
            AnyValue::Map(entries) => {
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_by(|a, b| a.key.cmp(&b.key));
                let all: Vec<_> =
                    entries.iter().map(|e| format!("{:?}:{}", e.key, sorted(&e.value))).collect();
                format!("{{{}}}", all.join(","))
            }
            AnyValue::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
            AnyValue::Bytes(bytes) => format!("bytes{bytes:?}"),
            AnyValue::Double(value) => format!("{value:?}"),
            AnyValue::Empty => "null".into(),
            other => {
                let mut out = String::new();
                json::write(&mut out, other);
                out
            }
        }
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut parts = Vec::new();
    if entry.timestamp > 0 {
        let stamp = jiff::Timestamp::from_nanosecond(entry.timestamp.into()).unwrap();
        parts.push(format!("time={stamp}"));
    }
    if entry.severity > 0 {
        parts.push(format!("severity={}", entry.severity));
    }
    if !entry.severity_text.is_empty() {
        parts.push(format!("text={}", entry.severity_text));
    }
    if !entry.trace_id.is_empty() || !entry.span_id.is_empty() || entry.flags > 0 {
        parts.push(format!("trace={}/{}/{}", hex(&entry.trace_id), hex(&entry.span_id), entry.flags));
    }
    if !entry.scope_name.is_empty() {
        parts.push(format!("scope={}", entry.scope_name));
    }
    if !entry.body.is_empty() {
        parts.push(sorted(&entry.body));
    }
    if !entry.attributes.is_empty() {
        parts.push(format!("@{}", sorted(&AnyValue::Map(entry.attributes.to_vec()))));
    }
    if !entry.resource.is_empty() {
        parts.push(format!("R{}", sorted(&AnyValue::Map(entry.resource.to_vec()))));
    }
    parts.join(" ")
}

/// What comes out of a chain for some entries, held back ones included.
fn run(chain: &mut Chain, entries: Vec<Entry>) -> Vec<Entry> {
    let mut out = Vec::new();
    let now = Instant::now();
    for entry in entries {
        chain.process(entry, now, &mut out);
    }
    chain.flush(now, &mut out);
    out
}

/// Runs one entry through one operator; what comes out, or nothing. With `on_error: drop` a failure
/// shows as nothing.
fn one(operator: &str, input: Entry) -> String {
    let mut chain = chain(&format!("[{operator}]"));
    let out = run(&mut chain, vec![input]);
    out.iter().map(show).collect::<Vec<_>>().join(" | ")
}

/// Each case: an operator without its braces and `on_error: drop`, an entry, what comes out.
fn table(cases: &[(&str, &str, &str)]) {
    for (operator, input, want) in cases {
        let got = one(&format!("{{{operator}, on_error: drop}}"), entry(input));
        assert_eq!(got, *want, "{operator} on {input}");
    }
}

/// Each case: an operator, the body, what comes out.
fn lines(cases: &[(&str, &str, &str)]) {
    for (operator, input, want) in cases {
        let got = one(&format!("{{{operator}, on_error: drop}}"), line(input));
        assert_eq!(got, *want, "{operator} on {input}");
    }
}

/// Each case: operators that are refused, and a part of the message.
fn refused(cases: &[(&str, &str)]) {
    for (operator, want) in cases {
        let message = refusal(&format!("[{{{operator}}}]"));
        assert!(message.contains(want), "{operator}: {message}");
    }
}

fn source(path: &str, id: u64) -> Arc<Source> {
    Arc::new(Source {
        id,
        lineage: id,
        path: path.into(),
        attributes: vec![crate::otlp::KeyValue::new("log.file.path", path)].into(),
        resource: Arc::default(),
    })
}
