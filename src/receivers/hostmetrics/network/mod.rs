//! The `network` scraper: `/proc/net/dev`, the table of TCP sockets and the limits of conntrack.

mod sockets;

use serde::Deserialize;

use self::sockets::{STATES, Sockets};
use super::emitter::{Emitter, HostScraper};
use super::filter::{Filter, name_list};
use super::host::Host;
use super::null_is_default;
use super::parse::{fields, lines, next_number, number};
use crate::component::BuildError;
use crate::config::Issues;
use crate::metric_table;
use crate::otlp::{KeyValue, Str};
use crate::receivers::scraper::{Cause, Fault, Run};
use crate::receivers::switches::Switches;

name_list!(Interfaces, interfaces);

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    #[serde(deserialize_with = "null_is_default")]
    include: Interfaces,
    #[serde(deserialize_with = "null_is_default")]
    exclude: Interfaces,
    #[serde(deserialize_with = "null_is_default")]
    pub metrics: Switches,
}

impl NetworkConfig {
    pub fn validate(&self, path: &str, issues: &mut Issues) {
        self.include.names().validate(&format!("{path}::include"), issues);
        self.exclude.names().validate(&format!("{path}::exclude"), issues);
    }
}

metric_table! {
    pub enum NetworkMetric {
        Packets: Counter Int on "system.network.packets" "{packets}" ["device", "direction"]
            "The number of packets transferred.";
        Dropped: Counter Int on "system.network.dropped" "{packets}" ["device", "direction"]
            "The number of packets dropped.";
        Errors: Counter Int on "system.network.errors" "{errors}" ["device", "direction"]
            "The number of errors encountered.";
        Io: Counter Int on "system.network.io" "By" ["device", "direction"]
            "The number of bytes transmitted and received.";
        Connections: UpDown Int on "system.network.connections" "{connections}" ["protocol", "state"]
            "The number of connections.";
        ConntrackCount: UpDown Int off "system.network.conntrack.count" "{entries}" []
            "The count of entries in conntrack table.";
        ConntrackMax: UpDown Int off "system.network.conntrack.max" "{entries}" []
            "The limit for entries in the conntrack table.";
    }
}

/// States that always have a point. Upstream's list, in which `FIN_WAIT_1` and `FIN_WAIT_2` stay 0
/// because its reader calls them `FIN_WAIT1` and `FIN_WAIT2`, and nothing is ever `DELETE`.
const ALWAYS: [&str; 12] = [
    "CLOSE_WAIT",
    "CLOSE",
    "CLOSING",
    "DELETE",
    "ESTABLISHED",
    "FIN_WAIT_1",
    "FIN_WAIT_2",
    "LAST_ACK",
    "LISTEN",
    "SYN_SENT",
    "SYN_RECV",
    "TIME_WAIT",
];

pub struct Network {
    emitter: Emitter<NetworkMetric>,
    filter: Filter,
    sockets: Sockets,
}

/// One line of `/proc/net/dev`.
#[derive(Debug, PartialEq, Eq)]
struct Interface<'a> {
    name: &'a str,
    receive: Traffic,
    transmit: Traffic,
}

#[derive(Debug, PartialEq, Eq)]
struct Traffic {
    bytes: u64,
    packets: u64,
    errors: u64,
    dropped: u64,
}

impl Network {
    pub fn new(config: &NetworkConfig, version: &str) -> Result<Self, BuildError> {
        Ok(Self {
            emitter: Emitter::new("network", &config.metrics, version),
            filter: Filter::new(config.include.names(), config.exclude.names())?,
            sockets: Sockets::default(),
        })
    }

    fn interfaces(&mut self, text: &[u8], run: &mut Run<'_>) {
        let points = &mut self.emitter.points;
        // Two lines of heading.
        for line in lines(text).skip(2) {
            let Some(interface) = parse_interface(line) else {
                run.fault(Cause::new("net/dev line"), 8, || {
                    format!("cannot understand \"{}\" in /proc/net/dev", String::from_utf8_lossy(line))
                });
                continue;
            };
            if !self.filter.wants(interface.name) {
                continue;
            }
            let device = Str::new(interface.name);
            for (direction, traffic) in [("receive", &interface.receive), ("transmit", &interface.transmit)] {
                let attributes = || {
                    [
                        KeyValue::fixed("device", device.clone()),
                        KeyValue::fixed("direction", Str::const_new(direction)),
                    ]
                };
                points.int(NetworkMetric::Packets, attributes(), traffic.packets);
                points.int(NetworkMetric::Dropped, attributes(), traffic.dropped);
                points.int(NetworkMetric::Errors, attributes(), traffic.errors);
                points.int(NetworkMetric::Io, attributes(), traffic.bytes);
            }
        }
    }

