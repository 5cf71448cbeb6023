//! The `assign_keys` operator: names for the elements of a list.

use crate::config::Issues;
use crate::otlp::{AnyValue, Attributes, KeyValue, Str};

use super::super::entry::Entry;
use super::parsing::{Change, changer, required};
use super::{Decoded, Field, OperatorType, Problem, Section, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "assign_keys", decode };

operator_config! {
    /// Keys of the `assign_keys` operator.
    pub struct Config {
        field: String = String::new(),
        keys: Vec<String> = Vec::new(),
    }
}

#[derive(Clone)]
struct AssignKeys {
    field: Field,
    keys: Vec<Str>,
}

impl Change for AssignKeys {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        match self.field.get(entry) {
            Some(AnyValue::Array(items)) if items.len() == self.keys.len() => {}
            Some(AnyValue::Array(items)) => {
                let message =
                    format!("wrong number of elements: expected {}, found {}", self.keys.len(), items.len());
                return Err(message.into());
            }
            Some(_) => return Err("the field to assign keys to is not a list".into()),
            None => return Err("the field to assign keys to does not exist".into()),
        }
        let Some(AnyValue::Array(items)) = self.field.remove(entry) else { return Ok(()) };
        let mut map: Vec<KeyValue> = Vec::with_capacity(items.len());
        for (key, item) in self.keys.iter().zip(items) {
            map.set(key.clone(), item);
        }
        Ok(self.field.set(entry, AnyValue::Map(map))?)
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let field = required(&config.field, section.path, "field", issues);
    if config.keys.is_empty() {
        issues.error(section.path, "missing required parameter \"keys\": name the elements");
        return None;
    }
    Some(changer(AssignKeys { field: field?, keys: config.keys.into_iter().map(Str::from).collect() }))
}
