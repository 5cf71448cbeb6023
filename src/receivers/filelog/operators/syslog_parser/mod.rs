//! The `syslog_parser` operator: RFC 3164 and RFC 5424 messages.

mod rfc3164;
mod rfc5424;
mod run;

use serde::Deserialize;

use crate::config::Issues;

use super::parsing::{check, parser_config};
use super::{Decoded, OperatorType, Section};

pub static TYPE: OperatorType = OperatorType { name: "syslog_parser", decode };

parser_config! {
    /// Keys of the `syslog_parser` operator.
    pub struct Config {
        /// `rfc3164` or `rfc5424`.
        protocol: Option<Protocol> = None,
        /// Zone of RFC 3164 times.
        location: String = "UTC".to_owned(),
        /// Messages start with their length (RFC 6587); RFC 5424 only.
        enable_octet_counting: bool = false,
        /// Longest length that octet counting accepts.
        max_octets: usize = 8192,
        /// Messages may come without `<…>`.
        allow_skip_pri_header: bool = false,
        /// The byte that ends messages; RFC 5424 only.
        non_transparent_framing_trailer: Option<Trailer> = None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Rfc3164,
    Rfc5424,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Trailer {
    Lf,
    Nul,
}

fn decode(section: &Section<'_>, issues: &mut Issues<'_>) -> Option<Decoded> {
    let config: Config = section.node.decode(section.path, issues)?;
    let common = config.common().check(section.path, issues);
    let Some(protocol) = config.protocol else {
        issues.error(section.path, "missing required parameter \"protocol\": write rfc3164 or rfc5424");
        return None;
    };
    let framed = config.enable_octet_counting || config.non_transparent_framing_trailer.is_some();
    if framed && protocol == Protocol::Rfc3164 {
        issues.error(section.path, "octet counting and a framing trailer are for protocol rfc5424 only");
        return None;
    }
    if config.enable_octet_counting && config.non_transparent_framing_trailer.is_some() {
        let message = "only one of enable_octet_counting and non_transparent_framing_trailer can be set";
        issues.error(section.path, message);
        return None;
    }
    let zone = check(super::time_parser::zone(&config.location), section.path, "location", issues);
    let syslog = run::Syslog {
        common: common?,
        protocol,
        zone: zone?,
        max_octets: config.enable_octet_counting.then_some(config.max_octets),
        skip_priority: config.allow_skip_pri_header,
        trailer: config.non_transparent_framing_trailer,
    };
    Some(Decoded::new(move || Box::new(syslog.clone())))
}
