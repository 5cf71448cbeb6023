//! The `trace_parser` operator, and the `trace` block of parsers: ids as hexadecimal text.

use serde::Deserialize;

use crate::config::Issues;
use crate::otlp::AnyValue;

use super::super::entry::Entry;
use super::parsing::{Change, changer, check};
use super::{Decoded, Field, OperatorType, Problem, Section, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "trace_parser", decode };

operator_config! {
    /// Keys of the `trace_parser` operator.
    pub struct Config {
        trace_id: Source = Source::default(),
        span_id: Source = Source::default(),
        trace_flags: Source = Source::default(),
    }
}

/// Keys of the `trace` block.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceConfig {
    trace_id: Source,
    span_id: Source,
    trace_flags: Source,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    parse_from: Option<String>,
}

/// Sets trace id, span id and flags from fields.
#[derive(Clone, Debug)]
pub struct Trace {
    trace_id: Field,
    span_id: Field,
    flags: Field,
}

impl TraceConfig {
    pub fn check(&self, path: &str, issues: &mut Issues<'_>) -> Option<Trace> {
        let mut field = |source: &Source, key: &str| {
            let text = source.parse_from.clone().unwrap_or_else(|| format!("body.{key}"));
            check(Field::parse(&text), path, &format!("{key}::parse_from"), issues)
        };
        let trace_id = field(&self.trace_id, "trace_id");
        let span_id = field(&self.span_id, "span_id");
        let flags = field(&self.trace_flags, "trace_flags");
        Some(Trace { trace_id: trace_id?, span_id: span_id?, flags: flags? })
    }
}

impl Trace {
    /// Sets what is there; all three are tried, the first problem is reported.
    pub fn run(&self, entry: &mut Entry) -> Result<(), Problem> {
        let trace_id = hex(self.trace_id.get(entry), "the trace id is not hexadecimal text");
        let span_id = hex(self.span_id.get(entry), "the span id is not hexadecimal text");
        let flags = hex(self.flags.get(entry), "the trace flags are not hexadecimal text");
        let mut first = Ok(());
        let mut set = |bytes: Result<Option<Vec<u8>>, Problem>, put: &mut dyn FnMut(Vec<u8>)| match bytes {
            Ok(Some(bytes)) => put(bytes),
            Ok(None) => {}
            Err(problem) => {
                if first.is_ok() {
                    first = Err(problem);
                }
            }
        };
        set(trace_id, &mut |bytes| entry.trace_id = sized(bytes, 16));
        set(span_id, &mut |bytes| entry.span_id = sized(bytes, 8));
        set(flags, &mut |bytes| entry.flags = bytes.first().copied().unwrap_or(0).into());
        first
    }
}

/// Cut, or filled with zeros; nothing stays nothing.
fn sized(mut bytes: Vec<u8>, len: usize) -> Vec<u8> {
    if !bytes.is_empty() {
        bytes.resize(len, 0);
    }
    bytes
}

fn hex(value: Option<&AnyValue>, problem: &'static str) -> Result<Option<Vec<u8>>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let text = value.as_str().ok_or(problem)?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(problem.into());
    }
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    pairs.iter().map(byte).collect::<Option<Vec<u8>>>().map(Some).ok_or(problem.into())
}

impl Change for Trace {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        self.run(entry)
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let config =
        TraceConfig { trace_id: config.trace_id, span_id: config.span_id, trace_flags: config.trace_flags };
    config.check(section.path, issues).map(changer)
}