    fn connections(&mut self, host: &mut Host) -> Result<(), Fault> {
        let counts = self.sockets.count(host)?;
        let mut record = |state: &'static str, count| {
            let attributes = [
                KeyValue::fixed("protocol", Str::const_new("tcp")),
                KeyValue::fixed("state", Str::const_new(state)),
            ];
            self.emitter.points.int(NetworkMetric::Connections, attributes, count);
        };
        for state in ALWAYS {
            let place = STATES.iter().position(|known| *known == state);
            record(state, place.map_or(0, |place| counts[place]));
        }
        for (state, count) in STATES.into_iter().zip(counts) {
            if count > 0 && !ALWAYS.contains(&state) {
                record(state, count);
            }
        }
        Ok(())
    }

    fn conntrack(&mut self, metric: NetworkMetric, file: &'static str, host: &mut Host, run: &mut Run<'_>) {
        if !self.emitter.points.is_on(metric) {
            return;
        }
        match host.read(file).map(|text| number(text.trim_ascii())) {
            Ok(Some(value)) => self.emitter.points.int(metric, [], value),
            Ok(None) => run.fault(Cause::new(file), 1, || format!("cannot understand /proc/{file}")),
            Err(fault) => {
                run.fault(fault.cause, 1, || format!("{}; is nf_conntrack loaded?", fault.message));
            }
        }
    }
}

impl HostScraper for Network {
    fn scrape(&mut self, host: &mut Host, run: &mut Run<'_>) -> Result<(), Fault> {
        use NetworkMetric::{Connections, Dropped, Errors, Io, Packets};

        self.emitter.begin(host, run);
        if self.emitter.points.any_on(&[Packets, Dropped, Errors, Io]) {
            match host.read("net/dev") {
                Ok(text) => self.interfaces(text, run),
                Err(fault) => run.fault(fault.cause, 8, || fault.message),
            }
        }
        if self.emitter.points.is_on(Connections)
            && let Err(fault) = self.connections(host)
        {
            run.fault(fault.cause, ALWAYS.len() as u64, || fault.message);
        }
        self.conntrack(NetworkMetric::ConntrackCount, "sys/net/netfilter/nf_conntrack_count", host, run);
        self.conntrack(NetworkMetric::ConntrackMax, "sys/net/netfilter/nf_conntrack_max", host, run);
        self.emitter.push(Vec::new(), run);
        Ok(())
    }
}

/// `name: bytes packets errs drop fifo frame compressed multicast` received, then eight numbers of
/// what was sent. The name ends at the last colon: it may have one itself.
fn parse_interface(line: &[u8]) -> Option<Interface<'_>> {
    let colon = memchr::memrchr(b':', line)?;
    let name = std::str::from_utf8(line[..colon].trim_ascii()).ok().filter(|name| !name.is_empty())?;
    let mut fields = fields(&line[colon + 1..]);
    let receive = Traffic::parse(&mut fields)?;
    fields.nth(3)?;
    Some(Interface { name, receive, transmit: Traffic::parse(&mut fields)? })
}

impl Traffic {
    fn parse<'a>(fields: &mut impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        Some(Self {
            bytes: next_number(fields)?,
            packets: next_number(fields)?,
            errors: next_number(fields)?,
            dropped: next_number(fields)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_colons_and_numbers_without_blanks_before_them_are_understood() {
        let line = b"  eth0:1:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
        let interface = parse_interface(line).unwrap();
        assert_eq!(interface.name, "eth0:1");
        assert_eq!(interface.receive, Traffic { bytes: 1, packets: 2, errors: 3, dropped: 4 });
        assert_eq!(interface.transmit, Traffic { bytes: 9, packets: 10, errors: 11, dropped: 12 });
        for line in ["", "eth0", "eth0: 1 2 3", ": 1 2 3 4 5 6 7 8 9 10 11 12", "e: 1 2 3 4 5 6 7 8 9 10 11"]
        {
            assert_eq!(parse_interface(line.as_bytes()), None, "{line}");
        }
    }
}
