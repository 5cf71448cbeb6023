//! The syslog protocol of RFC 5424: `1 2003-10-11T22:14:15.003Z host app pid id [sd@1 k="v"] message`.

use std::sync::LazyLock;

use crate::expr::gotime::Layout;
use crate::otlp::{AnyValue, Attributes, KeyValue, Str};

use super::super::Problem;
use super::run::Message;

static RFC3339: LazyLock<Layout> = LazyLock::new(|| Layout::new("2006-01-02T15:04:05.999999Z07:00"));

pub fn parse(text: &str, message: &mut Message) -> Result<(), Problem> {
    let (version, rest) = word(text)?;
    let version =
        version.and_then(|version| version.parse::<u16>().ok()).filter(|version| (1..1000).contains(version));
    message
        .parts
        .push(KeyValue::fixed("version", i64::from(version.ok_or("the message has no version number")?)));
    let (time, rest) = word(rest)?;
    if let Some(time) = time {
        let moment = RFC3339.parse(time).ok().and_then(|parsed| parsed.resolve(&jiff::tz::TimeZone::UTC));
        let nanos = moment.and_then(|moment| u64::try_from(moment.timestamp().as_nanosecond()).ok());
        message.time = Some(nanos.ok_or("the message has no RFC 3339 time")?);
    }
    let mut rest = rest;
    for key in ["hostname", "appname", "proc_id", "msg_id"] {
        let (value, after) = word(rest)?;
        message.put(key, value);
        rest = after;
    }
    let rest = match rest.strip_prefix('-') {
        Some(rest) => rest,
        None => {
            let (data, rest) = structured_data(rest)?;
            message.parts.push(KeyValue::fixed("structured_data", AnyValue::Map(data)));
            rest
        }
    };
    match rest.strip_prefix(' ') {
        Some(content) => message.put("message", Some(content.strip_prefix('\u{feff}').unwrap_or(content))),
        None if rest.is_empty() => {}
        None => return Err("there is text after the structured data".into()),
    }
    Ok(())
}

/// A header field; `-` stands for none.
fn word(text: &str) -> Result<(Option<&str>, &str), Problem> {
    let (word, rest) = text.split_once(' ').ok_or("the header of the message is incomplete")?;
    if word.is_empty() {
        return Err("the header of the message has an empty field".into());
    }
    Ok((Some(word).filter(|word| *word != "-"), rest))
}

/// `[id k="v" …][id …]`: a map of maps.
fn structured_data(text: &str) -> Result<(Vec<KeyValue>, &str), Problem> {
    const BAD: &str = "the structured data is malformed";
    let mut elements: Vec<KeyValue> = Vec::new();
    let mut rest = text;
    while let Some(inner) = rest.strip_prefix('[') {
        let (id, mut inner) = inner.split_at(inner.find([' ', ']']).ok_or(BAD)?);
        if id.is_empty() {
            return Err(BAD.into());
        }
        let mut params: Vec<KeyValue> = Vec::new();
        while let Some(param) = inner.strip_prefix(' ') {
            let (name, after) = param.split_once("=\"").ok_or(BAD)?;
            if name.is_empty() || name.contains([' ', ']', '"', '=']) {
                return Err(BAD.into());
            }
            let (value, after) = quoted(after).ok_or(BAD)?;
            params.set(Str::from(name), value);
            inner = after;
        }
        rest = inner.strip_prefix(']').ok_or(BAD)?;
        elements.set(Str::from(id), AnyValue::Map(params));
    }
    if elements.is_empty() {
        return Err(BAD.into());
    }
    Ok((elements, rest))
}

/// A value up to its closing quote; `\"`, `\\` and `\]` are escapes.
fn quoted(text: &str) -> Option<(Str, &str)> {
    let mut value = Str::const_new("");
    let mut rest = text;
    loop {
        let at = rest.find(['"', '\\'])?;
        value.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('"') {
            return Some((value, after));
        }
        let escaped = rest[1..].chars().next()?;
        if !matches!(escaped, '"' | '\\' | ']') {
            value.push('\\');
        }
        value.push(escaped);
        rest = &rest[1 + escaped.len_utf8()..];
    }
}
