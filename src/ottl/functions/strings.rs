//! Converters of strings.

use super::{Args, Function, ParamKind, opt, p};
use crate::otlp::{AnyValue, Str};
use crate::ottl::EvalError;
use crate::ottl::context::View;
use crate::ottl::limits;
use crate::ottl::text::text_of;
use crate::ottl::value::{Peek, Text, Value};

const TARGET: super::Param = p("target", ParamKind::Text);

pub const FUNCTIONS: &[Function] = &[
    Function::converter(
        "Concat",
        &[p("values", ParamKind::Values), p("delimiter", ParamKind::Text)],
        concat,
        "The text forms of the values, joined; nil is `<nil>`.",
    ),
    Function::converter(
        "ConvertCase",
        &[TARGET, p("toCase", ParamKind::Choice(&["lower", "upper", "snake", "camel"]))],
        convert_case,
        "The string in another case.",
    ),
    Function::converter(
        "HasPrefix",
        &[TARGET, p("prefix", ParamKind::Text)],
        has_prefix,
        "Whether a string begins so.",
    ),
    Function::converter(
        "HasSuffix",
        &[TARGET, p("suffix", ParamKind::Text)],
        has_suffix,
        "Whether a string ends so.",
    ),
    Function::converter(
        "IsMatch",
        &[p("target", ParamKind::TextLike), p("pattern", ParamKind::Regex)],
        is_match,
        "Whether the regex is found in the text form; false for nil.",
    ),
    Function::converter(
        "Split",
        &[TARGET, p("delimiter", ParamKind::Text)],
        split,
        "The parts of a string between delimiters.",
    ),
    Function::converter(
        "Substring",
        &[TARGET, p("start", ParamKind::Int), p("length", ParamKind::Int), opt("utf8_safe", ParamKind::Bool)],
        substring,
        "`length` bytes from byte `start` on; an error beyond the end.",
    ),
    Function::converter("ToCamelCase", &[TARGET], to_camel, "The string in CamelCase."),
    Function::converter("ToLowerCase", &[TARGET], to_lower, "The string in lower case."),
    Function::converter("ToSnakeCase", &[TARGET], to_snake, "The string in snake_case."),
    Function::converter("ToUpperCase", &[TARGET], to_upper, "The string in upper case."),
    Function::converter(
        "Trim",
        &[TARGET, opt("replacement", ParamKind::Text)],
        trim,
        "The string without the characters of a set (a space) at both ends.",
    ),
    Function::converter(
        "TrimPrefix",
        &[TARGET, p("prefix", ParamKind::Text)],
        trim_prefix,
        "The string without a prefix.",
    ),
    Function::converter(
        "TrimSuffix",
        &[TARGET, p("suffix", ParamKind::Text)],
        trim_suffix,
        "The string without a suffix.",
    ),
];

fn concat<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let delimiter = args.text(1, view)?;
    let mut out = Str::default();
    let mut first = true;
    args.for_each(0, view, |value| {
        let text = match value {
            // Maps and lists have no place in a text.
            Value::Map(_) | Value::List(_) | Value::Items { .. } => return Ok(()),
            value => text_of(value)?,
        };
        if !std::mem::take(&mut first) {
            out.push_str(&delimiter);
        }
        out.push_str(text.as_deref().unwrap_or("<nil>"));
        limits::check_text(out.len())
    })?;
    Ok(Value::text(out))
}

fn convert_case<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let text = args.text(0, view)?;
    Ok(match args.choice(1) {
        Some(0) => lower(text),
        Some(1) => upper(text),
        Some(2) => Value::text(snake(&text)),
        _ => Value::text(camel(&text)),
    })
}

fn to_lower<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(lower(args.text(0, view)?))
}

fn to_upper<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(upper(args.text(0, view)?))
}

fn to_snake<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(Value::text(snake(&args.text(0, view)?)))
}

fn to_camel<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(Value::text(camel(&args.text(0, view)?)))
}

fn lower(text: Text<'_>) -> Value<'_> {
    if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return Value::Text(text);
    }
    Value::text(text.to_lowercase())
}

