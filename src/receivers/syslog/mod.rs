//! The `syslog` receiver: RFC 3164 and RFC 5424 messages over TCP, TLS or UDP, taken apart by the
//! `syslog_parser` operator.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::component::{ReceiverConfig, ReceiverType};
use crate::config::types::section;
use crate::config::{Decoder, Issues, Node, from_yaml};
use crate::pipeline::Signal;

use super::filelog::split::Splitter;
use super::records::RetryOnFailure;
use super::sockets::{Framing, Parts, Plan, TcpSection, Transport, UdpSection};

pub static TYPE: ReceiverType =
    ReceiverType { name: "syslog", aliases: &[], signals: &[Signal::Logs], decode };

fn decode(decoder: &mut Decoder<'_>) -> Option<Box<dyn ReceiverConfig>> {
    Some(Box::new(plan(decoder)?))
}

/// Keys of the `syslog` receiver.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Listens on TCP; wins over `udp`.
    #[serde(deserialize_with = "section")]
    pub tcp: Option<TcpSection>,
    #[serde(deserialize_with = "section")]
    pub udp: Option<UdpSection>,
    /// `rfc3164` or `rfc5424`.
    pub protocol: String,
    /// Zone of RFC 3164 times.
    pub location: String,
    /// Messages start with their length; RFC 5424 over TCP only.
    pub enable_octet_counting: bool,
    /// Longest length that octet counting accepts.
    pub max_octets: u64,
    /// Messages may come without `<…>`.
    pub allow_skip_pri_header: bool,
    /// What ends messages, `LF` or `NUL`; RFC 5424 over TCP only.
    pub non_transparent_framing_trailer: Option<String>,
    /// What happens to messages that cannot be parsed.
    pub on_error: String,
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
    pub operators: Vec<Node>,
    /// Accepted; nothing is kept: who sends through a socket does not send again.
    pub storage: Option<String>,
    pub retry_on_failure: RetryOnFailure,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tcp: None,
            udp: None,
            protocol: String::new(),
            location: "UTC".to_owned(),
            enable_octet_counting: false,
            max_octets: 8192,
            allow_skip_pri_header: false,
            non_transparent_framing_trailer: None,
            on_error: "send".to_owned(),
            attributes: BTreeMap::new(),
            resource: BTreeMap::new(),
            operators: Vec::new(),
            storage: None,
            retry_on_failure: RetryOnFailure::default(),
        }
    }
}

pub fn plan(decoder: &mut Decoder<'_>) -> Option<Plan> {
    let config: Config = decoder.decode()?;
    let mut issues = decoder.issues();
    let protocol = config.protocol.to_ascii_lowercase();
    match protocol.as_str() {
        "rfc3164" | "rfc5424" => {}
        "" => {
            issues.error("", "missing field 'protocol': write rfc3164 or rfc5424");
            return None;
        }
        other => {
            issues.error(
                "protocol",
                format!("unsupported protocol version: {other}: write rfc3164 or rfc5424"),
            );
            return None;
        }
    }
    let framing = framing(&config, &protocol, &mut issues)?;
    let parser = serde_json::json!({
        "type": "syslog_parser",
        "id": "syslog_input_internal_parser",
        "protocol": protocol,
        "location": config.location,
        "enable_octet_counting": config.enable_octet_counting,
        "max_octets": config.max_octets,
        "allow_skip_pri_header": config.allow_skip_pri_header,
        "non_transparent_framing_trailer": config.non_transparent_framing_trailer,
        "on_error": config.on_error,
    });
    // JSON is YAML.
    let parser: Node = from_yaml(&parser.to_string()).map_err(|error| issues.error("", error)).ok()?;
    let (transport, path) = match (config.tcp, config.udp) {
        (Some(tcp), _) => (Transport::Tcp(Box::new(tcp)), "tcp::"),
        (None, Some(udp)) => (Transport::Udp(udp), "udp::"),
        (None, None) => {
            issues.error("", "need tcp config or udp config");
            return None;
        }
    };
    let parts = Parts {
        own: vec![parser],
        attributes: config.attributes,
        resource: config.resource,
        operators: config.operators,
        storage: config.storage,
        retry: config.retry_on_failure,
    };
    Plan::new(transport, parts, framing, path, &mut issues)
}

/// How messages are parted, when not by lines or datagrams.
fn framing(config: &Config, protocol: &str, issues: &mut Issues<'_>) -> Option<Option<Framing>> {
    let trailer = config.non_transparent_framing_trailer.as_deref();
    let octets = config.enable_octet_counting;
    let is_stream = config.tcp.is_some();
    if (octets || trailer.is_some()) && (protocol != "rfc5424" || !is_stream) {
        let key = if octets { "enable_octet_counting" } else { "non_transparent_framing_trailer" };
        issues.error(key, "is for protocol rfc5424 over tcp only: remove it");
        return None;
    }
    if octets && trailer.is_some() {
        issues.error(
            "non_transparent_framing_trailer",
            "and enable_octet_counting exclude each other: remove one",
        );
        return None;
    }
    if octets && config.allow_skip_pri_header {
        issues.error("allow_skip_pri_header", "and enable_octet_counting exclude each other: remove one");
        return None;
    }
    Some(match trailer {
        None if octets => Some(Framing::Octets),
        None => None,
        Some("LF") => Some(Framing::Split(Splitter::Lines)),
        Some("NUL") => Some(Framing::Nul),
        Some(other) => {
            let message = format!("invalid non_transparent_framing_trailer '{other}': write LF or NUL");
            issues.error("non_transparent_framing_trailer", message);
            return None;
        }
    })
}
