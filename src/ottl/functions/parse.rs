//! Converters that read structured text.

use super::{Args, Function, ParamKind, opt, p};
use crate::otlp::{AnyValue, Attributes, KeyValue, Str};
use crate::ottl::context::View;
use crate::ottl::grok::Grok;
use crate::ottl::text::text_of_any;
use crate::ottl::value::{Text, Value};
use crate::ottl::{EvalError, csv, json, limits};

const TARGET: super::Param = p("target", ParamKind::Text);

pub const FUNCTIONS: &[Function] = &[
    Function::converter(
        "ExtractGrokPatterns",
        &[
            TARGET,
            p("pattern", ParamKind::LiteralText),
            opt("namedCapturesOnly", ParamKind::Bool),
            opt("patternDefinitions", ParamKind::Texts),
        ],
        extract_grok_patterns,
        "A map of what a grok pattern finds, such as `%{IP:client} %{NUMBER:bytes:int}`.",
    )
    .check(compile_grok),
    Function::converter(
        "ExtractPatterns",
        &[TARGET, p("pattern", ParamKind::Regex)],
        extract_patterns,
        "A map of the named groups of the first match; an empty map without a match.",
    )
    .check(|args| match args.fixed_pattern(1) {
        Some(pattern) if !pattern.has_names() => {
            Err((1, "at least one named group is needed: (?P<name>…)".to_owned()))
        }
        _ => Ok(()),
    }),
    Function::converter(
        "ParseCSV",
        &[
            TARGET,
            p("headers", ParamKind::Text),
            opt("delimiter", ParamKind::Text),
            opt("headerDelimiter", ParamKind::Text),
            opt("mode", ParamKind::Choice(&["strict", "lazyQuotes", "ignoreQuotes"])),
        ],
        parse_csv,
        "A map from a line of comma-separated values and a line of headers.",
    )
    .check(|args| {
        for index in [2, 3] {
            if let Some(AnyValue::String(delimiter)) = args.literal(index)
                && delimiter.chars().count() != 1
            {
                return Err((index, "a delimiter is one character".to_owned()));
            }
        }
        Ok(())
    }),
    Function::converter(
        "ParseJSON",
        &[TARGET],
        parse_json,
        "A map or list from JSON; all numbers become floats.",
    ),
    Function::converter(
        "ParseKeyValue",
        &[TARGET, opt("delimiter", ParamKind::Text), opt("pair_delimiter", ParamKind::Text)],
        parse_key_value,
        "A map from `key=value` pairs; quotes hold pairs together.",
    )
    .check(|args| {
        let delimiter = |index: usize, default| match args.literal(index) {
            Some(AnyValue::String(text)) => Some(text.to_string()),
            _ if args.is_missing(index) => Some(String::from(default)),
            _ => None,
        };
        match (delimiter(1, "="), delimiter(2, " ")) {
            (Some(delimiter), Some(pair)) if delimiter == pair => {
                Err((2, "the two delimiters must differ".to_owned()))
            }
            _ => Ok(()),
        }
    }),
    Function::converter(
        "ParseSeverity",
        &[p("target", ParamKind::Any), p("severityMapping", ParamKind::Map)],
        parse_severity,
        "The name of the level whose list has the value: `{\"error\": [\"err\", {\"min\": 3, \"max\": 4}]}`.",
    ),
    Function::converter(
        "ToKeyValueString",
        &[
            p("target", ParamKind::Map),
            opt("delimiter", ParamKind::Text),
            opt("pair_delimiter", ParamKind::Text),
            opt("sort_output", ParamKind::Bool),
        ],
        to_key_value_string,
        "A map as `key=value` pairs.",
    ),
];

fn extract_patterns<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let text = args.text(0, view)?;
    let pattern = args.pattern(1, view)?;
    if !pattern.has_names() {
        return Err(EvalError::fixed("at least one named group is needed: (?P<name>…)"));
    }
    Ok(Value::from(pattern.extract(&text)))
}

/// Replaces the pattern's text by the compiled pattern.
fn compile_grok(args: &mut Args) -> Result<(), (usize, String)> {
    let mut definitions = Vec::new();
    for text in args.literal_texts(3).ok_or((3, "the definitions must be literal strings".to_owned()))? {
        let (name, pattern) =
            text.split_once('=').ok_or((3, "a definition has the form NAME=pattern".to_owned()))?;
        definitions.push((name.to_owned(), pattern.to_owned()));
    }
    let named_only = matches!(args.literal(2), Some(AnyValue::Bool(true)));
    let Some(AnyValue::String(pattern)) = args.literal(1) else { return Ok(()) };
    let grok = Grok::new(pattern, named_only, &definitions).map_err(|message| (1, message))?;
    args.0[1] = super::Arg::Grok(Box::new(grok));
    Ok(())
}

fn extract_grok_patterns<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let text = args.text(0, view)?;
    Ok(Value::from(args.grok(1)?.extract(&text)))
}

fn parse_json<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    json::parse(&args.text(0, view)?).map(Value::from)
}

