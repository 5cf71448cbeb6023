//! The attributes of the data points: which there are, which are shown, how they are written.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use globset::GlobBuilder;

use super::config::SelectConfig;
use super::endpoint::Endpoint;
use super::kernel::records::{Direction, Role};
use super::mistakes::Mistakes;
use super::settings::{PROTOCOLS, family_of};
use crate::kube::Interned;
use crate::otlp::KeyValue;

/// Metrics that have the same attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    Flow,
    InterZone,
    Tcp,
    Drop,
    Dns,
}

/// A set of attributes: a bit for each of [`SOURCE`], [`DESTINATION`] and [`COMMON`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown(u64);

/// About the end that packets come from, in the order of [`End`]'s bits.
pub const SOURCE: [&str; 12] = [
    "k8s.src.name",
    "k8s.src.type",
    "k8s.src.namespace",
    "k8s.src.owner.name",
    "k8s.src.owner.type",
    "k8s.src.node.name",
    "k8s.src.node.ip",
    "src.zone",
    "src.cidr",
    "src.address",
    "src.port",
    "src.name",
];
/// About the end that packets go to.
pub const DESTINATION: [&str; 12] = [
    "k8s.dst.name",
    "k8s.dst.type",
    "k8s.dst.namespace",
    "k8s.dst.owner.name",
    "k8s.dst.owner.type",
    "k8s.dst.node.name",
    "k8s.dst.node.ip",
    "dst.zone",
    "dst.cidr",
    "dst.address",
    "dst.port",
    "dst.name",
];
/// About the flow, and its end on this node.
pub const COMMON: [&str; 11] = [
    "direction",
    "iface.direction",
    "iface",
    "transport",
    "network.type",
    "server.port",
    "connection.role",
    "process.executable.name",
    "container.id",
    "k8s.container.name",
    "k8s.cluster.name",
];

const DESTINATION_FROM: usize = 16;
const COMMON_FROM: usize = 32;
const NODE_IP: usize = 6;
const ZONE: usize = 7;
const CIDR: usize = 8;
const ADDRESS: usize = 9;
const PORT: usize = 10;
const NAME: usize = 11;
/// What a selection may not take away from bytes between zones.
const ZONES: [&str; 2] = ["src.zone", "dst.zone"];

impl Shown {
    pub fn has(self, bit: usize) -> bool {
        self.0 >> bit & 1 == 1
    }

    fn common(self, name: &str) -> bool {
        COMMON.iter().position(|known| *known == name).is_some_and(|n| self.has(COMMON_FROM + n))
    }

    fn of(names: &[&str]) -> Self {
        let bits = all().filter(|(_, name)| names.contains(name)).map(|(bit, _)| 1 << bit);
        Self(bits.fold(0, |set, bit: u64| set | bit))
    }
}

/// Every attribute with its bit.
pub fn all() -> impl Iterator<Item = (usize, &'static str)> {
    SOURCE
        .into_iter()
        .enumerate()
        .chain(DESTINATION.into_iter().enumerate().map(|(n, name)| (n + DESTINATION_FROM, name)))
        .chain(COMMON.into_iter().enumerate().map(|(n, name)| (n + COMMON_FROM, name)))
}

/// The attributes of each family.
#[derive(Clone, Debug)]
pub struct Selections(BTreeMap<Family, Shown>);

impl Selections {
    pub fn new(config: &BTreeMap<String, SelectConfig>, mistakes: &mut Mistakes<'_>) -> Self {
        let mut selections: BTreeMap<Family, Shown> =
            [Family::Flow, Family::InterZone, Family::Tcp, Family::Drop, Family::Dns]
                .into_iter()
                .map(|family| (family, default(family)))
                .collect();
        let mut chosen: BTreeMap<Family, &str> = BTreeMap::new();
        for (metric, select) in config {
            let path = format!("attributes::select::{metric}");
            let Some(family) = family_of(metric) else {
                mistakes.error(&path, "no metric of this receiver has this name");
                continue;
            };
            let shown = choose(select, family, &mut mistakes.within(&path));
            if let Some(other) = chosen.insert(family, metric)
                && selections[&family] != shown
            {
                let text = format!(
                    "has other attributes than {other}, but they are counted together: choose the same"
                );
                mistakes.error(&path, text);
            }
            selections.insert(family, shown);
        }
        Self(selections)
    }

