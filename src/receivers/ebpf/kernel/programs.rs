//! All programs at work.

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use libbpf_rs::{Iter, IterOpts, Link, MapCore, MapFlags, MapHandle, Object, PrintLevel, set_print};

use super::batch::Batches;
use super::interfaces::Interfaces;
use super::objects::{EXCLUDED, Recipe, Settings, attach, attach_to_tracepoint, map};
use super::reasons::Reasons;
use super::records::{DnsEvent, DropKey, FlowKey, Lost, TcpStats, Traffic, cgroup_path};
use super::ring::DnsRing;
use super::{Report, Vantage, Wanted, cgroups, privileges};

const FLOW: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/flow.bpf.o"));
const TCP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tcp.bpf.o"));
const DROP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/drop.bpf.o"));
const CGROUP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cgroup.bpf.o"));

const AT_SOCKETS: [&str; 2] = ["cgroup_egress", "cgroup_ingress"];
const AT_INTERFACES: [&str; 2] = ["tc_egress", "tc_ingress"];
const OWNERS: &str = "socket_created";
const STATES: &str = "state_changed";
const TRACING: [&str; 4] = [STATES, "retransmitted", "reset_sent", "reset_received"];
/// Over all sockets, by what is kept at them or by who has them open: one is enough.
const EVERY_SOCKET: &str = "every_socket";
const EVERY_FILE: &str = "every_file";
const PASSES: [&str; 2] = [EVERY_SOCKET, EVERY_FILE];
const SEEDS: [&str; 2] = ["every_tcp", "every_udp"];

/// Bytes of the ring for DNS messages: some 800 of them.
const RING: u32 = 512 << 10;
const DROP_KINDS: u32 = 2048;
/// `struct socket`, and what the kernel puts before it.
const SOCKET_BYTES: u64 = 168 + 72;
const SOCKETS_BY_ADDRESS: u32 = 16_384;
const DNS_PORT: u16 = 53;
/// What the programs of an object are told while they run.
const NOW: &str = ".data.now";

/// The programs that run. Dropping it takes them out of the kernel.
pub struct Programs {
    reports: Vec<Report>,
    pub vantage: Vantage,
    reasons: Reasons,
    flow: Option<Object>,
    maps: Maps,
    /// Runs over every socket of the node.
    passes: Vec<Link>,
    /// How often they did.
    pass: u32,
    sockets_count: bool,
    links: Vec<Link>,
    interfaces: Option<Interfaces>,
    dns: Option<DnsRing>,
    batches: Batches,
    /// What was lost until it was asked last.
    lost: [Traffic; Lost::ALL.len()],
    /// Sockets of which something is known, at the last pass over them.
    sockets: u64,
    /// What the flows have counted since `lost` was asked last.
    counted: Traffic,
    /// Only some packets are counted: the programs tell how many there were.
    is_sampled: bool,
    /// They keep their maps and programs; after the links, which use them.
    objects: Vec<Object>,
}

#[derive(Default)]
struct Maps {
    flows: Option<MapHandle>,
    tcp: Option<MapHandle>,
    drops: Option<MapHandle>,
    lost: Option<MapHandle>,
    cgroups: Option<MapHandle>,
    /// What the programs for TCP are told while they run.
    now: Option<MapHandle>,
    /// For the account of memory alone.
    others: Vec<MapHandle>,
}

