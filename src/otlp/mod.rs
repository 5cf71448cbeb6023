//! The OpenTelemetry protocol: the one data model of the agent.
//!
//! The messages are written by hand against OTLP 1.10 (`opentelemetry/proto/*/v1`) with `prost`
//! derives; only [`AnyValue`] and [`KeyValue`] encode themselves, so that attribute keys and short
//! values live inline ([`Str`]) and a value is an enum without a message around it.

pub mod any;
pub mod attributes;
pub(crate) mod buckets;
pub mod build;
pub mod common;
pub(crate) mod encode;
pub mod export;
pub mod from_json;
pub(crate) mod gathered;
pub(crate) mod groups;
pub(crate) mod identity;
mod item;
pub mod json;
pub mod logs;
pub mod marked;
pub mod metrics;
pub(crate) mod points;
pub mod scan;
pub mod trace;

pub use any::{AnyValue, KeyValue, Str};
pub use attributes::Attributes;
pub use common::{InstrumentationScope, Resource};
