//! Export requests as bytes. `prost` measures a message before it writes it, on each level anew, which
//! walks the attributes of a batch five times. Here resources, scopes and items are written first and
//! get their length afterwards; the bytes are the same.

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len, message};

use super::groups::{Group, Scoped};
use super::item::Item;

// Field numbers, the same for all signals.
pub(super) const REQUEST_GROUPS: u32 = 1;
pub(super) const GROUP_RESOURCE: u32 = 1;
pub(super) const GROUP_SCOPES: u32 = 2;
pub(super) const SCOPED_SCOPE: u32 = 1;
const SCOPED_ITEMS: u32 = 2;
pub(super) const SCHEMA_URL: u32 = 3;

/// Bytes that the length of an item takes, most likely: 128 to 16,383 bytes.
const ITEM: usize = 2;
/// Bytes that the length of a scope or resource takes, most likely: up to 2 MiB.
const LIST: usize = 3;

/// Appends the `Export*ServiceRequest` with these resources to `buf`.
pub fn request<G: Group>(groups: &[G], buf: &mut Vec<u8>) {
    for group in groups {
        put(REQUEST_GROUPS, LIST, buf, |buf| {
            if let Some(resource) = group.resource() {
                message::encode(GROUP_RESOURCE, resource, buf);
            }
            for scoped in group.scopes() {
                put(GROUP_SCOPES, LIST, buf, |buf| put_scoped(scoped, buf));
            }
            put_schema_url(group.schema_url(), buf);
        });
    }
}

fn put_scoped<S: Scoped>(scoped: &S, buf: &mut Vec<u8>) {
    if let Some(scope) = scoped.scope() {
        message::encode(SCOPED_SCOPE, scope, buf);
    }
    scoped.items().iter().for_each(|item| put_item(item, buf));
    put_schema_url(scoped.schema_url(), buf);
}

/// Appends an item as its scope holds it.
pub(super) fn put_item(item: &impl Item, buf: &mut Vec<u8>) {
    put(SCOPED_ITEMS, ITEM, buf, |buf| item.write(buf));
}

pub(super) fn put_schema_url(url: &str, buf: &mut Vec<u8>) {
    if !url.is_empty() {
        put_head(SCHEMA_URL, url.len(), buf);
        buf.extend_from_slice(url.as_bytes());
    }
}

/// Appends the key and the length of a field.
pub(super) fn put_head(tag: u32, len: usize, buf: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, buf);
    encode_varint(len as u64, buf);
}

/// Bytes of a field of that length.
pub(super) fn field_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

/// Puts what `write` writes into a field, after its length. That is expected to take `room` bytes; if
/// it does not, the content is moved.
fn put(tag: u32, room: usize, buf: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    encode_key(tag, WireType::LengthDelimited, buf);
    let at = buf.len();
    let from = at + room;
    buf.resize(from, 0);
    write(buf);
    let end = buf.len();
    let len = end - from;
    let start = at + encoded_len_varint(len as u64);
    if start != from {
        buf.resize(end.max(start + len), 0);
        buf.copy_within(from..end, start);
        buf.truncate(start + len);
    }
    encode_varint(len as u64, &mut &mut buf[at..start]);
}

#[cfg(test)]
mod tests {
    use crate::otlp::export::ExportLogsServiceRequest;
    use crate::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
    use crate::otlp::{InstrumentationScope, KeyValue, Resource};
    use prost::Message;

    fn logs(body: usize, records: usize, full: bool) -> ResourceLogs {
        let record = || LogRecord {
            time_unix_nano: 7,
            body: Some("x".repeat(body).into()),
            attributes: vec![KeyValue::fixed("k", 1_i64)],
            ..LogRecord::default()
        };
        let url = if full { "https://example.org/schema" } else { "" };
        let scope = InstrumentationScope { name: "s".to_owned(), ..Default::default() };
        let scope_logs = vec![
            ScopeLogs {
                scope: full.then_some(scope),
                log_records: (0..records).map(|_| record()).collect(),
                schema_url: url.to_owned(),
            },
            ScopeLogs::default(),
        ];
        let attributes = vec![KeyValue::fixed("service.name", "cart")];
        let resource = Resource { attributes, ..Resource::default() };
        ResourceLogs { resource: full.then_some(resource), scope_logs, schema_url: url.to_owned() }
    }

    #[test]
    fn lengths_of_every_width_give_the_bytes_that_prost_writes() {
        for body in [0, 1, 100, 127, 128, 5000, 16_383, 16_384, 70_000, 2_100_000] {
            for (records, full) in [(0, false), (1, true), (3, false)] {
                let request = ExportLogsServiceRequest {
                    resource_logs: vec![logs(body, records, full), logs(3, 200, true)],
                };
                let mut found = b"before".to_vec();
                super::request(&request.resource_logs, &mut found);
                assert!(found[6..] == request.encode_to_vec(), "{records} records of {body} bytes");
            }
        }
    }
}
