//! Regular expressions with the syntax of Go's RE2.
//!
//! `\d`, `\w`, `\s` and `\b` know ASCII alone; braces and brackets that mean nothing are literal;
//! groups may have names that begin with a digit.

use regex::{Captures, Regex, RegexBuilder};

use crate::otlp::{AnyValue, KeyValue, Str};

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    /// The named groups: number and name as written.
    groups: Vec<(usize, Str)>,
    /// The one named group spans the whole match: no need to track groups.
    whole: bool,
}

/// Largest compiled pattern in bytes.
const SIZE_LIMIT: usize = 4 * 1024 * 1024;

impl Pattern {
    pub fn new(pattern: &str) -> Result<Self, String> {
        let (translated, names) = translate(pattern);
        let regex = RegexBuilder::new(&translated)
            .octal(true)
            .size_limit(SIZE_LIMIT)
            .build()
            .map_err(|error| format!("bad regular expression {pattern:?}: {}", reason(&error)))?;
        let mut groups = Vec::new();
        for (number, name) in regex.capture_names().enumerate() {
            let Some(name) = name else { continue };
            // Made names are `g` and a place in the list of names as written.
            let written = name.strip_prefix(MADE).and_then(|place| names.get(place.parse::<usize>().ok()?));
            groups.push((number, written.map_or_else(|| name.into(), |written| written.as_str().into())));
        }
        let whole = groups.len() == 1 && names.len() == 1 && spans_whole(&translated);
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

/// The last line of the library's message: the others draw the pattern.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Whether the pattern is one capture group and nothing around it but flags.
fn spans_whole(translated: &str) -> bool {
    use regex_syntax::hir::HirKind;
    let Ok(hir) = regex_syntax::ParserBuilder::new().octal(true).build().parse(translated) else {
        return false;
    };
    matches!(hir.kind(), HirKind::Capture(capture) if capture.name.is_some())
}

const MADE: &str = "kmagent_group_";

/// Rewrites Go's syntax to that of the `regex` crate, and returns the group names as written.
fn translate(pattern: &str) -> (String, Vec<String>) {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut names = Vec::new();
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(next) = rest.chars().next() {
        let len = match next {
            '\\' => escape(rest, in_class, &mut out),
            '[' if in_class => class_bracket(rest, &mut out),
            '[' => {
                in_class = true;
                class_start(rest, &mut out)
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
                1
            }
            '&' | '~' | '-' if in_class && rest[1..].starts_with(next) => {
                out.push('\\');
                out.push(next);
                1
            }
            '(' if !in_class => group(rest, &mut out, &mut names),
            '{' if !in_class && !is_repetition(rest) => {
                out.push_str("\\{");
                1
            }
            other => {
                out.push(other);
                other.len_utf8()
            }
        };
        rest = &rest[len..];
    }
    (out, names)
}

fn escape(rest: &str, in_class: bool, out: &mut String) -> usize {
    let Some(letter) = rest[1..].chars().next() else {
        out.push('\\');
        return 1;
    };
    let ascii = match (letter, in_class) {
        ('d', true) => "0-9",
        ('w', true) => "0-9A-Za-z_",
        ('s', true) => r"\t\n\x0C\r\x20",
        ('d', false) => "[0-9]",
        ('w', false) => "[0-9A-Za-z_]",
        ('s', false) => r"[\t\n\x0C\r\x20]",
        ('D', _) => "[^0-9]",
        ('W', _) => "[^0-9A-Za-z_]",
        ('S', _) => r"[^\t\n\x0C\r\x20]",
        ('b', false) => r"(?-u:\b)",
        ('<' | '>', _) => {
            out.push(letter);
            return 2;
        }
        ('Q', false) => {
            let body = &rest[2..];
            let len = body.find("\\E").unwrap_or(body.len());
            out.push_str(&regex::escape(&body[..len]));
            return 2 + (len + 2).min(body.len());
        }
        _ => {
            out.push('\\');
            out.push(letter);
            return 1 + letter.len_utf8();
        }
    };
    out.push_str(ascii);
    2
}

/// `[`, `[^`, and a `]` that stands first and is literal.
fn class_start(rest: &str, out: &mut String) -> usize {
    let mut len = 1;
    out.push('[');
    if rest[len..].starts_with('^') {
        out.push('^');
        len += 1;
    }
    if rest[len..].starts_with(']') {
        out.push_str("\\]");
        len += 1;
    }
    len
}

/// A bracket inside a class: `[:alpha:]`, or literal.
fn class_bracket(rest: &str, out: &mut String) -> usize {
    if rest.starts_with("[:")
        && let Some(end) = rest.find(":]")
    {
        out.push_str(&rest[..end + 2]);
        return end + 2;
    }
    out.push_str("\\[");
    1
}

/// The opening of a group; names are replaced by ones the library takes.
fn group(rest: &str, out: &mut String, names: &mut Vec<String>) -> usize {
    for opening in ["(?P<", "(?<"] {
        if let Some(name) = rest.strip_prefix(opening)
            && let Some(end) = name.find('>')
            && !name[..end].is_empty()
            && name[..end].chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '@'))
            && !names.contains(&name[..end].to_owned())
        {
            out.extend(["(?P<", MADE, &names.len().to_string(), ">"]);
            names.push(name[..end].to_owned());
            return opening.len() + end + 1;
        }
    }
    out.push('(');
    1
}

/// Whether a brace begins `{2}`, `{2,}` or `{2,3}`.
fn is_repetition(rest: &str) -> bool {
    let Some(end) = rest.find('}') else { return false };
    let (from, to) = rest[1..end].split_once(',').unwrap_or((&rest[1..end], ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    !from.is_empty() && digits(from) && digits(to)
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
