//! YAML text → [`Node`], with limits that hold against hostile text.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::diagnostic::{Diagnostic, Place};
use super::node::{Entry, Node, Value};
use super::scalar;

/// Longest text of one source in bytes; a ConfigMap holds at most 1 MiB.
pub(super) const MAX_TEXT: usize = 4 << 20;
/// Deepest nesting of maps and lists.
pub(super) const MAX_DEPTH: usize = 100;
/// Most memory that one source may become, aliases expanded, in bytes.
const MAX_SIZE: usize = 64 << 20;
/// What one node counts beside its text.
const NODE_SIZE: usize = size_of::<Entry>();

/// Parses one document. `source` is how its places name it. An empty text is null.
///
/// Everything is reported that the parser can go on after; a syntax error ends it.
pub(super) fn parse(text: &str, source: Option<&Arc<str>>) -> Result<Node, Vec<Diagnostic>> {
    let at = |line, column| Place { source: source.cloned(), line, column };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_TEXT {
        let message = format!("the text is too large: {} bytes, at most {MAX_TEXT}", text.len());
        return Err(vec![Diagnostic::error(at(0, 0), "", message)]);
    }
    if let Some((line, column, c)) = forbidden(text) {
        let message = format!("the control character {} is not allowed in YAML", c.escape_unicode());
        return Err(vec![Diagnostic::error(at(line, column), "", message)]);
    }
    read(text, source).or_else(|errors| {
        // Go's parser does not mind how flow collections are indented.
        super::flow::deepen(text).and_then(|deeper| read(&deeper, source).ok()).ok_or(errors)
    })
}

/// Reads a text that is small enough and has no forbidden characters.
fn read(text: &str, source: Option<&Arc<str>>) -> Result<Node, Vec<Diagnostic>> {
    let at = |line, column| Place { source: source.cloned(), line, column };
    let mut builder = Builder { source, ..Builder::default() };
    let mut events = Parser::new_from_str(text);
    while let Some(event) = events.next_event() {
        let step = event.map_err(|error| builder.syntax(&error)).and_then(|(event, span)| {
            let place = at(span.start.line() as u32, span.start.col() as u32 + 1);
            builder.take(event, place)
        });
        if let Err(error) = step {
            builder.errors.push(error);
            break;
        }
    }
    if builder.errors.is_empty() { Ok(builder.root.unwrap_or_default()) } else { Err(builder.errors) }
}

/// The first character that YAML forbids; to the parser a NUL would be the end of the text.
fn forbidden(text: &str) -> Option<(u32, u32, char)> {
    let (at, c) = text
        .char_indices()
        .find(|(_, c)| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'))?;
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    Some((line as u32, column as u32, c))
}

#[derive(Default)]
struct Builder<'a> {
    source: Option<&'a Arc<str>>,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchor>,
    size: usize,
    documents: usize,
    root: Option<Node>,
    errors: Vec<Diagnostic>,
}

/// A value that aliases refer to.
struct Anchor {
    node: Node,
    size: usize,
}

/// A map or list whose end has not come yet.
struct Open {
    place: Place,
    anchor: usize,
    size_before: usize,
    inner: Inner,
}

enum Inner {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<Key>, merged: Vec<Entry>, known: HashMap<String, Place> },
}

struct Key {
    text: String,
    place: Place,
    /// `<<` written plainly: its value is merged in.
    merge: bool,
}