impl Programs {
    /// Loads and attaches all that can be.
    pub fn start(wanted: &Wanted) -> Self {
        set_print(Some((PrintLevel::Debug, |_, line| log::trace!("libbpf: {}", line.trim_end()))));
        let mut programs = Self {
            reports: Vec::new(),
            vantage: Vantage::Nowhere,
            reasons: Reasons::default(),
            flow: None,
            maps: Maps::default(),
            passes: Vec::new(),
            pass: 0,
            sockets_count: false,
            links: Vec::new(),
            interfaces: None,
            dns: None,
            batches: Batches::default(),
            lost: <[Traffic; Lost::ALL.len()]>::default(),
            sockets: 0,
            counted: Traffic::default(),
            is_sampled: wanted.sampling > 1,
            objects: Vec::new(),
        };
        let root = cgroups::root(&wanted.cgroup_path);
        let mut settings = Settings {
            sampling: wanted.sampling.max(1),
            reason_consumed: u32::MAX,
            hierarchy: 0,
            ephemeral_from: ephemeral_from(),
            dns_port: DNS_PORT,
            count_flows: wanted.flows,
            capture_dns: wanted.dns,
            directions: u8::from(wanted.ingress) | u8::from(wanted.egress) << 1,
            socket_store: true,
            count_tcp: wanted.tcp,
            cgroup_v1: root.is_err() && fs::metadata("/sys/fs/cgroup/memory").is_ok(),
            beacon: format!("km{:013x}", fastrand::u64(..) >> 12),
        };
        let sizes = [
            ("flows", wanted.max_flows),
            ("tcp", if wanted.tcp { (wanted.max_flows / 2).max(64) } else { 1 }),
            ("drops", DROP_KINDS),
            ("dns", if wanted.dns { RING } else { page_size() }),
        ];
        if wanted.flows || wanted.dns || wanted.tcp {
            programs.start_flow(wanted, &settings, &sizes, root);
        }
        // For flows alone connections are followed too, where that spares a look at every packet.
        if wanted.tcp || (wanted.flows && programs.vantage == Vantage::Sockets) {
            programs.start_tcp(wanted, &mut settings, &sizes);
        }
        if wanted.drops {
            programs.start_drop(wanted, &mut settings, &sizes);
        }
        programs.start_cgroup(wanted, &settings);
        programs
    }

    /// What became of each program.
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// Whether any of the programs tells that.
    pub fn tells(&self, feature: &str) -> bool {
        self.reports.iter().any(|report| report.feature == feature && report.result.is_ok())
    }

    /// Whether another program does all the work of this one.
    pub fn has_stand_in(&self, program: &str) -> bool {
        program == EVERY_SOCKET && self.runs(EVERY_FILE)
    }

    /// What the flows have counted since the last call.
    pub fn take_flows(&mut self, mut each: impl FnMut(FlowKey, Traffic)) -> io::Result<()> {
        let Some(flows) = &self.maps.flows else { return Ok(()) };
        let counted = &mut self.counted;
        self.batches.take(flows, |key, value| {
            if let Some(key) = FlowKey::read(key) {
                let traffic = Traffic::read_all(value);
                *counted = counted.plus(traffic);
                each(key, traffic);
            }
        })
    }

    /// Looks at every socket: what it has counted is among the flows and connections then.
    pub fn pass_over_sockets(&mut self) -> io::Result<()> {
        self.pass = self.pass.wrapping_add(1);
        if let Some(now) = &self.maps.now {
            tell(now, self.sockets_count, self.pass).map_err(io::Error::other)?;
        }
        self.passes.iter().try_for_each(run)
    }

    /// What the connections have counted since the last call.
    pub fn take_tcp(&mut self, mut each: impl FnMut(FlowKey, TcpStats)) -> io::Result<()> {
        let Some(tcp) = &self.maps.tcp else { return Ok(()) };
        self.batches.take(tcp, |key, value| {
            if let (Some(key), Some(stats)) = (FlowKey::read(key), TcpStats::read(value)) {
                each(key, stats);
            }
        })
    }

    pub fn take_drops(&mut self, mut each: impl FnMut(DropKey, Traffic)) -> io::Result<()> {
        let Some(drops) = &self.maps.drops else { return Ok(()) };
        self.batches.take(drops, |key, value| {
            if let Some(key) = DropKey::read(key) {
                each(key, Traffic::read_all(value));
            }
        })
    }

