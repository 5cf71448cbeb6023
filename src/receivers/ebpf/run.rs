//! The receiver at work: loads the programs, reads them at every interval, sends what they say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::cluster::{Cluster, Scope};
use super::conntrack::{self, Conntrack};
use super::dns::Lookups;
use super::kernel::records::{Direction, FlowKey};
use super::kernel::{Programs, Vantage, cgroup_tree, present};
use super::observations::Observations;
use super::owners::Owners;
use super::resolve::Resolver;
use super::settings::Settings;
use super::socket_diag::SocketDiag;
use crate::component::{BuildError, Context, Receiver, RunError};
use crate::kube::{Access, Client, Namespaces};
use crate::otlp::build::resource_metrics;
use crate::otlp::metrics::{Metric, ResourceMetrics};
use crate::otlp::{InstrumentationScope, KeyValue};
use crate::pipeline::{Ack, Data, Outputs, Stop};
use crate::telemetry::{Causes, ComponentState};
use crate::time::now_unix_nanos;

/// The receiver before it runs.
pub struct Observing {
    settings: Arc<Settings>,
    cluster: Option<Cluster>,
    context: Context,
}

/// DNS messages are taken out of their ring so often: it has room for some 800.
const DNS_PAUSE: Duration = Duration::from_millis(250);
const IDLE: Duration = Duration::from_secs(3600);
const CONNTRACK: &str = "tracked connections";

impl Observing {
    pub fn new(settings: Settings, context: Context) -> Result<Self, BuildError> {
        let cluster = if settings.enabled { follow(&settings)? } else { None };
        Ok(Self { settings: Arc::new(settings), cluster, context })
    }

    /// The receiver with a cluster that is followed already.
    pub fn with_cluster(settings: Settings, cluster: Cluster, context: Context) -> Self {
        Self { settings: Arc::new(settings), cluster: Some(cluster), context }
    }
}

fn follow(settings: &Settings) -> Result<Option<Cluster>, BuildError> {
    let Some(kubernetes) = &settings.kubernetes else { return Ok(None) };
    let client = match Access::new(&kubernetes.api) {
        Ok(access) => Client::new(access),
        Err(error) if kubernetes.if_there_is_one => {
            log::info!("ebpf: flows are not told by pod: {error}");
            return Ok(None);
        }
        Err(error) => return Err(BuildError::new(format!("attributes::kubernetes: {error}"))),
    };
    let scope = Scope {
        node: &settings.node,
        cluster_wide: kubernetes.cluster_wide,
        namespaces: &Namespaces::new("ebpf", &[]),
        labels: &settings.filter.labels(),
    };
    Cluster::follow(&client, &scope)
        .map(Some)
        .map_err(|error| BuildError::new(format!("cannot start a thread: {error}")))
}

impl Receiver for Observing {
    fn counts_itself(&self) -> bool {
        true
    }

    fn run(self: Box<Self>, outputs: Outputs, stop: Stop) -> Result<(), RunError> {
        let Self { settings, cluster, context } = *self;
        if !settings.enabled {
            log::info!("{}: switched off by network.enable or KM_EBPF_NETWORK_ENABLED", context.id);
            context.status.set(ComponentState::Running, "switched off");
            while !stop.wait(IDLE) {}
            context.status.set(ComponentState::Stopped, "");
            return Ok(());
        }
        let mut observer = Observer::start(settings.clone(), cluster, context.clone());
        let mut next = Instant::now() + settings.initial_delay;
        let receiver = context.id.to_string();
        let labels = [("receiver", receiver.as_str()), ("transport", "")];
        let accepted = context.telemetry.counter("otelcol_receiver_accepted_metric_points", &labels);
        let refused = context.telemetry.counter("otelcol_receiver_refused_metric_points", &labels);
        loop {
            let now = Instant::now();
            if now >= next {
                observer.read();
                observer.emit(|data| {
                    let data = Data::Metrics(vec![data]);
                    let points = data.items() as u64;
                    let is_taken = outputs.send(data, Ack::none());
                    if is_taken {
                        accepted.add(points)
                    } else {
                        refused.add(points)
                    }
                    is_taken
                });
                next = (next + settings.interval).max(Instant::now());
            } else if observer.hears_dns {
                observer.read_dns();
            }
            let pause = next.saturating_duration_since(Instant::now());
            if stop.wait(if observer.hears_dns { pause.min(DNS_PAUSE) } else { pause }) {
                break;
            }
        }
        context.status.set(ComponentState::Stopped, "");
        Ok(())
    }
}