fn parse_csv<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let character = |text: Text<'_>| {
        let mut letters = text.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) => Ok(letter),
            _ => Err(EvalError::fixed("a delimiter is one character")),
        }
    };
    let (line, headers) = (args.text(0, view)?, args.text(1, view)?);
    let delimiter = character(args.text_or(2, ",", view)?)?;
    let header_delimiter = if args.is_missing(3) { delimiter } else { character(args.text(3, view)?)? };
    let mode = match args.choice(4) {
        Some(1) => csv::Quotes::Lazy,
        Some(2) => csv::Quotes::Ignored,
        _ => csv::Quotes::Strict,
    };
    let fields = csv::fields(&line, delimiter, mode)?;
    let names: Vec<&str> = headers.split(header_delimiter).collect();
    if fields.len() != names.len() {
        let message = format!("wrong number of fields: expected {}, found {}", names.len(), fields.len());
        return Err(EvalError::text(message));
    }
    limits::check_values(fields.len())?;
    let mut map: Vec<KeyValue> = names
        .into_iter()
        .zip(fields)
        .map(|(name, field)| KeyValue::new(name, AnyValue::from(field)))
        .collect();
    super::maps::deduplicate(&mut map);
    Ok(Value::from(map))
}

fn parse_key_value<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let text = args.text(0, view)?;
    let (delimiter, pair_delimiter) = (args.text_or(1, "=", view)?, args.text_or(2, " ", view)?);
    if text.is_empty() {
        return Err(EvalError::fixed("there is nothing to parse in an empty string"));
    }
    if delimiter.is_empty() || pair_delimiter.is_empty() || *delimiter == *pair_delimiter {
        return Err(EvalError::fixed("the two delimiters must differ and not be empty"));
    }
    let mut map = Vec::new();
    for pair in csv::split_quoted(&text, &pair_delimiter)? {
        let pair = pair.trim();
        if pair.is_empty() {
            continue;
        }
        let (key, value) = pair
            .split_once(&*delimiter)
            .ok_or_else(|| EvalError::text(format!("no {:?} in the pair {pair:?}", &*delimiter)))?;
        limits::check_values(map.len())?;
        map.push(KeyValue::new(csv::unquoted(key.trim()), csv::unquoted(value.trim())));
    }
    super::maps::deduplicate(&mut map);
    Ok(Value::from(map))
}

fn to_key_value_string<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let map = args.map(0, view)?;
    let (delimiter, pair_delimiter) = (args.text_or(1, "=", view)?, args.text_or(2, " ", view)?);
    if *delimiter == *pair_delimiter {
        return Err(EvalError::fixed("the two delimiters must differ"));
    }
    let mut entries: Vec<&KeyValue> = map.iter().collect();
    if args.bool_or(3, false, view)? {
        entries.sort_by(|a, b| a.key.cmp(&b.key));
    }
    let quote = |text: &str| {
        let special = text.contains(&*delimiter) || text.contains(&*pair_delimiter) || text.contains('"');
        if special || text.is_empty() {
            Str::from(format!("\"{}\"", text.replace('"', "\\\"")))
        } else {
            Str::from(text)
        }
    };
    let mut out = String::new();
    for entry in entries {
        if !out.is_empty() {
            out.push_str(&pair_delimiter);
        }
        out.push_str(&quote(&entry.key));
        out.push_str(&delimiter);
        out.push_str(&quote(&text_of_any(&entry.value)?));
        limits::check_text(out.len())?;
    }
    Ok(Value::text(out))
}

fn parse_severity<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let value = match args.value(0, view)? {
        value @ (Value::Text(_) | Value::Int(_)) => value,
        Value::Double(value) => Value::Int(value as i64),
        other => return other.mismatch("a string or int"),
    };
    let mapping = args.map(1, view)?;
    let level = mapping.iter().find(|entry| is_level(&entry.value, &value));
    level
        .map(|entry| Value::text(entry.key.clone()))
        .ok_or(EvalError::fixed("no level of the mapping has the value"))
}

/// Whether a value is meant: by itself, in a list, between `min` and `max`, in a `range` (a map or
/// text such as "4xx"), or among `equals`.
fn is_level(criterion: &AnyValue, value: &Value<'_>) -> bool {
    match (criterion, value) {
        (AnyValue::String(text), Value::Text(value)) => *text == **value,
        (AnyValue::String(text), Value::Int(value)) => {
            text.strip_suffix("xx").and_then(|hundreds| hundreds.parse::<i64>().ok()) == Some(value / 100)
        }
        (AnyValue::Int(number), Value::Int(value)) => number == value,
        (AnyValue::Array(items), value) => items.iter().any(|item| is_level(item, value)),
        (AnyValue::Map(entries), value) => {
            let bound = |key| match entries.get(key) {
                Some(AnyValue::Int(bound)) => Some(*bound),
                _ => None,
            };
            let between = matches!((bound("min"), bound("max"), value),
                (Some(min), Some(max), Value::Int(value)) if (min..=max).contains(value));
            let inner = ["range", "equals", "mapFrom"].iter().filter_map(|key| entries.get(key));
            between || inner.into_iter().any(|criterion| is_level(criterion, value))
        }
        _ => false,
    }
}
