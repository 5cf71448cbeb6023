//! All that was observed since the receiver runs, and the metrics that come of it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::attributes::{Family, Labels};
use super::dns::{DnsStats, Event, Subject};
use super::kernel::Interface;
use super::kernel::records::{Direction, DropKey, FAILURES, FlowKey, Lost, TcpStats, Traffic};
use super::metrics::{self as info, Info, Points, Span, Totals};
use super::reconcile::Reconciliation;
use super::resolve::Resolver;
use super::series::{Entry, Table};
use super::settings::Settings;
use crate::otlp::KeyValue;
use crate::otlp::metrics::Metric;

/// The series of all families.
pub struct Observations {
    settings: Arc<Settings>,
    flows: Table<FlowKey, Traffic>,
    zones: Table<FlowKey, Traffic>,
    tcp: Table<FlowKey, TcpTotals>,
    drops: Table<DropKey, Traffic>,
    dns: Table<Subject, DnsStats>,
    /// Where a flow is counted that passes several interfaces: where it was seen first.
    first_seen: HashMap<Path, (u32, Direction)>,
    reconciliation: Reconciliation,
    seen: Traffic,
    missed: Vec<(&'static str, u64)>,
    /// This reading and the one before, nanoseconds since the epoch.
    span: Span,
    began: u64,
}

/// A flow whichever interface it is seen at.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Path {
    source: (IpAddr, u16),
    destination: (IpAddr, u16),
    protocol: u8,
}

#[derive(Clone, Debug, Default)]
struct TcpTotals {
    now: TcpStats,
    connect: Totals,
    rtt: Totals,
    lifetime: Totals,
}

/// Series that are sent at once: what is in memory twice for a moment is bounded by it.
const CHUNK: usize = 1000;
/// Names of hosts are the user's, and many: room for those that are asked for often.
const MOST_SUBJECTS: usize = 2000;
const MOST_DROPS: usize = 2000;

impl Observations {
    /// `began`: when the programs began to count.
    pub fn new(settings: Arc<Settings>, began: u64) -> Self {
        let ttl = settings.flow_ttl.as_nanos() as u64;
        let shown = |family| settings.selections.of(family);
        let flows = settings.max_flows;
        Self {
            flows: Table::new(shown(Family::Flow), flows, ttl),
            zones: Table::new(shown(Family::InterZone), flows, ttl),
            tcp: Table::new(shown(Family::Tcp), flows, ttl),
            drops: Table::new(shown(Family::Drop), flows.min(MOST_DROPS), ttl),
            dns: Table::new(shown(Family::Dns), flows.min(MOST_SUBJECTS), ttl),
            first_seen: HashMap::new(),
            reconciliation: Reconciliation::default(),
            seen: Traffic::default(),
            missed: Vec::new(),
            span: Span { start: began, time: began },
            began,
            settings,
        }
    }

    /// A reading begins. `has_changed`: who is who may have another answer than before.
    pub fn begin(&mut self, time: u64, has_changed: bool) {
        self.span = Span { start: self.span.time, time };
        if has_changed {
            self.flows.forget_keys();
            self.zones.forget_keys();
            self.tcp.forget_keys();
            self.drops.forget_keys();
            self.dns.forget_keys();
        }
        for totals in self.tcp.values_mut() {
            totals.now.active = 0;
        }
    }

    /// A reading is over.
    pub fn end(&mut self) {
        let now = self.span.time;
        self.flows.sweep(now);
        self.zones.sweep(now);
        self.tcp.sweep(now);
        self.drops.sweep(now);
        self.dns.sweep(now);
        if self.first_seen.len() > self.settings.max_flows * 2 {
            self.first_seen.clear();
        }
        let folded = self.flows.take_folded()
            + self.zones.take_folded()
            + self.tcp.take_folded()
            + self.drops.take_folded()
            + self.dns.take_folded();
        self.miss("no_series", folded);
    }

    /// Traffic of a flow; `at_interfaces`: the same packet may be seen at several.
    pub fn flow(&mut self, key: &FlowKey, traffic: Traffic, at_interfaces: bool, resolver: &mut Resolver) {
        self.reconciliation.see(key, traffic.bytes);
        if at_interfaces && !self.is_first_sight(key) {
            return;
        }
        let Span { start, time } = self.span;
        if (self.settings.bytes || self.settings.packets)
            && let Some(value) = self.flows.value(key, start, time, || resolver.flow(key))
        {
            *value = value.plus(traffic);
        }
        if self.settings.inter_zone {
            let resolve = || {
                let mut resolved = resolver.flow(key);
                resolved.labels = resolved.labels.filter(|labels| {
                    let (from, to) = (&labels.source.endpoint.zone, &labels.destination.endpoint.zone);
                    !from.is_empty() && !to.is_empty() && from != to
                });
                resolved
            };
            if let Some(value) = self.zones.value(key, start, time, resolve) {
                *value = value.plus(traffic);
            }
        }
    }

