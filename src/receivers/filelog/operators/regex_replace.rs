//! The `regex_replace` operator.

use std::borrow::Cow;

use regex::Regex;
use serde::Deserialize;

use crate::config::Issues;
use crate::otlp::AnyValue;
use crate::pattern;

use super::super::entry::Entry;
use super::parsing::{Change, changer, check, required, text};
use super::{Decoded, Field, OperatorType, Problem, Section, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "regex_replace", decode };

operator_config! {
    /// Keys of the `regex_replace` operator.
    pub struct Config {
        field: String = String::new(),
        regex: String = String::new(),
        /// A pattern known by name, instead of `regex`.
        regex_name: Option<Known> = None,
        /// May refer to groups: `$1`, `${name}`.
        replace_with: String = String::new(),
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// Colours and cursor movements of terminals.
    AnsiControlSequences,
}

/// ECMA-48 control sequences and the escape sequences of two characters.
const ANSI: &str = r"(?:\x1B|\x{9B})(?:[@-Z\\-_]|\[[0-?]*[ -/]*[@-~]|[0-?]*[ -/]*[@-~])";

#[derive(Clone)]
struct Replace {
    field: Field,
    regex: Regex,
    with: String,
}

impl Change for Replace {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        let value = self.field.get(entry).ok_or("the field to change does not exist")?;
        let replaced = match self.regex.replace_all(text(value)?, self.with.as_str()) {
            Cow::Borrowed(_) => return Ok(()),
            Cow::Owned(replaced) => AnyValue::from(replaced),
        };
        Ok(self.field.set(entry, replaced)?)
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let field = required(&config.field, section.path, "field", issues);
    let pattern = match (config.regex.as_str(), config.regex_name) {
        ("", Some(Known::AnsiControlSequences)) => ANSI,
        ("", None) => {
            issues.error(section.path, "missing required field \"regex\" or \"regex_name\"");
            return None;
        }
        (pattern, None) => pattern,
        (_, Some(_)) => {
            issues.error(section.path, "only one of \"regex\" and \"regex_name\" can be set");
            return None;
        }
    };
    let regex = check(pattern::compile(pattern), section.path, "regex", issues)?;
    Some(changer(Replace { field: field?, regex, with: config.replace_with }))
}
