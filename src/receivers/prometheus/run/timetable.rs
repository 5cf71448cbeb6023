//! Who is visited when.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::RunningJob;
use super::pool::{Task, Visited};
use super::reporting::Reporting;
use crate::component::Context;
use crate::receivers::prometheus::discovery::Found;
use crate::receivers::prometheus::scrape::{LabelSet, Memory, NoTarget, Target};
use crate::telemetry::{Causes, ComponentState};
use crate::time::unix_nanos;

/// All targets of a receiver.
pub struct Timetable {
    jobs: Vec<Arc<RunningJob>>,
    /// What each provider of each job found last.
    found: HashMap<(usize, usize), Vec<LabelSet>>,
    slots: HashMap<u64, Slot>,
    /// Jobs that have more targets than they may.
    over_limit: HashSet<usize>,
    /// Shifts the visits of this host against those of others to the same targets.
    host: u64,
    reporting: Arc<Reporting>,
    said: Causes<(usize, String)>,
    degraded: bool,
}

struct Slot {
    visited: Arc<Visited>,
    next: Instant,
    busy: bool,
    /// When a target that nobody finds any more is given up.
    leaving: Option<Instant>,
    failed: Option<String>,
    series: usize,
}

impl Timetable {
    pub fn new(jobs: &[Arc<RunningJob>], reporting: Arc<Reporting>) -> Self {
        let host = rustix::system::uname().nodename().to_bytes().to_vec();
        Self {
            jobs: jobs.to_vec(),
            found: HashMap::new(),
            slots: HashMap::new(),
            over_limit: HashSet::new(),
            host: xxh3_64_with_seed(&host, 0),
            reporting,
            said: Causes::new(),
            degraded: false,
        }
    }

    /// A provider has found other targets than before.
    pub fn found(&mut self, found: Found) {
        let job = self.jobs[found.job].clone();
        self.found.insert((found.job, found.provider), found.targets);
        let mut wanted: HashMap<u64, Target> = HashMap::new();
        let sets = self.found.iter().filter(|((index, _), _)| *index == job.index).flat_map(|(_, sets)| sets);
        for set in sets {
            match Target::new(set, &job.job) {
                Ok(target) => {
                    // Two jobs may give their targets the same labels.
                    let key = xxh3_64_with_seed(&target.key.to_le_bytes(), job.index as u64);
                    wanted.insert(key, target);
                }
                Err(NoTarget::Dropped) => {}
                Err(error) => {
                    if self.said.is_new((job.index, error.to_string())) {
                        log::warn!("scrape config \"{}\": a target is left out: {error}", job.job.name);
                    }
                }
            }
        }
        let limit = job.job.limits.targets;
        if limit > 0 && wanted.len() as u64 > limit {
            self.over_limit.insert(job.index);
        } else {
            self.over_limit.remove(&job.index);
        }
        self.replace(&job, wanted);
        self.reporting.targets.set(self.slots.len() as u64);
    }

    fn replace(&mut self, job: &Arc<RunningJob>, mut wanted: HashMap<u64, Target>) {
        let now = Instant::now();
        for (key, slot) in &mut self.slots {
            if slot.visited.job.index != job.index {
                continue;
            }
            if wanted.remove(key).is_some() {
                slot.leaving = None;
            } else if slot.leaving.is_none() {
                // It may be back in a moment: its series are given up only after two more visits
                // would have been due.
                slot.leaving = Some(now + slot.visited.target.interval * 2);
            }
        }
        for (key, target) in wanted {
            let next = now + self.first_visit(key, target.interval);
            let visited = Visited { target, job: job.clone(), key, memory: Mutex::new(Memory::default()) };
            let slot = Slot {
                visited: Arc::new(visited),
                next,
                busy: false,
                leaving: None,
                failed: None,
                series: 0,
            };
            self.slots.insert(key, slot);
        }
    }

    /// Until the first visit: targets are spread over the interval, each at the same place in it
    /// after every start.
    fn first_visit(&self, key: u64, interval: Duration) -> Duration {
        let interval = (interval.as_nanos() as u64).max(1);
        let place = (key ^ self.host) % interval;
        let now = unix_nanos(SystemTime::now()) % interval;
        Duration::from_nanos((place + interval - now) % interval)
    }

    /// What is to be done now.
    pub fn due(&mut self) -> Vec<Task> {
        let now = Instant::now();
        let mut tasks = Vec::new();
        self.slots.retain(|key, slot| {
            if slot.busy {
                return true;
            }
            match slot.leaving {
                Some(when) if when <= now => {
                    tasks.push(Task::End(slot.visited.clone()));
                    self.reporting.forget(*key);
                    return false;
                }
                Some(_) => return true,
                None => {}
            }
            if slot.next <= now {
                slot.busy = true;
                let interval = slot.visited.target.interval;
                // Visits that were missed meanwhile are dropped.
                let missed = now.duration_since(slot.next).as_nanos() / interval.as_nanos().max(1);
                slot.next += interval * (u32::try_from(missed).unwrap_or(u32::MAX - 1) + 1);
                let visited = slot.visited.clone();
                tasks.push(if self.over_limit.contains(&visited.job.index) {
                    Task::Refuse(visited, "target_limit")
                } else {
                    Task::Scrape(visited)
                });
            }
            true
        });
        tasks
    }

    /// Until something is due.
    pub fn wait(&self) -> Duration {
        let now = Instant::now();
        let idle = self.slots.values().filter(|slot| !slot.busy);
        let next = idle.map(|slot| slot.leaving.unwrap_or(slot.next)).min();
        next.map_or(Duration::MAX, |next| next.saturating_duration_since(now))
    }

    /// A visit is over.
    pub fn visited(&mut self, key: u64, failed: Option<String>, series: usize, context: &Context) {
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.busy = false;
            slot.failed = failed;
            slot.series = series;
        }
        self.reporting.series.set(self.slots.values().map(|slot| slot.series as u64).sum());
        let failing = self.slots.values().all(|slot| slot.failed.is_some());
        let failing = failing && !self.slots.is_empty();
        if failing != self.degraded {
            self.degraded = failing;
            match self.slots.get(&key).and_then(|slot| slot.failed.as_ref()) {
                Some(message) if failing => {
                    let detail = format!("no target can be scraped: {message}");
                    context.status.set(ComponentState::Degraded, detail);
                }
                _ => context.status.set(ComponentState::Running, ""),
            }
        }
    }
}
