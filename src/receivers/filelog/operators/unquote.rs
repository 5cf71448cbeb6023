//! The `unquote` operator: Go string literals (`"…"`, `` `…` ``, `'c'`) to their text.

use crate::config::Issues;
use crate::otlp::AnyValue;

use super::super::entry::Entry;
use super::parsing::{Change, changer, required};
use super::{Decoded, Field, OperatorType, Problem, Section, operator_config};

pub static TYPE: OperatorType = OperatorType { name: "unquote", decode };

operator_config! {
    /// Keys of the `unquote` operator.
    pub struct Config {
        field: String = String::new(),
    }
}

#[derive(Clone)]
struct Unquote(Field);

impl Change for Unquote {
    fn change(&mut self, entry: &mut Entry) -> Result<(), Problem> {
        // A missing field is left alone.
        let Some(value) = self.0.get(entry) else { return Ok(()) };
        let text = value.as_str().ok_or("the value to unquote is not a string")?;
        let unquoted = unquote(text).ok_or("the value is not a quoted string")?;
        Ok(self.0.set(entry, AnyValue::from(unquoted))?)
    }
}

/// The text of a Go literal. Bytes that are no UTF-8 (`\xff`) become U+FFFD.
fn unquote(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '`' | '\''))?;
    let inner = text[1..].strip_suffix(quote)?;
    match quote {
        '`' => return (!inner.contains('`')).then(|| inner.replace('\r', "")),
        '\'' if inner.is_empty() => return None,
        _ => {}
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut count = 0;
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        count += 1;
        match c {
            '\n' => return None,
            c if c == quote => return None,
            '\\' => rest = escape(rest, quote, &mut bytes)?,
            c => push(c, &mut bytes),
        }
    }
    (quote == '"' || count == 1).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

fn push(c: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Reads an escape; the backslash is passed. Returns the text after it.
fn escape<'a>(text: &'a str, quote: char, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let c = text.chars().next()?;
    let rest = &text[c.len_utf8()..];
    let number = |rest: &'a str, digits: usize, radix: u32| {
        let (number, rest) = rest.split_at_checked(digits)?;
        let valid = number.chars().all(|c| c.is_digit(radix));
        Some((u32::from_str_radix(number, radix).ok().filter(|_| valid)?, rest))
    };
    let plain = match c {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '"' | '\'' if c == quote => c as u8,
        'x' => {
            let (byte, rest) = number(rest, 2, 16)?;
            bytes.push(byte as u8);
            return Some(rest);
        }
        '0'..='7' => {
            let (byte, rest) = number(text, 3, 8)?;
            bytes.push(u8::try_from(byte).ok()?);
            return Some(rest);
        }
        'u' | 'U' => {
            let (code, rest) = number(rest, if c == 'u' { 4 } else { 8 }, 16)?;
            push(char::from_u32(code)?, bytes);
            return Some(rest);
        }
        _ => return None,
    };
    bytes.push(plain);
    Some(rest)
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    required(&config.field, section.path, "field", issues).map(|field| changer(Unquote(field)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_literals_become_their_text() {
        for (text, want) in [
            (r#""a\tb\"\\\x41\101\u00e9\U0001F600""#, Some("a\tb\"\\AAé😀")),
            (r#""\xff""#, Some("\u{fffd}")),
            ("`a\\n`", Some("a\\n")),
            ("'x'", Some("x")),
            (r"'\''", Some("'")),
            ("'xy'", None),
            (r#""\'""#, None),
            (r#""a"b""#, None),
            ("\"a\nb\"", None),
            (r#""\q""#, None),
            (r#""\x4""#, None),
            ("plain", None),
            ("\"", None),
            ("", None),
        ] {
            assert_eq!(unquote(text).as_deref(), want, "{text}");
        }
    }
}