fn upper(text: Text<'_>) -> Value<'_> {
    if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_lowercase()) {
        return Value::Text(text);
    }
    Value::text(text.to_uppercase())
}

/// `someName`, `some-name` and `Some Name` become `some_name`.
fn snake(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + 4);
    for (i, c) in letters.iter().enumerate() {
        if matches!(c, ' ' | '-' | '_' | '.') {
            if !out.ends_with('_') && !out.is_empty() {
                out.push('_');
            }
            continue;
        }
        let after_lower = i > 0 && (letters[i - 1].is_lowercase() || letters[i - 1].is_numeric());
        let before_lower =
            i > 0 && letters[i - 1].is_uppercase() && letters.get(i + 1).is_some_and(|n| n.is_lowercase());
        if c.is_uppercase() && (after_lower || before_lower) && !out.ends_with('_') {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// `some_name`, `some-name` and `some name` become `SomeName`.
fn camel(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut capital = true;
    for c in text.chars() {
        if matches!(c, ' ' | '-' | '_' | '.') {
            capital = true;
        } else if std::mem::take(&mut capital) {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

fn has_prefix<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(Value::Bool(args.text(0, view)?.starts_with(&*args.text(1, view)?)))
}

fn has_suffix<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    Ok(Value::Bool(args.text(0, view)?.ends_with(&*args.text(1, view)?)))
}

fn is_match<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    if let (Peek::Text(text), Some(pattern)) = (args.peek(0, view)?, args.fixed_pattern(1)) {
        return Ok(Value::Bool(pattern.is_match(text)));
    }
    let Some(text) = args.text_like(0, view)? else { return Ok(Value::Bool(false)) };
    Ok(Value::Bool(args.pattern(1, view)?.is_match(&text)))
}

fn split<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let text = args.text(0, view)?;
    let delimiter = args.text(1, view)?;
    let mut parts: Vec<AnyValue> = Vec::new();
    if delimiter.is_empty() {
        // As in Go: every character by itself.
        for c in text.chars() {
            limits::check_values(parts.len())?;
            parts.push(AnyValue::from(&*c.encode_utf8(&mut [0; 4])));
        }
        return Ok(Value::from(parts));
    }
    for part in text.split(&*delimiter) {
        limits::check_values(parts.len())?;
        parts.push(AnyValue::from(part));
    }
    Ok(Value::from(parts))
}

fn substring<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let text = args.text(0, view)?;
    let (start, length) = (args.int(1, view)?, args.int(2, view)?);
    let start = usize::try_from(start).map_err(|_| EvalError::fixed("the start must not be negative"))?;
    let length = usize::try_from(length).ok().filter(|length| *length > 0);
    let length = length.ok_or(EvalError::fixed("the length must be positive"))?;
    let end = start.checked_add(length).filter(|end| *end <= text.len());
    let end = end.ok_or(EvalError::fixed("the substring reaches beyond the end of the string"))?;
    // Telemetry is UTF-8: a letter cut in two is left out.
    let (from, to) = (text.ceil_char_boundary(start), text.floor_char_boundary(end));
    Ok(slice(text, from..to.max(from)))
}

fn slice(text: Text<'_>, range: std::ops::Range<usize>) -> Value<'_> {
    match text {
        Text::Borrowed(text) => Value::from(&text[range]),
        Text::Owned(text) => Value::text(&text[range]),
    }
}

fn trim<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let set = args.text_or(1, " ", view)?;
    let text = args.text(0, view)?;
    let start = text.len() - text.trim_start_matches(|c| set.contains(c)).len();
    let len = text[start..].trim_end_matches(|c| set.contains(c)).len();
    Ok(slice(text, start..start + len))
}

fn trim_prefix<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let (text, prefix) = (args.text(0, view)?, args.text(1, view)?);
    let start = if text.starts_with(&*prefix) { prefix.len() } else { 0 };
    let end = text.len();
    Ok(slice(text, start..end))
}

fn trim_suffix<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let (text, suffix) = (args.text(0, view)?, args.text(1, view)?);
    let end = text.len() - if text.ends_with(&*suffix) { suffix.len() } else { 0 };
    Ok(slice(text, 0..end))
}
