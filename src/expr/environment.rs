//! What expressions see of a record.

use crate::otlp::attributes::find_from_end;
use crate::otlp::{AnyValue, KeyValue};

/// A record, seen by an expression.
pub trait Environment {
    fn body(&self) -> &AnyValue;
    fn attributes(&self) -> &[KeyValue];
    /// One of the attributes.
    fn attribute(&self, key: &str) -> Option<&AnyValue> {
        find_from_end(self.attributes(), key)
    }
    fn resource(&self) -> &[KeyValue];
    /// Nanoseconds since the Unix epoch, 0 = unset.
    fn timestamp(&self) -> u64 {
        0
    }
    /// Nanoseconds since the Unix epoch, 0 = unset.
    fn observed_timestamp(&self) -> u64 {
        0
    }
    fn severity_text(&self) -> &str {
        ""
    }
    fn severity_number(&self) -> i32 {
        0
    }
    /// 16 bytes, or empty.
    fn trace_id(&self) -> &[u8] {
        &[]
    }
    /// 8 bytes, or empty.
    fn span_id(&self) -> &[u8] {
        &[]
    }
    fn scope_name(&self) -> &str {
        ""
    }
}

/// A record with nothing in it.
pub struct Nothing;

impl Environment for Nothing {
    fn body(&self) -> &AnyValue {
        &AnyValue::Empty
    }
    fn attributes(&self) -> &[KeyValue] {
        &[]
    }
    fn resource(&self) -> &[KeyValue] {
        &[]
    }
}
