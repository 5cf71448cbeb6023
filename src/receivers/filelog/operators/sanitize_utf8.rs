//! The `sanitize_utf8` operator: bytes that are not UTF-8 become U+FFFD.

use crate::config::Issues;
use crate::otlp::{AnyValue, Str};

use super::super::entry::Entry;
use super::parsing::{Change, changer, check};
use super::{Decoded, Field, OperatorType, Problem, Section, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "sanitize_utf8", decode };

operator_config! {
    /// Keys of the `sanitize_utf8` operator.
    pub struct Config {
        field: String = "body".to_owned(),
    }
}

#[derive(Clone)]
struct Sanitize(Field);

impl Change for Sanitize {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        let text = match self.0.get(entry) {
            // Strings are UTF-8 here.
            Some(AnyValue::String(_)) => return Ok(()),
            Some(AnyValue::Bytes(bytes)) => AnyValue::String(Str::from_utf8_lossy(bytes)),
            Some(_) => return Err("the value to sanitize is not a string".into()),
            None => return Err("the field to sanitize does not exist".into()),
        };
        Ok(self.0.set(entry, text)?)
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    check(Field::parse(&config.field), section.path, "field", issues).map(|field| changer(Sanitize(field)))
}