/// The programs and what came of them.
pub struct Observer {
    settings: Arc<Settings>,
    context: Context,
    programs: Programs,
    diag: Option<SocketDiag>,
    conntrack: Option<Conntrack>,
    resolver: Resolver,
    observations: Observations,
    lookups: Lookups,
    said: Causes<&'static str>,
    scope: InstrumentationScope,
    resource: Vec<KeyValue>,
    hears_dns: bool,
}

impl Observer {
    /// Loads what can be loaded and says what that was.
    pub fn start(settings: Arc<Settings>, cluster: Option<Cluster>, context: Context) -> Self {
        let owners = Owners::new(cgroup_tree(&settings.cgroup_path));
        let programs = Programs::start(&settings.wanted);
        let diag = if settings.wanted.tcp && !programs.tells("tcp") {
            SocketDiag::open()
                .map_err(|error| {
                    log::warn!("{}: the list of sockets cannot be asked for: {error}", context.id)
                })
                .ok()
        } else {
            None
        };
        let scope = InstrumentationScope {
            name: "github.com/kloudmate/kmagent/receiver/ebpf".to_owned(),
            version: context.host.version().to_owned(),
            ..InstrumentationScope::default()
        };
        let mut resource = Vec::new();
        if !settings.node.is_empty() {
            resource.push(KeyValue::fixed("k8s.node.name", settings.node.as_str()));
        }
        let mut observer = Self {
            resolver: Resolver::new(settings.clone(), owners, cluster),
            observations: Observations::new(settings.clone(), now_unix_nanos()),
            lookups: Lookups::new(settings.dns_timeout, settings.dns_depth),
            hears_dns: settings.wanted.dns && programs.vantage != Vantage::Nowhere,
            said: Causes::new(),
            settings,
            context,
            programs,
            diag,
            conntrack: None,
            scope,
            resource,
        };
        let Self { programs, observations, .. } = &mut observer;
        observations.reconcile(&present(), |interface| programs.watches(interface));
        observer.said_once(CONNTRACK, Self::track);
        observer.announce();
        observer
    }

    /// What runs in the kernel.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// How many series there are, and how much memory they take.
    pub fn size(&self) -> (usize, u64) {
        self.observations.size()
    }

    /// Reads what the kernel has counted since the last time.
    pub fn read(&mut self) {
        self.said_once("interfaces", |observer| observer.programs.follow_interfaces());
        let Self { resolver, observations, .. } = self;
        let has_changed = resolver.refresh(&present(), Instant::now());
        observations.begin(now_unix_nanos(), has_changed);
        self.read_dns();
        self.said_once("cgroups", |Self { programs, resolver, .. }| {
            let now = Instant::now();
            programs
                .take_cgroups(|id, path| resolver.owners.learn(id, path, now))
                .map_err(|error| error.to_string())
        });
        self.said_once("sockets", |observer| {
            observer.programs.pass_over_sockets().map_err(|error| error.to_string())
        });
        self.said_once("flows", |Self { programs, resolver, observations, .. }| {
            let at_interfaces = programs.vantage == Vantage::Interfaces;
            programs
                .take_flows(|key, traffic| observations.flow(&key, traffic, at_interfaces, resolver))
                .map_err(|error| error.to_string())
        });
        self.said_once(CONNTRACK, Self::read_conntrack);
        self.said_once("tcp", |Self { programs, diag, resolver, observations, .. }| {
            match diag {
                Some(diag) => diag.take(|key, stats| observations.tcp(&key, &stats, resolver)),
                None => programs.take_tcp(|key, stats| observations.tcp(&key, &stats, resolver)),
            }
            .map_err(|error| error.to_string())
        });
        self.said_once("drops", |Self { programs, resolver, observations, .. }| {
            let mut drops = Vec::new();
            let result = programs.take_drops(|key, traffic| drops.push((key, traffic)));
            for (key, traffic) in drops {
                observations.dropped(&key, &programs.reason(key.reason), traffic, resolver);
            }
            result.map_err(|error| error.to_string())
        });
        let Self { programs, observations, lookups, .. } = self;
        observations.lost(&programs.take_lost());
        observations.reconcile(&present(), |interface| programs.watches(interface));
        observations.miss("dns_malformed", std::mem::take(&mut lookups.malformed));
        observations.miss("dns_unmatched", std::mem::take(&mut lookups.unmatched));
        observations.miss("dns_too_many_waiting", std::mem::take(&mut lookups.evicted));
        observations.end();
        self.account();
    }

