//! One decoding of a section: where it is, what went wrong, and what the next try leaves out.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::diagnostic::{Diagnostic, Place};
use super::node::{Entry, Node};
use super::secrets;
use super::suggest;

/// What was found so far, and which nodes are left out of the next try.
#[derive(Default)]
pub(super) struct Session {
    pub found: RefCell<Vec<Diagnostic>>,
    faulty: RefCell<HashSet<Identity>>,
    /// Nulls in place of a map, list or struct: their fields keep the default.
    defaulted: RefCell<HashSet<Identity>>,
    /// Optional sections that say `enabled: false`.
    disabled: RefCell<HashSet<Identity>>,
}

/// The address of a node, which stays where it is for as long as a session lasts.
type Identity = usize;

fn identity(node: &Node) -> Identity {
    std::ptr::from_ref(node).addr()
}

impl Session {
    pub fn is_left_out(&self, node: &Node) -> bool {
        let node = identity(node);
        self.faulty.borrow().contains(&node) || self.defaulted.borrow().contains(&node)
    }

    pub fn is_disabled(&self, section: &Node) -> bool {
        self.disabled.borrow().contains(&identity(section))
    }

    /// Leaves a key out that was dealt with apart from its struct.
    pub fn leave_out(&self, node: &Node) {
        self.defaulted.borrow_mut().insert(identity(node));
    }

    /// Takes the error in and leaves its node out of the next try. False when there is no sense
    /// in one.
    pub fn absorb(&self, error: &Error, root: &Node) -> bool {
        let Some(At { node, place, path }) = &error.0.at else { return false };
        let left_out = match error.0.kind {
            Fault::KeepsDefault => &self.defaulted,
            Fault::Disabled => &self.disabled,
            Fault::Consequence => &self.faulty,
            Fault::Message(_) | Fault::UnknownKey(_) | Fault::Missing(_) => {
                let found = Diagnostic::error(place.clone(), path, error.to_string());
                self.found.borrow_mut().push(found);
                &self.faulty
            }
        };
        left_out.borrow_mut().insert(*node) && *node != identity(root)
    }
}

/// One node of the section on its turn.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub node: &'a Node,
    pub path: Path<'a>,
    pub session: &'a Session,
    /// It is the field of a struct, which can keep its default.
    pub is_field: bool,
    /// It is an optional section, which `enabled: false` turns off.
    pub is_section: bool,
}

impl<'a> Cursor<'a> {
    /// The root of a section; `base` is its path in the document.
    pub fn new(node: &'a Node, base: &'a str, session: &'a Session) -> Self {
        Self { node, path: Path::Root(base), session, is_field: false, is_section: false }
    }

    /// A node below this one.
    pub fn child<'b>(&self, node: &'b Node, path: Path<'b>) -> Cursor<'b>
    where
        'a: 'b,
    {
        Cursor { node, path, session: self.session, is_field: false, is_section: false }
    }
}

/// Keys and indices from the root of the section.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    Root(&'a str),
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// Whether a key on the way says that the values below are secret.
    fn is_secret(&self) -> bool {
        match self {
            Self::Root(base) => base.split("::").any(secrets::is_secret_key),
            Self::Key(parent, key) => secrets::is_secret_key(key) || parent.is_secret(),
            Self::Index(parent, _) => parent.is_secret(),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(base) => f.write_str(base),
            Self::Key(Path::Root(""), key) => f.write_str(key),
            Self::Index(Path::Root(""), index) => write!(f, "{index}"),
            Self::Key(parent, key) => write!(f, "{parent}::{key}"),
            Self::Index(parent, index) => write!(f, "{parent}::{index}"),
        }
    }
}

// ---------------------------------------------------------------- errors

/// Why a node could not be decoded.
#[derive(Debug)]
pub(super) struct Error(Box<Located>);

#[derive(Debug)]
struct Located {
    kind: Fault,
    at: Option<At>,
}

