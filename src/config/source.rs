//! Where configuration comes from, and how several sources become one.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Place};
use super::expand::{Expander, valid_scheme};
use super::node::{Entry, Node, Value};
use super::parse::{MAX_TEXT, parse};

/// One `--config` or `--set`. Later ones win over earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    File(PathBuf),
    /// A file as it was when it was read.
    Text {
        path: PathBuf,
        text: String,
    },
    /// The value of a variable is the text.
    Env(String),
    /// The text itself; `a::b: c` sets a key below another.
    Yaml(String),
    /// `--set a.b.c=v`; the key with its dots.
    Set {
        key: String,
        value: String,
    },
}

/// Why an argument is no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("unsupported scheme \"{0}\" (valid: file:, env:, yaml:)")]
    Scheme(String),
    #[error("\"--set {0}\" needs a value: write --set a.b.c=value")]
    NoValue(String),
    #[error("the argument must not be empty")]
    Empty,
}

/// The argument of `--config`: `scheme:rest`, or a path.
impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if valid_scheme(scheme) => (scheme, rest),
            _ => ("file", text),
        };
        if rest.is_empty() {
            return Err(SourceError::Empty);
        }
        match scheme {
            "file" => Ok(Self::File(rest.into())),
            "env" => Ok(Self::Env(rest.to_owned())),
            "yaml" => Ok(Self::Yaml(rest.to_owned())),
            _ => Err(SourceError::Scheme(scheme.to_owned())),
        }
    }
}

impl Source {
    /// The argument of `--set`. Dots separate keys, so keys that hold one cannot be set.
    pub fn set(text: &str) -> Result<Self, SourceError> {
        let (key, value) = text.split_once('=').ok_or_else(|| SourceError::NoValue(text.to_owned()))?;
        Ok(Self::Set { key: key.trim().to_owned(), value: value.trim().to_owned() })
    }

    /// The source with the text of a file that can be read, so that it stays the same from now on.
    pub fn captured(self) -> Self {
        match self {
            Self::File(path) => match read_file(&path) {
                Ok(text) => Self::Text { path, text },
                Err(_) => Self::File(path),
            },
            other => other,
        }
    }

    /// Reads and parses the source; its root is a map.
    pub(super) fn read(&self, expander: &mut Expander<'_>) -> Result<Node, Vec<Diagnostic>> {
        let name: Arc<str> = match self {
            Self::File(path) | Self::Text { path, .. } => path.to_string_lossy().into(),
            Self::Env(name) => format!("env:{name}").into(),
            Self::Yaml(_) => "yaml".into(),
            Self::Set { key, .. } => format!("--set {key}").into(),
        };
        let whole = Place::of_source(&name);
        let text = match self {
            Self::File(path) => {
                read_file(path).map_err(|message| vec![Diagnostic::error(whole.clone(), "", message)])?
            }
            Self::Env(variable) => {
                expander.variable(variable, &whole, "").map_err(|error| vec![error])?.unwrap_or_default()
            }
            Self::Yaml(text) | Self::Text { text, .. } => text.clone(),
            Self::Set { key, value } => format!("{}: {value}", key.replace('.', "::")),
        };
        let mut node = parse(&text, Some(&name))?;
        if let Self::Set { .. } = self {
            node.walk(&mut |node| node.place = whole.clone());
        }
        match node.value {
            Value::Null => Ok(Node::new(Value::Map(Vec::new()), whole)),
            Value::Map(entries) => Ok(Node::new(Value::Map(nested(entries)), node.place)),
            _ => {
                let message = format!("a configuration is a map, found {}", node.kind());
                Err(vec![Diagnostic::error(node.place, "", message)])
            }
        }
    }
}

/// Reads a text file of bounded size.
pub(super) fn read_file(path: &Path) -> Result<String, String> {
    let unreadable = |error| format!("cannot read the file: {error}");
    let mut text = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_TEXT as u64 + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() > MAX_TEXT {
        return Err(format!("the file is larger than {} MiB", MAX_TEXT >> 20));
    }
    String::from_utf8(text).map_err(|_| "the file is not UTF-8 text".to_owned())
}

/// Takes keys such as `a::b::c` apart into maps.
fn nested(entries: Vec<Entry>) -> Vec<Entry> {
    if !entries.iter().any(|entry| entry.key.contains("::")) {
        return entries;
    }
    let mut all = Node::new(Value::Map(Vec::new()), Place::default());
    for Entry { key, key_place, value } in entries {
        let mut parts = key.rsplit("::");
        let last = parts.next().unwrap_or_default().to_owned();
        let innermost = Entry { key: last, key_place: key_place.clone(), value };
        let entry = parts.fold(innermost, |inner, part| Entry {
            key: part.to_owned(),
            key_place: key_place.clone(),
            value: Node::new(Value::Map(vec![inner]), key_place.clone()),
        });
        merge(&mut all, Node::new(Value::Map(vec![entry]), Place::default()));
    }
    match all.value {
        Value::Map(entries) => entries,
        _ => Vec::new(),
    }
}