type Step = Result<(), Diagnostic>;

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, place: Place) -> Step {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Diagnostic::error(
                        place,
                        "",
                        "a second YAML document begins here: a configuration is one document, write it without \"---\"",
                    ));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                if self.awaits_key() {
                    let merge = text == "<<" && style == ScalarStyle::Plain;
                    return self.key(Key { text: text.into_owned(), place, merge });
                }
                let value = scalar_value(&text, style, tag.as_deref())
                    .map_err(|message| Diagnostic::error(place.clone(), self.path(), message))?;
                let before = self.size;
                self.grow(NODE_SIZE + text.len(), &place)?;
                self.complete(Node::new(value, place), anchor, before)
            }
            Event::SequenceStart(anchor, _) => self.open(anchor, place, Inner::List(Vec::new())),
            Event::MappingStart(anchor, _) => self.open(
                anchor,
                place,
                Inner::Map { entries: Vec::new(), key: None, merged: Vec::new(), known: HashMap::new() },
            ),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.inner {
                    Inner::List(items) => Value::List(items),
                    Inner::Map { entries, merged, known, .. } => {
                        Value::Map(with_merged(entries, merged, known))
                    }
                };
                self.complete(Node::new(value, open.place), open.anchor, open.size_before)
            }
            Event::Alias(anchor) => self.alias(anchor, place),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { inner: Inner::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, new: Key) -> Step {
        self.grow(new.text.len(), &new.place)?;
        let path = self.path();
        let Some(Open { inner: Inner::Map { key, known, .. }, .. }) = self.open.last_mut() else {
            return Ok(());
        };
        if let Some(first) = known.get(&new.text) {
            let message = format!("duplicate key \"{}\", first set at {first}", new.text);
            self.errors.push(Diagnostic::error(new.place.clone(), path, message));
        } else {
            known.insert(new.text.clone(), new.place.clone());
        }
        *key = Some(new);
        Ok(())
    }

    fn open(&mut self, anchor: usize, place: Place, inner: Inner) -> Step {
        if self.awaits_key() {
            return Err(Diagnostic::error(place, self.path(), "a key must be text, not a map or a list"));
        }
        if self.open.len() >= MAX_DEPTH {
            let message = format!("nested too deeply: at most {MAX_DEPTH} levels");
            return Err(Diagnostic::error(place, "", message));
        }
        let size_before = self.size;
        self.grow(NODE_SIZE, &place)?;
        self.open.push(Open { place, anchor, size_before, inner });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Step {
        let Some(Anchor { node, size }) = self.anchors.get(&anchor) else {
            return Err(Diagnostic::error(
                place,
                self.path(),
                "an alias must not be part of what it refers to",
            ));
        };
        if self.awaits_key() {
            let text = match &node.value {
                Value::String(text) => text.clone(),
                _ => return Err(Diagnostic::error(place, self.path(), "a key must be text")),
            };
            return self.key(Key { text, place, merge: false });
        }
        let (node, size, before) = (node.clone(), *size, self.size);
        self.grow(size, &place)?;
        if self.open.len() + node.depth() > MAX_DEPTH {
            let message = format!("nested too deeply: at most {MAX_DEPTH} levels");
            return Err(Diagnostic::error(place, "", message));
        }
        self.complete(node, 0, before)
    }

    /// A value is whole: it goes into the map or list around it.
    fn complete(&mut self, mut node: Node, anchor: usize, size_before: usize) -> Step {
        if anchor > 0 {
            let size = self.size - size_before;
            self.grow(size, &node.place)?;
            self.anchors.insert(anchor, Anchor { node: node.clone(), size });
        }
        match self.open.last_mut().map(|open| &mut open.inner) {
            None => self.root = Some(node),
            Some(Inner::List(items)) => items.push(node),
            Some(Inner::Map { entries, key, merged, .. }) => {
                let Some(Key { text, place, merge }) = key.take() else { return Ok(()) };
                if merge {
                    return merge_into(merged, node)
                        .map_err(|message| Diagnostic::error(place, self.path(), message));
                }
                // Where a block begins is below its key, and a null is nowhere.
                if matches!(node.value, Value::Map(_) | Value::List(_) | Value::Null) {
                    node.place = place.clone();
                }
                entries.push(Entry { key: text, key_place: place, value: node });
            }
        }
        Ok(())
    }

    fn grow(&mut self, by: usize, place: &Place) -> Step {
        self.size = self.size.saturating_add(by);
        if self.size > MAX_SIZE {
            let message = format!("the configuration grows beyond {} MiB here", MAX_SIZE >> 20);
            return Err(Diagnostic::error(place.clone(), "", message));
        }
        Ok(())
    }

    /// Where the parser is now.
    fn path(&self) -> String {
        let parts = self.open.iter().filter_map(|open| match &open.inner {
            Inner::List(items) => Some(items.len().to_string()),
            Inner::Map { key, .. } => key.as_ref().map(|key| key.text.clone()),
        });
        parts.collect::<Vec<_>>().join("::")
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let place = Place {
            source: self.source.cloned(),
            line: error.marker().line() as u32,
            column: error.marker().col() as u32 + 1,
        };
        Diagnostic::error(place, "", format!("not valid YAML: {}", error.info()))
    }
}

/// Tags force a type, as in `!!str 12`; tags of others leave the text as it is.
fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let Some(tag) = tag else {
        return Ok(match style {
            ScalarStyle::Plain => scalar::resolve(text),
            _ => Value::String(text.to_owned()),
        });
    };
    if !tag.is_yaml_core_schema() {
        return Ok(Value::String(text.to_owned()));
    }
    let resolved = scalar::resolve(text);
    match (tag.suffix.as_str(), resolved) {
        ("str" | "timestamp", _) => Ok(Value::String(text.to_owned())),
        ("null", value @ Value::Null)
        | ("bool", value @ Value::Bool(_))
        | ("int", value @ Value::Int(_))
        | ("float", value @ Value::Float(_)) => Ok(value),
        ("float", Value::Int(value)) => Ok(Value::Float(value as f64)),
        (suffix, _) => Err(format!("\"{text}\" is no \"!!{suffix}\"")),
    }
}

/// The value of `<<`: a map, or a list of maps of which the earlier ones win.
fn merge_into(merged: &mut Vec<Entry>, node: Node) -> Result<(), &'static str> {
    const WRONG: &str = "\"<<\" merges a map or a list of maps";
    match node.value {
        Value::Map(entries) => merged.extend(entries),
        Value::List(items) => {
            for item in items {
                let Value::Map(entries) = item.value else { return Err(WRONG) };
                merged.extend(entries);
            }
        }
        _ => return Err(WRONG),
    }
    Ok(())
}

/// Keys written in the map itself win over merged ones, and those merged first over later ones.
fn with_merged(mut entries: Vec<Entry>, merged: Vec<Entry>, mut known: HashMap<String, Place>) -> Vec<Entry> {
    for entry in merged {
        if !known.contains_key(&entry.key) {
            known.insert(entry.key.clone(), entry.key_place.clone());
            entries.push(entry);
        }
    }
    entries
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