#[derive(Debug)]
enum Fault {
    Message(String),
    UnknownKey(String),
    Missing(&'static str),
    /// No error: a null whose field keeps its default.
    KeepsDefault,
    /// No error: a section that is turned off.
    Disabled,
    /// Missing because its node was found faulty before.
    Consequence,
}

#[derive(Debug)]
struct At {
    node: Identity,
    place: Place,
    path: String,
}

impl Error {
    fn new(kind: Fault) -> Self {
        Self(Box::new(Located { kind, at: None }))
    }

    /// For a null whose field keeps its default: the next try goes without it.
    pub fn keeps_default() -> Self {
        Self::new(Fault::KeepsDefault)
    }

    /// For a section that is turned off: the next try takes it as absent.
    pub fn disabled() -> Self {
        Self::new(Fault::Disabled)
    }

    /// Says where it was, unless that is known more precisely already.
    pub fn at(mut self, here: &Cursor<'_>) -> Self {
        if self.0.at.is_none() {
            match &mut self.0.kind {
                Fault::Missing(field) => {
                    let faulty = here.session.faulty.borrow();
                    if here.node.get(field).is_some_and(|node| faulty.contains(&identity(node))) {
                        self.0.kind = Fault::Consequence;
                    }
                }
                Fault::Message(message) if here.node.secret || here.path.is_secret() => {
                    *message = secrets::mask(message, &here.node.scalar_text());
                }
                _ => {}
            }
            self.0.at = Some(At {
                node: identity(here.node),
                place: here.node.place.clone(),
                path: here.path.to_string(),
            });
        }
        self
    }

    /// Says that it was a key of this map or struct.
    pub fn at_key(mut self, here: &Cursor<'_>, entry: &Entry) -> Self {
        let path = match self.0.kind {
            Fault::UnknownKey(_) => here.path.to_string(),
            _ => Path::Key(&here.path, &entry.key).to_string(),
        };
        self.0.at = Some(At { node: identity(&entry.value), place: entry.key_place.clone(), path });
        self
    }

    /// Moves it to the node that the faulty one was made from.
    pub fn moved_to(mut self, here: &Cursor<'_>) -> Self {
        if let Some(at) = &mut self.0.at {
            at.node = identity(here.node);
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            Fault::Message(message) | Fault::UnknownKey(message) => f.write_str(message),
            Fault::Missing(field) => write!(f, "\"{field}\" is missing"),
            Fault::KeepsDefault | Fault::Disabled | Fault::Consequence => f.write_str("no value"),
        }
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Fault::Message(message.to_string()))
    }
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {}", words(&found)))
    }
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }
    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let hint = suggest::hint(variant, known.iter().copied());
        Self::custom(format_args!("unknown value \"{variant}\"{hint} (valid values: {})", known.join(", ")))
    }
    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new(Fault::UnknownKey(unknown_key(field, known)))
    }
    fn missing_field(field: &'static str) -> Self {
        Self::new(Fault::Missing(field))
    }
    fn duplicate_field(field: &'static str) -> Self {
        Self::custom(format_args!("\"{field}\" is set twice, by two of its names"))
    }
}

/// The message for a key that does not exist.
fn unknown_key(key: &str, known: &[&str]) -> String {
    const FEW: usize = 12;
    let hint = suggest::hint(key, known.iter().copied());
    if !hint.is_empty() || known.len() > FEW {
        return format!("unknown key \"{key}\"{hint}");
    }
    match known {
        [] => format!("unknown key \"{key}\": there are no keys here"),
        _ => format!("unknown key \"{key}\" (valid keys: {})", known.join(", ")),
    }
}

fn words(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("the boolean {value}"),
        Unexpected::Unsigned(value) => format!("the integer {value}"),
        Unexpected::Signed(value) => format!("the integer {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(text) => format!("the text \"{text}\""),
        Unexpected::Unit | Unexpected::Option => "null".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => other.to_string(),
    }
}
