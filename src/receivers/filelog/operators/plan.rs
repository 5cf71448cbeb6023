//! From the `operators` list of a config to a checked plan of the chain.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::{Issues, Node};

use super::chain::{Chain, Step};
use crate::expr::Program;

use super::expression;
use super::{Decoded, Factory, Field, Section, Site, TYPES};

/// What happens to an entry whose operator fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// It goes on as it is.
    #[default]
    Send,
    Drop,
    /// As `send`, without a line in the log.
    SendQuiet,
    /// As `drop`, without a line in the log.
    DropQuiet,
}

impl OnError {
    pub fn drops(self) -> bool {
        matches!(self, Self::Drop | Self::DropQuiet)
    }
    pub fn is_quiet(self) -> bool {
        matches!(self, Self::SendQuiet | Self::DropQuiet)
    }
}

/// The checked operators of a receiver: makes a [`Chain`] at every start.
#[derive(Default)]
pub struct Plan {
    operators: Vec<Planned>,
    takes_raw: bool,
}

struct Planned {
    id: String,
    factory: Factory,
    outputs: Vec<usize>,
    routes: Vec<Vec<usize>>,
    on_error: OnError,
    condition: Option<Arc<Program>>,
    moves: Option<(Field, Field)>,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.operators.iter().map(|operator| &operator.id)).finish()
    }
}

/// The keys all operators have. The others are those of its type, which knows them.
#[derive(Debug)]
struct Common {
    kind: Option<String>,
    id: Option<String>,
    output: Option<OneOrMany>,
    on_error: OnError,
    condition: Option<String>,
}

impl Common {
    fn decode(node: &Node, path: &str, issues: &mut Issues<'_>) -> Option<Self> {
        fn key<T: DeserializeOwned>(
            node: &Node,
            path: &str,
            key: &str,
            issues: &mut Issues<'_>,
        ) -> Option<Option<T>> {
            match node.get(key) {
                Some(node) => node.decode(&format!("{path}::{key}"), issues),
                None => Some(None),
            }
        }
        let kind = key(node, path, "type", issues);
        let id = key(node, path, "id", issues);
        let output = key(node, path, "output", issues);
        let on_error: Option<Option<OnError>> = key(node, path, "on_error", issues);
        let condition = key(node, path, "if", issues);
        Some(Self {
            kind: kind?,
            id: id?,
            output: output?,
            on_error: on_error?.unwrap_or_default(),
            condition: condition?,
        })
    }
}

/// A text or a list of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = OneOrMany;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an operator id or a list of them")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = seq.next_element()? {
                    all.push(item);
                }
                Ok(OneOrMany(all))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

struct Parsed {
    id: String,
    path: String,
    common: Common,
    decoded: Decoded,
}

impl Plan {
    /// Decodes and checks all operators; `path` is where the list is in the receiver's section.
    /// Returns `None` when something is wrong, which `issues` then knows.
    pub fn decode(nodes: &[Node], path: &str, site: Site, issues: &mut Issues<'_>) -> Option<Self> {
        Self::decode_after(&[], nodes, path, site, issues)
    }

    /// The same with operators of the receiver itself before those of the user.
    pub fn decode_after(
        own: &[Node],
        nodes: &[Node],
        path: &str,
        site: Site,
        issues: &mut Issues<'_>,
    ) -> Option<Self> {
        let mut parsed = Vec::with_capacity(own.len() + nodes.len());
        for (place, node) in own.iter().chain(nodes).enumerate() {
            let path =
                place.checked_sub(own.len()).map_or_else(String::new, |place| format!("{path}::{place}"));
            let site = Site { first: place == 0, ..site };
            parsed.push(decode_one(node, path, site, issues));
        }
        let mut parsed: Vec<Parsed> = parsed.into_iter().collect::<Option<_>>()?;
        let ids = name_all(&mut parsed, issues)?;
        let takes_raw = parsed.first().is_some_and(|p| p.decoded.takes_raw && p.common.condition.is_none());
        let mut sound = true;
        let mut operators = Vec::with_capacity(parsed.len());
        let end = parsed.len();
        for (place, Parsed { id, path, common, decoded }) in parsed.into_iter().enumerate() {
            let mut resolve = |names: &[String], key: &str| -> Vec<usize> {
                let mut places = Vec::new();
                for name in names {
                    let Some(&to) = ids.get(name) else {
                        sound = false;
                        let message =
                            format!("operator \"{name}\" does not exist: name the id of another operator");
                        issues.error(&format!("{path}::{key}"), message);
                        continue;
                    };
                    places.push(to);
                }
                places
            };
            let outputs = match &common.output {
                Some(names) => resolve(&names.0, "output"),
                None if place + 1 < end => vec![place + 1],
                None => vec![Chain::END],
            };
            let routes = decoded.routes.iter().map(|names| resolve(names, "routes")).collect();
            let condition = match &common.condition {
                Some(source) => {
                    let program = expression::condition(source, &format!("{path}::if"), issues);
                    sound &= program.is_some();
                    program
                }
                None => None,
            };
            operators.push(Planned {
                id,
                factory: decoded.factory,
                outputs,
                routes,
                on_error: common.on_error,
                condition,
                moves: decoded.moves,
            });
        }
        let plan = Self { operators, takes_raw };
        if let Some(id) = plan.cycle() {
            issues.error(
                path,
                format!("operator \"{id}\" is part of a circle of outputs: let one of them go on"),
            );
            return None;
        }
        sound.then_some(plan)
    }

