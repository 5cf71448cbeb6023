//! The `add` operator: a literal value, or that of an expression.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::config::Issues;
use crate::expr::Program;
use crate::otlp::{AnyValue, Attributes, KeyValue};

use super::super::entry::Entry;
use super::expression::{self, problem};
use super::parsing::{Change, changer, required};
use super::{Decoded, Field, OperatorType, Problem, Section, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "add", decode };

operator_config! {
    /// Keys of the `add` operator.
    pub struct Config {
        field: String = String::new(),
        /// A text that is `EXPR(…)` as a whole is an expression.
        value: Literal = Literal(AnyValue::Empty),
    }
}

/// A value written in the configuration.
#[derive(Clone, Debug)]
pub struct Literal(AnyValue);

#[derive(Clone)]
enum Source {
    Literal(AnyValue),
    Program(Arc<Program>),
}

#[derive(Clone)]
struct Add {
    field: Field,
    source: Source,
}

impl Change for Add {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        let value = match &self.source {
            Source::Literal(value) => value.clone(),
            Source::Program(program) => program.eval(entry).map_err(|error| problem(&error))?.to_any(),
        };
        Ok(self.field.set(entry, value)?)
    }
}

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Literal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Literal, E> {
                Ok(Literal(value.into()))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Literal, E> {
                Ok(Literal(value.into()))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Literal, E> {
                i64::try_from(value)
                    .map(|value| Literal(value.into()))
                    .map_err(|_| E::custom("the integer is too large"))
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Literal, E> {
                Ok(Literal(value.into()))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Literal, E> {
                Ok(Literal(text.into()))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Literal, E> {
                Ok(Literal(AnyValue::Empty))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Literal, A::Error> {
                let mut items = Vec::new();
                while let Some(Literal(item)) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Literal(AnyValue::Array(items)))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Literal, A::Error> {
                let mut entries: Vec<KeyValue> = Vec::new();
                while let Some((key, Literal(value))) = map.next_entry::<String, Literal>()? {
                    entries.set(key, value);
                }
                Ok(Literal(AnyValue::Map(entries)))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let field = required(&config.field, section.path, "field", issues);
    let path = format!("{}::value", section.path);
    let source = match config.value.0 {
        AnyValue::Empty => {
            issues.error(section.path, "missing required parameter \"value\"");
            return None;
        }
        AnyValue::String(text) => match text.strip_prefix("EXPR(").and_then(|rest| rest.strip_suffix(')')) {
            Some(source) => Source::Program(expression::compile(source, &path, issues)?),
            None => Source::Literal(text.into()),
        },
        other => Source::Literal(other),
    };
    Some(changer(Add { field: field?, source }))
}