    /// The DNS messages that were seen since the last call.
    pub fn take_dns(&mut self, mut each: impl FnMut(DnsEvent<'_>)) -> io::Result<()> {
        match &self.dns {
            Some(dns) => dns.take(|message| {
                if let Some(event) = DnsEvent::read(message) {
                    each(event);
                }
            }),
            None => Ok(()),
        }
    }

    /// The cgroups that were made since the last call: id and path.
    pub fn take_cgroups(&mut self, mut each: impl FnMut(u64, &str)) -> io::Result<()> {
        let Some(cgroups) = &self.maps.cgroups else { return Ok(()) };
        self.batches.take(cgroups, |key, value| {
            if let (Ok(id), Some(path)) = (key.try_into().map(u64::from_ne_bytes), cgroup_path(value)) {
                each(id, path);
            }
        })
    }

    /// What was missed since the last call, and all that was looked at: when every packet is counted,
    /// what the flows say and what had no room among them.
    pub fn take_lost(&mut self) -> [(Lost, Traffic); Lost::ALL.len()] {
        let mut news = Lost::ALL.map(|kind| (kind, Traffic::default()));
        let Some(map) = &self.maps.lost else { return news };
        for (n, (kind, news)) in news.iter_mut().enumerate() {
            let Ok(Some(cpus)) = map.lookup_percpu(&(*kind as u32).to_ne_bytes(), MapFlags::ANY) else {
                continue;
            };
            let now = cpus.iter().map(|cpu| Traffic::read(cpu)).fold(Traffic::default(), Traffic::plus);
            *news = now.since(std::mem::replace(&mut self.lost[n], now));
        }
        self.sockets = news[Lost::Sockets as usize].1.packets;
        let counted = std::mem::take(&mut self.counted);
        if !self.is_sampled {
            let folded = |kind: Lost| news[kind as usize].1;
            let seen = counted.plus(folded(Lost::Ingress)).plus(folded(Lost::Egress));
            news[Lost::Seen as usize].1 = seen;
        }
        news
    }

    /// Attaches to interfaces that have come; does nothing at the sockets.
    pub fn follow_interfaces(&mut self) -> Result<(), String> {
        match (&mut self.interfaces, &self.flow) {
            (Some(interfaces), Some(object)) => interfaces.follow(object),
            _ => Ok(()),
        }
    }

    /// Whether packets that pass the interface, of the agent's network namespace, should be among the flows.
    pub fn watches(&self, interface: i32) -> bool {
        match self.vantage {
            Vantage::Sockets => true,
            Vantage::Interfaces => {
                self.interfaces.as_ref().is_some_and(|interfaces| interfaces.contains(interface))
            }
            Vantage::Nowhere => false,
        }
    }

    /// What the kernel calls a reason to drop a packet.
    pub fn reason(&self, reason: u32) -> String {
        self.reasons.name(reason)
    }

    /// Memory of each map in the kernel, in bytes; of what is kept at sockets, as of the last reading.
    pub fn memory(&self) -> Vec<(String, u64)> {
        let named = [&self.maps.flows, &self.maps.tcp, &self.maps.drops, &self.maps.lost, &self.maps.cgroups];
        let maps = named.into_iter().flatten().chain(&self.maps.others);
        maps.map(|map| {
            let bytes = map.query_fdinfo().ok().and_then(|info| info.memlock).unwrap_or(0);
            (map.name().to_string_lossy().into_owned(), bytes)
        })
        .chain([("sockets".to_owned(), self.sockets * SOCKET_BYTES)])
        .collect()
    }

    // ------------------------------------------------------------ starting

    fn start_flow(
        &mut self,
        wanted: &Wanted,
        settings: &Settings,
        sizes: &[(&str, u32)],
        root: Result<PathBuf, String>,
    ) {
        let recipe = Recipe { image: FLOW, settings, sizes, shared: &[], exclude: &wanted.exclude_programs };
        let packets = wanted.flows || wanted.dns;
        if let Ok(root) = &root {
            let mut names: Vec<_> = vec![OWNERS];
            if !wanted.at_interfaces && packets {
                names.extend(AT_SOCKETS);
            }
            let (object, refused) = recipe.load(&names);
            self.refused(refused);
            if let Some(object) = object {
                self.attach_to_cgroup(&object, root, &names, &settings.beacon);
                self.share_flow(object, wanted.dns);
            }
        } else if let Err(why) = &root {
            self.report(OWNERS, Err(why.clone()));
            if packets && !wanted.at_interfaces {
                AT_SOCKETS.into_iter().for_each(|name| self.report(name, Err(why.clone())));
            }
        }
        let at_sockets = AT_SOCKETS.iter().any(|name| self.runs(name));
        if at_sockets {
            self.vantage = Vantage::Sockets;
        } else if packets {
            self.start_at_interfaces(wanted, settings, sizes);
        }
    }

    /// The second best: an object of its own, with maps of its own.
    fn start_at_interfaces(&mut self, wanted: &Wanted, settings: &Settings, sizes: &[(&str, u32)]) {
        let shared = self.shared_by_flow();
        let recipe =
            Recipe { image: FLOW, settings, sizes, shared: &shared, exclude: &wanted.exclude_programs };
        let (object, refused) = recipe.load(&AT_INTERFACES);
        self.refused(refused);
        let Some(object) = object else { return };
        let mut interfaces = Interfaces::new(&wanted.interfaces, &wanted.exclude_interfaces);
        let result = interfaces.follow(&object);
        let result = if interfaces.is_empty() { result } else { Ok(()) };
        AT_INTERFACES.into_iter().for_each(|name| self.report(name, result.clone()));
        if result.is_ok() {
            self.vantage = Vantage::Interfaces;
            self.interfaces = Some(interfaces);
            self.share_flow(object, wanted.dns);
        }
    }

    fn attach_to_cgroup(&mut self, object: &Object, root: &Path, names: &[&'static str], beacon: &str) {
        let folder = match fs::File::open(root) {
            Ok(folder) => folder,
            Err(error) => {
                let why = format!("cannot open {}: {error}", root.display());
                names.iter().for_each(|name| self.report(name, Err(why.clone())));
                return;
            }
        };
        for name in names.iter().copied() {
            if self.is_known(name) {
                continue;
            }
            let link = attach(object, name, |program| program.attach_cgroup(folder.as_raw_fd()));
            self.attached(name, link);
            if name == OWNERS && self.runs(OWNERS) {
                show_namespace(beacon);
            }
        }
    }

    fn share_flow(&mut self, object: Object, dns: bool) {
        self.maps.flows = map(&object, "flows");
        self.maps.lost = map(&object, "lost");
        if dns && let Some(ring) = map(&object, "dns") {
            self.dns = DnsRing::new(&ring);
            self.maps.others.push(ring);
        }
        self.maps.others.extend(map(&object, "tcp").filter(|_| self.maps.tcp.is_none()));
        if let Some(before) = self.flow.replace(object) {
            self.objects.push(before);
        }
    }

    /// The maps in which the first object and later ones meet.
    fn shared_by_flow(&self) -> Vec<(&'static str, MapHandle)> {
        let Some(flow) = &self.flow else { return Vec::new() };
        ["sockets", "flows", "tcp", "lost"]
            .into_iter()
            .filter_map(|name| Some((name, map(flow, name)?)))
            .collect()
    }

    fn start_tcp(&mut self, wanted: &Wanted, settings: &mut Settings, sizes: &[(&str, u32)]) {
        let shared = self.shared_by_flow();
        let exclude = &wanted.exclude_programs;
        // Flows that are not shared are not counted: they need no room here.
        let mut sizes: Vec<_> = sizes.iter().copied().filter(|(name, _)| *name != "flows").collect();
        sizes.push(("flows", 1));
        let tracing = if wanted.tcp { &TRACING[..] } else { &[STATES] };
        let names: Vec<_> = tracing.iter().copied().chain(PASSES).chain(SEEDS).collect();
        let (mut object, mut refused) =
            Recipe { image: TCP, settings, sizes: &sizes, shared: &shared, exclude }.load(&names);
        let why_not = |program: &str| refused.iter().find(|(name, _)| *name == program).map(|(_, why)| why);
        let has_no_store = why_not(STATES).is_some_and(|why| why != EXCLUDED);
        let has_no_pass = PASSES.iter().all(|pass| why_not(pass).is_some());
        if !wanted.tcp && (has_no_store || has_no_pass) {
            return self.refused(refused);
        }
        if has_no_store || has_no_pass {
            let excluded = PASSES.map(|pass| why_not(pass).is_some_and(|why| why == EXCLUDED));
            settings.socket_store = false;
            sizes.push(("by_address", SOCKETS_BY_ADDRESS));
            let names: Vec<_> = TRACING.into_iter().chain([SEEDS[0]]).collect();
            let (second, refused_again) =
                Recipe { image: TCP, settings, sizes: &sizes, shared: &shared, exclude }.load(&names);
            if second.is_some() {
                (object, refused) = (second, refused_again);
                for (pass, is_excluded) in PASSES.into_iter().zip(excluded) {
                    let why = if is_excluded { EXCLUDED } else { "the kernel does not let it: 5.11 does" };
                    self.report(pass, Err(why.to_owned()));
                }
            }
        }
        self.refused(refused);
        let Some(object) = object else { return };
        for name in tracing.iter().copied() {
            if !self.is_known(name) {
                let link = attach_to_tracepoint(&object, name);
                self.attached(name, link);
            }
        }
        self.maps.now = map(&object, NOW);
        if !self.is_known(EVERY_SOCKET) {
            let sockets = map(&object, "sockets");
            let link = attach(&object, EVERY_SOCKET, |program| match &sockets {
                Some(sockets) => program.attach_iter(sockets.as_fd()),
                None => Err(io::Error::from(io::ErrorKind::NotFound).into()),
            });
            self.pass(EVERY_SOCKET, link, true);
        }
        for name in [EVERY_FILE].into_iter().chain(SEEDS) {
            if self.is_known(name) || (!settings.socket_store && name != SEEDS[0]) {
                continue;
            }
            let stays = if name == EVERY_FILE { !self.runs(EVERY_SOCKET) } else { !settings.socket_store };
            let link = attach(&object, name, |program| program.attach_iter_with_opts(IterOpts::None));
            self.pass(name, link, stays);
        }
        self.maps.tcp = map(&object, "tcp");
        if self.maps.lost.is_none() {
            self.maps.lost = map(&object, "lost");
        }
        self.maps.others.extend(["namespaces", "by_address"].iter().filter_map(|name| map(&object, name)));
        self.objects.push(object);
        if settings.socket_store {
            self.first_pass();
        }
    }

    /// Gets to know all sockets. Where packets are counted at the sockets, those of established connections
    /// pass without a look from then on, as the kernel counts them: the programs that run over sockets and
    /// see them close add that to the flows. If it fails every packet is looked at.
    fn first_pass(&mut self) {
        let packets = self.flow.as_ref().and_then(|flow| map(flow, NOW));
        self.sockets_count = packets.is_some()
            && AT_SOCKETS.iter().chain([&STATES]).all(|name| self.runs(name))
            && PASSES.iter().any(|name| self.runs(name));
        let result = self.pass_over_sockets().and_then(|()| match packets {
            Some(packets) if self.sockets_count => tell(&packets, true, 0).map_err(io::Error::other),
            _ => Ok(()),
        });
        if let Err(error) = result {
            log::debug!("ebpf: every packet is looked at: {error}");
        }
    }

    fn start_drop(&mut self, wanted: &Wanted, settings: &mut Settings, sizes: &[(&str, u32)]) {
        const DROPPED: &str = "dropped";
        self.reasons = Reasons::of_kernel();
        settings.reason_consumed = self.reasons.consumed.unwrap_or(u32::MAX);
        let mut shared: Vec<(&'static str, MapHandle)> = Vec::new();
        shared.extend(
            self.maps.lost.as_ref().and_then(|map| MapHandle::try_from(map).ok()).map(|map| ("lost", map)),
        );
        if let Some(tcp) = self.objects.last() {
            shared.extend(map(tcp, "namespaces").map(|map| ("namespaces", map)));
        }
        let (object, refused) =
            Recipe { image: DROP, settings, sizes, shared: &shared, exclude: &wanted.exclude_programs }
                .load(&[DROPPED]);
        self.refused(refused);
        let Some(object) = object else { return };
        let link = attach_to_tracepoint(&object, DROPPED);
        self.attached(DROPPED, link);
        self.maps.drops = map(&object, "drops");
        if self.maps.lost.is_none() {
            self.maps.lost = map(&object, "lost");
        }
        self.objects.push(object);
    }

    fn start_cgroup(&mut self, wanted: &Wanted, settings: &Settings) {
        const MADE: &str = "cgroup_made";
        let (object, refused) =
            Recipe { image: CGROUP, settings, sizes: &[], shared: &[], exclude: &wanted.exclude_programs }
                .load(&[MADE]);
        self.refused(refused);
        let Some(object) = object else { return };
        let link = attach_to_tracepoint(&object, MADE);
        self.attached(MADE, link);
        self.maps.cgroups = map(&object, "cgroups");
        self.objects.push(object);
    }

    // ------------------------------------------------------------ reporting

    fn is_known(&self, program: &str) -> bool {
        self.reports.iter().any(|report| report.program == program)
    }

    fn runs(&self, program: &str) -> bool {
        self.reports.iter().any(|report| report.program == program && report.result.is_ok())
    }

    fn report(&mut self, program: &'static str, result: Result<(), String>) {
        self.reports.push(Report { program, feature: feature(program), result });
    }

    fn refused(&mut self, refused: Vec<(&'static str, String)>) {
        let missing = privileges::missing();
        for (program, error) in refused {
            let why = if missing.is_empty() || error == EXCLUDED {
                error
            } else {
                format!("{error}: give the agent the capabilities it lacks: {}", missing.join(", "))
            };
            self.report(program, Err(why));
        }
    }

    fn attached(&mut self, program: &'static str, link: Result<Link, String>) {
        let result = link.map(|link| self.links.push(link));
        self.report(program, result);
    }

    /// A program that runs over sockets: once now, and at every reading when it is to stay.
    fn pass(&mut self, program: &'static str, link: Result<Link, String>, stays: bool) {
        let result = link.and_then(|link| {
            run(&link).map_err(|error| format!("cannot be run: {error}"))?;
            if stays {
                self.passes.push(link);
            }
            Ok(())
        });
        self.report(program, result);
    }
}

/// `now` of `bpf/flows.h`.
fn tell(now: &MapHandle, sockets_count: bool, pass: u32) -> libbpf_rs::Result<()> {
    let value = [u32::from(sockets_count).to_ne_bytes(), pass.to_ne_bytes()].concat();
    now.update(&0_u32.to_ne_bytes(), &value, MapFlags::ANY)
}

fn feature(program: &str) -> &'static str {
    match program {
        "cgroup_egress" | "cgroup_ingress" | "tc_egress" | "tc_ingress" => "flows",
        OWNERS => "processes",
        "dropped" => "drops",
        "cgroup_made" => "cgroups",
        EVERY_SOCKET | EVERY_FILE | "every_tcp" | "every_udp" => "sockets",
        _ => "tcp",
    }
}

/// Runs a program over sockets; what it finds it keeps in the kernel.
fn run(pass: &Link) -> io::Result<()> {
    let mut iterator = Iter::new(pass).map_err(io::Error::other)?;
    let mut nothing = [0; 64];
    loop {
        match iterator.read(&mut nothing) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes a socket in a thread of that name, by which the program knows where the agent is.
fn show_namespace(beacon: &str) {
    use rustix::net::{AddressFamily, SocketType, socket};

    let thread = std::thread::Builder::new()
        .name(beacon.to_owned())
        .spawn(|| drop(socket(AddressFamily::INET, SocketType::DGRAM, None)));
    // Without it the flows of the agent's own namespace do not tell their interface.
    if let Ok(thread) = thread {
        let _ = thread.join();
    }
}

fn ephemeral_from() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(32_768)
}

fn page_size() -> u32 {
    rustix::param::page_size() as u32
}
