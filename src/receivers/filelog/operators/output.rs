//! Operators that end the way of an entry: `stdout`, `file_output`, `drop_output`.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use crate::config::Issues;
use crate::expr::json;

use super::super::entry::Entry;
use super::severity_parser;
use super::{Decoded, Emitter, Operator, OperatorType, Problem, Section, Verdict, operator_config};

pub static STDOUT: OperatorType = OperatorType { name: "stdout", decode: decode_stdout };
pub static FILE: OperatorType = OperatorType { name: "file_output", decode: decode_file };
pub static DROP: OperatorType = OperatorType { name: "drop_output", decode: decode_drop };

operator_config! {
    /// `stdout` and `drop_output` have no keys of their own.
    pub struct Config {}
}

operator_config! {
    /// Keys of the `file_output` operator.
    pub struct FileConfig {
        /// The file entries are added to, one JSON object a line.
        path: String = String::new(),
    }
}

/// Writes entries as lines of JSON.
struct Lines<W> {
    open: Box<dyn Fn() -> std::io::Result<W> + Send + Sync>,
    to: Option<W>,
}

impl<W: Write + Send> Operator for Lines<W> {
    fn process(&mut self, entry: &mut Entry, _: &mut Emitter<'_>) -> Result<Verdict, Problem> {
        let mut write = || {
            let to = match &mut self.to {
                Some(to) => to,
                closed => closed.insert((self.open)()?),
            };
            to.write_all(line(entry).as_bytes())
        };
        if let Err(error) = write() {
            self.to = None;
            return Err(format!("the entry could not be written: {error}").into());
        }
        Ok(Verdict::Taken)
    }
}

struct Dropper;

impl Operator for Dropper {
    fn process(&mut self, _: &mut Entry, _: &mut Emitter<'_>) -> Result<Verdict, Problem> {
        Ok(Verdict::Drop)
    }
}

/// The entry as one line of JSON.
fn line(entry: &Entry) -> String {
    let mut out = String::new();
    let mut field = |name: &str, write: &dyn Fn(&mut String)| {
        out.push(if out.is_empty() { '{' } else { ',' });
        json::write_text(&mut out, name);
        out.push(':');
        write(&mut out);
    };
    let time = |nanos: u64| {
        let stamp = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default();
        move |out: &mut String| json::write_text(out, &stamp.to_string())
    };
    if entry.timestamp > 0 {
        field("timestamp", &time(entry.timestamp));
    }
    field("observed_timestamp", &time(entry.observed));
    field("body", &|out| json::write(out, &entry.body));
    field("attributes", &|out| json::write_map(out, &entry.attributes));
    field("resource", &|out| json::write_map(out, &entry.resource));
    if entry.severity > 0 {
        field("severity", &|out| json::write_text(out, &severity_parser::name(entry.severity)));
    }
    if !entry.severity_text.is_empty() {
        field("severity_text", &|out| json::write_text(out, &entry.severity_text));
    }
    if !entry.scope_name.is_empty() {
        field("scope_name", &|out| json::write_text(out, &entry.scope_name));
    }
    out.push_str("}\n");
    out
}

fn decode_stdout(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    section.node.decode::<Config>(section.path, issues)?;
    Some(Decoded::new(|| Box::new(Lines { open: Box::new(|| Ok(std::io::stdout())), to: None })))
}

fn decode_file(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: FileConfig = section.node.decode(section.path, issues)?;
    if config.path.is_empty() {
        issues.error(section.path, "missing required parameter \"path\": name a file");
        return None;
    }
    let path = PathBuf::from(config.path);
    Some(Decoded::new(move || {
        let path = path.clone();
        Box::new(Lines {
            open: Box::new(move || File::options().create(true).append(true).open(&path)),
            to: None,
        })
    }))
}

fn decode_drop(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    section.node.decode::<Config>(section.path, issues)?;
    Some(Decoded::new(|| Box::new(Dropper)))
}
