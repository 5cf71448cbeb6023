//! The sections of components: each id finds its type, each type decodes its config.

use std::collections::{BTreeMap, BTreeSet};

use super::decode::Decoder;
use super::diagnostic::{Diagnostic, Place, Severity};
use super::id::ComponentId;
use super::node::Node;
use super::suggest;
use crate::component::ComponentType;
use crate::pipeline::Signal;

/// A configured component.
pub struct Component<C: ?Sized + 'static, S: 'static = Signal> {
    pub id: ComponentId,
    pub kind: &'static ComponentType<C, S>,
    pub config: Box<C>,
}

/// The components of one section by id.
pub type Components<C, S = Signal> = BTreeMap<ComponentId, Component<C, S>>;

/// An id of a section, whether or not its config is right.
pub(super) struct Declared<T: 'static> {
    pub place: Place,
    /// None when the type is unknown: what it supports is not known either.
    pub kind: Option<T>,
}

/// A section as far as it could be understood.
pub(super) struct Section<C: ?Sized + 'static, S: 'static = Signal> {
    pub declared: BTreeMap<ComponentId, Declared<&'static ComponentType<C, S>>>,
    pub components: Components<C, S>,
}

impl<C: ?Sized, S> Section<C, S> {
    /// Decodes all components of the section called `name`.
    pub fn decode(
        name: &str,
        section: &Node,
        types: &[&'static ComponentType<C, S>],
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut all = Self { declared: BTreeMap::new(), components: BTreeMap::new() };
        let mut noted = BTreeSet::new();
        for entry in section.map() {
            let path = format!("{name}::{}", entry.key.trim());
            let error = |message: String| Diagnostic::error(entry.key_place.clone(), path.clone(), message);
            let id: ComponentId = match entry.key.parse() {
                Ok(id) => id,
                Err(reason) => {
                    found.push(Diagnostic::error(
                        entry.key_place.clone(),
                        name,
                        format!("\"{}\" is no id: {reason}", entry.key),
                    ));
                    continue;
                }
            };
            if let Some(first) = all.declared.get(&id) {
                found.push(error(format!("duplicate name \"{id}\", first set at {}", first.place)));
                continue;
            }
            let kind = types.iter().copied().find(|kind| kind.is_called(&id.kind));
            all.declared.insert(id.clone(), Declared { place: entry.key_place.clone(), kind });
            let Some(kind) = kind else {
                found.push(error(unknown_type(&id.kind, types)));
                continue;
            };
            if kind.name != id.kind && noted.insert(kind.name) {
                let message = format!("\"{}\" is another name of type \"{}\"", id.kind, kind.name);
                found.push(Diagnostic::new(Severity::Note, entry.key_place.clone(), path.clone(), message));
            }
            let mut decoder = Decoder::at(&entry.value, path);
            let config = (kind.decode)(&mut decoder);
            found.append(&mut decoder.into_found());
            if let Some(config) = config {
                all.components.insert(id.clone(), Component { id, kind, config });
            }
        }
        all
    }
}

fn unknown_type<C: ?Sized, S>(wrong: &str, types: &[&'static ComponentType<C, S>]) -> String {
    if wrong == "logging" && types.iter().any(|kind| kind.name == "debug") {
        return "unknown type \"logging\": it is called \"debug\" now".to_owned();
    }
    let names = types.iter().flat_map(|kind| std::iter::once(kind.name).chain(kind.aliases.iter().copied()));
    let hint = suggest::hint(wrong, names);
    let valid: Vec<&str> = types.iter().map(|kind| kind.name).collect();
    format!("unknown type \"{wrong}\"{hint} (valid types: {})", valid.join(", "))
}