    pub fn of(&self, family: Family) -> Shown {
        self.0.get(&family).copied().unwrap_or_else(|| default(family))
    }
}

fn default(family: Family) -> Shown {
    let hidden: &[&str] = match family {
        Family::InterZone => {
            return Shown::of(&["src.zone", "dst.zone", "k8s.cluster.name"]);
        }
        Family::Flow => {
            &["k8s.src.node.ip", "k8s.dst.node.ip", "connection.role", "src.port", "dst.port", "container.id"]
        }
        Family::Tcp => &[
            "k8s.src.node.ip",
            "k8s.dst.node.ip",
            "direction",
            "iface.direction",
            "iface",
            "src.port",
            "dst.port",
            "container.id",
        ],
        Family::Drop | Family::Dns => &[
            "k8s.src.node.ip",
            "k8s.dst.node.ip",
            "direction",
            "iface.direction",
            "src.port",
            "dst.port",
            "container.id",
            "connection.role",
        ],
    };
    let names: Vec<_> = all().map(|(_, name)| name).filter(|name| !hidden.contains(name)).collect();
    Shown::of(&names)
}

fn choose(select: &SelectConfig, family: Family, mistakes: &mut Mistakes<'_>) -> Shown {
    let mut matching = |key: &str, globs: &[String]| {
        let mut set = 0_u64;
        for (n, glob) in globs.iter().enumerate() {
            // OBI's users also write the names with underscores.
            let normal = glob.replace('_', ".");
            let Ok(matcher) = GlobBuilder::new(&normal).build().map(|glob| glob.compile_matcher()) else {
                mistakes.error(&format!("{key}::{n}"), format!("\"{glob}\" is no pattern"));
                continue;
            };
            let bits =
                all().filter(|(_, name)| matcher.is_match(name)).fold(0, |set, (bit, _)| set | 1 << bit);
            if bits == 0 && !is_unsupported(&normal) {
                mistakes.error(&format!("{key}::{n}"), format!("no attribute is called \"{glob}\""));
            }
            set |= bits;
        }
        set
    };
    let included = select.include.as_ref().map(|globs| matching("include", globs));
    let excluded = matching("exclude", &select.exclude);
    let mut shown = included.unwrap_or(default(family).0) & !excluded;
    if family == Family::InterZone {
        shown |= Shown::of(&ZONES).0;
    }
    Shown(shown)
}

/// Attributes of OBI that this receiver has nothing for: a selection may name them all the same.
fn is_unsupported(name: &str) -> bool {
    const PREFIXES: [&str; 4] = ["obi.ip", "client.port", "network.protocol", "beyla."];
    const SUFFIXES: [&str; 2] = [".country", ".asn"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// One end of a flow, as far as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct End {
    pub endpoint: Arc<Endpoint>,
    pub address: Option<IpAddr>,
    /// 0: not shown.
    pub port: u16,
}

/// What tells one series from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels {
    /// What had no room of its own: nothing but the direction is known.
    pub is_other: bool,
    pub source: End,
    pub destination: End,
    pub direction: Option<Direction>,
    pub role: Option<Role>,
    pub protocol: u8,
    /// 4 or 6; 0: not shown.
    pub family: u8,
    pub server_port: u16,
    pub interface: Interned,
    pub process: Interned,
    pub container: Interned,
    pub container_id: Interned,
    /// Of one family alone: why packets were dropped, which name was asked for.
    pub detail: Interned,
}

impl Labels {
    /// Leaves only what is shown.
    pub fn reduce(mut self, shown: Shown) -> Self {
        reduce_end(&mut self.source, shown, 0);
        reduce_end(&mut self.destination, shown, DESTINATION_FROM);
        if !shown.common("direction") && !shown.common("iface.direction") {
            self.direction = None;
        }
        if !shown.common("connection.role") && !shown.common("direction") {
            self.role = None;
        }
        if !shown.common("transport") {
            self.protocol = 0;
        }
        if !shown.common("network.type") {
            self.family = 0;
        }
        if !shown.common("server.port") {
            self.server_port = 0;
        }
        for (name, text) in [
            ("iface", &mut self.interface),
            ("process.executable.name", &mut self.process),
            ("k8s.container.name", &mut self.container),
            ("container.id", &mut self.container_id),
        ] {
            if !shown.common(name) {
                *text = Interned::default();
            }
        }
        self
    }

