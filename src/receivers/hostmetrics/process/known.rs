//! What is remembered of each process from scrape to scrape. Entries go when their process goes,
//! so there are never more than processes.

use std::collections::HashMap;

use super::identity::Identity;
use super::stat::Task;

/// The processes of the last scrape by pid.
#[derive(Default)]
pub struct Known {
    entries: HashMap<u32, Entry>,
    scrape: u64,
}

#[derive(Default)]
struct Entry {
    /// Start time in ticks since boot: tells two processes of one pid apart.
    started: u64,
    seen: u64,
    cpu: CpuTime,
    image: u64,
    comm: crate::otlp::Str,
    faults: u64,
    /// When `cpu` was read, nanoseconds since the Unix epoch; 0 = not yet.
    measured: u64,
    pub identity: Identity,
    is_settled: bool,
}

/// CPU time in clock ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    user: u64,
    system: u64,
    wait: u64,
}

/// What of a process's identity may have changed since it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// It has not run since.
    Nothing,
    /// It ran: it may have rewritten its arguments.
    Command,
    /// It is new, or has executed another program, or it is its turn.
    All,
}

/// A process of this scrape, with what was known of it.
pub struct Visit<'a> {
    pub identity: &'a mut Identity,
    pub stale: Stale,
    /// Set when the identity was read late enough in the life of the process.
    pub is_settled: &'a mut bool,
}

/// Each process is looked at in full every so many scrapes, whether it seems to have changed or
/// not: it may have moved to another cgroup, or changed its user without a trace in `stat`.
const TURNS: u64 = 10;

impl CpuTime {
    pub fn of(task: &Task) -> Self {
        Self { user: task.user, system: task.system, wait: task.io_wait }
    }

    pub fn states(&self) -> [(&'static str, u64); 3] {
        [("user", self.user), ("system", self.system), ("wait", self.wait)]
    }
}

impl Known {
    pub fn begin_scrape(&mut self) {
        self.scrape += 1;
    }

    /// Forgets the processes that were not visited in this scrape.
    pub fn end_scrape(&mut self) {
        self.entries.retain(|_, entry| entry.seen == self.scrape);
    }

    pub fn visit(&mut self, task: &Task) -> Visit<'_> {
        let entry = self.entries.entry(task.pid).or_default();
        let faults = task.minor_faults.wrapping_add(task.major_faults);
        let is_new = entry.seen == 0 || entry.started != task.started;
        if is_new {
            *entry = Entry { started: task.started, ..Entry::default() };
        }
        let is_its_turn = (u64::from(task.pid) + self.scrape).is_multiple_of(TURNS);
        let stale = if is_new
            || is_its_turn
            || !entry.is_settled
            || entry.image != task.image
            || entry.comm != task.comm
        {
            Stale::All
        } else if entry.faults != faults || entry.cpu != CpuTime::of(task) {
            Stale::Command
        } else {
            Stale::Nothing
        };
        entry.seen = self.scrape;
        entry.image = task.image;
        entry.faults = faults;
        if entry.comm != task.comm {
            entry.comm.clone_from(&task.comm);
        }
        Visit { identity: &mut entry.identity, stale, is_settled: &mut entry.is_settled }
    }

    /// Remembers the CPU time; the one before and when it was, if there is one.
    pub fn replace_cpu(&mut self, pid: u32, cpu: CpuTime, now: u64) -> Option<(CpuTime, u64)> {
        let entry = self.entries.get_mut(&pid)?;
        let before = (entry.cpu, entry.measured);
        (entry.cpu, entry.measured) = (cpu, now);
        (before.1 > 0).then_some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(pid: u32, started: u64) -> Task {
        Task { pid, started, ..Task::default() }
    }

    #[test]
    fn a_pid_that_is_used_again_is_another_process() {
        let mut known = Known::default();
        known.begin_scrape();
        known.visit(&task(1, 5));
        assert_eq!(known.replace_cpu(1, CpuTime { user: 9, ..CpuTime::default() }, 100), None);
        known.end_scrape();
        known.begin_scrape();
        assert_eq!(known.visit(&task(1, 6)).stale, Stale::All);
        assert_eq!(known.replace_cpu(1, CpuTime::default(), 200), None);
    }

    #[test]
    fn processes_that_are_gone_are_forgotten() {
        let mut known = Known::default();
        for round in 0..50 {
            known.begin_scrape();
            for pid in 0..100 {
                known.visit(&task(round * 100 + pid, 1));
            }
            known.end_scrape();
            assert_eq!(known.entries.len(), 100);
        }
    }

    #[test]
    fn an_idle_process_is_read_again_when_it_runs_executes_or_has_its_turn() {
        let mut known = Known::default();
        let mut idle = Task { pid: 3, user: 5, ..Task::default() };
        let mut look = |task: &Task| {
            known.begin_scrape();
            let visit = known.visit(task);
            *visit.is_settled = true;
            let stale = visit.stale;
            known.replace_cpu(task.pid, CpuTime::of(task), known.scrape);
            known.end_scrape();
            stale
        };
        assert_eq!(look(&idle), Stale::All);
        assert_eq!(look(&idle), Stale::Nothing);
        idle.user = 6;
        assert_eq!(look(&idle), Stale::Command);
        idle.image = 1;
        assert_eq!(look(&idle), Stale::All);
        let stale: Vec<_> = (0..TURNS).map(|_| look(&idle)).collect();
        assert_eq!(stale.iter().filter(|stale| **stale == Stale::All).count(), 1);
    }
}
