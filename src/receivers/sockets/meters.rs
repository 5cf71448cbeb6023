//! The receiver's own metrics.

use crate::telemetry::{Counter, Gauge, Telemetry};

#[derive(Clone)]
pub struct Meters {
    pub accepted: Counter,
    pub refused: Counter,
    /// Records that were cut because they are too long.
    pub truncated: Counter,
    /// Bytes in which no record could be found.
    pub nonsense: Counter,
    /// Datagrams the kernel dropped because nobody took them in time.
    pub overrun: Counter,
    /// Connections closed because there were too many, or because their TLS failed.
    pub turned_away: Counter,
    pub failed_tls: Counter,
    pub connections: Gauge,
}

impl Meters {
    pub fn new(telemetry: &Telemetry, receiver: &str, transport: &str) -> Self {
        let labels = [("receiver", receiver), ("transport", transport)];
        let reason = |name, reason| {
            telemetry.counter(name, &[("receiver", receiver), ("transport", transport), ("reason", reason)])
        };
        Self {
            accepted: telemetry.counter("otelcol_receiver_accepted_log_records", &labels),
            refused: telemetry.counter("otelcol_receiver_refused_log_records", &labels),
            truncated: telemetry.counter("otelcol_receiver_socket_split_log_records", &labels),
            nonsense: reason("otelcol_receiver_socket_dropped_bytes", "framing"),
            overrun: reason("otelcol_receiver_socket_dropped_packets", "buffer_full"),
            turned_away: reason("otelcol_receiver_socket_refused_connections", "too_many"),
            failed_tls: reason("otelcol_receiver_socket_refused_connections", "tls"),
            connections: telemetry.gauge("otelcol_receiver_socket_connections", &labels),
        }
    }
}