/// Lays `over` on `base`: maps merge, everything else is replaced. Values keep their places.
pub(super) fn merge(base: &mut Node, over: Node) {
    match (&mut base.value, over.value) {
        (Value::Map(entries), Value::Map(new)) => {
            let mut known: HashMap<String, usize> =
                entries.iter().enumerate().map(|(i, entry)| (entry.key.clone(), i)).collect();
            for entry in new {
                if let Some(old) = known.get(&entry.key).and_then(|&i| entries.get_mut(i)) {
                    old.key_place = entry.key_place;
                    merge(&mut old.value, entry.value);
                } else {
                    known.insert(entry.key.clone(), entries.len());
                    entries.push(entry);
                }
            }
        }
        (_, value) => *base = Node { value, ..over },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn source(text: &str) -> Result<Source, SourceError> {
        text.parse()
    }

    #[test]
    fn arguments_are_paths_unless_they_name_a_scheme() {
        assert_eq!(source("agent.yaml"), Ok(Source::File("agent.yaml".into())));
        assert_eq!(source("file:agent.yaml"), Ok(Source::File("agent.yaml".into())));
        assert_eq!(source("C:agent.yaml"), Ok(Source::File("C:agent.yaml".into())));
        assert_eq!(source("env:CONFIG"), Ok(Source::Env("CONFIG".into())));
        assert_eq!(source("yaml:a::b: c"), Ok(Source::Yaml("a::b: c".into())));
        assert_eq!(source("https://x"), Err(SourceError::Scheme("https".into())));
        assert_eq!(source(""), Err(SourceError::Empty));
        assert_eq!(source("env:"), Err(SourceError::Empty));
        assert_eq!(Source::set("a.b=c=d"), Ok(Source::Set { key: "a.b".into(), value: "c=d".into() }));
        assert_eq!(Source::set("a.b"), Err(SourceError::NoValue("a.b".into())));
    }

    fn merged(texts: &[&str]) -> Node {
        let variables = BTreeMap::new();
        let mut expander = Expander::new(&variables);
        let mut all = Node::default();
        for text in texts {
            merge(&mut all, source(text).unwrap().read(&mut expander).unwrap());
        }
        all
    }

    #[test]
    fn maps_merge_while_scalars_and_lists_are_replaced() {
        let all = merged(&[
            "yaml:{a: {x: 1, y: [1, 2], z: {deep: 1}}, b: text}",
            "yaml:{a: {y: [3], z: {other: 2}}, b: {now: map}, c: null}",
            "yaml:a::z::deep: 5",
        ]);
        let want: Node =
            super::super::from_yaml("{a: {x: 1, y: [3], z: {deep: 5, other: 2}}, b: {now: map}, c: null}")
                .unwrap();
        assert_eq!(all, want);
        assert_eq!(all.nearest("a::z::deep").place().to_string(), "yaml:1:13");
        assert_eq!(all.nearest("a::x").place().to_string(), "yaml:1:9");
    }

    #[test]
    fn set_is_yaml_below_its_key_and_its_place_is_the_argument() {
        let variables = BTreeMap::new();
        let mut expander = Expander::new(&variables);
        let node = Source::set("processors.batch.timeout=2s").unwrap().read(&mut expander).unwrap();
        let timeout = node.nearest("processors::batch::timeout");
        assert_eq!(timeout.as_str(), Some("2s"));
        assert_eq!(timeout.place().to_string(), "--set processors.batch.timeout");
        let node = Source::set("a.list=[1, 2]").unwrap().read(&mut expander).unwrap();
        assert_eq!(node.nearest("a::list").items().len(), 2);
    }

    #[test]
    fn a_source_is_a_map() {
        let variables = BTreeMap::from([("CONFIG".to_owned(), "[1]".to_owned())]);
        let mut expander = Expander::new(&variables);
        let error = Source::Env("CONFIG".into()).read(&mut expander).unwrap_err();
        assert_eq!(error[0].to_string(), "env:CONFIG:1:1: a configuration is a map, found a list");
    }

    #[test]
    fn files_are_read_with_limits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.yaml");
        std::fs::write(&path, "a".repeat(MAX_TEXT + 1)).unwrap();
        assert_eq!(read_file(&path), Err("the file is larger than 4 MiB".into()));
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(read_file(&path), Err("the file is not UTF-8 text".into()));
        let missing = read_file(&dir.path().join("missing")).unwrap_err();
        assert_eq!(missing, "cannot read the file: No such file or directory (os error 2)");
    }
}
