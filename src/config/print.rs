//! The merged and expanded configuration as YAML text, secrets masked.

use std::fmt::Write;

use super::node::{Entry, Node, Value};
use super::scalar;
use super::secrets::{REDACTED, is_secret_key, looks_secret};

impl Node {
    /// YAML that reads as the same values again, except for secrets, which are masked: what a
    /// secret variable holds, what stands under keys such as `headers`, `password` or `*_pem`, and
    /// the credentials of an `Authorization` header wherever they are.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        match &self.value {
            Value::Map(entries) if !entries.is_empty() => write_map(&mut out, entries, 0, self.secret),
            Value::List(items) if !items.is_empty() => write_list(&mut out, items, 0, self.secret),
            _ => {
                write_scalar(&mut out, self, self.secret);
                out.push('\n');
            }
        }
        out
    }
}

fn write_map(out: &mut String, entries: &[Entry], indent: usize, secret: bool) {
    for (i, entry) in entries.iter().enumerate() {
        if i > 0 || !out.ends_with("- ") {
            push_indent(out, indent);
        }
        out.push_str(&text(&entry.key));
        out.push(':');
        let secret = if secret {
            // In a list of headers the names may be seen.
            entry.key != "name"
        } else {
            is_secret_key(&entry.key) || is_value_of_secret(entry, entries)
        };
        write_value(out, &entry.value, indent + 2, secret);
    }
}

fn write_list(out: &mut String, items: &[Node], indent: usize, secret: bool) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 || !out.ends_with("- ") {
            push_indent(out, indent);
        }
        out.push('-');
        match &item.value {
            Value::Map(entries) if !entries.is_empty() => {
                out.push(' ');
                write_map(out, entries, indent + 2, secret || item.secret);
            }
            Value::List(inner) if !inner.is_empty() => {
                out.push(' ');
                write_list(out, inner, indent + 2, secret || item.secret);
            }
            _ => write_value(out, item, indent, secret),
        }
    }
}

fn write_value(out: &mut String, node: &Node, indent: usize, secret: bool) {
    let secret = secret || node.secret;
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            out.push('\n');
            write_map(out, entries, indent, secret);
        }
        Value::List(items) if !items.is_empty() => {
            out.push('\n');
            write_list(out, items, indent, secret);
        }
        _ => {
            out.push(' ');
            write_scalar(out, node, secret);
            out.push('\n');
        }
    }
}

fn write_scalar(out: &mut String, node: &Node, secret: bool) {
    let result = match &node.value {
        Value::Map(_) => write!(out, "{{}}"),
        Value::List(_) => write!(out, "[]"),
        Value::Null => write!(out, "null"),
        Value::Bool(value) => write!(out, "{value}"),
        _ if secret => write!(out, "\"{REDACTED}\""),
        // From a variable: as it was written there.
        Value::Int(_) | Value::Float(_) if node.original.is_some() => {
            write!(out, "{}", node.original.as_deref().unwrap_or_default().trim())
        }
        Value::Int(value) => write!(out, "{value}"),
        Value::Float(value) if value.is_nan() => write!(out, ".nan"),
        Value::Float(value) if value.is_infinite() => {
            write!(out, "{}.inf", if *value < 0.0 { "-" } else { "" })
        }
        Value::Float(value) => write!(out, "{value:?}"),
        Value::String(value) if looks_secret(value) => write!(out, "\"{REDACTED}\""),
        Value::String(value) => write!(out, "{}", text(&escape_dollars(value))),
    };
    result.expect("writing to a string does not fail");
}

fn push_indent(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// `value` beside `key: authorization` or `name: password`.
fn is_value_of_secret(entry: &Entry, siblings: &[Entry]) -> bool {
    entry.key == "value"
        && siblings.iter().any(|sibling| {
            matches!(sibling.key.as_str(), "key" | "name") && sibling.value.text().is_some_and(is_secret_key)
        })
}

/// So that reading it again does not take the text for a reference.
fn escape_dollars(text: &str) -> String {
    if text.contains("${") || text.contains("$$") { text.replace('$', "$$") } else { text.to_owned() }
}

/// Text as a YAML scalar: plain where nothing can be misread, else in double quotes.
fn text(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./*+@()=^".contains(c);
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "_/.(".contains(c));
    let words = text.split(' ').all(|word| !word.is_empty() && word.chars().all(plain));
    if starts_well && words && text != "..." && matches!(scalar::resolve(text), Value::String(_)) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                write!(quoted, "\\u{:04x}", u32::from(c)).expect("writing to a string does not fail");
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_yaml;

    fn printed(yaml: &str) -> String {
        from_yaml::<Node>(yaml).unwrap().to_yaml()
    }

    #[test]
    fn it_reads_as_the_same_again() {
        let yaml = "\
a: 1
b:
  - x
  - y: 0.5
    z: null
  - - 1
    - 2
  - []
c: {}
\"12\": \"0777\"
text: \"yes: no\"
lines: \"a\\nb\\t\\\"\\u0007\"
off: off
empty: \"\"
statement: \"set(a[\\\"b\\\"], 1) where true\"
";
        assert_eq!(printed(yaml), yaml);
        assert_eq!(printed("null"), "null\n");
        assert_eq!(printed("[.inf, -.inf, .nan]"), "- .inf\n- -.inf\n- .nan\n");
    }

    #[test]
    fn secrets_are_masked() {
        let masked = |yaml: &str| {
            let text = printed(yaml);
            assert!(!text.contains("s3cr3t"), "{text}");
            text
        };
        assert_eq!(masked("headers: {Authorization: s3cr3t}"), "headers:\n  Authorization: \"[REDACTED]\"\n");
        assert_eq!(
            masked("headers: [{name: X-Key, value: s3cr3t}]"),
            "headers:\n  - name: X-Key\n    value: \"[REDACTED]\"\n"
        );
        for yaml in [
            "api_key: s3cr3t",
            "API-Key: s3cr3t",
            "basic_auth: {username: u, password: s3cr3t}",
            "tls: {key_pem: s3cr3t, ca_pem: s3cr3t}",
            "authorization: {credentials: s3cr3t}",
            "x: Bearer s3cr3t-token",
            "token: [s3cr3t]",
            "actions: [{key: authorization, value: s3cr3t, action: insert}]",
        ] {
            masked(yaml);
        }
        assert_eq!(printed("token_file: /var/run/token"), "token_file: /var/run/token\n");
        assert_eq!(printed("x: the bearer of news"), "x: the bearer of news\n");
    }
}