    /// The attributes of a data point.
    pub fn attributes(&self, shown: Shown, cluster: &str, family: Family) -> Vec<KeyValue> {
        let mut list = Vec::with_capacity(24);
        let mut text = |key: &'static str, value: &str| {
            if !value.is_empty() {
                list.push(KeyValue::fixed(key, value));
            }
        };
        if self.is_other {
            text("src.name", "other");
            text("dst.name", "other");
        }
        for (end, names, from) in
            [(&self.source, &SOURCE, 0), (&self.destination, &DESTINATION, DESTINATION_FROM)]
        {
            let endpoint = &*end.endpoint;
            let address = end.address.map(|address| address.to_string()).unwrap_or_default();
            let name = if endpoint.name.is_empty() { &*address } else { &*endpoint.name };
            for (n, value) in [
                &*endpoint.name,
                endpoint.kind,
                &*endpoint.namespace,
                &*endpoint.owner_name,
                &*endpoint.owner_kind,
                &*endpoint.node,
                &*endpoint.node_ip,
                &*endpoint.zone,
                &*endpoint.cidr,
                &*address,
            ]
            .into_iter()
            .enumerate()
            {
                if shown.has(from + n) {
                    text(names[n], value);
                }
            }
            if shown.has(from + NAME) {
                text(names[NAME], name);
            }
        }
        match self.direction {
            Some(direction) if shown.common("iface.direction") => {
                text("iface.direction", direction.name());
            }
            _ => {}
        }
        if let (Some(direction), Some(role)) = (self.direction, self.role)
            && shown.common("direction")
        {
            let to_server = (direction == Direction::Egress) == (role == Role::Client);
            text("direction", if to_server { "request" } else { "response" });
        }
        if let Some(role) = self.role
            && shown.common("connection.role")
        {
            text("connection.role", if role == Role::Client { "client" } else { "server" });
        }
        if self.protocol != 0 {
            match PROTOCOLS.iter().find(|(number, _)| *number == self.protocol) {
                Some((_, name)) => text("transport", name),
                None => text("transport", &self.protocol.to_string()),
            }
        }
        match self.family {
            4 => text("network.type", "ipv4"),
            6 => text("network.type", "ipv6"),
            _ => {}
        }
        text("iface", &self.interface);
        text("process.executable.name", &self.process);
        text("k8s.container.name", &self.container);
        text("container.id", &self.container_id);
        if shown.common("k8s.cluster.name") {
            text("k8s.cluster.name", cluster);
        }
        match family {
            Family::Drop => text("reason", &self.detail),
            Family::Dns => text("dns.question.name", &self.detail),
            _ => {}
        }
        let mut port = |key: &'static str, port: u16| {
            if port != 0 {
                list.push(KeyValue::fixed(key, i64::from(port)));
            }
        };
        port("src.port", self.source.port);
        port("dst.port", self.destination.port);
        port("server.port", self.server_port);
        list
    }
}

fn reduce_end(end: &mut End, shown: Shown, from: usize) {
    let is_hidden = |bit: usize| !shown.has(from + bit);
    if is_hidden(ADDRESS) && (is_hidden(NAME) || end.endpoint.is_known()) {
        end.address = None;
    }
    if is_hidden(PORT) {
        end.port = 0;
    }
    if (0..=CIDR).all(|bit| shown.has(from + bit) || bit == NODE_IP) && end.endpoint.labels.is_empty() {
        if is_hidden(NODE_IP) && !end.endpoint.node_ip.is_empty() {
            Arc::make_mut(&mut end.endpoint).node_ip = Interned::default();
        }
        return;
    }
    let endpoint = Arc::make_mut(&mut end.endpoint);
    endpoint.labels = Arc::default();
    let name_is_used = !is_hidden(NAME);
    if is_hidden(0) && !name_is_used {
        endpoint.name = Interned::default();
    }
    if is_hidden(1) {
        endpoint.kind = "";
    }
    for (bit, text) in [
        (2, &mut endpoint.namespace),
        (3, &mut endpoint.owner_name),
        (4, &mut endpoint.owner_kind),
        (5, &mut endpoint.node),
        (NODE_IP, &mut endpoint.node_ip),
        (ZONE, &mut endpoint.zone),
        (CIDR, &mut endpoint.cidr),
    ] {
        if is_hidden(bit) {
            *text = Interned::default();
        }
    }
}
