//! Moves out of one map, one after the other: `attributes.parsed.level` to `attributes.log_level` if
//! it is there, else `attributes.parsed.severity` … What a parser has found is sorted out like that,
//! and looking for each of the names costs more than looking once at what was found.

use crate::otlp::attributes::{is_same, mark};
use crate::otlp::marked::Marked;
use crate::otlp::{AnyValue, KeyValue, Str};

use super::Field;
use super::chain::Step;
use super::field::{Root, put};

/// Several steps that are one.
pub struct Moves {
    /// The attribute that is the map.
    map: Str,
    moves: Vec<Move>,
    names: Names,
    /// The step after the last one.
    pub next: usize,
}

struct Move {
    to: Str,
    /// Only if nothing is there yet.
    unless_there: bool,
}

/// Most moves of one run, and most entries of a map that is looked at: the bits of a word.
const MOST: usize = u64::BITS as usize;

impl Moves {
    /// The moves that begin at a step; `None` when there are no two.
    pub fn starting_at(steps: &[Step], at: usize) -> Option<Self> {
        let (map, ..) = parts(&steps[at])?;
        let mut found = Self { map: map.clone(), moves: Vec::new(), names: Names::new(), next: at };
        while found.moves.len() < MOST
            && let Some(step) = steps.get(found.next)
            && let [next] = step.outputs[..]
            && let Some((map, name, one)) = parts(step)
            && *map == found.map
        {
            found.names.add(name, 1 << found.moves.len());
            found.moves.push(one);
            found.next = next;
        }
        (found.moves.len() > 1).then_some(found)
    }

    /// Does what the steps would do. False, and nothing is done, when they have to do it one by one.
    pub fn run(&self, attributes: &mut Marked) -> bool {
        let Some(place) = attributes.position(&self.map) else { return false };
        let AnyValue::Map(found) = attributes.value_mut(place) else { return false };
        if found.len() > MOST {
            return false;
        }
        let mut due = 0_u64;
        let mut places = [0_u8; MOST];
        for (n, entry) in found.iter().enumerate() {
            let mut moves = if entry.value.is_empty() { 0 } else { self.names.find(&entry.key) & !due };
            due |= moves;
            while moves != 0 {
                places[moves.trailing_zeros() as usize] = n as u8;
                moves &= moves - 1;
            }
        }
        if due == 0 {
            return true;
        }
        let mut found = std::mem::take(found);
        let mut gone = 0_u64;
        while due != 0 {
            let n = due.trailing_zeros() as usize;
            due &= due - 1;
            let from = usize::from(places[n]);
            let is_gone = gone >> from & 1 == 1;
            if !is_gone && self.moves[n].run(&mut found[from].value, attributes) {
                gone |= 1 << from;
            }
        }
        let mut rest = gone;
        found.retain(|_| {
            let stays = rest & 1 == 0;
            rest >>= 1;
            stays
        });
        *attributes.value_mut(place) = AnyValue::Map(found);
        true
    }
}

impl Move {
    /// False when the value stays.
    fn run(&self, from: &mut AnyValue, attributes: &mut Marked) -> bool {
        match attributes.position(&self.to) {
            Some(place) if self.unless_there && !attributes[place].value.is_empty() => return false,
            Some(place) => put(attributes.value_mut(place), std::mem::take(from)),
            None => attributes.push(KeyValue { key: self.to.clone(), value: std::mem::take(from) }),
        }
        true
    }
}

/// The map, the name in it and the move, if the step is a move from there to an attribute that
/// happens whenever the name is there, or only when the attribute is not.
fn parts(step: &Step) -> Option<(&Str, &Str, Move)> {
    let (from, to) = &**step.moves.as_ref()?;
    let in_attributes = |field: &Field| field.root() == Root::Attributes;
    let ([map, name], [target]) = (from.keys(), to.keys()) else { return None };
    let asked = step.condition.as_ref()?.presence()?;
    let unless_there = match asked.nothing {
        None => false,
        Some([other]) if other == target => true,
        Some(_) => return None,
    };
    let looks_there = asked.something == from.keys() && target != map;
    (looks_there && in_attributes(from) && in_attributes(to))
        .then(|| (map, name, Move { to: target.clone(), unless_there }))
}

/// Names with the moves, as bits, that begin at them. Most of what is looked for is not among them,
/// which its length and its ends show.
struct Names {
    known: Vec<(Str, u64)>,
    /// By the [`mark`] of a name: one more than where in `known` the first one with that mark is.
    first: [u8; 256],
}

impl Names {
    fn new() -> Self {
        Self { known: Vec::new(), first: [0; 256] }
    }

    fn add(&mut self, name: &Str, moves: u64) {
        if let Some((_, all)) = self.known.iter_mut().find(|(known, _)| known == name) {
            *all |= moves;
            return;
        }
        self.known.push((name.clone(), moves));
        let first = &mut self.first[mark(name)];
        if *first == 0 {
            *first = self.known.len() as u8;
        }
    }

    fn find(&self, name: &str) -> u64 {
        let first = usize::from(self.first[mark(name)]);
        if first == 0 {
            return 0;
        }
        let alike = &self.known[first - 1..];
        alike.iter().find(|(known, _)| is_same(known, name)).map_or(0, |(_, moves)| *moves)
    }
}