    pub fn tcp(&mut self, key: &FlowKey, stats: &TcpStats, resolver: &mut Resolver) {
        let Span { start, time } = self.span;
        if let Some(value) = self.tcp.value(key, start, time, || resolver.connection(key)) {
            value.add(stats);
        }
    }

    pub fn dropped(&mut self, key: &DropKey, reason: &str, traffic: Traffic, resolver: &mut Resolver) {
        let Span { start, time } = self.span;
        if let Some(value) = self.drops.value(key, start, time, || resolver.dropped(key, reason)) {
            *value = value.plus(traffic);
        }
    }

    pub fn lookup(&mut self, subject: &Subject, event: Event, resolver: &mut Resolver) {
        let Span { start, time } = self.span;
        let resolve = || {
            let mut resolved = resolver.connection(&subject.key);
            if let Some(labels) = &mut resolved.labels {
                labels.detail = (&*subject.name).into();
                // Lookups are told of clients alone.
                labels.role = None;
            }
            resolved
        };
        if let Some(value) = self.dns.value(subject, start, time, resolve) {
            value.add(event);
        }
    }

    /// What the programs say they have missed.
    pub fn lost(&mut self, news: &[(Lost, Traffic)]) {
        for (kind, traffic) in news {
            let reason = match kind {
                Lost::Seen => {
                    self.seen = self.seen.plus(*traffic);
                    continue;
                }
                Lost::Sockets => continue,
                Lost::Ingress | Lost::Egress => "flow_map_full",
                Lost::Malformed => "malformed",
                Lost::Tcp => "tcp_map_full",
                Lost::Drops => "drop_map_full",
                Lost::Dns => "dns_ring_full",
            };
            self.miss(reason, traffic.packets);
            // Packets without room of their own are traffic all the same.
            if let Lost::Ingress | Lost::Egress = kind
                && traffic.packets > 0
            {
                let direction = if *kind == Lost::Egress { Direction::Egress } else { Direction::Ingress };
                self.other(direction, *traffic);
            }
        }
    }

    /// Holds what interfaces have counted against the flows; `is_watched`: its packets should be among them.
    pub fn reconcile(&mut self, interfaces: &BTreeMap<i32, Interface>, is_watched: impl Fn(i32) -> bool) {
        let wanted = &self.settings.wanted;
        self.reconciliation.settle(interfaces, |index, direction| {
            let is_counted = if direction == Direction::Egress { wanted.egress } else { wanted.ingress };
            wanted.flows && is_counted && is_watched(index)
        });
    }

