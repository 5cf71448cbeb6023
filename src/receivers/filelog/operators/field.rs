//! Paths to a part of an entry: `body`, `attributes.user["k8s.name"]`, `resource.host`.

use std::fmt;

use crate::otlp::{AnyValue, Attributes, KeyValue, Str, attributes};

use super::super::entry::Entry;

/// A path, parsed once at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    root: Root,
    keys: Vec<Str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    Body,
    Attributes,
    Resource,
}

/// Why a text is no path, or a value cannot go to one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    #[error("a field must not be empty: write \"body\", \"attributes.name\" or \"resource.name\"")]
    Empty,
    #[error("\"{0}\" has an unrecognized prefix: a field starts with body, attributes or resource")]
    UnknownRoot(String),
    #[error("{0} cannot be referenced without subfield: write \"{0}.name\"")]
    NeedsKey(&'static str),
    #[error("\"{0}\" has an empty key")]
    EmptyKey(String),
    #[error("\"{0}\" has an unclosed bracket: write [\"key\"]")]
    Unclosed(String),
    #[error("\"{0}\" needs \".\" or \"[\" after \"]\"")]
    AfterBracket(String),
    #[error("{0} can only be set to a map")]
    NotAMap(&'static str),
}

impl Root {
    pub fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Attributes => "attributes",
            Self::Resource => "resource",
        }
    }
}

impl Field {
    /// The body as a whole.
    pub fn body() -> Self {
        Self { root: Root::Body, keys: Vec::new() }
    }

    /// All attributes.
    pub fn attributes() -> Self {
        Self { root: Root::Attributes, keys: Vec::new() }
    }

    /// One attribute, whatever characters its key holds.
    pub fn attribute(key: impl Into<Str>) -> Self {
        Self { root: Root::Attributes, keys: vec![key.into()] }
    }

