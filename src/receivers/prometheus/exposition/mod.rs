//! The text formats that Prometheus endpoints speak: text 0.0.4 and 1.0.0, OpenMetrics 0.0.1 and 1.0.0.
//!
//! [`Lines`] cuts a stream into lines without ever holding the page, a [`Parser`] reads one line.
//! Both take any bytes: nothing here panics or grows with hostile input. Sources:
//! `prometheus.io/docs/instrumenting/exposition_formats` and the OpenMetrics 1.0 specification.

mod error;
mod escape;
mod lines;
mod number;
mod parser;
mod scan;
#[cfg(test)]
mod tests;

pub use error::ExpositionError;
pub use escape::{escape_value, unescape};
pub use lines::{LONGEST_LINE, Lines};
pub use number::number;
pub use parser::{Dialect, Entry, Exemplar, Kind, Parser, Sample};
pub use scan::{Span, Spans};
