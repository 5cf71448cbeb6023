//! The `uri_parser` operator: the parts of a URI, a request path or a query.

use crate::config::Issues;
use crate::otlp::{AnyValue, Attributes, KeyValue, Str};

use super::parsing::{Parse, parser, parser_config, text};
use super::{Decoded, OperatorType, Problem, Section};

pub static TYPE: OperatorType = OperatorType { name: "uri_parser", decode };

parser_config! {
    /// Keys of the `uri_parser` operator.
    pub struct Config {}
}

#[derive(Clone)]
struct Uri;

impl Parse for Uri {
    fn parse(&mut self, value: &AnyValue) -> Result<AnyValue, Problem> {
        parse(text(value)?).map(AnyValue::Map)
    }
}

fn parse(text: &str) -> Result<Vec<KeyValue>, Problem> {
    let mut parts: Vec<KeyValue> = Vec::new();
    if let Some(query) = text.strip_prefix('?') {
        parts.set("query", parse_query(query)?);
        return Ok(parts);
    }
    if text.is_empty() || text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err("the value is empty or has control characters, which no URI has".into());
    }
    let mut put = |key: &'static str, value: &str| -> Result<(), Problem> {
        if !value.is_empty() {
            parts.set(Str::const_new(key), decode_percent(value, false)?);
        }
        Ok(())
    };
    let rest = text.split_once('#').map_or(text, |(rest, _)| rest);
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (scheme, rest) = split_scheme(rest)?;
    put("scheme", &scheme.to_ascii_lowercase())?;
    let path = match rest.strip_prefix("//") {
        Some(rest) if !scheme.is_empty() => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let (user, host) =
                authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
            put("user", user.split_once(':').map_or(user, |(name, _)| name))?;
            let (host, port) = split_port(host)?;
            put("host", host)?;
            put("port", port)?;
            path
        }
        _ if scheme.is_empty() && !rest.starts_with('/') && rest != "*" => {
            return Err("the value is neither an absolute URI nor a path nor a query".into());
        }
        _ => rest,
    };
    put("path", path)?;
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        parts.set("query", parse_query(query)?);
    }
    Ok(parts)
}

fn split_scheme(text: &str) -> Result<(&str, &str), Problem> {
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let end = text.find(|c| !is_scheme(c)).unwrap_or(text.len());
    match text[end..].strip_prefix(':') {
        Some(_) if end == 0 => Err("the URI has no scheme before \":\"".into()),
        Some(rest) if text.starts_with(|c: char| c.is_ascii_alphabetic()) => Ok((&text[..end], rest)),
        _ => Ok(("", text)),
    }
}

fn split_port(authority: &str) -> Result<(&str, &str), Problem> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("an IPv6 address has no \"]\"")?;
            (host, rest)
        }
        None => authority.split_at(authority.rfind(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port,
        None if port.is_empty() => "",
        None => return Err("there is text after the address".into()),
    };
    if port.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok((host, port))
    } else {
        Err("the port is no number".into())
    }
}

/// Every name with the list of its values.
fn parse_query(query: &str) -> Result<AnyValue, Problem> {
    let mut names: Vec<KeyValue> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if pair.contains(';') {
            return Err("a semicolon does not separate parts of a query".into());
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode_percent(name, true)?, AnyValue::String(decode_percent(value, true)?));
        match names.get_mut(&name) {
            Some(AnyValue::Array(values)) => values.push(value),
            _ => names.push(KeyValue { key: name, value: AnyValue::Array(vec![value]) }),
        }
    }
    Ok(AnyValue::Map(names))
}

fn decode_percent(text: &str, plus: bool) -> Result<Str, Problem> {
    if !text.contains(['%', '+']) {
        return Ok(Str::from(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or(0) as u8;
                bytes.push(digit(high) << 4 | digit(low));
                rest = after;
            }
            (b'%', _) => return Err("a \"%\" is not followed by two hexadecimal digits".into()),
            (b'+', _) if plus => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    Ok(Str::from_utf8_lossy(&bytes))
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    Some(parser(config.common().check(section.path, issues)?, Uri))
}
