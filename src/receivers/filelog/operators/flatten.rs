//! The `flatten` operator: the entries of a map move one level up.

use crate::config::Issues;
use crate::otlp::AnyValue;

use super::super::entry::Entry;
use super::parsing::{Change, changer, check};
use super::{Decoded, Field, OperatorType, Problem, Section, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "flatten", decode };

operator_config! {
    /// Keys of the `flatten` operator.
    pub struct Config {
        field: String = String::new(),
    }
}

#[derive(Clone)]
struct Flatten {
    field: Field,
    parent: Field,
}

impl Change for Flatten {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        match self.field.get(entry) {
            Some(AnyValue::Map(_)) => {}
            Some(_) => return Err("the field to flatten is not a map".into()),
            None => return Err("the field to flatten does not exist".into()),
        }
        let Some(AnyValue::Map(entries)) = self.field.remove(entry) else { return Ok(()) };
        Ok(self.parent.set(entry, AnyValue::Map(entries))?)
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let field = check(Field::parse(&config.field), section.path, "field", issues)?;
    let parent = field.parent();
    Some(changer(Flatten { field, parent }))
}
