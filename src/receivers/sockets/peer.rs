//! Attributes about both ends of a connection.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::otlp::KeyValue;

/// Names kept.
const NAMES: usize = 4096;
/// How long a name is believed.
const LIFE: Duration = Duration::from_mins(5);
/// Addresses waiting to be asked for. Beyond, they stay addresses.
const WAITING: usize = 256;

/// The names of addresses. A thread of its own asks for them, since that can take seconds: until
/// then, and when there is none, the address is its name.
#[derive(Default)]
pub struct Names {
    known: HashMap<IpAddr, (Option<String>, Instant)>,
    thread: Option<(Sender<IpAddr>, Receiver<(IpAddr, Option<String>)>)>,
}

impl Names {
    fn of(&mut self, address: IpAddr, now: Instant) -> String {
        if let Some((_, answers)) = &self.thread {
            for (address, name) in answers.try_iter() {
                self.known.insert(address, (name, now));
            }
        }
        match self.known.get(&address) {
            Some((name, asked)) if now.duration_since(*asked) < LIFE => {
                return name.clone().unwrap_or_else(|| address.to_string());
            }
            _ => {}
        }
        if self.known.len() >= NAMES {
            self.known.clear();
        }
        let before = self.known.remove(&address).and_then(|(name, _)| name);
        let text = before.clone().unwrap_or_else(|| address.to_string());
        if self.thread.is_none() {
            self.thread = start();
        }
        if let Some((questions, _)) = &self.thread
            && questions.try_send(address).is_ok()
        {
            self.known.insert(address, (before, now));
        }
        text
    }

    /// Attributes of a record from `peer`, received at `host`.
    pub fn attributes(
        &mut self,
        transport: &'static str,
        peer: SocketAddr,
        host: SocketAddr,
        now: Instant,
    ) -> Vec<KeyValue> {
        let (peer_ip, host_ip) = (peer.ip().to_canonical(), host.ip().to_canonical());
        vec![
            KeyValue::fixed("net.transport", transport),
            KeyValue::fixed("net.peer.name", self.of(peer_ip, now)),
            KeyValue::fixed("net.peer.ip", peer_ip.to_string()),
            KeyValue::fixed("net.peer.port", peer.port().to_string()),
            KeyValue::fixed("net.host.name", self.of(host_ip, now)),
            KeyValue::fixed("net.host.ip", host_ip.to_string()),
            KeyValue::fixed("net.host.port", host.port().to_string()),
        ]
    }
}

/// Ends when nobody asks any more.
fn start() -> Option<(Sender<IpAddr>, Receiver<(IpAddr, Option<String>)>)> {
    let (questions, asked) = bounded::<IpAddr>(WAITING);
    let (answer, answers) = bounded(WAITING);
    let run = move || {
        for address in asked {
            let name = dns_lookup::lookup_addr(&address).ok().filter(|name| *name != address.to_string());
            if answer.send((address, name)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("peer-names".to_owned()).spawn(run).ok()?;
    Some((questions, answers))
}
