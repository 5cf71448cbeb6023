//! DNS: queries, their answers, how long they took, and those that got none.

pub mod message;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::kernel::records::{Direction, DnsEvent, FlowKey};
use super::metrics::Totals;
use message::{last_labels, parse, rcode_name};

/// Queries that wait for their answers, and what is to be reported.
pub struct Lookups {
    timeout: u64,
    depth: usize,
    waiting: HashMap<Query, Waiting>,
    /// In the order of their time.
    order: VecDeque<(u64, Query)>,
    /// Answers without a query, and messages that make no sense; since they were asked for last.
    pub unmatched: u64,
    pub malformed: u64,
    /// Queries that were given up on because too many wait.
    pub evicted: u64,
}

/// What an answer must agree with. Not the server: behind a virtual address another one answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Query {
    local: IpAddr,
    port: u16,
    id: u16,
    cgroup: u64,
}

struct Waiting {
    since: u64,
    key: FlowKey,
    name: Box<str>,
}

/// What one lookup counts for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Client and server; the client's port is folded.
    pub key: FlowKey,
    /// Cut to the configured depth.
    pub name: Box<str>,
}

/// Something that happened to a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Asked,
    /// With the name of the code and microseconds; `None` when the query was not seen.
    Answered(&'static str, Option<u64>),
    TimedOut,
}

/// What the lookups of one subject came to.
#[derive(Clone, Debug, Default)]
pub struct DnsStats {
    pub queries: u64,
    pub timeouts: u64,
    /// By the name of the code.
    pub responses: Vec<(&'static str, u64)>,
    /// By the name of the code.
    pub durations: Vec<(&'static str, Totals)>,
}

/// Queries that may wait at the same time.
const MOST_WAITING: usize = 16_384;

impl Lookups {
    pub fn new(timeout: Duration, depth: usize) -> Self {
        Self {
            timeout: timeout.as_nanos() as u64,
            depth,
            waiting: HashMap::new(),
            order: VecDeque::new(),
            unmatched: 0,
            malformed: 0,
            evicted: 0,
        }
    }

    /// Takes a message that the program has seen.
    pub fn take(&mut self, event: &DnsEvent<'_>, mut tell: impl FnMut(Subject, Event)) {
        let Ok(message) = parse(event.payload) else {
            self.malformed += 1;
            return;
        };
        let key = event.key;
        // The program hands over what clients send and get, nothing else.
        if message.is_response == (key.direction() == Direction::Egress) {
            self.malformed += 1;
            return;
        }
        let query =
            Query { local: key.local(), port: key.local_port(), id: message.id, cgroup: key.cgroup() };
        if message.is_response {
            let code = rcode_name(message.rcode);
            if let Some(waiting) = self.waiting.remove(&query) {
                let took = event.time.saturating_sub(waiting.since) / 1000;
                tell(waiting.subject(), Event::Answered(code, Some(took)));
            } else {
                self.unmatched += 1;
                let name = last_labels(&message.name, self.depth).into();
                tell(Subject { key: folded(key), name }, Event::Answered(code, None));
            }
            return;
        }
        let name: Box<str> = last_labels(&message.name, self.depth).into();
        tell(Subject { key: folded(key), name: name.clone() }, Event::Asked);
        // A query that is sent again waits since it was sent first.
        if self.waiting.contains_key(&query) {
            return;
        }
        while self.waiting.len() >= MOST_WAITING
            && let Some((since, oldest)) = self.order.pop_front()
        {
            if self.is_waiting_since(&oldest, since) {
                self.waiting.remove(&oldest);
                self.evicted += 1;
            }
        }
        self.waiting.insert(query, Waiting { since: event.time, key: folded(key), name });
        self.order.push_back((event.time, query));
    }

    /// Gives up on what waits for too long at `now`, monotonic nanoseconds.
    pub fn expire(&mut self, now: u64, mut tell: impl FnMut(Subject, Event)) {
        while let Some((since, query)) = self.order.front().copied()
            && now.saturating_sub(since) >= self.timeout
        {
            self.order.pop_front();
            if self.is_waiting_since(&query, since)
                && let Some(waiting) = self.waiting.remove(&query)
            {
                tell(waiting.subject(), Event::TimedOut);
            }
        }
    }

    fn is_waiting_since(&self, query: &Query, since: u64) -> bool {
        self.waiting.get(query).is_some_and(|waiting| waiting.since == since)
    }
}

impl Waiting {
    fn subject(self) -> Subject {
        Subject { key: self.key, name: self.name }
    }
}

impl DnsStats {
    pub fn add(&mut self, event: Event) {
        match event {
            Event::Asked => self.queries += 1,
            Event::TimedOut => self.timeouts += 1,
            Event::Answered(code, took) => {
                *slot(&mut self.responses, code) += 1;
                if let Some(took) = took {
                    slot(&mut self.durations, code).record(took);
                }
            }
        }
    }
}

fn slot<'a, T: Default>(list: &'a mut Vec<(&'static str, T)>, code: &'static str) -> &'a mut T {
    let place = list.iter().position(|(known, _)| *known == code).unwrap_or_else(|| {
        list.push((code, T::default()));
        list.len() - 1
    });
    &mut list[place].1
}

/// The key without the client's port, the same for both ways.
fn folded(key: FlowKey) -> FlowKey {
    key.with_local_port(0).with_direction(Direction::Egress)
}
