//! The `scope_name_parser` operator, and the `scope_name` block of parsers.

use serde::Deserialize;

use crate::config::Issues;
use crate::otlp::{AnyValue, Str};

use super::super::entry::Entry;
use super::parsing::{Change, MISSING, changer, required};
use super::{Decoded, Field, OperatorType, Problem, Section, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "scope_name_parser", decode };

operator_config! {
    /// Keys of the `scope_name_parser` operator.
    pub struct Config {
        parse_from: String = String::new(),
    }
}

/// Keys of the `scope_name` block.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScopeConfig {
    parse_from: String,
}

/// Sets the scope's name from a field.
#[derive(Clone, Debug)]
pub struct Scope(Field);

impl ScopeConfig {
    pub fn check(&self, path: &str, issues: &mut Issues<'_>) -> Option<Scope> {
        required(&self.parse_from, path, "parse_from", issues).map(Scope)
    }
}

impl Scope {
    pub fn run(&self, entry: &mut Entry) -> Result<(), Problem> {
        match self.0.get(entry) {
            Some(AnyValue::String(name)) => entry.scope_name = Str::clone(name),
            Some(_) => return Err("the scope name is not a string".into()),
            None => return Err(MISSING.into()),
        }
        Ok(())
    }
}

impl Change for Scope {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        self.run(entry)
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    ScopeConfig { parse_from: config.parse_from }.check(section.path, issues).map(changer)
}
