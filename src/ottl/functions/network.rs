//! Converters of addresses, URLs and user agents.

use std::net::IpAddr;

use base64::Engine;
use sha1::{Digest, Sha1};

use super::{Args, Function, ParamKind, opt, p};
use crate::otlp::KeyValue;
use crate::ottl::context::View;
use crate::ottl::value::Value;
use crate::ottl::{EvalError, user_agent};

pub const FUNCTIONS: &[Function] = &[
    Function::converter(
        "CommunityID",
        &[
            p("sourceIP", ParamKind::Text),
            p("sourcePort", ParamKind::Int),
            p("destinationIP", ParamKind::Text),
            p("destinationPort", ParamKind::Int),
            opt("protocol", ParamKind::Text),
            opt("seed", ParamKind::Int),
        ],
        community_id,
        "The Community ID (version 1) of a flow, the same in both directions.",
    ),
    Function::converter(
        "IsInCIDR",
        &[p("target", ParamKind::Text), p("networks", ParamKind::Texts)],
        is_in_cidr,
        "Whether an address is in one of the networks.",
    ),
    Function::converter(
        "URL",
        &[p("url", ParamKind::Text)],
        url,
        "The parts of a URL as a map with `url.…` keys.",
    ),
    Function::converter(
        "UserAgent",
        &[p("userAgent", ParamKind::Text)],
        user_agent,
        "What a User-Agent header says, as a map with `user_agent.…` keys.",
    ),
];

fn address(text: &str) -> Result<IpAddr, EvalError> {
    text.parse().map_err(|_| EvalError::text(format!("{text:?} is no IP address")))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn community_id<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let ip = |index| address(&args.text(index, view)?).map(octets);
    let port = |index| {
        u16::try_from(args.int(index, view)?).map_err(|_| EvalError::fixed("a port lies between 0 and 65535"))
    };
    let seed = u16::try_from(args.int_or(5, 0, view)?);
    let seed = seed.map_err(|_| EvalError::fixed("the seed lies between 0 and 65535"))?;
    let protocol = args.text_or(4, "TCP", view)?;
    let number: u8 = match protocol.to_ascii_uppercase().as_str() {
        "ICMP" => 1,
        "TCP" => 6,
        "UDP" => 17,
        "ICMP6" => 58,
        "SCTP" => 132,
        _ => return Err(EvalError::text(format!("unknown protocol \"{}\"", &*protocol))),
    };
    let (mut from, mut to) = ((ip(0)?, port(1)?), (ip(2)?, port(3)?));
    let mut one_way = false;
    if matches!(number, 1 | 58) {
        // For ICMP the "ports" are type and code: an answer's type takes the place of the code.
        match counterpart(number, from.1) {
            Some(other) => to.1 = other,
            None => one_way = true,
        }
    }
    if !one_way && from > to {
        std::mem::swap(&mut from, &mut to);
    }
    let mut hash = Sha1::new();
    hash.update(seed.to_be_bytes());
    hash.update(&from.0);
    hash.update(&to.0);
    hash.update([number, 0]);
    hash.update(from.1.to_be_bytes());
    hash.update(to.1.to_be_bytes());
    let digest = base64::engine::general_purpose::STANDARD.encode(hash.finalize());
    Ok(Value::text(format!("1:{digest}")))
}

/// The type of the ICMP message that answers a type.
fn counterpart(protocol: u8, kind: u16) -> Option<u16> {
    let pairs: &[(u16, u16)] = match protocol {
        1 => &[(8, 0), (13, 14), (15, 16), (10, 9), (17, 18)],
        _ => &[(128, 129), (133, 134), (135, 136), (130, 131), (144, 145)],
    };
    pairs.iter().find_map(|(ask, answer)| match kind {
        kind if kind == *ask => Some(*answer),
        kind if kind == *answer => Some(*ask),
        _ => None,
    })
}

fn is_in_cidr<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let address = octets(address(&args.text(0, view)?)?);
    let mut found = false;
    args.for_each(1, view, |network| {
        found |= contains(&network.into_text()?, &address)?;
        Ok(())
    })?;
    Ok(Value::Bool(found))
}

fn contains(network: &str, address: &[u8]) -> Result<bool, EvalError> {
    let wrong = || EvalError::text(format!("{network:?} is no network such as 10.0.0.0/8"));
    let (base, bits) = network.split_once('/').ok_or_else(wrong)?;
    let base = octets(base.parse().map_err(|_| wrong())?);
    let bits: usize = bits.parse().ok().filter(|bits| *bits <= base.len() * 8).ok_or_else(wrong)?;
    if base.len() != address.len() {
        return Ok(false);
    }
    let (whole, rest) = (bits / 8, bits % 8);
    let mask = !(0xff_u8 >> rest);
    Ok(base[..whole] == address[..whole] && (rest == 0 || (base[whole] ^ address[whole]) & mask == 0))
}

fn url<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let original = args.text(0, view)?;
    let parts = split_url(&original).ok_or_else(|| EvalError::text(format!("{:?} is no URL", &*original)))?;
    Ok(Value::from(parts))
}

fn split_url(original: &str) -> Option<Vec<KeyValue>> {
    let mut map = vec![KeyValue::fixed("url.original", original)];
    let mut put = |key: &'static str, text: &str| {
        if !text.is_empty() {
            map.push(KeyValue::fixed(key, text));
        }
    };
    if original.chars().any(|c| c.is_control() || c == ' ') {
        return None;
    }
    let (rest, fragment) = original.split_once('#').unwrap_or((original, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (rest, scheme) = match rest.split_once("://") {
        Some((scheme, rest)) => (rest, scheme),
        None if rest.starts_with('/') => ("", ""),
        None => return None,
    };
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !scheme.chars().all(valid) || scheme.starts_with(|c: char| !c.is_ascii_alphabetic()) {
        return None;
    }
    let relative = original.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = match scheme {
        "" => ("", relative),
        _ => rest.split_at(rest.find('/').unwrap_or(rest.len())),
    };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let (domain, port) = match host.rfind(':') {
        Some(at) if !host[at..].contains(']') => (&host[..at], &host[at + 1..]),
        _ => (host, ""),
    };
    put("url.scheme", scheme);
    put("url.domain", domain.trim_start_matches('[').trim_end_matches(']'));
    put("url.path", path);
    put("url.query", query);
    put("url.fragment", fragment);
    put("url.username", name);
    put("url.password", password);
    let file = path.rsplit('/').next().unwrap_or_default();
    put("url.extension", file.rsplit_once('.').map_or("", |(_, extension)| extension));
    if !port.is_empty() {
        map.push(KeyValue::fixed("url.port", i64::from(port.parse::<u16>().ok()?)));
    }
    Some(map)
}

fn user_agent<'a>(args: &'a Args, view: &View<'a>) -> Result<Value<'a>, EvalError> {
    let header = args.text(0, view)?;
    let (name, version) = user_agent::recognise(&header);
    Ok(Value::from(vec![
        KeyValue::fixed("user_agent.name", name),
        KeyValue::fixed("user_agent.version", version),
        KeyValue::fixed("user_agent.original", &*header),
    ]))
}
