//! The `remove` operator.

use crate::config::Issues;

use super::super::entry::Entry;
use super::parsing::{Change, changer, check};
use super::{Decoded, Field, OperatorType, Problem, Section, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "remove", decode };

operator_config! {
    /// Keys of the `remove` operator.
    pub struct Config {
        /// What to remove; may be all `attributes` or the whole `resource`.
        field: String = String::new(),
    }
}

#[derive(Clone)]
struct Remove(Field);

impl Change for Remove {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        self.0.remove(entry).map(drop).ok_or("the field to remove does not exist".into())
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    check(Field::parse_root(&config.field), section.path, "field", issues).map(|field| changer(Remove(field)))
}
