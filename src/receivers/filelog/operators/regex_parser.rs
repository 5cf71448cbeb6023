//! The `regex_parser` operator: the named groups of a pattern.

use regex::{CaptureLocations, Regex};
use serde::Deserialize;

use crate::config::Issues;
use crate::otlp::{AnyValue, KeyValue, Str};
use crate::pattern;

use super::parsing::{Parse, check, parser, parser_config, text};
use super::{Decoded, OperatorType, Problem, Section};

pub static TYPE: OperatorType = OperatorType { name: "regex_parser", decode };

parser_config! {
    /// Keys of the `regex_parser` operator.
    pub struct Config {
        regex: String = String::new(),
        /// Accepted; matching is fast enough without one.
        cache: Cache = Cache::default(),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cache {
    #[serde(rename = "size")]
    _size: u16,
}

#[derive(Clone)]
struct Groups {
    regex: Regex,
    names: Vec<(usize, Str)>,
    /// There is one group and it is the whole match.
    whole: bool,
    places: CaptureLocations,
}

const NO_MATCH: &str = "the regex does not match";

impl Groups {
    fn new(pattern: &str) -> Result<Self, String> {
        if pattern.is_empty() {
            return Err("missing required field \"regex\"".into());
        }
        let regex = pattern::compile(pattern).map_err(|error| error.to_string())?;
        let names: Vec<_> =
            regex.capture_names().enumerate().filter_map(|(at, name)| Some((at, name?.into()))).collect();
        if names.is_empty() {
            return Err("no named capture groups in the regex: write (?P<name>…)".into());
        }
        let whole = names.len() == 1 && pattern::is_one_group(&regex);
        Ok(Self { places: regex.capture_locations(), regex, names, whole })
    }
}

impl Parse for Groups {
    fn parse(&mut self, value: &AnyValue) -> Result<AnyValue, Problem> {
        let text = text(value)?;
        if self.whole {
            let found = self.regex.find(text).ok_or(NO_MATCH)?;
            let part = KeyValue::new(self.names[0].1.clone(), found.as_str());
            return Ok(AnyValue::Map(vec![part]));
        }
        if self.regex.captures_read(&mut self.places, text).is_none() {
            return Err(NO_MATCH.into());
        }
        let mut parts: Vec<KeyValue> = Vec::with_capacity(self.names.len());
        for (group, name) in &self.names {
            let part = self.places.get(*group).map_or("", |(start, end)| &text[start..end]);
            parts.push(KeyValue { key: name.clone(), value: AnyValue::from(part) });
        }
        Ok(AnyValue::Map(parts))
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let groups = check(Groups::new(&config.regex), section.path, "regex", issues);
    let common = config.common().check(section.path, issues);
    Some(parser(common?, groups?))
}
