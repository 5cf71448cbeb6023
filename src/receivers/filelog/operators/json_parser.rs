//! The `json_parser` operator: the object a text holds.

use crate::config::Issues;
use crate::expr::json::{self, Numbers};
use crate::otlp::AnyValue;

use super::parsing::{Parse, parser, parser_config, text};
use super::{Decoded, OperatorType, Problem, Section};

pub static TYPE: OperatorType = OperatorType { name: "json_parser", decode };

parser_config! {
    /// Keys of the `json_parser` operator.
    pub struct Config {
        /// Numbers without a fraction become integers instead of floats.
        parse_ints: bool = false,
    }
}

#[derive(Clone, Copy)]
struct Json(Numbers);

impl Parse for Json {
    fn parse(&mut self, value: &AnyValue) -> Result<AnyValue, Problem> {
        let text = text(value)?;
        // Most lines that are no JSON show it at once.
        if !matches!(text.trim_ascii_start().as_bytes().first(), Some(b'{' | b'n')) {
            return Err("the value is not a JSON object".into());
        }
        match json::parse(text, self.0) {
            Ok(map @ AnyValue::Map(_)) => Ok(map),
            Ok(AnyValue::Empty) => Ok(AnyValue::Map(Vec::new())),
            Ok(_) => Err("the value is not a JSON object".into()),
            Err(error) => Err(error.what.into()),
        }
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let common = config.common().check(section.path, issues)?;
    Some(parser(common, Json(if config.parse_ints { Numbers::Int } else { Numbers::Float })))
}
