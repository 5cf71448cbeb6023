//! The operator itself, and what both protocols share.

use jiff::tz::TimeZone;

use crate::otlp::{AnyValue, KeyValue};

use super::super::super::entry::Entry;
use super::super::parsing::{Common, text};
use super::super::{Emitter, Operator, Problem, Verdict};
use super::{Protocol, Trailer, rfc3164, rfc5424};

#[derive(Clone)]
pub struct Syslog {
    pub common: Common,
    pub protocol: Protocol,
    pub zone: TimeZone,
    /// `Some` when messages start with their length.
    pub max_octets: Option<usize>,
    pub skip_priority: bool,
    pub trailer: Option<Trailer>,
}

/// A message taken apart.
#[derive(Debug, Default, PartialEq)]
pub struct Message {
    pub priority: Option<u8>,
    /// Nanoseconds since the epoch.
    pub time: Option<u64>,
    /// Everything else, in the order of the message.
    pub parts: Vec<KeyValue>,
}

impl Message {
    /// Adds a part, unless it is not there.
    pub fn put(&mut self, key: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.parts.push(KeyValue::fixed(key, value));
        }
    }
}

/// OTLP severity number and name of the syslog severities, 0 to 7.
const SEVERITIES: [(i32, &str); 8] = [
    (21, "emerg"),
    (19, "alert"),
    (18, "crit"),
    (17, "err"),
    (13, "warning"),
    (10, "notice"),
    (9, "info"),
    (5, "debug"),
];

impl Operator for Syslog {
    fn process(&mut self, entry: &mut Entry, _: &mut Emitter<'_>) -> Result<Verdict, Problem> {
        let message = self.parse(text(self.common.value(entry)?)?)?;
        if let Some(priority) = message.priority {
            let (number, name) = SEVERITIES[usize::from(priority % 8)];
            entry.severity = number;
            name.clone_into(&mut entry.severity_text);
        }
        entry.timestamp = message.time.unwrap_or(entry.timestamp);
        self.common.put(entry, AnyValue::Map(message.parts))
    }
}

impl Syslog {
    pub fn parse(&self, text: &str) -> Result<Message, Problem> {
        let text = self.unframe(text)?;
        let (priority, rest) = self.priority(text)?;
        let mut message = Message { priority, ..Message::default() };
        if let Some(priority) = priority {
            message.parts.push(KeyValue::fixed("priority", i64::from(priority)));
            message.parts.push(KeyValue::fixed("facility", i64::from(priority / 8)));
        }
        match self.protocol {
            Protocol::Rfc3164 => rfc3164::parse(rest, &self.zone, &mut message)?,
            Protocol::Rfc5424 => rfc5424::parse(rest, &mut message)?,
        }
        Ok(message)
    }

    /// The message without length or trailer.
    fn unframe<'a>(&self, text: &'a str) -> Result<&'a str, Problem> {
        match self.trailer {
            Some(Trailer::Lf) => return Ok(text.strip_suffix('\n').unwrap_or(text)),
            Some(Trailer::Nul) => return Ok(text.strip_suffix('\0').unwrap_or(text)),
            None => {}
        }
        let Some(most) = self.max_octets else { return Ok(text.trim_end_matches(['\n', '\r'])) };
        let (length, rest) = text.split_once(' ').ok_or("the message does not start with its length")?;
        let length: usize = length.parse().map_err(|_| "the message does not start with its length")?;
        if length > most {
            return Err("the message is longer than max_octets".into());
        }
        match rest.get(..length) {
            Some(message) => Ok(message),
            None => Err("the message is shorter than its length says".into()),
        }
    }

    fn priority<'a>(&self, text: &'a str) -> Result<(Option<u8>, &'a str), Problem> {
        let Some(rest) = text.strip_prefix('<') else {
            return if self.skip_priority {
                Ok((None, text))
            } else {
                Err("the message has no priority: <…>".into())
            };
        };
        let (number, rest) = rest.split_once('>').ok_or("the priority has no end: >")?;
        let valid = (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
        match number.parse::<u8>() {
            Ok(priority) if valid && priority <= 191 => Ok((Some(priority), rest)),
            _ => Err("the priority is no number from 0 to 191".into()),
        }
    }
}
