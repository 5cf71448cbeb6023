//! The metrics: what is known of each, and their messages.

use super::kernel::records::{BOUNDS, BUCKETS, Histogram, bucket};
use crate::otlp::KeyValue;
use crate::otlp::metrics::{
    Data, Gauge, HistogramDataPoint, Metric, Number, NumberDataPoint, Sum, Temporality,
};

/// What a metric is before it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    pub name: &'static str,
    /// UCUM.
    pub unit: &'static str,
    pub shape: Shape,
    /// Attributes beside those of its family.
    pub attributes: &'static [&'static str],
    pub description: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Counter,
    UpDown,
    Gauge,
    /// Measured in that many parts of a second.
    Histogram(u32),
}

macro_rules! metrics {
    ($($constant:ident: $shape:expr, $name:literal $unit:literal [$($attribute:literal),*] $description:literal;)*) => {
        $(pub const $constant: Info = Info {
            name: $name, unit: $unit, shape: $shape, attributes: &[$($attribute),*], description: $description,
        };)*
        /// Every metric.
        #[cfg(test)]
        const ALL: &[Info] = &[$($constant),*];
    };
}

use Shape::{Counter, UpDown};
const MICROS: Shape = Shape::Histogram(1_000_000);
const MILLIS: Shape = Shape::Histogram(1_000);

metrics! {
    FLOW_BYTES: Counter, "obi.network.flow.bytes" "By" [] "Bytes from one endpoint to another, headers of the network and transport layer included.";
    FLOW_PACKETS: Counter, "obi.network.flow.packets" "{packet}" [] "Packets from one endpoint to another, as on the wire.";
    INTER_ZONE: Counter, "obi.network.inter.zone.bytes" "By" [] "Bytes that cross from one zone into another.";
    TCP_RTT: MICROS, "obi.stat.tcp.rtt" "s" [] "Smoothed round-trip time of established connections, once an interval and when they close.";
    TCP_FAILED: Counter, "obi.stat.tcp.failed.connections" "{connection}" ["reason"] "Connections that could not be made, or were reset or timed out.";
    TCP_RETRANSMITS: Counter, "obi.stat.tcp.retransmits" "{retransmit}" [] "Segments that were sent again.";
    TCP_IO: Counter, "obi.stat.tcp.io" "By" ["direction"] "Payload that the peer has acknowledged (transmit) and that was received in order (receive).";
    TCP_RETRANSMITTED: Counter, "kmagent.tcp.retransmitted" "By" [] "Bytes that were sent again.";
    TCP_OPENED: Counter, "kmagent.tcp.connections.opened" "{connection}" [] "Connections that this end has opened.";
    TCP_ACCEPTED: Counter, "kmagent.tcp.connections.accepted" "{connection}" [] "Connections that this end has accepted.";
    TCP_CLOSED: Counter, "kmagent.tcp.connections.closed" "{connection}" [] "Established connections that have ended.";
    TCP_ACTIVE: UpDown, "kmagent.tcp.connections.active" "{connection}" [] "Connections that are established.";
    TCP_CONNECT: MICROS, "kmagent.tcp.connect.duration" "s" [] "From connect() to the established connection.";
    TCP_LIFETIME: MILLIS, "kmagent.tcp.connection.duration" "s" [] "From the established connection to its end.";
    TCP_RESETS: Counter, "kmagent.tcp.resets" "{reset}" ["direction"] "Resets sent (transmit) and received (receive).";
    TCP_ZERO_WINDOWS: Counter, "kmagent.tcp.zero_windows" "{packet}" ["direction"] "Packets that told the other end to stop sending: sent (transmit), received (receive).";
    TCP_OUT_OF_ORDER: Counter, "kmagent.tcp.out_of_order" "{packet}" [] "Packets that were received out of order.";
    TCP_LISTEN_DROPS: Counter, "kmagent.tcp.listen.drops" "{connection}" [] "Connections that were not accepted because the queue of the listening socket was full.";
    DROP_PACKETS: Counter, "kmagent.network.drop.packets" "{packet}" ["reason"] "Packets that the kernel has dropped.";
    DROP_BYTES: Counter, "kmagent.network.drop.bytes" "By" ["reason"] "Bytes that the kernel has dropped.";
    DNS_DURATION: MICROS, "dns.lookup.duration" "s" ["dns.response.code", "error.type"] "From the query to its answer.";
    DNS_QUERIES: Counter, "kmagent.dns.queries" "{query}" [] "Queries sent.";
    DNS_RESPONSES: Counter, "kmagent.dns.responses" "{response}" ["dns.response.code"] "Answers received.";
    DNS_TIMEOUTS: Counter, "kmagent.dns.timeouts" "{query}" [] "Queries that got no answer in time.";
    SEEN_PACKETS: Counter, "kmagent.ebpf.packets" "{packet}" [] "Packets that were looked at.";
    SEEN_BYTES: Counter, "kmagent.ebpf.bytes" "By" [] "Bytes that were looked at.";
    MISSED: Counter, "kmagent.ebpf.missed" "{event}" ["reason"] "What is missing from the other metrics: packets that could not be read, messages and events without room; and packets that had no room for their own flow and are counted as other.";
    UNSEEN: Counter, "kmagent.ebpf.interface.unseen" "By" ["iface", "iface.direction"] "Bytes that an interface has counted and no flow has: forwarded for others, of other protocols than IP, or missed.";
    PROGRAM_UP: Shape::Gauge, "kmagent.ebpf.program.up" "1" ["program"] "1 when the program runs in the kernel, 0 when this kernel did not take it.";
}

