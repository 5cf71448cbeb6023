//! The receiver's own metrics.

use crate::telemetry::{Counter, Gauge, Telemetry};

pub struct Meters {
    pub accepted: Counter,
    pub refused: Counter,
    /// Entries and fields that could not be read: damaged, or gone before they were sent again.
    pub damaged: Counter,
    /// Fields cut or left empty because they are too long.
    pub truncated: Counter,
    pub open_files: Gauge,
}

impl Meters {
    pub fn new(telemetry: &Telemetry, receiver: &str) -> Self {
        let labels = [("receiver", receiver)];
        let transport = [("receiver", receiver), ("transport", "journald")];
        Self {
            accepted: telemetry.counter("otelcol_receiver_accepted_log_records", &transport),
            refused: telemetry.counter("otelcol_receiver_refused_log_records", &transport),
            damaged: telemetry.counter("otelcol_receiver_journald_damaged", &labels),
            truncated: telemetry.counter("otelcol_receiver_journald_truncated_fields", &labels),
            open_files: telemetry.gauge("otelcol_receiver_journald_open_files", &labels),
        }
    }
}
