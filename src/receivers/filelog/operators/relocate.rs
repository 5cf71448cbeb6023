//! The `move` and `copy` operators.

use crate::config::Issues;

use super::super::entry::Entry;
use super::parsing::{Change, changer, required};
use super::{Decoded, Field, OperatorType, Problem, Section, operator_config};

pub static MOVE: OperatorType = OperatorType { name: "move", decode: decode_move };
pub static COPY: OperatorType = OperatorType { name: "copy", decode: decode_copy };

operator_config! {
    /// Keys of the `move` and `copy` operators.
    pub struct Config {
        from: String = String::new(),
        to: String = String::new(),
    }
}

#[derive(Clone)]
struct Move {
    from: Field,
    to: Field,
}

#[derive(Clone)]
struct Copy {
    from: Field,
    to: Field,
}

impl Change for Move {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        let value = self.from.remove(entry).ok_or("the field to move does not exist")?;
        Ok(self.to.set(entry, value)?)
    }
}

impl Change for Copy {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        let value = self.from.get_cloned(entry).ok_or("the field to copy does not exist")?;
        Ok(self.to.set(entry, value)?)
    }
}

fn fields(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<(Field, Field)> {
    let config: Config = section.node.decode(section.path, issues)?;
    let from = rootable(&config.from, section.path, "from", issues);
    let to = required(&config.to, section.path, "to", issues);
    Some((from?, to?))
}

/// The source may be all attributes or the whole resource.
fn rootable(text: &str, path: &str, key: &str, issues: &mut Issues<'_>) -> Option<Field> {
    match Field::parse_root(text) {
        Ok(field) => Some(field),
        Err(_) => required(text, path, key, issues),
    }
}

fn decode_move(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let (from, to) = fields(section, issues)?;
    let moves = Some((from.clone(), to.clone()));
    Some(Decoded { moves, ..changer(Move { from, to }) })
}

fn decode_copy(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    fields(section, issues).map(|(from, to)| changer(Copy { from, to }))
}