    /// Something is missing, for that reason.
    pub fn miss(&mut self, reason: &'static str, count: u64) {
        match self.missed.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, total)) => *total += count,
            None if count > 0 => self.missed.push((reason, count)),
            None => {}
        }
    }

    pub fn missed(&self) -> &[(&'static str, u64)] {
        &self.missed
    }

    /// How many series there are, and how much memory they take.
    pub fn size(&self) -> (usize, u64) {
        let series = self.flows.len() + self.zones.len() + self.tcp.len() + self.drops.len() + self.dns.len();
        let memory = self.flows.memory()
            + self.zones.memory()
            + self.tcp.memory()
            + self.drops.memory()
            + self.dns.memory();
        (series, memory)
    }

    /// All metrics, in pieces of bounded size; `push` returns false when nobody wants more.
    pub fn emit(&self, programs: &[(&'static str, bool)], mut push: impl FnMut(Vec<Metric>) -> bool) {
        let going = self.emit_flows(&mut push)
            && self.emit_zones(&mut push)
            && self.emit_tcp(&mut push)
            && self.emit_drops(&mut push)
            && self.emit_dns(&mut push);
        if going {
            push(self.emit_own(programs));
        }
    }

    fn is_first_sight(&mut self, key: &FlowKey) -> bool {
        let (near, far) = ((key.local(), key.local_port()), (key.remote(), key.remote_port()));
        let (source, destination) =
            if key.direction() == Direction::Egress { (near, far) } else { (far, near) };
        let path = Path { source, destination, protocol: key.protocol() };
        let sight = (key.interface(), key.direction());
        *self.first_seen.entry(path).or_insert(sight) == sight
    }

    fn other(&mut self, direction: Direction, traffic: Traffic) {
        let Span { start, time } = self.span;
        // A key that no packet has stands for all that had no room.
        let nobody = IpAddr::from([0_u16; 8]);
        let key = FlowKey::new((nobody, 0), (nobody, 0), 0, super::kernel::records::Role::Client)
            .with_direction(direction);
        let resolve = || super::resolve::Resolved {
            labels: Some(Labels { is_other: true, direction: Some(direction), ..Labels::default() }),
            is_settled: true,
        };
        if let Some(value) = self.flows.value(&key, start, time, resolve) {
            *value = value.plus(traffic);
        }
    }

    // ------------------------------------------------------------ emitting

    fn attributes<V>(&self, entry: &Entry<V>, family: Family) -> Vec<KeyValue> {
        let shown = self.settings.selections.of(family);
        entry.labels.attributes(shown, &self.settings.cluster_name, family)
    }

    fn span_of<V>(&self, entry: &Entry<V>) -> Span {
        Span { start: entry.start, time: self.span.time }
    }

    fn emit_flows(&self, push: &mut impl FnMut(Vec<Metric>) -> bool) -> bool {
        in_chunks(self.flows.iter(), |chunk| {
            let mut bytes = Points::new(info::FLOW_BYTES);
            let mut packets = Points::new(info::FLOW_PACKETS);
            for entry in chunk {
                let attributes = self.attributes(entry, Family::Flow);
                let span = self.span_of(entry);
                if self.settings.packets {
                    packets.number(span, attributes.clone(), entry.value.packets);
                }
                if self.settings.bytes {
                    bytes.number(span, attributes, entry.value.bytes);
                }
            }
            send([bytes, packets], push)
        })
    }

    fn emit_zones(&self, push: &mut impl FnMut(Vec<Metric>) -> bool) -> bool {
        in_chunks(self.zones.iter(), |chunk| {
            let mut bytes = Points::new(info::INTER_ZONE);
            for entry in chunk {
                bytes.number(
                    self.span_of(entry),
                    self.attributes(entry, Family::InterZone),
                    entry.value.bytes,
                );
            }
            send([bytes], push)
        })
    }

    fn emit_drops(&self, push: &mut impl FnMut(Vec<Metric>) -> bool) -> bool {
        in_chunks(self.drops.iter(), |chunk| {
            let mut bytes = Points::new(info::DROP_BYTES);
            let mut packets = Points::new(info::DROP_PACKETS);
            for entry in chunk {
                let attributes = self.attributes(entry, Family::Drop);
                let span = self.span_of(entry);
                packets.number(span, attributes.clone(), entry.value.packets);
                bytes.number(span, attributes, entry.value.bytes);
            }
            send([packets, bytes], push)
        })
    }

    fn emit_tcp(&self, push: &mut impl FnMut(Vec<Metric>) -> bool) -> bool {
        in_chunks(self.tcp.iter(), |chunk| {
            let mut points = Group::default();
            for entry in chunk {
                let attributes = self.attributes(entry, Family::Tcp);
                let span = self.span_of(entry);
                let TcpTotals { now, connect, rtt, lifetime } = &entry.value;
                let with = |key: &'static str, value: &'static str| {
                    let mut attributes = attributes.clone();
                    attributes.push(KeyValue::fixed(key, value));
                    attributes
                };
                points.number(info::TCP_ACTIVE, span, || attributes.clone(), now.active);
                for (info, count) in [
                    (info::TCP_OPENED, now.opened),
                    (info::TCP_ACCEPTED, now.accepted),
                    (info::TCP_CLOSED, now.closed),
                    (info::TCP_RETRANSMITS, now.retransmits),
                    (info::TCP_RETRANSMITTED, now.retransmitted),
                    (info::TCP_OUT_OF_ORDER, now.out_of_order),
                    (info::TCP_LISTEN_DROPS, now.listen_drops),
                ] {
                    points.counter(info, span, || attributes.clone(), count);
                }
                for (info, transmit, receive) in [
                    (info::TCP_IO, now.sent, now.received),
                    (info::TCP_RESETS, now.resets_sent, now.resets_received),
                    (info::TCP_ZERO_WINDOWS, now.zero_windows_sent, now.zero_windows_received),
                ] {
                    points.counter(info, span, || with("direction", "transmit"), transmit);
                    points.counter(info, span, || with("direction", "receive"), receive);
                }
                for (reason, count) in FAILURES.into_iter().zip(now.failed) {
                    points.counter(info::TCP_FAILED, span, || with("reason", reason), count);
                }
                for (info, totals) in
                    [(info::TCP_RTT, rtt), (info::TCP_CONNECT, connect), (info::TCP_LIFETIME, lifetime)]
                {
                    points.histogram(info, span, || attributes.clone(), totals);
                }
            }
            send(points.0, push)
        })
    }

    fn emit_dns(&self, push: &mut impl FnMut(Vec<Metric>) -> bool) -> bool {
        in_chunks(self.dns.iter(), |chunk| {
            let mut points = Group::default();
            for entry in chunk {
                let attributes = self.attributes(entry, Family::Dns);
                let span = self.span_of(entry);
                let with = |code: &'static str, is_duration: bool| {
                    let mut attributes = attributes.clone();
                    attributes.push(KeyValue::fixed("dns.response.code", code));
                    if is_duration && code != "NOERROR" {
                        attributes.push(KeyValue::fixed("error.type", code));
                    }
                    attributes
                };
                points.counter(info::DNS_QUERIES, span, || attributes.clone(), entry.value.queries);
                points.counter(info::DNS_TIMEOUTS, span, || attributes.clone(), entry.value.timeouts);
                for (code, count) in &entry.value.responses {
                    points.counter(info::DNS_RESPONSES, span, || with(code, false), *count);
                }
                for (code, totals) in &entry.value.durations {
                    points.histogram(info::DNS_DURATION, span, || with(code, true), totals);
                }
            }
            send(points.0, push)
        })
    }

    /// What the receiver says of itself.
    fn emit_own(&self, programs: &[(&'static str, bool)]) -> Vec<Metric> {
        let mut points = Group::default();
        let span = Span { start: self.began, time: self.span.time };
        points.number(info::SEEN_PACKETS, span, Vec::new, self.seen.packets);
        points.number(info::SEEN_BYTES, span, Vec::new, self.seen.bytes);
        for (reason, count) in &self.missed {
            points.number(info::MISSED, span, || vec![KeyValue::fixed("reason", *reason)], *count);
        }
        for (program, is_up) in programs {
            let attributes = || vec![KeyValue::fixed("program", *program)];
            points.number(info::PROGRAM_UP, span, attributes, u64::from(*is_up));
        }
        points.0.push(self.reconciliation.emit(span));
        points.0.into_iter().filter_map(Points::message).collect()
    }
}

impl TcpTotals {
    fn add(&mut self, more: &TcpStats) {
        let now = &mut self.now;
        for (total, more) in [
            (&mut now.opened, more.opened),
            (&mut now.accepted, more.accepted),
            (&mut now.closed, more.closed),
            (&mut now.sent, more.sent),
            (&mut now.received, more.received),
            (&mut now.retransmits, more.retransmits),
            (&mut now.retransmitted, more.retransmitted),
            (&mut now.resets_sent, more.resets_sent),
            (&mut now.resets_received, more.resets_received),
            (&mut now.zero_windows_sent, more.zero_windows_sent),
            (&mut now.zero_windows_received, more.zero_windows_received),
            (&mut now.out_of_order, more.out_of_order),
            (&mut now.listen_drops, more.listen_drops),
            (&mut now.active, more.active),
        ]
        .into_iter()
        .chain(now.failed.iter_mut().zip(more.failed))
        {
            *total = total.saturating_add(more);
        }
        self.connect.add(&more.connect);
        self.rtt.add(&more.rtt);
        self.lifetime.add(&more.lifetime);
    }
}

/// Points of several metrics, made as they are needed.
#[derive(Default)]
struct Group(Vec<Points>);

impl Group {
    fn points(&mut self, info: Info) -> &mut Points {
        let place = self.0.iter().position(|points| points.is_of(info)).unwrap_or_else(|| {
            self.0.push(Points::new(info));
            self.0.len() - 1
        });
        &mut self.0[place]
    }

    fn number(&mut self, info: Info, span: Span, attributes: impl FnOnce() -> Vec<KeyValue>, value: u64) {
        self.points(info).number(span, attributes(), value);
    }

    /// A counter that has never counted is not sent: most flows have no resets.
    fn counter(&mut self, info: Info, span: Span, attributes: impl FnOnce() -> Vec<KeyValue>, value: u64) {
        if value > 0 {
            self.number(info, span, attributes, value);
        }
    }

    fn histogram(
        &mut self,
        info: Info,
        span: Span,
        attributes: impl FnOnce() -> Vec<KeyValue>,
        totals: &Totals,
    ) {
        if totals.count() > 0 {
            self.points(info).histogram(span, attributes(), totals);
        }
    }
}

fn send(points: impl IntoIterator<Item = Points>, push: &mut impl FnMut(Vec<Metric>) -> bool) -> bool {
    let metrics: Vec<Metric> = points.into_iter().filter_map(Points::message).collect();
    metrics.is_empty() || push(metrics)
}

fn in_chunks<'a, V: 'a>(
    entries: impl Iterator<Item = &'a Entry<V>>,
    mut each: impl FnMut(&[&Entry<V>]) -> bool,
) -> bool {
    let mut chunk = Vec::with_capacity(CHUNK);
    for entry in entries {
        chunk.push(entry);
        if chunk.len() == CHUNK {
            if !each(&chunk) {
                return false;
            }
            chunk.clear();
        }
    }
    chunk.is_empty() || each(&chunk)
}
