//! The `csv_parser` operator: fields between delimiters, named by a header.

use crate::config::Issues;
use crate::otlp::{AnyValue, Attributes, KeyValue, Str};

use super::super::entry::Entry;
use super::parsing::{Common, check, parser_config, text};
use super::{Decoded, Emitter, Field, Operator, OperatorType, Problem, Section, Verdict};

pub static TYPE: OperatorType = OperatorType { name: "csv_parser", decode };

parser_config! {
    /// Keys of the `csv_parser` operator.
    pub struct Config {
        /// Names of the fields, between delimiters.
        header: String = String::new(),
        /// The attribute that holds the header.
        header_attribute: String = String::new(),
        delimiter: String = ",".to_owned(),
        /// By default the delimiter of the fields.
        header_delimiter: String = String::new(),
        /// Quotes may be inside fields.
        lazy_quotes: bool = false,
        /// Quotes mean nothing.
        ignore_quotes: bool = false,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quotes {
    Strict,
    Lazy,
    Ignored,
}

#[derive(Clone)]
enum Header {
    Fixed(Vec<Str>),
    /// The field, and the delimiter in it.
    Attribute(Field, char),
}

#[derive(Clone)]
struct Csv {
    common: Common,
    header: Header,
    delimiter: char,
    quotes: Quotes,
}

impl Operator for Csv {
    fn process(&mut self, entry: &mut Entry, _: &mut Emitter<'_>) -> Result<Verdict, Problem> {
        let text = text(self.common.value(entry)?)?;
        let parsed = match &self.header {
            Header::Fixed(names) => parse(text, names, self.delimiter, self.quotes)?,
            Header::Attribute(field, delimiter) => {
                let header = field.get(entry).ok_or("the header attribute is missing")?;
                let header = header.as_str().ok_or("the header attribute is not a string")?;
                let names = split_header(header, *delimiter);
                parse(text, &names, self.delimiter, self.quotes)?
            }
        };
        self.common.put(entry, AnyValue::Map(parsed))
    }
}

fn split_header(header: &str, delimiter: char) -> Vec<Str> {
    header.split(delimiter).map(Str::from).collect()
}

/// The fields by name. Further lines are joined to the values of the first with a newline.
fn parse(text: &str, names: &[Str], delimiter: char, quotes: Quotes) -> Result<Vec<KeyValue>, Problem> {
    let mut parsed: Vec<KeyValue> = Vec::with_capacity(names.len());
    let mut rest = text.trim_end_matches(['\r', '\n']);
    if rest.is_empty() {
        return Err("the value to parse is empty".into());
    }
    while !rest.is_empty() {
        let mut values = Vec::with_capacity(names.len());
        rest = record(rest, delimiter, quotes, &mut values)?;
        if values.len() != names.len() {
            let message = format!("wrong number of fields: expected {}, found {}", names.len(), values.len());
            return Err(message.into());
        }
        for (name, value) in names.iter().zip(values) {
            match parsed.get_mut(name) {
                Some(AnyValue::String(before)) => {
                    before.push('\n');
                    before.push_str(&value);
                }
                _ => parsed.set(name.clone(), value),
            }
        }
    }
    Ok(parsed)
}

/// Reads one record; returns the text after it.
fn record<'a>(
    text: &'a str,
    delimiter: char,
    quotes: Quotes,
    values: &mut Vec<Str>,
) -> Result<&'a str, Problem> {
    let mut rest = text;
    loop {
        let (value, after) = match (quotes, rest.strip_prefix('"')) {
            (Quotes::Strict | Quotes::Lazy, Some(inner)) => quoted(inner, delimiter, quotes)?,
            _ => {
                let (value, after) = rest.split_at(rest.find([delimiter, '\n']).unwrap_or(rest.len()));
                if quotes == Quotes::Strict && value.contains('"') {
                    return Err("a field without quotes contains a quote (set lazy_quotes)".into());
                }
                let value = if after.starts_with(delimiter) { value } else { value.trim_end_matches('\r') };
                (Str::from(value), after)
            }
        };
        values.push(value);
        match after.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None => {
                let after = after.trim_start_matches('\r');
                return Ok(after.strip_prefix('\n').unwrap_or(after));
            }
        }
    }
}

/// A field in quotes; the opening one is passed.
fn quoted(text: &str, delimiter: char, quotes: Quotes) -> Result<(Str, &str), Problem> {
    let mut value = Str::const_new("");
    let mut rest = text;
    loop {
        let Some(end) = rest.find('"') else {
            if quotes == Quotes::Lazy {
                value.push_str(rest);
                return Ok((value, ""));
            }
            return Err("a quoted field has no end".into());
        };
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        if let Some(after) = rest.strip_prefix('"') {
            value.push('"');
            rest = after;
        } else if rest.is_empty() || rest.starts_with([delimiter, '\n', '\r']) {
            return Ok((value, rest));
        } else if quotes == Quotes::Lazy {
            value.push('"');
        } else {
            return Err("there is text after the closing quote of a field".into());
        }
    }
}

fn single(text: &str) -> Result<char, String> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if c != '"' && c != '\n' && c != '\r' => Ok(c),
        _ => Err(format!("invalid delimiter \"{text}\": it must be a single character")),
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let common = config.common().check(section.path, issues);
    let delimiter = check(single(&config.delimiter), section.path, "delimiter", issues)?;
    let header_delimiter = match config.header_delimiter.as_str() {
        "" => delimiter,
        text => check(single(text), section.path, "header_delimiter", issues)?,
    };
    let header = match (config.header.as_str(), config.header_attribute.as_str()) {
        ("", "") => {
            issues.error(section.path, "missing required field \"header\" or \"header_attribute\"");
            return None;
        }
        (header, "") => {
            if !header.contains(header_delimiter) {
                let message = format!("missing field delimiter \"{header_delimiter}\" in header");
                issues.error(&format!("{}::header", section.path), message);
                return None;
            }
            Header::Fixed(split_header(header, header_delimiter))
        }
        ("", attribute) => Header::Attribute(Field::attribute(attribute), header_delimiter),
        _ => {
            issues.error(section.path, "only one of \"header\" and \"header_attribute\" can be set");
            return None;
        }
    };
    let quotes = match (config.lazy_quotes, config.ignore_quotes) {
        (false, false) => Quotes::Strict,
        (true, false) => Quotes::Lazy,
        (false, true) => Quotes::Ignored,
        (true, true) => {
            issues.error(section.path, "only one of \"lazy_quotes\" and \"ignore_quotes\" can be true");
            return None;
        }
    };
    let csv = Csv { common: common?, header, delimiter, quotes };
    Some(Decoded::new(move || Box::new(csv.clone())))
}