    pub fn is_empty(&self) -> bool {
        self.operators.is_empty()
    }

    /// The first operator takes lines as they are: bytes that are not UTF-8 and trailing blanks.
    pub fn takes_raw(&self) -> bool {
        self.takes_raw
    }

    /// Makes the operators.
    pub fn build(&self) -> Chain {
        Chain::new(
            self.operators
                .iter()
                .map(|planned| Step {
                    id: planned.id.as_str().into(),
                    operator: (planned.factory)(),
                    outputs: planned.outputs.clone(),
                    routes: planned.routes.clone(),
                    on_error: planned.on_error,
                    condition: planned.condition.clone(),
                    moves: planned.moves.clone().map(Box::new),
                    otherwise: None,
                    at_once: None,
                    last_problem: None,
                })
                .collect(),
        )
    }

    /// The id of an operator that reaches itself.
    fn cycle(&self) -> Option<&str> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        fn visit(at: usize, operators: &[Planned], marks: &mut [Mark]) -> Option<usize> {
            match marks.get(at) {
                None | Some(Mark::Done) => return None,
                Some(Mark::Open) => return Some(at),
                Some(Mark::New) => {}
            }
            marks[at] = Mark::Open;
            let operator = &operators[at];
            for &next in operator.outputs.iter().chain(operator.routes.iter().flatten()) {
                if let Some(found) = visit(next, operators, marks) {
                    return Some(found);
                }
            }
            marks[at] = Mark::Done;
            None
        }
        let mut marks = vec![Mark::New; self.operators.len()];
        (0..self.operators.len())
            .find_map(|at| visit(at, &self.operators, &mut marks))
            .map(|at| self.operators[at].id.as_str())
    }
}

fn decode_one(node: &Node, path: String, site: Site, issues: &mut Issues<'_>) -> Option<Parsed> {
    let mut common = Common::decode(node, &path, issues)?;
    let Some(kind) = common.kind.take() else {
        issues.error(&path, "an operator needs a type");
        return None;
    };
    let Some(found) = TYPES.iter().find(|candidate| candidate.name == kind) else {
        let message = format!("unsupported type \"{kind}\": there is no operator of that name");
        issues.error(&format!("{path}::type"), message);
        return None;
    };
    let decoded = (found.decode)(&Section { node, path: &path, site }, issues)?;
    let id = common.id.take();
    common.kind = Some(kind.clone());
    // An explicit id is kept; the others get theirs when all explicit ones are known.
    Some(Parsed { id: id.unwrap_or_default(), path, common, decoded })
}

/// Gives every operator its id: its own, or its type with a number when that is taken. Returns
/// where each id is.
fn name_all(parsed: &mut [Parsed], issues: &mut Issues<'_>) -> Option<HashMap<String, usize>> {
    let mut ids = HashMap::new();
    let mut sound = true;
    for (place, operator) in parsed.iter().enumerate().filter(|(_, operator)| !operator.id.is_empty()) {
        if ids.insert(operator.id.clone(), place).is_some() {
            sound = false;
            issues.error(
                &format!("{}::id", operator.path),
                format!("operator with id \"{}\" already exists in pipeline", operator.id),
            );
        }
    }
    for (place, operator) in parsed.iter_mut().enumerate().filter(|(_, operator)| operator.id.is_empty()) {
        let kind = operator.common.kind.as_deref().unwrap_or_default();
        let names = std::iter::once(kind.to_owned()).chain((1..).map(|number| format!("{kind}{number}")));
        let id = names.into_iter().find(|name| !ids.contains_key(name)).unwrap_or_default();
        ids.insert(id.clone(), place);
        operator.id = id;
    }
    sound.then_some(ids)
}
