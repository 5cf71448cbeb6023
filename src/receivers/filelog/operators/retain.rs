//! The `retain` operator: of each root that a field names, nothing but the named fields stays.

use crate::config::Issues;
use crate::otlp::AnyValue;

use super::super::entry::Entry;
use super::field::Root;
use super::parsing::{Change, changer, check};
use super::{Decoded, Field, OperatorType, Problem, Section, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "retain", decode };

operator_config! {
    /// Keys of the `retain` operator.
    pub struct Config {
        fields: Vec<String> = Vec::new(),
    }
}

#[derive(Clone)]
struct Retain(Vec<Field>);

impl Change for Retain {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        let kept: Vec<(&Field, AnyValue)> =
            self.0.iter().filter_map(|field| Some((field, field.remove(entry)?))).collect();
        for field in &self.0 {
            match field.root() {
                Root::Body => entry.body = AnyValue::Empty,
                Root::Attributes => entry.attributes.clear(),
                Root::Resource if entry.resource.is_empty() => {}
                Root::Resource => entry.resource_mut().clear(),
            }
        }
        for (field, value) in kept {
            field.set(entry, value)?;
        }
        Ok(())
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    if config.fields.is_empty() {
        issues.error(section.path, "missing required parameter \"fields\": name what stays");
        return None;
    }
    let fields: Vec<_> = config
        .fields
        .iter()
        .map(|text| check(Field::parse_root(text), section.path, "fields", issues))
        .collect();
    Some(changer(Retain(fields.into_iter().collect::<Option<_>>()?)))
}