    /// Where no program sees packets, those whom the firewall tracks are looked at.
    fn track(&mut self) -> Result<(), String> {
        let is_wanted = self.settings.wanted.flows && self.programs.vantage == Vantage::Nowhere;
        if is_wanted && self.conntrack.is_none() {
            self.conntrack = Some(Conntrack::open()?);
            log::info!("{}: flows are those of the tracked connections (conntrack)", self.context.id);
        }
        Ok(())
    }

    /// Another firewall may have begun to track after the agent: then they are found at the next reading.
    fn read_conntrack(&mut self) -> Result<(), String> {
        if self.conntrack.is_none() {
            self.track()?;
            if self.conntrack.is_some() {
                self.announce();
            }
        }
        let Self { conntrack: Some(conntrack), resolver, observations, settings, .. } = self else {
            return Ok(());
        };
        let is_wanted = |key: &FlowKey| match key.direction() {
            Direction::Ingress => settings.wanted.ingress,
            Direction::Egress => settings.wanted.egress,
        };
        let here = conntrack::addresses().unwrap_or_default();
        let without_room = conntrack.take(|connection| {
            let flows =
                connection.flows(|address| here.contains(&address) || resolver.is_of_this_node(address));
            for (key, traffic) in
                flows.into_iter().filter(|(key, traffic)| traffic.packets > 0 && is_wanted(key))
            {
                observations.flow(&key, traffic, false, resolver);
            }
        });
        observations.miss("too_many_connections", without_room.map_err(|error| error.to_string())?);
        if Conntrack::counts() {
            return Ok(());
        }
        Err("the kernel tracks them and does not count their packets: set the sysctl \
             net.netfilter.nf_conntrack_acct to 1"
            .to_owned())
    }

    /// Takes the DNS messages that have come.
    pub fn read_dns(&mut self) {
        if !self.hears_dns {
            return;
        }
        self.said_once("dns", |Self { programs, resolver, observations, lookups, .. }| {
            let result = programs.take_dns(|event| {
                lookups.take(&event, |subject, what| observations.lookup(&subject, what, resolver));
            });
            lookups.expire(monotonic(), |subject, what| observations.lookup(&subject, what, resolver));
            result.map_err(|error| error.to_string())
        });
    }