/// Counts of a histogram since it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    sum: u64,
    counts: [u64; BUCKETS],
}

impl Default for Totals {
    fn default() -> Self {
        Self { sum: 0, counts: [0; BUCKETS] }
    }
}

impl Totals {
    pub fn add(&mut self, more: &Histogram) {
        self.sum = self.sum.saturating_add(more.sum);
        for (count, more) in self.counts.iter_mut().zip(more.counts) {
            *count += u64::from(more);
        }
    }

    /// Adds one measurement.
    pub fn record(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Points of one metric.
pub struct Points {
    info: Info,
    numbers: Vec<NumberDataPoint>,
    histograms: Vec<HistogramDataPoint>,
}

/// When a point counts from and to, nanoseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub start: u64,
    pub time: u64,
}

impl Points {
    pub fn new(info: Info) -> Self {
        Self { info, numbers: Vec::new(), histograms: Vec::new() }
    }

    pub fn is_of(&self, info: Info) -> bool {
        self.info.name == info.name
    }

    pub fn number(&mut self, span: Span, attributes: Vec<KeyValue>, value: u64) {
        let start = if self.info.shape == Shape::Gauge { 0 } else { span.start };
        self.numbers.push(NumberDataPoint {
            start_time_unix_nano: start,
            time_unix_nano: span.time,
            value: Some(Number::Int(i64::try_from(value).unwrap_or(i64::MAX))),
            attributes,
            ..NumberDataPoint::default()
        });
    }

    pub fn histogram(&mut self, span: Span, attributes: Vec<KeyValue>, totals: &Totals) {
        let Shape::Histogram(parts) = self.info.shape else { return };
        let parts = f64::from(parts);
        self.histograms.push(HistogramDataPoint {
            start_time_unix_nano: span.start,
            time_unix_nano: span.time,
            count: totals.count(),
            sum: Some(totals.sum as f64 / parts),
            bucket_counts: totals.counts.to_vec(),
            explicit_bounds: BOUNDS.iter().map(|bound| f64::from(*bound) / parts).collect(),
            attributes,
            ..HistogramDataPoint::default()
        });
    }

    /// The message; `None` when there are no points.
    pub fn message(self) -> Option<Metric> {
        let Self { info, numbers: data_points, histograms } = self;
        if data_points.is_empty() && histograms.is_empty() {
            return None;
        }
        let cumulative = Temporality::Cumulative as i32;
        let data = match info.shape {
            Shape::Gauge => Data::Gauge(Gauge { data_points }),
            Counter | UpDown => Data::Sum(Sum {
                data_points,
                aggregation_temporality: cumulative,
                is_monotonic: info.shape == Counter,
            }),
            Shape::Histogram(_) => Data::Histogram(crate::otlp::metrics::Histogram {
                data_points: histograms,
                aggregation_temporality: cumulative,
            }),
        };
        Some(Metric {
            name: info.name.to_owned(),
            description: info.description.to_owned(),
            unit: info.unit.to_owned(),
            data: Some(data),
            metadata: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_falls_into_the_bucket_below_its_bound() {
        let mut totals = Totals::default();
        for value in [0, 50, 51, 10_000_000, 10_000_001] {
            totals.record(value);
        }
        assert_eq!((totals.counts[0], totals.counts[1]), (2, 1));
        assert_eq!((totals.counts[16], totals.counts[17]), (1, 1));
        let mut points = Points::new(TCP_RTT);
        points.histogram(Span { start: 1, time: 2 }, Vec::new(), &totals);
        let Some(Data::Histogram(histogram)) = points.message().unwrap().data else { panic!() };
        let point = &histogram.data_points[0];
        assert_eq!((point.count, point.explicit_bounds[0]), (5, 0.00005));
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    }

    #[test]
    fn the_page_lists_every_metric() {
        let page = include_str!("../../../docs/components/ebpfreceiver.md");
        for info in ALL {
            let line = page.lines().find(|line| line.starts_with(&format!("| `{}` |", info.name)));
            let line = line.unwrap_or_else(|| panic!("{} is missing", info.name));
            assert!(line.contains(&format!("`{}`", info.unit)), "{line}");
            assert!(info.attributes.iter().all(|name| line.contains(&format!("`{name}`"))), "{line}");
        }
    }
}