    /// Parses a path that names one value: `attributes` and `resource` need a key.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let field = Self::parse_root(text)?;
        match field.root {
            Root::Attributes | Root::Resource if field.keys.is_empty() => {
                Err(FieldError::NeedsKey(field.root.name()))
            }
            _ => Ok(field),
        }
    }

    /// Parses a path that may be all attributes or the whole resource too.
    pub fn parse_root(text: &str) -> Result<Self, FieldError> {
        if text.is_empty() {
            return Err(FieldError::Empty);
        }
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let root = match &text[..end] {
            "body" => Root::Body,
            "attributes" => Root::Attributes,
            "resource" => Root::Resource,
            _ => return Err(FieldError::UnknownRoot(text.to_owned())),
        };
        let mut keys = Vec::new();
        let mut rest = &text[end..];
        while !rest.is_empty() {
            let (key, after) = if let Some(inner) = rest.strip_prefix('[') {
                let bad = || FieldError::Unclosed(text.to_owned());
                let quote = inner.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(bad)?;
                let (key, after) = inner[1..].split_once(quote).ok_or_else(bad)?;
                let after = after.strip_prefix(']').ok_or_else(bad)?;
                if !after.is_empty() && !after.starts_with(['.', '[']) {
                    return Err(FieldError::AfterBracket(text.to_owned()));
                }
                (key, after)
            } else {
                let dotted = rest.strip_prefix('.').unwrap_or(rest);
                dotted.split_at(dotted.find(['.', '[']).unwrap_or(dotted.len()))
            };
            if key.is_empty() {
                return Err(FieldError::EmptyKey(text.to_owned()));
            }
            keys.push(key.into());
            rest = after;
        }
        Ok(Self { root, keys })
    }

    pub fn root(&self) -> Root {
        self.root
    }

    /// The keys below the root; empty for the root itself.
    pub fn keys(&self) -> &[Str] {
        &self.keys
    }

    /// The map this field is in; a root is in itself.
    pub fn parent(&self) -> Self {
        let mut parent = self.clone();
        parent.keys.pop();
        parent
    }

    /// The value, if it is there. All attributes and the whole resource are no single value:
    /// see [`Field::get_map`].
    pub fn get<'a>(&self, entry: &'a Entry) -> Option<&'a AnyValue> {
        match (self.root, self.keys.split_first()) {
            (Root::Body, _) => descend(&entry.body, &self.keys),
            (Root::Attributes, Some((first, rest))) => descend(entry.attributes.get(first)?, rest),
            (Root::Resource, Some((first, rest))) => {
                descend(attributes::find_from_end(&entry.resource, first)?, rest)
            }
            (Root::Attributes | Root::Resource, None) => None,
        }
    }

    /// The entries of a map, of all attributes or of the whole resource.
    pub fn get_map<'a>(&self, entry: &'a Entry) -> Option<&'a [KeyValue]> {
        match self.root {
            Root::Attributes if self.keys.is_empty() => Some(&entry.attributes),
            Root::Resource if self.keys.is_empty() => Some(&entry.resource),
            _ => self.get(entry)?.as_map(),
        }
    }

    /// A copy of the value, a map for all attributes or the whole resource.
    pub fn get_cloned(&self, entry: &Entry) -> Option<AnyValue> {
        match self.root {
            Root::Attributes | Root::Resource if self.keys.is_empty() => {
                self.get_map(entry).map(|map| AnyValue::Map(map.to_vec()))
            }
            _ => self.get(entry).cloned(),
        }
    }

    /// Sets the value. On the way, what is no map is replaced by one; a map is merged into a map
    /// that is there.
    pub fn set(&self, entry: &mut Entry, value: AnyValue) -> Result<(), FieldError> {
        let (mut place, path) = match (self.root, self.keys.split_first()) {
            (Root::Body, _) => (&mut entry.body, &self.keys[..]),
            (Root::Attributes, Some((first, path))) => (entry.attributes.slot(first), path),
            (Root::Resource, Some((first, path))) => (slot(entry.resource_mut(), first), path),
            (Root::Attributes | Root::Resource, None) => return self.merge_all(entry, value),
        };
        for key in path {
            place = slot(as_map_mut(place), key);
        }
        put(place, value);
        Ok(())
    }

    /// Merges a map into all attributes or the whole resource.
    fn merge_all(&self, entry: &mut Entry, value: AnyValue) -> Result<(), FieldError> {
        match value {
            AnyValue::Empty => {}
            AnyValue::Map(new) if self.root == Root::Attributes => entry.attributes.merge(new),
            AnyValue::Map(new) => merge(entry.resource_mut(), new),
            _ => return Err(FieldError::NotAMap(self.root.name())),
        }
        Ok(())
    }

    /// Takes the value out. The body leaves nil behind, all attributes leave none.
    pub fn remove(&self, entry: &mut Entry) -> Option<AnyValue> {
        match (self.root, &self.keys[..]) {
            (Root::Body, []) => Some(std::mem::take(&mut entry.body)),
            (Root::Body, keys) => take_below(&mut entry.body, keys),
            (Root::Attributes, []) => Some(AnyValue::Map(std::mem::take(&mut entry.attributes).into_vec())),
            (Root::Attributes, [key]) => entry.attributes.take(key),
            (Root::Attributes, [first, path @ ..]) => take_below(entry.attributes.get_mut(first)?, path),
            (Root::Resource, []) => Some(AnyValue::Map(std::mem::take(entry.resource_mut()))),
            (Root::Resource, keys) => {
                // Do not copy a shared resource for a key that is not there.
                self.get(entry)?;
                take(entry.resource_mut(), keys)
            }
        }
    }
}

/// Merges `new` into `map`, replacing keys that are there.
fn merge(map: &mut Vec<KeyValue>, new: Vec<KeyValue>) {
    if map.is_empty() {
        *map = new;
        return;
    }
    for entry in new {
        map.set(entry.key, entry.value);
    }
}

fn descend<'a>(mut value: &'a AnyValue, path: &[Str]) -> Option<&'a AnyValue> {
    for key in path {
        let AnyValue::Map(map) = value else { return None };
        value = attributes::find_from_end(map, key)?;
    }
    Some(value)
}

fn take_below(value: &mut AnyValue, keys: &[Str]) -> Option<AnyValue> {
    match value {
        AnyValue::Map(map) => take(map, keys),
        _ => None,
    }
}

fn take(map: &mut Vec<KeyValue>, keys: &[Str]) -> Option<AnyValue> {
    match keys {
        [] => None,
        [key] => map.take(key),
        [first, path @ ..] => take_below(map.get_mut(first)?, path),
    }
}

fn slot<'a>(map: &'a mut Vec<KeyValue>, key: &Str) -> &'a mut AnyValue {
    let place = attributes::position(map, key).unwrap_or_else(|| {
        map.push(KeyValue::new(key.clone(), AnyValue::Empty));
        map.len() - 1
    });
    &mut map[place].value
}

fn as_map_mut(value: &mut AnyValue) -> &mut Vec<KeyValue> {
    if !matches!(value, AnyValue::Map(_)) {
        *value = AnyValue::Map(Vec::new());
    }
    match value {
        AnyValue::Map(map) => map,
        _ => unreachable!("it was made a map above"),
    }
}