    /// Everything counted so far, in pieces.
    pub fn emit(&self, mut push: impl FnMut(ResourceMetrics) -> bool) {
        let programs: Vec<(&'static str, bool)> = self
            .programs
            .reports()
            .iter()
            .map(|report| (report.program, report.result.is_ok()))
            .chain(self.stand_ins())
            .collect();
        self.observations.emit(&programs, |metrics: Vec<Metric>| {
            push(resource_metrics(self.resource.clone(), &self.scope, "", metrics))
        });
    }

    /// What tells in the place of programs that do not run.
    fn stand_ins(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let stand_ins = [("sock_diag", self.diag.is_some()), ("conntrack", self.conntrack.is_some())];
        stand_ins.into_iter().filter(|(_, is_used)| *is_used)
    }

    /// Runs a part of a reading; the first failure of its kind is logged.
    fn said_once(&mut self, part: &'static str, run: impl FnOnce(&mut Self) -> Result<(), String>) {
        match run(self) {
            Ok(()) => self.said.forget(&part),
            Err(error) if self.said.is_new(part) => {
                log::warn!("{}: {part} cannot be read: {error}; this cause is logged once", self.context.id);
            }
            Err(_) => {}
        }
    }

    /// Says what runs and what does not, in the log and in the component's state.
    fn announce(&self) {
        let id = &self.context.id;
        let reports = self.programs.reports();
        let running: Vec<_> =
            reports.iter().filter(|report| report.result.is_ok()).map(|report| report.program).collect();
        let of_programs = reports.iter().map(|report| (report.program, report.result.is_ok()));
        for (program, is_up) in of_programs.chain(self.stand_ins()) {
            let labels = [("receiver", &*id.to_string()), ("program", program)];
            self.context.telemetry.gauge("kmagent_ebpf_program_up", &labels).set(u64::from(is_up));
        }
        let vantage = match self.programs.vantage {
            Vantage::Sockets => "flows at the sockets of all cgroups",
            Vantage::Interfaces => "flows at the network interfaces, without processes and containers",
            Vantage::Nowhere if self.conntrack.is_some() => "flows of the tracked connections",
            Vantage::Nowhere if self.settings.wanted.flows => "no flows",
            Vantage::Nowhere => "flows are not asked for",
        };
        let last_resort = if self.diag.is_some() { "; TCP from the list of sockets" } else { "" };
        log::info!("{id}: {vantage}{last_resort}; running: {}", running.join(", "));
        // Programs that fail for the same reason share a line.
        let mut failures: Vec<(&str, Vec<&str>)> = Vec::new();
        for report in reports {
            if let Err(why) = &report.result {
                if self.programs.has_stand_in(report.program) {
                    log::info!("{id}: another program does the work of {}: {why}", report.program);
                    continue;
                }
                match failures.iter_mut().find(|(known, _)| known == why) {
                    Some((_, programs)) => programs.push(report.program),
                    None => failures.push((why, vec![report.program])),
                }
            }
        }
        for (why, programs) in &failures {
            log::warn!("{id}: does not run: {}: {why}", programs.join(", "));
        }
        let detail: Vec<_> =
            failures.iter().map(|(why, programs)| format!("{}: {why}", programs.join(", "))).collect();
        let is_less = !failures.is_empty();
        let state = if is_less { ComponentState::Degraded } else { ComponentState::Running };
        let detail = if is_less {
            format!("{vantage}{last_resort}; {}", detail.join("; "))
        } else {
            vantage.to_owned()
        };
        self.context.status.set(state, detail);
    }

    /// What the receiver costs and misses, in the agent's own metrics.
    fn account(&self) {
        let receiver = self.context.id.to_string();
        let telemetry = &self.context.telemetry;
        let tracked = self.conntrack.as_ref().map(|conntrack| ("conntrack".to_owned(), conntrack.memory()));
        for (map, bytes) in self.programs.memory().into_iter().chain(tracked) {
            telemetry.gauge("kmagent_ebpf_map_bytes", &[("receiver", &receiver), ("map", &map)]).set(bytes);
        }
        let (series, memory) = self.size();
        telemetry.gauge("kmagent_ebpf_series", &[("receiver", &receiver)]).set(series as u64);
        telemetry.gauge("kmagent_ebpf_series_bytes", &[("receiver", &receiver)]).set(memory);
        for (reason, count) in self.observations.missed() {
            telemetry
                .gauge("kmagent_ebpf_missed", &[("receiver", &receiver), ("reason", reason)])
                .set(*count);
        }
    }
}

/// The clock of the programs, in nanoseconds.
fn monotonic() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
