//! Looks an encoded export request over without decoding it: whether decoding would succeed, and how
//! many items it would give. Nothing is allocated.

use prost::encoding::{WireType, decode_key, decode_varint};

use crate::pipeline::Signal;

/// Log records, data points or spans in `body`. `None` when only decoding can tell: it is malformed,
/// nests deeply, or has groups, which OTLP does not know.
pub fn items(signal: Signal, body: &[u8]) -> Option<usize> {
    let request = match signal {
        Signal::Logs => &LOGS_REQUEST,
        Signal::Metrics => &METRICS_REQUEST,
        Signal::Traces => &TRACES_REQUEST,
    };
    scan(body, request, DEPTH)
}

/// Less than the decoder follows.
const DEPTH: u32 = 60;

/// What may be in a message, by field number. Other fields are skipped, as the decoder does.
struct Message(&'static [Field]);

#[derive(Clone, Copy)]
enum Field {
    Unknown,
    Varint,
    Fixed32,
    Fixed64,
    /// Numbers, one by one or packed.
    Varints,
    Fixed64s,
    Text,
    Bytes,
    Nested(&'static Message),
    /// A message that is an item.
    Item(&'static Message),
    /// A message with items that takes the place of another kind.
    Choice(&'static Message),
}

use Field::{Bytes, Choice, Fixed32, Fixed64, Fixed64s, Item, Nested, Text, Unknown, Varint, Varints};

fn scan(mut bytes: &[u8], message: &Message, depth: u32) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    let (mut items, mut chosen) = (0, 0);
    while !bytes.is_empty() {
        let (number, wire) = decode_key(&mut bytes).ok()?;
        let value = match wire {
            WireType::Varint => {
                decode_varint(&mut bytes).ok()?;
                &[]
            }
            WireType::SixtyFourBit => take(&mut bytes, 8)?,
            WireType::ThirtyTwoBit => take(&mut bytes, 4)?,
            WireType::LengthDelimited => {
                let length = decode_varint(&mut bytes).ok()?;
                take(&mut bytes, usize::try_from(length).ok()?)?
            }
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        match (message.0.get(number as usize).unwrap_or(&Unknown), wire) {
            (Text, WireType::LengthDelimited) => _ = std::str::from_utf8(value).ok()?,
            (Nested(inner), WireType::LengthDelimited) => items += scan(value, inner, depth)?,
            (Item(inner), WireType::LengthDelimited) => {
                scan(value, inner, depth)?;
                items += 1;
            }
            (Choice(inner), WireType::LengthDelimited) => {
                if chosen != number {
                    (items, chosen) = (0, number);
                }
                items += scan(value, inner, depth)?;
            }
            (Varints, WireType::LengthDelimited) => {
                let mut packed = value;
                while !packed.is_empty() {
                    decode_varint(&mut packed).ok()?;
                }
            }
            (Fixed64s, WireType::LengthDelimited) if !value.len().is_multiple_of(8) => return None,
            (Unknown, _)
            | (Varint | Varints, WireType::Varint)
            | (Fixed64 | Fixed64s, WireType::SixtyFourBit)
            | (Fixed32, WireType::ThirtyTwoBit)
            | (Bytes | Fixed64s, WireType::LengthDelimited) => {}
            _ => return None,
        }
    }
    Some(items)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (value, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(value)
}

static KEY_VALUE: Message = Message(&[Unknown, Text, Nested(&ANY_VALUE)]);
static ANY_VALUE: Message =
    Message(&[Unknown, Text, Varint, Varint, Fixed64, Nested(&ARRAY_VALUE), Nested(&KEY_VALUE_LIST), Bytes]);
static ARRAY_VALUE: Message = Message(&[Unknown, Nested(&ANY_VALUE)]);
static KEY_VALUE_LIST: Message = Message(&[Unknown, Nested(&KEY_VALUE)]);
static RESOURCE: Message = Message(&[Unknown, Nested(&KEY_VALUE), Varint]);
static SCOPE: Message = Message(&[Unknown, Text, Text, Nested(&KEY_VALUE), Varint]);

static LOGS_REQUEST: Message = Message(&[Unknown, Nested(&RESOURCE_LOGS)]);
static RESOURCE_LOGS: Message = Message(&[Unknown, Nested(&RESOURCE), Nested(&SCOPE_LOGS), Text]);
static SCOPE_LOGS: Message = Message(&[Unknown, Nested(&SCOPE), Item(&LOG_RECORD), Text]);
static LOG_RECORD: Message = Message(&[
    Unknown,
    Fixed64,
    Varint,
    Text,
    Unknown,
    Nested(&ANY_VALUE),
    Nested(&KEY_VALUE),
    Varint,
    Fixed32,
    Bytes,
    Bytes,
    Fixed64,
    Text,
]);

static TRACES_REQUEST: Message = Message(&[Unknown, Nested(&RESOURCE_SPANS)]);
static RESOURCE_SPANS: Message = Message(&[Unknown, Nested(&RESOURCE), Nested(&SCOPE_SPANS), Text]);
static SCOPE_SPANS: Message = Message(&[Unknown, Nested(&SCOPE), Item(&SPAN), Text]);
static SPAN: Message = Message(&[
    Unknown,
    Bytes,
    Bytes,
    Text,
    Bytes,
    Text,
    Varint,
    Fixed64,
    Fixed64,
    Nested(&KEY_VALUE),
    Varint,
    Nested(&EVENT),
    Varint,
    Nested(&LINK),
    Varint,
    Nested(&STATUS),
    Fixed32,
]);
static EVENT: Message = Message(&[Unknown, Fixed64, Text, Nested(&KEY_VALUE), Varint]);
static LINK: Message = Message(&[Unknown, Bytes, Bytes, Text, Nested(&KEY_VALUE), Varint, Fixed32]);
static STATUS: Message = Message(&[Unknown, Unknown, Text, Varint]);

static METRICS_REQUEST: Message = Message(&[Unknown, Nested(&RESOURCE_METRICS)]);
static RESOURCE_METRICS: Message = Message(&[Unknown, Nested(&RESOURCE), Nested(&SCOPE_METRICS), Text]);
static SCOPE_METRICS: Message = Message(&[Unknown, Nested(&SCOPE), Nested(&METRIC), Text]);
static METRIC: Message = Message(&[
    Unknown,
    Text,
    Text,
    Text,
    Unknown,
    Choice(&GAUGE),
    Unknown,
    Choice(&SUM),
    Unknown,
    Choice(&HISTOGRAM),
    Choice(&EXPONENTIAL_HISTOGRAM),
    Choice(&SUMMARY),
    Nested(&KEY_VALUE),
]);
static GAUGE: Message = Message(&[Unknown, Item(&NUMBER_POINT)]);
static SUM: Message = Message(&[Unknown, Item(&NUMBER_POINT), Varint, Varint]);
static HISTOGRAM: Message = Message(&[Unknown, Item(&HISTOGRAM_POINT), Varint]);
static EXPONENTIAL_HISTOGRAM: Message = Message(&[Unknown, Item(&EXPONENTIAL_HISTOGRAM_POINT), Varint]);
static SUMMARY: Message = Message(&[Unknown, Item(&SUMMARY_POINT)]);
static NUMBER_POINT: Message = Message(&[
    Unknown,
    Unknown,
    Fixed64,
    Fixed64,
    Fixed64,
    Nested(&EXEMPLAR),
    Fixed64,
    Nested(&KEY_VALUE),
    Varint,
]);
static HISTOGRAM_POINT: Message = Message(&[
    Unknown,
    Unknown,
    Fixed64,
    Fixed64,
    Fixed64,
    Fixed64,
    Fixed64s,
    Fixed64s,
    Nested(&EXEMPLAR),
    Nested(&KEY_VALUE),
    Varint,
    Fixed64,
    Fixed64,
]);
static EXPONENTIAL_HISTOGRAM_POINT: Message = Message(&[
    Unknown,
    Nested(&KEY_VALUE),
    Fixed64,
    Fixed64,
    Fixed64,
    Fixed64,
    Varint,
    Fixed64,
    Nested(&BUCKETS),
    Nested(&BUCKETS),
    Varint,
    Nested(&EXEMPLAR),
    Fixed64,
    Fixed64,
    Fixed64,
]);
static BUCKETS: Message = Message(&[Unknown, Varint, Varints]);
static SUMMARY_POINT: Message = Message(&[
    Unknown,
    Unknown,
    Fixed64,
    Fixed64,
    Fixed64,
    Fixed64,
    Nested(&QUANTILE),
    Nested(&KEY_VALUE),
    Varint,
]);
static QUANTILE: Message = Message(&[Unknown, Fixed64, Fixed64]);
static EXEMPLAR: Message =
    Message(&[Unknown, Unknown, Fixed64, Fixed64, Bytes, Bytes, Fixed64, Nested(&KEY_VALUE)]);

#[cfg(test)]
mod tests;
