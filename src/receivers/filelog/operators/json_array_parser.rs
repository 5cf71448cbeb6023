//! The `json_array_parser` operator: the list a text holds, or a map when the elements have names.

use crate::config::Issues;
use crate::expr::json::{self, Numbers};
use crate::otlp::{AnyValue, KeyValue, Str};

use super::parsing::{Parse, parser, parser_config, text};
use super::{Decoded, OperatorType, Problem, Section};

pub static TYPE: OperatorType = OperatorType { name: "json_array_parser", decode };

parser_config! {
    /// Keys of the `json_array_parser` operator.
    pub struct Config {
        /// Names of the elements, separated by commas; without it the result is a list.
        header: String = String::new(),
    }
}

#[derive(Clone)]
struct JsonArray {
    header: Vec<Str>,
}

impl Parse for JsonArray {
    fn parse(&mut self, value: &AnyValue) -> Result<AnyValue, Problem> {
        let items = match json::parse(text(value)?, Numbers::Int) {
            Ok(AnyValue::Array(items)) => items,
            Ok(_) => return Err("the value is not a JSON array".into()),
            Err(error) => return Err(error.what.into()),
        };
        if self.header.is_empty() {
            return Ok(AnyValue::Array(items));
        }
        if items.len() != self.header.len() {
            return Err(format!(
                "wrong number of fields: expected {}, found {}",
                self.header.len(),
                items.len()
            )
            .into());
        }
        let named = self.header.iter().zip(items).map(|(key, value)| KeyValue { key: key.clone(), value });
        Ok(AnyValue::Map(named.collect()))
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let common = config.common().check(section.path, issues)?;
    let header = config.header.split(',').filter(|name| !name.is_empty()).map(Str::from).collect();
    Some(parser(common, JsonArray { header }))
}
