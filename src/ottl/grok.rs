//! Grok: regular expressions with named, nested building blocks.

use super::pattern::Pattern;
use crate::otlp::{AnyValue, Attributes, KeyValue};

/// A compiled grok pattern.
#[derive(Debug)]
pub struct Grok {
    pattern: Pattern,
    /// Names whose values are not strings.
    types: Vec<(String, Type)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Int,
    Float,
    Bool,
}

/// Deepest nesting of definitions.
const DEPTH: usize = 32;
/// Longest pattern with everything filled in.
const LENGTH: usize = 256 * 1024;

impl Grok {
    /// With `named_only`, blocks without a name are not in the result.
    pub fn new(pattern: &str, named_only: bool, definitions: &[(String, String)]) -> Result<Self, String> {
        let mut expansion = Expansion { named_only, definitions, types: Vec::new(), names: Vec::new() };
        let expanded = expansion.expand(pattern, 0)?;
        let compiled = Pattern::new(&expanded)?;
        if !compiled.has_names() {
            return Err("the pattern has no named part: write %{NAME:key}".to_owned());
        }
        Ok(Self { pattern: compiled, types: expansion.types })
    }

    /// What the pattern finds first; nothing when it finds nothing.
    pub fn extract(&self, text: &str) -> Vec<KeyValue> {
        let mut entries = self.pattern.extract(text);
        for (name, kind) in &self.types {
            if let Some(value) = entries.get_mut(name)
                && let Some(text) = value.as_str()
                && let Some(typed) = kind.parse(text)
            {
                *value = typed;
            }
        }
        entries
    }
}

impl Type {
    fn of_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "int" | "long" => Self::Int,
            "double" | "float" => Self::Float,
            "bool" | "boolean" => Self::Bool,
            _ => return None,
        })
    }

    /// What cannot be read so stays a string.
    fn parse(self, text: &str) -> Option<AnyValue> {
        match self {
            Self::Int => text.parse().ok().map(AnyValue::Int),
            Self::Float => text.parse().ok().map(AnyValue::Double),
            Self::Bool => text.to_ascii_lowercase().parse().ok().map(AnyValue::Bool),
        }
    }
}

struct Expansion<'d> {
    named_only: bool,
    definitions: &'d [(String, String)],
    types: Vec<(String, Type)>,
    names: Vec<String>,
}

impl Expansion<'_> {
    fn expand(&mut self, pattern: &str, depth: usize) -> Result<String, String> {
        if depth > DEPTH {
            return Err("the definitions contain themselves".to_owned());
        }
        let mut out = String::new();
        let mut rest = pattern;
        while let Some(start) = rest.find("%{") {
            out.push_str(&rest[..start]);
            let block = &rest[start + 2..];
            let end = block.find('}').ok_or("a %{ has no }")?;
            out.push_str(&self.block(&block[..end], depth)?);
            if out.len() > LENGTH {
                return Err(format!("the pattern is longer than {LENGTH} bytes with everything filled in"));
            }
            rest = &block[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// `SYNTAX`, `SYNTAX:name` or `SYNTAX:name:type`.
    fn block(&mut self, block: &str, depth: usize) -> Result<String, String> {
        let mut parts = block.splitn(3, ':');
        let syntax = parts.next().unwrap_or_default();
        let name = parts.next();
        if let (Some(name), Some(kind)) = (name, parts.next()) {
            let kind = Type::of_name(kind).ok_or_else(|| {
                format!("unknown type \"{kind}\" in %{{{block}}}: use int, float or boolean")
            })?;
            self.types.push((name.to_owned(), kind));
        }
        let own =
            self.definitions.iter().find(|(known, _)| known == syntax).map(|(_, pattern)| pattern.clone());
        let definition = own.or_else(|| {
            super::grok_patterns::PATTERNS
                .iter()
                .find(|(known, _)| *known == syntax)
                .map(|(_, p)| (*p).to_owned())
        });
        let definition = definition.ok_or_else(|| {
            let known = super::grok_patterns::PATTERNS.iter().map(|(name, _)| *name);
            format!("unknown grok pattern \"{syntax}\"{}", super::error::did_you_mean(syntax, known))
        })?;
        let inner = self.expand(&definition, depth + 1)?;
        // Without a name of its own a block of the pattern itself is called by its syntax.
        let name = name.or((!self.named_only && depth == 0).then_some(syntax));
        Ok(match name {
            Some(name) if !self.names.iter().any(|known| known == name) => {
                self.names.push(name.to_owned());
                format!("(?P<{name}>{inner})")
            }
            _ => format!("(?:{inner})"),
        })
    }
}
