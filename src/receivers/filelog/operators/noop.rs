//! The `noop` operator: a place to route to.

use crate::config::Issues;

use super::super::entry::Entry;
use super::parsing::{Change, changer};
use super::{Decoded, OperatorType, Problem, Section, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "noop", decode };

operator_config! {
    /// The `noop` operator has no keys of its own.
    pub struct Config {}
}

#[derive(Clone)]
struct Noop;

impl Change for Noop {
    fn change(&mut self, _: &mut Entry) -> Result<(), Problem> {
        Ok(())
    }
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    section.node.decode::<Config>(section.path, issues).map(|_| changer(Noop))
}
