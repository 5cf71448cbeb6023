//! The `key_value_parser` operator: `level=info msg="it works"`.

use crate::config::Issues;
use crate::otlp::{AnyValue, Attributes, KeyValue, Str};

use super::parsing::{Parse, parser, parser_config, text};
use super::{Decoded, OperatorType, Problem, Section};

pub static TYPE: OperatorType = OperatorType { name: "key_value_parser", decode };

parser_config! {
    /// Keys of the `key_value_parser` operator.
    pub struct Config {
        /// Between a key and its value.
        delimiter: String = "=".to_owned(),
        /// Between pairs.
        pair_delimiter: String = " ".to_owned(),
    }
}

#[derive(Clone)]
struct Pairs {
    delimiter: String,
    pair_delimiter: String,
}

impl Parse for Pairs {
    fn parse(&mut self, value: &AnyValue) -> Result<AnyValue, Problem> {
        let text = text(value)?;
        if text.is_empty() {
            return Err("the value to parse is empty".into());
        }
        let mut pairs: Vec<KeyValue> = Vec::new();
        split(text, &self.pair_delimiter, |pair| {
            let (key, value) = pair
                .split_once(&self.delimiter)
                .ok_or(Problem::from("a pair has no delimiter between key and value"))?;
            pairs.set(Str::new(key.trim()), value.trim());
            Ok(())
        })?;
        Ok(AnyValue::Map(pairs))
    }
}

/// Visits the pieces of `text` between delimiters, without those that are empty. Quotes (`"`, `'`)
/// keep delimiters together and are removed; a backslash keeps the next character from closing one.
fn split(
    text: &str,
    delimiter: &str,
    mut visit: impl FnMut(&str) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut piece = String::new();
    let mut quote = None;
    let mut escaped = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if quote.is_none()
            && let Some(after) = rest.strip_prefix(delimiter)
        {
            if !piece.is_empty() {
                visit(&piece)?;
                piece.clear();
            }
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if escaped {
            escaped = false;
        } else if quote.is_none() && matches!(c, '"' | '\'') {
            quote = Some(c);
            continue;
        } else if quote == Some(c) {
            quote = None;
            continue;
        } else {
            escaped = c == '\\';
        }
        piece.push(c);
    }
    if quote.is_some() {
        return Err("a quoted value has no end".into());
    }
    if piece.is_empty() { Ok(()) } else { visit(&piece) }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let common = config.common().check(section.path, issues);
    if config.delimiter == config.pair_delimiter {
        issues.error(section.path, "delimiter and pair_delimiter must not be the same");
        return None;
    }
    if config.delimiter.is_empty() || config.pair_delimiter.is_empty() {
        issues.error(section.path, "delimiter and pair_delimiter must not be empty");
        return None;
    }
    Some(parser(common?, Pairs { delimiter: config.delimiter, pair_delimiter: config.pair_delimiter }))
}
