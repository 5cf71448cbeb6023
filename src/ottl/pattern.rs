//! Regular expressions and globs as statements use them: with groups by name, and replacements.

use regex::{Captures, Regex, RegexBuilder};

use crate::otlp::{AnyValue, KeyValue, Str};
use crate::pattern;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    /// The named groups: number and name as written.
    groups: Vec<(usize, Str)>,
    /// The one named group spans the whole match: no need to track groups.
    whole: bool,
}

/// Largest compiled glob in bytes.
const SIZE_LIMIT: usize = 4 * 1024 * 1024;

impl Pattern {
    pub fn new(pattern: &str) -> Result<Self, String> {
        let (regex, groups) = pattern::compile_named(pattern).map_err(|error| error.to_string())?;
        let whole = groups.len() == 1 && pattern::is_one_group(&regex);
        let groups = groups.into_iter().map(|(number, name)| (number, name.into())).collect();
        Ok(Self { regex, groups, whole })
    }

    pub fn regex(&self) -> &Regex {
        &self.regex
    }

    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    pub fn has_names(&self) -> bool {
        !self.groups.is_empty()
    }

    /// The named groups of the first match; none of them when there is no match, "" for a group
    /// that took no part.
    pub fn extract(&self, text: &str) -> Vec<KeyValue> {
        if self.whole {
            return match self.regex.find(text) {
                Some(found) => vec![KeyValue::new(self.groups[0].1.clone(), found.as_str())],
                None => Vec::new(),
            };
        }
        let Some(captures) = self.regex.captures(text) else { return Vec::new() };
        let mut entries = Vec::with_capacity(self.groups.len());
        for (number, name) in &self.groups {
            let value = captures.get(*number).map_or("", |group| group.as_str());
            entries.push(KeyValue { key: name.clone(), value: AnyValue::from(value) });
        }
        entries
    }

    /// Appends `replacement` with `$1`, `${1}`, `$name` and `${name}` filled in and `$$` for a
    /// dollar sign; groups that do not exist are empty.
    pub fn expand(&self, replacement: &str, captures: &Captures<'_>, out: &mut String) {
        let mut rest = replacement;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let Some((name, after)) = group_name(rest) else {
                out.push('$');
                continue;
            };
            out.push_str(self.group(name, captures));
            rest = after;
        }
        out.push_str(rest);
    }

    fn group<'t>(&self, name: &str, captures: &Captures<'t>) -> &'t str {
        let number = match name.parse::<usize>() {
            Ok(number) if !name.starts_with('+') => Some(number),
            _ => self.groups.iter().find(|(_, known)| known == name).map(|(number, _)| *number),
        };
        number.and_then(|number| captures.get(number)).map_or("", |group| group.as_str())
    }
}

/// The group name after a `$`, and what follows it.
fn group_name(rest: &str) -> Option<(&str, &str)> {
    let word = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    if let Some(inner) = rest.strip_prefix('{') {
        let len = word(inner);
        return (len > 0 && inner[len..].starts_with('}')).then(|| (&inner[..len], &inner[len + 1..]));
    }
    let len = word(rest);
    (len > 0).then(|| rest.split_at(len))
}

impl Pattern {
    /// A glob that must match a whole text: `*` any run of characters, `?` one, `[a-z]`, `[!a]`,
    /// `{a,b}`, `\` for the next character itself.
    pub fn glob(glob: &str) -> Result<Self, String> {
        let bad = || format!("bad glob {glob:?}");
        let translated = translate_glob(glob).ok_or_else(bad)?;
        let regex = RegexBuilder::new(&translated).size_limit(SIZE_LIMIT).build().map_err(|_| bad())?;
        Ok(Self { regex, groups: Vec::new(), whole: false })
    }
}

fn translate_glob(glob: &str) -> Option<String> {
    let mut out = String::from(r"\A(?s:");
    let mut braces = 0;
    let mut chars = glob.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => {
                while chars.next_if_eq(&'*').is_some() {}
                out.push_str(".*");
            }
            '?' => out.push('.'),
            '{' => {
                braces += 1;
                out.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                out.push(')');
            }
            ',' if braces > 0 => out.push('|'),
            '[' => {
                out.push('[');
                if chars.next_if_eq(&'!').is_some() {
                    out.push('^');
                }
                loop {
                    match chars.next()? {
                        ']' => break,
                        '-' => out.push('-'),
                        inner => out.push_str(&regex::escape(inner.encode_utf8(&mut [0; 4]))),
                    }
                }
                out.push(']');
            }
            '\\' => out.push_str(&regex::escape(chars.next()?.encode_utf8(&mut [0; 4]))),
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push_str(r")\z");
    (braces == 0).then_some(out)
}