/// Sets a value where one may be: a map is merged into a map.
pub(super) fn put(slot: &mut AnyValue, value: AnyValue) {
    match (slot, value) {
        (AnyValue::Map(map), AnyValue::Map(new)) => merge(map, new),
        (slot, value) => *slot = value,
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root.name())?;
        for key in &self.keys {
            if key.contains(['.', '[', ']']) { write!(f, "[\"{key}\"]") } else { write!(f, ".{key}") }?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let mut entry = Entry { body: AnyValue::from("line"), ..Entry::default() };
        entry.attributes.set("a.b", "dotted");
        entry.attributes.set("nested", AnyValue::Map(vec![KeyValue::new("x", 1_i64)]));
        entry
    }

    #[test]
    fn paths_parse_as_upstream_and_print_back() {
        for (text, keys) in [
            ("body", &[][..]),
            ("attributes.a", &["a"]),
            ("attributes[\"a.b\"]", &["a.b"]),
            ("resource['x'].y[\"z.1\"]", &["x", "y", "z.1"]),
            ("body.a[\"b c\"].d", &["a", "b c", "d"]),
        ] {
            let field = Field::parse(text).expect(text);
            assert_eq!(field.keys(), keys, "{text}");
            assert_eq!(Field::parse(&field.to_string()), Ok(field), "{text}");
        }
    }

    #[test]
    fn bad_paths_say_what_to_do() {
        for (text, message) in [
            ("", "must not be empty"),
            ("$body", "unrecognized prefix"),
            ("message", "unrecognized prefix"),
            ("attributes", "cannot be referenced without subfield"),
            ("resource", "cannot be referenced without subfield"),
            ("attributes.", "empty key"),
            ("attributes..a", "empty key"),
            ("attributes[a]", "unclosed bracket"),
            ("attributes[\"a]", "unclosed bracket"),
            ("attributes[\"a\"]b", "after \"]\""),
        ] {
            let error = Field::parse(text).expect_err(text).to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
        assert!(Field::parse_root("attributes").is_ok());
    }

    #[test]
    fn get_set_and_remove_walk_maps() {
        let mut entry = entry();
        let get = |text: &str, entry: &Entry| Field::parse(text).unwrap().get(entry).cloned();
        assert_eq!(get("attributes[\"a.b\"]", &entry), Some("dotted".into()));
        assert_eq!(get("attributes.nested.x", &entry), Some(1.into()));
        assert_eq!(get("attributes.nested.y", &entry), None);
        assert_eq!(get("attributes[\"a.b\"].c", &entry), None);
        Field::parse("attributes[\"a.b\"].c").unwrap().set(&mut entry, 2.into()).unwrap();
        assert_eq!(get("attributes[\"a.b\"].c", &entry), Some(2.into()));
        Field::parse("body.deep.er").unwrap().set(&mut entry, true.into()).unwrap();
        assert_eq!(get("body.deep.er", &entry), Some(true.into()));
        assert_eq!(Field::parse("body.deep.er").unwrap().remove(&mut entry), Some(true.into()));
        assert_eq!(Field::parse("body.deep.er").unwrap().remove(&mut entry), None);
        assert!(matches!(Field::parse("body").unwrap().remove(&mut entry), Some(AnyValue::Map(_))));
        assert!(entry.body.is_empty());
    }

    #[test]
    fn a_map_merges_and_a_root_takes_only_maps() {
        let mut entry = entry();
        let map = |key: &str| AnyValue::Map(vec![KeyValue::new(key, "new")]);
        Field::parse("attributes.nested").unwrap().set(&mut entry, map("y")).unwrap();
        assert_eq!(Field::parse("attributes.nested").unwrap().get_map(&entry).unwrap().len(), 2);
        Field::attributes().set(&mut entry, map("nested")).unwrap();
        assert_eq!(entry.attributes.get_str("nested"), Some("new"));
        assert_eq!(Field::attributes().set(&mut entry, 1.into()), Err(FieldError::NotAMap("attributes")));
        Field::parse_root("resource").unwrap().set(&mut entry, map("r")).unwrap();
        assert_eq!(entry.resource.get_str("r"), Some("new"));
    }

    trait GetStr {
        fn get_str(&self, key: &str) -> Option<&str>;
    }
    impl GetStr for std::sync::Arc<Vec<KeyValue>> {
        fn get_str(&self, key: &str) -> Option<&str> {
            Attributes::get_str(&**self, key)
        }
    }
}
