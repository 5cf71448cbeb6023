//! The receiver's own metrics.

use crate::telemetry::{Counter, Gauge, Telemetry};

/// Counters and gauges, one set a receiver.
pub struct Meters {
    pub open_files: Gauge,
    pub reading_files: Gauge,
    pub accepted: Counter,
    pub refused: Counter,
    /// Bytes of files that vanished before they were read or acknowledged.
    pub lost: Counter,
    /// Bytes cut off by `max_log_size_behavior: truncate`.
    pub truncated: Counter,
}

impl Meters {
    pub fn new(telemetry: &Telemetry, receiver: &str) -> Self {
        let labels = [("receiver", receiver)];
        let transport = [("receiver", receiver), ("transport", "file")];
        Self {
            open_files: telemetry.gauge("otelcol_fileconsumer_open_files", &labels),
            reading_files: telemetry.gauge("otelcol_fileconsumer_reading_files", &labels),
            accepted: telemetry.counter("otelcol_receiver_accepted_log_records", &transport),
            refused: telemetry.counter("otelcol_receiver_refused_log_records", &transport),
            lost: telemetry.counter("otelcol_fileconsumer_lost_bytes", &labels),
            truncated: telemetry.counter("otelcol_fileconsumer_truncated_bytes", &labels),
        }
    }
}
